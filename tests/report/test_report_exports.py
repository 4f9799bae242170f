"""Tables, cut lists and chapters, each read back by its own format's rules."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import av
import pysubs2
import pytest

from dynfocus_cli.report.exports import csv_table, edl, ffmetadata_chapters, webvtt_chapters
from dynfocus_cli.report.spans import EventSpan, event_spans, shown_name

WRITERS = (
    csv_table,
    lambda made: edl(made, event_spans(made)),
    lambda made: webvtt_chapters(event_spans(made)),
    lambda made: ffmetadata_chapters(made, event_spans(made)),
)

HOSTILE = 'clips/<b>"&;=#\\\n\x1b[2J\udcff.mp4'


def with_events(inspection, events, **source):
    frames = tuple(
        replace(frame, event=event) for frame, event in zip(inspection.frames, events, strict=True)
    )
    return replace(inspection, frames=frames, source=replace(inspection.source, **source))


def test_events_follow_each_other_without_gaps(make_inspection):
    spans = event_spans(with_events(make_inspection(4), [0, 0, 1, 0]))
    assert [(span.event, span.start_s, span.end_s) for span in spans] == [
        (0, 0.0, 1.0),
        (1, 1.0, 1.5),
        (0, 1.5, 2.0),
    ]
    assert [span.key_frame and span.key_frame.index for span in spans] == [0, None, 3]


def test_a_span_of_several_events_is_called_by_its_best_key_frame(make_inspection):
    frames = make_inspection(9).frames  # events 0 0 0 1 1 1 2 2 2, the best first
    span = EventSpan(0.0, 4.5, frames[1:])
    assert (span.event, span.score, span.key_frame) == (1, frames[3].score, frames[3])
    assert EventSpan(0.0, 1.5, frames[1:3]).key_frame is None


def test_the_last_event_lasts_though_sampling_ends_with_its_frame(make_inspection):
    made = make_inspection(4)
    short = replace(made, sampling=replace(made.sampling, end_s=1.5))
    assert event_spans(short)[-1].end_s == 2.0
    assert event_spans(replace(short, source=replace(made.source, duration_s=1.5, fps=4.0)))[-1].end_s == 1.75


def test_csv_has_every_sampled_frame(make_inspection):
    made = make_inspection()
    rows = list(csv.DictReader(io.StringIO(csv_table(made))))
    assert len(rows) == len(made.frames)
    for row, frame in zip(rows, made.frames, strict=True):
        assert (int(row["index"]), float(row["time_s"]), row["timecode"]) == (
            frame.index,
            frame.time_s,
            frame.timecode,
        )
        assert (int(row["event"]), int(row["tokens"])) == (frame.event, frame.tokens)
        assert row["meaningful"] == ("true" if frame.meaningful else "false")
        assert float(row["score"]) == pytest.approx(frame.score, abs=5e-5)


CUT = re.compile(r"(\d{3})  AX       V     C        (\S+) (\S+) (\S+) (\S+)")


def frames_of(code: str, unit: int) -> int:
    hours, minutes, seconds, frames = map(int, code.split(":"))
    assert frames < unit
    return ((hours * 60 + minutes) * 60 + seconds) * unit + frames


@pytest.mark.parametrize(("fps", "unit"), [(25.0, 25), (30000 / 1001, 30), (24000 / 1001, 24), (59.94, 60)])
def test_edl_cuts_lie_end_to_end(make_inspection, fps, unit):
    made = with_events(make_inspection(600), [index // 50 % 3 for index in range(600)], fps=fps)
    lines = edl(made, event_spans(made)).splitlines()
    assert lines[:2] == ["TITLE: demo.mp4", "FCM: NON-DROP FRAME"]
    cuts = [match.groups() for line in lines if (match := CUT.fullmatch(line))]
    assert [int(cut[0]) for cut in cuts] == list(range(1, 13))
    end = 0
    for (_, *codes), span in zip(cuts, event_spans(made), strict=True):
        start, stop, laid, laid_end = (frames_of(code, unit) for code in codes)
        assert (start, laid) == (end, end)
        assert stop - start == laid_end - laid
        assert (start, stop) == (round(span.start_s * fps), round(span.end_s * fps))
        end = stop


@pytest.mark.parametrize(
    ("fps", "unit", "group"),
    [
        (120.0, 60, 2),
        (120000 / 1001, 60, 2),
        (240.0, 60, 4),
        (100.0, 50, 2),
        (144.0, 48, 3),
        (1000.0, 50, 20),
    ],
)
def test_edl_of_a_fast_video_counts_groups_of_frames(make_inspection, fps, unit, group):
    made = with_events(make_inspection(40), [index // 3 for index in range(40)], fps=fps)
    text = edl(made, event_spans(made))
    assert f"* TIME CODES COUNT {unit} A SECOND: {group} FRAMES OF THE VIDEO EACH" in text
    cuts = [match.groups() for line in text.splitlines() if (match := CUT.fullmatch(line))]
    assert len(cuts) == 14
    for (_, *codes), span in zip(cuts, event_spans(made), strict=True):
        start, stop, *_ = (frames_of(code, unit) for code in codes)
        assert (start, stop) == (round(span.start_s * fps / group), round(span.end_s * fps / group))


def test_edl_begins_at_the_files_time_code(make_inspection):
    made = with_events(make_inspection(4), [0, 0, 1, 1], fps=25.0, timecode="01:00:00:00")
    assert "01:00:00:00 01:00:01:00 00:00:00:00 00:00:01:00" in edl(made, event_spans(made))


def test_edl_drops_the_labels_that_the_file_drops(make_inspection):
    made = with_events(make_inspection(4), [0, 0, 1, 1], fps=30000 / 1001, timecode="01:00:59;00")
    text = edl(made, event_spans(made))
    assert "FCM: DROP FRAME" in text
    assert "01:00:59;00 01:01:00;02 00:00:00;00 00:00:01;00" in text


def test_a_stretch_shorter_than_a_time_code_is_still_a_cut(make_inspection):
    made = with_events(make_inspection(4), [0, 0, 1, 1], fps=1 / 3600)
    assert edl(made, event_spans(made)).count("  AX  ") == 2
    made = with_events(make_inspection(4), [0, 1, 2, 3], fps=1.0)
    assert edl(made, event_spans(made)).count("  AX  ") == 4


def test_webvtt_chapters(make_inspection):
    made = make_inspection()
    text = webvtt_chapters(event_spans(made))
    assert text.startswith("WEBVTT\n\n1\n00:00:00.000 --> ")
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


def test_a_hostile_name_adds_no_line(make_inspection):
    plain, hostile = make_inspection(), make_inspection(video=HOSTILE)
    for write in WRITERS:
        written = write(hostile)
        assert len(written.splitlines()) == len(write(plain).splitlines())
        assert "\x1b" not in written
        written.encode("utf-8")


def test_equal_evidence_gives_equal_bytes(make_inspection):
    for write in WRITERS:
        assert write(make_inspection()) == write(make_inspection())
