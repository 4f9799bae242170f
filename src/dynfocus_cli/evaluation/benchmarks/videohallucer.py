"""VideoHallucer: pairs of a basic question, answered by yes, and a hallucinated one, answered by no."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from dynfocus_cli.evaluation.accuracy import accuracy
from dynfocus_cli.evaluation.benchmark import Protocol, PublishedRow, QuestionBenchmark
from dynfocus_cli.evaluation.item import Dataset, Item, Prompt, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.official_files import (
    json_bytes,
    official_file,
    read_json_rows,
    require_fields,
)
from dynfocus_cli.evaluation.video_folder import VideoFolder

KINDS = {
    "object_relation": "Object-relation",
    "temporal": "Temporal",
    "semantic_detail": "Semantic detail",
    "external_factual": "Factual",
    "external_nonfactual": "Non-factual",
}
"""Folders of the data set -> what the figures call them."""

# patrick-tssn/VideoHallucer at ae4c2f2, evaluations/evaluation.py, `qa_type`.
RESULT_FILES = {
    "object_relation": "obj_rel",
    "temporal": "temporal",
    "semantic_detail": "semantic",
    "external_factual": "fact",
    "external_nonfactual": "nonfact",
}
"""Folders of the data set -> how the official script begins the names of its files of results."""

BASIC, HALLUCINATED = "basic", "hallucination"
"""The sides of a pair, as the official files call them."""

# patrick-tssn/VideoHallucer at ae4c2f2, evaluations/evaluation_utils.py, `evaluate`.
INSTRUCTION = "\nAnswer the question using 'yes' or 'no'."


def _row(model: str, *figures: float) -> PublishedRow:
    """A row of the poster's table: of each kind the basic, hallucinated and final accuracy; then overall."""
    names = [f"{kind}{side}" for kind in KINDS.values() for side in (" basic", " hallucinated", "")]
    kinds = dict(zip(names, figures[:15], strict=False))
    overall = {"Overall": figures[15]} if len(figures) > 15 else {}
    return PublishedRow("DynFocus poster, VideoHallucer", model, overall | kinds)


# fmt: off
PUBLISHED = (
    _row("VideoChatGPT 7B", 95.5, 7.0, 6.0, 100.0, 0.0, 0.0, 96.5, 4.0, 2.0, 86.5, 13.5, 7.0, 85.5, 27.5,
         17.0, 6.4),
    _row("LLaMA-VID 7B", 78.5, 59.0, 43.5, 86.0, 25.0, 21.0, 89.0, 24.0, 17.0, 98.0, 2.5, 2.5, 16.0, 14.0,
         3.5, 21.0),
    _row("LLaMA-VID 13B", 87.5, 55.5, 44.5, 78.5, 35.0, 27.0, 90.5, 30.0, 25.5, 85.0, 17.5, 12.5, 84.5, 46.5,
         36.5, 23.5),
    _row("Video-LLaMA2 7B", 88.5, 21.5, 18.0, 91.5, 8.5, 7.5, 99.0, 1.5, 1.0, 88.0, 8.5, 6.5, 87.5, 23.5,
         17.0, 10.0),
    _row("VideoChat2 7B", 26.0, 41.5, 10.5, 23.5, 25.0, 7.5, 33.0, 26.0, 9.0, 32.0, 16.5, 7.0, 34.0, 20.0,
         5.0, 7.8),
    _row("Video-LLaVA 7B", 95.0, 38.0, 34.5, 97.5, 13.5, 13.5, 97.0, 14.0, 12.0, 93.0, 4.5, 3.0, 93.0, 31.5,
         26.0, 17.8),
    _row("VideoLaViT", 94.5, 39.0, 35.5, 88.5, 27.0, 25.5, 96.5, 13.0, 10.5, 97.5, 6.0, 4.0, 97.5, 21.5,
         19.0, 18.9),
    _row("MiniGPT4-Video 7B", 80.5, 34.5, 27.5, 68.5, 27.0, 18.0, 68.5, 27.0, 23.5, 86.0, 16.5, 12.0, 83.5,
         37.5, 30.5, 22.3),
    _row("PLLaVA", 76.0, 76.5, 60.0, 46.5, 58.0, 23.5, 83.0, 71.5, 57.0, 85.0, 18.0, 9.5, 85.0, 53.5, 40.5,
         38.1),
    _row("LLaVA-NeXT 7B", 72.0, 73.0, 51.5, 53.0, 61.0, 28.0, 63.0, 69.0, 38.0, 62.5, 41.0, 14.0, 61.5, 60.5,
         28.5, 32.0),
    _row("DynFocus 7B, L = 25, K/L = 0.8", 86.5, 56.0, 48.0, 86.0, 21.5, 18.5, 92.0, 34.0, 29.0, 96.5, 9.0,
         7.5),
    _row("DynFocus† 7B, L = 25, K/L = 0.8", 88.0, 62.0, 52.5, 87.0, 37.5, 33.5, 91.5, 42.0, 38.5, 98.5, 15.0,
         13.0, 96.5, 40.0, 38.5, 35.1),
)
# fmt: on


