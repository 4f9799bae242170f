"""What has happened until each frame, and who has to tell it."""

from __future__ import annotations

import random

import pytest
import torch

from dynfocus_cli.synth.questions import Question, ask, observe
from dynfocus_cli.synth.world import COLORS, SHAPES, Actor, Background, Scene, Script, Thing
from dynfocus_tiny.answers import _after_frames
from dynfocus_tiny.auxiliary_history import DECIDED, NONE_YET, HistoryHeads, history_labels
from dynfocus_tiny.labels import UNKNOWN

STAR, RING, TREE = Thing("red", "star"), Thing("blue", "ring"), Thing("pink", "tree")
GREY = Background("plain", ((60, 60, 60), (60, 60, 60)), 0)
SCENES = Question("scenes", "", "2", (0.0, 4.0))
FIRST = Question("first", "", "the red star", (4.0, 2.0))


def label(thing: Thing) -> list[int]:
    return [SHAPES.index(thing.shape), list(COLORS).index(thing.color)]


@pytest.fixture(scope="module")
def script() -> Script:
    """A star for 4 s, with a tree flashing up at 00:02; then a ring for 4 s."""
    star, ring = Actor(STAR, 0, 4, 0, 0, 0.1), Actor(RING, 4, 8, 1, 1, 0.1)
    tree = Actor(TREE, 2, 3, 2, 2, 0.1, needle=True)
    return Script(0, 8, (Scene(0, 0, 4, GREY, (star, tree)), Scene(1, 4, 8, GREY, (ring,))))


def test_scenes_are_counted_as_they_begin(script: Script) -> None:
    assert [row[0] for row in history_labels(script, range(8), SCENES).tolist()] == [0] * 4 + [1] * 4
    assert [row[0] for row in history_labels(script, range(4, 8), SCENES).tolist()] == [0] * 4


def test_a_flash_is_remembered(script: Script) -> None:
    rows = history_labels(script, range(8), SCENES).tolist()
    assert [row[1:3] for row in rows] == [list(NONE_YET)] * 2 + [label(TREE)] * 6
    # Whatever shows in one frame of these may have been brief.
    sparse = history_labels(script, (0, 3, 6), SCENES).tolist()
    assert [row[1:3] for row in sparse] == [[UNKNOWN] * 2] * 3


def test_an_answer_is_told_from_the_moment_that_decides_it(script: Script) -> None:
    rows = history_labels(script, range(8), FIRST).tolist()
    kind = DECIDED.index("first")
    assert [row[3:] for row in rows] == [[*NONE_YET, kind]] * 2 + [[*label(STAR), kind]] * 6
    turn = history_labels(script, range(8), Question("turn", "", "pink", (5.0,)))[5].tolist()
    assert turn[3:] == [UNKNOWN, label(TREE)[1], DECIDED.index("turn")]
    assert history_labels(script, range(8), SCENES)[:, 3:].unique().tolist() == [UNKNOWN]


@pytest.mark.parametrize(("kind", "answer"), [("before", "a red star"), ("after", "a blue ring")])
def test_neighbours_are_told_once_both_were_seen(script: Script, kind: str, answer: str) -> None:
    rows = history_labels(script, range(8), Question(kind, "", answer, (0.0, 4.0))).tolist()
    place, told = DECIDED.index(kind), label(Thing(*answer.split()[1:]))
    assert [row[3:] for row in rows] == [[*NONE_YET, place]] * 4 + [[*told, place]] * 4


def test_the_generators_own_question_is_decided_when_it_says(script: Script) -> None:
    (question,) = ask(observe(script, [float(s) for s in range(8)]), random.Random(1), 1, ["first"])
    rows = history_labels(script, range(8), question).tolist()
    told = [row[3:5] != list(NONE_YET) for row in rows].index(True)
    assert told == min(question.key_times_s)


def test_the_heads_learn_and_passes_over_what_is_unknown(script: Script) -> None:
    torch.manual_seed(0)
    labels = history_labels(script, range(8), FIRST).unsqueeze(0)
    states = torch.randn(1, 8, 32)
    heads = HistoryHeads(32)
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.05)
    first = float(heads(states, labels).detach())
    for _ in range(60):
        optimizer.zero_grad()
        heads(states, labels).backward()
        optimizer.step()
    assert float(heads(states, labels).detach()) < 0.05 * first
    hidden = labels.clone()
    hidden[:, 4:] = UNKNOWN
    states.requires_grad_(True)
    heads(states, hidden).backward()
    assert states.grad is not None
    assert states.grad[0, 4:].abs().max() == 0 < states.grad[0, :4].abs().max()


def test_a_frames_state_is_that_of_its_last_token() -> None:
    states = torch.arange(7.0).view(1, 7, 1)
    found, written = _after_frames(states, torch.tensor([[0, 0, 2, 2, 2, 4]]), 5)
    assert written.tolist() == [[True, False, True, False, True]]
    assert found[0, :, 0][written[0]].tolist() == [1.0, 4.0, 5.0]
