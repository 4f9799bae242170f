"""The model card of `dynfocus-tiny`, written from what was measured.

    python -m dynfocus_tiny.card --accuracy FILE --selection FILE [--looks FILE]
        [--fresh FILE] [--held-out FILE] [--second-seed FILE] [--out FOLDER]

Takes the JSON of `benchmarks/accuracy.py` (plain, with `--look all`, of an exam that was not held before,
with `--wordings held-out`, of a network of another training seed) and of `benchmarks/selection.py`.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dynfocus_cli.checkpoints.card import table
from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.synth.world import COLORS, DIGITS, FIGURES, ICONS, MAX_DURATION_S, MIN_DURATION_S
from dynfocus_tiny.curriculum import CURRICULUM
from dynfocus_tiny.recipe import (
    GROUNDING_STEPS,
    TRAINING_CLIPS,
    TRAINING_SEED,
    VALIDATION_CLIPS,
    VALIDATION_SEED,
    VISION_STEPS,
)
from dynfocus_tiny.run import LOG_NAME

TEMPLATE = """\
# dynfocus-tiny

DynFocus (Han et al., CVPR 2025) in miniature, trained from nothing on generated clips. It shows the whole
mechanism on a CPU, offline. It is no model of the real world: where nobody named it, `dynfocus` gives no
answer by it about real footage, nor to questions with words that it never read, and where somebody did, a
guess below a warning.

Revision `{revision}`, {parameters:.1f} million parameters, bfloat16. Licence: Apache-2.0, as the project.

## Its world

Clips of {shortest} to {longest} s in 1 to 6 scenes, each on a plain, graded or noisy background. One to
three things at a time ({figures}; {icons}; digits 0 to 9) in {colors}. Things stand in one of nine places,
travel across the picture, or change colour. Brief events of 1 to 2 s ("needles") happen within scenes.
`dynfocus synth` writes such clips with their questions.

Questions in English, in the wordings of `recipes/dynfocus_tiny/wordings.py`: what is shown at MM:SS; colour,
shape, digit and position of a thing at a time; whether, when and how often things are seen; which came first,
before and after; motion; colour changes; number of scenes; what flashes up.

## What it scores

{questions} questions on {clips} clips that training never saw (`dynfocus synth --seed {seed}`), decoded from
their mp4 files by `ask`'s own path, exact match. *Majority* always gives a type's most frequent answer.
*Question only* guesses from the question, having learned from those on 2,000 other clips.{twins}{interval}

{accuracy_table}
{more}
Needle events found, {frames} frames of each of {selection_clips} clips (seed {selection_seed}), equal
tokens; of the {sampled} needles that the {frames} frames show at all, and of all {needles}. Among 16 events a
needle's frame has to be the centre of one; 32 events are the frames themselves:

{selection_table}

Most are found by {best}.

## Limits

- Frames are read at 1 a second up to 128 frames; longer videos more sparsely. Pictures are squeezed to
  64 x 64 pixels.
- Brief events were learned of where frames stand at most two seconds apart. Further apart, what shows in one
  frame need not have been brief.
- Times are read as MM:SS. Hours are not understood.
- `domain.json` and `familiarity.safetensors` say what it was trained on: pictures that are nearly square,
  moments up to two minutes, up to 6 scenes, how its frames look, and the words of its questions. Outside of
  them it guesses (`benchmarks/domain.py` says how well the border is seen).
- `retrieval.safetensors` is for `dynfocus find`: it compares a frame with captions of single things or pairs
  of them, such as "a red circle" or "the 7 and something blue"; it knows no motion, place or order. Its
  threshold was measured on generated clips: at most 3 % of captions of absent things are found there. It is
  weakest at two things together.

## How it was trained

