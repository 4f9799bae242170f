"""LongVideoBench: questions that refer to a moment of a long video with subtitles, up to five options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.accuracy import accuracy, accuracy_by, with_answer, with_extraction
from dynfocus_cli.evaluation.benchmark import Protocol, QuestionBenchmark
from dynfocus_cli.evaluation.extractors import first_letter
from dynfocus_cli.evaluation.item import Dataset, Item, Prompt, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.official_files import (
    as_list,
    json_bytes,
    official_file,
    read_json_rows,
    require_fields,
)
from dynfocus_cli.evaluation.video_folder import VideoFolder
from dynfocus_cli.video.cues import Cue, tidy_cues

FILES = {"val": "lvb_val.json", "test": "lvb_test_wo_gt.json"}
FIELDS = (
    "id",
    "video_path",
    "question",
    "candidates",
    "question_category",
    "duration_group",
    "duration",
    "subtitle_path",
    "starting_timestamp_for_subtitles",
)
LETTERS = "ABCDE"

# longvideobench/LongVideoBench, longvideobench/longvideobench_dataset.py, `__getitem__`; the same sentence in
# lmms-eval 0.7.3 and VLMEvalKit e8e78f05, which leave out "Question: ".
INSTRUCTION = "Answer with the option's letter from the given choices directly."

# lmms-eval 0.7.3, lmms_eval/tasks/longvideobench/utils.py, `parse_multi_choice_response`: the makers wrote
# it, and name it in their README as the way to evaluate.
PHRASES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option is",
    "The correct option is",
    "Best answer:",
    "Best option:",
)
# VLMEvalKit e8e78f05, vlmeval/dataset/utils/longvideobench.py; two commas are missing there, which joins two
# pairs of phrases.
VLMEVALKIT_PHRASES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option isThe correct option is",
    "Best answer:Best option:",
    "Answer:",
    "Option:",
)


class LongVideoBench(QuestionBenchmark):
    name = "longvideobench"
    title = "LongVideoBench: multiple choice on 3,763 videos of 8 seconds to an hour, 6,678 questions"
    url = "https://huggingface.co/datasets/longvideobench/LongVideoBench"
    marks = tuple(FILES.values())
    splits = tuple(FILES)
    protocols = ("official", "lmms-eval", "vlmevalkit")

    def read(self, data: Path, split: str) -> Dataset:
        path = official_file(self, data, FILES[split])
        rows = read_json_rows(path)
        require_fields(path, rows, (*FIELDS, "correct_choice") if split == "val" else FIELDS)
        reader = ItemReader(VideoFolder(data), LETTERS)
        for row in rows:
            subtitles = path.parent / "subtitles" / str(row["subtitle_path"])
            reader.add(
                str(row["id"]),
                str(row["video_path"]),
                row["question"],
                _letter(row["correct_choice"]) if split == "val" else None,
                as_list(row["candidates"]),
                task=str(row["question_category"]),
                duration=str(row["duration_group"]),
                subtitles=subtitles if subtitles.is_file() else None,
                official={
                    "begin_s": row["starting_timestamp_for_subtitles"],
                    "duration_s": row["duration"],
                },
            )
        return reader.dataset(path)

    def cues(self, item: Item) -> tuple[Cue, ...]:
        if item.subtitles is None:
            return ()
        lines = read_json_rows(item.subtitles)
        begin_s, duration_s = item.official["begin_s"], item.official["duration_s"]
        try:
            return tidy_cues(_cue(line, float(begin_s), float(duration_s)) for line in lines)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{item.subtitles} is of another version: expected are lines with start, end and line, or "
                "with timestamp and text."
            ) from error

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        head = "Question: " if protocol == "official" else ""
        options = [f"{option.letter}. {option.text}" for option in item.options]
        text = "\n".join([*(subtitles or ()), head + item.question, *options, INSTRUCTION])
        return Prompt(text + "\n" if protocol == "lmms-eval" else text)

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        phrases = VLMEVALKIT_PHRASES if protocol == "vlmevalkit" else PHRASES
        return first_letter(response, LETTERS, phrases)

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """The makers give an unparsed answer a letter by chance; here it counts what that is worth on
        average, so that a run scored twice has the same figures. VLMEvalKit counts it as wrong."""
        every = with_answer(scored)
        if not every:
            return {}
        counted = every if protocol == "vlmevalkit" else [_with_guess(one) for one in every]
        figures = {"overall": accuracy(counted)}
        lengths = accuracy_by(counted, lambda item: (item.duration,))
        figures |= {f"{name} s": lengths[name] for name in sorted(lengths, key=_seconds)}
        if protocol != "vlmevalkit":
            figures["overall, unparsed counted as wrong"] = accuracy(every)
        figures["overall, unparsed left out"] = accuracy(with_extraction(every))
        return figures | accuracy_by(counted, lambda item: (item.task,))

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """`longvideobench_test_for_submission.json`, as lmms-eval writes it for the makers' leaderboard."""
        responses = {one.prediction.item.id: one.prediction.response for one in scored}
        return {"longvideobench_test_for_submission.json": json_bytes(responses)} if responses else {}


def _with_guess(one: Scored) -> Scored:
    """Its score, or where no answer was found what a letter by chance is worth."""
    return one if one.extracted is not None else replace(one, score=1 / len(one.prediction.item.options))


# longvideobench/LongVideoBench, longvideobench/longvideobench_dataset.py, `insert_subtitles_into_frames`.
def _cue(line: Mapping[str, Any], begin_s: float, duration_s: float) -> tuple[float, float, str]:
    """Beginning, end and text of a line, which is on screen for a second at least. Lines come in two forms:
    {"start": "00:00:01.200", "end": "00:00:02.000", "line": ...}, {"timestamp": [1.2, 2.0], "text": ...}."""
    if "timestamp" in line:
        start_s, end_s = line["timestamp"]
        end_s, text = begin_s + duration_s if end_s is None else float(end_s), line["text"]
    else:
        start_s, end_s, text = _clock(str(line["start"])), _clock(str(line["end"])), line["line"]
    start_s, end_s = float(start_s) - begin_s, end_s - begin_s
    middle_s = (start_s + end_s) / 2
    if end_s - start_s < 1:
        start_s, end_s = middle_s - 0.5, middle_s + 0.5
    return max(start_s, 0.0), end_s, str(text)


def _clock(text: str) -> float:
    """`00:01:02.500` in seconds."""
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _letter(choice: object) -> str:
    """The letter of an option's number from 0 on; anything else as it is."""
    if isinstance(choice, int) and 0 <= choice < len(ascii_uppercase):
        return ascii_uppercase[choice]
    return str(choice)


def _seconds(name: str) -> float:
    return float(name) if name.isdigit() else float("inf")
