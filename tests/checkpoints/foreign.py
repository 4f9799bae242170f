"""Other projects' model folders with random weights, small, under their own names and in their own files."""

from __future__ import annotations

import io
import json
import string
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    BertTokenizer,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

VISION, QFORMER, LANGUAGE = 88, 64, 64
"""Widths; EVA's heads are 88 wide, BERT's 64."""
IMAGE, PATCH, BLOCKS = 56, 7, 3
QFORMER_LAYERS, QUERIES, WORDS = 2, 8, 300

TOWER = "model.vision_tower.vision_tower."

Weights = dict[str, Tensor]


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int) -> Weights:
    """Normal numbers, small; norms near 1."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator) * 0.08
        norm = name.endswith("weight") and len(shape) == 1
        weights[name] = values + 1 if norm else values
    return weights


def eva_weights(seed: int = 1, blocks: int = BLOCKS) -> Weights:
    """As in eva_vit_g.pth."""
    inner = 40
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, VISION),
        "pos_embed": (1, (IMAGE // PATCH) ** 2 + 1, VISION),
        "patch_embed.proj.weight": (VISION, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (VISION,),
        "fc_norm.weight": (VISION,),
        "fc_norm.bias": (VISION,),
        "head.weight": (10, VISION),
        "head.bias": (10,),
    }
    for block in range(blocks):
        at = f"blocks.{block}."
        shapes |= {f"{at}norm{n}.{part}": (VISION,) for n in (1, 2) for part in ("weight", "bias")}
        shapes |= {f"{at}attn.q_bias": (VISION,), f"{at}attn.v_bias": (VISION,)}
        shapes |= {f"{at}attn.qkv.weight": (3 * VISION, VISION)}
        shapes |= {f"{at}attn.proj.weight": (VISION, VISION), f"{at}attn.proj.bias": (VISION,)}
        shapes |= {f"{at}mlp.fc1.weight": (inner, VISION), f"{at}mlp.fc1.bias": (inner,)}
        shapes |= {f"{at}mlp.fc2.weight": (VISION, inner), f"{at}mlp.fc2.bias": (VISION,)}
    return random_weights(shapes, seed)


def qformer_weights(words: int, seed: int = 2) -> Weights:
    """As in BLIP-2's BERT, below `model.vlm_att_encoder.bert.`."""
    root, inner = "model.vlm_att_encoder.bert.", 96
    shapes: dict[str, tuple[int, ...]] = {
        f"{root}embeddings.word_embeddings.weight": (words, QFORMER),
        f"{root}embeddings.position_embeddings.weight": (40, QFORMER),
        f"{root}embeddings.LayerNorm.weight": (QFORMER,),
        f"{root}embeddings.LayerNorm.bias": (QFORMER,),
    }
    for layer in range(QFORMER_LAYERS):
        at = f"{root}encoder.layer.{layer}."
        for attention in ("attention", "crossattention") if layer % 2 == 0 else ("attention",):
            for part in ("query", "key", "value"):
                width = VISION if attention == "crossattention" and part != "query" else QFORMER
                shapes[f"{at}{attention}.self.{part}.weight"] = (QFORMER, width)
                shapes[f"{at}{attention}.self.{part}.bias"] = (QFORMER,)
            shapes |= _block(f"{at}{attention}.output.", QFORMER, QFORMER)
        for stream in ("", "_query"):
            shapes[f"{at}intermediate{stream}.dense.weight"] = (inner, QFORMER)
            shapes[f"{at}intermediate{stream}.dense.bias"] = (inner,)
            shapes |= _block(f"{at}output{stream}.", QFORMER, inner)
    weights = random_weights(shapes, seed)
    weights[f"{root}embeddings.position_ids"] = torch.arange(40).unsqueeze(0)
    return weights


def _block(at: str, out: int, inside: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{at}dense.weight": (out, inside),
        f"{at}dense.bias": (out,),
        f"{at}LayerNorm.weight": (out,),
        f"{at}LayerNorm.bias": (out,),
    }


def connector_weights(seed: int = 3) -> Weights:
    """What LLaMA-VID and the release share."""
    shapes: dict[str, tuple[int, ...]] = {"model.vlm_att_query": (1, QUERIES, QFORMER)}
    for name, out, inside in (
        ("mm_projector.0", LANGUAGE, VISION),
        ("mm_projector.2", LANGUAGE, LANGUAGE),
        ("vlm_att_projector", VISION, QFORMER),
        ("vlm_att_key_projector", VISION, VISION),
        ("vlm_att_val_projector", LANGUAGE, VISION),
    ):
        shapes |= {f"model.{name}.weight": (out, inside), f"model.{name}.bias": (out,)}
    shapes |= {f"model.vlm_att_ln.{part}": (VISION,) for part in ("weight", "bias")}
    return random_weights(shapes, seed)


