"""Trainings that are killed, run out of disk, or are given again in another way."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_trainings import losses, prepared, trained

from dynfocus_cli.errors import DynFocusError, ModelUnavailable, UsageError
from dynfocus_cli.progress import Silent
from dynfocus_cli.training.finetune import fine_tune
from dynfocus_cli.training.run_checkpoints import checkpoints
from dynfocus_cli.training.run_log import LOG, rewind
from dynfocus_cli.training.run_record import run_folder

pytestmark = pytest.mark.slow

STEPS = 12


def child(work: Callable[[], object]) -> int:
    """Runs `work` in a process of its own, which inherits all that is imported; returns its id."""
    process = os.fork()
    if process == 0:
        try:
            work()
            os._exit(0)
        except DynFocusError as error:
            os.write(2, f"{error}\n".encode())
            os._exit(error.exit_code)
        except BaseException:
            os._exit(1)
    return process


def outcome(process: int) -> int:
    """Exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def logged(folder: Path) -> int:
    try:
        return (folder / LOG).read_text().count('"loss"')
    except OSError:
        return 0


@pytest.fixture
def whole(data: Path, tmp_path: Path) -> list[float]:
    """The losses of an undisturbed run."""
    folder = tmp_path / "whole"
    trained(data, folder, max_steps=STEPS, accumulate=2, save_every=3, validation="0.25")
    return list(losses(folder))


def test_killed_and_given_again_the_curve_goes_on(data: Path, tmp_path: Path, whole: list[float]) -> None:
    """Killed three times, each soon after a checkpoint, which may still be on its way to the disk."""
    out = tmp_path / "model"
    work = run_folder(out)

    def run() -> None:
        trained(data, out, max_steps=STEPS, accumulate=2, save_every=3, validation="0.25")

    for steps in (2, 4, 9):
        process = child(run)
        deadline = time.monotonic() + 60
        while logged(work) < steps and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process, signal.SIGKILL)
        assert outcome(process) == -signal.SIGKILL
        assert not out.exists()
    told: list[str] = []
    trained(data, out, told, max_steps=STEPS, accumulate=2, save_every=3, validation="0.25")
    assert any(line.startswith("Going on after step") for line in told)
    curve = losses(out)
    assert len(curve) == len(whole) == STEPS
    assert max(abs(one - other) for one, other in zip(curve, whole, strict=True)) < 1e-5
    assert not work.exists()
    assert (out / "config.json").is_file()


