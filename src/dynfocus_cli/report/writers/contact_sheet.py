"""`contact_sheet`: all key frames of a video on one picture."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dynfocus_cli.report.spans import shown_name
from dynfocus_cli.report.writers import ExportFormat, ExportSource, MomentsFormat, MomentsSource
from dynfocus_cli.video.timecode import format_timecode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, ImageDraw

    from dynfocus_cli.moments.moment import Moments
    from dynfocus_cli.report.moment_pictures import MomentPicture
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


class Card(NamedTuple):
    """A picture and what stands below it."""

    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB."""
    share: float
    """Length of the bar under the picture, 0 to 1."""
    title: str
    detail: str


def contact_sheet(inspection: Inspection, pictures: Sequence[KeyFramePicture]) -> Image.Image:
    """The pictures in rows, in time order, each with its time code, event, score and tokens.

    The bar under a picture is its event's score.
    """
    source, bill, keys = inspection.source, inspection.tokens, len(inspection.key_frames)
    about = (
        f"{keys} key {'frame' if keys == 1 else 'frames'} of {len(inspection.frames)} sampled, "
        f"{bill.video} video tokens, {source.width}x{source.height}, {inspection.model.name}"
    )
    question = f"  “{' '.join(inspection.question.split())}”" if inspection.question else ""
    cards = [
        Card(
            picture.pixels,
            picture.frame.score,
            picture.frame.timecode,
            f"event {picture.frame.event}  ·  score {picture.frame.score:.2f}  ·  "
            f"{picture.frame.tokens} tokens",
        )
        for picture in pictures
    ]
    return sheet_of(shown_name(source.path), about + question, cards)


def moments_sheet(moments: Moments, pictures: Sequence[MomentPicture]) -> Image.Image:
    """The best frame of each moment, the best first, with its times; the bar is its score."""
    several = len(moments.videos) > 1
    heading = f"{len(moments.videos)} videos" if several else shown_name(moments.videos[0].source.path)
    count = len(pictures)
    about = (
        f"{count} {'moment' if count == 1 else 'moments'}, {moments.model.name}  "
        f"“{' '.join(moments.caption.split())}”"
    )
    cards = []
    for picture in pictures:
        moment = picture.moment
        detail = f"{moment.length_s:.2f} s  ·  score {moment.score:.2f}  ·  {' + '.join(moment.origins)}"
        name = f"{shown_name(moment.video)}  ·  " if several else ""
        cards.append(Card(picture.pixels, moment.score, format_timecode(moment.start_s), name + detail))
    return sheet_of(heading, about, cards)


def sheet_of(heading: str, about: str, cards: Sequence[Card]) -> Image.Image:
    """The cards in rows, below two lines of text."""
    from PIL import Image, ImageDraw

    height = max((card.pixels.shape[0] for card in cards), default=0)
    width = max((card.pixels.shape[1] for card in cards), default=0)
    cell = max(width, CAPTION_WIDTH)
    columns = _columns(len(cards), cell, height + CAPTION)
    rows = math.ceil(len(cards) / columns)
    sheet = Image.new(
        "RGB",
        (
            max(2 * MARGIN + columns * (cell + GAP) - GAP, LEAST_WIDTH),
            2 * MARGIN + HEADING + rows * (height + CAPTION + GAP) - GAP,
        ),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    _head(draw, heading, about, sheet.width - 2 * MARGIN)
    for number, card in enumerate(cards):
        row, column = divmod(number, columns)
        left, top = MARGIN + column * (cell + GAP), MARGIN + HEADING + row * (height + CAPTION + GAP)
        sheet.paste(Image.fromarray(card.pixels), (left, top + height - card.pixels.shape[0]))
        _caption(draw, card, left, top + height, cell)
    return sheet


def _columns(count: int, width: int, height: int) -> int:
    """As many as give a sheet of about 3:2 whose last row is not much shorter than the others.

    20 pictures of 320x226 -> 5 columns, 4 rows    4 of 320x366 -> 2 columns, 2 rows
    """
    if count == 0:
        return 1
    most = max(1, min(count, round(math.sqrt(1.5 * count * height / width))))
    return math.ceil(count / math.ceil(count / most))


def _head(draw: ImageDraw.ImageDraw, heading: str, about: str, room: int) -> None:
    from dynfocus_cli.report.lettering import draw_text

    draw_text(draw, MARGIN, MARGIN - 4, heading, 24, INK, room)
    draw_text(draw, MARGIN, MARGIN + 30, about, 15, FAINT, room)


def _caption(draw: ImageDraw.ImageDraw, card: Card, left: int, top: int, width: int) -> None:
    from dynfocus_cli.report.lettering import draw_text

    draw.rectangle((left, top + 4, left + round(card.share * (width - 1)), top + 6), fill=BAR)
    draw_text(draw, left, top + 10, card.title, 15, INK, width)
    draw_text(draw, left, top + 28, card.detail, 13, FAINT, width)


def _content(export: ExportSource, file: Path) -> bytes:
    return _saved(contact_sheet(export.inspection, export.thumbnails), file)


def _moments(export: MomentsSource, file: Path) -> bytes:
    return _saved(moments_sheet(export.moments, export.thumbnails), file)


def _saved(sheet: Image.Image, file: Path) -> bytes:
    """The sheet in the format of the file's suffix."""
    data = io.BytesIO()
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
    moments=MomentsFormat(
        help="Write the best frame of each moment on one .jpg or .png.", content=_moments, holds_several=True
    ),
)
