"""Generated clips, each known by the seed of its set and its number in it, as its file's name has them."""

from __future__ import annotations

from pathlib import Path

from dynfocus_cli.errors import DynFocusError
from dynfocus_cli.files import reason
from dynfocus_cli.synth.world import write_script
from dynfocus_cli.synth.write import clip_seed, write_video


def clip_path(folder: Path, seed: int, clip: int) -> Path:
    """Where the clip lies, or will."""
    return folder / f"clip-{seed}-{clip:05d}.mp4"


def film(path: Path) -> None:
    """Makes the clip where it is not there yet.

    Args:
        path: as `clip_path` names it.

    Raises:
        DynFocusError: it cannot be written.
    """
    if path.exists():
        return
    seed, clip = path.stem.split("-")[1:]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(write_script(clip_seed(int(seed), int(clip))), path)
    except OSError as error:
        raise DynFocusError(f"The clip {path} cannot be written: {reason(error)}.") from error
