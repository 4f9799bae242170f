"""Hypothesis: a public model that never saw anything but full, evenly spaced frames answers better where
DynFocus stands in front of it: by key frames alone, by key frames with everyone's two rods, by thinned cones.

    python benchmarks/stock_answers.py [--world long] [--tokens N] [--model FOLDER ...] [--out FILE]

The models are those of `python -m dynfocus_stock`, a folder a seed. Each way of spending tokens goes through
`ask` as with `--model FOLDER`, from the same video files, and may spend at most as many tokens as the others,
the text around frames counted. Every model answers the same questions in all ways, as many of each type;
differences are paired by question, and their 95 % intervals come from a bootstrap over clips, each with its
questions and the answers of all models. `makers` is what `--stock` does, at whatever cost; `its key frames
alone` are those of key frames with rods, without the rods, and so for fewer tokens.

Work is kept in --work after each clip: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dynfocus_cli.cce.budget import UNBOUNDED
from dynfocus_cli.evaluation.arms import TokenArm, options_of, tokens_of
from dynfocus_cli.evaluation.statistics import mean_with_interval
from dynfocus_cli.options import DecodingOptions, GenerationOptions, RunOptions, SelectionOptions
from dynfocus_cli.synth.questions import MOMENT_TYPES, QUESTION_TYPES
from dynfocus_cli.synth.world import LONG, SHORT
from provenance import provenance

WORLDS = {"short": SHORT, "long": LONG}
LEFT_OUT = ("scenes", "needle")
"""Types that the models were never asked: even frames do not decide them."""
TYPES = tuple(kind for kind in QUESTION_TYPES if kind not in LEFT_OUT)
SEED = 30_000
"""Of the set of clips, as for `dynfocus synth`."""
FILM = {"size": 128, "fps": 2}
"""Everything in the world begins and ends on whole seconds, and frames are sampled at 1 a second."""
NEEDS = {kind: "named moment" for kind in MOMENT_TYPES} | {
    "appear": "whole video",
    "when": "order and time",
    "first": "order and time",
    "before": "order and time",
    "after": "order and time",
    "motion": "change",
    "turn": "change",
}
BASE = "even"
WITH_RODS, WITHOUT = "key and rods, density", "its key frames alone"
"""The second is a control, and cheaper: the same key frames as the first's, without the others' rods."""


def _way(name: str, **changes: Any) -> TokenArm:
    def change(selection: SelectionOptions) -> SelectionOptions:
        return replace(selection, **changes)

    return TokenArm(name, name, change)


ALONE = {"rods": False, "key_ratio": 1.0}
BY_FRAME = {**ALONE, "prototypes": UNBOUNDED}
WAYS = (
    _way(BASE, frame_selector="even", **BY_FRAME),
    _way("key, density", **ALONE),
    _way("key, question", scorer="question", **ALONE),
    _way("topk, question", scorer="question", frame_selector="topk", **BY_FRAME),
    _way("aks, question", scorer="question", frame_selector="aks", **BY_FRAME),
    _way(WITH_RODS, rods=True),
    _way(WITHOUT, rods=False),
    _way("key and rods, question", scorer="question", rods=True),
    _way("8 cones, density", cone_tokens=8, **ALONE),
    _way("4 cones, density", cone_tokens=4, **ALONE),
    _way("8 cones and rods, density", cone_tokens=8, rods=True),
    TokenArm("makers", "makers", lambda selection: SelectionOptions(stock=True), is_stock=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, nargs="+", default=[Path("weights/stock/model")])
    parser.add_argument("--world", choices=WORLDS, default="short")
    parser.add_argument("--questions", type=int, default=13 * 20, help="of each model, balanced over types")
    parser.add_argument("--tokens", type=int, default=None, help="of each way; those of 8 full frames")
    parser.add_argument("--ways", nargs="+", choices=[way.name for way in WAYS], default=None)
    parser.add_argument("--work", type=Path, default=Path("runs/stock-answers"))
    parser.add_argument("--so-far", action="store_true", help="ask no further: the clips that are done")
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    ways = [way for way in WAYS if arguments.ways is None or way.name in arguments.ways]
    rows = [row for folder in arguments.model for row in answers(folder, ways, arguments)]
    result = {
        "world": arguments.world,
        "tokens": arguments.tokens,
        "ways": summary(rows, [way.name for way in ways]),
        "models": [provenance(str(folder))["revision"] for folder in arguments.model],
        "measured": provenance(),
    }
    shown(result)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({**result, "ways": list(result["ways"])}))


def sheets(world: str, questions: int) -> list[tuple[int, list[Any]]]:
    """Clips with their questions: as many of each type, drawn as `dynfocus synth` draws them."""
    from dynfocus_cli.synth.exam import draw_balanced

    every = round(questions / len(TYPES)) * len(QUESTION_TYPES)
    drawn = draw_balanced(SEED, every, WORLDS[world], most_on_a_clip=8)
    kept = [(sheet, [q for q in sheet.questions if q.type in TYPES]) for sheet in drawn]
    return [(sheet, asked) for sheet, asked in kept if asked]


def answers(folder: Path, ways: Sequence[TokenArm], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a question and way, of one model."""
    from dynfocus_cli import pipeline
    from dynfocus_cli.features.memory_cache import MemoryFeatureCache
    from dynfocus_cli.models.open import load_model
    from dynfocus_cli.progress import Silent
    from dynfocus_cli.synth.write import write_video
    from dynfocus_cli.video import probe

    revision = provenance(str(folder))["revision"]
    kept = arguments.work / f"{revision}-{arguments.world}-{arguments.tokens}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines = kept.read_text().splitlines() if kept.exists() else []
    rows = [{**json.loads(line), "model": revision} for line in lines]
    names = {way.name for way in ways}
    if arguments.so_far:
        return [row for row in rows if row["way"] in names]
    done = {(row["clip"], row["question"], row["way"]) for row in rows}
    model = load_model(str(folder), "cpu")
    base = RunOptions(decoding=DecodingOptions(cache=False), generation=GenerationOptions(max_new_tokens=12))
    exam = sheets(arguments.world, arguments.questions)
    for sheet, asked in exam:
        video = arguments.work / f"{arguments.world}-{sheet.clip}.mp4"
        if not video.exists():
            write_video(sheet.script, video, **FILM)
        source, cache = probe(str(video)), MemoryFeatureCache()
        tokens = tokens_of(model.spec, source, base, arguments.tokens)
        new: list[dict[str, Any]] = []
        mine = [row for row in rows if row["clip"] == sheet.clip and row["way"] == WITH_RODS]
        row_of = {row["question"]: row for row in mine}
        for question in asked:
            for way in ways:
                if (sheet.clip, question.question, way.name) in done:
                    continue
                options = options_of(way, model.spec, source, base, tokens)
                if way.name == WITHOUT:
                    options = with_as_many(options, model.spec, row_of[question.question])
                answer = pipeline.ask(
                    str(video), question.question, model, options, Silent(), memory_cache=cache
                )
                new.append(
                    {
                        "clip": sheet.clip,
                        "type": question.type,
                        "question": question.question,
                        "way": way.name,
                        "model": revision,
                        "answer": question.answer,
                        "given": answer.answer,
                        "right": answer.answer == question.answer,
                        **spent(answer),
                    }
                )
                if way.name == WITH_RODS:
                    row_of[question.question] = new[-1]
        with kept.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in new)
        rows += new
    asked_of = {(sheet.clip, question.question) for sheet, asked in exam for question in asked}
    return [row for row in rows if (row["clip"], row["question"]) in asked_of and row["way"] in names]


