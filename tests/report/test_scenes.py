"""Where the scenes for editors begin and end, on clips of plain colours whose cuts are known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from dynfocus_cli.report.scenes import scenes
from dynfocus_cli.report.writers.edl import edl
from dynfocus_cli.video.probing import probe
from report.conftest import build_inspection

FPS = 24
RED, BLUE, BLACK = (200, 30, 30), (30, 30, 200), (0, 0, 0)


def write_colours(path, shots, fps=Fraction(FPS), spot=0):
    """`shots` are (colour, frames); `spot` pixels a side in the middle are white in every second frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        number = 0
        for colour, count in shots:
            for _ in range(count):
                picture = np.full((72, 96, 3), colour, np.uint8)
                if number % 2:
                    picture[36 - spot // 2 : 36 + spot // 2, 48 - spot // 2 : 48 + spot // 2] = 255
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, 1 / fps
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode())
    return path


def inspected(path, times_s, events=None, key=()):
    """As if the clip had been sampled at these times, each frame an event unless `events` says otherwise."""
    source = probe(path)
    frames = tuple(
        replace(
            frame,
            time_s=time_s,
            event=frame.index if events is None else events[frame.index],
            meaningful=frame.index in key,
            score=0.0,
        )
        for frame, time_s in zip(build_inspection(len(times_s)).frames, times_s, strict=True)
    )
    made = build_inspection(1)
    return replace(
        made, source=source, frames=frames, sampling=replace(made.sampling, end_s=source.duration_s)
    )


def spans_of(inspection):
    return [(round(span.start_s, 3), round(span.end_s, 3)) for span in scenes(inspection)]


def test_a_clip_of_one_colour_is_one_stretch_with_one_key_frame(tmp_path):
    path = write_colours(tmp_path / "black.mp4", [(BLACK, 10 * FPS)])
    made = inspected(path, [float(second) for second in range(10)], key=(0, 4, 7))
    (span,) = scenes(made)
    assert (span.start_s, span.end_s, span.key_frame.index) == (0.0, 10.0, 0)
    assert edl(made, [span]).count("  AX  ") == 1


@pytest.mark.parametrize("frames", [25, 36, 47, 48])
def test_a_border_lies_on_the_first_frame_that_differs(tmp_path, frames):
    path = write_colours(tmp_path / "cut.mp4", [(RED, frames), (BLUE, 96 - frames)])
    border = round(frames / FPS, 3)
    assert spans_of(inspected(path, [0.0, 1.0, 2.0, 3.0])) == [(0.0, border), (border, 4.0)]


def test_events_that_alternate_over_one_picture_are_one_stretch(tmp_path):
    path = write_colours(tmp_path / "same.mp4", [(RED, 4 * FPS)], spot=30)
    assert spans_of(inspected(path, [0.0, 1.0, 2.0, 3.0], events=[4, 5, 4, 5])) == [(0.0, 4.0)]


def test_what_comes_back_is_a_stretch_of_its_own(tmp_path):
    path = write_colours(tmp_path / "back.mp4", [(RED, 30), (BLUE, 30), (RED, 36)])
    assert spans_of(inspected(path, [0.0, 1.0, 2.0, 3.0], events=[0, 0, 1, 0])) == [
        (0.0, 1.25),
        (1.25, 2.5),
        (2.5, 4.0),
    ]


def test_a_slow_fade_is_divided_though_no_second_of_it_changes_much(tmp_path):
    shots = [((level, level, level), FPS) for level in range(0, 250, 12)]
    path = write_colours(tmp_path / "fade.mp4", shots)
    found = spans_of(inspected(path, [float(second) for second in range(len(shots))]))
    assert 2 <= len(found) <= 10
    assert (found[0][0], found[-1][1]) == (0.0, float(len(shots)))


def test_the_last_frame_is_a_cut_of_its_own_where_it_differs(tmp_path):
    """Sampled at 4.0 s it is on screen since 3.97, and had rounded to no frame at all."""
    fps = Fraction(30000, 1001)
    path = write_colours(tmp_path / "last.mp4", [(RED, 119), (BLUE, 1)], fps)
    made = inspected(path, [0.0, 1.0, 2.0, 3.0, 4.0])
    assert edl(made, scenes(made)).count("00:00:03:29 00:00:04:00 00:00:03:29 00:00:04:00") == 1


def test_uneven_frames_have_their_own_borders(tmp_path):
    path = tmp_path / "uneven.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pts, colour in [(0, RED), (40, RED), (2310, BLUE), (2350, BLUE), (5000, BLUE)]:
            frame = av.VideoFrame.from_ndarray(np.full((72, 96, 3), colour, np.uint8), format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert spans_of(inspected(path, [0.0, 2.0, 4.0]))[0] == (0.0, 2.31)
