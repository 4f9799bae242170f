"""The page in a real browser, where Playwright and Chromium are installed: seeking, keys, and no request.

pip install playwright; apt-get install chromium
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dynfocus_cli.report.page import link_to
from dynfocus_cli.report.pictures import key_frame_pictures
from dynfocus_cli.report.writers.html import embedded, inspection_page
from dynfocus_cli.types import Answer, Check, Counterfactual, Option
from dynfocus_cli.video.probing import probe
from video.clips import read_barcode, write_clip

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no Chromium is installed", allow_module_level=True)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ATTACK = "<script>hacked()</script>\"'><img src=http://x.invalid/ onerror=hacked()>.mp4".replace("/", "|")
NOW = "document.querySelector('video').currentTime"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, make_inspection, tmp_path):
    """`opened(name)`: the page on a clip of that name, its requests, and what went wrong in it."""
    contexts = []

    def open_page(
        name="clip.mp4", *, embed=False, gone=False, frames=12, start_ms=0, codec="libx264", **context
    ):
        times_ms = range(start_ms, start_ms + 500 * frames, 100)
        made_as = tmp_path / f"made{Path(name).suffix}"
        clip = write_clip(made_as, times_ms, codec=codec).rename(tmp_path / name)
        made = make_inspection(frames, question=f"Who is {ATTACK}?")
        made = replace(made, source=probe(str(clip)), warnings=(ATTACK,))
        options = (Option("A", ATTACK, -2.0), Option("B", ATTACK, -1.0))
        other = Counterfactual(ATTACK, 4, 160, True)
        answer = Answer("B", made, options, Check(other, other))
        out = tmp_path / "pages" / "page.html"
        out.parent.mkdir()
        video = embedded(str(clip), made.source.container) if embed else link_to(str(clip), out)
        out.write_text(inspection_page(made, list(key_frame_pictures(made)), video, answer), encoding="utf-8")
        if gone:
            clip.unlink()
        contexts.append(browser.new_context(**context))
        page = contexts[-1].new_page()
        page.requests, page.troubles = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("console", lambda message: page.troubles.append(message.text))
        page.add_init_script("function hacked() { window.wasHacked = true }")
        page.goto(out.as_uri())
        return page, made

    yield open_page
    for context in contexts:
        context.close()


def wait_for(page, time_s):
    """Until the player is there; `wait_for_function` would need the `eval` that the page's policy forbids."""
    deadline = time.monotonic() + 10
    while page.evaluate(f"document.querySelector('video').seeking || Math.abs({NOW} - {time_s}) > 0.1"):
        assert time.monotonic() < deadline, f"{page.evaluate(NOW)} s, not {time_s} s"
        page.wait_for_timeout(20)


@pytest.mark.parametrize("embed", [False, True], ids=["linked", "embedded"])
def test_a_click_on_a_key_frame_moves_the_player(opened, embed):
    page, made = opened(embed=embed)
    for frame in reversed(made.key_frames):
        page.get_by_role("button", name=frame.timecode).first.click()
        wait_for(page, frame.time_s)
        current = page.locator(".keys [aria-current=true]")
        assert float(current.get_attribute("data-time")) == frame.time_s
    assert page.troubles == []


SHOWN = """
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [96, 72];
    const drawing = canvas.getContext("2d");
    drawing.drawImage(document.querySelector("video"), 0, 0, 96, 72);
    return [...drawing.getImageData(0, 0, 96, 72).data];
"""


@pytest.mark.parametrize("start_ms", [0, 700])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9")])
def test_the_player_shows_the_key_frame_itself(opened, name, codec, start_ms):
    page, made = opened(name, embed=True, codec=codec, start_ms=start_ms)
    for frame in made.key_frames[1:]:
        page.get_by_role("button", name=frame.timecode).first.click()
        number, deadline = None, time.monotonic() + 5
        while number != round(frame.time_s * 10) and time.monotonic() < deadline:
            page.wait_for_timeout(30)
            pixels = np.array(page.evaluate(f"() => {{{SHOWN}}}"), np.uint8).reshape(72, 96, 4)
            number = read_barcode(pixels[..., :3])
        assert number == round(frame.time_s * 10)


