"""Timelines for editors, read back: OTIO by OpenTimelineIO itself, FCPXML as XML."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dynfocus_cli.report.spans import event_spans, shown_name
from dynfocus_cli.report.writers.fcpxml import fcpxml
from dynfocus_cli.report.writers.otio import otio

HOSTILE = 'clips/<b>"&;=#\\\n\x1b[2J\udcff.mp4'
RATES = [(25.0, Fraction(25)), (30000 / 1001, Fraction(30000, 1001)), (23.4, Fraction(117, 5)), (120.0, 120)]


def told(made, fps, timecode):
    return replace(made, source=replace(made.source, fps=fps, timecode=timecode))


@pytest.mark.parametrize("video", ["demo.mp4", HOSTILE])
@pytest.mark.parametrize(("fps", "rate"), RATES)
@pytest.mark.parametrize("timecode", ["", "01:00:00:00"])
def test_opentimelineio_reads_the_timeline(make_inspection, fps, rate, timecode, video):
    library = pytest.importorskip("opentimelineio", reason="reads .otio files; it is among dynfocus[dev]")
    made = told(make_inspection(video=video), fps, timecode)
    spans = event_spans(made)
    timeline = library.adapters.read_from_string(otio(made, spans), "otio_json")
    assert timeline.name == shown_name(video)
    (track,) = timeline.video_tracks()
    clips = list(track.find_clips())
    assert [clip.name for clip in clips] == [span.title for span in spans]
    first = clips[0].media_reference.available_range.start_time.value
    assert first == (3600 * round(fps) if timecode else 0)
    for clip, span in zip(clips, spans, strict=True):
        assert Fraction(clip.source_range.duration.rate).limit_denominator(1001) == rate
        begin, end = clip.source_range.start_time, clip.source_range.end_time_exclusive()
        frames = (round(span.start_s * rate), round(span.end_s * rate))
        assert (begin.value - first, end.value - first) == frames
        assert clip.media_reference.target_url == Path(video).absolute().as_uri()
    at = 0
    for clip in clips:
        assert track.range_of_child(clip).start_time.value == at
        at += clip.source_range.duration.value


@pytest.mark.parametrize("video", ["demo.mp4", HOSTILE])
@pytest.mark.parametrize(("fps", "rate"), RATES)
@pytest.mark.parametrize("timecode", ["", "01:00:00:00"])
def test_the_project_for_final_cut_counts_whole_frames(make_inspection, fps, rate, timecode, video):
    made = told(make_inspection(video=video), fps, timecode)
    spans = event_spans(made)
    root = ElementTree.fromstring(fcpxml(made, spans))

    def frames(text):
        count = Fraction(text.removesuffix("s")) * rate
        assert count.denominator == 1
        return int(count)

    (asset,) = root.iter("asset")
    first = frames(asset.get("start"))
    assert first == (3600 * round(fps) if timecode else 0)
    assert asset.get("src") == Path(video).absolute().as_uri()
    clips = list(root.iter("asset-clip"))
    assert [clip.get("name") for clip in clips] == [span.title for span in spans]
    offset = 0
    for clip, span in zip(clips, spans, strict=True):
        begin, length = frames(clip.get("start")) - first, frames(clip.get("duration"))
        assert (begin, begin + length) == (round(span.start_s * rate), round(span.end_s * rate))
        assert frames(clip.get("offset")) == offset
        offset += length
    (sequence,) = root.iter("sequence")
    assert frames(sequence.get("duration")) == offset
    (shape,) = root.iter("format")
    assert frames(shape.get("frameDuration")) == 1
