"""Subtitle files in the encodings that people have."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynfocus_cli.errors import UsageError
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import find_subtitles
from dynfocus_cli.video.subtitle_text import decode_text
from dynfocus_cli.video.subtitles import read_cues

SPOKEN = {
    "cp1252": ("“Où est-elle ?”", "Ça va, merci, à demain."),
    "cp1251": ("Привет, мир", "Где ты был вчера вечером?"),
    "koi8_r": ("Привет, мир", "Где ты был вчера вечером?"),
    "cp866": ("Привет, мир", "Где ты был вчера вечером?"),
    "gb18030": ("你好世界", "你昨天晚上在哪里？"),
    "big5": ("你昨天晚上在哪裡？", "我們現在必須離開！"),
    "cp932": ("こんにちは世界", "昨日の夜はどこにいましたか？"),
    "euc_jp": ("こんにちは世界", "昨日の夜はどこにいましたか？"),
    "cp949": ("안녕하세요 세계", "어젯밤에 어디 있었어요?"),
    "cp1253": ("Καλημέρα κόσμε", "Πού ήσουν χθες το βράδυ;"),
    "cp1255": ("איפה היית אתמול בערב?", "אני לא יודע מה להגיד."),
    "cp1256": ("مرحبا بالعالم", "أين كنت الليلة الماضية؟"),
}


def srt(*texts: str) -> str:
    return "".join(
        f"{place}\n00:00:{place:02},000 --> 00:00:{place:02},900\n{text}\n\n"
        for place, text in enumerate(texts, 1)
    )


@pytest.mark.parametrize("encoding", SPOKEN)
def test_a_code_page_is_told_by_its_letters_and_said(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "film.srt"
    path.write_bytes(srt(*SPOKEN[encoding]).encode(encoding))
    source = VideoSource(str(tmp_path / "film.mp4"), 9.0, 96, 72, 25.0, "h264", 0, False, 0, 0.0)
    for wanted in ("auto", str(path)):
        subtitles, (warning,) = find_subtitles(source, wanted)
        assert subtitles is not None
        assert tuple(cue.text for cue in subtitles.cues) == SPOKEN[encoding]
        assert f"{path}: they are not in UTF-8 and are read as {encoding}" in warning


@pytest.mark.parametrize("encoding", ["cp1251", "gb18030", "cp932", "cp1253"])
def test_two_words_are_enough(encoding: str) -> None:
    text = srt(SPOKEN[encoding][0])
    assert decode_text(text.encode(encoding))[0] == text


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "cp932", "cp1251"])
def test_a_bad_byte_costs_its_own_cue_alone(tmp_path: Path, encoding: str) -> None:
    texts = SPOKEN.get(encoding, ("café 日本語", "のテスト")) * 6
    path = tmp_path / "film.srt"
    data = srt(*texts, "bad ~ byte").encode(encoding)
    path.write_bytes(data.replace(b"~", b"\xff" if encoding != "cp1251" else b"\x98"))
    cues = read_cues(path)
    assert tuple(cue.text for cue in cues[:-1]) == texts
    assert cues[-1].text.startswith("bad ")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf16_with_and_without_a_mark(encoding: str, mark: str) -> None:
    text = srt("Привет", "一丁丂", "Fine.")
    assert decode_text((mark + text).encode(encoding)) == (text, None)


def test_utf32_begins_as_utf16_does() -> None:
    assert decode_text(("\ufeff" + srt("é")).encode("utf-32-le")) == (srt("é"), None)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\r\r\n", "\n"])
@pytest.mark.parametrize("head", ["", "WEBVTT\n\n"])
def test_line_ends(tmp_path: Path, end: str, head: str) -> None:
    path = tmp_path / "film.srt"
    text = srt("Yes.", "No.", "No.")
    path.write_bytes((head + (text.replace(",", ".") if head else text)).replace("\n", end).encode())
    assert [cue.text for cue in read_cues(path)] == ["Yes.", "No.", "No."]


def test_what_is_no_text_holds_no_cues(tmp_path: Path) -> None:
    path = tmp_path / "film.srt"
    path.write_bytes(bytes(range(128, 256)) * 50)
    with pytest.raises(UsageError, match="hold no cues"):
        read_cues(path)
