"""Official files of the multiple-choice benchmarks in their makers' layouts, with invented questions.

Each question gets one of `RESPONSES`, and every response meets every answer. Videos are empty files: scoring
looks at none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

RESPONSES = (
    "A",
    "B",
    "C",
    "D",
    "E",
    "H",
    "c",
    "",
    " \n",
    "B.",
    "B) Red",
    "(B) because",
    "(B",
    "((C))",
    ")",
    "B. because A is wrong",
    "A) no, it is more like red",
    "The answer is D.",
    "The answer is B, not A",
    "the answer is (c)",
    "Best answer: C",
    "Best option: C",
    "Best Option: (C)",
    "The best option is D",
    "The correct answer: C",
    "Answer: C",
    "Final Answer: D",
    "Option D",
    "I Believe it is C",
    "Definitely C",
    "A man holds it, so C",
    "I think so.\nD",
    "**C**",
    "The answer is **d**",
    "红色",
    "答案是C",
    "选B。",
    "정답은 D",
    "Red",
    "it is red",
    "a red or a blue one",
    "None of them",
    "Cannot determine the answer",
    "AC",
    "A or B",
    "\u0130 D",
    "The video shows a long scene in which nothing that was asked about can be seen at all",
    "The video shows a long scene in which Anna sees what was asked about, and so it must be D",
)
TEXTS = ("Red", "Blue", "Green", "Black", "White", "Pink", "Grey", "Brown")


def lvbench(data: Path) -> Path:
    abilities = (
        "key information retrieval",
        "event understanding",
        "summarization",
        "entity recognition",
        "reasoning",
        "temporal grounding",
    )
    options = "".join(f"\n({letter}) {text}" for letter, text in zip("ABCD", TEXTS, strict=False))
    questions = [
        {
            "uid": str(number),
            "question": f"Which colour is number {number}?{options}",
            "answer": answer,
            "question_type": [abilities[number % 6], abilities[(number + 2) % 6]][: 1 + number % 2],
            "time_reference": "00:10-00:20",
        }
        for number, answer in enumerate(_answers("ABCD"))
    ]
    half = len(questions) // 2
    videos = [{"key": "first", "qa": questions[:half]}, {"key": "second", "qa": questions[half:]}]
    lines = "".join(json.dumps(video) + "\n" for video in videos)
    (data / "video_info.meta.jsonl").write_text(lines)
    return _videos(data / "videos", "first", "second")


def video_mme(data: Path) -> Path:
    """As many as there are, for the makers' script wants 300 videos of each length with three questions."""
    domains = (
        ("Knowledge", "Geography"),
        ("Film & Television", "Animation"),
        ("Sports Competition", "Football"),
        ("Artistic Performance", "Magic Show"),
        ("Life Record", "Food"),
        ("Multilingual", "Multilingual"),
    )
    tasks = ("Counting Problem", "OCR Problems", "Temporal Reasoning", "Information Synopsis")
    answers = _answers("ABCD")
    rows = []
    for number in range(2700):
        video = number // 3 + 1
        domain, sub_category = domains[video % 6]
        rows.append(
            {
                "video_id": f"{video:03}",
                "duration": ("short", "medium", "long")[(video - 1) // 300],
                "domain": domain,
                "sub_category": sub_category,
                "url": "https://www.youtube.com/watch?v=x",
                "videoID": f"v{video:03}",
                "question_id": f"{video:03}-{number % 3 + 1}",
                "task_type": tasks[number % 4],
                "question": f"Which colour is number {number}?",
                "options": [f"{letter}. {text}" for letter, text in zip("ABCD", TEXTS, strict=False)],
                "answer": answers[number % len(answers)],
            }
        )
    (data / "videomme").mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), data / "videomme" / "test-00000-of-00001.parquet")
    return _videos(data / "data", *(f"v{video:03}" for video in range(1, 901)))


