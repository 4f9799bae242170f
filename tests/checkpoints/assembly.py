"""What a DynFocus network computes, put together by hand from other projects' tensors.

Nothing of dynfocus is imported here: transformers' own models take the tensors under names that are spelled
out below, and the connector's arithmetic stands as in the releases' descriptions (golden/NOTES.md), one frame
after the other, in the plainest way. It knows videos of at most L frames, where each is an event of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from foreign import BLOCKS, IMAGE, LANGUAGE, PATCH, QFORMER, QFORMER_LAYERS, TOWER, VISION, Weights
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    InstructBlipQFormerConfig,
    InstructBlipQFormerModel,
    InstructBlipVisionConfig,
    InstructBlipVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

Linear = Callable[[Tensor], Tensor]


def linear(weights: Weights, name: str) -> Linear:
    return lambda x: F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def projector(weights: Weights, name: str) -> Linear:
    first, second = linear(weights, f"{name}.0"), linear(weights, f"{name}.2")
    return lambda x: second(F.gelu(first(x)))


def eva_tower(weights: Weights, prefix: str = TOWER) -> Linear:
    """EVA by its own names: pixels (T, 3, H, W) -> (T, 1 + N, D_v), ahead of the last norm."""
    state = {
        "embeddings.class_embedding": weights[f"{prefix}cls_token"],
        "embeddings.position_embedding": weights[f"{prefix}pos_embed"],
        "embeddings.patch_embedding.weight": weights[f"{prefix}patch_embed.proj.weight"],
        "embeddings.patch_embedding.bias": weights[f"{prefix}patch_embed.proj.bias"],
    }
    names = {
        "norm1": "layer_norm1",
        "norm2": "layer_norm2",
        "attn.proj": "self_attn.projection",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    for block in range(BLOCKS):
        at, to = f"{prefix}blocks.{block}.", f"encoder.layers.{block}."
        for theirs, its in names.items():
            for part in ("weight", "bias"):
                state[f"{to}{its}.{part}"] = weights[f"{at}{theirs}.{part}"]
        query, value = weights[f"{at}attn.q_bias"], weights[f"{at}attn.v_bias"]
        state[f"{to}self_attn.qkv.weight"] = weights[f"{at}attn.qkv.weight"]
        state[f"{to}self_attn.qkv.bias"] = torch.cat((query, torch.zeros(VISION), value))
    return vision_tower(state, BLOCKS)


def vision_tower(state: Weights, layers: int) -> Linear:
    """A tower by transformers' names."""
    tower = InstructBlipVisionModel(
        InstructBlipVisionConfig(
            hidden_size=VISION,
            intermediate_size=40,
            num_hidden_layers=layers,
            num_attention_heads=1,
            image_size=IMAGE,
            patch_size=PATCH,
            layer_norm_eps=1e-6,
        )
    ).eval()
    left = tower.load_state_dict(state, strict=False)
    assert not left.unexpected_keys
    assert set(left.missing_keys) <= {"post_layernorm.weight", "post_layernorm.bias"}
    return lambda pixels: tower.encoder(tower.embeddings(pixels)).last_hidden_state


def bert(weights: Weights) -> Weights:
    """The Q-Former's tensors in BLIP-2's BERT under transformers' names."""
    root, state = "model.vlm_att_encoder.bert.", {}
    for name, tensor in weights.items():
        if name.startswith(root) and not name.endswith("position_ids"):
            short = name.removeprefix(root).replace("embeddings.LayerNorm", "embeddings.layernorm")
            state[re.sub(r"attention\.self\.", "attention.attention.", short)] = tensor
    return state


def qformer(state: Weights, words: int) -> InstructBlipQFormerModel:
    model = InstructBlipQFormerModel(
        InstructBlipQFormerConfig(
            vocab_size=words,
            hidden_size=QFORMER,
            num_hidden_layers=QFORMER_LAYERS,
            num_attention_heads=1,
            intermediate_size=96,
            encoder_hidden_size=VISION,
            max_position_embeddings=40,
            cross_attention_frequency=2,
        )
    ).eval()
    model.load_state_dict(state)
    return model


def language_model(weights: Weights, config: LlamaConfig, prefix: str = "") -> LlamaForCausalLM:
    model = LlamaForCausalLM(config).eval()
    names = ("model.embed_tokens", "model.layers", "model.norm", "lm_head")
    mine = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    model.load_state_dict(
        {k: v for k, v in mine.items() if k.startswith(names) and not k.endswith("inv_freq")}
    )
    return model


