"""Hypothesis: dynfocus-tiny answers questions on clips it never saw, by looking, however they are filmed.

Exact match on generated clips, decoded from their mp4 files by `ask`'s own path, beside four baselines: the
most frequent answer of each type; what the question alone gives away, learned from other clips; the same
model asked about black frames; and asked about the same frames with their times exchanged. `--look` asks the
same questions about the same clips filmed in other ways, and says what each costs.

    python benchmarks/accuracy.py --clips 100 --seed 11 [--model PATH] [--workers 2] [--scorer visual]
    python benchmarks/accuracy.py --questions 2100 --balanced --look all --partial runs/exam.jsonl
    python benchmarks/accuracy.py --questions 2100 --balanced --wordings held-out
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dynfocus_cli.synth.exam import Sheet, draw_balanced, in_other_words, past_questions, sheet_of
from dynfocus_cli.synth.world import WORLDS
from dynfocus_cli.synth.write import FILMS, write_video
from dynfocus_tiny.wordings import HELD_OUT
from guess import Guesser
from provenance import provenance

PLAIN = "plain"
BLACK, NO_TIME, QUESTION_ONLY = "black", "no_time", "question_only"
TWINS = (BLACK, NO_TIME)
"""Baselines that need a file of their own."""
OTHER_LOOKS = tuple(name for name in FILMS if name != PLAIN)
PREPARED_CLIPS = 2000
"""How many other clips the question-only baseline has learned from."""
RESAMPLES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=None, help="how many clips to ask about; 100")
    parser.add_argument("--questions", type=int, default=None, help="as many questions, in place of --clips")
    parser.add_argument("--balanced", action="store_true", help="as many --questions of each type")
    parser.add_argument("--seed", type=int, default=11, help="of the clips, as for `dynfocus synth`")
    parser.add_argument("--world", choices=WORLDS, default="short", help="as for `dynfocus synth`")
    parser.add_argument("--wordings", choices=("exam", "held-out"), default="exam")
    parser.add_argument(
        "--look",
        action="append",
        choices=(*OTHER_LOOKS, "all"),
        default=[],
        help="and filmed so too; repeats",
    )
    parser.add_argument("--model", default=None)
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--scorer", choices=("visual", "question"), default=None)
    parser.add_argument(
        "--without", action="append", choices=TWINS, default=[], help="leave a baseline out; repeats"
    )
    parser.add_argument(
        "--partial", type=Path, default=None, help="keep each clip's answers here, and resume"
    )
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()
    if arguments.balanced and (arguments.questions is None or arguments.clips is not None):
        parser.error("--balanced takes --questions, and no --clips.")
    if arguments.questions is not None and arguments.clips is not None:
        parser.error("--questions and --clips exclude each other.")
    sheets = draw(arguments)
    looks = OTHER_LOOKS if "all" in arguments.look else tuple(dict.fromkeys(arguments.look))
    answers = hold_exam(arguments, sheets, looks)
    plain = rows_of(answers, sheets, PLAIN)
    guess(plain, sheets, arguments.seed + 1)
    result = tally(plain) | {
        "interval": interval([int(row["given"] == row["answer"]) for row in plain], plain),
        "clips": len(sheets),
        "seed": arguments.seed,
        "balanced": arguments.balanced,
        "world": arguments.world,
        "wordings": arguments.wordings,
        "revision": next(iter(answers.values()))["revision"],
    }
    if looks:
        result["looks"] = {look: compare(plain, rows_of(answers, sheets, look)) for look in looks}
    result["measured"] = provenance()
    show(result)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def draw(arguments: argparse.Namespace) -> list[Sheet]:
    """The exam that was asked for."""
    world, seed = WORLDS[arguments.world], arguments.seed
    if arguments.balanced:
        sheets = draw_balanced(seed, arguments.questions, world)
    elif arguments.questions is not None:
        sheets = []
        missing = arguments.questions
        while missing > 0:
            sheet = sheet_of(seed, len(sheets), world)
            sheets.append(Sheet(sheet.clip, sheet.script, sheet.questions[:missing]))
            missing -= len(sheets[-1].questions)
    else:
        sheets = [sheet_of(seed, clip, world) for clip in range(arguments.clips or 100)]
    if arguments.wordings == "held-out":
        sheets = [in_other_words(sheet, HELD_OUT) for sheet in sheets]
    return sheets


class Job(NamedTuple):
    """One clip's questions, asked in one way."""

    folder: Path
    sheet: Sheet
    model: str | None = None
    scorer: str | None = None
    look: str = PLAIN
    twins: tuple[str, ...] = ()
    quantize: str | None = None


