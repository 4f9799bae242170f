"""Opening a local video without reading any other file, whatever it refers to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TypeVar

import av
from av.audio.stream import AudioStream
from av.codec import CodecContext
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video.unreadable import not_opened

MediaStream = TypeVar("MediaStream", VideoStream, AudioStream)

MAX_CONSECUTIVE_FAILURES = 64
"""Isolated unreadable packets are skipped; this bound makes a file that only fails end too."""

MAX_THREADS = 16
"""FFmpeg advises against more, and every thread of the decoder holds frames."""

THREADS_A_CORE = 2
"""Frames that are left out make the work uneven: with one thread a core, a third of two cores idles."""

MAX_PIXELS = 8192 * 8192
"""Of one picture: 8K fits twice. A header of a few bytes can claim billions, and gigabytes of memory."""

MAX_STREAMS = 256
"""A broadcast recording has dozens; each costs memory before a packet is read."""

_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 60.0, 60.0
"""Of one call into FFmpeg. A demuxer that has lost its way can read on and on within a single call."""

# Demuxers of files that hold their own pictures. Not here are those that open what a text names: playlists
# (hls, dash, concat), session descriptions (sdp, rtsp), picture series (image2 takes `img%03d.png` for a
# pattern), split recordings (mlv), scripts, devices, and the terminal drawing that stands for a text file.
_CONTAINERS = (
    "mov,matroska,avi,mpegts,mpeg,flv,live_flv,kux,asf,asf_o,ogg,nut,rm,mxf,gxf,lxf,wtv,ivf,obu,dv,dhav,nsv,nuv,"
    "ty,pva,pmp,ifv,ipmovie,cine,ser,swf,roq,smk,bink,film_cpk,filmstrip,flic,4xm,thp,vmd,rl2,rpl,wc3movie,idcin"
)
_ELEMENTARY_STREAMS = (
    "h261,h263,h264,hevc,vvc,evc,av1,apv,m4v,mpegvideo,vc1,vc1test,dirac,cavsvideo,avs2,avs3,mjpeg,mjpeg_2000,"
    "dnxhd,yuv4mpegpipe"
)
_PICTURES = (
    "gif,apng,jpegxl_anim,bmp_pipe,gif_pipe,j2k_pipe,jpeg_pipe,jpegxl_pipe,png_pipe,tiff_pipe,webp_pipe"
)
_SOUND = (
    "mp3,wav,w64,flac,aac,ac3,eac3,aiff,caf,amr,ape,wv,tta,au"  # opened to be told that there is no picture
)
_JPEG = b"\xff\xd8\xff"
"""How each begins."""
_TEXT_CODECS = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"})
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": f"{_CONTAINERS},{_ELEMENTARY_STREAMS},{_PICTURES},{_SOUND}",
    "enable_drefs": "0",  # QuickTime's references to media in other files
    "max_streams": str(MAX_STREAMS),
    "max_pixels": str(MAX_PIXELS),
}


def open_container(path: str | os.PathLike[str], *, hwaccel: HWAccel | None = None) -> InputContainer:
    """Opens a regular local file; no protocol but `file` and no second file is used.

    Raises:
        VideoUnreadable: the path is no regular file, or FFmpeg makes nothing of it.
    """
    name = os.fspath(path)
    denied = f"{name}: permission denied. Make the file readable and try again."
    try:
        status = os.stat(name)
    except PermissionError as error:
        raise VideoUnreadable(denied) from error
    except (OSError, ValueError) as error:
        missing = f"{name}: no such file. Check the path; only local files are opened."
        raise VideoUnreadable(missing) from error
    if stat.S_ISDIR(status.st_mode):
        raise VideoUnreadable(f"{name} is a folder. Give a video file inside it.")
    if not stat.S_ISREG(status.st_mode):
        raise VideoUnreadable(f"{name} is not a regular file. Save the video to disk and give that file.")
    if status.st_size == 0:
        raise VideoUnreadable(f"{name} is empty. Copy or download the video again.")
    try:
        return _opened(name, hwaccel)
    except PermissionError as error:
        raise VideoUnreadable(denied) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise not_opened(name) from error


def _opened(name: str, hwaccel: HWAccel | None) -> InputContainer:
    def opened(format: str | None) -> InputContainer:
        # An absolute path has no protocol in front, even where the name holds a colon.
        return av.open(
            os.path.abspath(name),
            "r",
            format,
            options=_OPTIONS,
            metadata_errors="replace",
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
            hwaccel=hwaccel,
        )

    try:
        return opened(None)
    except av.error.ArgumentError:
        # For .jpg FFmpeg would rather have image2, which reads series of files and is not allowed here.
        with open(name, "rb") as file:
            if file.read(len(_JPEG)) != _JPEG:
                raise
        return opened("jpeg_pipe")


def text_streams(container: InputContainer) -> list[SubtitleStream]:
    """Its tracks of subtitles that are text; pictures of text are none."""
    return [
        stream
        for stream in container.streams.subtitles
        if stream.codec_context is not None and stream.codec_context.name in _TEXT_CODECS
    ]


def open_stream(
    path: str, index: int, *, hwaccel: HWAccel | None = None, workers: int | None = None
) -> tuple[InputContainer, VideoStream]:
    """Opens a file and prepares the stream that was chosen when it was probed; the caller closes it.

    Raises:
        VideoUnreadable: it is not there any more.
    """
    container = open_container(path, hwaccel=hwaccel)
    stream = container.streams[index] if index < len(container.streams) else None
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        container.close()
        raise VideoUnreadable(f"{path} changed while it was read. Try again when it is complete.")
    prepare(container, stream, workers=workers)
    return container, stream


def decoder_of(stream: VideoStream) -> VideoCodecContext:
    """The stream's decoder: FFmpeg's, or libvpx's for transparent WebM, whose alpha FFmpeg's leaves out."""
    own = stream.codec_context
    if own.name not in _ALPHA_DECODERS or stream.metadata.get("alpha_mode") != "1":
        return own
    transparent = CodecContext.create(_ALPHA_DECODERS[own.name], "r")
    assert isinstance(transparent, VideoCodecContext)
    transparent.options = own.options
    return transparent


def keeps_times(container: InputContainer) -> bool:
    """Whether packets have the same times after a seek as without. In a program stream (MPEG-PS) only some
    packets carry a time, and the others' are counted on from where reading began."""
    return container.format.name != "mpeg"


