"""Searches take videos from an index: by content, and without decoding them again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.models.vlm.selector import read_selector_spec
from dynfocus_cli.moments import indexing
from dynfocus_cli.moments.dual_encoder import DualEncoderRetriever
from dynfocus_cli.moments.index import indexes
from dynfocus_cli.moments.indexing import IndexedVideo, indexed, open_index
from dynfocus_cli.moments.search import find
from dynfocus_cli.options import DecodingOptions, FindOptions, SamplingOptions
from dynfocus_cli.progress import Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import ModelInfo
from video.clips import write_clip

SAMPLING, DECODING = SamplingOptions(), DecodingOptions()
FOUND = FindOptions(threshold=1e-9, refine=False)


class Encoder:
    """A retriever of random weights, and whether its vision encoder may be used."""

    def __init__(self, folder: Path) -> None:
        spec = read_selector_spec(str(folder), torch.device("cpu"))
        self.retriever = DualEncoderRetriever(spec, ModelInfo("dual", "transformers", "", "none", "cpu"))

    def forbid(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def tower(self: DualEncoderRetriever) -> VisionTower:
            raise AssertionError("no frame is to be encoded")

        monkeypatch.setattr(DualEncoderRetriever, "tower", property(tower))


@pytest.fixture
def encoder(dual_encoder_folders: dict[str, Path]) -> Encoder:
    return Encoder(dual_encoder_folders["siglip"])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", range(0, 3000, 40))


def test_a_second_search_and_a_moved_file_encode_nothing(
    clip: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever = encoder.retriever
    index = open_index(retriever, SAMPLING, DECODING)
    assert index is not None
    unkept = find(str(clip), "a dog", retriever, FOUND, decoding=DecodingOptions(cache=False))
    first = find(str(clip), "a dog", retriever, FOUND, index=index)
    moved = clip.rename(clip.with_name("moved.mp4"))
    encoder.forbid(monkeypatch)
    second = find(str(moved), "a dog", retriever, FOUND, index=index)
    assert first.curve == second.curve == unkept.curve
    assert first.moments == unkept.moments
    assert [moment.video for moment in second.moments] == [str(moved)] * len(first.moments)
    assert second.source == replace(first.source, path=str(moved))


def test_what_was_in_the_way_of_one_run_is_not_told_by_the_next(clip: Path, encoder: Encoder) -> None:
    retriever, by_gpu = encoder.retriever, DecodingOptions(hwaccel="cuda")
    index = open_index(retriever, SAMPLING, by_gpu)
    assert index is not None
    first = find(str(clip), "a dog", retriever, FOUND, decoding=by_gpu, index=index)
    if not torch.cuda.is_available():
        assert "`hwaccel=cuda`" in " ".join(first.warnings)
    assert "hwaccel" not in " ".join(find(str(clip), "a dog", retriever, FOUND, index=index).warnings)


def test_a_changed_file_is_indexed_again(clip: Path, encoder: Encoder, tmp_path: Path) -> None:
    retriever, index = encoder.retriever, open_index(encoder.retriever, SAMPLING, DECODING)
    other = write_clip(tmp_path / "other.mp4", range(0, 2000, 40))
    for is_new in (True, False):
        assert kept(clip, encoder).is_new == is_new
    shutil.copy(other, clip)
    changed = kept(clip, encoder)
    assert changed.is_new
    assert len(changed.entry.times_s) == 2
    assert index is not None
    info = index.info()
    assert info is not None
    assert (info.videos, info.about["model"]) == (2, retriever.name)


def test_what_replaces_a_file_while_it_is_read_is_not_kept_as_its_content(
    clip: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copy(clip, tmp_path / "copy.mp4")
    other = write_clip(tmp_path / "other.mp4", range(0, 2000, 40))
    digest_of = indexing.digest_of

    def digest_of_replaced(video: str) -> str:
        digest = digest_of(video)
        if other.exists():
            other.rename(clip)
        return digest

    monkeypatch.setattr(indexing, "digest_of", digest_of_replaced)
    assert not kept(clip, encoder).is_kept
    of_copy = kept(Path(copy), encoder)
    assert of_copy.is_new
    assert len(of_copy.entry.times_s) == 3


def kept(clip: Path, encoder: Encoder) -> IndexedVideo:
    index = open_index(encoder.retriever, SAMPLING, DECODING)
    return indexed(str(clip), encoder.retriever, SAMPLING, DECODING, index, Silent(), Stopwatch())


def test_nothing_is_kept_of_parts_or_without_a_cache(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path))
    retriever = encoder.retriever
    assert open_index(retriever, SAMPLING, DecodingOptions(cache=False)) is None
    assert open_index(retriever, SamplingOptions(start_s=1.0), DECODING) is None
    keys = {
        index.key
        for sampling in (SAMPLING, SamplingOptions(fps=2), SamplingOptions(frames=4))
        if (index := open_index(retriever, sampling, DECODING)) is not None
    }
    assert len(keys) == 3
    monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "0")
    assert open_index(retriever, SAMPLING, DECODING) is None
    assert not indexes(tmp_path)
