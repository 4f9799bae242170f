"""The offer to fetch a model that can answer, made to a person at a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from dynfocus_cli.cli import progress as display
from dynfocus_cli.errors import OutOfDomain

if TYPE_CHECKING:
    from dynfocus_cli.cli.options import ModelRequest
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.progress import Progress


def accepted_model(error: OutOfDomain, request: ModelRequest, progress: Progress) -> Backend | None:
    """The model that can answer in place of the shipped one, fetched and loaded, if that is wanted.

    None where nobody sits at the terminal, nothing can be offered, or the answer is no.

    Raises:
        ModelUnavailable: it cannot be fetched, or cannot be used.
    """
    offer = error.offer
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if offer is None or not all(stream is not None and stream.isatty() for stream in streams):
        return None
    from dynfocus_cli.checkpoints.pull_public import pull_public
    from dynfocus_cli.checkpoints.registry import find_pullable
    from dynfocus_cli.checkpoints.size import readable

    progress.notice(f"{error.reason}.")
    if not typer.confirm(f"Fetch {offer.name} ({readable(offer.bytes)}) now?", err=True):
        return None
    hub_id, entry = find_pullable(offer.name)
    assert hub_id is not None, "what is offered is a public model"
    with display.shown(offer.name, display.wanted(quiet=False)) as bar:
        pull_public(hub_id, entry, None if offer.quantization == "none" else offer.quantization, bar)
        return request.named(offer.name).load()
