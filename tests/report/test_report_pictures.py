"""Key frames' pictures and the contact sheet, on clips whose frames carry their numbers."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from dynfocus_cli.report.contact_sheet import contact_sheet
from dynfocus_cli.report.pictures import fit_within, key_frame_pictures
from dynfocus_cli.video.probing import probe
from video.clips import read_barcode, write_clip


def seen(inspection, path):
    """As if the file had been inspected: frames every half second."""
    return replace(inspection, source=probe(path))


@pytest.fixture
def on_clip(make_inspection, tmp_path):
    def make(**settings):
        path = write_clip(tmp_path / "clip.mp4", range(0, 6000, 100), **settings)
        return seen(make_inspection(), str(path))

    return make


def test_pictures_are_the_frames_at_their_times(on_clip):
    made = on_clip()
    numbers = [read_barcode(picture.pixels) for picture in key_frame_pictures(made)]
    assert numbers == [round(frame.time_s * 10) for frame in made.key_frames]


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({}, (96, 72)),
        ({"clockwise": 90}, (72, 96)),
        ({"clockwise": 180}, (96, 72)),
        ({"aspect": Fraction(2)}, (192, 72)),
        ({"aspect": Fraction(2), "clockwise": 270}, (72, 192)),
    ],
)
def test_pictures_have_the_displayed_size_and_stand_upright(on_clip, settings, size):
    for picture in key_frame_pictures(on_clip(**settings)):
        assert picture.pixels.shape == (size[1], size[0], 3)
        assert read_barcode(picture.pixels) == round(picture.frame.time_s * 10)
        assert Image.open(io.BytesIO(picture.jpeg(90))).size == size


def test_thumbnails_keep_the_proportions(on_clip):
    for picture in key_frame_pictures(on_clip(aspect=Fraction(2)), longest=96):
        assert picture.pixels.shape == (36, 96, 3)
        assert read_barcode(picture.pixels) is not None


def test_fit_within():
    assert fit_within(1920, 1080, 320) == (320, 180)
    assert fit_within(1080, 1920, 320) == (180, 320)
    assert fit_within(200, 100, 320) == (200, 100)
    assert fit_within(10000, 2, 320) == (320, 1)
    assert fit_within(10000, 2, None) == (10000, 2)


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


def test_no_key_frames_no_pictures(on_clip):
    made = on_clip()
    none = tuple(replace(frame, meaningful=False) for frame in made.frames)
    assert list(key_frame_pictures(replace(made, frames=none))) == []
