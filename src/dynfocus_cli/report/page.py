"""What all pages share: their style, how their templates are filled, and links to videos."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from dynfocus_cli.video.timecode import format_timecode

if TYPE_CHECKING:
    from jinja2 import Environment


def page_environment() -> Environment:
    """Fills templates, which may include the style of all pages, `page.css`. All values are escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda name: files(__package__).joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["timecode"] = format_timecode
    environment.filters["csp_hash"] = _csp_hash
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment


def link_to(video: str, page: Path) -> str:
    """The relative URI from a page to a file, byte for byte, whatever its name holds.

    clips/a b#1.mp4 from out/page.html -> ../clips/a%20b%231.mp4
    """
    path = os.path.relpath(os.path.abspath(video), os.path.dirname(os.path.abspath(page)))
    return quote(os.fsencode(path))  # a colon is quoted too, so that no name is taken for a scheme


def data_uri(media_type: str, data: bytes) -> str:
    """Data as a URI of its own."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _csp_hash(text: str) -> str:
    """What a content security policy calls an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
