"""A language model that judges answers, behind an OpenAI-compatible endpoint that the user named.

It is asked with patience: where the endpoint is busy, fails or says nothing, the same question is sent again
after a while, a few times.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event
from types import TracebackType

import httpx2

from dynfocus_cli.errors import UsageError, first_line
from dynfocus_cli.evaluation.judge_prompt import NoReply

KEY_VARIABLES = ("DYNFOCUS_JUDGE_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the endpoint's key; the first one that is set is sent."""

WAITS_S = (1.0, 4.0, 15.0, 40.0)
"""Seconds before each further try: together the minute over which endpoints count requests."""

MOST_WAIT_S = 120.0
"""An endpoint that asks for a longer pause is given up for now."""

TIMEOUT_S = 60.0

BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may succeed."""

UNUSABLE = {
    401: "the key is not accepted",
    403: "the key may not use it",
    404: "there is no such address, or no such model",
}
"""Statuses after which no request will succeed."""


class Judge:
    """A model behind an endpoint. Threads may share it.

    Args:
        url: of the API, such as `http://localhost:8000/v1`, or of its `chat/completions`.
        model: its name there.
        sleep: waits so many seconds; None waits until `stop` at most.

    Raises:
        UsageError: `url` is no address of a web server, `model` is empty, or the key cannot be sent.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        try:
            address = httpx2.URL(url.strip())
        except httpx2.InvalidURL as error:
            raise UsageError(f"The judge's address {url!r} cannot be used: {first_line(error)}.") from error
        if address.scheme not in ("http", "https") or not address.host:
            raise UsageError(f"The judge's address must be one of http or https, got {url!r}.")
        if not model.strip():
            raise UsageError("The judge's model has no name.")
        path = address.path.rstrip("/").removesuffix("/chat/completions")
        self.model = model
        self.problem = ""
        """Why it is asked no more, by whoever found that it does not reply; empty as long as it is asked."""
        self.address = f"{address.scheme}://{address.netloc.decode()}"
        """Where the network is used, without what may be secret in the address."""
        self._url = address.copy_with(path=f"{path}/chat/completions")
        self._stopped = Event()
        self._sleep = sleep or self._stopped.wait
        key = _key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(timeout=timeout_s, headers=headers)

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def verdict(self, system: str, user: str) -> str:
        """What the judge says to these two messages; empty where its reply has no text.

        Raises:
            NoReply: there was no reply after all tries, or the endpoint refuses this request.
            UsageError: the endpoint will answer no request: wrong key, address or model.
        """
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        body = {"model": self.model, "messages": messages, "temperature": 0}
        for wait in (*WAITS_S, None):
            asked_for = 0.0
            try:
                response = self._client.post(self._url, json=body)
            except UnicodeEncodeError as error:
                raise NoReply("it holds what is no text") from error
            except httpx2.RequestError as error:
                problem = first_line(error)
            else:
                if response.is_success:
                    return _text(response)
                problem = f"status {response.status_code}"
                if (meaning := UNUSABLE.get(response.status_code)) is not None:
                    raise UsageError(f"The judge at {self.address} answers with {problem}: {meaning}.")
                if response.status_code not in BUSY:
                    raise NoReply(problem)
                asked_for = _retry_after(response)
            if wait is None or asked_for > MOST_WAIT_S:
                break
            self._sleep(max(wait, asked_for))
            if self._stopped.is_set():
                break
        raise NoReply(problem)

    def stop(self) -> None:
        """Ends all waiting: nothing is tried again."""
        self._stopped.set()


def _key() -> str:
    """The endpoint's key; empty where none is set.

    Raises:
        UsageError: it holds what no header may; the message does not repeat it.
    """
    for name in KEY_VARIABLES:
        key = os.environ.get(name, "").strip()
        if key and not (key.isascii() and key.isprintable()):
            raise UsageError(f"The key in {name} holds characters that no key has: see how it is set.")
        if key:
            return key
    return ""


def _text(response: httpx2.Response) -> str:
    """The message in a reply of `chat/completions`."""
    try:
        content = response.json()["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        return ""
    return content.strip() if isinstance(content, str) else ""


def _retry_after(response: httpx2.Response) -> float:
    """The seconds that the endpoint asks to wait, given as seconds or as a date; 0 where it does not."""
    value = response.headers.get("Retry-After", "")
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
