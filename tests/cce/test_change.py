"""What rods tell of the frames around them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from dynfocus_cli.cce.change import RodChange, transients

PATCHES, WIDTH = 6, 8
GROUND, THING, OTHER = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(1))


def video(*places: int | None, thing: Tensor = THING) -> Tensor:
    """(1, T, N, D): a thing over the ground at a patch, or nowhere."""
    frames = GROUND.repeat(1, len(places), PATCHES, 1)
    for frame, place in enumerate(places):
        if place is not None:
            frames[0, frame, place] = thing
    return frames


def changes(patches: Tensor, window: int = 2) -> Tensor:
    """(T, D_l): what is added to the plain rod."""
    torch.manual_seed(0)
    module = RodChange(WIDTH, 16, window)
    with torch.no_grad():
        return module(patches.mean(2, keepdim=True), patches)[0, :, 0]


def test_a_still_video_has_the_same_change_in_every_frame() -> None:
    still = changes(video(3, 3, 3, 3, 3))
    assert_close(still, still[:1].expand_as(still))


def test_a_flash_stands_in_its_own_frame_though_it_ends_later() -> None:
    """To whoever sees the frames before alone, it looks like something that stays."""
    flash = changes(video(None, None, None, 2, None, None, None))
    stays = changes(video(None, None, None, 2, 2, 2, 2))
    assert not torch.allclose(flash[3], stays[3], atol=1e-2)
    assert_close(flash[0], stays[0])  # two frames to each side, and no farther


def test_what_flashes_up_is_seen_and_what_stays_is_not() -> None:
    patches = video(*[None] * 3, 2, *[None] * 3)
    patches[0, :, 5] = OTHER
    seen, strengths = transients(patches, 2)
    came, going, flash, gone, next_up = seen[0, 3]
    for found in (came, going, flash):
        assert (found - THING).norm() < 0.3 * (GROUND - THING).norm()
    for ground in (gone, next_up):
        assert (ground - GROUND).norm() < 0.1 * (GROUND - THING).norm()
    largest, mean = strengths[0].split(3, dim=1)
    assert largest[3, 2] == pytest.approx(float((THING - GROUND).square().mean().sqrt()))
    assert not largest[[0, 5, 6], 2].any()
    assert_close(mean, largest / PATCHES)


def test_at_a_cut_what_was_and_what_will_be_are_seen() -> None:
    """One thing makes way for another elsewhere."""
    patches = torch.cat((video(1, 1, 1), video(4, 4, 4, thing=OTHER)), dim=1)
    seen, _ = transients(patches, 2)
    gone, next_up = seen[0, 3, 3], seen[0, 2, 4]
    # Both places change, each by its own thing; the other place holds ground.
    assert (gone - THING).norm() < (gone - OTHER).norm()
    assert (next_up - OTHER).norm() < (next_up - THING).norm()
    assert_close(seen[0, 0, 3], seen[0, 0, 0])  # nobody sees what was before the first frame


def test_quantiles_tell_a_cut_from_a_thing_that_enters() -> None:
    cut = torch.cat((video(None, None), OTHER.repeat(1, 2, PATCHES, 1)), dim=1)
    enters = video(None, None, 4, 4)
    (_, cut_strengths), (_, entrance_strengths) = (transients(each, 1, (0.0, 0.5)) for each in (cut, enters))
    _, _, least, middle = cut_strengths[0, 2].split(3)
    whole = pytest.approx(float((OTHER - GROUND).square().mean().sqrt()))
    assert (float(least[0]), float(middle[0])) == (whole, whole)
    assert not entrance_strengths[0, 2, 6:].any()
    assert_close(transients(cut, 1)[1], cut_strengths[..., :6])


def test_with_quantiles_a_frame_knows_how_strong_the_changes_beside_it_are() -> None:
    def change(patches: Tensor) -> Tensor:
        torch.manual_seed(0)
        module = RodChange(WIDTH, 16, 1, quantiles=(0.5,))
        with torch.no_grad():
            module.compare.weight.zero_()
            module.strength_weights.normal_()
            return module(torch.zeros(1, patches.shape[1], 1, WIDTH), patches)[0, :, 0]

    still, cut = video(*[3] * 8), torch.cat((video(*[3] * 4), OTHER.repeat(1, 4, PATCHES, 1)), dim=1)
    same = (change(still) - change(cut)).abs().amax(1) < 1e-6
    assert same.tolist() == [True, True, False, False, False, False, True, True]  # the cut is in the middle


def test_of_what_stays_only_the_coming_is_seen() -> None:
    _, strengths = transients(video(None, None, 4, 4, 4, 4), 2)
    came, going, flash = strengths[0, :, :3].T
    assert came.nonzero().flatten().tolist() == [2]
    assert going.nonzero().flatten().tolist() == [1]
    assert not flash.any()


def test_a_flash_of_two_frames_is_one_in_both() -> None:
    _, strengths = transients(video(None, None, None, 1, 1, None, None, None), 2)
    assert strengths[0, :, 2].nonzero().flatten().tolist() == [3, 4]


def test_beyond_the_ends_stand_the_first_and_the_last_frame() -> None:
    assert_close(changes(video(1, 2)), changes(video(1, 1, 1, 2, 2, 2))[2:4])


def test_each_rod_is_compared_with_its_own_kind() -> None:
    torch.manual_seed(0)
    module = RodChange(WIDTH, 16, 1)
    rods, patches = torch.randn(1, 4, 2, WIDTH), torch.randn(1, 4, PATCHES, WIDTH)
    with torch.no_grad():
        together = module(rods, patches)
        assert_close(together[:, :, :1], module(rods[:, :, :1], patches))
        assert_close(together[:, :, 1:], module(rods[:, :, 1:], patches))


def test_a_window_of_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 frame"):
        RodChange(8, 16, 0)