def release_weights(seed: int = 4) -> Weights:
    """What the DynFocus release adds, dead parameters included."""
    shapes: dict[str, tuple[int, ...]] = {"merge.score.weight": (6, 6), "merge.score.bias": (6,)}
    score, double = "selective_net.score_network.", 2 * VISION
    for name, out, inside in (
        ("in_conv.1", double, double),
        ("out_conv.0", VISION, double),
        ("out_conv.2", VISION // 2, VISION),
        ("out_conv.4", 1, VISION // 2),
    ):
        shapes |= {f"{score}{name}.weight": (out, inside), f"{score}{name}.bias": (out,)}
    shapes |= {f"{score}in_conv.0.{part}": (double,) for part in ("weight", "bias")}
    for dead in ("merge.proj_k", "merge.proj_q", "selective_net.merge.score", "sf_former.layer"):
        shapes |= {f"{dead}.weight": (5, 5), f"{dead}.bias": (5,)}
    return random_weights(shapes, seed)


def llama_weights(seed: int = 5) -> tuple[Weights, LlamaConfig]:
    """A small Vicuna under `LlamaForCausalLM`'s names, with a buffer that old checkpoints store."""
    config = LlamaConfig(
        hidden_size=LANGUAGE,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=WORDS,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )
    weights = random_llama(config, seed)
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(16)
    return weights, config


def random_llama(config: LlamaConfig, seed: int) -> Weights:
    """A Llama's tensors under its own names."""
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    return random_weights({name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}, seed)


def write_question_tokenizer(folder: Path) -> int:
    """A vocab.txt of letters; returns how many words the Q-Former knows with it, `[DEC]` included."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = string.ascii_lowercase + string.digits + "?:."
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return len(words) + 1


def write_sentencepiece(folder: Path) -> None:
    """A `tokenizer.model` with byte fallback, as Llama's."""
    text = ["What is the man doing at 00:07?", "A curious user asks about the red square."] * 20
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text),
        model_writer=model,
        model_type="bpe",
        vocab_size=WORDS,
        hard_vocab_limit=False,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        minloglevel=2,
        unk_id=0,
        bos_id=1,
        eos_id=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    mark = {
        "__type": "AddedToken",
        "lstrip": False,
        "normalized": False,
        "rstrip": False,
        "single_word": False,
    }
    described = {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": mark | {"content": "<s>"},
        "clean_up_tokenization_spaces": False,
        "eos_token": mark | {"content": "</s>"},
        "legacy": False,
        "model_max_length": 2048,
        "pad_token": None,
        "padding_side": "right",
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer",
        "unk_token": mark | {"content": "<unk>"},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(described), encoding="utf-8")


def write_llama_vid(
    folder: Path, *, released: bool = False, shards: int = 2, tower: str = "beside", **changes: Any
) -> Weights:
    """A LLaMA-VID folder, or with `released` one in the DynFocus release's layout; returns all its tensors,
    the tower's as in the shards. `tower`: `beside` them, `inside` of them, or `left out`."""
    folder.mkdir(parents=True)
    words = write_question_tokenizer(folder)
    language, config = llama_weights()
    weights = {**language, **connector_weights(), **qformer_weights(words)}
    if released:
        weights |= release_weights()
    eva = eva_weights()
    seen = {f"{TOWER}{name}": tensor for name, tensor in eva.items()}
    if tower == "beside":
        torch.save(eva, folder / "eva_vit_g.pth")
    write_shards(folder, weights | seen if tower == "inside" else weights, shards)
    given = config.to_dict() | {
        "model_type": "llava",
        "mm_vision_tower": "model_zoo/LAVIS/eva_vit_g.pth",
        "bert_type": "qformer_pretrain",
        "num_query": QUERIES,
        "mm_hidden_size": VISION,
        "mm_projector_type": "mlp2x_gelu",
        "compress_type": "mean",
        "rope_theta": 10000.0,
    }
    (folder / "config.json").write_text(json.dumps(given | changes), encoding="utf-8")
    write_sentencepiece(folder)
    return weights | seen


def write_shards(folder: Path, weights: Weights, shards: int) -> None:
    """`pytorch_model-0000i-of-0000n.bin` and their index."""
    names = sorted(weights)
    files = [f"pytorch_model-{n:05d}-of-{shards:05d}.bin" for n in range(1, shards + 1)]
    weight_map = {}
    for number, file in enumerate(files):
        part = {name: weights[name] for name in names[number::shards]}
        torch.save(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")


def write_instructblip(folder: Path) -> Weights:
    """An InstructBLIP folder as transformers saves one; returns its tensors."""
    folder.mkdir(parents=True)
    words = write_question_tokenizer(folder / "qformer_tokenizer")
    BertTokenizer.from_pretrained(folder / "qformer_tokenizer").save_pretrained(folder / "qformer_tokenizer")
    write_sentencepiece(folder)
    _, language = llama_weights()
    config = InstructBlipConfig(
        vision_config=InstructBlipVisionConfig(
            hidden_size=VISION,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=1,
            image_size=IMAGE,
            patch_size=PATCH,
        ),
        qformer_config=InstructBlipQFormerConfig(
            vocab_size=words,
            hidden_size=QFORMER,
            num_hidden_layers=QFORMER_LAYERS,
            num_attention_heads=1,
            intermediate_size=96,
            encoder_hidden_size=VISION,
            max_position_embeddings=40,
        ),
        text_config=language,
        num_query_tokens=QUERIES,
    )
    torch.manual_seed(6)
    InstructBlipForConditionalGeneration(config).save_pretrained(folder)
    shapes = {name: tuple(tensor.shape) for name, tensor in load_file(folder / "model.safetensors").items()}
    weights = random_weights(shapes, seed=7)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return weights
