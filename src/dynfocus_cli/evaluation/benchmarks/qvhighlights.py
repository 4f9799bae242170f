"""QVHighlights: queries with one moment or several, and how good each clip of two seconds is as a highlight
(Lei et al., NeurIPS 2021)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dynfocus_cli.evaluation.benchmark import Protocol
from dynfocus_cli.evaluation.item import Dataset, Item, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.moment_benchmark import MomentBenchmark
from dynfocus_cli.evaluation.official_files import as_list, official_file, read_json_lines, require_fields
from dynfocus_cli.evaluation.retrieval import (
    IOUS,
    average_precision,
    best_overlap,
    highlight_hit,
    highlight_precision,
    of_length,
)
from dynfocus_cli.evaluation.video_folder import VideoFolder

CLIP_S = 2
"""Length of a clip that is graded, seconds."""
FIELDS = ("qid", "query", "vid", "duration")
LONGEST_S = 86_400
"""A video that claims to last longer is none, seconds."""
LENGTHS = {"short": (0, 10), "middle": (10, 30), "long": (30, 150), "full": (0, 150)}
"""Classes of moments: longer than the one and at most as long as the other, seconds; `full` takes all."""
GRADES = {"Fair": 2, "Good": 3, "VeryGood": 4}
"""From which grade on a clip counts as relevant, of 0 to 4."""


class QVHighlights(MomentBenchmark):
    name = "qvhighlights"
    title = "QVHighlights: 1,550 queries with moments and graded clips, about 1,519 videos of 150 s (val)"
    url = "https://github.com/jayleicn/moment_detr"
    marks = ("highlight_val_release.jsonl", "highlight_test_release.jsonl")
    splits: ClassVar[tuple[str, ...]] = ("val", "test", "train")

    def read(self, data: Path, split: str) -> Dataset:
        names = [f"highlight_{split}_release.jsonl"]
        if split == "test":  # published later, when the server for submissions was shut down
            names.insert(0, "highlight_test_with_gt.jsonl")
        path = official_file(self, data, *names)
        rows = read_json_lines(path)
        require_fields(path, rows, FIELDS)
        reader = ItemReader(VideoFolder(data))
        for row in rows:
            windows = row.get("relevant_windows")
            grades = {name: as_list(row.get(name)) for name in ("relevant_clip_ids", "saliency_scores")}
            problem = _problem(row, grades)
            if problem:
                reader.problem(str(row["qid"]), problem)
                continue
            reader.add(
                str(row["qid"]),
                str(row["vid"]),
                row["query"],
                None,
                spans_s=None if windows is None else as_list(windows),
                official={name: row[name] for name in ("qid", "vid", "duration")} | grades,
            )
        return reader.dataset(path)

    def clips(self, item: Item) -> tuple[int, float] | None:
        return int(item.official["duration"] / CLIP_S), CLIP_S

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """As jayleicn/moment_detr, standalone_eval/eval.py, its names among them."""
        known = [one for one in scored if one.prediction.item.spans_s]
        if not known:
            return {}
        return _moment_figures(known) | _highlight_figures(known) | super().summarise(scored, protocol)

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """`submission.jsonl` for standalone_eval/eval.py. It takes no query without a moment: where nothing
        was found there is one without a length, which overlaps nothing."""
        lines = []
        for one in scored:
            prediction = one.prediction
            windows = [[found.start_s, found.end_s, found.score] for found in prediction.moments]
            record = {
                "qid": prediction.item.official["qid"],
                "query": prediction.item.question,
                "vid": prediction.item.official["vid"],
                "pred_relevant_windows": windows or [[0.0, 0.0, 0.0]],
                "pred_saliency_scores": list(prediction.clip_scores),
            }
            lines.append(json.dumps(record, ensure_ascii=False) + "\n")
        return {"submission.jsonl": "".join(lines).encode()}


def _problem(row: Mapping[str, Any], grades: Mapping[str, list[Any]]) -> str:
    """What is wrong with an entry's duration or grades; empty for nothing."""
    duration = row["duration"]
    if not _is_number(duration, CLIP_S, LONGEST_S):
        return f"Its duration {duration!r} is no number of seconds from {CLIP_S} to {LONGEST_S}."
    clips, of_clips = grades["relevant_clip_ids"], grades["saliency_scores"]
    count = int(duration / CLIP_S)
    if len(clips) != len(of_clips) or not all(_is_clip(one, count) for one in clips):
        return f"Its graded clips are not among the {count} of {CLIP_S} s that it has, each with its grades."
    if not all(isinstance(one, list) and len(one) == len(of_clips[0]) and one for one in of_clips):
        return "Its clips are not graded by equally many annotators."
    if not all(_is_number(grade, 0, 4) for one in of_clips for grade in one):
        return "Its clips have grades that are no numbers from 0 to 4."
    return ""


def _is_clip(value: Any, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def _is_number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _moment_figures(known: Sequence[Scored]) -> dict[str, float]:
    """Recall and average precision, of all moments and by their length."""
    figures = {}
    for name, (shortest, longest) in LENGTHS.items():
        pairs = []
        for one in known:
            right = list(one.prediction.item.spans_s or ())
            right = right if name == "full" else of_length(right, shortest, longest)
            if right:
                pairs.append(([moment.span_s for moment in one.prediction.moments], right))
        if not pairs:
            continue
        precisions = {
            iou: 100 * float(np.mean([average_precision(found, right, iou) for found, right in pairs]))
            for iou in IOUS
        }
        figures[f"MR-{name}-mAP"] = float(np.mean(list(precisions.values())))
        if name == "full":
            figures |= {f"MR-full-mAP@{iou}": precisions[iou] for iou in (0.5, 0.75)}
            shares = [best_overlap(found, right) for found, right in pairs]
            figures |= {
                f"MR-full-R1@{iou}": 100 * float(np.mean([share >= iou for share in shares]))
                for iou in (0.5, 0.7)
            }
    return figures


def _highlight_figures(known: Sequence[Scored]) -> dict[str, float]:
    """How well the clips are ranked, by the grade from which on they count; of queries with grades."""
    graded = [one for one in known if one.prediction.item.official["saliency_scores"]]
    if not graded:
        return {}
    figures = {}
    for name, least in GRADES.items():
        precisions, hits = [], []
        for one in graded:
            scores, relevant = one.prediction.clip_scores, _grades(one.prediction.item) >= least
            precisions.append(np.mean([highlight_precision(column, scores) for column in relevant.T]))
            hits.append(any(highlight_hit(column, scores) for column in relevant.T))
        figures[f"HL-min-{name}-mAP"] = 100 * float(np.mean(precisions))
        figures[f"HL-min-{name}-Hit1"] = 100 * float(np.mean(hits))
    return figures


def _grades(item: Item) -> NDArray[np.float64]:
    """Each annotator's grade of each clip; 0 where it is not graded.

    Shape: (clips, annotators)
    """
    given = np.asarray(item.official["saliency_scores"], dtype=np.float64)
    grades = np.zeros((int(item.official["duration"] / CLIP_S), given.shape[1]))
    grades[item.official["relevant_clip_ids"]] = given
    return grades
