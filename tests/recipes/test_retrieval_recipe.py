"""The retrieval head's recipe."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.retrieval import RetrievalHead, RetrievalSizes
from dynfocus_cli.synth.world import Script
from dynfocus_cli.training.run_log import log_lines
from dynfocus_tiny import retrieval
from dynfocus_tiny.frames import draw_old
from dynfocus_tiny.recipe import fresh_model
from dynfocus_tiny.retrieval import CaptionModel, FrameStore, PatchModel, claim_features, train_retrieval
from dynfocus_tiny.retrieval_threshold import admitting, logistic

pytestmark = pytest.mark.slow

SIZES = RetrievalSizes(128, 801, 32, text_width=32)


def losses_of(folder: Path) -> list[float]:
    return [line["loss"] for line in log_lines(folder) if "loss" in line]


def test_the_threshold_lets_few_false_captions_pass_and_as_many_true_ones_as_that_allows() -> None:
    peaks, there = torch.tensor([1.0, 2, 5, 9]), torch.tensor([False, False, True, True])
    assert admitting(peaks, there, 0.0) == 3.5
    assert admitting(peaks.flip(0), there.flip(0), 0.0) == 3.5
    assert admitting(peaks, there, 0.5) == 1.5
    assert admitting(torch.tensor([1.0, 2]), torch.tensor([True, False]), 0.0) == 3
    generator = torch.Generator().manual_seed(1)
    there = torch.rand(400, generator=generator) < 0.6
    peaks = torch.randn(400, generator=generator) + 2 * there
    best = admitting(peaks, there, 0.05)
    assert float((peaks[~there] >= best).float().mean()) <= 0.05
    lower = float(peaks[peaks < best].max())
    assert float((peaks[~there] >= lower).float().mean()) > 0.05


def test_probabilities_are_those_of_a_logistic_regression() -> None:
    generator = torch.Generator().manual_seed(2)
    products = 3 * torch.randn(20000, generator=generator)
    true = torch.rand(20000, generator=generator) < torch.sigmoid(0.7 * products - 1.3)
    scale, bias = logistic(products, true)
    assert (scale, bias) == pytest.approx((0.7, -1.3), abs=0.06)


def test_a_head_learns_and_goes_on_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "FRAMES", 24)
    monkeypatch.setattr(retrieval, "CAPTIONS", 24)
    monkeypatch.setattr(retrieval, "SAVE_EVERY", 10)
    network, _ = fresh_model(3)
    store = FrameStore(tmp_path / "frames", 8, draw_old)
    store.build(network, Preprocessing(64, "squash"))
    stored = (tmp_path / "frames" / "frames.f16").read_bytes()
    assert np.frombuffer(stored, np.float16).any()
    again = FrameStore(tmp_path / "frames", 8, draw_old)
    again.build(network, Preprocessing(64, "squash"))
    assert (tmp_path / "frames" / "frames.f16").read_bytes() == stored
    assert again.things == store.things

    def learner() -> PatchModel:
        torch.manual_seed(0)
        return PatchModel(RetrievalHead(SIZES).frame, store, 1)

    whole = learner()
    train_retrieval(tmp_path / "whole", whole, steps=24, seed=1)
    losses = losses_of(tmp_path / "whole")
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])
    assert len(losses) == 24

    class Killed(Exception):
        pass

    def kill(step: int, loss: float) -> None:
        if step == 15:
            raise Killed

    parted = learner()
    forward = parted.forward
    monkeypatch.setattr(parted, "forward", lambda number: kill(number, 0.0) or forward(number))
    with pytest.raises(Killed):
        train_retrieval(tmp_path / "parted", parted, steps=24, seed=1)
    parted = learner()
    train_retrieval(tmp_path / "parted", parted, steps=24, seed=1)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(parted.state_dict()[name], tensor)


def test_features_are_of_one_network(tmp_path: Path) -> None:
    claim_features(tmp_path / "run", {"model": "one"})
    claim_features(tmp_path / "run", {"model": "one"})
    with pytest.raises(SystemExit, match=r"is a run of .* name another --work"):
        claim_features(tmp_path / "run", {"model": "other"})
    (tmp_path / "unknown" / "frames").mkdir(parents=True)
    with pytest.raises(SystemExit, match=r"no run\.json .* name another --work"):
        claim_features(tmp_path / "unknown", {"model": "one"})


def test_moments_of_brief_events_are_drawn_often(tmp_path: Path) -> None:
    drawn: list[tuple[Script, float]] = []
    for clip in range(60):
        script = retrieval.write_script(clip)
        rng = random.Random(clip)
        drawn += [(script, retrieval._draw_moment(script, rng)) for _ in range(6)]
    assert all(0 <= time_s < script.duration_s for script, time_s in drawn)
    brief = [any(n.start_s <= time_s < n.end_s for n in script.needles) for script, time_s in drawn]
    assert 0.1 < np.mean(brief) < 0.5


def test_captions_learn_from_what_is_counted_in_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "FRAMES", 24)
    monkeypatch.setattr(retrieval, "CAPTIONS", 24)
    network, prompt = fresh_model(3)
    store = FrameStore(tmp_path / "frames", 8, draw_old)
    store.build(network, Preprocessing(64, "squash"))
    head = RetrievalHead(SIZES)
    before = {name: tensor.clone() for name, tensor in head.frame.state_dict().items()}
    model = CaptionModel(head, prompt, store, 1)
    train_retrieval(tmp_path / "captions", model, steps=20, seed=1)
    losses = losses_of(tmp_path / "captions")
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    for name, tensor in head.frame.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name not in ("least", "slope")), name