def test_a_checkpoint_holds_what_learns_alone(data: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    out = tmp_path / "model"

    def run() -> None:
        from dynfocus_cli.training import finetune

        finetune.TrainingRun.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        trained(data, out, tune="lora", lora_rank=2, max_steps=4, save_every=2)

    assert outcome(child(run)) == -signal.SIGKILL
    (last,) = checkpoints(run_folder(out))
    assert last.name == "checkpoint-4"
    with safe_open(last / "learned.safetensors", "pt") as file:
        names = list(file.keys())
    assert not any("vision" in name or "base_layer" in name for name in names)
    assert any("lora_A" in name for name in names)
    assert any("score_network" in name for name in names)
    trained(data, out, tune="lora", lora_rank=2, max_steps=4, save_every=2)
    assert (out / "config.json").is_file()


def test_a_full_disk_is_a_sentence_and_the_last_checkpoint_is_whole(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    work = run_folder(out)

    def run(room: int | None = None, after: int = 0) -> None:
        from dynfocus_cli.training import trainer

        real = trainer.save_checkpoint

        def save(folder: Path, step: int, *arguments: object) -> None:
            if room is not None and step > after:
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            real(folder, step, *arguments)

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        trainer.save_checkpoint = save
        trained(data, out, max_steps=6, save_every=2)

    # The weights, and then the optimizer, are more than a file may hold.
    for room in (1 << 20, 15 << 20):
        assert outcome(child(lambda room=room: run(room, after=2))) == ModelUnavailable.exit_code
        said = capfd.readouterr().err
        assert "cannot be written (" in said
        assert "The checkpoint of step 2 is whole: make room and give the same command again." in said
        assert [path.name for path in checkpoints(work)] == ["checkpoint-2"]
        assert not list(work.glob("*.writing"))
    assert outcome(child(run)) == 0
    assert len(losses(out)) == 6


def test_other_settings_are_refused_by_name(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    work = run_folder(out)
    process = child(lambda: trained(data, out, max_steps=400, save_every=1))
    while not checkpoints(work):
        time.sleep(0.01)
    with pytest.raises(ModelUnavailable, match="is in use by another process"):
        trained(data, out, max_steps=400, save_every=1)
    os.kill(process, signal.SIGKILL)
    outcome(process)
    with pytest.raises(
        UsageError, match=r"begun in another way \(`rate`: 0.001 then, 0.01 now; `seed`: 0 then, 1 now\)"
    ):
        trained(data, out, max_steps=400, save_every=1, rate=0.01, seed=1)
    other = data.with_name("other.jsonl")
    other.write_text(data.read_text().replace("yes", "no"))
    try:
        with pytest.raises(UsageError, match="training examples: 8 "):
            trained(other, out, max_steps=400, save_every=1)
    finally:
        other.unlink()
    video = data.with_name("0.mp4")
    status = video.stat()
    try:
        os.utime(video, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        with pytest.raises(UsageError, match="their videos: 4 "):
            trained(data, out, max_steps=400, save_every=1)
    finally:
        os.utime(video, ns=(status.st_atime_ns, status.st_mtime_ns))
    (work / "run.json").write_text("{")
    with pytest.raises(UsageError, match=r"run\.json is damaged"):
        trained(data, out, max_steps=400, save_every=1)
    (work / "checkpoint-1.writing").mkdir(exist_ok=True)
    trained(data, tmp_path / "another", max_steps=1)


@pytest.mark.parametrize("part", ["learned.safetensors", "state.pt"])
def test_a_checkpoint_that_was_damaged_is_named(tmp_path: Path, part: str) -> None:
    """Cut off, as a disk that fails leaves it; nothing is trained on from there, nor called a full disk."""
    from dynfocus_cli.training.trainer import ParameterGroup, Schedule, train_model

    def train(steps: int) -> None:
        model = Doubling()
        groups = [ParameterGroup(list(model.parameters()))]
        schedule = Schedule(steps, 0.1, lambda step: 1.0, save_every=2, seed=0)
        train_model(tmp_path, model, range(steps), groups, schedule, lambda *_: None)

    train(2)
    file = tmp_path / "checkpoint-2" / part
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ModelUnavailable, match=r"checkpoint-2 is damaged .*: remove it"):
        train(4)


class Doubling(torch.nn.Module):
    """A model to train."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.ones(3))

    def forward(self, number: int) -> torch.Tensor:
        return ((self.factor * number - 2 * number) ** 2).mean()


def test_a_reader_of_progress_that_leaves_costs_no_training(data: Path, tmp_path: Path) -> None:
    """`dynfocus train ... 2>&1 | head -1`, or a session that is lost."""
    command = [Path(sys.executable).with_name("dynfocus"), "train", data, tmp_path / "out"]
    options = ["--frames", "4", "--no-cache", "--device", "cpu", "--max-steps", "3", "--validate-every", "1"]
    process = subprocess.Popen(
        [*map(str, command), *options, "--validation", "0.25", "--samples", "20"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    assert (tmp_path / "out" / "config.json").is_file()


def test_a_folder_that_cannot_be_written(data: Path, tmp_path: Path, nobody) -> None:
    tmp_path.chmod(0o755)
    place = tmp_path / "closed"
    place.mkdir(mode=0o555)
    ready = prepared(data, place / "model")
    with nobody(), pytest.raises(ModelUnavailable, match="cannot be written: Permission denied"):
        fine_tune(ready, Silent(), print, print)
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        trained(data, tmp_path / "there")


def test_the_log_is_rewound_to_the_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / LOG
    log.write_text(
        "".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in range(1, 6)) + '{"step": 6, "lo'
    )
    rewind(tmp_path, 3)
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1, 2, 3]
