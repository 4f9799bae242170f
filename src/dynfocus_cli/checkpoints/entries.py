"""The models that have a name: what each is, and where its files come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dynfocus_cli.checkpoints.footprint import Footprint


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
    """A commit, so that the files are those that were looked at; or `main`, where none was."""
    files: tuple[RemoteFile, ...] = ()
    """All that is needed of it; a folder of these is what the conversion reads. Empty for a public model,
    of which `pull` takes the files that transformers reads, as the hub lists them."""


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
    family: str | None = None
    """The `model_type` of a public model, a key of `FAMILIES` or `SELECTORS`; None for our own network."""
    footprint: Footprint | None = None
    """Of a public model: what decides the memory that its weights take."""


_LLAMA_2 = "Llama 2 Community License"
_INTERNVL = "Qwen License by its page's head; MIT (InternVL) and Apache-2.0 (Qwen2.5) by its text"


def _public(
    name: str,
    what: str,
    family: str,
    repository: str,
    revision: str,
    *,
    size: int,
    parameters: int,
    layers: int,
    licence: str = "Apache-2.0",
) -> ModelEntry:
    """A public model: it stays in the hub's cache as it is, and is quantized when it is loaded."""
    footprint = Footprint(parameters, layers)
    return ModelEntry(
        name=name,
        what=what,
        licence=licence,
        needs=footprint.needs(),
        bytes=size,
        download_bytes=size,
        repositories=(Repository(repository, revision),),
        family=family,
        footprint=footprint,
    )


