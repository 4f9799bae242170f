"""Conversions that are killed, run out of disk or meet each other: the result is that of an undisturbed one,
to the last byte, and until then there is none."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conversions import converted

from dynfocus_cli.checkpoints import convert, registry, shards
from dynfocus_cli.checkpoints.record import Conversion
from dynfocus_cli.errors import DynFocusError, ModelUnavailable, UsageError

pytestmark = pytest.mark.slow

SHARD_BYTES = 200_000
"""Small enough for the small models to have several shards."""


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", SHARD_BYTES)


@pytest.fixture
def source(originals: Any) -> Path:
    folder: Path = originals["llama_vid"][0]
    return folder


@pytest.fixture
def whole(source: Path, tmp_path: Path) -> dict[str, bytes]:
    """What an undisturbed conversion writes."""
    folder = converted(source, tmp_path / "whole" / "model")
    assert len(list(folder.glob("*.safetensors"))) > 5
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def child(work: Callable[[], object]) -> int:
    """Runs `work` in a process of its own, which inherits all that is imported; returns its id."""
    process = os.fork()
    if process == 0:
        try:
            work()
            os._exit(0)
        except DynFocusError:
            os._exit(4)
        except BaseException:
            os._exit(1)
    return process


def outcome(process: int) -> int:
    """Exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def dies_at(step: int) -> None:
    """Has this process killed at the `step`th time that it commits something to the disk."""
    count = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return run

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    Path.rename = counted(Path.rename)  # type: ignore[method-assign]


def is_no_model(partial: Path) -> None:
    """Nothing would load what is unfinished; with a config.json it is whole, but for its name."""
    made = Conversion.load(partial)
    if (partial / "config.json").exists():
        assert made is not None
        assert all(made.holds(file) for file in partial.glob("*.safetensors"))
    else:
        with pytest.raises(ModelUnavailable, match=r"without config\.json"):
            registry.find_model(str(partial))


