"""Counting cuts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from dynfocus_cli.cce.change import RodChange
from dynfocus_cli.cce.shots import ShotNumbers

WIDTH = 4


def counter(shots: int = 4) -> ShotNumbers:
    """Finds a cut where the first number is above 1."""
    torch.manual_seed(0)
    found = ShotNumbers(WIDTH, 6, shots)
    with torch.no_grad():
        found.cut.weight.copy_(torch.tensor([[8.0, 0.0, 0.0, 0.0]]))
        found.cut.bias.fill_(-8.0)
    return found


def hidden(*cuts: int) -> Tensor:
    """(1, T, 4)."""
    states = torch.zeros(1, len(cuts), WIDTH)
    states[0, :, 0] = 2.0 * torch.tensor(cuts)
    return states


def numbers(module: ShotNumbers, states: Tensor) -> list[int]:
    told = module(states)[0]
    return torch.cdist(told, module.number.weight).argmin(1).tolist()


def test_frames_tell_how_many_cuts_came_until_them() -> None:
    module = counter()
    assert numbers(module, hidden(0, 0, 1, 0, 1, 1, 0)) == [0, 0, 1, 1, 2, 3, 3]
    assert numbers(module, hidden(0, 1, 1, 1, 1, 1)) == [0, 1, 2, 3, 3, 3]  # the last number stands for more


def test_a_video_begins_without_a_cut() -> None:
    assert numbers(counter(), hidden(1, 0, 0, 1)) == [0, 0, 0, 1]


def test_counts_are_whole_however_sure_the_detector_is() -> None:
    module = counter()
    unsure = hidden(0, 0, 1, 0, 0)
    unsure[..., 0] *= 0.51
    unsure[..., 0] += 0.4
    assert_close(module(unsure), module.number(torch.tensor([[0, 0, 1, 1, 1]])))


def test_an_answers_loss_reaches_the_detector() -> None:
    """More of what makes a cut, wherever a later frame would rather have the next number."""
    module = counter()
    states = hidden(0, 0, 0, 0).requires_grad_(True)
    wanted = module.number.weight[1].detach()
    (module(states)[0, 3] - wanted).square().sum().backward()
    assert states.grad is not None
    slope = states.grad[0, :, 0]
    assert slope[0] == 0
    assert (slope[1:] < 0).all()
    assert module.cut.weight.grad is not None
    assert module.number.weight.grad is not None


def test_all_rods_of_a_frame_have_its_number() -> None:
    torch.manual_seed(0)
    with_shots = RodChange(8, 16, 1, shots=5)
    without = RodChange(8, 16, 1)
    without.load_state_dict(with_shots.state_dict(), strict=False)
    rods, patches = torch.randn(1, 6, 2, 8), torch.randn(1, 6, 9, 8)
    added = with_shots(rods, patches) - without(rods, patches)
    assert_close(added[:, :, 0], added[:, :, 1])
    assert_close(added[0, 0, 0], with_shots.shots.number.weight[0])


@pytest.mark.parametrize("shots", [-1, 0, 1])
def test_fewer_than_two_shots_are_none(shots: int) -> None:
    with pytest.raises(ValueError, match="from 2 on"):
        ShotNumbers(WIDTH, 6, shots)
