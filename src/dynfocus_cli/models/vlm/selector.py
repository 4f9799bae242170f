"""The selector: a dual encoder of pictures and text (SigLIP or CLIP) that chooses frames for a question.

It embeds a picture and a text so that those which belong together have similar embeddings; the features of a
public vision-language model only tell frames apart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel

from dynfocus_cli.checkpoints.families import SELECTORS
from dynfocus_cli.checkpoints.folder import part, precision
from dynfocus_cli.checkpoints.identity import config_digest, revision
from dynfocus_cli.checkpoints.public_folder import model_type_of
from dynfocus_cli.dpe.density_peaks import Clusters
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.features.preprocess import Fit
from dynfocus_cli.models.memory import encoder_bytes, pixel_bytes
from dynfocus_cli.models.source import ModelSource, find_source, load_public_network
from dynfocus_cli.models.vlm.scaling import CLIP, HALF, FrameScaling, ProcessorFiles, colour

_NAFLEX_PATCHES = 256
"""What transformers' processor takes where its file is silent."""


@dataclass(frozen=True, slots=True)
class SelectorSpec:
    """A dual encoder without its weights."""

    name: str
    """As the user calls it."""
    folder: Path
    model_type: str
    config: Any
    """transformers' own."""
    tokenizer: Any
    scaling: FrameScaling
    revision: str
    """Digest of the folder, its weights and the files beside them."""
    device: torch.device
    dtype: torch.dtype
    weights: int
    """Bytes that the weights take."""
    caveat: str = ""
    """What a plan by it does not know exactly."""

    def encoding_bytes(self, frames: int) -> int:
        """Bytes that a batch of so many frames takes while it is encoded."""
        vision, scaling, size = self.config.vision_config, self.scaling, self.dtype.itemsize
        patches = frames * (scaling.width // vision.patch_size) ** 2
        return pixel_bytes(frames, scaling.width, scaling.height, size) + encoder_bytes(vision, patches, size)

    def load(self) -> Selector:
        """The model with its weights.

        Raises:
            ModelUnavailable: the weights are not those of its config.
            OutOfMemory: they are more than the memory that is free.
        """
        network = load_public_network(
            AutoModel, self.name, self.folder, self.config, self.device, self.dtype, self.weights
        )
        return Selector(self, network)


@dataclass(frozen=True, slots=True)
class Selector:
    """A dual encoder with its weights."""

    spec: SelectorSpec
    network: Any
    """transformers' SiglipModel, Siglip2Model or CLIPModel."""

    @property
    def tower(self) -> VisionTower:
        """A frame's embedding as its only patch: (B, 3, H, W) to (B, 1, D) float32, of length 1."""
        spec = self.spec
        return VisionTower(self._encode, spec.scaling, spec.revision, spec.device, spec.dtype)

    @torch.inference_mode()
    def text(self, question: str) -> Tensor:
        """(D,) float32 of length 1, on the CPU; what is too long is cut, as it was in training."""
        ids = text_ids(self.spec, question).to(self.network.device)
        return unit(self.network.get_text_features(input_ids=ids).pooler_output)[0].cpu()

    def similarities(self, question: str, frames: EncodedFrames) -> Tensor:
        """The cosine of the question and each frame.

        Shape:
            frames: (T, 1, D), encoded by `tower`.
            returns: (T,) float32, on the CPU.
        """
        return frames.patches[:, 0].float() @ self.text(question)

    def _encode(self, pixels: Tensor) -> Tensor:
        inputs = {"pixel_values": pixels}
        if self.spec.model_type == "siglip2":
            patches = _patches(pixels, self.network.config.vision_config.patch_size)
            across = isqrt(patches.shape[1])
            ones = patches.new_ones(patches.shape[:2], dtype=torch.int32)
            grid = torch.tensor([[across, across]], device=pixels.device).expand(len(pixels), 2)
            inputs = {"pixel_values": patches, "pixel_attention_mask": ones, "spatial_shapes": grid}
        return unit(self.network.get_image_features(**inputs).pooler_output).unsqueeze(1)  # (B, 1, D)


def text_ids(spec: SelectorSpec, text: str) -> Tensor:
    """(1, S): token ids as the makers' processor gives them; what is too long is cut, as in training."""
    siglip = spec.model_type != "clip"
    ids: Tensor = spec.tokenizer(
        # SigLIP 2 learned from small letters, which the tokenizer of its fixed sizes does not make of it:
        # https://github.com/huggingface/transformers/issues/43054
        text.lower() if siglip else text,
        # SigLIP's embedding is the last of always 64 places, filled up on the right and without a mask.
        padding="max_length" if siglip else False,
        padding_side="right",
        truncation=True,
        max_length=spec.config.text_config.max_position_embeddings,
        return_tensors="pt",
    ).input_ids
    return ids


def event_scores(similarities: Tensor, clusters: Clusters) -> Tensor:
    """How well each event fits the question: as its best frame does.

    A chosen event shows one frame at full detail. A mean over its frames would lower an event that shows the
    answer briefly, and its centre is chosen without the question.

    Shape:
        similarities: (T,).
        clusters: of a batch of one.
        returns: (L,) float32.
    """
    lowest = similarities.new_full((clusters.centres.shape[-1],), -torch.inf)
    return lowest.scatter_reduce(0, clusters.assignment[0], similarities, "amax").float()


def best_frames(similarities: Tensor, clusters: Clusters, pinned: Tensor | None = None) -> Tensor:
    """The frame of each event that fits the question best, the earlier of equals; where the centre is a
    pinned frame, the centre.

    Example: one question, two events

        similarities  0.1  0.3  0.3  0.2  0.0
        assignment    0    0    0    1    1    -> 1, 3

    Shape:
        similarities: (T,).
        clusters: of a batch of one.
        pinned: (1, T) bool.
        returns: (1, L) int64, as `clusters.centres`: distinct frames.
    """
    assignment, count = clusters.assignment[0], len(similarities)
    best = event_scores(similarities, clusters).to(similarities.dtype)[assignment] == similarities  # (T,)
    places = torch.arange(count, device=similarities.device).masked_fill(~best, count)
    frames = torch.full_like(clusters.centres[0], count).scatter_reduce(0, assignment, places, "amin")
    frames = frames.unsqueeze(0)  # (1, L)
    if pinned is not None:
        frames = torch.where(pinned.gather(1, clusters.centres), clusters.centres, frames)
    return frames


def read_selector_spec(name_or_path: str, device: torch.device, *, may_be_away: bool = False) -> SelectorSpec:
    """All of a dual encoder but its weights, by name, folder, or id on the hub if it is in the hub's cache.
    Nothing is fetched.

    Args:
        may_be_away: to plan with, its published configs do where it is still to be fetched.

    Raises:
        ModelUnavailable: it is not here, no dual encoder, incomplete or damaged.
    """
    source = find_source(name_or_path, device, may_be_away=may_be_away)
    name, folder, here = source.name, source.folder, source.entry is None
    kind = model_type_of(folder)
    if kind not in SELECTORS:
        what = f"a {kind!r} model" if kind else "a model that does not say what it is"
        raise ModelUnavailable(
            f"{name} is {what}: `selector` takes one that encodes both pictures and text, a SigLIP, "
            "SigLIP 2 or CLIP model."
        )
    with part(folder, "config.json"):
        config = source.public_config()
        _require_usable(name, config)
    with part(folder, "tokenizer"):
        tokenizer = _tokenizer(source, kind, config) if here else None
    with part(folder, "preprocessor_config.json"):
        scaling = _scaling(name, folder, config)
    source.require_weights()
    dtype = precision(source.bytes, device)
    with part(folder, "config.json"), torch.device("meta"):
        parameters = sum(weight.numel() for weight in AutoModel.from_config(config).parameters())
    return SelectorSpec(
        name=name,
        folder=folder,
        model_type=config.model_type,
        config=config,
        tokenizer=tokenizer,
        scaling=scaling,
        revision=f"{revision(folder)}{config_digest(folder)}",
        device=device,
        dtype=dtype,
        weights=parameters * dtype.itemsize,
        caveat=source.caveat,
    )


def _tokenizer(source: ModelSource, kind: str, config: Any) -> Any:
    _require_words(source.name, source.folder, kind)
    tokenizer = source.public_tokenizer()
    if len(tokenizer) > config.text_config.vocab_size:
        raise ModelUnavailable(
            f"The tokenizer in {source.folder} knows {len(tokenizer)} words, and its network "
            f"{config.text_config.vocab_size}: they are of different models."
        )
    return tokenizer


def _require_usable(name: str, config: Any) -> None:
    """Raises ModelUnavailable for a folder that transformers would load and that gives no similarities."""
    if getattr(config, "quantization_config", None) is not None:
        raise ModelUnavailable(f"{name} is stored in fewer bits: take the model that it was made of.")
    if not getattr(config.vision_config, "vision_use_head", True):
        raise ModelUnavailable(f"{name} has no head that makes one embedding of a frame's patches.")


def _require_words(name: str, folder: Path, kind: str) -> None:
    """Raises ModelUnavailable where its files are missing: without them transformers makes a tokenizer of
    special tokens alone, without an error."""

    def has(*files: str) -> bool:
        return all((folder / file).is_file() for file in files)

    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    sentencepiece = settings.get("tokenizer_class", "SiglipTokenizer").startswith("SiglipTokenizer")
    if kind == "siglip" and sentencepiece:
        missing = None if has("spiece.model") else "spiece.model"
    else:
        missing = None if has("tokenizer.json") or has("vocab.json", "merges.txt") else "tokenizer.json"
    if missing is not None:
        raise ModelUnavailable(f"{name} is incomplete: {folder} has no {missing}.")


def _scaling(name: str, folder: Path, config: Any) -> FrameScaling:
    """How its makers scale and normalise pictures."""
    settings, vision = ProcessorFiles(folder).image, config.vision_config
    if not settings:
        raise ModelUnavailable(f"{name} is incomplete: {folder} has no preprocessor_config.json.")
    crop = settings.get("do_center_crop", config.model_type == "clip")
    size: Any = settings.get("size") or {}
    fit: Fit = "center_crop" if crop and not (isinstance(size, dict) and "height" in size) else "squash"
    if config.model_type == "siglip2":
        # The most patches that its processor gives a picture, as a square of them: frames of one size.
        side = isqrt(settings.get("max_num_patches", _NAFLEX_PATCHES)) * vision.patch_size
    else:
        side = vision.image_size
        sides = _sides(settings.get("crop_size") if crop else size) or {side}
        if sides != {side}:
            raise ModelUnavailable(
                f"{folder} makes pictures of {' x '.join(map(str, sorted(sides)))} pixels, and its network "
                f"takes squares of {side}."
            )
    mean, std = CLIP if config.model_type == "clip" else (HALF, HALF)
    return FrameScaling(
        side, side, fit, colour(settings.get("image_mean", mean)), colour(settings.get("image_std", std))
    )


def _sides(size: Any) -> set[int]:
    """The lengths of the sides that a processor's setting names, in pixels."""
    if isinstance(size, dict):
        return {int(length) for length in size.values()}
    return {int(size)} if size else set()


def _patches(pixels: Tensor, side: int) -> Tensor:
    """Square patches, row by row: (B, 3, H, W) -> (B, N, side * side * 3).

    transformers, image_processing_pil_siglip2.py: convert_image_to_patches.
    """
    grid = pixels.unflatten(3, (-1, side)).unflatten(2, (-1, side))  # (B, 3, rows, side, columns, side)
    return grid.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)  # (B, N, side * side * 3)


def unit(embeddings: Tensor) -> Tensor:
    """Of length 1, in float32: what tells one frame's similarity from another's is in the last digits."""
    return F.normalize(embeddings.float(), dim=-1)