def test_killed_at_every_step(source: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Each run gets a step further than the one before, whatever that one left."""
    target = tmp_path / "model"
    for step in range(1, 200):

        def work(step: int = step) -> None:
            dies_at(step)
            converted(source, target)

        code = outcome(child(work))
        if target.exists():
            break  # the last step comes after the folder has its name
        assert code == -signal.SIGKILL
        is_no_model(tmp_path / "model.partial")
    assert step > 20
    assert contents(target) == whole
    assert not (tmp_path / "model.partial").exists()


def test_killed_at_random_moments(source: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    began = time.monotonic()
    converted(source, tmp_path / "timed")
    duration = time.monotonic() - began
    chance = random.Random(20240607)
    for attempt in range(4):
        target = tmp_path / f"model-{attempt}" / "model"
        for _ in range(3):
            process = child(lambda target=target: converted(source, target))
            time.sleep(chance.uniform(0, duration))
            os.kill(process, signal.SIGKILL)
            if outcome(process) == 0:
                break
            if (partial := target.with_name("model.partial")).exists() and not target.exists():
                is_no_model(partial)
        if not target.exists():
            converted(source, target)
        assert contents(target) == whole


def test_what_is_done_is_not_done_again(
    source: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: Any
) -> None:
    partial = interrupted(source, tmp_path / "model", monkeypatch, after=3)
    written = counted(monkeypatch)
    assert contents(converted(source, tmp_path / "model")) == whole
    assert sorted(written) == sorted(name for name in whole if name.startswith("model-0"))[3:]
    assert not partial.exists()


def counted(monkeypatch: Any) -> list[str]:
    """The names of the shards that are written from now on."""
    written: list[str] = []
    real = convert.write_shard

    def write(path: Path, *rest: Any) -> None:
        written.append(path.name)
        real(path, *rest)

    monkeypatch.setattr(convert, "write_shard", write)
    return written


def interrupted(source: Path, target: Path, monkeypatch: Any, after: int, **options: Any) -> Path:
    """The folder of a conversion that ended after some shards."""
    real, left = convert.write_shard, after

    def write(*arguments: Any) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(convert, "write_shard", write)
        with pytest.raises(KeyboardInterrupt):
            converted(source, target, **options)
    partial = target.with_name(f"{target.name}.partial")
    assert len(list(partial.glob("*.safetensors"))) == after
    return partial


def cut(shard: Path) -> None:
    os.truncate(shard, shard.stat().st_size // 2)


def flip(shard: Path) -> None:
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_a_shard_that_a_crash_damaged_is_written_anew(
    damage: Callable[[Path], object], source: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: Any
) -> None:
    partial = interrupted(source, tmp_path / "model", monkeypatch, after=3)
    damage(sorted(partial.glob("*.safetensors"))[1])
    assert contents(converted(source, tmp_path / "model")) == whole


def test_what_does_not_belong_is_not_kept(
    source: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: Any
) -> None:
    """Another conversion's shards, safetensors' own temporary files, a shard that nobody vouches for."""
    partial = interrupted(source, tmp_path / "model", monkeypatch, after=2, quantization="nf4")
    (partial / ".tmpAbC").write_bytes(b"half a shard")
    (partial / "folder").mkdir()
    (partial / "folder" / "file").touch()
    (partial / "link").symlink_to(source)
    shutil.copy(next(partial.glob("*.safetensors")), partial / "model-00009-of-00009.safetensors")
    assert contents(converted(source, tmp_path / "model")) == whole
    assert (source / "config.json").exists()


def test_a_source_that_changed_is_converted_anew(originals: Any, tmp_path: Path, monkeypatch: Any) -> None:
    source = tmp_path / "source"
    shutil.copytree(originals["llama_vid"][0], source)
    interrupted(source, tmp_path / "model", monkeypatch, after=3)
    other, _ = originals["grid"]
    shutil.copy(other / "config.json", source)
    expected = contents(converted(source, tmp_path / "expected" / "model"))
    assert contents(converted(source, tmp_path / "model")) == expected


def test_one_at_a_time(source: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    target, gate = tmp_path / "model", tmp_path / "gate"
    os.mkfifo(gate)

    def work() -> None:
        real = convert.write_shard

        def write(*arguments: Any) -> None:
            convert.write_shard = real
            gate.write_text("writing")  # waits until it is read
            gate.read_text()  # waits until it is written
            real(*arguments)

        convert.write_shard = write
        converted(source, target)

    process = child(work)
    assert gate.read_text() == "writing"
    with pytest.raises(ModelUnavailable, match="is being written by another process"):
        converted(source, target)
    gate.write_text("go on")
    assert outcome(process) == 0
    assert contents(target) == whole
    with pytest.raises(UsageError, match="exists already"):
        converted(source, target)


def test_a_crowd(source: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    target = tmp_path / "model"
    crowd = [child(lambda: converted(source, target)) for _ in range(3)]
    assert sorted(map(outcome, crowd)) == [0, 4, 4]
    assert contents(target) == whole
    assert os.listdir(tmp_path) in (["whole", "model"], ["model", "whole"])


@contextmanager
def disk(folder: Path, size: str) -> Iterator[None]:
    """A small disk; only root may mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs to mount a small tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_full_disk(source: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: Any) -> None:
    small = tmp_path / "small"
    with disk(small, "1m"):
        with pytest.raises(ModelUnavailable, match=r"MB are needed on its disk, and \d+\.\d .B are free\.$"):
            converted(source, small / "model")
        assert os.listdir(small) == []
        # Another process may fill a disk that had room enough.
        with monkeypatch.context() as patch:
            patch.setattr(convert, "_require_disk", lambda *_: None)
            with pytest.raises(ModelUnavailable, match="No space left on device") as caught:
                converted(source, small / "model")
        assert f"What is done is kept in {small / 'model.partial'}" in str(caught.value)
        assert len(list((small / "model.partial").glob("*.safetensors"))) > 1
        is_no_model(small / "model.partial")
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        assert contents(converted(source, small / "model")) == whole


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A limit of the process, which writing meets as it meets a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_nothing(source: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Nothing is left of a conversion that got nowhere."""
    with (
        no_file_above(100_000),
        pytest.raises(ModelUnavailable, match=r"model could not be written: File too large\.$"),
    ):
        converted(source, tmp_path / "model")
    assert os.listdir(tmp_path) == ["whole"]
    assert contents(converted(source, tmp_path / "model")) == whole


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(ModelUnavailable, match="Permission denied"):
        converted(source, tmp_path / "locked" / "model")


def test_a_place_below_a_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelUnavailable, match="could not be written: Not a directory"):
        converted(source, tmp_path / "file" / "model")


def test_everybody_may_read_the_result(source: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        folder = converted(source, tmp_path / "model")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o644}


def test_a_source_that_was_moved_is_gone_on_with(originals: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """The order of the shards is the files', not that of the folders they lie in."""
    source, eva = tmp_path / "m", originals["llama_vid"][0] / "eva_vit_g.pth"
    shutil.copytree(originals["towerless"][0], source)
    places = [tmp_path / "0" / "eva.pth", tmp_path / "z" / "eva.pth"]
    for place in places:
        place.parent.mkdir()
        shutil.copy(eva, place)
    first, last = places
    assert str(first) < str(source) < str(last)
    expected = contents(converted(source, tmp_path / "expected" / "model", vision=first))
    interrupted(source, tmp_path / "model", monkeypatch, after=3, vision=first)
    written = counted(monkeypatch)
    assert contents(converted(source, tmp_path / "model", vision=last)) == expected
    assert len(written) == sum(name.endswith(".safetensors") for name in expected) - 3


def test_another_plan_begins_anew(
    source: Path, tmp_path: Path, whole: dict[str, bytes], monkeypatch: Any
) -> None:
    """As another version of dynfocus may have one."""
    with monkeypatch.context() as patch:
        patch.setattr(shards, "SHARD_BYTES", SHARD_BYTES * 2)
        interrupted(source, tmp_path / "model", monkeypatch, after=3)
    assert contents(converted(source, tmp_path / "model")) == whole
