"""Reading a model folder of the paper's network, without its weights and with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dynfocus_cli.checkpoints.estimated_tokenizer import EstimatedTokenizer
from dynfocus_cli.checkpoints.folder import part, precision
from dynfocus_cli.device import threads_for
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.domain import Domain
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.models.dynfocus.memory import DynFocusMemory
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.dynfocus.spec import DynFocusSpec
from dynfocus_cli.models.dynfocus.weights import read_network
from dynfocus_cli.models.source import ModelSource, make_room
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.tokenizer import Tokenizer
from dynfocus_cli.types import Fallback, Quantization


def read_dynfocus_spec(
    source: ModelSource, quantize: Quantization | None, fallback: Fallback | None
) -> DynFocusSpec:
    """All of a model but its weights.

    Args:
        fallback: why it was chosen, where no model was named.

    Raises:
        ModelUnavailable: a file is missing, damaged, or of another model.
        UsageError: a quantization other than the one that the model is stored in.
    """
    folder, device = source.folder, source.device
    with part(folder, "config.json"):
        config = DynFocusConfig.from_pretrained(folder)
        kind = source.quantization(config.quantization_config, quantize)
    estimated: Any = EstimatedTokenizer()
    prompt = PromptWriter(config, estimated) if source.entry else _prompt(folder, config)
    preprocessing = Preprocessing.load(folder)
    if preprocessing.size != config.vision_config.image_size:
        raise ModelUnavailable(
            f"The preprocessor_config.json in {folder} makes frames of {preprocessing.size} pixels, and its "
            f"config.json takes {config.vision_config.image_size}."
        )
    dtype = precision(source.bytes, device, kind)
    with part(folder, "config.json"):
        memory = DynFocusMemory(config, kind, dtype, device)
    return DynFocusSpec(
        name=source.name,
        folder=folder,
        config=config,
        prompt=prompt,
        preprocessing=preprocessing,
        quantization=kind,
        device=device,
        dtype=dtype,
        memory=memory,
        info=source.info("dynfocus", kind),
        fallback=fallback,
        caveat=source.caveat,
    )


def load_weights(spec: DynFocusSpec, *, learns: bool = False) -> LoadedModel:
    """The network of a model that was read without its weights.

    Args:
        learns: gradients are to pass through it, which they cannot where 4-bit weights are arranged for
            answering alone.

    Raises:
        ModelUnavailable: the weights are not those of its config.
        OutOfMemory: they are more than the memory that is free.
    """
    folder, config = spec.folder, spec.config
    with part(folder, "weights"), threads_for(spec.memory.weights, spec.device):
        make_room(spec.name, spec.memory.weights, spec.device)
        network = read_network(folder, config, spec.device, spec.dtype, spec.quantization, learns=learns)
    familiarity = Familiarity.load(folder)
    if familiarity is not None:
        _check_familiarity(folder, familiarity, config)
    return LoadedModel(spec, network, familiarity, Domain.load(folder))


def _prompt(folder: Path, config: DynFocusConfig) -> PromptWriter:
    with part(folder, "tokenizer"):
        if not (folder / "tokenizer.json").is_file():
            raise ModelUnavailable(f"{folder} is incomplete: it has no tokenizer.json.")
        tokenizer = Tokenizer(folder)
        if len(tokenizer) > config.text_config.vocab_size:
            raise ModelUnavailable(
                f"The tokenizer in {folder} has {len(tokenizer)} words, and the network knows "
                f"{config.text_config.vocab_size}."
            )
        questions = folder / "question_tokenizer"
        question_tokenizer = Tokenizer(questions, truncation_side="left") if questions.is_dir() else None
    with part(folder, "prompt_template"):
        return PromptWriter(config, tokenizer, question_tokenizer)


def _check_familiarity(folder: Path, familiarity: Familiarity, config: DynFocusConfig) -> None:
    """Raises ModelUnavailable where it was measured on features of another width, or on other patches."""
    width, classifier = config.vision_config.hidden_size, familiarity.classifier
    shapes = tuple(familiarity.mean.shape), tuple(familiarity.whitening.shape)
    fits = classifier is None or classifier.fits(3 * width + config.patches)
    if shapes != ((width,), (width, width)) or not fits:
        raise ModelUnavailable(
            f"The familiarity.safetensors in {folder} is of other features: its mean is {shapes[0]} and its "
            f"whitening {shapes[1]}, and the vision encoder's width is {width}."
        )
