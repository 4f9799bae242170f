"""Selection: pinned frames, the question's say, and gradients through the perturbed choice."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from builders import asked, small_model, some_patches
from dynfocus_cli.network.stages import EventSelection, Exploration


def select(model, frames: int = 12, seed: int = 0, **options) -> EventSelection:
    return select_of(model, some_patches(frames, seed), **options)


def select_of(model, patches: torch.Tensor, **options) -> EventSelection:
    features = model.connector.prepare(patches.unsqueeze(0))
    with torch.no_grad():
        return model.connector.select(features, **({"events": 6, "key_events": 3} | options))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [1, 2, 3])
def test_pinned_frames_are_key_frames(model, seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randperm(12, generator=generator)[:count]
    pinned = torch.zeros(1, 12, dtype=torch.bool)
    pinned[0, frames] = True
    selection = select(model, seed=seed, pinned=pinned)
    assert set(frames.tolist()) <= set(selection.key_frames[0].tolist())
    assert selection.key_frames.shape == (1, 3)
    assert (selection.scores <= 1).all(), "pinning must not show in the scores"


def test_the_rest_of_the_key_frames_are_the_best(model) -> None:
    pinned = torch.zeros(1, 12, dtype=torch.bool)
    pinned[0, 5] = True
    selection = select(model, pinned=pinned)
    scores, centres = selection.scores[0].tolist(), selection.centres[0].tolist()
    others = sorted((-score, centre) for score, centre in zip(scores, centres, strict=True) if centre != 5)
    assert set(selection.key_frames[0].tolist()) == {5, *(centre for _, centre in others[:2])}


def test_every_frame_is_its_own_event_where_events_are_enough(model) -> None:
    selection = select(model, frames=4, events=4, key_events=2)
    assert selection.assignment.tolist() == [[0, 1, 2, 3]]
    assert selection.centres.tolist() == [[0, 1, 2, 3]]


def test_a_question_changes_the_score(model, prompt) -> None:
    plain = select(model).raw_scores
    one = select(model, question=asked(prompt, "What flashes up briefly?")).raw_scores
    other = select(model, question=asked(prompt, "Where is the red star at 00:07?")).raw_scores
    assert (one - plain).abs().max() > 1e-3
    assert (one - other).abs().max() > 1e-3


def test_a_fresh_network_scores_by_pixels_alone(prompt) -> None:
    model = small_model()
    torch.nn.init.zeros_(model.connector.score_network.question_film.weight)
    question = asked(prompt, "What flashes up briefly?")
    assert torch.equal(select(model).raw_scores, select(model, question=question).raw_scores)


def test_a_network_without_the_questions_weights_refuses_one(prompt) -> None:
    model = small_model(question_aware_score=False, scorer="visual")
    select(model)
    with pytest.raises(ValueError, match="sees no question"):
        select(model, question=asked(prompt, "Why?"))


def test_copies_of_a_frame_leave_the_others_their_density(model) -> None:
    features = some_patches(12)
    alone = select_of(model, features[:8], events=8, scorer="density")
    features[8:] = features[0]
    beside = select_of(model, features, events=12, scorer="density")
    scores = beside.scores[0]
    assert alone.scores[0].unique().numel() == 8
    assert scores[:8].unique().numel() >= 7, "frames that differ score differently"
    assert (scores[8:] == 0).all(), "what only repeats another frame comes last"


def test_frames_that_are_all_the_same_score_nothing(model) -> None:
    still = some_patches(1).expand(5, -1, -1)
    assert (select_of(model, still, events=5, scorer="density").scores == 0).all()


@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_exploration_leaves_the_forward_pass_alone(model, prompt, sigma: float) -> None:
    question = asked(prompt, "What flashes up briefly?")
    features = model.connector.prepare(some_patches(12).unsqueeze(0))
    exploration = Exploration(sigma, 40, torch.Generator().manual_seed(0))
    options = {"events": 6, "key_events": 3, "question": question}
    with torch.no_grad():
        plain = model.connector.select(features, **options)
        explored = model.connector.select(features, **options, exploration=exploration)
        assert plain.indicators is None
        assert explored.indicators.shape == (1, 3, 6)
        expected, _ = model.connector.encode(features, plain, model.connector.read(features, question))
        found, _ = model.connector.encode(features, explored, model.connector.read(features, question))
    assert torch.equal(plain.key_events, explored.key_events)
    assert torch.equal(expected, found)
    if sigma == 0:
        one_hot = torch.nn.functional.one_hot(plain.key_events, 6).float()
        assert torch.equal(explored.indicators, one_hot)


def test_the_gradient_is_that_of_the_expected_choice(model) -> None:
    """Straight through: what reaches the indicators is the cones' own slope along each event."""
    features = model.connector.prepare(some_patches(8).unsqueeze(0))
    with torch.no_grad():
        selection = model.connector.select(features, events=5, key_events=2)
    indicators = torch.zeros(1, 2, 5).scatter_(2, selection.key_events.unsqueeze(2), 1.0)
    for events in (indicators.requires_grad_(),):
        explored = EventSelection(
            selection.assignment, selection.centres, selection.raw_scores, selection.scores,
            selection.key_events, selection.event_prototypes, events,
        )  # fmt: skip
        cones = model.connector._cones(features, explored)
        cones.square().sum().backward()
    # The same cones, mixed by hand from all events, with the indicators as plain weights.
    weights = indicators.detach().clone().requires_grad_()
    centres = features.prototypes[0, selection.centres[0]]  # (L, G, D_v)
    events = torch.cat((selection.event_prototypes[0], centres), dim=1)  # (L, C, D_v)
    mixed = model.connector.fine(torch.einsum("kl,lcd->kcd", weights[0], events))
    mixed.square().sum().backward()
    assert_close(indicators.grad, weights.grad, atol=1e-4, rtol=1e-4)
    model.zero_grad()


@pytest.mark.parametrize(("frames", "key_events"), [(12, 3), (5, 5), (1, 1)])
def test_without_rods_on_key_frames_the_rest_is_the_same(frames: int, key_events: int) -> None:
    with_rods, without = small_model(), small_model(key_frame_rods=False)
    patches = torch.stack([some_patches(frames, seed) for seed in (1, 2)])
    with torch.no_grad():
        features = with_rods.connector.prepare(patches)
        selection = with_rods.connector.select(features, events=min(6, frames), key_events=key_events)
        queries = with_rods.connector.read(features, None)
        expected, frame_of_token = with_rods.connector.encode(features, selection, queries)
        found, frame_of_found = without.connector.encode(features, selection, queries)
    assert found.shape[1] == without.config.frame_price(frames).total(frames, key_events)
    if frames == 1:  # all of them, the rods first
        assert_close(found, expected.roll(with_rods.config.rod_tokens, dims=1))
        return
    for video in range(2):
        keys = selection.key_frames[video]
        of_key = torch.isin(frame_of_token[video], keys)
        place = torch.cat([torch.arange(n) for n in frame_of_token[video].bincount()])
        kept = ~of_key | (place < with_rods.config.cone_tokens)
        assert_close(found[video], expected[video, kept])
        assert torch.equal(frame_of_found[video], frame_of_token[video, kept])
