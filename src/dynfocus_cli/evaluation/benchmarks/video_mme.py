"""Video-MME: short, medium and long videos from YouTube, four options, with subtitles or without."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from dynfocus_cli.evaluation.accuracy import accuracy, accuracy_by, with_answer, with_extraction
from dynfocus_cli.evaluation.benchmark import Protocol, PublishedRow, QuestionBenchmark
from dynfocus_cli.evaluation.extractors import first_letter, likely_letter
from dynfocus_cli.evaluation.item import Dataset, Item, Prompt, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.official_files import as_list, as_text, json_bytes, official_file
from dynfocus_cli.evaluation.parquet import read_parquet
from dynfocus_cli.evaluation.video_folder import VideoFolder

PARQUET = "videomme/test-*.parquet"
VIDEO_FIELDS = ("video_id", "duration", "domain", "sub_category")
QUESTION_FIELDS = ("question_id", "task_type", "question", "options", "answer")
COLUMNS = (*VIDEO_FIELDS, "videoID", *QUESTION_FIELDS)
LENGTHS = ("short", "medium", "long")

# MME-Benchmarks/Video-MME, README.md, "Prompt" and its examples.
SUBTITLES = "This video's subtitles are listed below:\n"
INSTRUCTION = (
    "Select the best answer to the following multiple-choice question based on the video. Respond with only"
    " the letter (A, B, C, or D) of the correct option."
)
ENDING = "The best answer is:"

# lmms-eval 0.7.3, lmms_eval/tasks/videomme/utils.py, videomme.yaml and videomme_w_subtitle.yaml.
LMMS_EVAL_SUBTITLES = "This video's subtitles are listed below: \n"
LMMS_EVAL_NO_SUBTITLES = "No subtitles available"
LMMS_EVAL_INSTRUCTION = INSTRUCTION.replace("the video.", "the video and the subtitles.")
LMMS_EVAL_ENDING = "\nAnswer with the option's letter from the given choices directly."

# VLMEvalKit e8e78f05, vlmeval/dataset/videomme.py, `FRAMES_TMPL_NOSUB` and `FRAMES_TMPL_SUB`.
VLMEVALKIT_FRAMES = "\nThese are the frames of a video. "

# thanku-all/parse_answer, eval_your_results.py; two commas are missing there, which joins two pairs of
# phrases and leaves "Best answer:" in place, whose B is then read as the answer.
PHRASES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option isThe correct option is",
    "Best answer:Best option:",
    "Answer:",
    "Option:",
    "The correct answer",
    "The correct option",
)
# VLMEvalKit e8e78f05, vlmeval/dataset/utils/videomme.py, with the same two commas missing.
VLMEVALKIT_PHRASES = PHRASES[:8]


def _rows(model: str, *figures: float) -> tuple[PublishedRow, PublishedRow]:
    """A row of the poster's table: without and with subtitles by turns."""
    names = ("short", "medium", "long", "overall")
    without, with_subtitles = figures[::2], figures[1::2]
    source = "DynFocus poster, Video-MME"
    return (
        PublishedRow(f"{source}, without subtitles", model, dict(zip(names, without, strict=True))),
        PublishedRow(f"{source}, with subtitles", model, dict(zip(names, with_subtitles, strict=True))),
    )


