"""Key frames' pictures, on clips whose frames carry their numbers."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction

import pytest
from PIL import Image

from dynfocus_cli.report.pictures import fit_within, key_frame_pictures
from video.clips import read_barcode


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


def test_no_key_frames_no_pictures(on_clip):
    made = on_clip()
    none = tuple(replace(frame, meaningful=False) for frame in made.frames)
    assert list(key_frame_pictures(replace(made, frames=none))) == []