_most_cores: int | None = None
"""See `take_cores`."""


def take_cores(most: int) -> None:
    """Has this process decode on so many processors at most, for others work there as well."""
    global _most_cores
    _most_cores = most


def usable_cores() -> int:
    """How many processors this process may decode on."""
    bound = getattr(os, "sched_getaffinity", None)
    cores = (os.cpu_count() or 1) if bound is None else len(bound(0))
    return cores if _most_cores is None else min(cores, _most_cores)


def prepare(container: InputContainer, stream: VideoStream, *, workers: int | None = None) -> None:
    """Sets the decoder's bounds, and its threads as one of `workers` decoders that share the processors, or a
    single thread, which begins faster; the demuxer passes over every other stream."""
    select(container, stream)
    # Most HEVC is written so that rows of one picture can be decoded side by side, and these threads do not
    # mind frames that are left out: 1.6 times as fast on two cores, where frame threads are 1.1 times.
    # The frame threads of animated PNG have lost its header after a flush (seen in FFmpeg 8).
    stream.thread_type = "SLICE" if stream.codec_context.name in ("hevc", "apng") else "AUTO"
    cores = usable_cores() // workers if workers else 1
    stream.thread_count = min(THREADS_A_CORE * cores, MAX_THREADS) if cores > 1 else 1
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}


def select(container: InputContainer, stream: Stream) -> None:
    """Has the demuxer pass over every other stream."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = av.stream.Discard.all


def packets(container: InputContainer, stream: MediaStream) -> Iterator[Packet[MediaStream]]:
    """The stream's packets in decoding order; the last ones, of size 0, flush the decoder."""
    failures = 0
    while failures < MAX_CONSECUTIVE_FAILURES:
        try:
            for packet in container.demux(stream):
                failures = 0
                yield packet
            return
        except av.error.ExitError:
            return  # the read timeout: what comes after it is out of reach
        except (av.FFmpegError, OSError, IndexError):
            # IndexError: a stream that the headers did not announce turns up, and PyAV has no place for it.
            failures += 1
