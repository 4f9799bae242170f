"""`--engine ray`: what one process would have written, whichever worker dies.

Without a route to anywhere: a network namespace of its own, where the system allows one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest

from dynfocus_cli.errors import VideoUnreadable

ASK = ("What color is the 7?", "--anyway", "--no-cache", "--quiet")


def write_clips(folder: Path, names: list[str]) -> None:
    """Two seconds of coloured squares each, all of them different."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in names:
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("libx264", rate=4)
            stream.width = stream.height = 96
            stream.pix_fmt = "yuv420p"
            for _ in range(8):
                colours = random.integers(0, 255, (6, 6, 3), dtype=np.uint8)
                picture = colours.repeat(16, 0).repeat(16, 1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())


def results(path: Path) -> list[dict[str, Any]]:
    """The records, sorted by key, without what differs between two runs of one process."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for record in records:
        record.pop("timings_s", None)
    return sorted(records, key=lambda record: (record["key"], record["video"]))


def offline() -> list[str]:
    """What a command begins with that is to run without a route."""
    if shutil.which("unshare") is None:
        return []
    probe = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    return ["unshare", "-rn"] if probe.returncode == 0 else []


def command(*arguments: str) -> list[str]:
    code = "from dynfocus_cli.cli.app import main; main()"
    return [*offline(), sys.executable, "-c", code, *arguments]


@pytest.fixture
def needs_ray() -> None:
    pytest.importorskip("ray", reason="the extra dynfocus[ray] is not installed")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.usefixtures("needs_ray")
def test_200_clips_come_out_as_without_an_engine_and_as_4_shards(folder: Path, run) -> None:
    write_clips(folder / "clips", [f"{number:03}.mp4" for number in range(200)])
    done = subprocess.run(
        command("ask", "clips", *ASK, "-o", "ray.jsonl", "--engine", "ray", "--workers", "2"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.count("take the answer as a guess") == 1, "a warning is said once"
    assert run("ask", "clips", *ASK, "-o", "one.jsonl").exit_code == 0
    parts = [f"part-{number}.jsonl" for number in (1, 2, 3, 4)]
    for number, part in enumerate(parts, 1):
        assert run("ask", "clips", *ASK, "-o", part, "--shard", f"{number}/4").exit_code == 0
    assert run("results", "merge", *parts, "-o", "merged.jsonl").exit_code == 0
    expected = results(folder / "one.jsonl")
    assert len(expected) == 200
    assert results(folder / "ray.jsonl") == expected
    assert results(folder / "merged.jsonl") == expected
    again = run("ask", "clips", *ASK, "-o", "ray.jsonl")
    assert again.exit_code == 0, "what workers wrote is gone on with here"
    assert (folder / "ray.jsonl").read_text(encoding="utf-8").count("\n") == 200


# SUBSTITUTE: no clip is known that ends or stops every version of FFmpeg; these two do so where a worker
# begins to decode them.
POISON = """
import os, signal, time
from dynfocus_cli.batch.question_work import QuestionWork
begin = QuestionWork.begin
def poisoned(self, path, *more):
    if path.endswith("kills.mp4"):
        os.kill(os.getpid(), signal.SIGKILL)
    if path.endswith("hangs.mp4"):
        time.sleep(3600)
    return begin(self, path, *more)
QuestionWork.begin = poisoned
"""


@pytest.mark.slow
@pytest.mark.usefixtures("needs_ray")
def test_workers_that_are_killed_crash_or_hang_cost_the_poisoned_videos_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number:02}.mp4" for number in range(30)]
    write_clips(folder / "clips", [*names, "05-hangs.mp4", "10-kills.mp4"])
    (folder / "poison").mkdir()
    (folder / "poison" / "sitecustomize.py").write_text(POISON)
    monkeypatch.setenv("PYTHONPATH", str(folder / "poison"))
    ask = command(
        "ask", "clips", *ASK, "-o", "out.jsonl", "--engine", "ray", "--workers", "2", "--stall", "3"
    )
    with subprocess.Popen(ask, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        kill_a_worker_after(folder / "out.jsonl", process, count=3)
        stdout, stderr = process.communicate(timeout=300)
    assert (process.returncode, stdout) == (6, ""), stderr
    records = results(folder / "out.jsonl")
    assert sorted(record["video"] for record in records) == sorted(
        f"clips/{name}" for name in [*names, "05-hangs.mp4", "10-kills.mp4"]
    )
    failed = {record["video"]: record["error"] for record in records if "error" in record}
    assert failed.keys() == {"clips/05-hangs.mp4", "clips/10-kills.mp4"}
    assert {error["kind"] for error in failed.values()} == {"WorkerDied"}
    assert "(2 times)" in failed["clips/10-kills.mp4"]["message"]
    assert "no progress for 3 s" in failed["clips/05-hangs.mp4"]["message"]
    assert "2 of 32 videos failed." in stderr
    assert "Traceback" not in stderr


def kill_a_worker_after(output: Path, process: subprocess.Popen[str], *, count: int) -> None:
    """Ends one of a run's workers by SIGKILL once there are so many results."""
    deadline = time.monotonic() + 240
    while not output.exists() or output.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    workers = [one for one in family_of(process) if "VideoWorker" in command_of(one)]
    assert workers
    workers[0].send_signal(signal.SIGKILL)


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """A process, and all below it."""
    own = psutil.Process(process.pid)
    return [own, *own.children(recursive=True)]


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended
        return ""


