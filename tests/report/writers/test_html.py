"""The page as text: what it holds, what it escapes, and that it refers to nothing outside."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from dynfocus_cli.report.page import link_to
from dynfocus_cli.report.pictures import KeyFramePicture
from dynfocus_cli.report.reasons import key_frame_reason
from dynfocus_cli.report.writers.html import embedded, inspection_page
from dynfocus_cli.types import Answer, Check, Counterfactual, Health, Option, SubtitleUse

ATTACK = """</script></title><script>alert(1)</script><img src=x onerror='alert(2)'>"\u2028{{ 7 * 7 }}"""


class Page(HTMLParser):
    """The elements of a page, and the text of each name."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        for tag in self._inside:
            self.texts.setdefault(tag, []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str) -> str:
        return "".join(self.texts.get(tag, []))


def page_of(inspection, video="demo.mp4", answer=None) -> str:
    pictures = [
        KeyFramePicture(frame, np.full((18, 32, 3), 10 * frame.index % 250, np.uint8))
        for frame in inspection.key_frames
    ]
    return inspection_page(inspection, pictures, video, answer)


def test_it_starts_as_a_standard_page(make_inspection):
    assert page_of(make_inspection()).lstrip().lower().startswith("<!doctype html>\n<html lang=")


def test_key_frames_are_buttons_with_pictures_and_times(make_inspection):
    made = make_inspection(question="Who is there?")
    page = Page(page_of(made))
    buttons = [element for element in page.all("button") if "tabindex" in element]
    assert [float(button["data-time"]) for button in buttons] == [frame.time_s for frame in made.key_frames]
    pictures = [image["src"] for image in page.all("img") if "src" in image]
    assert len(pictures) == len(buttons)
    for data, frame in zip(pictures, made.key_frames, strict=True):
        kind, _, content = data.partition(",")
        assert kind == "data:image/jpeg;base64"
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        assert abs(int(picture[9, 16, 0]) - 10 * frame.index) <= 3


def test_numbers_question_and_warnings_are_there(make_inspection):
    made = replace(
        make_inspection(question="Who is there?"),
        health=Health(9.0, 2, 1, ((1.0, 2.0),)),
        subtitles=SubtitleUse("demo.srt", 3, ("00:01 Hi",), 8),
    )
    page = Page(page_of(made))
    assert page.text("blockquote") == "Who is there?"
    assert "The video ends at 00:06." in page.text("li")
    facts = " ".join(page.text("dl").split())
    for said in (
        "176 = 40 × 4 key frames + 2 × 8 others",
        "768, 4.4 times as many",
        "dynfocus-tiny",
        "4 by dpc_knnframes that look alike, grouped by density peaks",
        "questionranks the events by how well an event matches the question",
        "4.4 times as manytokens if every piece (patch) of every sampled frame were kept",
        "2 sampled frames corrupt, 1 substituted: 00:00:01.000 to 00:00:02.000",
        "demo.srt; 1 of 3 cues",
    ):
        assert said in facts
    assert len(page.all("tr")) == 1 + len(made.frames)
    tokens = [element for element in page.all("rect") if element.get("class") == "tokens" and "x" in element]
    assert len(tokens) == len(made.frames)


def test_neighbouring_events_differ_without_colour(make_inspection):
    page = page_of(make_inspection(60))
    hatches = re.findall(r'class="band".*?#hatch(\d).*?<text x="4" y="20">(\d+)</text>', page)
    assert [label for _, label in hatches] == [str(event) for event in range(20)]
    assert all(one[0] != other[0] for one, other in pairwise(hatches))


@pytest.mark.parametrize("where", ["video", "question", "warnings", "subtitles", "model"])
def test_hostile_text_stays_text(make_inspection, where):
    made = make_inspection()
    hostile = {
        "video": {"source": replace(made.source, path=f"x{ATTACK.replace('/', '|')}")},
        "question": {"question": ATTACK},
        "warnings": {"warnings": (ATTACK, "a name like \udcff")},
        "subtitles": {"subtitles": SubtitleUse(ATTACK, 1, (), 0)},
        "model": {"model": replace(made.model, name=ATTACK)},
    }[where]
    text = page_of(replace(made, **hostile))
    page, plain = Page(text), Page(page_of(made))
    assert len(page.all("script")) == 1
    assert page.text("script") == plain.text("script")
    assert {name for name, _ in page.elements} == {name for name, _ in plain.elements} | (
        {"blockquote"} if where == "question" else set()
    )
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "49" not in page.text("h1") + page.text("blockquote")
    if where == "question":
        assert page.text("blockquote") == ATTACK


def answer_to(inspection, text: str) -> Answer:
    """`text` wherever an answer has words that are not ours."""
    options = (Option("A", text, -2.0), Option(text, "a cat", -0.5))
    check = Check(Counterfactual(text, 5, 90, True), Counterfactual(text, 7, 80, False))
    return Answer(text, inspection, options, check)


def test_question_and_answer_stand_above_the_rest(make_inspection):
    made = make_inspection(question="Who is there?")
    page = Page(page_of(made, answer=Answer("A red\ncircle.", made)))
    (answer,) = [element for element in page.all("p") if element.get("class") == "answer"]
    assert answer["aria-label"] == "Answer"
    assert "A red\ncircle." in page.text("p")
    assert page.text("title").startswith("demo.mp4 · dynfocus ask")
    assert "generate" in page.text("dl")
    assert not page.all("caption")


def test_options_have_their_shares_and_other_frames_their_verdicts(make_inspection):
    made = make_inspection(question="Who?")
    page = Page(page_of(made, answer=answer_to(made, "B")))
    assert [element.get("class") for element in page.all("tr")[:2]] == [None, "taken"]
    rows = " ".join(page.text("header").split())
    assert "Who? B a cat" in rows, "the answer is more than its letter"
    assert "AB18.2 %" in rows
    assert "a cat81.8 %" in rows
    assert "Evenly spaced framesanother answer: B5 frames, 90 tokens" in rows
    assert "Without the key framesthe same answer: B7 frames, 80 tokens" in rows


def test_each_key_frame_says_why_it_is_one(make_inspection):
    made = make_inspection()  # events 0 to 3, the best first, of key frames 0 3 6 9
    named = replace(made, sampling=replace(made.sampling, focus_times_s=(4.7,)))
    assert [key_frame_reason(named, frame) for frame in named.key_frames] == [
        "rank 1 of 4 events",
        "rank 2 of 4 events",
        "rank 3 of 4 events",
        "its time was asked for",
    ]
    text = " ".join(Page(page_of(named)).text("ol").split())
    assert "rank 3 of 4 events" in text
    assert "its time was asked for" in text


def test_no_other_frames(make_inspection):
    made = make_inspection(question="Who?")
    answer = Answer("B", made, (), Check(Counterfactual("B", 5, 90, False), None))
    assert "there are no other frames" in page_of(made, answer=answer)


def test_a_hostile_answer_stays_text(make_inspection):
    made = make_inspection(question="Who?")
    page = Page(page_of(made, answer=answer_to(made, ATTACK)))
    plain = Page(page_of(made, answer=answer_to(made, "B")))
    assert page.elements == plain.elements
    assert page.text("script") == plain.text("script")
    assert page.text("header").count(ATTACK) == 5


def test_nothing_refers_to_the_outside(make_inspection):
    html = page_of(make_inspection(question="What is at https://example.com/a.js?"))
    page = Page(html)
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "poster", "data", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:") or value == "demo.mp4"
    assert re.findall(r"url\((?!\"?#hatch)", page.text("style")) == []
    assert "@import" not in html
    assert not any("style" in attributes for _, attributes in page.elements)


def test_the_policy_lets_only_our_script_and_style_run(make_inspection):
    page = Page(page_of(make_inspection()))
    policy = next(
        element["content"]
        for element in page.all("meta")
        if element.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.text(tag).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize(
    "name",
    ["a b.mp4", "a#1?x=2&y.mp4", "javascript:alert(1).mp4", "'\"<i>.mp4", "ä\udcff.mp4", "a\nb%20.mp4"],
)
def test_a_link_leads_back_to_the_file(name):
    link = link_to(f"clips/{name}", Path("out/page.html"))
    assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", link)
    assert unquote_to_bytes(link) == os.fsencode(f"../clips/{name}")
    beside = link_to(name, Path("page.html"))
    assert unquote_to_bytes(beside) == os.fsencode(name)
    assert ":" not in beside


def test_embedding_keeps_every_byte(tmp_path):
    (tmp_path / "clip").write_bytes(bytes(range(256)))
    kind, _, content = embedded(str(tmp_path / "clip"), "matroska,webm").partition(",")
    assert kind == "data:video/webm;base64"
    assert base64.b64decode(content) == bytes(range(256))
