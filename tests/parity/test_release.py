"""The network against what the DynFocus release and LLaMA-VID were recorded to do, part by part and whole.

Weights come under the release's names and go through the converters' own key maps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from recordings import FULL_RECORDINGS, GoldenCase
from torch import Tensor, nn
from torch.testing import assert_close

from dynfocus_cli.cce.spatial_prototypes import PrototypeGate, spatial_prototypes
from dynfocus_cli.checkpoints.sources.eva import eva_key_map
from dynfocus_cli.checkpoints.sources.llama_vid import (
    LLAMA_VID_SETTINGS,
    RELEASE_SETTINGS,
    connector_recipes,
    score_recipes,
)
from dynfocus_cli.checkpoints.sources.qformer import qformer_key_map
from dynfocus_cli.checkpoints.sources.recipe import Recipe
from dynfocus_cli.dpe.density_peaks import cluster, cluster_means
from dynfocus_cli.dpe.event_prototypes import pool_grid
from dynfocus_cli.dpe.kmeans import kmeans
from dynfocus_cli.dpe.score import ScoreNetwork
from dynfocus_cli.dpe.topk import hard_topk, minmax_normalise, perturbed_indicators
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.connector import CooperativeConnector
from dynfocus_cli.network.prompt import VICUNA_V1
from dynfocus_cli.network.qformer import QFormer
from dynfocus_cli.network.sizes import QFormerConfig, VisionConfig
from dynfocus_cli.network.vision_transformer import VisionTransformer
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import decode_frames, find_mentions, plan_sampling, probe

SPATIAL = {"counts": (16, 6), "neighbours": (8, 3), "rule": "release"}


def made(
    recipes: Mapping[str, Recipe], tensors: dict[str, Tensor], *, strict: bool = True
) -> dict[str, Tensor]:
    """Our tensors of the recorded ones, whose names are `w.` and the release's."""
    state = {}
    for name, recipe in recipes.items():
        if strict or all(f"w.{key}" in tensors for key in recipe.sources):
            state[name] = recipe.make(*(tensors[f"w.{key}"] for key in recipe.sources))
    return state


def score_network(tensors: dict[str, Tensor], width: int) -> ScoreNetwork:
    network = ScoreNetwork(width)
    network.load_state_dict(made(score_recipes(width, ours=""), tensors))
    return network