Answers = dict[tuple[int, str], dict]
"""By clip and look: the model's `revision` and one row a question."""


def hold_exam(arguments: argparse.Namespace, sheets: Sequence[Sheet], looks: Sequence[str]) -> Answers:
    """Asks what no earlier run has asked, and keeps each clip's answers as soon as they are there."""
    twins = tuple(twin for twin in TWINS if twin not in arguments.without)
    way = [arguments.model, arguments.scorer, arguments.seed, arguments.world]
    answers = read_partial(arguments.partial, way, sheets, twins)
    wanted = [PLAIN, *looks]
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(arguments.workers) as pool,
    ):
        jobs = [
            Job(Path(folder), sheet, arguments.model, arguments.scorer, look, twins if look == PLAIN else ())
            for sheet, look in itertools.product(sheets, wanted)
            if (sheet.clip, look) not in answers
        ]
        for job, rows in zip(jobs, pool.imap(ask_clip, jobs), strict=True):
            done = {"way": way, "clip": job.sheet.clip, "look": job.look, "revision": rows[0]["revision"]}
            answers[job.sheet.clip, job.look] = done | {"rows": rows}
            if arguments.partial is not None:
                keep(arguments.partial, done | {"rows": rows})
    if len({answer["revision"] for answer in answers.values()}) > 1:
        raise SystemExit(f"{arguments.partial} holds answers of another model: name another file.")
    return answers


def read_partial(path: Path | None, way: list, sheets: Sequence[Sheet], twins: Iterable[str]) -> Answers:
    """What an earlier run has answered of exactly these questions, with these baselines."""
    if path is None or not path.exists():
        return {}
    asked = {sheet.clip: [question.question for question in sheet.questions] for sheet in sheets}
    answers: Answers = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            done = json.loads(line)
        except json.JSONDecodeError:  # cut off by a kill
            continue
        rows = done["rows"]
        same = done["way"] == way and asked.get(done["clip"]) == [row["question"] for row in rows]
        if same and (done["look"] != PLAIN or all(twin in rows[0] for twin in twins)):
            answers[done["clip"], done["look"]] = done
    return answers