class VideoMME(QuestionBenchmark):
    name = "video-mme"
    title = "Video-MME: multiple choice on 900 videos of 11 seconds to an hour, 2,700 questions"
    url = "https://huggingface.co/datasets/lmms-lab/Video-MME"
    marks = (PARQUET,)
    protocols = ("official", "lmms-eval", "vlmevalkit")
    published: ClassVar = (
        PublishedRow(
            "DynFocus poster, Video-MME, without subtitles",
            "LLaMA-VID 7B, 1 frame a second",
            {"overall": 25.9},
        ),
        *_rows("Video-LLaVA 7B, 8 frames", 45.3, 46.1, 38.0, 40.7, 36.2, 38.1, 39.9, 41.6),
        *_rows("ST-LLM 7B, 16 frames", 45.7, 48.4, 36.8, 41.4, 31.3, 36.9, 37.9, 42.3),
        *_rows("VideoChat2 7B, 16 frames", 48.3, 52.8, 37.0, 39.4, 33.2, 39.2, 39.5, 43.8),
        *_rows("Chat-UniVi 7B", 45.7, 51.2, 40.3, 44.6, 35.8, 41.8, 40.6, 45.9),
        *_rows("DynFocus 7B, 16 frames, L = 25, K/L = 0.8", 50.9, 53.7, 43.7, 46.0, 37.7, 43.6, 44.1, 47.8),
        *_rows("LLaVA-NeXT 34B", 61.7, 65.1, 50.1, 52.2, 44.3, 47.2, 52.0, 54.9),
        *_rows("VILA-1.5 34B", 68.1, 68.9, 58.1, 57.4, 50.8, 52.0, 59.0, 59.4),
    )

    def read(self, data: Path, split: str) -> Dataset:
        path = official_file(self, data, PARQUET)
        subtitles = {file.stem: file for file in sorted(data.rglob("*.srt"))}
        reader = ItemReader(VideoFolder(data))
        for row in read_parquet(path, COLUMNS):
            options = [as_text(option) or "" for option in as_list(row["options"])]
            reader.add(
                str(row["question_id"]),
                str(row["videoID"]),
                row["question"],
                row["answer"],
                without_letters(options),
                task=str(row["task_type"]),
                duration=str(row["duration"]),
                subtitles=subtitles.get(str(row["videoID"])),
                official={**{column: row[column] for column in COLUMNS}, "options": options},
            )
        return reader.dataset(path)

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        question = "\n".join([item.question, *item.official["options"]])
        lines = "\n".join(subtitles or ())
        if protocol == "vlmevalkit":
            head = "" if subtitles is None else f"{SUBTITLES}{lines}\n"
            return Prompt(f"{VLMEVALKIT_FRAMES}{head}{INSTRUCTION}\nQuestion: {question}\nAnswer: ")
        if protocol == "lmms-eval":
            body = f"{LMMS_EVAL_INSTRUCTION}\n{question}\n"
            if subtitles is None:
                return Prompt(body + LMMS_EVAL_ENDING)
            lines = lines if item.subtitles else LMMS_EVAL_NO_SUBTITLES
            return Prompt(f"{LMMS_EVAL_SUBTITLES}{lines}\n{body}{ENDING}")
        head = f"{SUBTITLES}{lines}\n" if lines else ""
        return Prompt(f"{head}{INSTRUCTION}\n{question}\n{ENDING}")

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        if protocol == "lmms-eval":
            return likely_letter(response, "ABCD")
        return first_letter(response, "ABCD", PHRASES if protocol == "official" else VLMEVALKIT_PHRASES)

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """The official script counts among parsed answers alone, the harnesses among all."""
        every = with_answer(scored)
        if not every:
            return {}
        parsed = with_extraction(every)
        basis, beside = (parsed, every) if protocol == "official" else (every, parsed)
        name = "unparsed counted as wrong" if protocol == "official" else "unparsed left out"
        lengths = accuracy_by(basis, lambda item: (item.duration,))
        domains = accuracy_by(basis, lambda item: (f"domain: {item.official['domain']}",))
        tasks = accuracy_by(basis, lambda item: (f"task: {item.task}",))
        return (
            {"overall": accuracy(basis)}
            | {length: lengths[length] for length in LENGTHS if length in lengths}
            | {f"overall, {name}": accuracy(beside)}
            | domains
            | tasks
        )

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """`output.json`, as MME-Benchmarks/Video-MME's evaluation/output_test_template.json and as
        eval_your_results.py takes it, which wants all 300 videos of a length."""
        videos: dict[str, dict[str, Any]] = {}
        for one in scored:
            official = one.prediction.item.official
            video = videos.setdefault(
                official["video_id"],
                {field: official[field] for field in VIDEO_FIELDS} | {"missing": False, "questions": []},
            )
            question = {field: official[field] for field in QUESTION_FIELDS}
            video["questions"].append(question | {"response": one.prediction.response})
        return {"output.json": json_bytes(list(videos.values()))} if videos else {}


def without_letters(options: Sequence[str]) -> list[str]:
    """`["A. Apples.", "B. Nuts."]` -> `["Apples.", "Nuts."]`"""
    return [re.sub(rf"^\s*{chr(ord('A') + place)}\.\s*", "", text) for place, text in enumerate(options)]
