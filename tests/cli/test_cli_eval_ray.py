"""`eval run --engine ray`: the predictions of one process, whichever worker dies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dynfocus_cli.cli.app import app

LIMIT, ARMS = 12, ("dynfocus", "even")

# SUBSTITUTE: no clip is known that ends every version of FFmpeg; this one does so where a worker begins to
# decode it.
POISON = """
import os, signal, sys
if any("default_worker" in word for word in sys.orig_argv):
    from dynfocus_cli.evaluation.step_work import StepWork
    begin = StepWork.begin
    def poisoned(self, path, *more):
        if path.endswith("-00001.mp4"):
            os.kill(os.getpid(), signal.SIGKILL)
        return begin(self, path, *more)
    StepWork.begin = poisoned
"""


def arguments(output: str, *more: str) -> list[str]:
    flags = ["--limit", str(LIMIT), "--data", "clips", "--arms", ",".join(ARMS), "--device", "cpu"]
    return ["eval", "run", "synth", "--output", output, *flags, *more]


def alone(output: str, *more: str) -> Result:
    return CliRunner().invoke(app, arguments(output, *more))


def records(output: str) -> list[dict[str, Any]]:
    """Sorted by key, without what differs between two runs of one process."""
    lines = Path(output, "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    made = [json.loads(line) for line in lines]
    for record in made:
        record.pop("timings_s", None)
    return sorted(made, key=lambda record: (record["key"], record["arm"]))


@pytest.mark.slow
def test_a_run_is_begun_here_gone_on_with_by_workers_and_ended_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="the extra dynfocus[ray] is not installed")
    monkeypatch.chdir(tmp_path)
    done_here = alone("whole")
    assert done_here.exit_code == 0
    assert f"{LIMIT} of the split's 300 questions are done: the run was limited" in done_here.stdout
    expected = records("whole")
    assert len(expected) == LIMIT * len(ARMS)
    Path("shared").mkdir()
    shutil.copy("whole/run.json", "shared/run.json")
    begun = Path("whole/predictions.jsonl").read_bytes().splitlines(keepends=True)[:3]
    Path("shared/predictions.jsonl").write_bytes(b"".join(begun))
    Path("poison").mkdir()
    Path("poison/sitecustomize.py").write_text(POISON)
    code = "from dynfocus_cli.cli.app import main; main()"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            *arguments("shared", "--engine", "ray", "--workers", "2", "--tries", "1"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "poison")},
    )
    failed = {record["id"] for record in expected if record["video"].endswith("-00001.mp4")}
    count = len(failed) * len(ARMS)
    assert done.returncode == 6, done.stderr
    assert done.stderr.count("The worker that read it ended unexpectedly (once)") == 1, "said once a video"
    assert f"{count} of {len(expected)} predictions failed." in done.stderr
    assert "Traceback" not in done.stderr
    made = records("shared")
    assert Path("shared/predictions.jsonl").read_bytes().startswith(b"".join(begun))
    assert [one for one in made if "error" not in one] == [one for one in expected if one["id"] not in failed]
    errors = [one for one in made if "error" in one]
    assert [one["error"]["kind"] for one in errors] == ["WorkerDied"] * count
    assert {one["id"] for one in errors} == failed
    assert alone("shared", "--retry-failed").exit_code == 0
    assert records("shared") == expected


def test_without_the_extra_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    result = alone("run", "--engine", "ray")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: --engine ray takes Ray: pip install 'dynfocus[ray]'\n"
    assert not Path("run/predictions.jsonl").exists()


def test_options_of_workers_need_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = alone("run", "--workers", "2")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--workers is of an engine with workers: add --engine ray" in result.stderr
    assert not Path("run").exists()
