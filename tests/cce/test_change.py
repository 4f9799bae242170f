"""What rods tell of the frames around them."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from dynfocus_cli.cce.change import RodChange


def changes(video: list[float], window: int = 2) -> torch.Tensor:
    """(T, D_l): what is added to one rod of frames that show these numbers."""
    torch.manual_seed(0)
    module = RodChange(8, 16, window)
    shown = torch.randn(10, 8)[torch.tensor(video).long()]
    with torch.no_grad():
        return module(shown.reshape(1, len(video), 1, 8))[0, :, 0]


def test_a_still_video_has_the_same_change_in_every_frame() -> None:
    still = changes([3, 3, 3, 3, 3])
    assert_close(still, still[:1].expand_as(still))


def test_a_flash_stands_in_its_own_frame_though_it_ends_later() -> None:
    """The frame of a flash and that of a cut look alike to whoever sees the frames before alone."""
    flash, cut = changes([1, 1, 1, 2, 1, 1, 1]), changes([1, 1, 1, 2, 2, 2, 2])
    assert not torch.allclose(flash[3], cut[3], atol=1e-3)
    assert_close(flash[0], cut[0])  # two frames to each side, and no farther


def test_beyond_the_ends_stand_the_first_and_the_last_frame() -> None:
    assert_close(changes([1, 2]), changes([1, 1, 1, 2, 2, 2])[2:4])


def test_each_rod_is_compared_with_its_own_kind() -> None:
    torch.manual_seed(0)
    module = RodChange(8, 16, 1)
    rods = torch.randn(1, 4, 2, 8)
    with torch.no_grad():
        together = module(rods)
        assert_close(together[:, :, :1], module(rods[:, :, :1]))
        assert_close(together[:, :, 1:], module(rods[:, :, 1:]))


def test_a_window_of_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 frame"):
        RodChange(8, 16, 0)