def connector(tensors: dict[str, Tensor], settings: dict[str, Any], **changes: Any) -> CooperativeConnector:
    """The connector with recorded weights. Recorded queries have been through f_q: ours is the identity."""
    width, language_width = tensors["x"].shape[2], tensors["y"].shape[-1]
    side = round(tensors["x"].shape[1] ** 0.5)
    sizes = {"hidden_size": width, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = DynFocusConfig(
        vision_config=sizes | {"image_size": side, "patch_size": 1},
        qformer_config=sizes | {"vocab_size": 8},
        text_config=sizes | {"hidden_size": language_width, "vocab_size": 8},
        rod_projectors="split",
        class_token=True,
        **(settings | changes),
    )
    found = CooperativeConnector(config)
    recipes = connector_recipes(ours="")
    if config.score_network:
        recipes |= score_recipes(width, ours="score_network.")
    if config.prototype_gate:
        recipes |= {f"gate.score.{part}": Recipe((f"merge.score.{part}",)) for part in ("weight", "bias")}
    left_out = found.load_state_dict(made(recipes, tensors, strict=False), strict=False)
    assert not left_out.unexpected_keys
    assert all(key.startswith(("question_encoder.", "rods.query.")) for key in left_out.missing_keys)
    nn.init.eye_(found.rods.query.weight)
    nn.init.zeros_(found.rods.query.bias)
    return found.eval()


@pytest.mark.parametrize("name", [f"a_compress_spatial_{i}" for i in range(4)])
def test_pooling(name: str, golden: GoldenCase) -> None:
    case, tensors = golden(name)
    if case["quirk"]:  # the release drops border rows there
        with pytest.raises(ValueError, match="pooled evenly"):
            pool_grid(tensors["x"], case["compress_size"])
        return
    assert_close(pool_grid(tensors["x"], case["compress_size"]), tensors["y"], **case["tol"])


@pytest.mark.parametrize("name", [f"b_score_topk_{i}" for i in range(3)])
def test_scores_and_choice(name: str, golden: GoldenCase) -> None:
    case, tensors = golden(name)
    raw = score_network(tensors, tensors["h"].shape[-1])(tensors["h"])
    assert_close(raw, tensors["raw_scores"], **case["tol"])
    normalised = minmax_normalise(raw)
    assert_close(normalised, tensors["norm_scores"], **case["tol"])
    chosen = hard_topk(normalised, case["k"])
    assert torch.equal(chosen, tensors["indices"])
    width = tensors["G"].shape[-1]  # of which the large case keeps one channel
    cones = torch.cat((tensors["h"][chosen][..., :width], tensors["G"][chosen]), dim=1)
    assert_close(cones, tensors["key_frame_feature"], **case["tol"])


@pytest.mark.parametrize("name", ["c_merger_0", "c_merger_1"])
def test_spatial_prototypes(name: str, golden: GoldenCase) -> None:
    case, tensors = golden(name)
    first = cluster(tensors["x"], 16, case["k1"], rule="release")
    assert torch.equal(first.centres, tensors["centres1"])
    assert torch.equal(first.assignment, tensors["assign1"])
    means = cluster_means(tensors["x"], first.assignment, 16)
    assert_close(means, tensors["tokens1"], **case["tol"])
    second = cluster(means, 6, case["k2"], rule="release")
    assert torch.equal(second.centres, tensors["centres2"])
    assert torch.equal(second.assignment, tensors["assign2"])
    found = spatial_prototypes(tensors["x"], **SPATIAL)
    assert_close(found.coarse, tensors["tokens2"], **case["tol"])
    gate = PrototypeGate(6)
    gate.load_state_dict({f"score.{part}": tensors[f"w.merge.score.{part}"] for part in ("weight", "bias")})
    assert_close(gate(found), tensors["G"], **case["tol"])


def test_rods(golden: GoldenCase) -> None:
    case, tensors = golden("d_rods_0")
    shaped = tensors | {"x": torch.zeros(5, 16, 32)}
    paper = {"temporal_clustering": "dpc_knn", "score_network": False, "scorer": "density"}
    whole = connector(shaped, RELEASE_SETTINGS | paper, prototype_gate=False)
    attention = whole.rods.attention(tensors["text_q"], tensors["G"])
    assert_close(attention, tensors["attention"], **case["tol"])
    rods = whole._rods(tensors["G"].unsqueeze(0), tensors["text_q"].unsqueeze(0))
    assert_close(rods[0], tensors["y"], **case["tol"])


WHOLE = ["e_connector_T1_0", "e_connector_T2_1", "e_connector_T12_2"]


@pytest.mark.parametrize("name", WHOLE + ["e_connector_T100_3"] * (FULL_RECORDINGS is not None))
def test_the_whole_connector(name: str, golden: GoldenCase, monkeypatch: pytest.MonkeyPatch) -> None:
    case, tensors = golden(name)
    if "kmeans_init_perm" in tensors:
        # The one thing that is random: which frames the clusters start from.
        initial = tensors["kmeans_init_perm"][:80].sort().values
        monkeypatch.setattr("dynfocus_cli.network.connector.initial_frames", lambda *_: initial)
    whole = connector(tensors, RELEASE_SETTINGS)
    x = tensors["x"].unsqueeze(0)
    with torch.no_grad():
        features = whole.prepare(torch.cat((torch.zeros_like(x[:, :, :1]), x), dim=2))
        selection = whole.select(
            features, events=len(tensors["prototypes"]), key_events=len(tensors["selected_prototypes"])
        )
        tokens, frame_of_token = whole.encode(features, selection, tensors["text_q"].unsqueeze(0))
    assert_close(features.prototypes[0], tensors["G"], **case["tol"])
    order = tensors["prototype_frame_ids"].argsort()  # ours stand in the order of their frames
    assert torch.equal(selection.centres[0], tensors["prototype_frame_ids"][order])
    assert_close(selection.event_prototypes[0], tensors["prototypes"][order], **case["tol"])
    assert_close(selection.raw_scores[0], tensors["raw_scores"][order], **case["tol"])
    assert torch.equal(selection.key_frames[0], tensors["key_frame_ids_sorted"])
    assert_close(tokens[0], tensors["y"], **case["tol"])
    price = whole.config.frame_price(case["T"])
    assert len(tokens[0]) == case["n_tokens"] == price.total(case["T"], selection.key_frames.shape[1])
    counts = frame_of_token[0].bincount(minlength=case["T"])
    assert (counts[selection.key_frames[0]] == price.key).all()


def test_the_whole_connector_with_kmeans(golden: GoldenCase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame twice, and as many clusters as before: they are the pairs, and nothing else changes."""
    case, tensors = golden("e_connector_T12_2")
    monkeypatch.setattr(
        "dynfocus_cli.network.connector.initial_frames", lambda frames, *_: torch.arange(0, frames, 2)
    )
    whole = connector(tensors, RELEASE_SETTINGS)
    x, text_q = (tensors[name].repeat_interleave(2, dim=0).unsqueeze(0) for name in ("x", "text_q"))
    with torch.no_grad():
        features = whole.prepare(torch.cat((torch.zeros_like(x[:, :, :1]), x), dim=2))
        selection = whole.select(features, events=12, key_events=len(tensors["selected_prototypes"]))
        tokens, frame_of_token = whole.encode(features, selection, text_q)
    assert selection.assignment[0].tolist() == [frame // 2 for frame in range(24)]
    assert selection.centres[0].tolist() == [2 * frame for frame in range(12)]
    assert_close(selection.event_prototypes[0], tensors["prototypes"], **case["tol"])
    assert_close(selection.raw_scores[0], tensors["raw_scores"], **case["tol"])
    assert torch.equal(selection.key_frames[0], 2 * tensors["key_frame_ids_sorted"])
    # What was recorded of a frame is what its first copy gets; a key frame's second one gets rods instead.
    of_first = frame_of_token[0] % 2 == 0
    assert_close(tokens[0][of_first], tensors["y"], **case["tol"])


def test_kmeans(golden: GoldenCase) -> None:
    case, tensors = golden("e_connector_T100_3")
    pooled = tensors["pooled"].flatten(1)
    clusters, centroids = kmeans(pooled, tensors["kmeans_init_perm"][: len(tensors["prototypes"])])
    assert torch.equal(clusters.assignment, tensors["kmeans_labels"])
    assert_close(centroids, tensors["prototypes"].flatten(1), **case["tol"])


@pytest.mark.parametrize("name", [f"f_perturbed_topk_{i}" for i in range(3)])
def test_perturbed_topk(name: str, golden: GoldenCase) -> None:
    case, tensors = golden(name)
    x = tensors["x"].requires_grad_()
    found = perturbed_indicators(x, tensors["noise"], case["k"], case["sigma"], "diagonal")
    assert_close(found, tensors["indicators"], **case["tol"])
    found.backward(tensors["grad_output"])
    assert_close(x.grad, tensors["grad_x"], **case["tol"])


def test_gradients_in_training(golden: GoldenCase) -> None:
    case, tensors = golden("f2_patchnet_train")
    h, k = tensors["h"].requires_grad_(), len(tensors["indices"])
    network = score_network(tensors, h.shape[-1])
    scores = minmax_normalise(network(h)).unsqueeze(0)
    indicators = perturbed_indicators(scores, tensors["noise"], k, case["sigma"], "diagonal")[0]
    pooled = torch.einsum("kt,tpd->kpd", indicators, h)
    prototypes = torch.einsum("kt,tgd->kgd", indicators.detach(), tensors["G"])
    cones = torch.cat((pooled, prototypes), dim=1)
    assert_close(cones, tensors["key_frame_feature"], **case["tol"])
    cones.backward(tensors["grad_output"])
    assert_close(h.grad, tensors["grad_h"], **case["tol"])
    parameters = dict(network.named_parameters())
    for name, recipe in score_recipes(h.shape[-1], ours="").items():
        # What makes ours of theirs makes the gradients of ours of theirs: halves that change places.
        expected = recipe.make(tensors[f"grad.{recipe.sources[0]}"])
        assert_close(parameters[name].grad, expected, **case["tol"])


@pytest.mark.parametrize(("name", "side"), [("g_llamavid_mean", 1), ("g_llamavid_grid2", 2)])
def test_tokens_of_llama_vid(name: str, side: int, golden: GoldenCase) -> None:
    case, tensors = golden(name)
    whole = connector(tensors, LLAMA_VID_SETTINGS, content_side=side)
    rods = whole._rods(tensors["x"].unsqueeze(0), tensors["text_q"].unsqueeze(0))
    assert_close(rods[0], tensors["y"], **case["tol"])
    assert whole.config.rod_tokens == tensors["y"].shape[1]


def test_vision_tower(golden: GoldenCase) -> None:
    case, tensors = golden("h_eva_tiny")
    given = case["config"]
    tower = VisionTransformer(
        VisionConfig(
            hidden_size=given["embed_dim"],
            intermediate_size=tensors["w.blocks.0.mlp.fc1.weight"].shape[0],
            num_hidden_layers=given["depth"],
            num_attention_heads=given["num_heads"],
            image_size=given["img_size"],
            patch_size=given["patch_size"],
            layer_norm_eps=given["ln_eps"],
        )
    ).eval()
    shapes = {key.removeprefix("w."): tuple(tensor.shape) for key, tensor in tensors.items()}
    key_map = eva_key_map(shapes, "", given["depth"], ours="")
    left_out = tower.load_state_dict(made(key_map.recipes, tensors), strict=False)
    assert set(left_out.missing_keys) == key_map.fresh
    with torch.no_grad():
        found = tower.features(tensors["pixel_values"])
    assert_close(found, tensors["y"], **case["tol"])


def test_qformer(golden: GoldenCase) -> None:
    case, tensors = golden("i_qformer_tiny")
    given, prefix = case["config"], "model.vlm_att_encoder.bert."
    model = QFormer(
        QFormerConfig(
            encoder_hidden_size=given["encoder_width"],
            cross_attention_frequency=given["cross_attention_freq"],
            **{key: value for key, value in given.items() if not key.startswith(("encoder", "cross"))},
        )
    ).eval()
    key_map = qformer_key_map(prefix, given["num_hidden_layers"], ours="")
    model.load_state_dict(made(key_map.recipes, tensors))
    assert {f"w.{key}" for key in key_map.dropped} <= tensors.keys()
    norm = nn.LayerNorm(given["encoder_width"], eps=1e-5)
    norm.load_state_dict({part: tensors[f"w.model.vlm_att_ln.{part}"] for part in ("weight", "bias")})
    queries = tensors["query"].expand(len(tensors["vision"]), -1, -1)
    with torch.no_grad():
        found = model(queries, norm(tensors["vision"]), tensors["input_ids"], tensors["attention_mask"])
    assert_close(found, tensors["y"], **case["tol"])


def test_preprocessing(golden: GoldenCase, tmp_path: Path) -> None:
    """To the letter with PIL's scaling. The decoder scales with swscale, whose bicubic kernel is a little
    sharper than PIL's: 2 in 10,000 values leave the tolerance, none by more than 3 of 255 levels."""
    case, tensors = golden("j_preprocess")
    clip = str(tmp_path / "lossless.mkv")
    with av.open(clip, "w") as container:
        height, width = tensors["frames_uint8"].shape[1:3]
        stream = container.add_stream("ffv1", 25, width=width, height=height, pix_fmt="bgr0")
        for picture in tensors["frames_uint8"].numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    preprocessing = Preprocessing()
    size, fit = preprocessing.size, preprocessing.fit
    (batch,) = decode_frames(probe(clip), [0.0], width=size, height=size, fit=fit, batch_size=1)
    expected = tensors["pixel_values"]
    step = size // expected.shape[-1]  # 4 where only every fourth pixel is kept
    off = (preprocessing(batch.pixels)[..., ::step, ::step] - expected).abs()
    assert (off > case["tol"]["atol"]).float().mean() < 2e-4
    assert off.max() < 3.1 / 255 / min(preprocessing.std)
    left = (373 - size) // 2
    scaled = [
        np.asarray(Image.fromarray(picture).resize((373, size), Image.Resampling.BICUBIC))
        for picture in tensors["frames_uint8"].numpy()
    ]
    by_pil = preprocessing(np.stack(scaled)[:, :, left : left + size])[..., ::step, ::step]
    assert_close(by_pil, expected, atol=case["tol"]["atol"], rtol=0.0)


def test_prompts(golden_folder: Path) -> None:
    cases = json.loads((golden_folder / "k_prompts_sampling.json").read_text(encoding="utf-8"))["prompts"]
    ours = VICUNA_V1.replace("<video>", "<image>")
    single = [case for case in cases["vicuna_v1"] if len(case["turns"]) == 1]
    assert single
    for case in single:
        assert ours.replace("{question}", case["turns"][0]) == case["prompt"]
        assert case["stop"] == "</s>"


def test_sampling(golden_folder: Path) -> None:
    """The loaders take one frame every round(fps) frames: asked for that rate, ours are the same frames.

    Beyond 1000 frames they take 200, the last of each 200th part; ours takes the first of each, so that a
    video's beginning is always seen. Both lie in the same part.
    """
    cases = json.loads((golden_folder / "k_prompts_sampling.json").read_text(encoding="utf-8"))["sampling"]
    for case in cases:
        if "error" in case:
            continue  # the release's own division by zero, below half a frame a second
        fps, total, indices = case["avg_fps"], case["total_frames"], case["indices"]
        source = VideoSource("v.mp4", total / fps, 64, 64, fps, "h264", 0, False, 0, 0.0)
        step = round(fps)
        capped = total / step > 1000
        options = SamplingOptions(frames=200) if capped else SamplingOptions(fps=fps / step)
        plan = plan_sampling(
            source, options, find_mentions("", source.duration_s), default_fps=1.0, default_max_frames=1000
        )
        if capped:
            parts = [int(time_s / source.duration_s * 200 + 1e-6) for time_s in plan.times_s]
            assert parts == [min(199, int(index / total * 200)) for index in indices]
        else:
            assert [round(time_s * fps) for time_s in plan.times_s] == indices
