"""Results as a table: every field that a schema describes, with its type, and the frames on their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from dynfocus_cli.batch import table
from dynfocus_cli.batch.table import export_results, frame_columns, result_columns
from dynfocus_cli.errors import UsageError
from dynfocus_cli.report.json import ANSWER, ERROR, INSPECTION, error_record

FRAMES = [
    {"index": 0, "time_s": 0.0, "timecode": "0", "event": 0, "meaningful": True, "score": 0.9, "tokens": 40},
    {"index": 9, "time_s": 1.5, "timecode": "1", "event": 1, "meaningful": False, "score": 0, "tokens": 2},
]


def answer(video: str, **more: Any) -> dict[str, Any]:
    return {
        "schema": ANSWER,
        "video": video,
        "question": "What?",
        "answer": "red",
        "model": {"name": "m"},
        "source": {"duration_s": 2, "rotation": 90},
        "sampling": {"focus": [[0.5, 1.5]]},
        "tokens": {"video": 42},
        "frames": FRAMES,
        "warnings": ["One.", "Two."],
        "in_domain": None,
        "key": f"key of {video}",
        "settings": "ask model=m",
    } | more


@pytest.fixture
def results(tmp_path: Path) -> str:
    records = [
        answer("a.mp4"),
        answer("b\udcff.mp4", question_id=7, attention=[0.25, 0.75], options=[{"letter": "A"}]),
        error_record("c.mp4", 3, "VideoUnreadable", "No frame.", "What?") | {"key": "c", "settings": "s"},
        answer("a.mp4", answer="blue"),  # newer
    ]
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return str(path)


def test_a_row_a_result(results: str, tmp_path: Path) -> None:
    made = export_results([results], tmp_path / "all.parquet")
    rows = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    assert made.rows == len(rows) == 3
    first, second, third = rows
    assert first["answer"] == "blue"
    assert (first["model_name"], first["tokens_video"], first["source_duration_s"]) == ("m", 42, 2.0)
    assert (first["source_rotation"], first["sampling_focus"]) == (90, [[0.5, 1.5]])
    assert (first["warnings"], first["in_domain"], first["error_code"]) == (["One.", "Two."], None, None)
    assert (second["video"], second["question_id"]) == ("b\\udcff.mp4", "7")
    assert (second["attention"], second["options"]) == ([0.25, 0.75], '[{"letter": "A"}]')
    assert (third["answer"], third["error_code"], third["error_kind"]) == (None, 3, "VideoUnreadable")
    assert "frames" not in first


def test_a_row_a_frame(results: str, tmp_path: Path) -> None:
    export_results([results], tmp_path / "f.parquet", frames=True)
    rows = parquet.read_table(tmp_path / "f.parquet").to_pylist()
    assert [(row["video"], row["index"], row["attention"]) for row in rows] == [
        ("a.mp4", 0, None),
        ("a.mp4", 9, None),
        ("b\\udcff.mp4", 0, 0.25),
        ("b\\udcff.mp4", 9, 0.75),
    ]
    assert rows[1] == FRAMES[1] | {
        "video": "a.mp4", "question": "What?", "question_id": None, "key": "key of a.mp4", "attention": None
    }  # fmt: skip


def test_more_rows_than_a_group(results: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "BATCH", 2)
    monkeypatch.setattr(table, "ROW_GROUP", 4)
    many = tmp_path / "many.jsonl"
    many.write_text("".join(json.dumps(answer(f"{number}.mp4")) + "\n" for number in range(11)))
    export_results([str(many)], tmp_path / "many.parquet")
    file = parquet.ParquetFile(tmp_path / "many.parquet")
    assert [file.metadata.row_group(group).num_rows for group in range(3)] == [4, 4, 3]
    assert file.read(["video"]).column("video").to_pylist() == [f"{number}.mp4" for number in range(11)]


@pytest.mark.parametrize("schemas", [[ANSWER], [INSPECTION, ANSWER], [ERROR], ["dynfocus.prediction/1"]])
def test_columns_have_names_of_their_own(schemas: list[str]) -> None:
    names = [column.name for column in result_columns(schemas)]
    assert len(names) == len(set(names))
    assert {"video", "key", "settings", "error_code"} <= set(names)
    assert ("arm" in names) == (schemas in ([ERROR], ["dynfocus.prediction/1"]))


def test_records_without_keys_are_taken_as_they_are(tmp_path: Path) -> None:
    printed = tmp_path / "printed.jsonl"
    lines = [{name: value for name, value in answer("a.mp4").items() if name not in ("key", "settings")}] * 2
    printed.write_text("".join(json.dumps(one) + "\n" for one in lines))
    assert export_results([str(printed)], tmp_path / "a.parquet").rows == 2


def test_what_has_no_table(results: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a Parquet file"):
        export_results([results], tmp_path / "all.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        export_results([str(tmp_path / "gone")], tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="No result has frames"):
        frame_columns([ERROR])
    broken = tmp_path / "broken.jsonl"
    broken.write_text(json.dumps(answer("a.mp4", tokens={"video": "many"})) + "\n")
    with pytest.raises(UsageError, match="do not follow their schemas"):
        export_results([str(broken)], tmp_path / "a.parquet")
    newer = tmp_path / "newer.jsonl"
    newer.write_text(json.dumps(answer("a.mp4", schema="dynfocus.answer/9")) + "\n")
    with pytest.raises(UsageError, match="newer version"):
        export_results([str(newer)], tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()
