"""Hypothesis: of the same moments, `dynfocus eval` works out the figures that the makers' scripts of
QVHighlights and TimeLens-Bench work out, and these take our submission files.

Annotations in the official layouts are invented, with several moments a query, odd lengths and grades; so are
predictions: near ones, far ones, none at all, and clips of equal scores. The scripts run in an environment of
their own. QVHighlights' rounds to two digits.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install numpy scikit-learn
    cd /tmp/checkouts && git clone ...   # jayleicn/moment_detr and TencentARC/TimeLens
    python benchmarks/moment_scorers.py /tmp/reference/bin/python /tmp/checkouts \\
        --out benchmarks/results/moment-scorers.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynfocus_cli.evaluation.benchmark import Benchmark, find_benchmark
from dynfocus_cli.evaluation.item import Item, Prediction, RankedSpan, Scored
from provenance import provenance

QUERIES = 300
ROUNDED = 0.0051
"""Of per cent."""
EXACT = 1e-9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("python", type=Path, help="of the environment that has numpy and scikit-learn")
    parser.add_argument("checkouts", type=Path, help="folder of the other repositories' clones")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = [
            qvhighlights(folder / "qvhighlights", arguments.python, arguments.checkouts / "moment_detr"),
            timelens(folder / "timelens", arguments.python, arguments.checkouts / "TimeLens"),
        ]
    for row in rows:
        print(
            f"{row['benchmark']:14} {row['figures']:3} figures of {row['queries']} queries, "
            f"at most {row['largest']:.2g} apart"
        )
    result = {
        "hypothesis": " ".join((__doc__ or "").partition("\n\n")[0].removeprefix("Hypothesis: ").split()),
        "comparisons": rows,
        "measured": provenance(),
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"equal": all(row["equal"] for row in rows)}))


def qvhighlights(folder: Path, python: Path, checkout: Path) -> dict[str, Any]:
    """Ours against standalone_eval/eval.py."""
    draw = random.Random(1)
    rows = []
    for number in range(QUERIES):
        duration = draw.choice([126, 150, 149])
        starts = sorted(draw.sample(range(0, duration // 2 - 1), draw.choice([1, 1, 2, 4])))
        windows = [
            [2 * start, min(2 * (end if draw.random() < 0.5 else start + draw.randrange(1, 9)), duration)]
            for start, end in zip(starts, [*starts[1:], duration // 2], strict=True)
        ]
        clips = sorted(
            {clip for start, end in windows for clip in range(start // 2, end // 2)} - {duration // 2}
        )
        grades = [[draw.randrange(5) for _ in range(3)] for _ in clips]
        rows.append(
            {
                "qid": number,
                "query": f"number {number}",
                "duration": duration,
                "vid": f"v{number}_0.0_150.0",
                "relevant_windows": windows,
                "relevant_clip_ids": clips,
                "saliency_scores": grades,
            }
        )
    folder.mkdir()
    truth = folder / "highlight_val_release.jsonl"
    truth.write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = find_benchmark("qvhighlights")
    scored = predictions(benchmark, folder, "val", draw, digits=3)
    figures = benchmark.summarise(scored, "official")
    submission = write_submission(benchmark, scored, folder)
    output = folder / "metrics.json"
    paths = ["--submission_path", submission, "--gt_path", truth, "--save_path", output, "--not_verbose"]
    run(python, checkout, ["-m", "standalone_eval.eval", *map(str, paths)])
    return row_of("qvhighlights", figures, json.loads(output.read_text())["brief"], ROUNDED)


def timelens(folder: Path, python: Path, checkout: Path) -> dict[str, Any]:
    """Ours against evaluation/compute_metrics.py."""
    draw = random.Random(2)
    videos: dict[str, Any] = {}
    for number in range(QUERIES):
        start = round(draw.uniform(0, 100), 1)
        video = videos.setdefault(f"v{number // 3}", {"duration": 150, "spans": [], "queries": []})
        video["spans"].append([start, round(start + draw.uniform(0.5, 50), 1)])
        video["queries"].append(f"  Number {number}  happens. ")
    folder.mkdir()
    (folder / "charades-timelens.json").write_text(json.dumps(videos))
    benchmark = find_benchmark("timelens")
    scored = predictions(benchmark, folder, "charades", draw, digits=2)
    figures = benchmark.summarise(scored, "official")
    submission = write_submission(benchmark, scored, folder)
    said = run(python, checkout, ["evaluation/compute_metrics.py", "-f", str(submission)])
    theirs = {name: float(value) for name, value in re.findall(r"(IOU 0\.\d|mIOU): ([\d.]+)", said)}
    return row_of("timelens", figures, theirs, EXACT)


def predictions(
    benchmark: Benchmark, folder: Path, split: str, draw: random.Random, digits: int
) -> list[Scored]:
    """Invented predictions for all queries, whose videos are empty files."""
    for video in _video_names(folder):
        (folder / f"{video}.mp4").touch()
    items = benchmark.read(folder, split).items
    assert len(items) == QUERIES, f"{len(items)} of {QUERIES} queries were read"
    return [
        benchmark.score(_prediction(benchmark, item, draw, digits), "official", "moments") for item in items
    ]


def _video_names(folder: Path) -> Sequence[str]:
    timelens_file = folder / "charades-timelens.json"
    if timelens_file.exists():
        return list(json.loads(timelens_file.read_text()))
    lines = (folder / "highlight_val_release.jsonl").read_text().splitlines()
    return [json.loads(line)["vid"] for line in lines]


def _prediction(benchmark: Benchmark, item: Item, draw: random.Random, digits: int) -> Prediction:
    right = item.spans_s or ()
    spans = []
    for _ in range(draw.choice([0, 1, 1, 2, 5, 12])):
        start, end = draw.choice(right)
        spread = draw.choice([0, 1, 4, 20])
        start = max(0.0, start + draw.uniform(-spread, spread))
        spans.append(
            (round(start, digits), round(max(start + 0.5, end + draw.uniform(-spread, spread)), digits))
        )
    scores = sorted((round(draw.random(), 6) for _ in spans), reverse=True)
    moments = tuple(RankedSpan(*span, score) for span, score in zip(spans, scores, strict=True))
    clips = benchmark.clips(item)
    of_clips = tuple(round(draw.random(), draw.choice([1, 6])) for _ in range(clips[0] if clips else 0))
    return Prediction(item, "find", "", 0, 0.0, moments, of_clips)


def write_submission(benchmark: Benchmark, scored: Sequence[Scored], folder: Path) -> Path:
    ((name, content),) = benchmark.submission(scored).items()
    path = folder / name
    path.write_bytes(content)
    return path


def run(python: Path, checkout: Path, arguments: Sequence[str]) -> str:
    """What a script of another repository says."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [str(python), *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def row_of(name: str, ours: dict[str, float], theirs: dict[str, float], close: float) -> dict[str, Any]:
    """How far each of their figures is from ours of the same name."""
    distances = {figure: abs(ours[figure] - value) for figure, value in theirs.items()}
    different = {figure: [ours[figure], theirs[figure]] for figure, far in distances.items() if far > close}
    return {
        "benchmark": name,
        "queries": QUERIES,
        "figures": len(theirs),
        "largest": max(distances.values()),
        "different": different,
        "equal": bool(theirs) and not different,
    }


if __name__ == "__main__":
    main()
