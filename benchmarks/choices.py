"""Hypothesis: given four options, dynfocus-tiny chooses the right one by likelihood at least as often as it
writes the right answer freely.

The held-out clips and questions of `accuracy.py`, until there are enough that have three plausible wrong
answers. Three are drawn by the seed and shuffled with the right one:

    color turn shape digit position motion count scenes    the other answers that the generator has
    when                                                   when other things of the clip first appear
    what needle                                            the clip's other things
    before after                                           the same, without flashes and the thing asked about

By the generator's rules none of them is right too. Left out are questions with fewer than three: yes or no,
which of two came first, and those on clips where too little happens.

A choice is right if its letter is, as `ask` chooses it; free text if it equals the answer, as `accuracy.py`
counts. Chance is a quarter by choice and next to nothing freely, so this says that choosing loses nothing,
not that it sees more. How often free text is one of the four at all, and right then, stands beside it.

A likelihood is that of the whole answer and its end mark: summed over tokens, not divided by their number.
Free text takes the likeliest token each time. So a right free answer can be lost by choosing only where
another option is likelier as a whole; `lost` in the result lists every such question.

Intervals are 95 %, Wilson's. The feature cache is off and the two ways take turns at being first, so that
each pays for the whole way from the file.

    python benchmarks/choices.py --questions 500 --seed 11 --out benchmarks/results/choices.json
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from dynfocus_cli.synth.questions import Observation, Question, ask, name, observe, timecode
from dynfocus_cli.synth.world import (
    COLORS,
    DIGITS,
    DIRECTIONS,
    MAX_SCENES,
    POSITIONS,
    SHAPES,
    Thing,
    write_script,
)
from dynfocus_cli.synth.write import QUESTIONS_PER_CLIP, clip_seed, write_video
from provenance import provenance

LETTERS = "ABCD"

LISTED: dict[str, tuple[str, ...]] = {
    "color": tuple(COLORS),
    "turn": tuple(COLORS),
    "shape": SHAPES,
    "digit": DIGITS,
    "position": tuple(place for row in POSITIONS for place in row),
    "motion": tuple(DIRECTIONS),
    "count": ("1", "2", "3", "4"),
    "scenes": tuple(str(number) for number in range(1, MAX_SCENES + 1)),
}
"""Types whose answers are the same few on every clip. A scene shows at most three things and a flash."""

WAYS = ("likelihood", "free")


class Exercise(NamedTuple):
    """A question, and its options in the order of their letters."""

    asked: Question
    texts: tuple[str, ...]


class Clip(NamedTuple):
    """A clip's number and its questions."""

    number: int
    exercises: tuple[Exercise, ...]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=11, help="of the clips, as for `dynfocus synth`")
    parser.add_argument("--model", default="dynfocus-tiny")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()
    clips, left_out = draw(arguments.seed, arguments.questions)
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(arguments.workers) as pool,
    ):
        answer = partial(answer_clip, Path(folder), arguments.seed, arguments.model)
        rows = [row for rows in pool.imap(answer, clips) for row in rows]
    by_type = defaultdict(list)
    for row in rows:
        by_type[row["type"]].append(row)
    result = {
        "questions": len(rows),
        "clips": len(clips),
        "seed": arguments.seed,
        "revision": rows[0]["revision"],
        "left_out": left_out,
        "all": tally(rows),
        "types": {kind: tally(by_type[kind]) for kind in sorted(by_type)},
        "seconds": {way: seconds([row[way] for row in rows]) for way in WAYS},
        "lost": [told(row) for row in rows if row["free"]["right"] and not row["likelihood"]["right"]],
        "measured": provenance(),
    }
    show(result)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def draw(seed: int, count: int) -> tuple[list[Clip], dict[str, int]]:
    """The first `count` questions that have three plausible wrong answers, and how many have not, a type."""
    clips: list[Clip] = []
    left_out: Counter[str] = Counter()
    missing = count
    while missing > 0:
        number = len(clips)
        script = write_script(clip_seed(seed, number))
        observed = observe(script, [float(second) for second in range(script.duration_s)])
        exercises: list[Exercise] = []
        for asked in ask(observed, random.Random(script.seed), QUESTIONS_PER_CLIP):
            if len(exercises) == missing:
                break
            wrong = wrong_answers(asked, observed)
            if len(wrong) < len(LETTERS) - 1:
                left_out[asked.type] += 1
                continue
            rng = random.Random(f"{script.seed} {asked.question}")
            texts = [asked.answer, *rng.sample(wrong, len(LETTERS) - 1)]
            rng.shuffle(texts)
            exercises.append(Exercise(asked, tuple(texts)))
        clips.append(Clip(number, tuple(exercises)))
        missing -= len(exercises)
    return clips, dict(sorted(left_out.items()))


def wrong_answers(asked: Question, observed: Sequence[Observation]) -> list[str]:
    """What could be the answer to a question of this type, and is not; each once."""
    first_s: dict[Thing, float] = {}
    flashes: set[Thing] = set()
    for moment in observed:
        for sighting in moment.sightings:
            first_s.setdefault(sighting.thing, moment.time_s)
            if sighting.actor.needle:
                flashes.add(sighting.thing)
    answers: Sequence[str] = ()
    if asked.type in LISTED:
        answers = LISTED[asked.type]
    elif asked.type == "when":
        answers = [timecode(time_s) for time_s in first_s.values()]
    elif asked.type in ("what", "needle"):
        answers = [name(thing, "a") for thing in first_s]
    elif asked.type in ("before", "after"):
        # Scenes follow scenes: a flash in between is neither before nor after, nor ever the answer.
        scenery = [thing for thing in first_s if thing not in flashes]
        answers = [name(thing, "a") for thing in scenery if name(thing) not in asked.question]
    return [answer for answer in dict.fromkeys(answers) if answer != asked.answer]