def video_mme_v2(data: Path) -> Path:
    kinds = (
        ("relevance", ""),
        ("logic", "[1, 2, 3, 4]"),
        ("logic", "[1, [2, 3], 4]"),
        ("logic", "[[1, 2], 3, 4]"),
    )
    rows = []
    for number, answer in enumerate(_answers("ABCDEFGH")):
        video = number // 4 + 1
        kind, structure = kinds[video % 4]
        rows.append(
            {
                "video_id": f"{video:03}",
                "url": "https://www.youtube.com/watch?v=x",
                "group_type": kind,
                "group_structure": structure,
                "question_id": f"{video:03}-{number % 4 + 1}",
                "question": f"Which colour is number {number}?",
                "options": "\n".join(
                    f"{letter}. {text}" for letter, text in zip("ABCDEFGH", TEXTS, strict=True)
                ),
                "answer": answer,
                "level": str(video % 3 + 1),
                "second_head": f"head {video % 5}",
                "third_head": f"head {video % 7}",
            }
        )
    data.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), data / "test.parquet")
    return _videos(data / "video", *sorted({str(row["video_id"]) for row in rows}))


def mlvu_dev(data: Path) -> Path:
    tasks = ("plotQA", "needle", "ego", "count", "order", "anomaly_reco", "topic_reasoning")
    rows: dict[str, list[dict[str, Any]]] = {task: [] for task in (*tasks, "sub_scene", "summary")}
    for number, answer in enumerate(_answers("ABCD")):
        rows[tasks[number % 7]].append(_mlvu_row(number, answer, 4))
    (data / "json").mkdir(parents=True)
    for number, (task, entries) in enumerate(rows.items(), start=1):
        (data / "json" / f"{number}_{task}.json").write_text(json.dumps(entries))
    return _videos(data / "video", "clip")


def mlvu_test(data: Path) -> Path:
    tasks = ("anomaly_reco", "count", "ego", "needleQA", "order", "plotQA", "sportsQA", "topic_reasoning")
    tasks += ("tutorialQA",)
    rows = [
        _mlvu_row(number, answer, 6) | {"question_type": tasks[number % 9], "question_id": f"Q_{number}"}
        for number, answer in enumerate(_answers("ABCDEF"))
    ]
    data.mkdir(parents=True, exist_ok=True)
    (data / "test_mcq_gt.json").write_text(json.dumps(rows))
    return _videos(data / "video", "clip")


def longvideobench(data: Path) -> Path:
    categories = ("S2E", "T2O", "SSS", "TAA")
    rows = [
        {
            "id": f"clip_{number}",
            "video_id": "clip",
            "video_path": "clip.mp4",
            "question": f"Which colour is number {number}?",
            "candidates": list(TEXTS[: 5 if answer == "E" else 4 + number % 2]),
            "correct_choice": "ABCDE".index(answer),
            "question_category": categories[number % 4],
            "duration_group": (15, 60, 600, 3600)[number % 4],
            "duration": 12.5,
            "subtitle_path": "clip_en.json",
            "starting_timestamp_for_subtitles": 0.0,
        }
        for number, answer in enumerate(_answers("ABCDE"))
    ]
    data.mkdir(parents=True, exist_ok=True)
    (data / "lvb_val.json").write_text(json.dumps(rows))
    return _videos(data / "videos", "clip")


def response(number: int) -> str:
    """What the question of that number, in the order of the official files, is answered."""
    return RESPONSES[number % len(RESPONSES)]


def _answers(letters: str) -> list[str]:
    """The right answer of each question: every response meets every letter once."""
    return [letter for letter in letters for _ in RESPONSES]


def _mlvu_row(number: int, answer: str, options: int) -> dict[str, Any]:
    return {
        "video": "clip.mp4",
        "duration": 246,
        "question": f"Which colour is number {number}?",
        "candidates": list(TEXTS[:options]),
        "answer": TEXTS["ABCDEF".index(answer)],
        "question_type": "plotQA",
    }


def _videos(folder: Path, *stems: str) -> Path:
    """Empty videos in a folder; returns the folder above it."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        (folder / f"{stem}.mp4").touch()
    return folder.parent
