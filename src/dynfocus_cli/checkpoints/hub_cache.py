"""The Hugging Face cache as it lies on this disk: `models--ORG--NAME/snapshots/COMMIT`, and names of commits
in `models--ORG--NAME/refs`. Nothing here uses the network, nor imports the hub's client, which is slow to.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.checkpoints.public_folder import missing_file, public_family_of
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.files import expand

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?"
_HUB_ID = re.compile(rf"(?P<id>{_PART}/{_PART})(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]{{0,200}}))?")
_COMMIT = re.compile("[0-9a-f]{7,40}")


@dataclass(frozen=True, slots=True)
class HubId:
    """A model by the name that it has on the hub."""

    id: str
    """`org/name`."""
    revision: str | None
    """A branch, a tag, or a commit, of which the first 7 digits are enough; None for any."""

    @classmethod
    def parse(cls, text: str) -> HubId | None:
        """`org/name` or `org/name@revision`; None for what is neither."""
        found = _HUB_ID.fullmatch(text)
        if found is None or "--" in found["id"] or ".." in text:
            return None
        return cls(found["id"], found["revision"])

    def __str__(self) -> str:
        return self.id if self.revision is None else f"{self.id}@{self.revision}"


def cache_folder() -> Path:
    """Where the hub's client keeps what it fetched, by the same variables as there."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if chosen := os.environ.get(name):
            return expand(os.path.expandvars(chosen))
    if not (home := os.environ.get("HF_HOME")):
        home = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return expand(os.path.expandvars(home)) / "hub"


def snapshots(wanted: HubId) -> list[Path]:
    """What the cache has of a model: for a revision that one; without, what `main` was last, then the rest,
    the latest first."""
    place = cache_folder() / f"models--{wanted.id.replace('/', '--')}"
    try:
        there = sorted(
            (folder for folder in (place / "snapshots").iterdir() if folder.is_dir()),
            key=lambda folder: (-folder.stat().st_mtime_ns, folder.name),
        )
    except OSError:
        return []
    named = _commit(place, wanted.revision or "main")
    if wanted.revision is not None:
        return [folder for folder in there if folder.name == named or _begins(folder.name, wanted.revision)]
    return sorted(there, key=lambda folder: folder.name != named)


def find_cached(wanted: HubId) -> Path | None:
    """The folder of a model in the cache: of `snapshots` the first whole one, else the first, if any."""
    found = snapshots(wanted)
    return next((folder for folder in found if is_whole(folder)), found[0] if found else None)


def cached_models() -> dict[str, Path]:
    """The whole models in the cache that transformers runs for us: id on the hub -> folder."""
    try:
        places = sorted(cache_folder().glob("models--*--*"))
    except OSError:
        return {}
    found: dict[str, Path] = {}
    for place in places:
        wanted = HubId.parse(place.name.removeprefix("models--").replace("--", "/", 1))
        folder = None if wanted is None else find_cached(wanted)
        if wanted is not None and folder is not None and public_family_of(folder) and is_whole(folder):
            found[wanted.id] = folder
    return found


def repository_of(folder: Path) -> HubId | None:
    """The repository and commit of a snapshot, in whichever cache; None for any other folder."""
    place = folder.parent.parent
    if folder.parent.name != "snapshots" or not place.name.startswith("models--"):
        return None
    return HubId.parse(f"{place.name.removeprefix('models--').replace('--', '/', 1)}@{folder.name}")


def _commit(place: Path, name: str) -> str | None:
    try:
        return (place / "refs" / name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None


def _begins(commit: str, revision: str) -> bool:
    return _COMMIT.fullmatch(revision) is not None and commit.startswith(revision)


def is_whole(folder: Path) -> bool:
    """Whether nothing is missing that a public model cannot do without."""
    try:
        return missing_file(folder) is None
    except ModelUnavailable:
        return False
