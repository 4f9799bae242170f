"""Hypothesis: the poster's orderings hold in miniature. Rods beside cones beat either alone, all patches of a
key frame beat its 40 tokens, and key frames that DPE chooses beat frames taken evenly for as many tokens.

    python benchmarks/ablation.py tokens  [--seeds 1 2 3] [--world long] [--model FOLDER ...]
    python benchmarks/ablation.py controls
    python benchmarks/ablation.py sizes   [--arms "(0, 40)"] [--world long]
    python benchmarks/ablation.py scorers

`tokens` is the poster's "Ablation of Dynamic Encoding": tokens for other frames and for key frames.

    (0, 40)   key frames alone
    (2, 40)   key frames, and everyone's rods
    (0, all)  all 64 patches and the 2 rods of key frames, nothing of the others
    (2, all)  the same, and everyone's rods
    (2, 2)    rods alone, of every frame
    (2, 0)    rods of the other frames, nothing of key frames
    even      as many evenly spaced frames of 40 tokens as cost what (2, 40) costs, nothing of the others

With `--model weights/plain-rods/model` all rods are the paper's, from the first lesson on.

`controls` asks what the difference between (2, 40) and (0, 40) is made of.

    (0, 40) more   more key frames, as many as cost what (2, 40) costs
    (2, 40) plain  by rods without what this network adds to the paper's: change, and the number of their shot
    (0, 40) plain  key frames by such rods

Each arm begins with the network of --model, and learns `--steps` batches in its own way of spending tokens,
from answers and decisive seconds alone; vision encoder, Q-Former and the rods' attention stay as they are,
so all arms see the same. The batches of a seed are drawn alike for all arms, what an arm fails at more often;
the examination's questions are the same: as many of each type, about clips that no stage has trained on, one
frame a second. `--world long` has clips of 128 to 300 s in 14 to 24 scenes, to train on and for examination.

`sizes` sweeps L and K/L, and `scorers` has the learned scores with and without the question choose the key
frames, beside density and chance. Both take the networks of `tokens` as they are: (2, 40), or for `sizes` the
arms that are named, and `scorers` also (0, 40), which sees nothing but the key frames.

Work is kept in --work after every step of any size: give the same command again to go on; a second process
takes its share by --train-only, or by --seeds and --arms. Intervals are 95 %, by a bootstrap that draws seeds
and clips.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.dpe.density_peaks import cluster
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.stages import EventSelection, Question, VideoFeatures
from dynfocus_cli.synth.questions import MOMENT_TYPES, QUESTION_TYPES
from dynfocus_cli.synth.world import LONG, SHORT
from dynfocus_tiny.answers import TokenWriter, forward_batch
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.curriculum import CurriculumModel, Phase, train_answers
from dynfocus_tiny.examples import TrainingExample, collate, draw_examples
from dynfocus_tiny.precision import training_precision
from dynfocus_tiny.recipe import PREPROCESSING, TRAINING_SEED, VALIDATION_SEED
from dynfocus_tiny.run import set_up_torch, trained_model
from provenance import provenance

RESAMPLES = 5_000
QUESTIONS = {"tokens": 30, "controls": 30, "sizes": 15, "scorers": 70}
ROWS = 12
"""Questions that are answered at once in the examination."""
CLIPS = {
    "short": (400, TRAINING_SEED, 150, VALIDATION_SEED, SHORT),
    "long": (150, 3_000_000, 40, 3_500_000, LONG),
}
"""Training's clips and first seed, examination's clips and first seed, and their world."""
FRAMES = {"short": (16, 24, 32, 48, 64, 96), "long": (128, 160, 192, 256, 288)}
EVENTS, RATIOS = (4, 8, 16, 32), (0.125, 0.25, 0.5, 0.75)
NEEDLE_FRAMES, NEEDLE_KEYS = 32, (4, 8)

NEEDS = {kind: "detail of a named moment" for kind in MOMENT_TYPES} | {
    "needle": "brief detail",
    "appear": "context of all scenes",
    "scenes": "context of all scenes",
    "motion": "change",
    "turn": "change",
    "when": "order and time",
    "first": "order and time",
    "before": "order and time",
    "after": "order and time",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        default=[Path("weights/second-seed/model"), Path("weights/old-world/model")],
        help="folders of the old world's recipe; several are taken in turn, one a seed",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the batches")
    parser.add_argument("--arms", nargs="+", choices=tuple(WAYS), help="all of the experiment")
    parser.add_argument("--steps", type=int, default=100, help="batches that each arm adapts by")
    parser.add_argument("--rows", type=int, default=16, help="questions a batch, at up to 32 frames")
    parser.add_argument(
        "--questions",
        type=int,
        default=None,
        help="of each type, in the examination: "
        + ", ".join(f"{count} in {name}" for name, count in QUESTIONS.items()),
    )
    parser.add_argument("--world", choices=tuple(FRAMES), default="short")
    parser.add_argument("--work", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--train-only", action="store_true", help="for a second process beside the first")
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()
    for folder in arguments.model:
        if not (folder / "config.json").is_file():
            parser.error(f"{folder} is no model folder: begin at the repository's root, or give --model")
    if arguments.arms is None:
        arguments.arms = {"controls": CONTROLS, "sizes": (PAPER,)}.get(arguments.experiment, POSTERS)
    if arguments.questions is None:
        arguments.questions = QUESTIONS[arguments.experiment]
    set_up_torch()
    result = EXPERIMENTS[arguments.experiment](arguments)
    if result is None:
        return
    result |= {name: getattr(arguments, name) for name in ("seeds", "world", "steps", "rows")}
    result["models"] = [revision(folder) for folder in arguments.model]
    configs = [json.loads((folder / "config.json").read_text()) for folder in arguments.model]
    result["plain_rods"] = not any(config.get("change_window") for config in configs)
    result["measured"] = provenance()
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def spend(others: int, keys: int | str) -> TokenWriter:
    """A way to write video tokens: `others` 0 or 2; `keys` 0, 2, 40 or `all`."""

    def write(
        model: DynFocusModel,
        features: VideoFeatures,
        selection: EventSelection,
        question: Question | None,
        times_s: Tensor,
        pinned: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        tokens, frame_of_token = model.video_tokens(features, selection, question, times_s, pinned)
        shown = torch.zeros(times_s.shape, dtype=torch.bool).scatter(1, selection.key_frames, True)
        of_key = shown.gather(1, frame_of_token)  # (B, M)
        # A frame's rods are its last two tokens.
        following = torch.cat((frame_of_token[:, 2:], torch.full_like(frame_of_token[:, :2], -1)), dim=1)
        rod = frame_of_token != following
        keep = ~of_key if others else torch.zeros_like(of_key)
        if keys == 40:
            keep = keep | of_key
        elif keys:
            keep = keep | (of_key & rod)
        batch = len(tokens)
        kept = tokens[keep].view(batch, -1, tokens.shape[-1])
        frames = frame_of_token[keep].view(batch, -1)
        if keys != "all":
            return kept, frames
        whole, of_frame = _all_patches(model, features, selection, times_s, pinned)
        frames = torch.cat((of_frame, frames), dim=1)
        order = frames.argsort(dim=1, stable=True)  # a key frame's patches before its rods
        kept = torch.cat((whole.to(kept.dtype), kept), dim=1)
        return kept.gather(1, order.unsqueeze(-1).expand_as(kept)), frames.gather(1, order)

    return write


def _all_patches(
    model: DynFocusModel,
    features: VideoFeatures,
    selection: EventSelection,
    times_s: Tensor,
    pinned: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Every patch of the key frames through F_fine, (B, 64 K, D_l), and the frame of each."""
    connector, batch = model.connector, torch.arange(len(times_s)).unsqueeze(1)
    tokens = connector.fine(features.patches[batch, selection.key_frames])  # (B, K, N, D_l)
    tokens = tokens + model.time_code(times_s).to(tokens.dtype)[batch, selection.key_frames].unsqueeze(2)
    if pinned is not None and connector.focus_mark is not None:
        marked = pinned[batch, selection.key_frames][..., None, None].to(tokens.dtype)
        tokens = tokens + marked * connector.focus_mark.to(tokens.dtype)
    frames = selection.key_frames.repeat_interleave(tokens.shape[2], dim=1)
    return tokens.flatten(1, 2), frames


