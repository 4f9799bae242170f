"""The cache on a real disk: what is kept comes back bit for bit, and damage is never believed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.errors import UsageError
from dynfocus_cli.features.cache import FeatureCache, feature_key, parse_size
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.files import RACY_S

KEY = feature_key("ab", {"revision": "1"})
GENEROUS = 1 << 30


def encoded(times_s: list[float], dtype: torch.dtype = torch.float32, patches: int = 4) -> EncodedFrames:
    torch.manual_seed(int(sum(times_s) * 1000))
    conditions = tuple(("sound", "corrupt", "substituted")[place % 3] for place in range(len(times_s)))
    features = torch.randn(len(times_s), patches, 8).to(dtype)
    return EncodedFrames(tuple(times_s), tuple(time - 0.01 for time in times_s), conditions, features)  # type: ignore[arg-type]


def same(one: EncodedFrames, other: EncodedFrames | None) -> bool:
    return (
        other is not None
        and (one.times_s, one.pts_s, one.conditions) == (other.times_s, other.pts_s, other.conditions)
        and one.patches.dtype == other.patches.dtype
        and torch.equal(one.patches, other.patches)
    )


def shards(cache: FeatureCache, key: str = KEY) -> list[Path]:
    return sorted((cache.folder / "features" / key).glob("*.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_is_kept_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    cache = FeatureCache(tmp_path, GENEROUS)
    frames = encoded([0.0, 0.1, 1 / 3], dtype)
    assert cache.look_up(KEY, frames.times_s) is None
    assert cache.store(KEY, frames) is None
    assert same(frames, cache.look_up(KEY, frames.times_s))
    assert cache.look_up(feature_key("ac", {"revision": "1"}), frames.times_s) is None


def test_a_later_question_adds_its_moments(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, GENEROUS)
    first, second = encoded([0.0, 2.0]), encoded([1.0, 3.0])
    cache.store(KEY, first)
    cache.store(KEY, second)
    assert same(EncodedFrames.joined([first, second]), cache.look_up(KEY, [0.0, 1.0, 2.0, 3.0, 4.0]))
    assert same(second.rows([0]), cache.look_up(KEY, [1.0]))
    assert cache.info().videos == 1


def test_moments_that_were_kept_twice_come_once(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, GENEROUS)
    cache.store(KEY, encoded([0.0, 1.0]))
    cache.store(KEY, encoded([1.0, 2.0]))
    found = cache.look_up(KEY, [0.0, 1.0, 2.0])
    assert found is not None
    assert found.times_s == (0.0, 1.0, 2.0)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_a_damaged_file_is_a_miss_and_mends(tmp_path: Path, damage: str) -> None:
    cache = FeatureCache(tmp_path, GENEROUS)
    frames = encoded([0.0, 1.0])
    cache.store(KEY, frames)
    (shard,) = shards(cache)
    data = bytearray(shard.read_bytes())
    for place in range(0, len(data), 37) if damage == "flip" else [0]:
        broken = bytearray(data)
        if damage == "flip":
            broken[place] ^= 1
        shard.write_bytes({"cut": data[:-1], "empty": b"", "other": b"x" * 99}.get(damage, broken))
        assert cache.look_up(KEY, frames.times_s) is None
        assert not shards(cache)
    cache.store(KEY, frames)
    assert same(frames, cache.look_up(KEY, frames.times_s))


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    frames = encoded([0.0], patches=64)
    probe = FeatureCache(tmp_path / "probe", GENEROUS)
    probe.store(KEY, frames)
    cache = FeatureCache(tmp_path / "cache", int(2.5 * probe.info().size))
    keys = [feature_key(name, {}) for name in "abc"]
    for age, key in enumerate(keys[:2]):
        cache.store(key, frames)
        os.utime(cache.folder / "features" / key, (1000 + age, 1000 + age))
    assert cache.look_up(keys[0], [0.0]) is not None  # used now, so `b` is the oldest
    cache.store(keys[2], frames)
    assert [cache.look_up(key, [0.0]) is not None for key in keys] == [True, False, True]
    assert cache.info().size <= cache.limit


def test_making_room_takes_nothing_from_a_process_that_is_writing(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 1)
    other = feature_key("other", {})
    FeatureCache(tmp_path, GENEROUS).store(other, encoded([0.0]))
    unfinished = tmp_path / "features" / other / ".tmp-unfinished"
    unfinished.write_bytes(b"half a file")
    cache.store(KEY, encoded([0.0]))
    assert not shards(cache, other)
    assert unfinished.exists()


def test_an_entry_beyond_the_limit_does_not_stay(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 100)
    assert cache.store(KEY, encoded([0.0])) is None
    assert cache.info().size == 0


def test_a_folder_that_cannot_be_written_is_told_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("a file where the folder should be")
    problem = FeatureCache(tmp_path, GENEROUS).store(KEY, encoded([0.0]))
    assert problem is not None
    assert str(tmp_path) in problem
    assert "`cache=False`" in problem


def test_clear_goes_on_where_other_processes_remove_and_add(tmp_path: Path, monkeypatch) -> None:
    cache = FeatureCache(tmp_path, GENEROUS)
    cache.store(KEY, encoded([0.0]))
    remove, tries = shutil.rmtree, []

    def disturbed(entry: Path) -> None:
        tries.append(entry)
        if len(tries) == 1:
            raise FileNotFoundError(errno.ENOENT, "gone", str(entry))
        if len(tries) == 2:
            raise OSError(errno.ENOTEMPTY, "one more", str(entry))
        remove(entry)

    monkeypatch.setattr(shutil, "rmtree", disturbed)
    cache.clear()
    assert (len(tries), cache.info().videos) == (3, 0)


def test_clear_leaves_what_is_not_the_caches(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, GENEROUS)
    cache.store(KEY, encoded([0.0]))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("dear")
    (tmp_path / "features" / "notes").mkdir()
    (tmp_path / "features" / feature_key("link", {})).symlink_to(elsewhere)
    removed = cache.clear()
    assert removed.videos == 1
    assert removed.size > 0
    assert cache.info().size == 0
    assert (elsewhere / "thesis.txt").read_text() == "dear"
    assert (tmp_path / "features" / "notes").is_dir()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, GENEROUS)
    cache.store(KEY, encoded([0.0]))
    old, new = (tmp_path / "features" / KEY / f".tmp-{name}" for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"torn")
    os.utime(old, (1000, 1000))
    cache.store(KEY, encoded([1.0]))
    assert not old.exists()
    assert new.exists()
    assert cache.look_up(KEY, [0.0, 1.0]) is not None


def test_folders_are_the_users_alone(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "new", GENEROUS)
    cache.store(KEY, encoded([0.0]))
    assert (cache.folder / "features" / KEY).stat().st_mode & 0o077 == 0


def aged(path: Path, seconds: float = RACY_S + 60) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_digest_is_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, video = FeatureCache(tmp_path / "cache", GENEROUS), tmp_path / "a.mp4"
    video.write_bytes(b"one")
    aged(video)
    first = cache.digest(video)
    read: list[object] = []
    import hashlib

    whole = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: read.append(file) or whole(file, kind))
    assert cache.digest(video) == first
    assert not read
    aged(video, 30)
    assert cache.digest(video) == first  # touched: read again, and found the same
    assert len(read) == 1
    moved = video.rename(tmp_path / "b.mp4")
    assert cache.digest(moved) == first
    moved.write_bytes(b"two")
    aged(moved)
    assert cache.digest(moved) != first
    for memo in (tmp_path / "cache" / "files").iterdir():
        memo.write_text('{"file": 1')
    assert cache.digest(moved) != first


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    cache, video = FeatureCache(tmp_path / "cache", GENEROUS), tmp_path / "a.mp4"
    video.write_bytes(b"one")
    stamp = video.stat().st_mtime_ns
    first = cache.digest(video)
    video.write_bytes(b"two")
    os.utime(video, ns=(stamp, stamp))  # as if within one tick of the file system's clock
    assert cache.digest(video) != first


WORKER = """
import sys, torch
from pathlib import Path
from dynfocus_cli.features.cache import FeatureCache, feature_key
from dynfocus_cli.features.encoded import EncodedFrames
folder, number, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cache = FeatureCache(folder, limit)
for turn in range(20):
    video = (number + turn) % 4
    time_s = float(turn * 10 + number)
    frames = EncodedFrames((time_s,), (time_s,), ("sound",), torch.full((1, 2, 3), time_s))
    assert cache.store(feature_key(str(video), {}), frames) is None
    found = cache.look_up(feature_key(str(video), {}), (time_s,))
    if limit > 10**6:
        assert found is not None and torch.equal(found.patches, frames.patches), (number, turn)
    elif found is not None:
        assert torch.equal(found.patches, frames.patches)
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [GENEROUS, 3000])
def test_ten_processes_on_one_cache_lose_nothing(tmp_path: Path, limit: int) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), str(number), str(limit)])
        for number in range(10)
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 10
    cache = FeatureCache(tmp_path, limit)
    if limit == GENEROUS:
        kept = sum(
            len(found.times_s)
            for video in range(4)
            if (found := cache.look_up(feature_key(str(video), {}), [float(time) for time in range(200)]))
        )
        assert kept == 200
    assert not list(tmp_path.rglob(".tmp-*"))


