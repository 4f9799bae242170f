"""Hypothesis: the whole connector, from patch features to video tokens, runs at 0.6 or more of this machine's
matrix-product rate, in at most 0.35 GiB, and twice the frames take at most 2.1 times as long.

The paper's sizes: 256 patches a frame of width 1408, a language model of width 4096, L = 80, K = 32; float32,
and on a CPU one thread. Timed are `prepare`, `select` and `encode`: S-DPC, T-DPC or k-means, scores, rods,
cones and projectors. The Q-Former is not: its 32 queries a frame are given, those that LLaMA-VID's attention
score reads too, and its own rate is a line of its own.

The rate counts the matrix products that a step needs in the form that we compute it in, 2mnk operations each
whatever their precision, and nothing else: of symmetric distances the blocks that are computed, no cluster
means though they are products too, no k-means. `gflop_executed` is what torch counts, those included.

The extra memory is what the peak of a fresh process lies above weights, inputs and returned tokens, and holds
also what torch loads in its first run.

    python benchmarks/connector.py [--device cuda] [--rounds 7] [--out benchmarks/results/connector.json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance import provenance

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from dynfocus_cli.network.config import DynFocusConfig
    from dynfocus_cli.network.connector import CooperativeConnector

SETTINGS = ("paper", "llama_vid", "release")
FRAMES = (200, 400)
EVENTS, KEY_EVENTS = 80, 32
PATCHES, WIDTH, LANGUAGE_WIDTH, QUERIES, QUERY_WIDTH = 256, 1408, 4096, 32, 768
QUESTION_TOKENS, QFORMER_FRAMES = 16, 16
SQUARE = 4096
"""Side of the matrices whose product gives the machine's rate: about as much work as the connector has."""
LEAST_RATE, MOST_EXTRA_GIB, MOST_GROWTH = 0.6, 0.35, 2.1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    parser.add_argument("--memory", nargs=2, metavar=("SETTING", "FRAMES"), help="only print the extra bytes")
    arguments = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    if arguments.memory is not None:
        setting, frames = arguments.memory
        return print(extra_memory(setting, int(frames), arguments.device))

    device = arguments.device
    left, right = (torch.randn(SQUARE, SQUARE, device=device) for _ in range(2))
    visual, queries = inputs(max(FRAMES), device)
    steps: dict[str, Callable[[], object]] = {"product": lambda: left @ right}
    for setting in SETTINGS:
        connector = build(setting, queries, device)
        for frames in FRAMES:
            steps[f"{setting} {frames}"] = step(connector, visual[:, :frames], queries[:, :frames])
    reader, asked = qformer(device), visual[0, :QFORMER_FRAMES]
    words = torch.zeros(QFORMER_FRAMES, QUESTION_TOKENS, dtype=torch.int64, device=device)
    steps["qformer"] = lambda: reader(asked, words, torch.ones_like(words))
    work = {name: executed(run) for name, run in steps.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    ratios: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(arguments.rounds + 1):
        for name, run in steps.items():
            # A product ahead of each, so that what else the machine does slows both.
            product, taken = timed(steps["product"], device), timed(run, device)
            if number:  # the first round warms up
                seconds[name].append(taken)
                ratios[name].append(product / taken / work["product"])
    median = {name: statistics.median(values) for name, values in seconds.items()}
    # Times the operations that a step counts: its share of the machine's rate.
    share = {name: statistics.median(values) for name, values in ratios.items()}

    rate = work["product"] / median["product"]
    print(f"machine: {rate / 1e9:.1f} GFLOP/s in products of {SQUARE} x {SQUARE} float32")
    result: dict[str, Any] = {
        "device": device,
        "sizes": {
            "patches": PATCHES, "width": WIDTH, "language_width": LANGUAGE_WIDTH, "queries": QUERIES,
            "query_width": QUERY_WIDTH, "events": EVENTS, "key_events": KEY_EVENTS,
        },
        "machine_gflops": round(rate / 1e9, 1),
        "rounds": arguments.rounds,
        "settings": {},
        "qformer": {
            "seconds_a_frame": round(median["qformer"] / QFORMER_FRAMES, 4),
            "gflop_a_frame": round(work["qformer"] / QFORMER_FRAMES / 1e9, 2),
            "rate_ratio": round(work["qformer"] * share["qformer"], 3),
        },
    }  # fmt: skip
    passed = True
    for setting in SETTINGS:
        found = figures(setting, median, share, device)
        found["gflop_executed"] = round(work[f"{setting} {FRAMES[0]}"] / 1e9, 1)
        result["settings"][setting] = found
        passed &= found["passed"]
        print(
            f"{setting:9} T = {FRAMES[0]}: {found['seconds']:.2f} s for {found['gflop']:.0f} GFLOP, "
            f"{found['rate_ratio']:.2f} x the machine's rate; {found['extra_gib']:.2f} GiB; "
            f"T = {FRAMES[1]}: {found['growth']:.2f} x as long, {found['extra_gib_longer']:.2f} GiB"
        )
    told = result["qformer"]
    print(f"Q-Former: {told['seconds_a_frame']:.3f} s a frame, {told['rate_ratio']:.2f} x the machine's rate")
    result |= {"passed": passed, "measured": provenance()}
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def figures(setting: str, median: dict[str, float], share: dict[str, float], device: str) -> dict[str, Any]:
    """What is told of one setting."""
    first, longer = (median[f"{setting} {frames}"] for frames in FRAMES)
    counted = products(setting, FRAMES[0])
    work = sum(counted.values())
    extra = [in_a_fresh_process(setting, frames, device) / 2**30 for frames in FRAMES]
    reached, growth = work * share[f"{setting} {FRAMES[0]}"], longer / first
    return {
        "seconds": round(first, 3),
        "seconds_longer": round(longer, 3),
        "gflop": round(work / 1e9, 1),
        "gflop_each": {name: round(operations / 1e9, 2) for name, operations in counted.items()},
        "rate_ratio": round(reached, 3),
        "growth": round(growth, 3),
        "extra_gib": round(extra[0], 3),
        "extra_gib_longer": round(extra[1], 3),
        "passed": reached >= LEAST_RATE and extra[0] <= MOST_EXTRA_GIB and growth <= MOST_GROWTH,
    }


def build(setting: str, queries: Tensor, device: str) -> CooperativeConnector:
    """A connector with random weights, whose Q-Former has read the first of `queries` already."""
    import torch
    from torch import nn

    from dynfocus_cli.network.connector import CooperativeConnector

    torch.manual_seed(0)
    with torch.device("meta"):
        connector = CooperativeConnector(config_of(setting))
        connector.question_encoder = nn.Identity()
    connector.to_empty(device=device)
    for parameter in connector.parameters():
        parameter.normal_(0, parameter.shape[-1] ** -0.5)
    connector.read = lambda features, question: queries[:, : features.frames]
    return connector.eval()


def config_of(setting: str) -> DynFocusConfig:
    """The paper's settings, or those that a converted LLaMA-VID or DynFocus folder has."""
    from dynfocus_cli.checkpoints.sources.llama_vid import LLAMA_VID_SETTINGS, RELEASE_SETTINGS
    from dynfocus_cli.network.config import DynFocusConfig
    from dynfocus_cli.network.sizes import LanguageConfig

    changes = {"paper": {}, "llama_vid": LLAMA_VID_SETTINGS, "release": RELEASE_SETTINGS}[setting]
    if changes:
        changes = changes | {"class_token": True, "rod_projectors": "split"}
    config = DynFocusConfig(text_config=LanguageConfig(hidden_size=LANGUAGE_WIDTH), **changes)
    sizes = (config.vision_config.hidden_size, config.qformer_config.hidden_size, config.num_query_tokens)
    assert sizes == (WIDTH, QUERY_WIDTH, QUERIES), sizes
    return config


def inputs(frames: int, device: str) -> tuple[Tensor, Tensor]:
    """Patch features with a class token, and the queries of each frame; a scene lasts about 8 frames."""
    import torch

    generator = torch.Generator(device).manual_seed(1)
    visual = torch.empty(1, frames, 1 + PATCHES, WIDTH, device=device).normal_(generator=generator)
    for first in range(0, frames, 8):
        visual[:, first + 1 : first + 8].mul_(0.5).add_(visual[:, first : first + 1])
    queries = torch.empty(1, frames, QUERIES, QUERY_WIDTH, device=device).normal_(generator=generator)
    return visual, queries


def step(connector: CooperativeConnector, visual: Tensor, queries: Tensor) -> Callable[[], Tensor]:
    """The whole connector on one video."""
    import torch

    from dynfocus_cli.network.stages import Question

    config = connector.config
    if not config.class_token:
        visual = visual[:, :, 1:]
    words = torch.zeros(1, QUESTION_TOKENS, dtype=torch.int64, device=visual.device)

    def run() -> Tensor:
        features = connector.prepare(visual)
        selection = connector.select(
            features,
            events=EVENTS,
            key_events=KEY_EVENTS,
            scorer=config.scorer,
            question=Question(words, torch.ones_like(words)),
            generator=torch.Generator().manual_seed(0),
        )
        tokens, _ = connector.encode(features, selection, queries)
        return tokens

    return run


def qformer(device: str) -> torch.nn.Module:
    """The Q-Former alone, with random weights."""
    import torch

    from dynfocus_cli.network.question_encoder import QuestionEncoder

    torch.manual_seed(0)
    with torch.device(device):
        return QuestionEncoder(config_of("release")).eval()


def products(setting: str, frames: int) -> dict[str, int]:
    """Operations of the matrix products that count, step by step."""
    config = config_of(setting)
    fine, coarse = config.spatial_prototypes
    pooled = config.pooled_side**2 * WIDTH
    projector = WIDTH * LANGUAGE_WIDTH + LANGUAGE_WIDTH**2
    fold = QUERY_WIDTH * WIDTH**2
    on_patches, split = config.rod_source == "patches", config.rod_projectors == "split"
    with_rods = frames if config.key_frame_rods else frames - KEY_EVENTS
    counted = {"S-DPC: distances": frames * (pairs(PATCHES) + pairs(fine)) * WIDTH}
    if config.temporal_clustering == "dpc_knn":
        counted["T-DPC: distances"] = pairs(frames) * pooled
    if config.scorer == "attention":
        counted["attention score"] = fold + attention(EVENTS, 2 * QUERIES, on_patches)
    else:
        hidden = config.score_hidden_size or 2 * WIDTH
        layers = 2 * WIDTH * hidden + hidden**2 // 2 + hidden**2 // 8 + hidden // 4
        counted["score network"] = EVENTS * layers
    counted["rods: attention"] = fold + attention(with_rods, QUERIES, on_patches)
    counted["rods: context"] = with_rods * (PATCHES if on_patches else fine + coarse) * WIDTH
    counted["rods: projectors"] = with_rods * (projector + (WIDTH * LANGUAGE_WIDTH if split else projector))
    counted["cones: projector"] = KEY_EVENTS * config.cone_tokens * projector
    return {name: 2 * each for name, each in counted.items()}


def pairs(points: int) -> int:
    """Entries of the product of points with themselves that are computed: a half of it, by blocks of rows."""
    from dynfocus_cli.dpe.density_peaks import ROWS

    return sum(min(ROWS, points - first) * (points - first) for first in range(0, points, ROWS))


def attention(frames: int, queries: int, on_patches: bool) -> int:
    """Multiplications from queries and points to logits; the fewer go through the folded matrix."""
    points = PATCHES if on_patches else 22
    if points < queries:
        return frames * points * (WIDTH * QUERY_WIDTH + queries * QUERY_WIDTH + WIDTH)
    return frames * queries * (QUERY_WIDTH * WIDTH + points * WIDTH)


def executed(run: Callable[[], object]) -> int:
    """Operations of all matrix products that torch counts in a run."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def extra_memory(setting: str, frames: int, device: str) -> int:
    """Peak bytes of one run beyond weights, inputs and the tokens that it returns."""
    import torch

    visual, queries = inputs(frames, device)
    run = step(build(setting, queries, device), visual, queries)
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        tokens = run()
        return torch.cuda.max_memory_allocated() - before - tokens.nbytes
    before = kernel_says("VmRSS")
    tokens = run()
    return kernel_says("VmHWM") - before - tokens.nbytes


def kernel_says(field: str) -> int:
    """Bytes of a line of /proc/self/status. `VmHWM` is this process's own peak, where `ru_maxrss` may be its
    parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, value = line.split(":", 1)
        if name == field:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"no {field} in /proc/self/status: memory is measured on Linux alone")


def in_a_fresh_process(setting: str, frames: int, device: str) -> int:
    """`extra_memory` where nothing ran before it."""
    command = [sys.executable, __file__, "--device", device, "--memory", setting, str(frames)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def timed(run: Callable[[], object], device: str) -> float:
    """Seconds that `run` takes."""
    import torch

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    began = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
