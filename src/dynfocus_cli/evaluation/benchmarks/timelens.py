"""TimeLens-Bench: queries of Charades-STA, ActivityNet Captions and QVHighlights that were looked through
again (Zhang et al., CVPR 2026)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import Protocol
from dynfocus_cli.evaluation.item import Dataset, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.moment_benchmark import MEAN_IOU, RECALL, RECALLS, MomentBenchmark
from dynfocus_cli.evaluation.official_files import (
    as_list,
    json_bytes,
    official_file,
    read_json,
    require_fields,
)
from dynfocus_cli.evaluation.video_folder import VideoFolder

FILE = "{}-timelens.json"
FIELDS = ("spans", "queries")


class TimeLens(MomentBenchmark):
    name = "timelens"
    title = "TimeLens-Bench: queries with one moment each, in three splits made of other benchmarks"
    url = "https://huggingface.co/datasets/TencentARC/TimeLens-Bench"
    splits: ClassVar[tuple[str, ...]] = ("charades", "activitynet", "qvhighlights")
    marks = tuple(FILE.format(split) for split in splits)

    def read(self, data: Path, split: str) -> Dataset:
        path = official_file(self, data, FILE.format(split))
        videos = read_json(path)
        if not isinstance(videos, dict):
            raise UsageError(f"{path} is not an object with a field for each video, as the official file is.")
        require_fields(path, list(videos.values()), FIELDS)
        reader = ItemReader(VideoFolder(data))
        for video, row in videos.items():
            spans, queries = as_list(row["spans"]), as_list(row["queries"])
            if len(spans) != len(queries):
                reader.problem(video, f"It has {len(queries)} queries and {len(spans)} moments.")
                continue
            for number, (span, query) in enumerate(zip(spans, queries, strict=True)):
                text = _cleaned(query) if isinstance(query, str) else query
                official = {"video": f"{video}.mp4"}
                reader.add(
                    f"{video}-{number}", video, text, None, folder=split, spans_s=[span], official=official
                )
        return reader.dataset(path)

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """As TencentARC/TimeLens, evaluation/compute_metrics.py: by the first moment of each query."""
        known = [one.measures for one in scored if one.measures]
        if not known:
            return {}
        names = {f"IOU {iou}": RECALL.format(iou) for iou in RECALLS} | {"mIOU": MEAN_IOU}
        figures = {
            name: 100 * sum(measures[measure] for measures in known) / len(known)
            for name, measure in names.items()
        }
        return figures | super().summarise(scored, protocol)

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """`predictions.json` for compute_metrics.py: video, query and right moment -> the best moment."""
        predictions = {}
        for one in scored:
            item = one.prediction.item
            right = [list(span) for span in item.spans_s or ()]
            key = f"{item.official['video']}>>>{item.question}>>>{right[0] if right else right}"
            best = [list(moment.span_s) for moment in one.prediction.moments[:1]]
            predictions[key] = {"timestamps": best}
        return {"predictions.json": json_bytes(predictions)}


def _cleaned(query: str) -> str:
    """With single spaces, and without full stops at its ends.

    As TencentARC/TimeLens, timelens/dataset/timelens_data.py, parse_query.
    """
    return " ".join(query.split()).strip(".").strip()
