"""Chapters, read back by pysubs2 and FFmpeg."""

from __future__ import annotations

import av
import pysubs2
import pytest

from dynfocus_cli.report.spans import event_spans, shown_name
from dynfocus_cli.report.writers.chapters import ffmetadata_chapters, webvtt_chapters

HOSTILE = 'clips/<b>"&;=#\\\n\x1b[2J\udcff.mp4'


def test_webvtt_chapters(make_inspection):
    made = make_inspection()
    text = webvtt_chapters(event_spans(made))
    assert text.startswith("WEBVTT\nKind: chapters\n\n1\n00:00:00.000 --> ")
    cues = pysubs2.SSAFile.from_string(text, format_="vtt")
    assert [(cue.start / 1000, cue.end / 1000) for cue in cues] == [
        (span.start_s, span.end_s) for span in event_spans(made)
    ]
    assert cues[0].text == r"Event 0, score 1.00, key frame 00:00:00.000"


@pytest.mark.parametrize("video", ["demo.mp4", HOSTILE])
def test_ffmpeg_reads_the_chapters(make_inspection, tmp_path, video):
    made = make_inspection(video=video)
    path = tmp_path / "out.ffmeta"
    path.write_bytes(ffmetadata_chapters(made, event_spans(made)).encode())
    with av.open(str(path), format="ffmetadata") as container:
        assert container.metadata["title"] == shown_name(video)
        chapters = container.chapters()
    assert [
        (float(chapter["start"] * chapter["time_base"]), float(chapter["end"] * chapter["time_base"]))
        for chapter in chapters
    ] == [(span.start_s, span.end_s) for span in event_spans(made)]
    assert chapters[1]["metadata"]["title"].startswith("Event 1, score 0.")
