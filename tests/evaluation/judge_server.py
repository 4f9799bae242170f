"""A judge on this machine, for tests: it answers `chat/completions` as it is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


@dataclass
class Reply:
    """What the server answers to a request."""

    text: str = "{'pred': 'yes', 'score': 4}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """In place of a completion with `text`."""
    silent: bool = False
    """The connection is closed without an answer."""


@dataclass
class JudgeServer:
    """A running server, and what it was asked."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the requests, in their order."""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@contextmanager
def judge_server(answer: Callable[[str, int], Reply]) -> Iterator[JudgeServer]:
    """A server that answers the user's message `text`, asked for the `n`th time, by `answer(text, n)`."""
    counts: dict[str, int] = {}
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = body["messages"][-1]["content"]
            with lock:
                judge.requests.append(body)
                judge.headers.append(dict(self.headers))
                judge.paths.append(self.path)
                counts[text] = counts.get(text, 0) + 1
                number = counts[text]
            reply = answer(text, number)
            if reply.silent:
                return
            content = reply.body
            if content is None:
                message = {"role": "assistant", "content": reply.text}
                content = json.dumps({"model": "judge", "choices": [{"message": message}]}).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    judge = JudgeServer(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
