"""What happens around a frame, and who reads it off the change."""

from __future__ import annotations

import pytest
import torch

from dynfocus_cli.synth.questions import Question, observe
from dynfocus_cli.synth.world import COLORS, SHAPES, Actor, Background, Scene, Script, Thing
from dynfocus_tiny.auxiliary_change import ChangeHeads, change_labels
from dynfocus_tiny.labels import CELLS, NOTHING, UNKNOWN

RED_STAR, BLUE_RING, PINK_TREE = Thing("red", "star"), Thing("blue", "ring"), Thing("pink", "tree")
GREY = Background("plain", ((60, 60, 60), (60, 60, 60)), 0)


def told(thing: Thing, cell: int) -> list[int]:
    return [SHAPES.index(thing.shape), list(COLORS).index(thing.color), cell]


@pytest.fixture(scope="module")
def script() -> Script:
    """A star at the top left for 4 s, with a tree flashing up at 00:02; then a ring in the centre for 4 s."""
    star = Actor(RED_STAR, 0, 4, 0, 0, 0.1)
    tree = Actor(PINK_TREE, 2, 3, 2, 2, 0.1, needle=True)
    ring = Actor(BLUE_RING, 4, 8, 1, 1, 0.1)
    return Script(0, 8, (Scene(0, 0, 4, GREY, (star, tree)), Scene(1, 4, 8, GREY, (ring,))))


def test_a_named_thing_is_seen_coming_and_going(script: Script) -> None:
    rows = change_labels(script, range(8), Question("when", "", "", (), (("thing", "red star"),))).tolist()
    star = told(RED_STAR, 0)
    assert rows[0][:3] == [UNKNOWN] * 3  # nobody sees the frame before the first
    assert [row[:3] for row in rows[1:]] == [star] * 4 + [list(NOTHING)] * 3
    assert [row[3:6] for row in rows[:-1]] == [star] * 3 + [list(NOTHING)] * 4
    assert rows[-1][3:6] == [UNKNOWN] * 3


def test_where_more_than_one_thing_is_meant_nothing_is_told(script: Script) -> None:
    rows = change_labels(script, range(8), Question("count", "", "", (), (("time", "00:01"),))).tolist()
    assert rows[3][:3] == [UNKNOWN] * 3  # at 00:02 there are star and tree
    assert rows[4][:3] == told(RED_STAR, 0)
    assert rows[3][3:6] == told(BLUE_RING, 4)


def test_what_else_a_cut_parts_is_told(script: Script) -> None:
    """Before and after the ring there is the star, which no question about the ring looks at."""
    rows = change_labels(script, range(8), Question("when", "", "", (), (("thing", "blue ring"),))).tolist()
    assert rows[4][:3] == list(NOTHING)
    assert rows[4][9:11] == told(RED_STAR, 0)[:2]
    assert rows[3][11:] == told(BLUE_RING, 4)[:2]
    assert {tuple(row[9:11]) for row in rows[:4] + rows[5:]} == {(UNKNOWN, UNKNOWN)}
    assert {tuple(row[11:]) for row in rows[:3] + rows[4:]} == {(UNKNOWN, UNKNOWN)}


def test_of_what_came_before_a_thing_the_first_rod_tells_too(script: Script) -> None:
    rows = change_labels(script, range(8), Question("before", "", "", (), (("thing", "blue ring"),))).tolist()
    assert rows[4][:3] == told(RED_STAR, 0)
    assert rows[3][3:6] == told(BLUE_RING, 4)


def test_cuts_and_flashes_are_told(script: Script) -> None:
    rows = change_labels(script, range(8), Question("scenes", "", "", ())).tolist()
    assert [row[6] for row in rows] == [0, 0, 0, 0, 1, 0, 0, 0]
    assert [row[7:9] for row in rows] == [list(NOTHING[:2])] * 2 + [told(PINK_TREE, 8)[:2]] + [
        list(NOTHING[:2])
    ] * 5


def test_where_frames_stand_far_apart_no_flash_is_told(script: Script) -> None:
    close = change_labels(script, (0, 2, 4, 6), Question("scenes", "", "", ())).tolist()
    assert close[1][7:9] == told(PINK_TREE, 8)[:2]
    rows = change_labels(script, (0, 3, 6), Question("scenes", "", "", ())).tolist()
    assert all(row[7:9] == [UNKNOWN] * 2 for row in rows)
    assert [row[6] for row in rows] == [0, 0, 1]


def test_the_heads_learn_what_the_change_says(script: Script) -> None:
    question = Question("when", "", "", (), (("thing", "red star"),))
    labels = change_labels(script, range(8), question).unsqueeze(0)
    torch.manual_seed(0)
    changes = torch.randn(1, 8, 2, 32)
    heads = ChangeHeads(32)
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.05)
    first = float(heads(changes, labels).detach())
    for _ in range(60):
        optimizer.zero_grad()
        heads(changes, labels).backward()
        optimizer.step()
    assert float(heads(changes, labels).detach()) < 0.05 * first
    cell = heads.context[2](changes[0, 1, 0])
    assert int(cell.argmax()) == 0
    assert cell.shape == (CELLS + 1,)
    assert observe(script, [2.0])[0].sightings[1].actor.needle
