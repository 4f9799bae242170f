"""Hypothesis: the rods are worth their tokens. At equal numbers of video tokens dynfocus-tiny answers more
held-out questions of key frames and everyone's rods than of any other way to spend them.

The clips and questions of `accuracy.py`. All arms draw on the same T frames, those that the model samples for
a question that names no time: 1 a second. (`ask` looks closer around a named moment; here nobody does.) A key
frame's 40 tokens are 16 pooled patches, 16 + 6 spatial prototypes and 2 rods. A budget is B video tokens: a
fixed number or `own`, what the model spends on that clip if nobody limits it, 40 K + 2 (T - K) with K = 4.

    even, full         B / 40 evenly spaced frames, all 40 tokens of each
    even, named        the same, but the frame that the question names takes the place of the nearest
    even, 16 pooled    B / 16 evenly spaced frames, the 16 pooled patches of each
    even, 6 pooled     B / 6 evenly spaced frames, the 6 coarse spatial prototypes of each
    rods alone         B / 2 evenly spaced frames, the 2 rods of each
    even + rods        40 tokens for evenly spaced frames, 2 for all others, as many full ones as B holds
    key frames         the B / 40 best by the model's scorer, all 40 tokens of each
    key frames + rods  the model's own way: 40 tokens for the best by its scorer, 2 for all others
    same, no rods      the same key frames without the others' rods; spends less, and says what those did

No arm takes more than T frames, or more key frames than events. Where the rods of all T leave no room for a
key frame, arms that give everyone rods take fewer frames, evenly spaced, as `ask --budget` does. So an arm
may spend less than B; what each really spent stands beside it.

*Pooled* is what this network can read: it knows the 40 slots of a key frame and nothing else, so no arm
pools to anything that it has no slot for. The 16 pooled patches are plain average pooling; the 6 coarse
prototypes and the rods pool by content, and further.

What the question names: arms that choose make a key frame of it, as the model does; wherever the frame is
shown it carries the network's mark. Even arms show it by chance, so questions that name no moment are
counted apart as well, and `even, named` says what the named frame alone is worth. `key frames` are chosen,
and their cones written, with all T frames in sight: other frames' rods are left out, nothing else.

In training every frame had rods, and at most half of them cones; no other arm was ever trained. So this
measures what the shipped network gains from its rods, not what one would that was trained without them.

Intervals are 95 %, from bootstraps over clips (questions on one clip share its luck), differences paired.

    python benchmarks/rods.py --clips 120 --seed 11 --out benchmarks/results/rods.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from provenance import provenance

if TYPE_CHECKING:
    from torch import Tensor

    from dynfocus_cli.checkpoints.loading import LoadedModel
    from dynfocus_cli.model.stages import EventSelection, VideoFeatures

OWN = "own"
BUDGETS = ("120", "200", "320", OWN)
EVEN, NAMED, POOLED, COARSE = "even, full", "even, named", "even, 16 pooled", "even, 6 pooled"
RODS, EVEN_RODS, KEYS, KEYS_RODS = "rods alone", "even + rods", "key frames", "key frames + rods"
BARE = "same, no rods"
ARMS = (EVEN, NAMED, POOLED, COARSE, RODS, EVEN_RODS, KEYS, KEYS_RODS, BARE)
DIFFERENCES = (
    *((KEYS_RODS, other) for other in ARMS if other != KEYS_RODS),
    (EVEN_RODS, EVEN),
)
"""The second is taken from the first."""

LONGEST_ANSWER = 24
"""Tokens; no right answer has as many."""
BATCH = 16
"""Prompts answered at once."""
RESAMPLES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--seed", type=int, default=11, help="of the clips, as for `dynfocus synth`")
    parser.add_argument("--model", default="dynfocus-tiny")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--partial", type=Path, default=None, help="keep each clip's rows here, and resume")
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()
    known = read_partial(arguments.partial, arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            Job(Path(folder), arguments.seed, clip, arguments.model)
            for clip in range(arguments.clips)
            if clip not in known
        ]
        with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
            for done in pool.imap(ask_clip, jobs):
                known[done["clip"]] = done
                if arguments.partial is not None:
                    arguments.partial.parent.mkdir(parents=True, exist_ok=True)
                    with arguments.partial.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(done) + "\n")
    clips = [known[clip] for clip in range(arguments.clips)]
    if len({clip["revision"] for clip in clips}) > 1:
        raise SystemExit(f"{arguments.partial} holds answers of another model: name another file.")
    result = {
        "clips": len(clips),
        "questions": sum(len(clip["rows"]) for clip in clips),
        "seed": arguments.seed,
        "revision": clips[0]["revision"],
        "bootstrap": {"resamples": RESAMPLES, "seed": 0, "over": "clips"},
        "frames": spread_of([clip["frames"] for clip in clips]),
        "budgets": {budget: tally(clips, place) for place, budget in enumerate(BUDGETS)},
        "measured": provenance(),
    }
    show(result)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def read_partial(path: Path | None, seed: int) -> dict[int, dict]:
    """What an earlier run of the same seed has answered, by clip."""
    if path is None or not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["clip"]: line for line in lines if line["seed"] == seed}


class Job(NamedTuple):
    """One clip's questions, asked in every way."""

    folder: Path
    seed: int
    clip: int
    model: str


