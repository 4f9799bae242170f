"""The models that have a name: what each is, and where its files come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a public repository."""

    path: str
    """Inside the repository."""
    sha256: str | None = None
    """None: what the hub states for the revision holds."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Where files of a model come from."""

    id: str
    """On the Hugging Face hub."""
    revision: str
    """A commit, so that the files are those that were looked at."""
    files: tuple[RemoteFile, ...]
    """All that is needed of it; a folder of these is what the conversion reads."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that has a name."""

    name: str
    what: str
    licence: str
    needs: str
    """Of the machine."""
    bytes: int
    """On disk once installed."""
    download_bytes: int = 0
    """About, as the hub rounds it; 0 for one that comes with dynfocus."""
    quantization: Literal["none", "int8", "nf4"] = "none"
    """What `pull` stores it in where nothing else is asked for."""
    repositories: tuple[Repository, ...] = ()
    """The first is the model's own; the rest complete it. Empty for one that comes with dynfocus."""


ENTRIES = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name="dynfocus-tiny",
            what="the whole network in miniature, for generated clips alone",
            licence="Apache-2.0",
            needs="any CPU",
            bytes=7_020_000,
        ),
        ModelEntry(
            name="dynfocus-7b",
            what="the paper's network on LLaMA-VID's weights: EVA ViT-g, Q-Former, Vicuna-7B v1.5",
            licence="Llama 2 Community License (weights), Apache-2.0 (LLaMA-VID's code)",
            needs="a CUDA GPU with 8 GB, or 8 GB of memory and patience",
            bytes=6_270_000_000,
            download_bytes=15_890_000_000,
            quantization="nf4",
            repositories=(
                # By its shards' sizes the vision tower is in them: Vicuna's 13.48 GB, EVA ViT-g's 1.97, the
                # Q-Former's 0.37 and the projectors' 0.06 make 15.88, and they are 9.98 + 5.91.
                Repository(
                    "YanweiLi/llama-vid-7b-full-224-video-fps-1",
                    "41b3d4425c3595968d10641c25d3195bd06ffcbf",
                    (
                        RemoteFile("config.json"),
                        RemoteFile("tokenizer.model"),
                        RemoteFile("tokenizer_config.json"),
                        RemoteFile("special_tokens_map.json"),
                        RemoteFile("pytorch_model.bin.index.json"),
                        RemoteFile(
                            "pytorch_model-00001-of-00002.bin",
                            "4b2bd8c62b672c888b3e07b1d3521230859410d7ca2f1320b511ebc86cd1c916",
                        ),
                        RemoteFile(
                            "pytorch_model-00002-of-00002.bin",
                            "602ba8d3349ddff7302f6face752b759a2d029501b0a429d3f64fecda5c42c03",
                        ),
                    ),
                ),
                # bert-base-uncased's words, which LLaMA-VID takes from elsewhere.
                Repository(
                    "Salesforce/instructblip-vicuna-7b",
                    "92cb457daed1ceefd6fd7f53294ee42085575cdc",
                    (RemoteFile("qformer_tokenizer/vocab.txt"),),
                ),
            ),
        ),
    )
}
"""The models that have a name, by name."""