def keep(path: Path, done: dict) -> None:
    """Adds a clip's answers to those of earlier ones; what a kill cut off stays a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        whole = file.tell() == 0
        if not whole:
            file.seek(-1, 2)
            whole = file.read(1) == b"\n"
        file.write((b"" if whole else b"\n") + json.dumps(done).encode() + b"\n")


def ask_clip(job: Job) -> list[dict]:
    """Films one clip (and its twins), asks its questions, and removes it again."""
    import torch

    from dynfocus_cli import pipeline
    from dynfocus_cli.options import RunOptions, SelectionOptions
    from dynfocus_cli.progress import Silent

    torch.set_num_threads(1)
    model = _model(job.model, job.quantize)
    options = RunOptions(selection=SelectionOptions(scorer=job.scorer))  # type: ignore[arg-type]
    script = job.sheet.script
    path = job.folder / f"clip-{job.sheet.clip:05d}-{job.look}.mp4"
    write_video(script, path, **FILMS[job.look]._asdict())
    twins = {}
    for twin in job.twins:
        twins[twin] = path.with_stem(f"{path.stem}-{twin}")
        if twin == BLACK:
            _write_black(twins[twin], script.duration_s)
        else:
            order = random.Random(script.seed).sample(range(script.duration_s), script.duration_s)
            write_video(script, twins[twin], order=order)
    rows = []
    for asked in job.sheet.questions:
        seen = pipeline.ask(str(path), asked.question, model, options, Silent())
        row = {
            "type": asked.type,
            "question": asked.question,
            "answer": asked.answer,
            "given": seen.answer,
            "revision": model.info.revision,
        }
        for twin, file in twins.items():
            row[twin] = pipeline.ask(str(file), asked.question, model, options, Silent()).answer
        rows.append(row)
    for written in (path, *twins.values()):
        written.unlink()
    return rows


_loaded: dict = {}


def _model(name: str | None, quantize: str | None):
    if (name, quantize) not in _loaded:
        from dynfocus_cli.models.open import load_model

        _loaded[name, quantize] = load_model(name, "auto", quantize)
    return _loaded[name, quantize]


def _write_black(path: Path, duration_s: int) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=2, options={"preset": "ultrafast"})
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        frame = np.zeros((256, 256, 3), np.uint8)
        for _ in range(2 * duration_s):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def rows_of(answers: Answers, sheets: Sequence[Sheet], look: str) -> list[dict]:
    """One look's rows in the exam's order, each with its clip."""
    return [row | {"clip": sheet.clip} for sheet in sheets for row in answers[sheet.clip, look]["rows"]]


def guess(rows: list[dict], sheets: Sequence[Sheet], seed: int) -> None:
    """Adds to each row what its question alone gives away."""
    guesser = Guesser(past_questions(seed, PREPARED_CLIPS))
    questions = [question for sheet in sheets for question in sheet.questions]
    for row, question in zip(rows, questions, strict=True):
        row[QUESTION_ONLY] = guesser.guess(question)


def tally(rows: list[dict]) -> dict:
    """Share of exact matches overall and a type, with the baselines."""
    by_type = defaultdict(list)
    for row in rows:
        by_type[row["type"]].append(row)
    types = {}
    for kind in sorted(by_type):
        asked = by_type[kind]
        count = len(asked)
        majority = Counter(row["answer"] for row in asked).most_common(1)[0][1]
        types[kind] = {
            "questions": count,
            "accuracy": round(sum(row["given"] == row["answer"] for row in asked) / count, 4),
            "majority": round(majority / count, 4),
        }
        for baseline in (QUESTION_ONLY, *TWINS):
            if baseline in asked[0]:
                hits = sum(row[baseline] == row["answer"] for row in asked)
                types[kind][baseline] = round(hits / count, 4)
    figures = [key for key in next(iter(types.values())) if key != "questions"]
    overall = {
        key: round(sum(t[key] * t["questions"] for t in types.values()) / len(rows), 4) for key in figures
    }
    return {"questions": len(rows), "overall": overall, "types": types}


def interval(values: Sequence[int], rows: Sequence[dict]) -> list[float]:
    """Where the mean of `values`, one a row, lies at 95 %, by a bootstrap over the rows' clips."""
    import numpy as np

    by_clip: dict[int, list[int]] = defaultdict(list)
    for value, row in zip(values, rows, strict=True):
        by_clip[row["clip"]].append(value)
    sums = np.array([sum(clip) for clip in by_clip.values()])
    counts = np.array([len(clip) for clip in by_clip.values()])
    drawn = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), (0.025, 0.975))
    return [round(float(low), 4), round(float(high), 4)]


def compare(plain: list[dict], other: list[dict]) -> dict:
    """Another look's accuracy and what it is above the plain one's, with an interval over clips at 95 %."""
    result = tally(other)
    gains = [
        int(after["given"] == after["answer"]) - int(before["given"] == before["answer"])
        for before, after in zip(plain, other, strict=True)
    ]
    return {
        "accuracy": result["overall"]["accuracy"],
        "minus_plain": round(sum(gains) / len(gains), 4),
        "interval": interval(gains, plain),
        "types": {kind: row["accuracy"] for kind, row in result["types"].items()},
    }


def show(result: dict) -> None:
    """Prints the tables."""
    figures = list(result["overall"])
    widths = [max(9, len(key)) for key in figures]

    def cells(row: dict) -> str:
        return " ".join(f"{row[key]:{width}.1%}" for key, width in zip(figures, widths, strict=True))

    print(
        f"{'type':10} {'questions':>9} "
        + " ".join(f"{key:>{width}}" for key, width in zip(figures, widths, strict=True))
    )
    for kind, row in result["types"].items():
        print(f"{kind:10} {row['questions']:9} {cells(row)}")
    print(f"{'overall':10} {result['questions']:9} {cells(result['overall'])}")
    print("accuracy lies between {:.1%} and {:.1%}".format(*result["interval"]))
    for look, row in result.get("looks", {}).items():
        low, high = row["interval"]
        print(
            f"{look:10} {row['accuracy']:9.1%}, against plain {100 * row['minus_plain']:+.1f} points "
            f"({100 * low:+.1f} to {100 * high:+.1f})"
        )


if __name__ == "__main__":
    main()
