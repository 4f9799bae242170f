"""Verdicts are asked for once and kept, whatever the judge does."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from judge_server import Reply, judge_server

from dynfocus_cli.errors import DynFocusError, UsageError
from dynfocus_cli.evaluation import verdicts
from dynfocus_cli.evaluation.benchmark import Protocol, QuestionBenchmark
from dynfocus_cli.evaluation.item import Dataset, Item, Prediction, Prompt, Scored
from dynfocus_cli.evaluation.judge import Judge
from dynfocus_cli.evaluation.judge_prompt import JudgePrompt
from dynfocus_cli.evaluation.verdicts import SILENT, TRIES, judge_arm, read_verdicts
from dynfocus_cli.progress import Silent


class Marked(QuestionBenchmark):
    """A judge marks each answer by one whole number from 0 to 5."""

    name = "marked"
    title = "answers with marks"
    judged = True

    def read(self, data: Path, split: str) -> Dataset:
        raise NotImplementedError

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] = ()) -> Prompt:
        raise NotImplementedError

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        return response

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        return {}

    def judge_prompts(self, predictions: Sequence[Prediction]) -> Sequence[JudgePrompt]:
        def read(text: str) -> dict[str, float] | None:
            return {"mark": float(text)} if text.isdecimal() else None

        return [JudgePrompt((one.item.id,), "mark it", one.response, read) for one in predictions]

    def judged_score(self, item: Item, grades: Mapping[str, float]) -> float:
        return grades["mark"] / 5


class Notices(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def notice(self, line: str) -> None:
        self.lines.append(line)


def arm(*responses: str) -> list[Scored]:
    items = [Item(str(number), Path("a.mp4"), "?", None) for number in range(len(responses))]
    return [
        Scored(Prediction(item, "even", response, 1, 1.0), response, None)
        for item, response in zip(items, responses, strict=True)
    ]


def judged(
    file: Path, *responses: str, judge: Judge | None = None, progress: Silent | None = None
) -> tuple[list[float | None], verdicts.Judgement]:
    scored, judgement = judge_arm(Marked(), arm(*responses), file, judge, progress or Silent())
    return [one.score for one in scored], judgement


def quick(url: str, model: str = "wise") -> Judge:
    return Judge(url, model, sleep=lambda seconds: None)


def marks(text: str, n: int) -> Reply:
    """A judge whose mark is how many letters an answer has."""
    return Reply(str(len(text)))


def test_without_a_judge_nothing_is_judged_and_nothing_written(tmp_path: Path) -> None:
    scores, judgement = judged(tmp_path / "verdicts.jsonl", "a", "bb")
    assert scores == [None, None]
    assert (judgement.judge, judgement.prompts, judgement.unjudged) == ("", 2, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_is_asked_for_once(tmp_path: Path) -> None:
    file, progress = tmp_path / "verdicts.jsonl", Notices()
    with judge_server(marks) as server:
        with quick(server.url) as judge:
            assert judged(file, "a", "bb", "a", judge=judge, progress=progress)[0] == [0.2, 0.4, 0.2]
            assert len(server.requests) == 2
            assert len(progress.lines) == 1
            assert "wise" in progress.lines[0]
            assert judged(file, "a", "bb", "ccc", judge=judge)[0] == [0.2, 0.4, 0.6]
            assert len(server.requests) == 3
        scores, judgement = judged(file, "a", "bb", "dddd")  # without the judge
        assert scores == [0.2, 0.4, None]
        assert (judgement.judge, judgement.unjudged) == ("wise", 1)
        assert len(server.requests) == 3


def test_another_judge_gives_its_own_verdicts(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.jsonl"
    with judge_server(marks) as server, quick(server.url) as judge:
        judged(file, "a", judge=judge)
    with judge_server(lambda text, n: Reply("5")) as server, quick(server.url, "mild") as judge:
        assert judged(file, "a", judge=judge)[0] == [1.0]
    scores, judgement = judged(file, "a")
    assert (scores, judgement.judge) == ([1.0], "mild")


def test_nonsense_is_asked_again_then_left_unjudged_and_asked_anew_later(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.jsonl"

    def answer(text: str, n: int) -> Reply:
        return Reply("3" if text == "good" and n == 2 else "who knows")

    with judge_server(answer) as server, quick(server.url) as judge:
        scores, judgement = judged(file, "good", "bad", judge=judge)
        assert scores == [0.6, None]
        assert (judgement.judged, judgement.unjudged, judgement.problem) == (1, 1, "")
        assert len(server.requests) == 2 + TRIES
    with judge_server(lambda text, n: Reply("4")) as server, quick(server.url) as judge:
        assert judged(file, "good", "bad", judge=judge)[0] == [0.6, 0.8]
        assert len(server.requests) == 1
    assert [json.loads(line)["verdict"] for line in file.read_text().splitlines()][-1] == "4"


def test_a_judge_that_says_nothing_is_left_alone_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "AT_ONCE", 1)
    with judge_server(lambda text, n: Reply(status=429)) as server, quick(server.url) as judge:
        scores, judgement = judged(tmp_path / "verdicts.jsonl", *map(str, range(20)), judge=judge)
        assert scores == [None] * 20
        assert (judgement.unjudged, judgement.problem) == (20, "status 429")
        assert len({request["messages"][1]["content"] for request in server.requests}) == SILENT
        sent = len(server.requests)  # of another arm it is not even asked
        _, judgement = judged(tmp_path / "verdicts.jsonl", "more", judge=judge)
        assert (judgement.unjudged, judgement.problem) == (1, "status 429")
        assert len(server.requests) == sent


def test_a_request_that_is_refused_costs_one_verdict(tmp_path: Path) -> None:
    with (
        judge_server(lambda text, n: Reply("5", status=400 if text == "b" else 200)) as server,
        quick(server.url) as judge,
    ):
        scores, judgement = judged(tmp_path / "verdicts.jsonl", "a", "b", "c", judge=judge)
    assert scores == [1.0, None, 1.0]
    assert (judgement.unjudged, judgement.problem) == (1, "")


def test_a_judge_that_cannot_be_used_keeps_earlier_verdicts(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.jsonl"
    with judge_server(marks) as server, quick(server.url) as judge:
        judged(file, "a", judge=judge)
    before = file.read_bytes()
    with (
        judge_server(lambda text, n: Reply(status=401)) as server,
        quick(server.url) as judge,
        pytest.raises(UsageError, match="401"),
    ):
        judged(file, "a", "b", judge=judge)
    assert file.read_bytes() == before


def test_a_torn_line_is_cut_off_and_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.jsonl"
    with judge_server(marks) as server, quick(server.url) as judge:
        judged(file, "a", "bb", judge=judge)
        file.write_bytes(file.read_bytes()[:-9])
        assert len(read_verdicts(file)) == 1
        assert judged(file, "a", "bb", judge=judge)[0] == [0.2, 0.4]
        assert len(server.requests) == 3
    assert len(read_verdicts(file)) == 2


@pytest.mark.parametrize("content", ["hello\n", '{"schema": "dynfocus.answer/1"}\n', "[]\n", "hello\n{}"])
def test_another_file_is_left_as_it_is(content: str, tmp_path: Path) -> None:
    file = tmp_path / "verdicts.jsonl"
    file.write_text(content)
    with pytest.raises(UsageError, match="line 1"):
        judged(file, "a")
    assert file.read_text() == content


def test_a_full_disk_loses_no_earlier_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "verdicts.jsonl"
    write, room = os.write, [10]

    def short_write(handle: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(handle, data[: room[0]])
        room[0] -= written
        return written

    with judge_server(marks) as server, quick(server.url) as judge:
        judged(file, "a", judge=judge)
        before = file.read_bytes()
        monkeypatch.setattr(verdicts.os, "write", short_write)
        with pytest.raises(DynFocusError, match="No space left"):
            judged(file, "a", "bb", judge=judge)
        assert file.read_bytes() == before
        monkeypatch.undo()
        assert judged(file, "a", "bb", judge=judge)[0] == [0.2, 0.4]
