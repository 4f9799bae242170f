"""dynfocus-tiny searches generated clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dynfocus_cli.errors import ModelUnavailable, OutOfDomain, UsageError
from dynfocus_cli.models.open import load_model, read_model_spec
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.moments.embedding import embed
from dynfocus_cli.moments.moment import Threshold, VideoMoments
from dynfocus_cli.moments.open import open_retriever
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.moments.search import find, search
from dynfocus_cli.moments.windows import divided, find_by_windows
from dynfocus_cli.network.retrieval import RetrievalHead, RetrievalSizes
from dynfocus_cli.options import DecodingOptions, FindOptions, SamplingOptions
from dynfocus_cli.progress import Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.synth.world import Actor, Background, Scene, Script, Thing
from dynfocus_cli.synth.write import write_video
from dynfocus_cli.video import probe
from video.clips import write_clip

pytestmark = pytest.mark.slow

FRAME_S = 1 / 12
CIRCLE, STAR, SEVEN = Thing("red", "circle"), Thing("blue", "star"), Thing("yellow", "7")
NO_CACHE = DecodingOptions(cache=False)


def scene(index: int, start_s: int, end_s: int, grey: int, *actors: Actor) -> Scene:
    background = Background("plain", ((grey, grey, grey), (grey, grey, grey)), 1)
    return Scene(index, start_s, end_s, background, actors)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A circle from 0 to 6 and from 12 to 16 s, a star from 6 to 12 s, and a 7 from 8 to 9 s."""
    script = Script(
        1,
        16,
        (
            scene(0, 0, 6, 30, Actor(CIRCLE, 0, 6, 0, 0, 0.13)),
            scene(1, 6, 12, 90, Actor(STAR, 6, 12, 1, 1, 0.13), Actor(SEVEN, 8, 9, 2, 2, 0.13, needle=True)),
            scene(2, 12, 16, 20, Actor(CIRCLE, 12, 16, 2, 0, 0.13)),
        ),
    )
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    write_video(script, path)
    return str(path)


@pytest.fixture(scope="module")
def model() -> Backend:
    return load_model("dynfocus-tiny", "cpu")


@pytest.fixture(scope="module")
def retriever(model: Backend) -> Retriever:
    opened = open_retriever(model.spec, lambda: model)
    assert opened is not None
    return opened


def test_a_small_encoder_computes_with_one_thread(retriever: Retriever, clip: str) -> None:
    """A second thread would be busy while it waits: on busy cores that took nine times the processor time."""
    threads: list[int] = []
    tower, before = retriever.tower, torch.get_num_threads()

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        threads.append(torch.get_num_threads())
        return tower.encode(pixels)

    retriever.__dict__["tower"] = replace(tower, encode=encode)
    torch.set_num_threads(2)
    try:
        find(clip, "a blue star", retriever, FindOptions(), decoding=NO_CACHE)
        assert (set(threads), torch.get_num_threads()) == ({1}, 2)
    finally:
        retriever.__dict__["tower"] = tower
        torch.set_num_threads(before)


def spans_of(result: VideoMoments) -> list[tuple[float, float]]:
    return sorted((moment.start_s, moment.end_s) for moment in result.moments)


@pytest.mark.parametrize(
    ("caption", "spans"),
    [
        ("a red circle", [(0, 6), (12, 16)]),
        ("A blue star.", [(6, 12)]),
        ("the 7", [(8, 9)]),
        ("a yellow 7 and a blue star", [(8, 9)]),
        ("something yellow", [(8, 9)]),
        ("a blue circle", []),
        ("a red star", []),
        ("a green tree", []),
    ],
)
def test_what_is_there_is_found_to_the_frame_and_nothing_else(
    caption: str, spans: list[tuple[float, float]], clip: str, retriever: Retriever
) -> None:
    result = find(clip, caption, retriever)
    assert len(result.moments) == len(spans)
    for found, true in zip(spans_of(result), spans, strict=True):
        assert found == pytest.approx(true, abs=FRAME_S + 1e-6)
    assert all(moment.tolerance_s == pytest.approx(FRAME_S) for moment in result.moments)
    assert (result.frames_refined > 0) == bool(spans)
    assert result.in_domain
    assert not result.warnings


def test_without_refining_nothing_but_samples_is_decoded(clip: str, retriever: Retriever) -> None:
    result = find(clip, "the 7", retriever, FindOptions(refine=False))
    assert spans_of(result) == [(7.5, 8.5)]
    assert (result.frames_refined, result.moments[0].tolerance_s) == (0, 0.5)


