"""`save_frames`: each key frame as a picture."""

from __future__ import annotations

from collections.abc import Iterator

from dynfocus_cli.report.writers import ExportFormat, ExportSource

QUALITY = 95


def _contents(source: ExportSource) -> Iterator[tuple[str, bytes]]:
    """Each key frame as `clip_00-01-02.500_event3.jpg`, at the size that players show."""
    from dynfocus_cli.report.pictures import key_frame_pictures

    for picture in key_frame_pictures(source.inspection):
        frame = picture.frame
        name = f"_{frame.timecode.replace(':', '-')}_event{frame.event}.jpg"
        yield name, picture.jpeg(QUALITY)


FORMAT = ExportFormat(
    flag="--save-frames",
    help="Write each key frame as a JPEG into this folder.",
    suffixes=(".jpg",),
    contents=_contents,
    name_pattern=r"_\d{2,}-\d\d-\d\d\.\d{3}_event\d+\.jpg",
    has_pictures=True,
    place=2,
)
