"""Video-MME-v2: groups of four questions on a video, eight options, a score a group that is not linear."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.accuracy import accuracy, with_answer, with_extraction
from dynfocus_cli.evaluation.benchmark import Protocol, QuestionBenchmark
from dynfocus_cli.evaluation.benchmarks.video_mme import SUBTITLES, without_letters
from dynfocus_cli.evaluation.extractors import first_letter
from dynfocus_cli.evaluation.item import Dataset, Item, Prompt, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.official_files import official_file, read_json_lines, require_fields
from dynfocus_cli.evaluation.parquet import read_parquet
from dynfocus_cli.evaluation.video_folder import VideoFolder
from dynfocus_cli.video.cues import Cue

PARQUET = "test.parquet"
COLUMNS = (
    "video_id",
    "question_id",
    "question",
    "options",
    "answer",
    "group_type",
    "group_structure",
    "level",
    "second_head",
    "third_head",
)
LETTERS = "ABCDEFGH"
GROUP = 4

# MME-Benchmarks/Video-MME-v2, evaluation/test_video_mme_v2.py, `WO_SUB_PROMPT` and the two below it.
FRAMES = "These are the frames of a video."
INSTRUCTION = (
    "Select the best answer to the following multiple-choice question based on the video. Respond with only"
    " the letter (A, B, C, D, E, F, G, or H) of the correct option."
)

# MME-Benchmarks/Video-MME-v2, evaluation/test_video_mme_v2.py, `extract_characters_regex_v2`.
PHRASES = (
    "Final Answer:",
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option is",
    "The correct option is",
    "Best answer:",
    "Best option:",
    "Answer:",
    "Option:",
)

CHAINS = {
    "[1, 2, 3, 4]": (0, 1 / 16, 4 / 16, 9 / 16, 1),
    "[1, [2, 3], 4]": (0, 1 / 12, 4 / 12, 7 / 12, 1),
    "[[1, 2], 3, 4]": (0, 1 / 10, 2 / 10, 5 / 10, 1),
}
"""Which of four questions build on which -> what as many right answers in a row are worth."""

SENTENCE_GAP_S = 0.5
"""A pause between words that ends a line of subtitles, as in the makers' `group_subtitle_segments`."""


class VideoMMEv2(QuestionBenchmark):
    name = "video-mme-v2"
    title = (
        "Video-MME-v2: multiple choice with eight options on 800 videos, 3,200 questions in groups of four"
    )
    url = "https://huggingface.co/datasets/MME-Benchmarks/Video-MME-v2"
    marks = (PARQUET,)
    protocols = ("official", "lmms-eval", "vlmevalkit")

    def read(self, data: Path, split: str) -> Dataset:
        path = official_file(self, data, PARQUET)
        subtitles = {file.stem: file for file in sorted(data.rglob("*.jsonl"))}
        reader = ItemReader(VideoFolder(data), LETTERS)
        for index, row in enumerate(read_parquet(path, COLUMNS)):
            id, video = str(row["question_id"]), str(row["video_id"])
            if row["group_type"] == "logic" and _structure(row) not in CHAINS:
                reader.problem(id, f"Its group has an unknown structure {row['group_structure']}.")
                continue
            reader.add(
                id,
                video,
                row["question"],
                row["answer"],
                without_letters(str(row["options"]).strip().split("\n")),
                task=str(row["second_head"]),
                group=video,
                subtitles=subtitles.get(video),
                official={**{column: row[column] for column in COLUMNS}, "index": index},
            )
        return reader.dataset(path)

    def cues(self, item: Item) -> tuple[Cue, ...]:
        return sentences(item.subtitles) if item.subtitles else ()

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        question = f"Question: {item.question}\n{item.official['options']}\n{INSTRUCTION}"
        words = " ".join(subtitles or ())
        if protocol == "lmms-eval":
            # lmms-eval 0.7.3, lmms_eval/tasks/videomme_v2/utils.py, `videomme_v2_doc_to_text_subtitle`.
            return Prompt(f"{SUBTITLES}{words}\n\n{question}" if words else question)
        if subtitles is None:
            return Prompt(f"{FRAMES}\n{question}")
        return Prompt(f"{FRAMES} {SUBTITLES}{words}\n{question}")

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        if protocol == "lmms-eval":
            return stated_letter(response) or contained_option(response, item)
        return first_letter(response, LETTERS, PHRASES)

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """Groups of which a question is missing count in the accuracies alone.

        The official script gives an unparsed answer -1: in a group of relevance it takes a right one away,
        and in a chain of logic it counts as right. The harnesses count it as wrong, which stands beside it.
        """
        every = with_answer(scored)
        if not every:
            return {}
        figures = _group_figures(every, -1 if protocol == "official" else 0)
        if protocol == "official":
            beside = _group_figures(every, 0)
            if "total" in beside:
                figures["total, unparsed counted as wrong"] = beside["total"]
        return figures | {
            "accuracy": accuracy(every),
            "accuracy, unparsed left out": accuracy(with_extraction(every)),
        }

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """`predictions.tsv`, which evaluation/test_video_mme_v2.py writes, and scores when it finds it.

        It asks its model again where a response is empty, so a dash, in which it finds no answer either, is
        written there; a space ahead of the others keeps pandas from reading `None` or `NA` as empty.
        """
        if not scored:
            return {}
        names = (*COLUMNS, "index", "video", "prediction")
        lines = ["\t".join(names)]
        for one in sorted(scored, key=lambda one: one.prediction.item.official["index"]):
            official = one.prediction.item.official
            values = [official[column] for column in COLUMNS]
            response = one.prediction.response.strip()
            values += [official["index"], official["video_id"], f" {response}" if response else "-"]
            lines.append("\t".join(_tsv(value) for value in values))
        return {"predictions.tsv": ("\n".join(lines) + "\n").encode()}