`make tiny` runs the recipe that follows; where this network departed from it stands at the end. Clips come in
many looks: edges, digit fonts, hues, grain, codec blocks. Vision encoder: {vision_steps} steps on single
frames with dense labels of shape, colour and place, then frozen; those labels' heads begin the projectors.
Q-Former and rods: {grounding_steps} steps on single frames with a question each, to look at what the question
is about, then frozen too. Then projectors, score network and language model from questions and answers on
{training} clips (script seeds {training_seed} onwards; held out for validation: {validation} clips from
{validation_seed}). The score network learns from the answers' loss through the perturbed top-k, and from the
seconds that the generator knows to decide a question. Beside the answers, what the generator knows of each
frame has to be read off the rods' change (what is before and after it, what flashes up) and off the language
model's state there (scenes until then, what has flashed up, what the answer is by now). A step's questions
are those below for up to 32 frames, and fewer for more.

{phases}

{logged}{history}
"""

TWINS = " *Black* is the same\nmodel shown black frames, *no time* the same frames in a drawn order."


@dataclass(frozen=True, slots=True)
class Measured:
    """The JSON of benchmarks, each of this network but `second_seed`."""

    accuracy: dict[str, Any]
    selection: dict[str, Any]
    looks: dict[str, Any] | None = None
    fresh: dict[str, Any] | None = None
    held_out: dict[str, Any] | None = None
    second_seed: dict[str, Any] | None = None


def write_card(out: Path, measured: Measured, parameters: int, history: str) -> None:
    """Writes `README.md` into the model folder `out`."""
    accuracy, selection = measured.accuracy, measured.selection
    figures = list(accuracy["overall"])
    rows = [
        *accuracy["types"].items(),
        ("**overall**", {"questions": accuracy["questions"]} | accuracy["overall"]),
    ]
    accuracy_table = table(
        ["type", "questions", *figures],
        [[kind, str(row["questions"]), *(f"{row[key]:.1%}" for key in figures)] for kind, row in rows],
    )
    policies = list(next(iter(selection["found_of_sampled"].values())))
    selection_table = table(
        ["key frames of events", "of needles", *policies],
        [
            [key, basis, *(f"{shares[policy]:.1%}" for policy in policies)]
            for basis, found in (("shown", "found_of_sampled"), ("all", "found_of_all"))
            for key, shares in selection[found].items()
        ],
    )
    phases = table(
        [
            "phase",
            "steps",
            "frames",
            "key events",
            "questions a step",
            "peak rate",
        ],
        [
            [
                phase["name"],
                str(phase["steps"]),
                ", ".join(map(str, sorted(set(phase["frames"])))),
                ", ".join(map(str, sorted(set(phase["key_events"])))),
                str(phase["rows"]),
                f"{phase['rate']:g}",
            ]
            for phase in map(asdict, CURRICULUM)
        ],
    )
    logged = (
        f"What was logged of losses and validation is in `{LOG_NAME}`. " if (out / LOG_NAME).exists() else ""
    )
    text = TEMPLATE.format(
        revision=revision(out),
        parameters=parameters / 1e6,
        shortest=MIN_DURATION_S,
        longest=MAX_DURATION_S,
        figures=", ".join(FIGURES),
        icons=", ".join(ICONS),
        colors=", ".join(COLORS),
        questions=accuracy["questions"],
        clips=accuracy["clips"],
        seed=accuracy["seed"],
        accuracy_table=accuracy_table,
        twins=TWINS if "black" in figures else "",
        interval=_interval(accuracy),
        more=_more(measured),
        frames=32,
        selection_clips=selection["clips"],
        selection_seed=selection["seed"],
        sampled=selection["sampled"],
        needles=selection["needles"],
        selection_table=selection_table,
        best=_best(selection["found_of_sampled"]),
        vision_steps=VISION_STEPS,
        grounding_steps=GROUNDING_STEPS,
        training=TRAINING_CLIPS,
        training_seed=TRAINING_SEED,
        validation=VALIDATION_CLIPS,
        validation_seed=VALIDATION_SEED,
        phases=phases,
        logged=logged,
        history=history,
    )
    assert len(DIGITS) == 10, "the card says 0 to 9"
    (out / "README.md").write_text(text, encoding="utf-8")


def _interval(accuracy: dict[str, Any]) -> str:
    if "interval" not in accuracy:
        return ""
    low, high = accuracy["interval"]
    return f" The accuracy overall lies\nbetween {low:.1%} and {high:.1%} (95 %, by a bootstrap over clips)."


def _best(found: dict[str, dict[str, float]]) -> str:
    """The policy that finds the most needles, a number of key frames each."""
    return ", ".join(
        f"`{max(shares, key=lambda one: shares[one])}` for {key}" for key, shares in found.items()
    )


def _more(measured: Measured) -> str:
    """What else was measured, a paragraph each."""
    told = []
    if measured.looks is not None:
        rows = [
            [look, f"{row['accuracy']:.1%}", "{:+.1f} ({:+.1f} to {:+.1f})".format(*_points(row))]
            for look, row in measured.looks["looks"].items()
        ]
        told.append(
            "The same questions on the same clips, filmed in other ways (edges smoothed, hues turned by 15 "
            "degrees, digits\nin another font, twice the resolution, 50 frames a second in place of 12, a "
            "poor codec's quality); points\nagainst the plain clips, with 95 % intervals:\n\n"
            f"{table(['look', 'accuracy', 'points'], rows)}"
        )
    if measured.fresh is not None:
        exam = measured.fresh
        told.append(
            "That exam was held again and again while the network was made. Another one, held once "
            f"(`dynfocus synth --seed {exam['seed']}`,\n{exam['questions']} questions on {exam['clips']} "
            "clips): {:.1%}, between {:.1%} and {:.1%}.".format(
                exam["overall"]["accuracy"], *exam["interval"]
            )
        )
    if measured.held_out is not None:
        overall = measured.held_out["overall"]
        told.append(
            f"{measured.held_out['questions']} questions in wordings that training never saw: "
            f"{overall['accuracy']:.1%}."
        )
    if measured.second_seed is not None:
        kinds = measured.second_seed["types"]
        worst = min(kinds, key=lambda kind: kinds[kind]["accuracy"])
        told.append(
            "A network of another training seed: "
            f"{measured.second_seed['overall']['accuracy']:.1%}, least in `{worst}` "
            f"({kinds[worst]['accuracy']:.1%})."
        )
    return "".join(f"\n{paragraph}\n" for paragraph in told)


def _points(row: dict[str, Any]) -> list[float]:
    return [100 * value for value in (row["minus_plain"], *row["interval"])]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the model card of dynfocus-tiny from measurements.")
    parser.add_argument("--accuracy", type=Path, required=True, help="JSON of benchmarks/accuracy.py")
    parser.add_argument("--selection", type=Path, required=True, help="JSON of benchmarks/selection.py")
    parser.add_argument("--looks", type=Path, help="JSON of benchmarks/accuracy.py --look")
    parser.add_argument("--fresh", type=Path, help="JSON of benchmarks/accuracy.py with another --seed")
    parser.add_argument("--held-out", type=Path, help="JSON of benchmarks/accuracy.py --wordings held-out")
    parser.add_argument("--second-seed", type=Path, help="JSON of benchmarks/accuracy.py, another network's")
    parser.add_argument("--out", type=Path, default=Path("weights/dynfocus-tiny"))
    parser.add_argument("--history", default="", help="a sentence on how this run departed from the recipe")
    arguments = parser.parse_args()
    from safetensors import safe_open

    with safe_open(arguments.out / "model.safetensors", "pt") as weights:
        sizes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118 no mapping
    parameters = sum(map(math.prod, sizes))
    benchmarks: dict[str, Any] = {}
    for field in fields(Measured):
        file: Path | None = getattr(arguments, field.name)
        benchmarks[field.name] = None if file is None else json.loads(file.read_text())
    measured = Measured(**benchmarks)
    write_card(arguments.out, measured, parameters, arguments.history)


if __name__ == "__main__":
    main()
