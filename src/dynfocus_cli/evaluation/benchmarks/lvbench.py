"""LVBench: long videos from YouTube, four options, six abilities of which a question may need several."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from dynfocus_cli.evaluation.accuracy import accuracy, accuracy_by, with_answer
from dynfocus_cli.evaluation.benchmark import Protocol, PublishedRow, QuestionBenchmark
from dynfocus_cli.evaluation.extractors import likely_letter
from dynfocus_cli.evaluation.item import Dataset, Item, Prompt, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.official_files import (
    as_list,
    json_bytes,
    official_file,
    read_json_lines,
    require_fields,
)
from dynfocus_cli.evaluation.video_folder import VideoFolder

META = "video_info.meta.jsonl"

# THUDM/LVBench, scripts/test_acc.py, `name_map`.
ABILITIES = {
    "entity recognition": "ER",
    "event understanding": "EU",
    "key information retrieval": "KIR",
    "temporal grounding": "TG",
    "reasoning": "Rea",
    "summarization": "Sum",
}

# lmms-eval 0.7.3, lmms_eval/tasks/lvbench/lvbench.yaml, `post_prompt`. The makers publish no instruction.
INSTRUCTION = "\nAnswer the question with the option letter"

_OPTION = re.compile(r"\s*\n\s*\(([A-Z])\)[ \t]*")
"""Where an option begins in a question's text."""


def _row(model: str, *figures: float) -> PublishedRow:
    names = ("ER", "EU", "KIR", "TG", "Rea", "Sum", "Overall")
    return PublishedRow("DynFocus poster, LVBench", model, dict(zip(names, figures, strict=True)))


class LVBench(QuestionBenchmark):
    name = "lvbench"
    title = "LVBench: multiple choice on 103 videos of half an hour to two hours, 1,549 questions"
    url = "https://huggingface.co/datasets/THUDM/LVBench"
    marks = (META,)
    protocols = ("official", "lmms-eval")
    published: ClassVar = (
        _row("TimeChat 7B, 96 frames", 21.9, 21.7, 25.9, 22.7, 25.0, 24.1, 22.3),
        _row("PLLaVA 34B, 16 frames", 25.0, 24.9, 26.2, 21.4, 30.0, 25.9, 26.1),
        _row("LLaVA-NeXT 34B, 32 frames", 30.1, 31.2, 34.1, 31.4, 35.0, 27.6, 32.2),
        _row("GPT-4o, 10 frames", 26.5, 23.7, 28.3, 21.4, 28.0, 32.8, 27.0),
        _row("MovieChat 7B, 10,000 frames", 21.3, 23.1, 25.9, 22.3, 24.0, 17.2, 22.5),
        _row("LLaMA-VID 13B, 10,000 frames", 25.4, 21.7, 23.4, 26.4, 26.5, 17.2, 23.9),
        _row("LWM 7B, 4,000 frames", 24.7, 24.8, 26.5, 28.6, 30.5, 22.4, 25.5),
        _row("Gemini 1.5 Pro, 4,000 frames", 32.1, 30.9, 39.3, 31.8, 27.0, 32.8, 33.1),
        _row("DynFocus 7B, 200 frames, L = 25, K/L = 0.8", 27.9, 30.3, 31.2, 25.4, 31.8, 32.8, 30.4),
        _row("DynFocus 7B, 200 frames, L = 60, K/L = 0.8", 28.6, 31.8, 32.6, 27.2, 35.3, 34.4, 31.8),
        _row("DynFocus 7B, 200 frames, L = 60, K/L = 0.6", 29.9, 33.7, 35.1, 25.5, 33.3, 26.2, 32.6),
        _row("DynFocus 7B, 200 frames, L = 70, K/L = 0.4", 31.8, 33.5, 32.6, 28.7, 34.8, 31.3, 32.9),
        _row("DynFocus 7B, 200 frames, L = 80, K/L = 0.4", 31.1, 33.5, 31.6, 28.6, 33.8, 24.1, 31.8),
    )

    def read(self, data: Path, split: str) -> Dataset:
        meta = official_file(self, data, META)
        videos = read_json_lines(meta)
        require_fields(meta, videos, ("key", "qa"))
        questions = [(str(video["key"]), question) for video in videos for question in as_list(video["qa"])]
        fields = ("uid", "question", "answer", "question_type")
        require_fields(meta, [question for _, question in questions], fields)
        folder = VideoFolder(data)
        downloads = _downloads(data)
        reader = ItemReader(folder)
        for key, question in questions:
            uid, text = str(question["uid"]), str(question["question"])
            stem, options = _options(text)
            types = question["question_type"]
            abilities = [str(ability) for ability in ([types] if isinstance(types, str) else as_list(types))]
            if not options:
                reader.problem(
                    uid, "Its options cannot be read: they should be lines that begin with (A), (B) ..."
                )
                continue
            reader.add(
                uid,
                key if folder.paths(key) else downloads.get(key, key),
                stem,
                question["answer"],
                options,
                task=", ".join(abilities),
                official={"question": text, "abilities": abilities},
            )
        return reader.dataset(meta)

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        lines = "".join(f"{line}\n" for line in subtitles or ())
        return Prompt(lines + str(item.official["question"]) + INSTRUCTION)

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        letter = likely_letter(response, "ABCD") if protocol == "lmms-eval" else first_character(response)
        return letter if letter in {option.letter for option in item.options} else None

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        if not with_answer(scored):
            return {}
        abilities = accuracy_by(scored, lambda item: item.official["abilities"])
        return {"Overall": accuracy(scored)} | {
            ABILITIES.get(name, name): abilities[name] for name in sorted(abilities, key=_ability_order)
        }

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """`answers.json` is what lvbench/metrics/compute_accuracy.py takes; `result.json` is what the
        leaderboard takes, as scripts/test_acc.py writes it."""
        answers = {one.prediction.item.id: first_character(one.prediction.response) for one in scored}
        figures = self.summarise(scored, "official")
        result = {name: figures[name] / 100 for name in (*ABILITIES.values(), "Overall") if name in figures}
        return {"answers.json": json_bytes(answers), "result.json": json_bytes(result)}


# THUDM/LVBench, lvbench/utils/answer_util.py, `polish_answer`.
def first_character(response: str) -> str:
    """The first character of the first word: of what stands before the first `)` and, where there is one
    before that, after the first `(`. Of `The answer is D.` it is T."""
    text = response.strip().split(")")[0]
    text = text.split("(")[1] if "(" in text else text
    return text.strip()[:1]


def _options(text: str) -> tuple[str, list[str]]:
    """The question without its options, and these; none where they are not A, B, C ... in order."""
    stem, *parts = _OPTION.split(text)
    letters, options = parts[::2], [option.strip() for option in parts[1::2]]
    in_order = "".join(letters) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(letters)]
    return stem, options if in_order else []


def _ability_order(name: str) -> tuple[int, str]:
    known = list(ABILITIES)
    return (known.index(name) if name in known else len(known), name)


def _downloads(data: Path) -> dict[str, str]:
    """YouTube's id -> the file's stem, as video2dataset names files by number and writes a JSON file with the
    address beside each, which the makers' own download script runs."""
    stems = {}
    for path in sorted(data.glob("**/[0-9]*.json")):
        try:
            address = str(json.loads(path.read_bytes())["url"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        identifier = re.search(r"[?&]v=([\w-]+)", address)
        if identifier:
            stems[identifier[1]] = path.stem
    return stems
