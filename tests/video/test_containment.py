"""A file that names other files or servers makes the tool read neither."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from clips import write_clip
from PIL import Image

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video import probe

SUFFIXES = (".m3u8", ".mp4", ".mkv", ".ts", ".txt")


class Listener:
    """A server on the loopback that counts who calls, and answers nobody."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.calls = 0
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            self.calls += 1
            caller.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def texts(url: str, canary: Path) -> dict[str, str]:
    """What a hostile file may say; `url` and `canary` are what it wants read."""
    hls = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n{}#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n"
    key = '#EXT-X-KEY:METHOD=AES-128,URI="{}"\n'
    return {
        "playlist, server": hls.format("", url),
        "playlist, file": hls.format("", canary),
        "playlist, file address": hls.format("", f"file://{canary}"),
        "playlist, relative": hls.format("", canary.name),
        "playlist, key on the server": hls.format(key.format(url), canary),
        "playlist, subfile": hls.format("", f"subfile,,start,0,end,0,,:{canary}"),
        "playlist, concat protocol": hls.format("", f"concat:{canary}|{url}"),
        "master playlist": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n",
        "simple playlist": f"{url}\n{canary}\n",
        "concat script": f"ffconcat version 1.0\nfile '{canary}'\n",
        "concat script, server": f"ffconcat version 1.0\nfile {url}\n",
        "manifest": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
            '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1" width="96" height="72" '
            f'codecs="avc1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>'
        ),
        "manifest, file": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">'
            f'<Representation id="1" bandwidth="1"><BaseURL>file://{canary}</BaseURL></Representation>'
            "</AdaptationSet></Period></MPD>"
        ),
        "session": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        "redirector": f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
        "composition": (
            '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">'
            f"<Id>urn:uuid:0</Id><File>{canary}</File></CompositionPlaylist>"
        ),
    }


NAMES = list(texts("http://127.0.0.1/", Path("/canary.mp4")))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NAMES)
def test_what_a_text_names_is_not_read(tmp_path: Path, server: Listener, name: str, suffix: str) -> None:
    canary = write_clip(tmp_path / "canary.mp4", [0, 40, 80])
    trap = tmp_path / f"trap{suffix}"
    trap.write_text(texts(f"http://127.0.0.1:{server.port}/canary.mp4", canary)[name])
    with pytest.raises(VideoUnreadable):
        probe(trap)
    assert server.calls == 0


def test_a_name_like_a_pattern_opens_no_series(tmp_path: Path) -> None:
    """FFmpeg would read frame001.png and on for a file of this name."""
    Image.new("RGB", (64, 48), "red").save(tmp_path / "frame001.png")
    Image.new("RGB", (64, 48), "blue").save(tmp_path / "frame%03d.png")
    with pytest.raises(VideoUnreadable):
        probe(tmp_path / "frame%03d.png")


def test_media_in_another_file_is_not_followed(tmp_path: Path) -> None:
    """A QuickTime movie whose data reference names the canary."""
    canary = write_clip(tmp_path / "canary.mov", [40 * number for number in range(10)])
    data = bytearray(canary.read_bytes())
    at = data.find(b"url ", data.find(b"dref"))
    assert at > 0
    name = str(canary).encode() + b"\0"
    box = (12 + len(name)).to_bytes(4, "big") + b"url " + bytes(4) + name
    grown = len(box) - 12
    data[at - 4 : at + 8] = box
    for kind in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        place = data.rfind(kind, 0, at)
        size = int.from_bytes(data[place - 4 : place], "big") + grown
        data[place - 4 : place] = size.to_bytes(4, "big")
    media = data.find(b"mdat")
    length = int.from_bytes(data[media - 4 : media], "big") - 8
    data[media + 4 : media + 4 + length] = bytes(length)  # its own media is gone
    trap = tmp_path / "trap.mov"
    trap.write_bytes(data)
    with pytest.raises(VideoUnreadable):
        probe(trap)


@pytest.mark.parametrize(
    "name", ["http:", "concat:a|b.mp4", "subfile,,start,0,end,0,,:x.mp4", "-i.mp4", "a b\n.mp4"]
)
def test_odd_names_are_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "plain.mp4", [0, 40, 80]).rename(tmp_path / name)
    assert probe(name).duration_s > 0


def test_a_link_to_a_video_is_a_video(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(write_clip(tmp_path / "clip.mp4", [0, 40, 80]))
    assert probe(tmp_path / "link.mp4").duration_s > 0
