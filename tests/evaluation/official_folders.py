"""Small data sets in the layouts of the official ones; their videos are empty files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dynfocus_cli.evaluation.item import Dataset


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def touch_videos(folder: Path, names: Iterable[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def videohallucer(data: Path, pairs: int = 2) -> Path:
    """Equal names of videos in all kinds, with other videos behind them."""
    for kind in ("object_relation", "temporal", "semantic_detail", "external_factual", "external_nonfactual"):
        rows: list[dict[str, Any]] = []
        for number in range(pairs):
            video = f"{number}.mp4"
            rows.append(
                {
                    "basic": {"video": video, "question": f"Is there a {kind} {number}?", "answer": "yes"},
                    "hallucination": {"video": video, "question": f"Is there no {kind}?", "answer": "no"},
                    "type": "subject",
                }
            )
        write_json(data / kind / f"{kind}.json", rows)
        touch_videos(data / kind / "videos", [f"{number}.mp4" for number in range(pairs)])
    return data


MSVD_ROWS = [
    {"id": 35989, "video_id": 1451, "question": "what is being cut?", "answer": "cucumber"},
    {"id": 35990, "video_id": 1451, "question": "who cuts?", "answer": "woman"},
    {"id": 35991, "video_id": 1452, "question": "what runs?", "answer": "dog"},
]


def activitynet_qa(data: Path) -> Path:
    write_json(
        data / "dataset" / "test_q.json",
        [
            {"video_name": "1QIUV7WYKXg", "question": "is the man Tall", "question_id": "v_1QIUV7WYKXg_3"},
            {"video_name": "9eniCub7u60", "question": "what moves", "question_id": "v_9eniCub7u60_2"},
        ],
    )
    write_json(
        data / "dataset" / "test_a.json",
        [
            {"answer": "no", "type": 3, "question_id": "v_1QIUV7WYKXg_3"},
            {"answer": "ball", "type": 0, "question_id": "v_9eniCub7u60_2"},
        ],
    )
    touch_videos(data / "all_test", ["v_1QIUV7WYKXg.mp4", "v_9eniCub7u60.mkv"])
    return data


def vcg_bench(data: Path) -> Path:
    questions = data / "Benchmarking_QA"
    write_json(
        questions / "generic_qa.json",
        [
            {"Q": "What happens?", "A": "A man swims.", "video_name": "v_a"},
            {"Q": "Where?", "A": "In a lake.", "video_name": "v_b"},
        ],
    )
    write_json(
        questions / "temporal_qa.json", [{"Q": "What comes first?", "A": "A jump.", "video_name": "v_a"}]
    )
    write_json(
        questions / "consistency_qa.json",
        [
            {"Q1": "Who swims?", "Q2": "Which person swims?", "A": "A man.", "video_name": "v_a"},
            {"Q1": "Is it wet?", "Q2": "Is it a wet place?", "A": "Yes.", "video_name": "v_a"},
        ],
    )
    touch_videos(data / "Test_Videos", ["v_a.mp4", "v_b.mkv"])
    return data


def ids(dataset: Dataset) -> list[str]:
    return [item.id for item in dataset.items]
