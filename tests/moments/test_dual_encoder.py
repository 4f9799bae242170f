"""SigLIP and CLIP find moments: against transformers' own models on every frame of a file."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from transformers import AutoModel

from dynfocus_cli.models.vlm.selector import read_selector_spec
from dynfocus_cli.models.vlm.selector_text import load_selector_text
from dynfocus_cli.moments.dual_encoder import NEUTRAL, DualEncoderRetriever
from dynfocus_cli.moments.moment import Threshold
from dynfocus_cli.moments.search import find
from dynfocus_cli.options import FindOptions, SamplingOptions
from dynfocus_cli.types import ModelInfo
from video.clips import every_frame, on_screen

CPU = torch.device("cpu")
CAPTION = "a photo of a dog on the beach"
INFO = ModelInfo("dual", "transformers", "", "none", "cpu")
KINDS = ("siglip", "siglip2", "naflex", "clip")
SHOTS_MS = (0, 1240, 2120, 2360, 4480, 5040, 6000)
"""When each shot begins; the last is the end. The third lasts for six frames."""
PICTURES = (0, 1, 2, 0, 3, 1)
"""What each of them shows."""


def retriever_of(folder: Path) -> DualEncoderRetriever:
    return DualEncoderRetriever(read_selector_spec(str(folder), CPU), INFO)


def write_shots(path: Path, side: int) -> Path:
    """A file of still pictures, lossless, of the size that the encoder takes: nobody has to scale them."""
    stills = np.random.default_rng(8).integers(0, 256, (4, 4, 4, 3), dtype=np.uint8)
    stills = stills.repeat(side // 4, axis=1).repeat(side // 4, axis=2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv444p"
        for number in range(SHOTS_MS[-1] // 40):
            shot = max(index for index, begin in enumerate(SHOTS_MS[:-1]) if begin <= 40 * number)
            frame = av.VideoFrame.from_ndarray(stills[PICTURES[shot]], format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def stock_probabilities(folder: Path, retriever: DualEncoderRetriever, pictures: list[Any]) -> list[float]:
    """By transformers' own forward pass of the whole model, a picture at a time."""
    spec = retriever._spec
    model = AutoModel.from_pretrained(folder).eval()
    captions = [CAPTION, *NEUTRAL]
    probabilities = []
    for picture in pictures:
        pixels = spec.scaling(picture[None].copy())
        logits = []
        for caption in captions:
            ids = spec.tokenizer(
                caption, padding="max_length" if spec.model_type == "siglip" else False, max_length=64,
                return_tensors="pt",
            ).input_ids  # fmt: skip
            with torch.inference_mode():
                logits.append(float(model(input_ids=ids, pixel_values=pixels).logits_per_image))
        neutral = sum(logits[1:]) / len(NEUTRAL) if spec.model_type == "clip" else 0.0
        probabilities.append(1 / (1 + np.exp(neutral - logits[0])))
    return probabilities


def slow_spans(
    times_s: list[float], probabilities: list[float], sampled: list[float], threshold: float
) -> list[tuple[float, float]]:
    """The runs of sampled moments, each border moved to the first frame on its other side, frame by frame."""
    scores = [probabilities[on_screen(times_s, moment)] for moment in sampled]
    levels, found = [], []
    for index in range(len(scores)):
        first = last = index
        while first and min(scores[first - 1 : index + 1]) >= threshold:
            first -= 1
        while last + 1 < len(scores) and min(scores[index : last + 2]) >= threshold:
            last += 1
        levels.append(max(threshold, max(scores[first : last + 1]) / 2))
    high = [score >= level for score, level in zip(scores, levels, strict=True)]
    for index, is_high in enumerate(high):
        if not is_high or (index and high[index - 1]):
            continue
        last = index
        while last + 1 < len(high) and high[last + 1]:
            last += 1
        start_s, end_s = 0.0, 6.0
        if index:
            start_s = next(
                time_s for time_s, p in zip(times_s, probabilities, strict=True)
                if time_s > sampled[index - 1] and p >= levels[index]
            )  # fmt: skip
        if last + 1 < len(high):
            end_s = next(
                time_s for time_s, p in zip(times_s, probabilities, strict=True)
                if time_s > sampled[last] and p < levels[last]
            )  # fmt: skip
        found.append((start_s, end_s))
    return found


@pytest.mark.parametrize("kind", ["siglip", "clip"])
def test_the_whole_way_is_that_of_a_slow_oracle(
    kind: str, dual_encoder_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = dual_encoder_folders[kind]
    retriever = retriever_of(folder)
    clip = write_shots(tmp_path / "shots.mkv", retriever.tower.preprocessing.width)
    times_s, pictures = every_frame(clip)
    distinct = {picture.tobytes(): picture for picture in pictures}
    stock = stock_probabilities(folder, retriever, list(distinct.values()))
    known = dict(zip(distinct, stock, strict=True))
    probabilities = [known[picture.tobytes()] for picture in pictures]
    levels = sorted(set(probabilities))
    sampled = [index / 2 for index in range(12)]
    assert len(levels) == 4
    for low, high in pairwise(levels):
        threshold = (low + high) / 2
        result = find(
            str(clip),
            CAPTION,
            retriever,
            FindOptions(threshold=threshold, top=9),
            sampling=SamplingOptions(fps=2),
        )
        assert result.curve.times_s == pytest.approx(sampled)
        expected = [probabilities[on_screen(times_s, moment)] for moment in sampled]
        assert result.curve.scores == pytest.approx(expected, abs=2e-3)
        spans = sorted((moment.start_s, moment.end_s) for moment in result.moments)
        slow = slow_spans(times_s, probabilities, sampled, threshold)
        assert [border for span in spans for border in span] == pytest.approx(
            [border for span in slow for border in span]
        )
        assert result.frames_refined > 0
        assert all(moment.tolerance_s == pytest.approx(0.04) for moment in result.moments)


@pytest.mark.parametrize("kind", KINDS)
def test_captions_have_the_same_vectors_without_the_vision_encoder(
    kind: str, dual_encoder_folders: dict[str, Path]
) -> None:
    spec = read_selector_spec(str(dual_encoder_folders[kind]), CPU)
    whole, half = spec.load(), load_selector_text(spec)
    torch.testing.assert_close(half(CAPTION), whole.text(CAPTION))
    assert not [name for name, _ in half.network.named_parameters() if "vision" in name]


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_of_the_models_own_scale_and_bias(
    kind: str, dual_encoder_folders: dict[str, Path]
) -> None:
    folder = dual_encoder_folders[kind]
    retriever, model = retriever_of(folder), AutoModel.from_pretrained(folder)
    vectors = torch.nn.functional.normalize(torch.randn(5, len(retriever.text(CAPTION))), dim=1)
    products = vectors @ retriever.text(CAPTION)
    bias = getattr(model, "logit_bias", torch.zeros(1))
    expected = torch.sigmoid(model.logit_scale.exp() * products + bias).detach()
    torch.testing.assert_close(retriever.probabilities(vectors, CAPTION), expected)
    assert retriever.threshold_of(FindOptions()) == Threshold(0.5, "unmeasured")


def test_a_clip_finds_a_caption_that_says_nothing_as_likely_as_not(
    dual_encoder_folders: dict[str, Path],
) -> None:
    retriever = retriever_of(dual_encoder_folders["clip"])
    mean = torch.stack([retriever.text(caption) for caption in NEUTRAL]).mean(dim=0)
    torch.testing.assert_close(retriever.calibrated(mean), torch.full_like(mean, 0.5))
