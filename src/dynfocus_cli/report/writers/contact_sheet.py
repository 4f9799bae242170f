"""`contact_sheet`: all key frames of a video on one picture."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dynfocus_cli.report.spans import shown_name
from dynfocus_cli.report.writers import ExportFormat, ExportSource

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from dynfocus_cli.report.pictures import KeyFramePicture
    from dynfocus_cli.types import Inspection

PAPER, INK, FAINT, BAR = "#14161a", "#f2f3f5", "#a3a9b5", "#5cc8a4"

JPEG_QUALITY = 88

MARGIN, GAP = 24, 16
CAPTION = 46
"""Pixels under each picture: two lines and a bar."""
CAPTION_WIDTH = 220
HEADING = 68
LEAST_WIDTH = 640
"""Of the sheet, so that a heading over a single narrow picture can still be read."""


def contact_sheet(inspection: Inspection, pictures: Sequence[KeyFramePicture]) -> Image.Image:
    """The pictures in rows, in time order, each with its time code, event, score and tokens.

    All pictures have one size. The bar under a picture is its event's score.
    """
    from PIL import Image, ImageDraw

    height, width = pictures[0].pixels.shape[:2] if pictures else (0, 0)
    cell = max(width, CAPTION_WIDTH)
    columns = _columns(len(pictures), cell, height + CAPTION)
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new(
        "RGB",
        (
            max(2 * MARGIN + columns * (cell + GAP) - GAP, LEAST_WIDTH),
            2 * MARGIN + HEADING + rows * (height + CAPTION + GAP) - GAP,
        ),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    _head(draw, inspection, sheet.width - 2 * MARGIN)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        left, top = MARGIN + column * (cell + GAP), MARGIN + HEADING + row * (height + CAPTION + GAP)
        sheet.paste(Image.fromarray(picture.pixels), (left, top))
        _caption(draw, picture, left, top + height, cell)
    return sheet


def _columns(count: int, width: int, height: int) -> int:
    """As many as give a sheet of about 3:2 whose last row is not much shorter than the others.

    20 pictures of 320x226 -> 5 columns, 4 rows    4 of 320x366 -> 2 columns, 2 rows
    """
    if count == 0:
        return 1
    most = max(1, min(count, round(math.sqrt(1.5 * count * height / width))))
    return math.ceil(count / math.ceil(count / most))


def _head(draw: ImageDraw.ImageDraw, inspection: Inspection, room: int) -> None:
    from dynfocus_cli.report.lettering import draw_text

    source, bill, keys = inspection.source, inspection.tokens, len(inspection.key_frames)
    about = (
        f"{keys} key {'frame' if keys == 1 else 'frames'} of {len(inspection.frames)} sampled, "
        f"{bill.video} video tokens, {source.width}x{source.height}, {inspection.model.name}"
    )
    question = f"  “{' '.join(inspection.question.split())}”" if inspection.question else ""
    draw_text(draw, MARGIN, MARGIN - 4, shown_name(source.path), 24, INK, room)
    draw_text(draw, MARGIN, MARGIN + 30, about + question, 15, FAINT, room)


def _caption(draw: ImageDraw.ImageDraw, picture: KeyFramePicture, left: int, top: int, width: int) -> None:
    from dynfocus_cli.report.lettering import draw_text

    frame = picture.frame
    draw.rectangle((left, top + 4, left + round(frame.score * (width - 1)), top + 6), fill=BAR)
    draw_text(draw, left, top + 10, frame.timecode, 15, INK, width)
    judged = f"event {frame.event}  ·  score {frame.score:.2f}  ·  {frame.tokens} tokens"
    draw_text(draw, left, top + 28, judged, 13, FAINT, width)


def _content(export: ExportSource, file: Path) -> bytes:
    sheet, data = contact_sheet(export.inspection, export.thumbnails), io.BytesIO()
    if file.suffix.lower() == ".png":
        sheet.save(data, "PNG")
    else:
        sheet.save(data, "JPEG", quality=JPEG_QUALITY)
    return data.getvalue()


FORMAT = ExportFormat(
    flag="--contact-sheet",
    help="Write the key frames on one .jpg or .png.",
    suffixes=(".jpg", ".jpeg", ".png"),
    content=_content,
    has_pictures=True,
    place=1,
)
