"""Hypothesis: dynfocus-tiny answers questions on clips it never saw, and it does so by looking.

Exact match on generated clips, decoded from their mp4 files by `ask`'s own path, beside two baselines: the
most frequent answer of each type, and the same model asked about black frames of the same length.

    python benchmarks/accuracy.py --clips 100 --seed 11 [--model PATH] [--workers 2] [--scorer visual]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from provenance import provenance

BLACK = "black"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--seed", type=int, default=11, help="of the clips, as for `dynfocus synth`")
    parser.add_argument("--model", default=None)
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--scorer", choices=("visual", "question"), default=None)
    parser.add_argument("--no-black", action="store_true", help="leave the black-frames baseline out")
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            Job(Path(folder), arguments.seed, clip, arguments.model, arguments.scorer, not arguments.no_black)
            for clip in range(arguments.clips)
        ]
        with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
            rows = [row for rows in pool.imap(ask_clip, jobs) for row in rows]
    result = tally(rows) | {"clips": arguments.clips, "seed": arguments.seed, "revision": rows[0]["revision"]}
    result["measured"] = provenance()
    show(result)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


class Job(NamedTuple):
    """One clip's questions, asked in one way."""

    folder: Path
    seed: int
    clip: int
    model: str | None = None
    scorer: str | None = None
    with_black: bool = False
    quantize: str | None = None


def ask_clip(job: Job) -> list[dict]:
    """Writes one clip (and its black twin), asks its questions, and removes it again."""
    import random

    import torch

    from dynfocus_cli import pipeline
    from dynfocus_cli.progress import Silent
    from dynfocus_cli.run_options import SelectionOptions
    from dynfocus_cli.synth.questions import ask, observe
    from dynfocus_cli.synth.world import write_script
    from dynfocus_cli.synth.write import QUESTIONS_PER_CLIP, clip_seed, write_video

    folder, seed, clip, name, scorer, with_black, quantize = job
    torch.set_num_threads(1)
    model = _model(name, quantize)
    options = pipeline.RunOptions(selection=SelectionOptions(scorer=scorer))  # type: ignore[arg-type]
    script = write_script(clip_seed(seed, clip))
    path = folder / f"clip-{clip:05d}.mp4"
    write_video(script, path)
    black = _black_twin(path, script.duration_s) if with_black else None
    observed = observe(script, [float(second) for second in range(script.duration_s)])
    rows = []
    for asked in ask(observed, random.Random(script.seed), QUESTIONS_PER_CLIP):
        seen = pipeline.ask(str(path), asked.question, model, options, Silent())
        row = {
            "type": asked.type,
            "answer": asked.answer,
            "given": seen.answer,
            "revision": model.info.revision,
        }
        if black is not None:
            row[BLACK] = pipeline.ask(str(black), asked.question, model, options, Silent()).answer
        rows.append(row)
    for written in (path, black):
        if written is not None:
            written.unlink()
    return rows


_loaded: dict = {}


def _model(name: str | None, quantize: str | None):
    if (name, quantize) not in _loaded:
        from dynfocus_cli.checkpoints import load_model

        _loaded[name, quantize] = load_model(name, "auto", quantize)
    return _loaded[name, quantize]


def _black_twin(path: Path, duration_s: int) -> Path:
    import av
    import numpy as np

    twin = path.with_stem(f"{path.stem}-{BLACK}")
    with av.open(str(twin), "w") as container:
        stream = container.add_stream("libx264", rate=2, options={"preset": "ultrafast"})
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        frame = np.zeros((256, 256, 3), np.uint8)
        for _ in range(2 * duration_s):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return twin


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
        if BLACK in asked[0]:
            types[kind][BLACK] = round(sum(row[BLACK] == row["answer"] for row in asked) / count, 4)
    figures = [key for key in ("accuracy", "majority", BLACK) if key in next(iter(types.values()))]
    overall = {
        key: round(sum(t[key] * t["questions"] for t in types.values()) / len(rows), 4) for key in figures
    }
    return {"questions": len(rows), "overall": overall, "types": types}


def show(result: dict) -> None:
    """Prints the table."""
    figures = list(result["overall"])
    print(f"{'type':10} {'questions':>9} " + " ".join(f"{key:>9}" for key in figures))
    for kind, row in result["types"].items():
        print(f"{kind:10} {row['questions']:9} " + " ".join(f"{row[key]:9.1%}" for key in figures))
    print(
        f"{'overall':10} {result['questions']:9} "
        + " ".join(f"{result['overall'][key]:9.1%}" for key in figures)
    )


if __name__ == "__main__":
    main()
