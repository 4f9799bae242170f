"""`fcpxml`: the shots as a project for Final Cut Pro, which Resolve reads too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from dynfocus_cli.report.frame_numbers import FrameNumbers
from dynfocus_cli.report.spans import Sourced, TitledSpan, shown_name
from dynfocus_cli.report.writers import ExportFormat, ExportSource, MomentsFormat, MomentsSource

VERSION = "1.8"
"""The latest whose assets name their file in one attribute, which every reader knows."""


def fcpxml(of: Sourced, spans: Sequence[TitledSpan]) -> str:
    """A project whose one sequence has each span as a clip of the video, end to end.

    Times are whole frames, written as fractions of a second. Media begins at the video's own time code.
    """
    source = of.source
    name, numbers = shown_name(source.path), FrameNumbers.of(source)
    tick = 1 / numbers.rate

    def seconds(frames: int) -> str:
        return f"{frames * tick.numerator}/{tick.denominator}s" if frames else "0s"

    clock = "DF" if numbers.drop else "NDF"
    root = ElementTree.Element("fcpxml", version=VERSION)
    resources = ElementTree.SubElement(root, "resources")
    ElementTree.SubElement(
        resources,
        "format",
        id="r1",
        name="FFVideoFormatRateUndefined",
        frameDuration=seconds(1),
        width=str(source.width),
        height=str(source.height),
    )
    media = Path(source.path).absolute().as_uri()
    ElementTree.SubElement(
        resources,
        "asset",
        id="r2",
        name=name,
        src=media,
        hasVideo="1",
        format="r1",
        start=seconds(numbers.first),
        duration=seconds(numbers.count),
    )
    event = ElementTree.SubElement(ElementTree.SubElement(root, "library"), "event", name=name)
    project = ElementTree.SubElement(event, "project", name=name)
    laid = list(numbers.laid(spans))
    length = seconds(sum(end - start for start, end in laid))
    sequence = ElementTree.SubElement(
        project, "sequence", format="r1", duration=length, tcStart="0s", tcFormat=clock
    )
    spine, offset = ElementTree.SubElement(sequence, "spine"), 0
    for span, (start, end) in zip(spans, laid, strict=True):
        ElementTree.SubElement(
            spine,
            "asset-clip",
            ref="r2",
            name=span.title,
            offset=seconds(offset),
            start=seconds(numbers.first + start),
            duration=seconds(end - start),
            tcFormat=clock,
        )
        offset += end - start
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n'


def _content(source: ExportSource, file: Path) -> bytes:
    return fcpxml(source.inspection, source.shots).encode()


def _moments(source: MomentsSource, file: Path) -> bytes:
    return fcpxml(source.video, source.spans).encode()


FORMAT = ExportFormat(
    flag="--fcpxml",
    help="Write the shots as a project for Final Cut Pro and Resolve.",
    suffixes=(".fcpxml",),
    content=_content,
    place=4,
    moments=MomentsFormat(
        help="Write the moments as a project for Final Cut Pro and Resolve.", content=_moments
    ),
)
