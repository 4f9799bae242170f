"""Objects of a store, here of fsspec's for local files: copied while they are worked on, then gone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from dynfocus_cli.batch import remote_videos
from dynfocus_cli.batch.remote_videos import expand_remote, is_remote, local_copy, remote_content
from dynfocus_cli.errors import UsageError, VideoUnreadable


@pytest.fixture
def address(tmp_path: Path) -> str:
    (tmp_path / "store" / "deep").mkdir(parents=True)
    for name in ("b.mp4", "a.mp4", "notes.txt", "deep/c.mp4"):
        (tmp_path / "store" / name).write_bytes(name.encode() * 1000)
    return f"local://{tmp_path}/store"


def test_what_is_an_address() -> None:
    assert [is_remote(name) for name in ("s3://a/b.mp4", "gs://a", "memory://x")] == [True] * 3
    assert not any(map(is_remote, ("a.mp4", "file:///a.mp4", "c:/a.mp4", "/s3://a", "")))


def test_the_videos_of_a_folder(address: str) -> None:
    takes = lambda name: name.endswith(".mp4")  # noqa: E731
    flat = [f"{address}/a.mp4", f"{address}/b.mp4"]
    assert list(expand_remote(address, takes, recursive=False)) == flat
    assert list(expand_remote(address, takes, recursive=True)) == [*flat, f"{address}/deep/c.mp4"]
    assert list(expand_remote(flat[0], takes, recursive=False)) == flat[:1]


def test_a_copy_is_whole_and_gone_afterwards(address: str) -> None:
    with local_copy(f"{address}/a.mp4") as path:
        assert Path(path).read_bytes() == b"a.mp4" * 1000
        assert Path(path).name == "a.mp4"
        folder = os.path.dirname(path)
    assert not os.path.exists(folder)
    with local_copy("own.mp4") as path:
        assert path == "own.mp4"


def test_another_state_is_another_identity(address: str) -> None:
    before = remote_content(f"{address}/a.mp4")
    assert remote_content(f"{address}/a.mp4") == before
    Path(f"{address.removeprefix('local://')}/a.mp4").write_bytes(b"other")
    assert remote_content(f"{address}/a.mp4") != before
    assert remote_content(f"{address}/gone.mp4").key == f"object:{address}/gone.mp4"


def test_what_cannot_be_copied(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VideoUnreadable, match="cannot be copied"), local_copy(f"{address}/gone.mp4"):
        pass
    with pytest.raises(UsageError, match="no address of a store"), local_copy("nonsense://a.mp4"):
        pass
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=remote_videos.SPARE))
    with pytest.raises(VideoUnreadable, match="set TMPDIR to a larger one"), local_copy(f"{address}/a.mp4"):
        pass