@dataclass(frozen=True)
class Read:
    """What the encoders make of a video and a question."""

    patches: Tensor
    """(T, N, D_v)."""
    queries: Tensor
    """(T, Q, D_v): the Q-Former's output, projected to the patches' width."""
    silent: Tensor
    """The same without a question."""


def read(
    visual: Tensor,
    encoder: InstructBlipQFormerModel,
    queries: Tensor,
    norm: tuple[Tensor, Tensor],
    project: Linear,
    question: list[int],
) -> Read:
    seen = F.layer_norm(visual, (VISION,), *norm, eps=1e-5)
    frames = len(visual)
    asked = queries.expand(frames, -1, -1)
    ids = torch.tensor([question] * frames)
    mask = torch.ones(frames, queries.shape[1] + len(question), dtype=torch.int64)
    said = encoder(input_ids=ids, attention_mask=mask, query_embeds=asked, encoder_hidden_states=seen)
    unsaid = encoder(input_ids=None, query_embeds=asked, encoder_hidden_states=seen)
    found = (output.last_hidden_state[:, : queries.shape[1]] for output in (said, unsaid))
    return Read(visual[:, 1:], *map(project, found))


def pooled(points: Tensor) -> Tensor:
    """A frame's patches as 4 x 4 means, row by row: (N, D) -> (16, D)."""
    side = math.isqrt(len(points))
    step = side // 4
    grid = points.reshape(side, side, -1)
    cells = [
        grid[row : row + step, column : column + step].flatten(0, 1).mean(0)
        for row in range(0, side, step)
        for column in range(0, side, step)
    ]
    return torch.stack(cells)


def density_peaks(points: Tensor, count: int, near: int, released: bool) -> list[list[int]]:
    """The members of each cluster, clusters in the order of their centres (paper) or of their rank."""
    n = len(points)
    squared = (points[:, None].double() - points[None].double()).square().mean(-1)
    distance = squared.sqrt() if released else squared
    density = []
    for i in range(n):
        others = sorted(float(squared[i, j]) for j in range(n) if released or j != i)[:near]
        density.append(math.exp(-sum(others) / len(others)))
    largest = float(distance.max())
    delta = []
    for i in range(n):
        denser = [j for j in range(n) if density[j] > density[i]]
        alone = largest if released else float(distance[i].max())
        delta.append(min((float(distance[i, j]) for j in denser), default=alone))
    centres = sorted(range(n), key=lambda i: -density[i] * delta[i])[:count]
    if not released:
        centres.sort()
    nearest = [
        centres.index(i) if i in centres else min(range(count), key=lambda c: float(distance[i, centres[c]]))
        for i in range(n)
    ]
    return [[i for i in range(n) if nearest[i] == c] for c in range(count)]


def prototypes(points: Tensor, released: bool, gate: Linear | None) -> Tensor:
    """A frame's 22 spatial prototypes."""
    first = [points[members].mean(0) for members in density_peaks(points, 16, 8, released)]
    fine = torch.stack(first)
    groups = density_peaks(fine, 6, 3, released)
    coarse = torch.stack([fine[members].mean(0) for members in groups])
    if gate is None:
        return torch.cat((fine, coarse))
    weight = gate(coarse.mean(-1)).softmax(0)
    return torch.cat([torch.cat((coarse[v : v + 1], fine[groups[v]])) * weight[v] for v in range(6)])


def attention(queries: Tensor, points: Tensor, key: Linear) -> Tensor:
    """(Q, n) logits of a frame's queries on its points."""
    return queries @ key(points).T / math.sqrt(VISION)


def best(scores: Tensor, count: int) -> list[int]:
    return sorted(sorted(range(len(scores)), key=lambda i: -float(scores[i]))[:count])


def llama_vid_tokens(weights: Weights, found: Read, keys: int, side: int = 1) -> tuple[Tensor, list[int]]:
    """LLaMA-VID's rods for every frame, behind the paper's cones; key frames by the question's attention."""
    cone = projector(weights, "model.mm_projector")
    context = linear(weights, "model.vlm_att_val_projector")
    key = linear(weights, "model.vlm_att_key_projector")
    pulls = [
        attention(found.queries[t], x, key).logsumexp(1).mean()
        - attention(found.silent[t], x, key).logsumexp(1).mean()
        for t, x in enumerate(found.patches)
    ]
    chosen = best(torch.stack(pulls), keys)
    tokens = []
    for t, x in enumerate(found.patches):
        if t in chosen:
            tokens.append(cone(torch.cat((pooled(x), prototypes(x, released=False, gate=None)))))
        attended = attention(found.queries[t], x, key).softmax(1) @ x  # (Q, D_v)
        tokens.append(context(attended.mean(0, keepdim=True)))
        tokens.append(cone(x.mean(0, keepdim=True) if side == 1 else cells(x, side)))
    return torch.cat(tokens), chosen


