"""Videos are passed over by one product with the index, beside a search of every frame."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.moments.index import MomentIndex, VideoEntry
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.moments.screening import screen
from dynfocus_cli.options import FindOptions
from dynfocus_cli.types import ModelInfo, VideoSource

WIDTH = 24
SOURCE = VideoSource("", 60.0, 64, 48, 25.0, "h264", 1500, True, 0, 0.0, has_text_track=False)
NEAR = 2.0**-8
"""Of a logit: what rounding to float16 may leave undecided, at a scale of 1 and vectors of length 1."""


class Pointer(Retriever):
    """Compares with one vector, whatever the caption."""

    name, revision, scale, bias, threshold, is_measured = "pointer", "1", 10.0, 0.0, 0.9, True
    info = ModelInfo("pointer", "selector", "1", "none", "cpu")
    weights, device = 0, torch.device("cpu")
    unknown: tuple[str, ...] = ()

    def __init__(self, vector: torch.Tensor) -> None:
        self.vector = vector

    @property
    def tower(self) -> VisionTower:
        raise AssertionError("no frame is to be encoded")

    def text(self, caption: str) -> torch.Tensor:
        return self.vector

    def caption_departures(self, caption: str) -> tuple[str, ...]:
        return self.unknown


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def entry_of(vectors: np.ndarray) -> VideoEntry:
    times_s = tuple(map(float, range(len(vectors))))
    return VideoEntry(SOURCE, times_s, vectors.astype(np.float16), (0.0, 60.0), (), ())


class Library:
    """Files that stand for videos, each with its vectors in the index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = MomentIndex(folder / "index", {}, {})
        self.entries: dict[str, VideoEntry] = {}

    def add(self, entry: VideoEntry, name: str | None = None, content: str | None = None) -> str:
        path = self.folder / (name or f"{len(self.entries)}.mp4")
        path.write_text(content or path.name)
        long_ago = time.time() - 100
        os.utime(path, (long_ago, long_ago))  # else it might still be written to
        cache = FeatureCache.default()
        assert cache is not None
        self.index.add(cache.digest(path), entry)
        self.entries[str(path)] = entry
        return str(path)

    def passed_over(
        self, retriever: Retriever, threshold: float | None = None, *, subtitles: bool = True
    ) -> Sequence[str]:
        options = FindOptions(threshold=threshold)
        found = screen(self.entries, "a dog", retriever, options, self.index, subtitles=subtitles)
        assert found.threshold == retriever.threshold_of(options)
        for video, frames in found.passed_over.items():
            assert frames == len(self.entries[video].times_s)
        return list(found.passed_over)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path / "cache"))
    return Library(tmp_path)


@pytest.fixture
def pointer() -> Pointer:
    return Pointer(torch.eye(WIDTH)[0])


@pytest.fixture
def add(library: Library) -> Callable[..., str]:
    """Adds a video whose only frame has this product with the pointer."""

    def add(product: float, name: str | None = None, content: str | None = None, **changes: object) -> str:
        vector = np.zeros((1, WIDTH))
        vector[0, :2] = product, (1 - product**2) ** 0.5
        return library.add(replace(entry_of(vector), **changes), name, content)

    return add


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1 << 30), threshold=st.floats(0.01, 0.99), videos=st.integers(1, 12))
def test_none_with_a_frame_above_the_threshold_and_all_others_but_the_best(
    seed: int, threshold: float, videos: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("library")
    random = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNFOCUS_CACHE_DIR", str(folder / "cache"))
        library = Library(folder)
        for _ in range(videos):
            library.add(entry_of(unit(random.normal(size=(int(random.integers(1, 9)), WIDTH)))))
        retriever = Pointer(torch.from_numpy(unit(random.normal(size=WIDTH))).float())
        passed_over = set(library.passed_over(retriever, threshold))
    highest = {
        video: float(retriever.probabilities(torch.from_numpy(entry.vectors), "a dog").max())
        for video, entry in library.entries.items()
    }
    best = max(highest, key=highest.__getitem__)
    assert best not in passed_over
    for video, probability in highest.items():
        logit = float(torch.tensor([probability, threshold]).logit().diff())
        if probability >= threshold:
            assert video not in passed_over
        elif logit > retriever.scale * NEAR and highest[best] - probability > NEAR * retriever.scale:
            assert video in passed_over


def test_what_a_search_would_say_of_a_video_is_not_lost(
    library: Library, pointer: Pointer, add: Callable[..., str]
) -> None:
    add(0.1)
    hopeless = add(0.0)
    add(0.0, warnings=("2 frames are damaged.",))
    add(0.0, departures=("it is grey",))
    add(0.0, source=replace(SOURCE, has_text_track=True))
    add(0.0, source=replace(SOURCE, has_text_track=None))
    unknown = add(0.0, departures=None)
    said = add(0.0, "said.mp4")
    (library.folder / "said.en.srt").touch()
    assert library.passed_over(pointer) == [hopeless, unknown]
    assert library.passed_over(pointer, subtitles=False) == [hopeless, unknown, said]
    pointer.unknown = ("training had no caption with 'dog'",)
    assert library.passed_over(pointer) == []


def test_one_content_has_two_names_and_counts_for_both(
    library: Library, pointer: Pointer, add: Callable[..., str]
) -> None:
    add(0.1)
    twins = {add(0.0, name, "the same") for name in ("a.mp4", "b.mp4")}
    assert set(library.passed_over(pointer)) == twins


def test_a_file_that_was_changed_or_is_gone_or_nobody_read_is_searched(
    library: Library, pointer: Pointer, add: Callable[..., str]
) -> None:
    add(0.1)
    changed, gone, kept = add(0.0), add(0.0), add(0.0)
    Path(changed).write_text("another video")
    Path(gone).unlink()
    unread = library.folder / "unread.mp4"
    unread.touch()
    library.entries[str(unread)] = library.entries["nul\0"] = library.entries[kept]
    assert library.passed_over(pointer) == [kept]


@pytest.mark.parametrize("damage", ["nan", "inf", "-inf"])
def test_vectors_that_are_no_numbers_are_searched_and_hide_no_other(
    library: Library, pointer: Pointer, add: Callable[..., str], damage: str
) -> None:
    add(0.1)
    add(0.0), add(0.0)
    (file,) = library.index.folder.glob("vectors-*")
    data = bytearray(file.read_bytes())
    data[2 * WIDTH : 2 * WIDTH + 2] = np.float16(damage).tobytes()
    file.write_bytes(data)
    assert [Path(video).name for video in library.passed_over(pointer)] == ["2.mp4"]
    file.write_bytes(data[: 2 * WIDTH])
    assert library.passed_over(pointer) == []
    file.unlink()
    assert library.passed_over(pointer) == []


def test_one_that_may_be_refused_is_not_the_best(
    library: Library, pointer: Pointer, add: Callable[..., str]
) -> None:
    """Else nothing would be searched where it is."""
    add(0.3, departures=("it is grey",))
    second, third = add(0.1), add(0.0)
    assert library.passed_over(pointer) == [third]
    assert second not in library.passed_over(pointer)


def test_where_a_higher_product_is_no_higher_probability_all_are_searched(
    library: Library, pointer: Pointer, add: Callable[..., str]
) -> None:
    add(0.1), add(0.0)
    assert len(library.passed_over(pointer)) == 1
    pointer.scale = -10.0
    assert library.passed_over(pointer) == []
