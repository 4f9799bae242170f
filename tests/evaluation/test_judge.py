"""The client of a judge, against a server on this machine that answers well, wrongly or not at all."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Timer

import pytest
from judge_server import Reply, judge_server

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.judge import MOST_WAIT_S, WAITS_S, Judge
from dynfocus_cli.evaluation.judge_prompt import NoReply


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "DYNFOCUS_JUDGE_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_the_reply_is_the_verdict() -> None:
    with judge_server(lambda text, n: Reply(f" {text}! ")) as server, Judge(server.url, "wise") as judge:
        assert judge.verdict("be fair", "good?") == "good?!"
    assert server.paths == ["/v1/chat/completions"]
    assert server.requests == [
        {
            "model": "wise",
            "messages": [
                {"role": "system", "content": "be fair"},
                {"role": "user", "content": "good?"},
            ],
            "temperature": 0,
        }
    ]
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize("end", ["", "/", "/chat/completions"])
def test_the_address_may_name_the_api_or_its_completions(end: str) -> None:
    with judge_server(lambda text, n: Reply("x")) as server, Judge(server.url + end, "wise") as judge:
        judge.verdict("", "")
    assert server.paths == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({"OPENAI_API_KEY": "o"}, "o"),
        ({"OPENAI_API_KEY": "o", "DYNFOCUS_JUDGE_KEY": "d"}, "d"),
        ({"OPENAI_API_KEY": "o", "DYNFOCUS_JUDGE_KEY": " \n"}, "o"),
        ({"DYNFOCUS_JUDGE_KEY": " d\r\n"}, "d"),
    ],
)
def test_the_key_is_the_environments(
    environment: dict[str, str], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with judge_server(lambda text, n: Reply("x")) as server, Judge(server.url, "wise") as judge:
        judge.verdict("", "")
    assert server.headers[0]["Authorization"] == f"Bearer {key}"


@pytest.mark.parametrize("key", ["sk-se\ncret", "sk-se\rcret", "sk-sécret", "\ufeffsk-secret", "sk-\tsecret"])
def test_a_key_that_cannot_be_sent_is_not_repeated(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNFOCUS_JUDGE_KEY", key)
    with pytest.raises(UsageError, match="DYNFOCUS_JUDGE_KEY holds characters") as raised:
        Judge("http://localhost/v1", "wise")
    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_judge_is_asked_again_after_a_while(status: int) -> None:
    waits: list[float] = []
    with (
        judge_server(lambda text, n: Reply("fine", status=200 if n == 3 else status)) as server,
        Judge(server.url, "wise", sleep=waits.append) as judge,
    ):
        assert judge.verdict("", "?") == "fine"
    assert waits == list(WAITS_S[:2])


def test_a_pause_that_the_judge_asks_for_is_kept() -> None:
    waits: list[float] = []
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90))
    pauses = {1: "33", 2: date, 3: "whenever"}

    def answer(text: str, n: int) -> Reply:
        return Reply(status=429, headers={"Retry-After": pauses[n]}) if n in pauses else Reply("fine")

    with (
        judge_server(answer) as server,
        Judge(server.url, "wise", sleep=waits.append) as judge,
    ):
        assert judge.verdict("", "?") == "fine"
    assert waits[0] == 33
    assert 80 < waits[1] <= 90
    assert waits[2] == WAITS_S[2]


def test_a_pause_too_long_is_not_waited_for() -> None:
    waits: list[float] = []
    headers = {"Retry-After": str(MOST_WAIT_S + 1)}
    with (
        judge_server(lambda text, n: Reply(status=429, headers=headers)) as server,
        Judge(server.url, "wise", sleep=waits.append) as judge,
        pytest.raises(NoReply, match="status 429"),
    ):
        judge.verdict("", "?")
    assert waits == []


def test_a_judge_that_closes_the_connection_is_asked_as_often_as_patience_lasts() -> None:
    waits: list[float] = []
    with (
        judge_server(lambda text, n: Reply(silent=True)) as server,
        Judge(server.url, "wise", sleep=waits.append) as judge,
        pytest.raises(NoReply),
    ):
        judge.verdict("", "?")
    assert waits == list(WAITS_S)
    assert len(server.requests) == len(WAITS_S) + 1


def test_a_damaged_reply_is_asked_for_again() -> None:
    waits: list[float] = []
    damaged = Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"})
    with (
        judge_server(lambda text, n: damaged if text == "bad" or n < 3 else Reply("fine")) as server,
        Judge(server.url, "wise", sleep=waits.append) as judge,
    ):
        assert judge.verdict("", "?") == "fine"
        assert waits == list(WAITS_S[:2])
        with pytest.raises(NoReply):
            judge.verdict("", "bad")


def test_nobody_at_the_address() -> None:
    with judge_server(lambda text, n: Reply()) as server:
        pass
    with Judge(server.url, "wise", sleep=lambda s: None) as judge, pytest.raises(NoReply):
        judge.verdict("", "?")


@pytest.mark.parametrize(("status", "why"), [(401, "key"), (403, "key"), (404, "no such model")])
def test_a_judge_that_will_answer_nothing(status: int, why: str) -> None:
    with (
        judge_server(lambda text, n: Reply(status=status)) as server,
        Judge(server.url, "wise") as judge,
        pytest.raises(UsageError, match=f"status {status}: .*{why}"),
    ):
        judge.verdict("", "?")
    assert len(server.requests) == 1


def test_a_request_that_is_refused_is_not_repeated() -> None:
    with (
        judge_server(lambda text, n: Reply(status=400)) as server,
        Judge(server.url, "wise") as judge,
        pytest.raises(NoReply, match="status 400"),
    ):
        judge.verdict("", "?")
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b'{"choices": [{"message": {}}]}', b"\xff"])
def test_a_reply_without_a_text_is_empty(body: bytes) -> None:
    with judge_server(lambda text, n: Reply(body=body)) as server, Judge(server.url, "wise") as judge:
        assert judge.verdict("", "?") == ""


@pytest.mark.parametrize(
    "url", ["", "wise", "ftp://wise/v1", "file:///etc/passwd", "http://", "http://a:b:c/"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="judge's address"):
        Judge(url, "wise")


def test_a_model_without_a_name() -> None:
    with pytest.raises(UsageError, match="no name"):
        Judge("http://localhost/v1", " ")


def test_secrets_in_the_address_are_not_repeated() -> None:
    judge = Judge("http://ada:secret@localhost:8000/v1?key=secret", "wise")
    assert judge.address == "http://localhost:8000"
    judge.__exit__(None, None, None)


def test_text_that_is_none_is_not_sent() -> None:
    with Judge("http://localhost/v1", "wise") as judge, pytest.raises(NoReply, match="no text"):
        judge.verdict("", "\ud83d")


def test_waiting_ends_when_it_is_stopped() -> None:
    with judge_server(lambda text, n: Reply(status=503)) as server, Judge(server.url, "wise") as judge:
        began = time.monotonic()
        Timer(0.2, judge.stop).start()
        with pytest.raises(NoReply, match="status 503"):
            judge.verdict("", "?")
        assert time.monotonic() - began < WAITS_S[1]
