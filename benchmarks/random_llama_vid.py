"""A folder with LLaMA-VID 7B's names, shapes and files and random weights: speed and memory ask for no more.

python benchmarks/random_llama_vid.py /some/disk/with/16/GB/llama-vid-7b [--layers 2]
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from dynfocus_cli.checkpoints.sources.recipe import Recipe
    from dynfocus_cli.network.config import DynFocusConfig

STD = 0.02
SHARD_WEIGHTS = 5_000_000_000
"""As in the published folder: two shards, the first with about three quarters of the weights."""
QFORMER_WORDS = 30_522
QFORMER = "model.vlm_att_encoder.bert."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, help="of the tower and the language model; all by default")
    arguments = parser.parse_args()
    write(arguments.folder, arguments.layers)


def write(folder: Path, layers: int | None = None) -> None:
    """Writes the folder; about 15 GB with all layers."""
    import torch

    from dynfocus_cli.checkpoints.sources.eva import eva_key_map
    from dynfocus_cli.checkpoints.sources.language_model import language_model_key_map
    from dynfocus_cli.checkpoints.sources.llama_vid import connector_recipes
    from dynfocus_cli.checkpoints.sources.qformer import qformer_key_map
    from dynfocus_cli.network.skeleton import parameter_shapes

    folder.mkdir(parents=True)
    config = shape_of_7b(layers)
    shapes = parameter_shapes(config)
    tower = eva_key_map({}, "", config.vision_config.num_hidden_layers).recipes
    rest = {
        **language_model_key_map("model.", "lm_head.weight", config.text_config),
        **qformer_key_map(QFORMER, config.qformer_config.num_hidden_layers).recipes,
        **connector_recipes(),
    }
    generator = torch.Generator().manual_seed(0)
    torch.save(drawn(tower, tower, shapes, generator), folder / "eva_vit_g.pth")
    shards: list[list[str]] = [[]]
    held = 0
    for name in rest:
        size = torch.Size(shapes[name]).numel()
        if held + size > SHARD_WEIGHTS:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += size
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"pytorch_model-{number:05d}-of-{len(shards):05d}.bin"
        part = drawn(names, rest, shapes, generator)
        torch.save(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
        del part
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    write_config(folder, config)
    write_words(folder)


def shape_of_7b(layers: int | None = None) -> DynFocusConfig:
    """LLaMA-VID 7B's sizes, with fewer layers where that is asked for."""
    from dynfocus_cli.network.config import DynFocusConfig
    from dynfocus_cli.network.sizes import LanguageConfig, QFormerConfig, VisionConfig

    fewer = {} if layers is None else {"num_hidden_layers": layers}
    return DynFocusConfig(
        vision_config=VisionConfig(**fewer),
        text_config=LanguageConfig(max_position_embeddings=4096, **fewer),
        qformer_config=QFormerConfig(vocab_size=QFORMER_WORDS + 1),
        rod_projectors="split",
        rod_source="patches",
        score_network=False,
        scorer="attention",
        class_token=True,
    )


def drawn(
    names: Iterable[str],
    recipes: Mapping[str, Recipe],
    shapes: Mapping[str, tuple[int, ...]],
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Random tensors under the source's names, in float16."""
    import torch

    found: dict[str, torch.Tensor] = {}
    for name in names:
        recipe, shape = recipes[name], shapes[name]
        if len(recipe.sources) == 2:  # EVA's two biases, of a third each
            shape = (shape[0] // 3,)
        for key in recipe.sources:
            values = torch.empty(shape).normal_(0, STD, generator=generator)
            norm = key.endswith("weight") and len(shape) == 1
            found[key] = (values + 1 if norm else values).half()
    return found


def write_config(folder: Path, config: DynFocusConfig) -> None:
    """LLaMA-VID's `config.json`."""
    given: dict[str, Any] = config.text_config.to_dict() | {
        "model_type": "llava",
        "mm_vision_tower": "eva_vit_g.pth",
        "bert_type": "qformer_pretrain",
        "num_query": 32,
        "mm_hidden_size": 1408,
        "mm_projector_type": "mlp2x_gelu",
        "compress_type": "mean",
    }
    (folder / "config.json").write_text(json.dumps(given))


def write_words(folder: Path) -> None:
    """Two tokenizers: a small sentencepiece one, and BERT's size of nonsense words."""
    import sentencepiece

    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*marks, *(f"word{n}" for n in range(QFORMER_WORDS - len(marks)))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    text = ["What is the man doing at 00:07?", "A curious user asks a question about the red square."] * 20
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text),
        model_writer=model,
        vocab_size=320,
        hard_vocab_limit=False,
        byte_fallback=True,
        minloglevel=2,
        unk_id=0,
        bos_id=1,
        eos_id=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())


if __name__ == "__main__":
    main()
