"""Hypothesis: a network that learned from the widened world does not mind how its clips are drawn.

The same types of questions on clips that differ in one thing at a time from the old world: proportions, sizes
of things, fonts and photographs that no training had (`dynfocus_tiny.materials` names them), textures,
drawings, number of scenes, length, entrances and easing; then all at once. Each has scripts of its own, or a
question that is hard would be missed in many. Per cent right with 95 % intervals from a bootstrap over clips.
And abstention: of questions that a clip does not answer, how many get "cannot
tell", and how many of those that it does.

    python benchmarks/wide.py --materials FOLDER [--model PATH] [--questions 150] [--condition 16:9 ...]
    python benchmarks/wide.py --materials FOLDER --unanswerable 400 --partial runs/wide.jsonl --out FILE
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accuracy import interval, keep, tally
from dynfocus_cli.synth.exam import Sheet, draw_balanced
from dynfocus_cli.synth.look import PLAIN, WIDE_LOOKS, Look
from dynfocus_cli.synth.questions import Question, observe
from dynfocus_cli.synth.unanswerable import CANNOT_TELL, UNANSWERABLE, ask_unanswerable
from dynfocus_cli.synth.world import SHORT, WIDE, World
from dynfocus_cli.synth.write import Film, write_video
from dynfocus_tiny.materials import Materials, load_materials
from provenance import provenance

FILM = Film(fps=6)
SMOOTH = Look(smooth=True)
UNANSWERABLE_A_CLIP = 6
SEEDS_APART = 100
"""Between the sets of clips of two conditions."""

MakeLook = Callable[[random.Random, Materials], Look]


@dataclass(frozen=True, slots=True)
class Condition:
    """What clips of an exam differ in from the old world."""

    world: World = SHORT
    look: MakeLook = lambda rng, materials: SMOOTH


def _named(name: str) -> MakeLook:
    return lambda rng, materials: WIDE_LOOKS[name]


def _held_out_font(rng: random.Random, materials: Materials) -> Look:
    return replace(SMOOTH, digits=rng.choice(materials.held_out_fonts))


def _held_out_photograph(rng: random.Random, materials: Materials) -> Look:
    assert materials.held_out_backdrop is not None
    return replace(SMOOTH, backdrop=materials.held_out_backdrop)


def _all_at_once(rng: random.Random, materials: Materials) -> Look:
    look = rng.choice([PLAIN, *WIDE_LOOKS.values()])
    if materials.held_out_fonts:
        look = replace(look, digits=rng.choice(materials.held_out_fonts))
    if materials.held_out_backdrop is not None and rng.random() < 0.3:
        look = replace(look, backdrop=materials.held_out_backdrop)
    return look


CONDITIONS: dict[str, Condition] = {
    "old world": Condition(look=lambda rng, materials: PLAIN),
    **{name: Condition(look=_named(name)) for name in WIDE_LOOKS},
    "small things": Condition(replace(SHORT, radii=(0.05, 0.085))),
    "large things": Condition(replace(SHORT, radii=(0.17, 0.25))),
    "held-out fonts": Condition(look=_held_out_font),
    "held-out photographs": Condition(look=_held_out_photograph),
    "7 to 10 scenes": Condition(replace(WIDE, radii=SHORT.radii, durations_s=(40, 120), scenes=(7, 10))),
    "2 to 5 minutes": Condition(replace(WIDE, radii=SHORT.radii, durations_s=(121, 300))),
    "entrances, easing": Condition(replace(SHORT, entrances=0.6, easing=1.0)),
    "all at once": Condition(replace(WIDE, radii=(0.09, 0.2)), _all_at_once),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--materials", type=Path, required=True, help="a folder with fonts/ and pictures/")
    parser.add_argument("--model", default="dynfocus-tiny")
    parser.add_argument("--questions", type=int, default=150, help="of each condition, balanced over types")
    parser.add_argument("--unanswerable", type=int, default=0, help="questions that clips do not answer")
    parser.add_argument("--condition", action="append", choices=CONDITIONS, default=[], help="repeats; all")
    parser.add_argument("--seed", type=int, default=41, help="of the clips, as for `dynfocus synth`")
    parser.add_argument(
        "--partial", type=Path, default=None, help="keep each clip's answers here, and resume"
    )
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()

    import torch

    import dynfocus_cli

    torch.set_num_threads(1)
    exam = Exam(
        dynfocus_cli.load(arguments.model, device="cpu"),
        load_materials(arguments.materials),
        arguments.partial,
        arguments.seed,
    )
    result: dict = {"conditions": {}, "seed": arguments.seed}
    answerable: list[dict] = []
    for name in arguments.condition or CONDITIONS:
        rows = exam.hold(name, sheets_of(name, arguments.seed, arguments.questions))
        answerable += rows
        result["conditions"][name] = figures = summary(rows)
        tell(name, figures)
    wrongly = sum(row["given"] == CANNOT_TELL for row in answerable) / max(1, len(answerable))
    result["answerable"] = summary(answerable) | {"cannot_tell": round(wrongly, 4)}
    tell("all of these", result["answerable"])
    print(", ".join(f"{kind} {right:.0%}" for kind, right in result["answerable"]["types"].items()))
    if arguments.unanswerable:
        rows = exam.hold(UNANSWERABLE, unanswerable_sheets(arguments.seed, arguments.unanswerable))
        result[UNANSWERABLE] = summary(rows)
        print(f"{UNANSWERABLE:22} {result[UNANSWERABLE]['accuracy']:6.1%}; answerable: {wrongly:.1%} wrongly")
    result["revision"] = exam.revision
    result["measured"] = provenance()
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def tell(name: str, figures: dict) -> None:
    """A line of the table."""
    low, high = figures["interval"]
    print(f"{name:22} {figures['accuracy']:6.1%} ({low:.1%} to {high:.1%})", flush=True)


def summary(rows: Sequence[dict]) -> dict:
    """Share of exact answers with its interval, and a type."""
    counts = tally(list(rows))
    return {
        "questions": len(rows),
        "accuracy": counts["overall"]["accuracy"],
        "interval": interval([int(row["given"] == row["answer"]) for row in rows], rows),
        "types": {kind: row["accuracy"] for kind, row in counts["types"].items()},
    }


def sheets_of(condition: str, seed: int, questions: int) -> list[Sheet]:
    """What is asked on the clips of a condition, which no other one films; the first has the set `seed`."""
    own_seed = seed + SEEDS_APART * list(CONDITIONS).index(condition)
    return draw_balanced(own_seed, questions, CONDITIONS[condition].world)


def unanswerable_sheets(seed: int, questions: int) -> list[Sheet]:
    """Clips of the whole widened world with questions that they do not answer."""
    sheets: list[Sheet] = []
    for sheet in draw_balanced(seed + 1, 4 * questions, CONDITIONS["all at once"].world):
        observed = observe(sheet.script, range(sheet.script.duration_s))
        missing = questions - sum(len(other.questions) for other in sheets)
        if missing <= 0:
            break
        count = min(missing, UNANSWERABLE_A_CLIP)
        asked = ask_unanswerable(observed, random.Random(f"{sheet.script.seed} unanswerable"), count)
        sheets.append(replace(sheet, questions=tuple(asked)))
    return sheets


class Exam:
    """Asks a model about clips, and keeps each clip's answers in a file that a later run goes on with."""

    def __init__(self, loaded, materials: Materials, partial: Path | None, seed: int) -> None:
        self.loaded, self.materials, self.partial, self.seed = loaded, materials, partial, seed
        self.revision = loaded.model.info.revision
        self._done: dict[tuple, list[dict]] = {}
        if partial is not None and partial.exists():
            for line in partial.read_text(encoding="utf-8").splitlines():
                try:
                    kept = json.loads(line)
                except json.JSONDecodeError:  # cut off by a kill
                    continue
                self._done[tuple(kept["key"])] = kept["rows"]

    def hold(self, condition: str, sheets: Sequence[Sheet]) -> list[dict]:
        """One row a question: its type, the right answer, the given one, and the clip."""
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            for sheet in sheets:
                key = (self.revision, self.seed, condition, sheet.clip, len(sheet.questions))
                if key not in self._done:
                    self._done[key] = self._ask(Path(folder) / "clip.mp4", condition, sheet)
                    if self.partial is not None:
                        keep(self.partial, {"key": key, "rows": self._done[key]})
                rows += self._done[key]
        return rows

    def _ask(self, path: Path, condition: str, sheet: Sheet) -> list[dict]:
        shape = CONDITIONS.get(condition, CONDITIONS["all at once"])
        look = shape.look(random.Random(f"{sheet.script.seed} exam"), self.materials)
        write_video(sheet.script, path, **FILM._replace(look=look)._asdict())
        rows = [self._row(path, sheet.script.seed, question) for question in sheet.questions]
        path.unlink()
        return rows

    def _row(self, path: Path, clip: int, question: Question) -> dict:
        given = self.loaded.ask(str(path), question.question)
        return {
            "clip": clip,
            "type": question.type,
            "question": question.question,
            "answer": question.answer,
            "given": given.answer,
            "in_domain": given.evidence.in_domain,
        }


if __name__ == "__main__":
    main()
