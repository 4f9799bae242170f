"""Which files of a folder are videos: by their names, and where a name says nothing, by their first bytes."""

from __future__ import annotations

import mimetypes
import os
from contextlib import suppress

VIDEO_SUFFIXES = frozenset(
    {".3g2", ".3gp", ".3gp2", ".3gpp", ".amv", ".asf", ".avi", ".divx", ".dv", ".dvr-ms", ".evo", ".f4v"}
    | {".flc", ".fli", ".flv", ".gif", ".gxf", ".h264", ".h265", ".hevc", ".insv", ".ismv", ".ivf", ".lrv"}
    | {".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v", ".mj2", ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov"}
    | {".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mqv", ".mts", ".mxf", ".nsv", ".nut", ".obu", ".ogm"}
    | {".ogv", ".ogx", ".qt", ".rm", ".rmvb", ".tod", ".trp", ".ts", ".vob", ".vro", ".webm", ".wm"}
    | {".wmv", ".wtv", ".y4m"}
)
"""What counts as a video in a folder, small letters. A file named on its own may be called anything."""

UNFINISHED_SUFFIXES = frozenset(
    {".crdownload", ".download", ".opdownload", ".part", ".partial", ".!ut", ".ytdl"}
)
"""What browsers, download tools and torrents add to a name until the file is whole."""

_HEAD_BYTES = 512

_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF
    b".RMF",
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG-1 and 2 video
    b"\x00\x00\x00\x01\x67",  # H.264, a sequence's parameters
    b"\x00\x00\x00\x01\x09",  # H.264, an access unit
    b"\x00\x00\x00\x01\x40\x01",  # HEVC, a video's parameters
    b"GIF8",
    b"DKIF",  # IVF
    b"YUV4MPEG2",
    b"nut/multimedia",
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01",  # MXF
    b"\xb7\xd8\x00\x20\x37\x49\xda\x11",  # WTV
    b"\x00\x00\x00\x00\x00\xbc\x01",  # GXF
)
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"styp", b"pnot")
_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"avif", b"crx ", b"M4A ", b"M4B ")
"""ISO files of a picture or of sound."""

_DISCS = {
    "VIDEO_TS": "a DVD: its VOB files are pieces of films and menus. Make a file of the film first, with "
    "MakeMKV or HandBrake, or name single VOB files.",
    "BDMV": "a Blu-ray: its films are files in BDMV/STREAM. Name the one of the film, as a rule the largest "
    ".m2ts, or make a file of it first with MakeMKV.",
}
"""A disc's folder, and what to do with it."""

_TYPES = mimetypes.MimeTypes()


def has_video_name(name: str) -> bool:
    """Whether a file of this name is a video, whatever is in it."""
    return _suffix(name) in VIDEO_SUFFIXES


def is_unfinished(name: str) -> bool:
    """Whether it is a download that is not whole yet."""
    return _suffix(name) in UNFINISHED_SUFFIXES


def holds_video(path: str) -> bool:
    """Whether a file of a name that says nothing begins as a video does. Names of other kinds, as `.txt`,
    are not looked into."""
    kind, _ = _TYPES.guess_type(f"a{_suffix(path)}")
    if kind is not None and not kind.startswith("video/"):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    if head[4:8] in _BOXES:
        return head[8:12] not in _STILL_BRANDS
    if head.startswith(b"RIFF"):
        return head[8:12] == b"AVI " or head[8:16] == b"CDXAfmt "
    if head.startswith(b"OggS"):
        return any(codec in head for codec in (b"theora", b"OVP80", b"BBCD", b"video\0\0\0"))
    transport = any(
        len(head) > at + 188 and head[at] == head[at + step] == 0x47 for at, step in ((0, 188), (4, 192))
    )
    return transport or head.startswith(_STARTS)


def is_disc(folder: str) -> bool:
    """Whether it is the folder of a DVD (`VIDEO_TS`) or a Blu-ray (`BDMV`): its files are pieces of films."""
    return _own_name(folder) in _DISCS


def disc_advice(folder: str) -> str | None:
    """What to do with a folder that is a disc's or holds one, a sentence; None for any other."""
    names = {_own_name(folder)}
    with suppress(OSError):
        names |= {name.upper() for name in os.listdir(folder)}
    return next(
        (f"{folder} is the folder of {advice}" for name, advice in _DISCS.items() if name in names), None
    )


def _own_name(folder: str) -> str:
    return os.path.basename(os.path.abspath(folder)).upper()


def _suffix(name: str) -> str:
    """The suffix in lower case, without the trailing blanks that some downloads have."""
    return os.path.splitext(name.rstrip())[1].lower()