@pytest.mark.slow
@pytest.mark.usefixtures("needs_ray")
def test_a_driver_that_is_killed_leaves_what_it_wrote_and_no_workers(folder: Path) -> None:
    write_clips(folder / "clips", [f"{number:02}.mp4" for number in range(24)])
    ask = command("ask", "clips", *ASK, "-o", "out.jsonl", "--engine", "ray", "--workers", "2")
    with subprocess.Popen(ask, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True) as process:
        kill_a_worker_after(folder / "out.jsonl", process, count=4)
        workers = [one for one in family_of(process) if "VideoWorker" in command_of(one)]
        process.send_signal(signal.SIGKILL)
    assert workers
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    before = (folder / "out.jsonl").read_bytes()
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = (folder / "out.jsonl").read_bytes()
    assert after.startswith(before[: before.rindex(b"\n") + 1]), "no answer is lost or done again"
    assert len({record["key"] for record in results(folder / "out.jsonl")}) == 24 == after.count(b"\n")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--engine", "ray"], "--engine ray writes results into a file: name it with --output"),
        (["--engine", "ray", "-o", "o", "--html", "a.html"], "--engine ray writes records alone"),
        (["--address", "auto"], "--address is of an engine with workers: add --engine ray"),
        (["--tries", "3"], "--tries is of an engine with workers"),
        (["--engine", "ray", "-o", "o", "--workers", "3:2"], "--workers is a number of workers or MIN:MAX"),
        (["--engine", "ray", "-o", "o", "--tries", "0"], "must be at least 1"),
        (["--engine", "ray", "-o", "o", "--gpus-per-worker", "-1"], "must be at least 0"),
        (["a.mp4", "s3://bucket/b.mp4"], ""),
    ],
)
def test_usage_errors_exit_2_before_any_work(stand_in, run, clip, more: list[str], said: str) -> None:
    clip("a.mp4")
    if not said:
        result = run("ask", *more, "q")
        assert (result.exit_code, "let workers fetch it with --engine ray" in result.stderr) == (6, True)
        return
    result = run("ask", "a.mp4", "q", *more)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert stand_in.loads == []
    assert not os.path.exists("o")


def test_without_the_extra_one_sentence_says_what_to_install(stand_in, run, clip, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = run("ask", clip("a.mp4"), "q", "--engine", "ray", "-o", "out.jsonl")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: --engine ray takes Ray: pip install 'dynfocus[ray]'\n"
    assert not os.path.exists("out.jsonl")


def test_where_no_video_is_there_no_cluster_is_started(stand_in, run, clip, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = run("ask", "gone.mp4", "away.mp4", "q", "--engine", "ray", "-o", "out.jsonl")
    assert result.exit_code == 6
    assert "No such file: gone.mp4" in result.stderr
    result = run("ask", "gone.mp4", "q", "--engine", "ray", "-o", "out.jsonl", "--retry-failed")
    assert result.exit_code == VideoUnreadable.exit_code


@pytest.mark.slow
@pytest.mark.usefixtures("needs_ray")
def test_an_index_by_workers_ranks_as_one_by_this_process(folder: Path, run, monkeypatch) -> None:
    write_clips(folder / "clips", [f"{number:02}.mp4" for number in range(8)])
    (folder / "clips" / "bad.mp4").write_bytes(b"no video")
    index = ("index", "clips", "--model", "dynfocus-tiny", "--quiet")
    rankings = []
    for name, engine in (("one", ()), ("ray", ("--engine", "ray", "--workers", "2"))):
        monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(folder / name))
        done = subprocess.run(
            command(*index, "-o", f"{name}.jsonl", *engine), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (6, ""), done.stderr
        find = ("find", "clips", "a red circle", "--threshold", "1e-15", "--top", "99", "--quiet")
        rankings.append(run(*find, "--model", "dynfocus-tiny").stdout)
    assert results(folder / "one.jsonl") == results(folder / "ray.jsonl")
    assert len(rankings[0].splitlines()) > 4
    assert rankings[0] == rankings[1]
    (folder / "ray.jsonl").unlink()
    again = subprocess.run(
        command(*index, "-o", "ray.jsonl", "--engine", "ray"), capture_output=True, text=True, check=False
    )
    assert again.returncode == 6
    assert [record["new"] for record in results(folder / "ray.jsonl") if "new" in record] == [False] * 8
