"""What is left of cues: repeats that are said again, and lines that only roll up."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_subtitles import Disposition, write_with_track

from dynfocus_cli.video import find_subtitles, probe
from dynfocus_cli.video.cues import Cue, tidy_cues
from dynfocus_cli.video.subtitles import parse_cues

ZOOM = """WEBVTT

1
00:00:03.000 --> 00:00:05.000
Ann: hi

2
00:00:06.000 --> 00:00:08.000
Bob: hi

3
00:00:09.000 --> 00:00:11.000
Bob: hi
"""
YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.389 align:start position:0%
~
hello<00:00:00.480><c> world</c>

00:00:02.389 --> 00:00:02.399 align:start position:0%
hello world
~

00:00:02.399 --> 00:00:04.389 align:start position:0%
hello world
next<00:00:02.480><c> words</c>

00:00:04.389 --> 00:00:04.399 align:start position:0%
next words
~

00:00:04.399 --> 00:00:06.000 align:start position:0%
next words
are<00:00:04.480><c> here</c>
""".replace("~", " ")  # a line that only holds its place


@pytest.mark.parametrize(
    ("cues", "right"),
    [
        ([(1, 2, "Yes."), (5, 6, "No."), (10, 12, "No."), (50, 52, "No.")], None),
        ([(0, 30, "Thank you."), (30, 60, "Thank you.")], None),
        ([(0, 30, "[Music]"), (30, 60, "[Music]"), (60, 90, "[Music]"), (90, 120, "[Music]")], None),
        ([(1, 2, "Hello there I"), (65, 66, "I am lost")], None),
        ([(1, 2, "Hello there\\NI"), (2, 3, "I\\Nam lost")], [(1, 2, "Hello there I"), (2, 3, "I am lost")]),
        # A second layer and a shadow are one text on screen.
        ([(1, 4, "Sign"), (1, 4, "Sign"), (3, 6, "Sign"), (2, 3, "He")], [(1, 6, "Sign"), (2, 3, "He")]),
    ],
)
def test_what_is_said_again_is_a_cue_again(
    cues: list[tuple[float, float, str]], right: list[tuple[float, float, str]] | None
) -> None:
    assert tidy_cues(cues) == tuple(Cue(*cue) for cue in (cues if right is None else right))


def test_captions_that_roll_up_say_each_line_once_for_as_long_as_it_is_on_screen() -> None:
    rolling = [(0, 1, "one"), (1, 2, "one\\Ntwo"), (2, 3, "two\\Nthree"), (3, 4, "three")]
    assert tidy_cues(rolling) == (Cue(0, 2, "one"), Cue(1, 3, "two"), Cue(2, 4, "three"))
    assert parse_cues(YOUTUBE) == (
        Cue(0.16, 4.389, "hello world"),
        Cue(2.399, 6.0, "next words"),
        Cue(4.399, 6.0, "are here"),
    )


def test_rolling_captions_that_pause_begin_anew() -> None:
    rolling = [(0, 1, "one"), (1, 2, "one\\Ntwo"), (2, 3, "two\\Nthree"), (9, 10, "three")]
    assert [cue.text for cue in tidy_cues(rolling)] == ["one", "two", "three", "three"]


def test_the_same_words_by_the_same_speaker() -> None:
    assert [(cue.start_s, cue.text) for cue in parse_cues(ZOOM)] == [
        (3, "Ann: hi"),
        (6, "Bob: hi"),
        (9, "Bob: hi"),
    ]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "subrip"), ("a.mp4", "mov_text"), ("a.webm", "webvtt")]
)
def test_repeats_in_a_track_inside_the_video(tmp_path: Path, name: str, codec: str) -> None:
    texts = ("No.", "No.", "Yes.", "Yes.")
    path = write_with_track(tmp_path / name, codec, texts=texts, eng=Disposition.default)
    subtitles, _ = find_subtitles(probe(path), "auto")
    assert subtitles is not None
    assert tuple(cue.text for cue in subtitles.cues) == texts


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("b5d8e7f0-1c2d-4e5f-8a9b-0c1d2e3f4a5b/15-0\n{time}\nBye.", "Bye."),
        ("NOTE Confidence: 0.75\n\n33333333-aaaa\n{time}\nBye.", "Bye."),
        ("NOTE\nremember to fix\nthis part\n\n{time}\nBye.", "Bye."),
        ("last - cue\n{time}\nBye.", "Bye."),
        ("STYLE\n::cue {{\n  color: yellow;\n}}\n\n{time}\nBye.", "Bye."),
        ("REGION\nid:bill\nlines:3\n\n{time} region:bill\nBye.", "Bye."),
        ("{time}\n<v.loud Ann Lee>Bye, <lang de>Bob</lang>.</v>", "Bye, Bob."),
        ("{time}\n&gt;&gt; Tom &amp; Jerry&nbsp;&lt;3 &#39;ok&#x27;", ">> Tom & Jerry <3 'ok'"),
        ("{time}\n&amp;lt; is &lt;, AT&T &copy 5 &nothing;", "&lt; is <, AT&T &copy 5 &nothing;"),
        ("{time}\n3 < 5 and 7 > 2", "3 < 5 and 7 > 2"),
    ],
)
def test_webvtt_blocks(block: str, text: str) -> None:
    first = "00:01.000 --> 00:02.000\nGood morning everyone."
    cues = parse_cues(f"WEBVTT - title\n\n{first}\n\n" + block.format(time="00:03.000 --> 00:04.000") + "\n")
    assert cues == (Cue(1, 2, "Good morning everyone."), Cue(3, 4, text))
