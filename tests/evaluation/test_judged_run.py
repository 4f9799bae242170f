"""`dynfocus eval` with official layouts whose videos are real, and with a judge on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from judge_server import Reply, judge_server
from official_folders import MSVD_ROWS, activitynet_qa, touch_videos, vcg_bench, videohallucer, write_json
from typer.testing import CliRunner, Result

from dynfocus_cli.cli.app import app

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


def run(benchmark: str, data: Path, output: Path, *more: str) -> Result:
    options = ("--frames", "4", "--model", "dynfocus-tiny", "--arms", "dynfocus", *more)
    return invoke("run", benchmark, "--data", data, "--output", output, *options)


def msvd_qa(data: Path) -> Path:
    write_json(data / "test_qa.json", MSVD_ROWS)
    touch_videos(data / "video", ["vid1451.avi", "vid1452.avi"])
    return data


def msrvtt_qa(data: Path) -> Path:
    rows = [{**row, "video_id": row["video_id"] + 6000} for row in MSVD_ROWS]
    write_json(data / "test_qa.json", rows)
    touch_videos(data / "video", ["video7451.mp4", "video7452.mp4"])
    return data


def with_videos(layout: Callable[[Path], Path], data: Path) -> Path:
    """The layout with a real video in each place."""
    layout(data)
    for path in list(data.rglob("*")):
        if path.is_file() and path.stat().st_size == 0:
            shutil.copy(DEMO, path)
    return data


def arm(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / "report.json").read_text())
    (only,) = content["arms"]
    return dict(only)


@pytest.mark.parametrize(
    ("benchmark", "layout", "questions", "submission"),
    [
        ("videohallucer", lambda data: videohallucer(data, pairs=1), 10, "obj_rel_dynfocus.json"),
        ("msvd-qa", msvd_qa, 3, "predictions.jsonl"),
        ("msrvtt-qa", msrvtt_qa, 3, "predictions.jsonl"),
        ("activitynet-qa", activitynet_qa, 2, "video_chatgpt.json"),
        ("vcg-bench", vcg_bench, 7, "consistency.json"),
    ],
)
def test_official_layouts_are_run_and_scored(
    benchmark: str, layout: Callable[[Path], Path], questions: int, submission: str, tmp_path: Path
) -> None:
    data, output = with_videos(layout, tmp_path / "data"), tmp_path / "run"
    result = run(benchmark, data, output)
    assert result.exit_code == 0, result.stderr
    judged = benchmark != "videohallucer"
    outcome = arm(output)
    assert outcome["questions"] == questions
    assert outcome["scored"] == (0 if judged else questions)
    assert (output / "submission" / "dynfocus" / submission).is_file()
    assert not (output / "verdicts.jsonl").exists()


def test_answers_are_judged_once(tmp_path: Path) -> None:
    data, output = with_videos(vcg_bench, tmp_path / "data"), tmp_path / "run"
    with judge_server(lambda text, n: Reply("{'score': 3.9}")) as server:
        judge = ("--judge", server.url, "--judge-model", "wise")
        result = run("vcg-bench", data, output, *judge)
        assert result.exit_code == 0, result.stderr
        assert server.url.removesuffix("/v1") in result.stderr
        prompts = 2 * 3 + 1 + 2
        assert len(server.requests) == prompts
        outcome = arm(output)
        assert outcome["figures"]["Score"] == 3
        assert outcome["scored"] == 7
        before = (output / "report.json").read_bytes()
        assert invoke("score", output, *judge).exit_code == 0
        assert invoke("score", output).exit_code == 0
        assert len(server.requests) == prompts
    assert (output / "report.json").read_bytes() == before


def test_a_judge_of_nonsense_leaves_answers_unjudged(tmp_path: Path) -> None:
    data, output = with_videos(activitynet_qa, tmp_path / "data"), tmp_path / "run"
    with judge_server(lambda text, n: Reply("as you like")) as server:
        result = run("activitynet-qa", data, output, "--judge", server.url, "--judge-model", "wise")
    assert result.exit_code == 0, result.stderr
    assert arm(output)["judged"]["judged"] == 0
    assert arm(output)["questions"] == 2