def test_a_folder_that_goes_while_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, make = list[str](), os.mkdir

    def mkdir(path: str, mode: int = 0o777) -> None:
        made.append(str(path))
        if len(made) == 1:
            raise FileExistsError(17, "File exists", str(path))  # and then another process removes it
        make(path, mode)

    monkeypatch.setattr(os, "mkdir", mkdir)
    cache = FeatureCache(tmp_path, GENEROUS)
    assert cache.store(KEY, encoded([0.0])) is None
    assert len(shards(cache)) == 1
    assert len(made) > 1


def test_a_file_where_the_folder_would_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("mine")
    warning = FeatureCache(tmp_path, GENEROUS).store(KEY, encoded([0.0]))
    assert warning is not None
    assert "(File exists)" in warning or "(Not a directory)" in warning
    assert (tmp_path / "features").read_text() == "mine"


WRITER = """
import sys, torch
from pathlib import Path
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoded import EncodedFrames
cache, turn = FeatureCache(Path(sys.argv[1]), 1 << 40), 0
print("ready", flush=True)
while True:
    turn += 1
    patches = torch.full((1, 512, 512), turn)
    cache.store(sys.argv[2], EncodedFrames((float(turn),), (0.0,), ("sound",), patches))
"""


def test_a_kill_leaves_nothing_torn(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), KEY], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    while not shards(FeatureCache(tmp_path, GENEROUS)):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    cache = FeatureCache(tmp_path, 1 << 40)
    before = len(shards(cache))
    found = cache.look_up(KEY, [float(turn) for turn in range(10_000)])
    assert found is not None
    assert len(found.times_s) == len(shards(cache)) == before
    assert all(
        torch.equal(row, torch.full_like(row, time))
        for time, row in zip(found.times_s, found.patches, strict=True)
    )
    shutil.rmtree(tmp_path / "features")


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GiB", 5 << 30), ("500 MB", 500_000_000), ("0", 0), ("1.5k", 1500), ("2T", 2 * 10**12), ("7b", 7)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "5 GiB extra", "GiB", "5iB", "١GB", "1e9", "inf"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="like 5GiB"):
        parse_size(text)


@given(st.text())
def test_any_text_is_a_size_or_a_sentence(text: str) -> None:
    with suppress(UsageError):
        assert parse_size(text) >= 0


def test_the_users_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = FeatureCache.default()
    assert found is not None
    assert found.folder == Path(os.environ["XDG_CACHE_HOME"]) / "dynfocus"
    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "1MB")
    found = FeatureCache.default()
    assert found is not None
    assert (found.folder, found.limit) == (tmp_path, 10**6)
    monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "0")
    assert FeatureCache.default() is None
