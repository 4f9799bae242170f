"""The events of a video as spans of time."""

from __future__ import annotations

from dataclasses import replace

from dynfocus_cli.report.spans import EventSpan, event_spans


def test_events_follow_each_other_without_gaps(make_inspection, with_events):
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