def ask_clip(job: Job) -> dict[str, Any]:
    """Writes one clip, encodes its frames once, and asks its questions of every arm at every budget."""
    import torch

    from dynfocus_cli.synth.questions import ask, observe
    from dynfocus_cli.synth.world import write_script
    from dynfocus_cli.synth.write import QUESTIONS_PER_CLIP, clip_seed, write_video
    from dynfocus_cli.video import find_mentions

    torch.set_num_threads(1)
    model = _model(job.model)
    script = write_script(clip_seed(job.seed, job.clip))
    path = job.folder / f"clip-{job.clip:05d}.mp4"
    write_video(script, path)
    with torch.inference_mode():
        clip = Clip(model, str(path))
        observed = observe(script, [float(second) for second in range(script.duration_s)])
        rows, prompts, owners = [], [], []
        for asked in ask(observed, random.Random(script.seed), QUESTIONS_PER_CLIP):
            moments = find_mentions(asked.question, script.duration_s).moments
            row = {
                "type": asked.type,
                "names_moment": bool(moments),
                "right": {arm: [0] * len(BUDGETS) for arm in ARMS},
                "spent": {arm: [0] * len(BUDGETS) for arm in ARMS},
            }
            rows.append(row)
            for arm, place, tokens in clip.spend(asked.question, moments):
                row["spent"][arm][place] = len(tokens)
                prompts.append(prompt_of(model, tokens, asked.question))
                owners.append((row, arm, place, asked.answer))
        given = answer(model, prompts)
    for (row, arm, place, right), text in zip(owners, given, strict=True):
        row["right"][arm][place] = int(text == right)
    path.unlink()
    return {
        "clip": job.clip,
        "seed": job.seed,
        "revision": model.info.revision,
        "frames": len(clip.times_s),
        "rows": rows,
    }


_loaded: dict[str, LoadedModel] = {}


def _model(name: str) -> LoadedModel:
    if name not in _loaded:
        from dynfocus_cli.checkpoints import load_model

        _loaded[name] = load_model(name, "cpu")
    return _loaded[name]


