"""Opens a folder of weights in whichever layout it has."""

from __future__ import annotations

from pathlib import Path

from dynfocus_cli.checkpoints.sources import instructblip
from dynfocus_cli.checkpoints.sources.config_file import read_config
from dynfocus_cli.checkpoints.sources.instructblip import instructblip_source
from dynfocus_cli.checkpoints.sources.llama_vid import is_llama_vid, llama_vid_source
from dynfocus_cli.checkpoints.sources.own import own_source
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.network.config import DynFocusConfig

KNOWN = "LLaMA-VID, the DynFocus release, InstructBLIP with a Vicuna (in transformers' format), and dynfocus"


def open_source(
    folder: Path, *, vision: Path | None = None, question_tokenizer: Path | None = None
) -> Source:
    """The weights in `folder`, ready to be converted.

    Args:
        vision: where the vision tower of a LLaMA-VID or DynFocus folder is, if not in or beside it.
        question_tokenizer: folder of the Q-Former's tokenizer, if not in or beside `folder`.

    Raises:
        ModelUnavailable: it is of no known layout, incomplete or damaged.
        UsageError: an option that its layout has no use for.
    """
    config = read_config(folder)
    for flag, path in (("`vision`", vision), ("`question_tokenizer`", question_tokenizer)):
        if path is not None and not path.exists():
            raise ModelUnavailable(f"{flag}: there is no {path}.")
    if is_llama_vid(config):
        return llama_vid_source(folder, vision, question_tokenizer)
    if vision is not None:
        raise UsageError(
            f"`vision` is for LLaMA-VID and DynFocus folders; {folder} has its own vision tower."
        )
    kind = config.get("model_type")
    if kind == instructblip.MODEL_TYPE:
        return instructblip_source(folder, question_tokenizer)
    if kind == DynFocusConfig.model_type:
        if question_tokenizer is not None:
            raise UsageError(f"`question_tokenizer`: {folder} has its own.")
        return own_source(folder)
    what = f"a {kind!r} model" if kind else "a model that does not say what it is"
    raise ModelUnavailable(
        f"{folder} holds {what}, by its config.json, which cannot be converted. Known layouts: {KNOWN}."
    )
