"""Contact sheets of clips whose frames carry their numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dynfocus_cli.report.pictures import key_frame_pictures
from dynfocus_cli.report.writers.contact_sheet import contact_sheet
from video.clips import read_barcode


def test_a_contact_sheet_shows_each_key_frame_once_in_order(on_clip):
    made = on_clip()
    pictures = list(key_frame_pictures(made))
    sheet = np.asarray(contact_sheet(made, pictures))
    white = [read_barcode(sheet[top : top + 72, left : left + 96]) for top, left in corners(sheet, pictures)]
    assert white == [0, 15, 30, 45]


def corners(sheet, pictures):
    """Where each picture lies, found by looking for it; row by row."""
    found = []
    for picture in pictures:
        height, width = picture.pixels.shape[:2]
        windows = np.lib.stride_tricks.sliding_window_view(sheet, (height, width, 3))[:, :, 0]
        rows, columns = np.nonzero((windows[..., 0, :8, 0] == picture.pixels[0, :8, 0]).all(-1))
        exact = [
            (row, column)
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if (windows[row, column] == picture.pixels).all()
        ]
        assert len(exact) == 1
        found += exact
    assert found == sorted(found)
    return found


@pytest.mark.parametrize("frames", [1, 2, 7, 60])
def test_a_contact_sheet_of_any_number(on_clip, make_inspection, frames):
    made = replace(on_clip(), frames=make_inspection(frames, key_every=1).frames)
    pictures = [replace(picture) for picture in key_frame_pictures(made, longest=64)]
    sheet = contact_sheet(replace(made, question="Who?\n" + "very long " * 90), pictures)
    assert sheet.width >= 640
    assert sheet.width / sheet.height < 4


def test_a_contact_sheet_without_key_frames(make_inspection):
    made = make_inspection()
    none = tuple(replace(frame, meaningful=False) for frame in made.frames)
    assert contact_sheet(replace(made, frames=none), []).width >= 640
