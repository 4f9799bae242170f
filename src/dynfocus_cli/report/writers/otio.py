"""`otio`: the shots as a timeline in OpenTimelineIO's format, which Premiere, Resolve and others read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynfocus_cli.report.frame_numbers import FrameNumbers
from dynfocus_cli.report.spans import Sourced, TitledSpan, shown_name
from dynfocus_cli.report.writers import ExportFormat, ExportSource, MomentsFormat, MomentsSource


def otio(of: Sourced, spans: Sequence[TitledSpan]) -> str:
    """A timeline with one video track, on which each span is a clip of the video, laid end to end.

    Times count frames at the video's own rate, and begin in the video at its own time code.
    """
    source = of.source
    name, numbers = shown_name(source.path), FrameNumbers.of(source)

    def frames(count: int) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(numbers.rate), "value": float(count)}

    def span_of(start: int, count: int) -> dict[str, Any]:
        return {
            "OTIO_SCHEMA": "TimeRange.1",
            "start_time": frames(numbers.first + start),
            "duration": frames(count),
        }

    media = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "metadata": {},
        "name": name,
        "available_range": span_of(0, numbers.count),
        "available_image_bounds": None,
        "target_url": Path(source.path).absolute().as_uri(),
    }
    clips = [
        {
            **_item("Clip.2", span.title),
            "source_range": span_of(start, end - start),
            "media_references": {"DEFAULT_MEDIA": media},
            "active_media_reference_key": "DEFAULT_MEDIA",
        }
        for span, (start, end) in zip(spans, numbers.laid(spans), strict=True)
    ]
    track = {**_item("Track.1", name), "kind": "Video", "children": clips}
    timeline = {
        "OTIO_SCHEMA": "Timeline.1",
        "metadata": {},
        "name": name,
        "global_start_time": None,
        "tracks": {**_item("Stack.1", "tracks"), "children": [track]},
    }
    return json.dumps(timeline, indent=4) + "\n"


def _item(schema: str, name: str) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": schema,
        "metadata": {},
        "name": name,
        "source_range": None,
        "effects": [],
        "markers": [],
        "enabled": True,
    }


def _content(source: ExportSource, file: Path) -> bytes:
    return otio(source.inspection, source.shots).encode()


def _moments(source: MomentsSource, file: Path) -> bytes:
    return otio(source.video, source.spans).encode()


FORMAT = ExportFormat(
    flag="--otio",
    help="Write the shots as a timeline (OpenTimelineIO).",
    suffixes=(".otio",),
    content=_content,
    place=3,
    moments=MomentsFormat(help="Write the moments as a timeline (OpenTimelineIO).", content=_moments),
)
