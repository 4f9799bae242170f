"""Reads the Hugging Face cache: `models--ORG--NAME/snapshots/COMMIT`, and names of commits in
`models--ORG--NAME/refs`. It uses no network, nor the hub's client, which is slow to import.
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
        """Parses `org/name` or `org/name@revision`; None for any other text."""
        match = _HUB_ID.fullmatch(text)
        if match is None or "--" in match["id"] or ".." in text:
            return None
        return cls(match["id"], match["revision"])

    def __str__(self) -> str:
        return self.id if self.revision is None else f"{self.id}@{self.revision}"


def cache_folder() -> Path:
    """The folder of the hub's client, by the environment variables that the client reads."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(name):
            return expand(os.path.expandvars(folder))
    if not (home := os.environ.get("HF_HOME")):
        home = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return expand(os.path.expandvars(home)) / "hub"


def snapshots(hub_id: HubId) -> list[Path]:
    """The snapshots of a model: of a revision that one; without, the one that `main` was last, then the rest,
    the latest first."""
    place = cache_folder() / f"models--{hub_id.id.replace('/', '--')}"
    try:
        folders = sorted(
            (folder for folder in (place / "snapshots").iterdir() if folder.is_dir()),
            key=lambda folder: (-folder.stat().st_mtime_ns, folder.name),
        )
    except OSError:
        return []
    revision = hub_id.revision
    commit = _commit(place, revision or "main")
    if revision is None:
        return sorted(folders, key=lambda folder: folder.name != commit)
    prefix = revision if _COMMIT.fullmatch(revision) else None
    return [
        folder for folder in folders if folder.name == commit or (prefix and folder.name.startswith(prefix))
    ]


def find_cached(hub_id: HubId) -> Path | None:
    """The folder of a model in the cache: of `snapshots` the first whole one, else the first, if any."""
    folders = snapshots(hub_id)
    return next((folder for folder in folders if is_whole(folder)), folders[0] if folders else None)


def cached_models() -> dict[str, Path]:
    """The public models that the cache has whole: id on the hub -> folder."""
    try:
        places = sorted(cache_folder().glob("models--*--*"))
    except OSError:
        return {}
    ids = filter(None, (HubId.parse(_id(place)) for place in places))
    folders = {hub_id.id: find_cached(hub_id) for hub_id in ids}
    return {
        name: folder
        for name, folder in folders.items()
        if folder is not None and public_family_of(folder) and is_whole(folder)
    }


def repository_of(folder: Path) -> HubId | None:
    """The repository and commit of a snapshot, in whichever cache; None for any other folder."""
    place = folder.parent.parent
    if folder.parent.name != "snapshots" or not place.name.startswith("models--"):
        return None
    return HubId.parse(f"{_id(place)}@{folder.name}")


def _id(place: Path) -> str:
    """`org/name` of a model's folder in the cache."""
    return place.name.removeprefix("models--").replace("--", "/", 1)


def _commit(place: Path, name: str) -> str | None:
    try:
        return (place / "refs" / name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None


def is_whole(folder: Path) -> bool:
    """Whether no file is missing that a public model cannot do without."""
    try:
        return missing_file(folder) is None
    except ModelUnavailable:
        return False