def affordable(frames: int, keys: int) -> int:
    """How many frames of 40 tokens cost at most what all frames' rods and `keys` key frames do."""
    return min(frames, (40 * keys + 2 * (frames - keys)) // 40)


def evenly(
    model: DynFocusModel,
    features: VideoFeatures,
    selection: EventSelection,
    question: Question | None,
    times_s: Tensor,
    pinned: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """As many evenly spaced frames of 40 tokens as cost what all frames' rods and the K key frames do."""
    frames, keys = features.frames, selection.key_frames.shape[1]
    count = affordable(frames, keys)
    places = ((torch.arange(count) + 0.5) * frames / count).long()
    some = VideoFeatures(features.patches[:, places], features.prototypes[:, places])
    marked = None if pinned is None else pinned[:, places]
    chosen = model.connector.select(some, events=count, key_events=count, scorer="density")
    tokens, of_frame = model.video_tokens(some, chosen, question, times_s[:, places], marked)
    return tokens, places[of_frame]


def more(
    model: DynFocusModel,
    features: VideoFeatures,
    selection: EventSelection,
    question: Question | None,
    times_s: Tensor,
    pinned: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """As many key frames, by the same score, as cost what all frames' rods and the K key frames do."""
    frames, keys = features.frames, selection.key_frames.shape[1]
    count = affordable(frames, keys)
    chosen = model.connector.select(
        features,
        events=min(frames, max(count, model.config.prototypes)),
        key_events=count,
        question=question,
        pinned=pinned,
    )
    return spend(0, 40)(model, features, chosen, question, times_s, pinned)


def plainly(way: TokenWriter) -> TokenWriter:
    """`way`, by rods that hold their own frame and nothing else."""

    def write(model: DynFocusModel, *arguments: Any) -> tuple[Tensor, Tensor]:
        change, model.connector.change = model.connector.change, None
        try:
            return way(model, *arguments)
        finally:
            model.connector.change = change

    return write


WAYS: dict[str, TokenWriter] = {
    "(0, 40)": spend(0, 40),
    "(2, 40)": DynFocusModel.video_tokens,
    "(0, all)": spend(0, "all"),
    "(2, all)": spend(2, "all"),
    "(2, 2)": spend(2, 2),
    "(2, 0)": spend(2, 0),
    "even": evenly,
    "(0, 40) more": more,
    "(2, 40) plain": plainly(DynFocusModel.video_tokens),
    "(0, 40) plain": plainly(spend(0, 40)),
}
POSTERS = ("(0, 40)", "(2, 40)", "(0, all)", "(2, all)", "(2, 2)", "(2, 0)", "even")
CONTROLS = ("(2, 40)", "(0, 40) more", "(2, 40) plain", "(0, 40) plain")
"""The arms of `tokens` and of `controls`."""
PAPER, ALONE = "(2, 40)", "(0, 40)"
POSTER = {
    "(0, 40)": (63.7, 41.4),
    "(2, 40)": (67.9, 43.1),
    "(0, all)": (65.6, 42.1),
    "(2, all)": (68.4, 44.3),
    "(2, 2)": (62.0, 40.5),
    "(2, 0)": (58.2, 38.6),
}
"""The poster's accuracy on MSVD-QA and ActivityNet-QA, per cent."""
ORDERINGS = (
    ("(2, 40)", "(0, 40)"),
    ("(2, all)", "(0, all)"),
    ("(2, 40)", "(2, 2)"),
    ("(2, 2)", "(2, 0)"),
    ("(0, 40)", "(2, 2)"),
    ("(2, 40)", "(0, all)"),
    ("(0, all)", "(0, 40)"),
    ("(2, all)", "(2, 40)"),
    ("(2, 40)", "even"),
    ("(2, 40)", "(0, 40) more"),
    ("(2, 40)", "(2, 40) plain"),
    ("(2, 40) plain", "(0, 40) plain"),
)
"""What the poster has the first above the second in, as far as it has both."""


def network(arguments: argparse.Namespace, arm: str, seed: int) -> CurriculumModel:
    """The network of an arm and a seed, adapted as far as `--steps`."""
    begins = model_of(arguments, seed)
    model, prompt = trained_model(begins)
    clips, first, exam_clips, exam_first, world = CLIPS[arguments.world]
    stores = arguments.work / f"clips-{arguments.world}-{revision(begins)}"
    training = ClipStore(stores / "lessons", clips, first, world)
    exam = ClipStore(stores / "exam", exam_clips, exam_first, world)
    for store in (training, exam):
        store.build(model, PREPROCESSING, 0)
    phase = Phase(
        "adapt",
        arguments.steps,
        FRAMES[arguments.world],
        arguments.rows,
        (2, 4, 4, 4),
        5e-4,
        0.02,
        sigma=(0.1, 0.05),
    )
    trained = CurriculumModel(model, prompt, training, exam, seed, (phase,), WAYS[arm], auxiliary=False)
    train_answers(folder_of(arguments, arm, seed), trained)
    return trained


def folder_of(arguments: argparse.Namespace, arm: str, seed: int) -> Path:
    """Where an arm and a seed keep their work."""
    name = "-".join(re.findall(r"\w+", arm))
    return arguments.work / f"{arguments.world}-{revision(model_of(arguments, seed))}-{name}-{seed}"


def model_of(arguments: argparse.Namespace, seed: int) -> Path:
    """The network that a seed begins with, whichever other seeds are asked for."""
    return arguments.model[(seed - 1) % len(arguments.model)]


@dataclass(frozen=True, slots=True)
class Answered:
    """One question of the examination."""

    clip: int
    type: str
    right: bool
    tokens: int


def examination(store: ClipStore, a_type: int) -> list[list[TrainingExample]]:
    """As many questions of each type as asked for, on whole clips, one frame a second; by clip."""
    from dynfocus_cli.synth.questions import ask, observe

    missing = dict.fromkeys(QUESTION_TYPES, a_type)
    by_clip: list[list[TrainingExample]] = [[] for _ in store.scripts]
    order = list(range(len(store.scripts)))
    for attempt in range(40):
        random.Random(attempt).shuffle(order)
        for clip in order:
            script = store.scripts[clip]
            seconds = list(range(script.duration_s))
            rng = random.Random(1000 * attempt + clip)
            wanted = [kind for kind, count in missing.items() if count]
            if not wanted:
                return [some for some in by_clip if some]
            # The scarcest first: `ask` takes the types in turn, and not all clips offer all.
            for question in ask(observe(script, [float(s) for s in seconds]), rng, len(wanted), wanted):
                known = {example.question.question for example in by_clip[clip]}
                if missing[question.type] and question.question not in known:
                    missing[question.type] -= 1
                    by_clip[clip].append(TrainingExample(clip, seconds, question))
    raise SystemExit(f"{len(store.scripts)} clips do not offer so many questions: {missing} are missing.")


@torch.no_grad()
def examine(
    trained: CurriculumModel,
    exam: Sequence[Sequence[TrainingExample]],
    write: TokenWriter,
    *,
    events: int | None = None,
    ratio: float | None = None,
    question_aware: bool = True,
) -> list[Answered]:
    """Asks all questions; a question is right if greedy decoding gives its answer to the letter."""
    config = trained.model.config
    spent: list[int] = []

    def counted(*arguments: Any) -> tuple[Tensor, Tensor]:
        written = write(*arguments)
        spent.append(written[0].shape[1])
        return written

    answered = []
    for some in exam:
        for first in range(0, len(some), ROWS):
            part = some[first : first + ROWS]
            batch = collate(
                trained.validation_clips,
                part,
                trained.prompt,
                pins=True,
                longest=trained.model.config.longest_question,
            )
            found = min(events or config.prototypes, batch.features.frames)
            with training_precision():
                output = forward_batch(
                    trained.model,
                    batch,
                    trained.prompt.before_video,
                    events=found,
                    key_events=max(1, round((ratio or config.key_ratio) * found)),
                    exploration=None,
                    question_aware=question_aware,
                    write=counted,
                )
            answered += [
                Answered(example.clip, kind, right, spent[-1])
                for example, (kind, right) in zip(part, output.right, strict=True)
            ]
    return answered


def kept(path: Path, make: Callable[[], list[Answered]]) -> list[Answered]:
    """What an examination found, or had found before."""
    if path.exists():
        return [Answered(*row) for row in json.loads(path.read_text())]
    found = make()
    rows = [(one.clip, one.type, one.right, one.tokens) for one in found]
    part = path.with_suffix(".part")
    part.write_text(json.dumps(rows))
    os.replace(part, path)
    return found


def tokens(arguments: argparse.Namespace) -> dict | None:
    """The table of the arms, and which is above which."""
    found: dict[str, list[list[Answered]]] = defaultdict(list)
    for seed in arguments.seeds:
        for arm in arguments.arms:
            folder = folder_of(arguments, arm, seed)
            name = folder / f"exam-{arguments.steps}-{arguments.questions}.json"
            if arguments.train_only:
                if not name.exists():
                    network(arguments, arm, seed)
                continue

            def sit(arm: str = arm, seed: int = seed) -> list[Answered]:
                trained = network(arguments, arm, seed)
                return examine(trained, examination(trained.validation_clips, arguments.questions), WAYS[arm])

            found[arm].append(kept(name, sit))
            right = found[arm][-1]
            print(f"{arm:13} seed {seed}: {sum(one.right for one in right) / len(right):.1%}", flush=True)
    if arguments.train_only:
        return None
    result = {"questions": len(next(iter(found.values()))[0]), "arms": {}}
    for arm, seeds in found.items():
        result["arms"][arm] = summary(seeds)
        if arm != PAPER and PAPER in found:
            result["arms"][arm]["minus_paper"] = difference(seeds, found[PAPER])
    result["orderings"] = [
        {"above": above, "below": below, "poster": _poster_gain(above, below)}
        | difference(found[above], found[below])
        | {"needs": _by_need(found[above], found[below])}
        for above, below in ORDERINGS
        if above in found and below in found
    ]
    for arm, told in result["arms"].items():
        low, high = told["interval"]
        print(f"{arm:13} {told['tokens']:6.0f} tokens {told['accuracy']:6.1%} ({low:.1%} to {high:.1%})")
    return result


def _poster_gain(above: str, below: str) -> list[float] | None:
    """By how many points the poster has one arm above the other; None where it has not both."""
    if above not in POSTER or below not in POSTER:
        return None
    return [round(one - other, 1) for one, other in zip(POSTER[above], POSTER[below], strict=True)]


def _by_need(seeds: Sequence[Sequence[Answered]], others: Sequence[Sequence[Answered]]) -> dict[str, Any]:
    """The difference in the questions of each need."""
    return {
        need: difference([only(seed, need) for seed in seeds], [only(seed, need) for seed in others])
        for need in dict.fromkeys(NEEDS.values())
    }


def sizes(arguments: argparse.Namespace) -> dict:
    """Accuracy and tokens over L and K/L, of each arm."""
    rows = []
    for arm in arguments.arms:
        networks = [network(arguments, arm, seed) for seed in arguments.seeds]
        exams = [examination(trained.validation_clips, arguments.questions) for trained in networks]
        for events, ratio in itertools.product(EVENTS, RATIOS):
            name = f"sizes-{arguments.steps}-{arguments.questions}-{events}-{ratio}.json"
            seeds = []
            for seed, trained, exam in zip(arguments.seeds, networks, exams, strict=True):
                sit = partial(examine, trained, exam, WAYS[arm], events=events, ratio=ratio)
                seeds.append(kept(folder_of(arguments, arm, seed) / name, sit))
            rows.append({"arm": arm, "L": events, "K/L": ratio} | summary(seeds))
            print(
                f"{arm} L {events:3} K/L {ratio:5} {rows[-1]['tokens']:6.0f} tokens "
                f"{rows[-1]['accuracy']:.1%}",
                flush=True,
            )
    return {"questions": len(seeds[0]), "sizes": rows}


def scorers(arguments: argparse.Namespace) -> dict:
    """Answers by key frames that are chosen with and without the question, and needles covered."""
    covered: dict[str, list[list[Answered]]] = defaultdict(list)
    for seed in arguments.seeds:
        for policy, found in needles(network(arguments, PAPER, seed), arguments.questions).items():
            covered[policy].append(found)
    result = {
        "ways": {way: _by_scorer(arguments, way) for way in (PAPER, ALONE)},
        "needles": {
            policy: {"covered": summary(seeds)["accuracy"], "interval": summary(seeds)["interval"]}
            for policy, seeds in covered.items()
        },
        "needle_frames": NEEDLE_FRAMES,
    }
    for policy, told in result["needles"].items():
        print(f"{policy:20} {told['covered']:.1%}")
    for way, told in result["ways"].items():
        print(way, "question minus visual:", told["question_minus_visual"])
        print(way, "- where no moment is named:", told["where_no_moment_is_named"])
    return result


def _by_scorer(arguments: argparse.Namespace, way: str) -> dict[str, Any]:
    """What the question adds to the choice of key frames, by the answers of a way's networks."""
    found: dict[str, list[list[Answered]]] = defaultdict(list)
    for seed in arguments.seeds:
        trained = network(arguments, way, seed)
        exam = examination(trained.validation_clips, arguments.questions)
        for scorer in ("question", "visual"):
            name = f"scorer-{arguments.steps}-{arguments.questions}-{scorer}.json"
            found[scorer].append(
                kept(
                    folder_of(arguments, way, seed) / name,
                    lambda scorer=scorer, trained=trained, exam=exam: examine(
                        trained, exam, WAYS[way], question_aware=scorer == "question"
                    ),
                )
            )

    def gain(kinds: Sequence[str]) -> dict[str, Any]:
        asked = {
            scorer: [[one for one in seed if one.type in kinds] for seed in seeds]
            for scorer, seeds in found.items()
        }
        return difference(asked["question"], asked["visual"])

    unnamed = [kind for kind in QUESTION_TYPES if kind not in MOMENT_TYPES]
    return {
        "questions": len(found["question"][0]),
        "scorers": {scorer: summary(seeds) for scorer, seeds in found.items()},
        "question_minus_visual": gain(tuple(QUESTION_TYPES)),
        "where_no_moment_is_named": gain(unnamed),
        "by_type": {kind: gain([kind]) for kind in unnamed},
    }


@torch.no_grad()
def needles(trained: CurriculumModel, count: int) -> dict[str, list[Answered]]:
    """Whether a key frame shows the brief event, of 32 consecutive frames as 32 events, a policy and K."""
    rng = random.Random(0)
    examples: list[TrainingExample] = []
    while len(examples) < count:
        drawn = draw_examples(
            trained.validation_clips, rng, rows=8, frames=NEEDLE_FRAMES, weights={"needle": 1.0}, questions=1
        )
        examples += [one for one in drawn if one.question.type == "needle"]
    found: dict[str, list[Answered]] = defaultdict(list)
    connector = trained.model.connector
    for example in examples[:count]:
        batch = collate(
            trained.validation_clips,
            [example],
            trained.prompt,
            pins=True,
            longest=trained.model.config.longest_question,
        )
        brief = set(batch.brief[0].nonzero().flatten().tolist())
        for keys in NEEDLE_KEYS:
            chosen = {
                scorer: connector.select(
                    batch.features,
                    events=NEEDLE_FRAMES,
                    key_events=keys,
                    scorer=scorer,
                    question=batch.question if scorer == "question" else None,
                ).key_frames[0]
                for scorer in ("question", "visual", "density")
            }
            clusters = cluster(batch.features.patches.mean(2), keys, trained.model.config.event_neighbours)
            chosen["clusters"] = clusters.centres[0]
            chosen["even"] = ((torch.arange(keys) + 0.5) * NEEDLE_FRAMES / keys).long()
            chosen["random"] = torch.tensor(rng.sample(range(NEEDLE_FRAMES), keys))
            for policy, frames in chosen.items():
                hit = bool(brief & set(frames.tolist()))
                found[f"{policy}, K = {keys}"].append(Answered(example.clip, "needle", hit, 0))
    return found


def only(answered: Sequence[Answered], need: str) -> list[Answered]:
    """The questions that need this."""
    return [one for one in answered if NEEDS[one.type] == need]


def summary(seeds: Sequence[Sequence[Answered]]) -> dict[str, Any]:
    """Tokens, and accuracy with its interval, overall, by need and by type."""
    every = [one for seed in seeds for one in seed]
    kinds = sorted({one.type for one in every})
    needs = [need for need in dict.fromkeys(NEEDS.values()) if any(NEEDS[kind] == need for kind in kinds)]
    low, high = np.quantile(_resampled(seeds), (0.025, 0.975))
    return {
        "tokens": round(sum(one.tokens for one in every) / len(every), 1),
        "accuracy": _share(every),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "by_seed": [_share(seed) for seed in seeds],
        "needs": {need: _share(only(every, need)) for need in needs},
        "types": {kind: _share([one for one in every if one.type == kind]) for kind in kinds},
    }


def difference(seeds: Sequence[Sequence[Answered]], others: Sequence[Sequence[Answered]]) -> dict[str, Any]:
    """What the first are above the second, question by question, with its interval."""
    one, other = _resampled(seeds), _resampled(others)
    low, high = np.quantile(one - other, (0.025, 0.975))
    gain = _share([a for seed in seeds for a in seed]) - _share([a for seed in others for a in seed])
    return {"gain": round(gain, 4), "interval": [round(float(low), 4), round(float(high), 4)]}


def _share(answered: Sequence[Answered]) -> float:
    return round(sum(one.right for one in answered) / max(1, len(answered)), 4)


def _resampled(seeds: Sequence[Sequence[Answered]]) -> np.ndarray:
    """Accuracy in each resample of seeds and clips; the same draws for all arms of the same questions."""
    clips = sorted({one.clip for one in seeds[0]})
    right, asked = np.zeros((len(seeds), len(clips))), np.zeros(len(clips))
    for place, seed in enumerate(seeds):
        for one in seed:
            right[place, clips.index(one.clip)] += one.right
    for one in seeds[0]:
        asked[clips.index(one.clip)] += 1
    rng = np.random.default_rng(0)
    drawn_seeds = rng.integers(0, len(seeds), (RESAMPLES, len(seeds)))
    drawn_clips = rng.integers(0, len(clips), (RESAMPLES, len(clips)))
    rights = right[drawn_seeds[:, :, None], drawn_clips[:, None, :]].sum((1, 2))
    return rights / (len(seeds) * asked[drawn_clips].sum(1))


EXPERIMENTS = {"tokens": tokens, "controls": tokens, "sizes": sizes, "scorers": scorers}

if __name__ == "__main__":
    main()
