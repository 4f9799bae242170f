"""The model that is offered where the shipped one was not trained on a video, fetched if the user agrees."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from dynfocus_cli.cli.errors import say

if TYPE_CHECKING:
    from dynfocus_cli.errors import OutOfDomain
    from dynfocus_cli.progress import Progress


def fetched_offer(error: OutOfDomain, progress: Progress) -> str | None:
    """The name of the model that can do it in place of the shipped one, once it is fetched.

    None where nobody sits at the terminal, nothing can be offered, or the answer is no.

    Raises:
        ModelUnavailable: it cannot be fetched.
    """
    offer = error.offer
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if offer is None or not all(stream is not None and stream.isatty() for stream in streams):
        return None
    from dynfocus_cli.checkpoints.pull_public import pull_public
    from dynfocus_cli.checkpoints.registry import find_pullable
    from dynfocus_cli.checkpoints.size import readable
    from dynfocus_cli.cli import progress as display

    display.step_aside(progress)
    say(f"Warning: {error.reason}.")
    if not _agrees(f"Fetch {offer.name} ({readable(offer.bytes)}) now?"):
        return None
    hub_id, entry = find_pullable(offer.name)
    assert hub_id is not None, "what is offered is a public model"
    with display.shown(offer.name, display.is_visible(quiet=False)) as bar:
        pull_public(hub_id, entry, None if offer.quantization == "none" else offer.quantization, bar)
    return offer.name


def _agrees(question: str) -> bool:
    """Whether the answer at the terminal is yes; an end of input is a no."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        typer.echo(err=True)
        return False
