"""Hypothesis: dynfocus-tiny finds at least four in five generated moments, with both borders within a frame
of where they are, and hardly any of what is not there.

The queries of `synth/moments.py` on held-out clips, each put to `find` with the file: a third are of things
that the clip never shows, most of them near misses. A query counts as found where the best moment and a true
span share at least half of their time together (R@1 at an IoU of 0.5). Borders are compared where they do:
how far the start and the end are off, before anything is decoded for them (half-way between sampled frames)
and after. Then the language model is asked about the N best moments of each query, for each N of `--verify`,
and ranks them, as `find --verify N` does; "denied left out" also counts as not found what it says no to. Both
are compared with the same moments before, query by query.

    python benchmarks/moments.py --queries 600 --seed 41 --out benchmarks/results/moments.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch

from dynfocus_cli.models.open import load_model
from dynfocus_cli.moments.embedding import embed
from dynfocus_cli.moments.moment import Moment
from dynfocus_cli.moments.open import open_retriever
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.moments.search import curve_of, search
from dynfocus_cli.moments.spans import overlap
from dynfocus_cli.moments.verify import verified
from dynfocus_cli.options import DecodingOptions, FindOptions, SamplingOptions
from dynfocus_cli.progress import Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.synth.moments import MomentQuery, draw_searches
from dynfocus_cli.synth.write import FPS, write_video
from dynfocus_cli.types import Span
from dynfocus_cli.video import probe
from provenance import provenance

IOUS = (0.3, 0.5, 0.7)
DENIED = ", denied left out"
RESAMPLES = 10_000
Z = 1.959964
"""Of a normal distribution's 95 %."""