def group_score(group: Sequence[Scored], unparsed: int) -> float:
    """Per cent of a group of four, in the order of its questions.

    Of relevance: (right / 4)²; of logic: as many as are right in a row from the first on, by `CHAINS`.

    Args:
        unparsed: what an answer counts that was not found: 0 as a wrong one, -1 as in the official script.
    """
    # MME-Benchmarks/Video-MME-v2, evaluation/test_video_mme_v2.py, `cal_relevance` and `cal_logic`.
    scores = [unparsed if one.extracted is None else int(one.score or 0) for one in group]
    official = group[-1].prediction.item.official
    if official["group_type"] != "logic":
        return 100 * max(sum(scores), 0) ** 2 / 16
    structure = _structure(official)
    chain = [bool(score) for score in scores]
    right = chain.index(False) if False in chain else len(chain)
    # Of two questions that stand side by side, the second one alone is worth as much as the first one.
    right += (structure == "[1, [2, 3], 4]" and right == 1 and chain[2]) or (
        structure == "[[1, 2], 3, 4]" and right == 0 and chain[1]
    )
    return 100 * CHAINS[structure][right]


# lmms-eval 0.7.3, lmms_eval/tasks/videomme_v2/utils.py, `extract_characters_regex`.
_LETTER = r"[ \t]*(?:\*\*[ \t]*)?([A-H])(?:[ \t]*\*\*)?[ \t]*"
_LAST_LINE = re.compile(rf"(?:^|\n){_LETTER}[.)]?[ \t]*$", re.IGNORECASE)
_BEGINNING = re.compile(rf"{_LETTER}(?:[.)]|\r?\n|$)", re.IGNORECASE)
_PHRASE = re.compile(
    rf"(?:{'|'.join(PHRASES)}|\b(?:answer|option)(?:\s+(?:is|would\s+be)|\s*:))[\s:*]*([A-H])\b",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*\s*([A-H])(?=\s*\*\*|[.)])", re.IGNORECASE)


def stated_letter(response: str) -> str | None:
    """The letter that is the last line, or the beginning; else the last one after a phrase; else the only one
    in bold type."""
    text = response.strip()
    alone = _LAST_LINE.search(text) or _BEGINNING.match(text)
    if alone:
        return alone[1].upper()
    named = _PHRASE.findall(text)
    if named:
        return str(named[-1]).upper()
    bold = {letter.upper() for letter in _BOLD.findall(text)}
    return bold.pop() if len(bold) == 1 else None


# lmms-eval 0.7.3, lmms_eval/tasks/videomme_v2/utils.py, `extract_option`.
def contained_option(response: str, item: Item) -> str | None:
    """The only option whose text is in the response, whatever the case and without full stops at its ends."""
    lower = response.lower()
    letters = [option.letter for option in item.options if option.text.strip(". \n").lower() in lower]
    return letters[0] if len(letters) == 1 else None


def sentences(path: Path) -> tuple[Cue, ...]:
    """The lines that words with times make up, which pauses end.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    words = read_json_lines(path)
    require_fields(path, words, ("text", "start_time", "end_time"))
    lines: list[list[Mapping[str, Any]]] = [words[:1]] if words else []
    try:
        for before, word in pairwise(words):
            gap = word["start_time"] - before["end_time"]
            ends = str(before["text"]).rstrip().endswith((".", "!", "?"))
            if gap > SENTENCE_GAP_S or (ends and gap > 0.1):
                lines.append([])
            lines[-1].append(word)
        return tuple(
            Cue(float(line[0]["start_time"]), float(line[-1]["end_time"]), _joined(line)) for line in lines
        )
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} holds times that are no numbers.") from error


def _joined(words: Iterable[Mapping[str, Any]]) -> str:
    return " ".join(str(word["text"]).strip() for word in words)


def _group_figures(scored: Sequence[Scored], unparsed: int) -> dict[str, float]:
    """The means over groups: in total, of each kind, and of each level, which is the last question's."""
    members = defaultdict[str, list[Scored]](list)
    for one in scored:
        members[one.prediction.item.group].append(one)
    groups = [sorted(group, key=_place) for group in members.values() if len(group) == GROUP]
    scores = [(group[-1].prediction.item.official, group_score(group, unparsed)) for group in groups]

    def means(name: Callable[[Mapping[str, Any]], str]) -> dict[str, float]:
        named = defaultdict[str, list[float]](list)
        for official, score in scores:
            named[name(official)].append(score)
        return {key: mean(named[key]) for key in sorted(named)}

    figures = means(lambda official: "total")
    figures |= means(lambda official: str(official["group_type"]))
    levels = means(lambda official: re.sub(r"\.0$", "", f"level {official['level']}"))
    return figures | {name: value for name, value in levels.items() if name != "level None"}


def _structure(official: Mapping[str, Any]) -> str:
    """Which of a group's questions build on which, as `CHAINS` has it; anything else stays as it is."""
    text = str(official["group_structure"])
    try:
        return str(json.loads(text))
    except ValueError:
        return text


def _place(one: Scored) -> int:
    """The number of a question in its group: of `001-3` it is 3."""
    number = re.search(r"(\d+)$", one.prediction.item.id)
    return int(number[1]) if number else 0


def _tsv(value: object) -> str:
    """A field of a table, quoted as pandas reads it."""
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if re.search(r'["\t\r\n]', text) else text