def test_arrow_keys_move_between_key_frames_and_enter_seeks(opened):
    page, made = opened()
    focused = "Number(document.activeElement.dataset.time)"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == made.key_frames[0].time_s
    for key, index in (("ArrowRight", 1), ("End", -1), ("ArrowRight", -1), ("ArrowLeft", -2), ("Home", 0)):
        page.keyboard.press(key)
        assert page.evaluate(focused) == made.key_frames[index].time_s
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    wait_for(page, made.key_frames[-1].time_s)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    wait_for(page, made.key_frames[-2].time_s)


def test_a_focused_key_frame_is_not_behind_the_player(opened):
    page, made = opened(frames=60, viewport={"width": 400, "height": 800})
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    for _ in made.key_frames[2::2]:
        page.keyboard.press("ArrowUp")
        player, key = page.locator(".player").bounding_box(), page.locator(".keys :focus").bounding_box()
        assert key["y"] >= player["y"] + player["height"]
        assert key["y"] + key["height"] <= 800


def test_one_tab_stop_for_all_key_frames(opened):
    page, _ = opened()
    assert page.locator(".keys button[tabindex='0']").count() == 1


def test_the_timeline_seeks_and_zooms(opened):
    page, _ = opened()
    timeline = page.locator(".strip > svg")
    timeline.scroll_into_view_if_needed()
    box = timeline.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 40)
    wait_for(page, 3.0)
    page.get_by_role("button", name="Zoom in").click()
    assert timeline.bounding_box()["width"] == pytest.approx(2 * box["width"], rel=0.01)
    playhead, strip = timeline.locator(".playhead").bounding_box(), page.locator(".strip").bounding_box()
    assert playhead["x"] == pytest.approx(strip["x"] + strip["width"] / 2, abs=3)
    page.mouse.click(strip["x"] + strip["width"] / 4, box["y"] + 40)
    page.get_by_role("button", name="Zoom in").click()
    playhead = timeline.locator(".playhead").bounding_box()
    assert playhead["x"] == pytest.approx(strip["x"] + strip["width"] / 2, abs=3)
    page.locator(".strip").focus()
    page.keyboard.press("0")
    assert timeline.bounding_box()["width"] == pytest.approx(box["width"], rel=0.01)


def test_any_sampled_frame_seeks(opened):
    page, made = opened()
    page.locator("summary").click()
    page.locator(".moment").nth(7).click()
    wait_for(page, made.frames[7].time_s)


def test_hostile_names_do_no_harm_and_nothing_is_asked_of_the_network(opened):
    page, made = opened(ATTACK)
    page.locator(".keys button").nth(2).click()
    wait_for(page, made.key_frames[2].time_s)
    assert page.evaluate("window.wasHacked") is None
    assert page.locator("script").count() == 1
    assert page.locator("h1").inner_text() == ATTACK
    assert page.locator(".answer small").inner_text() == ATTACK
    assert page.troubles == []
    assert all(url.startswith(("file://", "data:")) for url in page.requests)
    assert {Path(url).name for url in page.requests if url.startswith("file:")} <= {
        "page.html",
        Path((Path("/") / ATTACK).as_uri()).name,
    }


def test_the_policy_stops_what_was_not_in_the_template(opened):
    page, _ = opened()
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('img'), {src: 'http://x.invalid/'}))"
    )
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'hacked()'}))"
    )
    assert page.evaluate("window.wasHacked") is None
    assert len(page.troubles) == 2
    assert all("Content Security Policy" in trouble for trouble in page.troubles)


def test_without_the_video_the_pictures_stand_in(opened):
    page, _ = opened(gone=True)
    page.wait_for_selector("#unplayable:not([hidden])")
    button = page.locator(".keys button").nth(1)
    button.click()
    assert page.locator(".player img").get_attribute("src") == button.locator("img").get_attribute("src")


@pytest.mark.parametrize("width", [320, 400, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_any_width(opened, width, scheme):
    page, _ = opened(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) > 380) == (scheme == "light")