@dataclass
class Tally:
    """What came of the queries of one way to search."""

    overlaps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of the best moment with the nearest true span, a kind."""
    false: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    """Whether anything was found that is not there, a kind."""
    starts_s: list[float] = field(default_factory=list)
    """How far off the starts of moments are that were found."""
    ends_s: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    """1 for each query that was found, and for each of what is absent for which nothing was; else 0."""
    frames: int = 0
    """Decoded for the borders."""
    moments: int = 0
    seconds: float = 0.0

    def add(self, query: MomentQuery, found: Sequence[Moment]) -> None:
        """Counts one query with what was found, the best first."""
        if not query.spans_s:
            self.false[query.kind].append(bool(found))
            self.right.append(float(not found))
            return
        shared, nearest = 0.0, None
        if found:
            best = (found[0].start_s, found[0].end_s)
            shared, nearest = max((overlap(best, span), span) for span in query.spans_s)
        self.overlaps[query.kind].append(shared)
        self.right.append(float(shared >= 0.5))
        if nearest is not None and shared >= 0.5:
            self.starts_s.append(abs(found[0].start_s - nearest[0]))
            self.ends_s.append(abs(found[0].end_s - nearest[1]))

    def figures(self) -> dict[str, object]:
        """Shares with their 95 % intervals (Wilson), and medians in seconds and frames."""
        every = [value for values in self.overlaps.values() for value in values]
        false = [value for values in self.false.values() for value in values]
        borders = {"start": self.starts_s, "end": self.ends_s}
        return {
            "queries": len(every) + len(false),
            "absent": len(false),
            "recall_at_1": {f"{iou}": _share([value >= iou for value in every]) for iou in IOUS},
            "mean_iou": round(mean(every), 4),
            "false_alarms": _share(false),
            "kinds": {
                **{kind: round(mean(v >= 0.5 for v in values), 4) for kind, values in self.overlaps.items()},
                **{kind: round(mean(values), 4) for kind, values in self.false.items()},
            },
            "border_error_s": {
                name: {
                    "median": round(median(values), 4),
                    "median_frames": round(median(values) * FPS, 3),
                    "within_a_frame": round(mean(v <= 1 / FPS + 1e-6 for v in values), 4),
                    "largest": round(max(values), 3),
                }
                for name, values in borders.items()
            },
            "frames_decoded_for_borders": self.frames,
            "frames_decoded_a_moment": round(self.frames / max(1, self.moments), 2),
            "seconds": round(self.seconds, 2),
        }


def _share(hits: Sequence[bool]) -> dict[str, object]:
    n, p = len(hits), mean(hits)
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    low, high = middle - half, middle + half
    return {"share": round(mean(hits), 4), "of": len(hits), "interval": [round(low, 4), round(high, 4)]}


def paired(ours: Sequence[float], theirs: Sequence[float], clips: Sequence[int]) -> dict[str, object]:
    """How many more queries are right, with a 95 % interval by a bootstrap over clips, and on how many one
    way alone is."""
    numbers = sorted(set(clips))
    gains = {
        number: [a - b for a, b, c in zip(ours, theirs, clips, strict=True) if c == number]
        for number in numbers
    }
    sums = np.array([(sum(gains[number]), len(gains[number])) for number in numbers])
    drawn = sums[np.random.default_rng(1).integers(0, len(sums), (RESAMPLES, len(sums)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], (2.5, 97.5))
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "gain": round(mean(a - b for a, b in pairs), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "won": sum(a > b for a, b in pairs),
        "lost": sum(a < b for a, b in pairs),
        "of": len(pairs),
    }


def best_frame(retriever: Retriever, times_s: Sequence[float], scores: Sequence[float]) -> list[Span]:
    """A span of four seconds around the best frame, where that reaches the threshold."""
    best = max(range(len(scores)), key=scores.__getitem__)
    if scores[best] < retriever.threshold:
        return []
    return [(max(0.0, times_s[best] - 2), times_s[best] + 2)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="dynfocus-tiny")
    parser.add_argument("--queries", type=int, default=600)
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument(
        "--verify", type=int, nargs="*", default=[3, 5], help="moments that the language model is asked about"
    )
    parser.add_argument("--clips", type=Path, help="a folder that keeps the clips")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(arguments.model, "cpu")
    retriever = open_retriever(model.spec, lambda: model)
    assert retriever is not None, f"{arguments.model} has no retrieval head"
    sheets = draw_searches(arguments.seed, arguments.queries)
    ways = {
        "sampled": FindOptions(refine=False),
        "refined": FindOptions(refine=True),
    }
    asked = [f"verify {most}{end}" for most in arguments.verify for end in ("", DENIED)]
    tallies = {name: Tally() for name in [*ways, *asked, "best frame"]}
    decoding, sampled = DecodingOptions(cache=False), 0
    clips = [sheet.clip for sheet in sheets for _ in sheet.queries]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.clips or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for sheet in sheets:
            path = folder / f"{arguments.seed}-{sheet.clip}.mp4"
            if not path.exists():
                write_video(sheet.script, path)
            source = probe(str(path))
            frames = embed(source, retriever, SamplingOptions(), decoding, Silent(), Stopwatch())
            sampled += len(frames.times_s)
            for query in sheet.queries:
                for name, options in ways.items():
                    began, tally = time.perf_counter(), tallies[name]
                    result = search(source, frames, query.text, retriever, options, decoding=decoding)
                    tally.add(query, result.moments)
                    tally.frames += result.frames_refined
                    tally.moments += len(result.moments)
                    tally.seconds += time.perf_counter() - began
                for most in arguments.verify:
                    began, name = time.perf_counter(), f"verify {most}"
                    checked = verified(result.moments, query.text, model, most, decoding)
                    ranked = sorted(checked, key=lambda m: m.rank)
                    tallies[name].seconds += time.perf_counter() - began
                    tallies[name].add(query, ranked)
                    kept = [m for m in ranked if m.log_odds is None or m.log_odds > 0]
                    tallies[f"{name}{DENIED}"].add(query, kept)
                curve = curve_of(frames, query.text, retriever)
                around = best_frame(retriever, curve.times_s, curve.scores)
                tallies["best frame"].add(
                    query, [Moment(str(path), *span, 1.0, span[0], 2.0) for span in around]
                )
    figures = {name: tally.figures() for name, tally in tallies.items()}
    for name, found in figures.items():
        print(f"{name}: {json.dumps(found)}")
    result = {
        "seed": arguments.seed,
        "clips": len(sheets),
        "frames_sampled": sampled,
        "threshold": retriever.threshold,
        "verify": arguments.verify,
        "ways": figures,
        "right_beside_refined": {
            name: paired(tallies[name].right, tallies["refined"].right, clips) for name in asked
        },
        "provenance": provenance(arguments.model),
    }
    line = json.dumps(result)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(line)


if __name__ == "__main__":
    main()