def answer_clip(folder: Path, seed: int, model_name: str, clip: Clip) -> list[dict]:
    """Writes one clip, answers its questions in both ways, and removes it again."""
    import torch

    from dynfocus_cli import pipeline
    from dynfocus_cli.options import DecodingOptions, RunOptions
    from dynfocus_cli.progress import Silent
    from dynfocus_cli.types import Option

    torch.set_num_threads(1)
    model = _model(model_name)
    options = RunOptions(decoding=DecodingOptions(cache=False))
    path = folder / f"clip-{clip.number:05d}.mp4"
    write_video(write_script(clip_seed(seed, clip.number)), path)
    rows = []
    for place, (asked, texts) in enumerate(clip.exercises):
        choices = [Option(letter, text) for letter, text in zip(LETTERS, texts, strict=True)]
        given = {}
        for way in WAYS if place % 2 else reversed(WAYS):
            offered = choices if way == "likelihood" else ()
            given[way] = pipeline.ask(str(path), asked.question, model, options, Silent(), offered)
        right = {"likelihood": LETTERS[texts.index(asked.answer)], "free": asked.answer}
        row = {
            "type": asked.type,
            "question": asked.question,
            "answer": asked.answer,
            "revision": model.info.revision,
            "options": {option.text: option.log_likelihood for option in given["likelihood"].options},
        }
        for way, seen in given.items():
            spent = seen.evidence.timings_s
            row[way] = {
                "answer": seen.answer,
                "right": seen.answer == right[way],
                "generate_s": spent.generate,
                "total_s": spent.total,
            }
        rows.append(row)
    path.unlink()
    return rows


_loaded: dict = {}


def _model(model_name: str):
    if model_name not in _loaded:
        from dynfocus_cli.models.open import load_model

        _loaded[model_name] = load_model(model_name, "auto")
    return _loaded[model_name]


def tally(rows: Sequence[dict]) -> dict:
    """Both ways' accuracy, free text among the four, and the paired counts."""
    among = [row for row in rows if row["free"]["answer"] in row["options"]]
    others = [row for row in rows if row["free"]["answer"] not in row["options"]]
    paired = Counter((row["likelihood"]["right"], row["free"]["right"]) for row in rows)
    return {
        "questions": len(rows),
        **{way: share(sum(row[way]["right"] for row in rows), len(rows)) for way in WAYS},
        "free_is_an_option": share(len(among), len(rows)),
        "free_where_it_is_an_option": share(sum(row["free"]["right"] for row in among), len(among)),
        "likelihood_where_free_is_none": share(
            sum(row["likelihood"]["right"] for row in others), len(others)
        ),
        "paired": {
            "both": paired[True, True],
            "only_likelihood": paired[True, False],
            "only_free": paired[False, True],
            "neither": paired[False, False],
        },
    }


def share(hits: int, of: int) -> dict:
    """The share and its Wilson interval at 95 %; no share of nothing."""
    if of == 0:
        return {"count": 0, "of": 0}
    z = 1.959964
    found = hits / of
    middle = (found + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(found * (1 - found) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return {
        "count": hits,
        "of": of,
        "share": round(found, 4),
        "interval": [round(middle - half, 4), round(middle + half, 4)],
    }


def seconds(answers: Sequence[dict]) -> dict[str, float]:
    """Wall time of an answer: from the file, and of the language model alone."""
    found = {}
    for stage in ("total_s", "generate_s"):
        spent = [answer[stage] for answer in answers]
        found[f"{stage}_mean"] = round(mean(spent), 4)
        found[f"{stage}_median"] = round(median(spent), 4)
    return found


def told(row: dict) -> dict:
    """A question that was answered rightly in free text alone."""
    return {
        "type": row["type"],
        "question": row["question"],
        "answer": row["answer"],
        "log_likelihoods": {text: round(found, 4) for text, found in row["options"].items()},
    }


def show(result: dict) -> None:
    """Prints the table, and whether choosing was at least as good."""
    print(f"{'type':9} {'asked':>5} {'by likelihood':>22} {'free text':>22} {'only l.':>7} {'only f.':>7}")
    for kind, row in [*result["types"].items(), ("all", result["all"])]:
        cells = " ".join(f"{percent(row[way]):>22}" for way in WAYS)
        paired = row["paired"]
        print(f"{kind:9} {row['questions']:5} {cells} {paired['only_likelihood']:7} {paired['only_free']:7}")
    for key in ("free_is_an_option", "free_where_it_is_an_option", "likelihood_where_free_is_none"):
        print(f"{key.replace('_', ' ')}: {percent(result['all'][key])}")
    for way, spent in result["seconds"].items():
        print(
            f"{way}: {spent['total_s_median']:.3f} s, of which the answer {spent['generate_s_median']:.3f} s"
        )
    worse = [
        kind for kind, row in result["types"].items() if row["likelihood"]["count"] < row["free"]["count"]
    ]
    met = result["all"]["likelihood"]["count"] >= result["all"]["free"]["count"]
    verdict = f"{'met' if met else 'NOT met'}; worse: {', '.join(worse) or 'none'}"
    print(f"by likelihood at least free text: {verdict}")


def percent(found: dict) -> str:
    """`64.3 (61.0 to 67.1)`, in per cent."""
    if found["of"] == 0:
        return "-"
    low, high = found["interval"]
    return f"{100 * found['share']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


if __name__ == "__main__":
    main()