class Clip:
    """A video's T frames, encoded, and the ways to spend tokens on them."""

    def __init__(self, model: LoadedModel, path: str) -> None:
        import torch

        from dynfocus_cli.budget import allow
        from dynfocus_cli.features.encoding import encode_video
        from dynfocus_cli.progress import Silent
        from dynfocus_cli.run_options import SamplingOptions
        from dynfocus_cli.stopwatch import Stopwatch
        from dynfocus_cli.video import find_mentions, plan_sampling, probe

        self.model, self.config, self.connector = model, model.config, model.network.connector
        source = probe(path)
        plan = plan_sampling(
            source,
            SamplingOptions(),
            find_mentions("", source.duration_s),
            default_fps=self.config.fps,
            default_max_frames=self.config.max_frames,
        )
        encoding = encode_video(
            source, plan.times_s, model.vision_tower, None, "none", Silent(), Stopwatch(), batch_size=32
        )
        frames = encoding.frames.distinct()
        self.times_s = torch.tensor(frames.times_s, dtype=torch.float64)
        self.features = self.connector.prepare(frames.patches.unsqueeze(0))
        self.price = self.config.frame_price(len(self.times_s))
        usual = allow(
            len(self.times_s),
            prototypes=self.config.prototypes,
            key_ratio=self.config.key_ratio,
            limit=model.outline.context,
            price=self.price,
        )
        self.own = self.price.total(len(self.times_s), usual.key_frames)

    def spend(self, question: str, moments: Sequence[float]) -> Iterator[tuple[str, int, Tensor]]:
        """Every arm's tokens (M, D_l) at every budget: the arm, the budget's place, the tokens."""
        import torch

        asked = self.model.encode_question(question)
        self.asked, self.queries = asked, self.connector.read(self.features, asked)
        count = len(self.times_s)
        named = sorted({max(0, int((self.times_s <= moment + 1e-6).sum()) - 1) for moment in moments})
        self.pinned = torch.zeros(1, count, dtype=torch.bool)
        self.pinned[0, named] = True
        full = self._full()  # (T, 40, D_l)
        pooled, cones = self.config.pooled_side**2, self.config.cone_tokens
        coarse = self.config.spatial_prototypes[-1]
        slots = {
            POOLED: slice(0, pooled),
            COARSE: slice(cones - coarse, cones),
            RODS: slice(cones, None),
        }
        for place, budget in enumerate(BUDGETS):
            tokens = self.own if budget == OWN else int(budget)
            frames = evenly(count, tokens // self.price.key)
            yield EVEN, place, full[frames].flatten(0, 1)
            yield NAMED, place, full[with_named(frames, named)].flatten(0, 1)
            for arm, part in slots.items():
                of_each = full[:, part]
                yield arm, place, of_each[evenly(count, tokens // of_each.shape[1])].flatten(0, 1)
            yield EVEN_RODS, place, self._with_rods(tokens, named, even=True)[0]
            yield KEYS, place, self._key_frames(tokens)
            all_tokens, of_key_frame = self._with_rods(tokens, named, even=False)
            yield KEYS_RODS, place, all_tokens
            yield BARE, place, all_tokens[of_key_frame]

    def _full(self) -> Tensor:
        """All 40 tokens of each frame, each frame its own event: (T, 40, D_l)."""
        import torch

        from dynfocus_cli.dpe.event_prototypes import pool_grid
        from dynfocus_cli.model.stages import EventSelection

        each = torch.arange(len(self.times_s)).unsqueeze(0)  # (1, T)
        scores = torch.zeros(each.shape)
        pooled = pool_grid(self.features.patches[0], self.config.pooled_side).unsqueeze(0)  # (1, T, P, D_v)
        everyone = EventSelection(each, each, scores, scores, each, pooled)
        tokens, _ = self._write(everyone, each[0])
        return tokens.unflatten(0, (len(self.times_s), self.price.key))

    def _key_frames(self, budget: int) -> Tensor:
        """The best frames' tokens; all others, which the model writes beside them, are left out."""
        import torch

        everyone = torch.arange(len(self.times_s))
        events = min(self.config.prototypes, len(everyone))
        selection = self._select(everyone, events, min(budget // self.price.key, events), self.pinned)
        tokens, frame_of_token = self._write(selection, everyone)
        return tokens[torch.isin(frame_of_token, selection.key_frames[0])]

    def _with_rods(self, budget: int, named: Sequence[int], even: bool) -> tuple[Tensor, Tensor]:
        """Key frames and the rods of all others; the key frames the best ones, or evenly spaced. Beside the
        tokens, which of them are a key frame's."""
        import torch

        from dynfocus_cli.budget import most_frames
        from dynfocus_cli.video.moments import thin

        count = len(self.times_s)
        most = most_frames(budget, self.price)
        kept = list(range(count))
        if most < count:
            kept = [int(frame) for frame in thin(kept, () if even else named, most)]
        spare = budget - self.price.total(len(kept), 0)
        events = min(self.config.prototypes, len(kept))
        keys = min(spare // (self.price.key - self.price.other), events)
        frames = torch.tensor(kept)
        forced = self.pinned[:, frames]
        if even:
            forced = torch.zeros_like(forced)
            forced[0, evenly(len(kept), keys)] = True
        selection = self._select(frames, events, keys, forced)
        tokens, frame_of_token = self._write(selection, frames)
        return tokens, torch.isin(frame_of_token, selection.key_frames[0])

    def _select(self, frames: Tensor, events: int, keys: int, forced: Tensor) -> EventSelection:
        return self.connector.select(
            self._features(frames),
            events=events,
            key_events=keys,
            scorer=self.config.scorer,
            question=self.asked,
            pinned=forced if bool(forced.any()) else None,
        )

    def _features(self, frames: Tensor) -> VideoFeatures:
        return replace(
            self.features,
            patches=self.features.patches[:, frames],
            prototypes=self.features.prototypes[:, frames],
        )

    def _write(self, selection: EventSelection, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (M, D_l) of a video of `frames` alone, and the frame of each, as the network writes them."""
        # Not `network.video_tokens`: that would have the Q-Former read every frame anew for every arm.
        tokens, frame_of_token = self.connector.encode(
            self._features(frames), selection, self.queries[:, frames], self.pinned[:, frames]
        )
        clock = self.model.network.time_code(self.times_s[frames].unsqueeze(0))[0]
        return tokens[0] + clock[frame_of_token[0]], frame_of_token[0]


def evenly(frames: int, count: int) -> list[int]:
    """`count` frames, each in the middle of its share; all there are where that is fewer.

    8, 2 -> 2, 6      8, 3 -> 1, 4, 6      3, 5 -> 0, 1, 2
    """
    count = min(count, frames)
    return [(2 * place + 1) * frames // (2 * count) for place in range(count)]


def with_named(frames: Sequence[int], named: Sequence[int]) -> list[int]:
    """The frames, each named one in the place of the nearest.

    [2, 6], [5] -> 2, 5      [2, 6], [] -> 2, 6
    """
    from dynfocus_cli.video.moments import replace_nearest

    return [int(frame) for frame in replace_nearest(list(frames), list(named))]


def prompt_of(model: LoadedModel, video_tokens: Tensor, question: str) -> Tensor:
    """The whole prompt (S, D_l), as `generate` puts it together."""
    import torch

    embed = model.network.get_input_embeddings()
    before = embed(torch.tensor(model.prompt.before_video))
    after = embed(torch.tensor(model.prompt.after_video(question)))
    return torch.cat((before, video_tokens, after))


def answer(model: LoadedModel, prompts: Sequence[Tensor]) -> list[str]:
    """The likeliest answer to each prompt; equal prompts are answered once, those of like length together."""
    import torch

    unique: dict[bytes, int] = {}
    first: list[int] = []
    same_as = []
    for number, prompt in enumerate(prompts):
        place = unique.setdefault(prompt.numpy().tobytes(), len(unique))
        if place == len(first):
            first.append(number)
        same_as.append(place)
    texts = [""] * len(first)
    order = sorted(range(len(first)), key=lambda place: len(prompts[first[place]]))
    for begin in range(0, len(order), BATCH):
        batch = order[begin : begin + BATCH]
        longest = len(prompts[first[batch[-1]]])
        inputs = torch.zeros(len(batch), longest, prompts[0].shape[1])
        mask = torch.zeros(len(batch), longest, dtype=torch.int64)
        for row, place in enumerate(batch):
            prompt = prompts[first[place]]
            inputs[row, longest - len(prompt) :] = prompt
            mask[row, longest - len(prompt) :] = 1
        generated = model.network.language_model.generate(
            inputs_embeds=inputs,
            attention_mask=mask,
            max_new_tokens=LONGEST_ANSWER,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            eos_token_id=model.prompt.tokenizer.eos_token_id,
            pad_token_id=model.prompt.tokenizer.pad_token_id,
        )
        for place, ids in zip(batch, generated.tolist(), strict=True):
            texts[place] = model.prompt.read(ids)
    return [texts[place] for place in same_as]


def tally(clips: Sequence[dict], place: int) -> dict[str, Any]:
    """One budget's accuracies, differences and tokens: over all questions, those that name a moment and the
    others, and a type."""
    types = sorted({row["type"] for clip in clips for row in clip["rows"]})
    groups = {
        "all": lambda row: True,
        "names a moment": lambda row: row["names_moment"],
        "names none": lambda row: not row["names_moment"],
    }
    counted = {name: count(clips, place, wanted) for name, wanted in groups.items()}
    by_type = {kind: count(clips, place, lambda row, kind=kind: row["type"] == kind) for kind in types}
    rods = f"{KEYS_RODS} - {KEYS}"
    return {
        "tokens": {
            arm: spread_of([row["spent"][arm][place] for clip in clips for row in clip["rows"]])
            for arm in ARMS
        },
        **counted,
        "types": {
            kind: {
                "questions": found["questions"],
                "accuracy": {arm: found["accuracy"][arm]["share"] for arm in ARMS},
                rods: found["differences"][rods],
            }
            for kind, found in by_type.items()
        },
    }


def count(clips: Sequence[dict], place: int, wanted) -> dict[str, Any]:
    """Accuracy an arm and the differences, with their intervals, over the questions that are `wanted`."""
    import numpy as np

    asked = np.array([sum(map(wanted, clip["rows"])) for clip in clips], float)  # (clips,)
    right = {
        arm: np.array(
            [sum(row["right"][arm][place] for row in clip["rows"] if wanted(row)) for clip in clips]
        )
        for arm in ARMS
    }
    drawn = np.random.default_rng(0).multinomial(len(clips), [1 / len(clips)] * len(clips), RESAMPLES)
    drawn = drawn[drawn @ asked > 0]

    def share(hits) -> dict[str, Any]:
        low, high = np.percentile((drawn @ hits) / (drawn @ asked), (2.5, 97.5))
        return {
            "share": round(float(hits.sum() / asked.sum()), 4),
            "interval": [round(float(low), 4), round(float(high), 4)],
        }

    return {
        "questions": int(asked.sum()),
        "accuracy": {arm: share(right[arm]) for arm in ARMS},
        "differences": {f"{one} - {other}": share(right[one] - right[other]) for one, other in DIFFERENCES},
    }


def spread_of(values: Sequence[int]) -> dict[str, float]:
    """Mean, least and most."""
    return {"mean": round(sum(values) / len(values), 1), "least": min(values), "most": max(values)}


def show(result: dict) -> None:
    """Prints the tables, and whether the rods paid."""
    for budget, row in result["budgets"].items():
        print(f"budget {budget}: {'tokens':>19} {'all':>22} {'names a moment':>22} {'names none':>22}")
        for arm in ARMS:
            cells = (told(row[group]["accuracy"][arm]) for group in ("all", "names a moment", "names none"))
            print(f"  {arm:18} {row['tokens'][arm]['mean']:11.1f} " + " ".join(f"{c:>22}" for c in cells))
        for name in row["all"]["differences"]:
            cells = (
                told(row[group]["differences"][name]) for group in ("all", "names a moment", "names none")
            )
            print(f"  {name:40}" + " ".join(f"{c:>22}" for c in cells))
        print(f"  {'type, questions':18} " + " ".join(f"{arm:>17}" for arm in ARMS))
        for kind, found in row["types"].items():
            shares = " ".join(f"{100 * found['accuracy'][arm]:17.1f}" for arm in ARMS)
            print(f"  {kind:13} {found['questions']:4} {shares}")
    for budget, row in result["budgets"].items():
        for name, found in row["all"]["differences"].items():
            if name.startswith(KEYS_RODS) and not name.endswith(BARE):  # which spends less
                low, high = found["interval"]
                verdict = "met" if low > 0 else "NOT met" if high < 0 else "not settled"
                print(f"{budget}: {name}: {100 * found['share']:+.1f} points: {verdict}")


def told(found: dict) -> str:
    """`64.3 (61.0 to 67.1)`, in per cent."""
    low, high = found["interval"]
    return f"{100 * found['share']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


if __name__ == "__main__":
    main()
