"""SUBSTITUTE: the Hugging Face hub, as far as `models pull` sees it, on 127.0.0.1: the files of some
repositories, with what the hub states of each."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

LARGE = 100_000
"""Files from this size on are in LFS, and known by their SHA-256; the hub's limit is higher."""


def stated(content: bytes) -> str:
    """What the hub says of a file: SHA-256, or git's digest of a small one."""
    if len(content) >= LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Hub:
    """What is served, and what was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """`owner/name@revision/path` -> content."""
    lies: dict[str, bytes] = field(default_factory=dict)
    """What is sent in place of a file that was described rightly."""
    breaks: dict[str, int] = field(default_factory=dict)
    """After how many bytes the connection breaks off, once."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, file, and range of every request."""

    def add(self, repository: str, revision: str, folder: Path, paths: list[str]) -> None:
        for path in paths:
            self.files[f"{repository}@{revision}/{path}"] = (folder / Path(path).name).read_bytes()

    def sent(self) -> list[str]:
        """The names of the files that were downloaded, one a request."""
        return [name.rpartition("/")[2] for method, name, _ in self.asked if method == "GET"]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        PATH: ClassVar = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            found = self.PATH.fullmatch(self.path)
            assert found is not None
            name = f"{found[1]}@{found[2]}/{found[3]}"
            hub.asked.append((self.command, name, self.headers.get("Range")))
            content = hub.files.get(name)
            if content is None:
                self.send_response(404)
                known = any(key.startswith(f"{found[1]}@") for key in hub.files)
                self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            sent = hub.lies.get(name, content) if body else content
            begin = (
                int(asked.removeprefix("bytes=").rstrip("-")) if (asked := self.headers.get("Range")) else 0
            )
            self.send_response(206 if begin else 200)
            self.send_header("X-Repo-Commit", found[2])
            self.send_header("ETag", f'"{stated(content)}"')
            self.send_header("Content-Length", str(len(sent) - begin))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(sent) - 1}/{len(sent)}")
            self.end_headers()
            if not body:
                return
            if (limit := hub.breaks.pop(name, None)) is not None:
                self.wfile.write(sent[begin : begin + limit])
                self.close_connection = True
                return
            self.wfile.write(sent[begin:])

        def log_message(self, format: str, *arguments: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
