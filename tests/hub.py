"""SUBSTITUTE: the Hugging Face hub, as far as `models pull` sees it, on 127.0.0.1: the files of some
repositories, with what the hub states of each, and of each repository."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from huggingface_hub import constants

LARGE = 100_000
"""Files from this size on are in LFS, and known by their SHA-256; the hub's limit is higher."""


def stated(content: bytes) -> str:
    """What the hub says of a file: SHA-256, or git's digest of a small one."""
    if len(content) >= LARGE:
        return hashlib.sha256(content).hexdigest()
    return git_digest(content)


def git_digest(content: bytes) -> str:
    """Git's own name for a content."""
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
    """Method, file, and range of every request of a file."""
    branches: dict[str, str] = field(default_factory=dict)
    """`owner/name@branch` -> commit."""
    cards: dict[str, dict[str, str]] = field(default_factory=dict)
    """`owner/name` -> the head of its README.md."""
    listed: list[str] = field(default_factory=list)
    """`owner/name@revision` of every request of a list of files."""

    def add(self, repository: str, revision: str, folder: Path, paths: list[str]) -> None:
        for path in paths:
            self.files[f"{repository}@{revision}/{path}"] = (folder / Path(path).name).read_bytes()

    def listing(self, repository: str, revision: str) -> dict[str, object] | None:
        """What is said of a repository: its commit, its files and its card."""
        commit = self.branches.get(f"{repository}@{revision}", revision)
        inside = {
            name.partition("/")[2].partition("/")[2]: content
            for name, content in self.files.items()
            if name.startswith(f"{repository}@{commit}/")
        }
        if not inside:
            return None
        return {
            "id": repository,
            "sha": commit,
            "cardData": self.cards.get(repository, {}),
            "siblings": [
                {"rfilename": name, "size": len(content), "blobId": git_digest(content)}
                | (
                    {"lfs": {"sha256": stated(content), "size": len(content), "pointerSize": 134}}
                    if len(content) >= LARGE
                    else {}
                )
                for name, content in inside.items()
            ],
        }

    def sent(self) -> list[str]:
        """The names of the files that were downloaded, one a request."""
        return [name.rpartition("/")[2] for method, name, _ in self.asked if method == "GET"]


def take_for_real(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this process take `hub` for the real one, with a cache of its own."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        PATH: ClassVar = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
        LIST: ClassVar = re.compile(r"/api/models/([^/]+/[^/]+)/revision/([^/?]+)\?blobs=\w+")

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            if (found := self.LIST.fullmatch(self.path)) is not None:
                self.describe(*found.groups())
            else:
                self.answer(body=True)

        def describe(self, repository: str, revision: str) -> None:
            hub.listed.append(f"{repository}@{revision}")
            listing = hub.listing(repository, revision)
            if listing is None:
                known = any(name.startswith(f"{repository}@") for name in hub.files)
                self.refuse("RevisionNotFound" if known else "RepoNotFound")
                return
            content = json.dumps(listing).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def refuse(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def answer(self, body: bool) -> None:
            found = self.PATH.fullmatch(self.path)
            assert found is not None, self.path
            name = f"{found[1]}@{found[2]}/{found[3]}"
            hub.asked.append((self.command, name, self.headers.get("Range")))
            content = hub.files.get(name)
            if content is None:
                known = any(key.startswith(f"{found[1]}@") for key in hub.files)
                self.refuse("EntryNotFound" if known else "RepoNotFound")
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