ENTRIES = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name="dynfocus-tiny",
            what="the whole network in miniature, for generated clips alone",
            licence="Apache-2.0",
            needs="any CPU",
            bytes=8_180_000,
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
        # Public models. Their revisions are commits that public projects pin, and were not fetched here.
        # Parameters: the hub's sizes; layers: worked out from the language models' published shapes.
        _public(
            "smolvlm2-500m",
            "SmolVLM2 500M: SigLIP base, SmolLM2-360M",
            "smolvlm",
            "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
            "7b375e1b73b11138ff12fe22c8f2822d8fe03467",
            size=2_030_000_000,  # in float32
            parameters=507_500_000,
            layers=315_000_000,
        ),
        _public(
            "smolvlm2-2.2b",
            "SmolVLM2 2.2B: SigLIP so400m, SmolLM2-1.7B",
            "smolvlm",
            "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
            "482adb537c021c86670beed01cd58990d01e72e4",
            size=8_990_000_000,  # in float32
            parameters=2_247_000_000,
            layers=1_611_000_000,
        ),
        _public(
            "qwen3-vl-2b",
            "Qwen3-VL 2B",
            "qwen3_vl",
            "Qwen/Qwen3-VL-2B-Instruct",
            "89644892e4d85e24eaac8bacfd4f463576704203",
            size=4_260_000_000,
            parameters=2_127_500_000,
            layers=1_409_000_000,
        ),
        _public(
            "qwen3-vl-4b",
            "Qwen3-VL 4B",
            "qwen3_vl",
            "Qwen/Qwen3-VL-4B-Instruct",
            "ebb281ec70b05090aa6165b016eac8ec08e71b17",
            size=8_890_000_000,
            parameters=4_438_000_000,
            layers=3_633_000_000,
        ),
        _public(
            "qwen3-vl-8b",
            "Qwen3-VL 8B",
            "qwen3_vl",
            "Qwen/Qwen3-VL-8B-Instruct",
            "0c351dd01ed87e9c1b53cbc748cba10e6187ff3b",
            size=17_550_000_000,
            parameters=8_767_000_000,
            layers=6_946_000_000,
        ),
        _public(
            "qwen2.5-vl-3b",
            "Qwen2.5-VL 3B",
            "qwen2_5_vl",
            "Qwen/Qwen2.5-VL-3B-Instruct",
            "66285546d2b821cf421d4f5eb2576359d3770cd3",
            size=7_530_000_000,
            parameters=3_755_000_000,
            layers=2_775_000_000,
            licence="Qwen Research License: no commercial use",
        ),
        _public(
            "qwen2.5-vl-7b",
            "Qwen2.5-VL 7B",
            "qwen2_5_vl",
            "Qwen/Qwen2.5-VL-7B-Instruct",
            "cc594898137f460bfe9f0759e9844b3ce807cfb5",
            size=16_600_000_000,
            parameters=8_292_000_000,
            layers=6_525_000_000,
        ),
        _public(
            "internvl3-1b",
            "InternVL3 1B: InternViT-300M, Qwen2.5-0.5B",
            "internvl",
            "OpenGVLab/InternVL3-1B-hf",
            "014c0583a0d4bedf29fbe2dbff4f865eb998e171",
            size=1_890_000_000,
            parameters=938_000_000,
            layers=358_000_000,
            licence=_INTERNVL,
        ),
        _public(
            "internvl3-2b",
            "InternVL3 2B: InternViT-300M, Qwen2.5-1.5B",
            "internvl",
            "OpenGVLab/InternVL3-2B-hf",
            "cb57a075cb75a2e6d1b668b128d48bb00ae321d2",
            size=4_190_000_000,
            parameters=2_089_000_000,
            layers=1_310_000_000,
            licence=_INTERNVL,
        ),
        _public(
            "internvl3-8b",
            "InternVL3 8B: InternViT-300M, Qwen2.5-7B",
            "internvl",
            "OpenGVLab/InternVL3-8B-hf",
            "259a3b64a14623c0ec91a045cb43f7c5af5fa6af",
            size=15_900_000_000,
            parameters=7_944_000_000,
            layers=6_525_000_000,
            licence=_INTERNVL,
        ),
        _public(
            "llava-onevision-0.5b",
            "LLaVA-OneVision 0.5B: SigLIP so400m, Qwen2-0.5B",
            "llava_onevision",
            "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
            "74dd0bf867a4cda7950c17663794267c60cf4b40",
            size=1_800_000_000,
            parameters=893_700_000,
            layers=358_000_000,
        ),
        _public(
            "llava-onevision-7b",
            "LLaVA-OneVision 7B: SigLIP so400m, Qwen2-7B",
            "llava_onevision",
            "llava-hf/llava-onevision-qwen2-7b-ov-hf",
            "0d50680527681998e456c7b78950205bedd8a068",
            size=16_080_000_000,
            parameters=8_030_000_000,
            layers=6_525_000_000,
        ),
        _public(
            "llava-next-video-7b",
            "LLaVA-NeXT-Video 7B: CLIP ViT-L, Vicuna-7B v1.5",
            "llava_next_video",
            "llava-hf/LLaVA-NeXT-Video-7B-hf",
            "main",  # the one commit that was found is of 2024, and lacks what transformers reads by now
            size=14_130_000_000,
            parameters=7_063_000_000,
            layers=6_476_000_000,
            licence=_LLAMA_2,
        ),
        _public(
            "video-llava-7b",
            "Video-LLaVA 7B: LanguageBind's towers for images and videos, Vicuna-7B v1.5",
            "video_llava",
            "LanguageBind/Video-LLaVA-7B-hf",
            "4cf9d8cfc76a54f46a4cb43be5368b46b7f0d736",
            size=14_750_000_000,
            parameters=7_370_000_000,
            layers=6_476_000_000,
            licence=f"Apache-2.0 (Video-LLaVA), {_LLAMA_2} (the Vicuna in it)",
        ),
        ModelEntry(
            name="siglip2-base",
            what="SigLIP 2 base, 224 pixels: no answers; finds a question's frames, for --selector-model",
            licence="Apache-2.0",
            needs="0.8 GB beside the model that answers, on a CPU 1.5 GB",
            bytes=1_500_000_000,  # in float32
            download_bytes=1_500_000_000,
            repositories=(
                Repository("google/siglip2-base-patch16-224", "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2"),
            ),
            family="siglip",
        ),
    )
}
"""The models that have a name, by name."""

PREFERRED: dict[str, tuple[str, ...]] = {
    "cuda": (
        "qwen3-vl-8b",
        "qwen3-vl-4b",
        "internvl3-8b",
        "qwen2.5-vl-7b",
        "qwen3-vl-2b",
        "qwen2.5-vl-3b",
        "internvl3-2b",
        "llava-onevision-7b",
        "smolvlm2-2.2b",
        "internvl3-1b",
        "llava-onevision-0.5b",
        "smolvlm2-500m",
        "llava-next-video-7b",
        "video-llava-7b",
        "dynfocus-7b",
    ),
    "cpu": ("smolvlm2-500m", "llava-onevision-0.5b", "internvl3-1b"),
}
"""Kind of device -> the models that answer there where none is named, best first.

An order by generation and size on GPUs, and on CPUs by how few tokens a frame takes; ours, and not measured
here.
"""