def with_as_many(options: RunOptions, spec: Any, row: dict[str, Any]) -> RunOptions:
    """The options of a run with as many key frames as that of a row, among as many frames."""
    events = min(spec.defaults.prototypes, row["frames"])
    return replace(options, selection=replace(options.selection, key_ratio=row["key_frames"] / events))


def spent(answer: Any) -> dict[str, int]:
    """Video tokens, the whole prompt, sampled frames and key frames of an answer."""
    tokens = answer.evidence.tokens
    return {
        "tokens": tokens.video,
        "prompt": tokens.prompt + tokens.video,
        "frames": len(answer.evidence.frames),
        "key_frames": sum(frame.meaningful for frame in answer.evidence.frames),
    }


def summary(rows: Sequence[dict[str, Any]], ways: Sequence[str]) -> dict[str, Any]:
    """Each way's accuracy and difference from even frames, overall and by what a question needs."""
    by_way: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_way[row["way"]].append(row)
    groups: dict[str, Callable[[str], bool]] = {"all": lambda kind: True}
    groups |= {need: lambda kind, need=need: NEEDS[kind] == need for need in dict.fromkeys(NEEDS.values())}
    groups |= {kind: lambda kind_, kind=kind: kind_ == kind for kind in TYPES}
    result: dict[str, Any] = {}
    for way in ways:
        mine = by_way[way]
        result[way] = {
            "questions": len(mine),
            "video_tokens": round(sum(row["tokens"] for row in mine) / len(mine), 1),
            "prompt_tokens": round(sum(row["prompt"] for row in mine) / len(mine), 1),
            "key_frames": round(sum(row["key_frames"] for row in mine) / len(mine), 1),
            "right": {name: figure(mine, belongs) for name, belongs in groups.items()},
        }
        for base in (BASE, WITHOUT):
            if way != base and base in ways:
                pairs = paired(mine, by_way[base])
                name = f"minus {base}"
                result[way][name] = {group: figure(pairs, belongs) for group, belongs in groups.items()}
    return result


def paired(rows: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the difference from another way's on the same questions."""
    of_other = {(row["clip"], row["question"], row["model"]): row["right"] for row in others}
    if len(of_other) != len(rows):
        raise ValueError(f"{len(rows)} questions were asked in one way and {len(of_other)} in another")
    return [
        {**row, "right": int(row["right"]) - int(of_other[row["clip"], row["question"], row["model"]])}
        for row in rows
    ]


def figure(rows: Sequence[dict[str, Any]], belongs: Callable[[str], bool]) -> list[float | None]:
    """Mean and 95 % interval over clips, in per cent."""
    some = [row for row in rows if belongs(row["type"])]
    estimate = mean_with_interval([float(row["right"]) for row in some], [row["clip"] for row in some])
    if estimate is None:
        return [None, None, None]
    return [
        None if value is None else round(100 * value, 1)
        for value in (estimate.value, estimate.low, estimate.high)
    ]


def shown(result: dict[str, Any]) -> None:
    """The table, in the form of docs/experiments.md."""
    needs = list(dict.fromkeys(NEEDS.values()))
    print("| way | tokens | right | minus even |", *(f"{need} |" for need in needs))
    print("|---" * (4 + len(needs)) + "|")
    for name, way in result["ways"].items():
        cells = [_spelled(way["right"]["all"])]
        cells.append(_spelled(way[f"minus {BASE}"]["all"], signed=True) if f"minus {BASE}" in way else "")
        cells += [f"{way['right'][need][0]}" for need in needs]
        print(f"| {name} | {way['video_tokens']:.0f} |", *(f"{cell} |" for cell in cells), flush=True)


def _spelled(estimate: Sequence[float | None], signed: bool = False) -> str:
    value, low, high = estimate
    return f"{value:+} ({low} to {high})" if signed else f"{value} ({low} to {high})"


if __name__ == "__main__":
    main()
