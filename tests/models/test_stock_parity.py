"""Every frame a key frame, nothing merged: our prompt and our answer are those of the stock code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import miniatures
import pytest
import torch
from references import Reference
from transformers import DynamicCache
from videos import videos

from dynfocus_cli.cce.budget import Allowance
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.preprocess import normalised
from dynfocus_cli.models.open import load_model
from dynfocus_cli.models.protocol import ScoredQuestion
from dynfocus_cli.models.vlm.decoding import read_hidden, read_prompt
from dynfocus_cli.models.vlm.model import VlmModel, VlmSession
from dynfocus_cli.network.generation import write_on
from dynfocus_cli.options import GenerationOptions, SelectionOptions
from dynfocus_cli.types import VideoSource

pytestmark = pytest.mark.slow

FAMILIES = list(miniatures.FAMILIES)
TOLERANCE = 1e-4
SURE = 1e-3
"""A token this far ahead of the next best is the same whatever the order of additions."""

Stock = dict[str, dict[str, Reference]]


def cases(family: str) -> list[str]:
    """Those whose frames have the size that the model takes."""
    return [case for case, video in videos(family).items() if not video.resize]


@pytest.fixture(scope="session")
def models(model_folders: dict[str, Path]) -> dict[str, Any]:
    return {family: load_model(str(folder), "cpu") for family, folder in model_folders.items()}


def look(model: VlmModel, reference: Reference, wanted: SelectionOptions) -> tuple[VlmSession, int]:
    """The reference's own frames in front of our model."""
    video = reference.video
    source = VideoSource(
        "video.mp4", video.duration, video.width, video.height, 10.0, "h264", 0, False, 0, 0.0
    )
    times_s = tuple(video.seconds)
    if model.spec.family.preview(source) is not None:
        # The stock code was not asked to scale either.
        model.spec.family.files.video |= {"max_pixels": 10**9, "min_pixels": 1}
    scaling = model.spec.family.scaling(source, len(times_s) if wanted.stock else 1)
    assert (scaling.width, scaling.height) == (video.width, video.height)
    together = model.spec.family.together if wanted.stock else 1
    tower = model.tower_of(scaling, together)
    with torch.inference_mode():
        patches = tower.encode(normalised(video.pixels, scaling.mean, scaling.std))
    frames = EncodedFrames(times_s, times_s, ("sound",) * len(times_s), patches)
    return model.session(source, frames, wanted), len(times_s)


@pytest.mark.parametrize(
    ("family", "case"), [(family, case) for family in FAMILIES for case in cases(family)]
)
@torch.inference_mode()
def test_the_stock_logits_and_answer(models: dict[str, Any], stock: Stock, family: str, case: str) -> None:
    reference, model = stock[family][case], models[family]
    paired = miniatures.FAMILIES[family].together == 2
    # A single frame is paired with itself by either code.
    wanted = SelectionOptions(stock=paired and case != "one")
    session, count = look(model, reference, wanted)
    price = model.spec.price(session._source, count, wanted)
    asked = ScoredQuestion(reference.question, "density")
    choice = session.choose(asked, Allowance(count, count, count, price), tuple(range(count)), 0)
    assert choice.key_frames == tuple(range(count))
    detail = None if wanted.stock else session._frames
    ids, is_video, video = session.prompt(choice, detail, asked, ())
    assert ids.tolist() == reference.input_ids.tolist()
    assert price.total(count, count) == len(video.embeddings)
    if reference.position_ids is not None:
        placed = model.spec.family.positions(model.network, ids, is_video, video)
        assert placed.tolist() == reference.position_ids.tolist()
    hidden, _ = read_hidden(model, ids, is_video, video, DynamicCache())
    torch.testing.assert_close(
        model.network.lm_head(hidden)[0], reference.logits, atol=TOLERANCE, rtol=TOLERANCE
    )
    prompt = model.spec.prompt
    read = read_prompt(model, ids, is_video, video)
    written = write_on(
        read, prompt.tokenizer, [], GenerationOptions(max_new_tokens=12), torch.Generator(), None
    )
    sure = next(
        (place for place, margin in enumerate(reference.margins.tolist()) if margin < SURE),
        len(reference.generated_ids),
    )
    assert sure >= min(4, len(reference.generated_ids))
    assert written[:sure] == reference.generated_ids[:sure].tolist()