def test_limits_of_what_is_reported(clip: str, retriever: Retriever) -> None:
    assert len(find(clip, "a red circle", retriever, FindOptions(top=1)).moments) == 1
    longer = find(clip, "a red circle", retriever, FindOptions(min_length_s=5))
    assert spans_of(longer) == [(0, pytest.approx(6, abs=FRAME_S))]
    longest = find(clip, "a red circle", retriever, FindOptions(min_length_s=5.9))
    assert spans_of(longest) == spans_of(longer), "between sampled frames it seems to be 5.5 s long"
    assert not find(clip, "the 7", retriever, FindOptions(min_length_s=2)).moments
    later = find(clip, "a red circle", retriever, sampling=SamplingOptions(start_s=7.0))
    assert spans_of(later) == [(pytest.approx(12, abs=FRAME_S), 16)]
    with pytest.raises(UsageError):
        find(clip, "the 7", retriever, sampling=SamplingOptions(start_s=60.0))


def test_a_second_query_on_embedded_frames_decodes_nothing(
    clip: str, retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = probe(clip)
    frames = embed(source, retriever, SamplingOptions(), NO_CACHE, Silent(), Stopwatch())
    assert frames.vectors.shape == (16, 207)

    def decode(*args: object, **kwargs: object) -> None:
        raise AssertionError("nothing is to be decoded")

    monkeypatch.setattr("dynfocus_cli.moments.search.encode_video", decode)
    result = search(source, frames, "the 7", retriever, FindOptions(refine=False))
    assert spans_of(result) == [(7.5, 8.5)]


def test_captions_are_compared_without_the_network(clip: str) -> None:
    def load() -> Backend:
        raise AssertionError("no weights are to be loaded")

    opened = open_retriever(read_model_spec("dynfocus-tiny", "cpu"), load)
    assert opened is not None
    vectors = torch.randn(3, 207)
    assert opened.probabilities(vectors, "a red circle").shape == (3,)


def test_what_counts_as_found_is_told(clip: str, model: Backend, retriever: Retriever) -> None:
    measured = find(clip, "the 7", retriever, FindOptions(refine=False)).threshold
    assert measured == Threshold(retriever.threshold, "measured")
    lower = find(clip, "a blue circle", retriever, FindOptions(refine=False, threshold=1e-9))
    assert lower.threshold == Threshold(1e-9, "option")
    assert lower.moments
    asked = find_by_windows(
        clip, "the 7", model, FindOptions(threshold=1.0), SamplingOptions(), NO_CACHE, Silent()
    )
    assert (asked.threshold, asked.moments) == (Threshold(1.0, "option"), ())


def test_other_videos_and_words_are_told_or_refused(tmp_path: Path, clip: str, retriever: Retriever) -> None:
    result = find(clip, "a zebra", retriever)
    assert result.in_domain is False
    assert "'zebra'" in result.warnings[0]
    other = str(write_clip(tmp_path / "barcodes.mp4", range(0, 4000, 40)))
    assert find(other, "a red circle", retriever).in_domain is False
    with pytest.raises(OutOfDomain):
        find(other, "a red circle", retriever, refuse=True)


def test_a_single_frame_is_a_video(tmp_path: Path, retriever: Retriever) -> None:
    one = str(write_clip(tmp_path / "one.mp4", [0]))
    result = find(one, "a red circle", retriever, FindOptions(threshold=1e-30))
    assert spans_of(result) == [(0, pytest.approx(probe(one).duration_s))]


def test_the_language_model_ranks_what_was_found(clip: str, model: Backend, retriever: Retriever) -> None:
    options = FindOptions(verify=2, threshold=1e-6, refine=False)
    result = find(clip, "a blue star", retriever, options, load=lambda: model)
    odds = [moment.log_odds for moment in result.moments]
    assert sum(value is not None for value in odds) == min(2, len(odds))
    assert odds[0] is not None
    assert odds[0] > 0
    assert (result.moments[0].start_s, result.moments[0].end_s) == (5.5, 11.5)


def test_who_keeps_nothing_has_nothing_kept_by_the_language_model_either(
    clip: str, model: Backend, retriever: Retriever, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path / "cache"))
    options = FindOptions(verify=1, refine=False)
    assert find(clip, "a blue star", retriever, options, decoding=NO_CACHE, load=lambda: model).moments
    assert not (tmp_path / "cache").exists()


def test_windows_are_asked_about_where_there_are_no_vectors(clip: str, model: Backend) -> None:
    result = find_by_windows(clip, "a blue star", model, FindOptions(), SamplingOptions(), NO_CACHE, Silent())
    assert spans_of(result) == [(4, 12)]
    assert result.moments[0].tolerance_s == 2
    assert list(divided((0, 9))) == [(0, 4.5), (4.5, 9)]
    assert list(divided((1, 1.5))) == [(1, 1.5)]


def test_a_head_of_another_network_is_said_to_be(model: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    head = RetrievalHead(RetrievalSizes(16, 30))
    load: Callable[[Path], RetrievalHead] = lambda folder: head  # noqa: E731
    monkeypatch.setattr(RetrievalHead, "load", staticmethod(load))
    with pytest.raises(ModelUnavailable, match="of another network"):
        open_retriever(model.spec, lambda: model)