def cells(points: Tensor, side: int) -> Tensor:
    """The means of `side` x `side` cells of a frame's grid."""
    grid = math.isqrt(len(points))
    step = grid // side
    square = points.reshape(grid, grid, -1)
    parts = [
        square[r * step : (r + 1) * step, c * step : (c + 1) * step] for r in range(side) for c in range(side)
    ]
    return torch.stack([part.flatten(0, 1).mean(0) for part in parts])


def release_tokens(weights: Weights, found: Read, keys: int) -> tuple[Tensor, list[int]]:
    """The DynFocus release: cones for key frames, [content, context] for the rest, gated prototypes."""
    cone = projector(weights, "model.mm_projector")
    context = linear(weights, "model.vlm_att_val_projector")
    key = linear(weights, "model.vlm_att_key_projector")
    gate = linear(weights, "merge.score")
    frames = torch.stack([pooled(x) for x in found.patches])  # (T, 16, D_v)
    net = "selective_net.score_network."
    x = torch.cat((frames.mean(1), frames.amax(1)), dim=-1)
    x = F.layer_norm(x, (2 * VISION,), weights[f"{net}in_conv.0.weight"], weights[f"{net}in_conv.0.bias"])
    x = F.gelu(linear(weights, f"{net}in_conv.1")(x))
    x = torch.cat((x[:, :VISION], x[:, VISION:].mean(0, keepdim=True).expand(len(x), -1)), dim=-1)
    x = F.gelu(linear(weights, f"{net}out_conv.2")(F.gelu(linear(weights, f"{net}out_conv.0")(x))))
    chosen = best(linear(weights, f"{net}out_conv.4")(x)[:, 0], keys)
    tokens = []
    for t, points in enumerate(found.patches):
        g = prototypes(points, released=True, gate=gate)
        if t in chosen:
            tokens.append(cone(torch.cat((frames[t], g))))
        else:
            attended = attention(found.queries[t], g, key).softmax(1) @ g
            tokens += [cone(g.mean(0, keepdim=True)), context(attended.mean(0, keepdim=True))]
    return torch.cat(tokens), chosen


def paper_tokens(fresh: Weights, found: Read, keys: int) -> tuple[Tensor, list[int]]:
    """The paper's connector by our names, which a source without one is given: rods on prototypes through
    F_coarse, cones through F_fine, key frames by a score network on max || mean."""
    fine, coarse = projector(fresh, "connector.fine"), projector(fresh, "connector.coarse")
    key = linear(fresh, "connector.rods.key")
    frames = torch.stack([pooled(x) for x in found.patches])
    net = "connector.score_network."
    x = torch.cat((frames.amax(1), frames.mean(1)), dim=-1)
    x = F.layer_norm(x, (2 * VISION,), fresh[f"{net}norm.weight"], fresh[f"{net}norm.bias"])
    x = F.gelu(linear(fresh, f"{net}input")(x))
    x = torch.cat((x[:, :VISION], x[:, VISION:].mean(0, keepdim=True).expand(len(x), -1)), dim=-1)
    x = F.gelu(linear(fresh, f"{net}head.2")(F.gelu(linear(fresh, f"{net}head.0")(x))))
    chosen = best(linear(fresh, f"{net}head.4")(x)[:, 0], keys)
    tokens = []
    for t, points in enumerate(found.patches):
        g = prototypes(points, released=False, gate=None)
        if t in chosen:
            tokens.append(fine(torch.cat((frames[t], g))))
        attended = attention(found.queries[t], g, key).softmax(1) @ g
        tokens += [coarse(attended.mean(0, keepdim=True)), coarse(g.mean(0, keepdim=True))]
    return torch.cat(tokens), chosen


def logits(model: LlamaForCausalLM, before: list[int], tokens: Tensor, after: list[int]) -> Tensor:
    """(tokens, words) of the whole prompt."""
    words = model.get_input_embeddings()
    whole = torch.cat((words(torch.tensor(before)), tokens, words(torch.tensor(after))))
    assert whole.shape[1] == LANGUAGE
    return model(inputs_embeds=whole.unsqueeze(0)).logits[0]
