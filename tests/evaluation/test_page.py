"""The page of a report: what it says, what it escapes, and where its points and labels stand."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from stored_runs import ARMS, Colours, failure, prediction, predictions, write_run

from dynfocus_cli.evaluation.page import report_page
from dynfocus_cli.evaluation.report import ArmReport, Cost, TokensSpent
from dynfocus_cli.evaluation.scatter import LINE, _scale, _spread, scatter
from dynfocus_cli.evaluation.scoring import score_run, write_report
from dynfocus_cli.evaluation.statistics import Estimate
from dynfocus_cli.evaluation.wording import headline

pytestmark = pytest.mark.usefixtures("colours")

EVIL = "</title><script>alert(1)</script>\"'<img src=x onerror=alert(2)>"


class Tags(HTMLParser):
    """Start tags with their attributes, the text, and tags that are still open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_says_what_the_report_says(tmp_path):
    records = [*predictions(60, {"dynfocus": 0.7, "even": 0.4, "key": 0.6}), failure(60, "even")]
    write_run(tmp_path, records, problems=[{"id": "line 9", "message": "There is no such video."}])
    report = score_run(tmp_path)
    write_report(report, tmp_path)
    page = Tags((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    words = " ".join(page.text.split())
    for expected in (
        headline(report),
        "of a bootstrap over videos (10,000 draws",
        "Accuracy by task",
        "As published: copied from papers, not measured here",
        "Another model Table 1 of a paper",
        f"Questions on which the arms disagree ({len(report.disagreements)})",
        "060, even frames",
        "It ends early.",
        "There is no such video.",
        "model.revision",
    ):
        assert expected in words


def test_questions_link_to_their_evidence(tmp_path):
    records = [prediction(0, "dynfocus", "red"), prediction(0, "even", "blue")]
    folder = tmp_path / "runs" / "one"
    page = Tags(report_page(score_run(write_run(folder, records)), folder))
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert len(links) == 5
    assert all(link.endswith(("clips/000.mp4", "#t=1.000", "#t=4.500")) for link in links)


def test_all_that_is_not_ours_is_escaped(tmp_path):
    fields = {"question": EVIL, "video": EVIL, "task": EVIL, "options": {"A": EVIL}, "id": EVIL}
    records = [prediction(0, "even", EVIL, **fields), prediction(0, "key", "red", **fields)]
    records.append({**failure(1, "even"), "error": {"code": 1, "kind": EVIL, "message": EVIL}})
    write_run(tmp_path, records, prompt=EVIL, problems=[{"id": EVIL, "message": EVIL, "video": EVIL}])
    page = Tags(report_page(score_run(tmp_path), tmp_path))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not any(
        name.startswith("on") or name == "style" for _, attributes in page.tags for name in attributes
    )
    (policy,) = [
        attributes["content"] for _, attributes in page.tags if attributes.get("http-equiv") is not None
    ]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_a_file_name_that_is_no_text_is_no_obstacle(tmp_path):
    records = [
        prediction(0, arm, answer, video="\udce9.mp4") for arm, answer in zip(ARMS, "abc", strict=True)
    ]
    records[0]["response"] = "red"
    write_run(tmp_path, records)
    write_report(score_run(tmp_path), tmp_path)
    assert "%E9.mp4" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "records",
    [
        [],
        [failure(0, "even")],
        [prediction(0, "even", "red", answer=None)],
        [prediction(0, "even", "(nothing)")],
        [prediction(0, "even", "red", tokens={"video": 0, "limit": 0}, timings_s={}, key_frames=[], task="")],
    ],
)
def test_a_page_can_be_nearly_empty(tmp_path, records):
    write_run(tmp_path, records)
    page = Tags(report_page(score_run(tmp_path), tmp_path))
    assert page.open == []


def test_without_published_rows_none_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(Colours, "published", ())
    write_run(tmp_path, predictions(4, {"even": 0.5}))
    assert "As published" not in report_page(score_run(tmp_path), tmp_path)


def arm(name: str, tokens: float, share: float) -> ArmReport:
    accuracy = Estimate(share, share - 0.05, share + 0.05, 100)
    spent = TokensSpent(tokens, round(tokens), None)
    return ArmReport(
        name, 100, 100, 0, 0, 0, accuracy, accuracy, {}, {}, (), (), spent, None, Cost(None, {}, None)
    )


def test_points_are_to_scale_and_those_of_equal_tokens_stand_side_by_side():
    picture = scatter([arm("a", 320, 0.6), arm("b", 320, 0.58), arm("c", 1280, 0.7), arm("d", 318, 0.59)])
    by_name = {point.arm: point for point in picture.points}
    most = picture.tokens[-1][1]
    assert [by_name[name].x for name in "abc"] == [
        pytest.approx(100 * n / most, abs=0.01) for n in (320, 320, 1280)
    ]
    assert [by_name[name].dx for name in "abcd"] == [-9, 0, 0, 9]
    (low_y, low), (high_y, high) = picture.percents[0], picture.percents[-1]
    for name, share in (("a", 60), ("b", 58), ("c", 70)):
        assert by_name[name].y == pytest.approx(
            low_y + (high_y - low_y) * (share - low) / (high - low), abs=0.1
        )
    assert by_name["c"].label_dx < 0 < by_name["a"].label_dx
    heights = sorted(point.label_y for point in picture.points if point.label_dx > 0)
    assert all(after - before >= LINE - 0.1 for before, after in pairwise(heights))


def test_a_picture_needs_an_accuracy():
    assert scatter([]) is None


def test_labels_that_would_lie_on_one_another_are_moved_apart():
    assert _spread({"a": 100, "b": 104}) == {"a": 93.5, "b": 110.5}
    heights = _spread({name: 240 for name in "abcdef"})
    assert sorted(heights.values()) == [pytest.approx(244 - LINE * n) for n in range(5, -1, -1)]


@pytest.mark.parametrize(
    ("low", "high", "most", "scale"),
    [
        (52.3, 68.1, 100, (50, 70, 5)),
        (0, 1, 100, (0, 3, 1)),
        (99, 100, 100, (97, 100, 1)),
        (100, 100, 100, (98, 100, 1)),
        (0, 336, 1e9, (0, 400, 100)),
    ],
)
def test_scales_have_round_ends(low, high, most, scale):
    assert _scale(low, high, most) == scale


def test_no_figure_of_the_page_is_minus_zero(tmp_path):
    records = [prediction(number, arm, "red") for number in range(8) for arm in ARMS]
    page = report_page(score_run(write_run(tmp_path, records)), tmp_path)
    assert not re.search(r">[+]?-0\.0\b", page)
