"""The text of a subtitle file, in whichever encoding it was saved."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
"""Byte order marks; the longer ones first, since one begins with another."""

# Where two fit equally well the earlier wins: the more widespread, or the one that seldom fits by chance.
_LATIN_PAGES = ("cp1252", "cp1250", "cp1254", "cp1257")
_OTHER_PAGES = (
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
    *("cp1251", "koi8_r", "cp866", "cp1253", "cp1255", "cp1256", "cp874"),
)

MIN_DECODABLE = 0.9
"""Of the lines that are not ASCII: a code page that fits fewer is not the file's; the rest is damage."""

SAMPLE_LINES = 400
"""Lines that the code page is told from; each page takes a millisecond for a hundred of them."""

_PRIVATE = re.compile("[\ue000-\uf8ff]")
"""What some code pages make of bytes that mean nothing in them."""

_NUL_SHARE = 0.2
"""In UTF-16 every second byte of a time code is zero; in other encodings none is."""


def decode_text(data: bytes) -> tuple[str, str | None]:
    """The text of a file with line feeds for line ends, and a sentence where it may not be as it was meant.

    Its byte order mark decides, else it is UTF-16 or UTF-8 if it can be, else in the code page that its
    letters speak for. A few bytes that are no UTF-8 leave the rest of the file UTF-8.
    """
    text, warning = _decoded(data)
    # "\r\r\n" is what a text written twice in Windows' way has.
    return re.sub(r"\r+\n|\r", "\n", text.replace("\0", "")), warning


def _decoded(data: bytes) -> tuple[str, str | None]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _replaced(data[len(mark) :], encoding)
    even, odd = data[::2].count(0), data[1::2].count(0)
    if even + odd > _NUL_SHARE * len(data) / 2:
        return _replaced(data, "utf-16-le" if odd > even else "utf-16-be")
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    if not damaged or damaged < sum(not char.isascii() for char in text) - damaged:
        return _replaced(data, "utf-8")
    encoding = _code_page(data)
    return data.decode(encoding, "replace"), (
        f"they are not in UTF-8 and are read as {encoding}: where letters are wrong, save the file as UTF-8."
    )


def _replaced(data: bytes, encoding: str) -> tuple[str, str | None]:
    text = data.decode(encoding, "replace")
    damaged = text.count("\ufffd")
    return text, f"{damaged} of their characters are damaged and stand as \ufffd." if damaged else None


def _code_page(data: bytes) -> str:
    """The code page of a text that is no Unicode, by what its lines look like in each.

    Pages with Latin letters alone look alike to any measure of single letters: of those it is the Western one
    unless that makes no sense.
    """
    lines = [line for line in data.splitlines() if not line.isascii()][:SAMPLE_LINES]
    sample = b"".join(lines)
    # In Latin scripts most letters are ASCII: "Příliš"; in others hardly any is.
    latin = sum(byte > 127 for byte in sample) < len(re.findall(rb"[A-Za-z]", sample))
    pages = _LATIN_PAGES if latin else _OTHER_PAGES
    misfits = {page: misfit for page in pages if (misfit := _misfit(lines, page, latin=latin)) is not None}
    return min(misfits, key=misfits.__getitem__, default=_LATIN_PAGES[0])


def _misfit(lines: Sequence[bytes], page: str, *, latin: bool) -> float | None:
    """How little the lines look like a language in this code page; None where they cannot be in it."""
    # Loaded here: most subtitles are UTF-8.
    from charset_normalizer import from_bytes

    decodable = []
    for line in lines:
        try:
            text = line.decode(page)
        except UnicodeDecodeError:
            continue
        if not _PRIVATE.search(text):
            decodable.append(line)
    if len(decodable) < MIN_DECODABLE * len(lines):
        return None
    match = from_bytes(b"\n".join(decodable), cp_isolation=[page]).best()
    if match is None or match.encoding != page:
        return None
    return round(match.chaos, 1) if latin else round(match.chaos, 2) - match.coherence