class VideoHallucer(QuestionBenchmark):
    name = "videohallucer"
    title = "VideoHallucer: yes or no, five kinds of hallucination, 1,000 pairs of questions"
    url = "https://huggingface.co/datasets/ColorfulAI/VideoHallucer"
    marks = tuple(f"{kind}.json" for kind in ("object_relation", "semantic_detail", "external_factual"))
    published: ClassVar = PUBLISHED

    def read(self, data: Path, split: str) -> Dataset:
        files = {kind: official_file(self, data, f"{kind}/{kind}.json", f"{kind}.json") for kind in KINDS}
        reader = ItemReader(VideoFolder(data))
        for kind, file in files.items():
            pairs = read_json_rows(file)
            require_fields(file, pairs, (BASIC, HALLUCINATED))
            for side in (BASIC, HALLUCINATED):
                require_fields(file, [pair[side] for pair in pairs], ("video", "question", "answer"))
            reader.videos = VideoFolder(file.parent)  # kinds have videos of equal names
            for number, pair in enumerate(pairs):
                for side in (BASIC, HALLUCINATED):
                    _add(reader, kind, number, side, pair)
        return reader.dataset(*files.values())

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        lines = "".join(f"{line}\n" for line in subtitles or ())
        return Prompt(f"{lines}{item.official['question']}{INSTRUCTION}")

    # patrick-tssn/VideoHallucer at ae4c2f2, evaluations/evaluation_utils.py, `cal_score`.
    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        """The words yes and no, as far as they occur: a response with both is right for either answer."""
        words = [word for word in ("yes", "no") if re.search(rf"\b{word}\b", response, re.IGNORECASE)]
        return " and ".join(words) or None

    def is_right(self, item: Item, extracted: str) -> bool:
        return item.answer in extracted.split(" and ")

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """A pair is right where both of its questions are; the overall figures are means of the kinds'."""
        kinds: dict[str, list[dict[str, Scored]]] = {
            kind: [pair for pair in pairs if len(pair) == 2] for kind, pairs in _pairs(scored).items()
        }
        figures: dict[str, float] = {}
        for kind, pairs in kinds.items():
            if pairs:
                name = KINDS[kind]
                both = [min(one.score or 0.0 for one in pair.values()) for pair in pairs]
                figures[name] = 100 * sum(both) / len(both)
                figures[f"{name} basic"] = accuracy([pair[BASIC] for pair in pairs])
                figures[f"{name} hallucinated"] = accuracy([pair[HALLUCINATED] for pair in pairs])
        overall = {}
        for side in ("", " basic", " hallucinated"):
            values = [figures[kind + side] for kind in KINDS.values() if kind + side in figures]
            if values:
                overall[f"Overall{side}"] = sum(values) / len(values)
        return overall | figures

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """What evaluations/evaluation.py takes for its own results of a model named dynfocus, and scores."""
        files = {}
        for kind, pairs in _pairs(scored).items():
            rows = [_result(pair) for pair in pairs if len(pair) == 2]
            if rows:
                files[f"{RESULT_FILES[kind]}_dynfocus.json"] = json_bytes(rows)
        return files


def _add(reader: ItemReader, kind: str, number: int, side: str, pair: Mapping[str, Any]) -> None:
    """Adds one question of a pair."""
    row = pair[side]
    id = f"{kind}-{number}-{side}"
    answer = str(row["answer"]).strip().lower()
    if answer not in ("yes", "no"):
        reader.problem(id, f"Its answer {row['answer']!r} is neither yes nor no.")
        return
    reader.add(
        id,
        row["video"],
        row["question"],
        answer,
        task=kind,
        group=f"{kind}-{number}",
        official={
            "side": side,
            "type": pair.get("type", ""),
            **{field: row[field] for field in ("video", "question", "answer")},
        },
    )


def _pairs(scored: Sequence[Scored]) -> dict[str, list[dict[str, Scored]]]:
    """Kind -> its pairs, each side -> the prediction; a side may be missing."""
    groups: dict[str, dict[str, Scored]] = defaultdict(dict)
    for one in scored:
        item = one.prediction.item
        groups[item.group][item.official["side"]] = one
    pairs: dict[str, list[dict[str, Scored]]] = {kind: [] for kind in KINDS}
    for pair in groups.values():
        pairs[next(iter(pair.values())).prediction.item.task].append(pair)
    return pairs


def _result(pair: Mapping[str, Scored]) -> dict[str, Any]:
    """A pair as the official script stores it."""
    row: dict[str, Any] = {}
    for side in (BASIC, HALLUCINATED):
        prediction = pair[side].prediction
        fields = {field: prediction.item.official[field] for field in ("video", "question", "answer")}
        row[side] = {**fields, "predict": prediction.response}
    return {**row, "type": pair[BASIC].prediction.item.official["type"]}
