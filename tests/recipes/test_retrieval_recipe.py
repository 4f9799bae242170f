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
from dynfocus_tiny.retrieval import FrameStore, RetrievalModel, train_retrieval
from dynfocus_tiny.retrieval_threshold import logistic, separating

pytestmark = pytest.mark.slow


def test_the_threshold_is_where_true_and_false_are_farthest_apart() -> None:
    peaks, there = torch.tensor([1.0, 2, 5, 9]), torch.tensor([False, False, True, True])
    assert separating(peaks, there) == 3.5
    assert separating(peaks.flip(0), there.flip(0)) == 3.5
    generator = torch.Generator().manual_seed(1)
    there = torch.rand(200, generator=generator) < 0.6
    peaks = torch.randn(200, generator=generator) + 2 * there
    best = separating(peaks, there)

    def margin(level: float) -> float:
        return float((peaks[there] >= level).float().mean() - (peaks[~there] >= level).float().mean())

    assert margin(best) == pytest.approx(max(margin(float(peak)) for peak in peaks))


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
    network, prompt = fresh_model(3)
    store = FrameStore(tmp_path / "frames", 8, draw_old)
    store.build(network, Preprocessing(64, "squash"))
    stored = (tmp_path / "frames" / "frames.f16").read_bytes()
    assert np.frombuffer(stored, np.float16).any()
    again = FrameStore(tmp_path / "frames", 8, draw_old)
    again.build(network, Preprocessing(64, "squash"))
    assert (tmp_path / "frames" / "frames.f16").read_bytes() == stored
    assert again.things == store.things

    def learner() -> RetrievalModel:
        torch.manual_seed(0)
        sizes = RetrievalSizes(128, network.config.qformer_config.vocab_size, 32, 32, text_width=32)
        return RetrievalModel(RetrievalHead(sizes), prompt, store, 1)

    whole = learner()
    train_retrieval(tmp_path / "whole", whole, steps=24, seed=1)
    losses = [line["loss"] for line in log_lines(tmp_path / "whole") if "loss" in line]
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


def test_moments_of_brief_events_are_drawn_often(tmp_path: Path) -> None:
    drawn: list[tuple[Script, float]] = []
    for clip in range(60):
        script = retrieval.write_script(clip)
        rng = random.Random(clip)
        drawn += [(script, retrieval._draw_moment(script, rng)) for _ in range(6)]
    assert all(0 <= time_s < script.duration_s for script, time_s in drawn)
    brief = [any(n.start_s <= time_s < n.end_s for n in script.needles) for script, time_s in drawn]
    assert 0.1 < np.mean(brief) < 0.5
