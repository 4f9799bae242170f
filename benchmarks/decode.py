"""Hypothesis: frames at planned moments take at most 0.7 times as long as with the fastest peer in H.264 and
HEVC, no longer in VP9 and AV1, and less than 150 MB beyond the imports.

All tools in one run, interleaved, each measurement in a process of its own (`decode_peers.py`). Peers run
in the ways that suit the regime, and those that take over 1.5 times as long as the fastest one in the first
round are not asked again. Needs the ffmpeg command, and in this environment torchcodec, decord and opencv-
python-headless. Clips are made once, in a few minutes, and kept in a folder.

`--before` is the Python of another version of dynfocus, which is to be at most 3 % faster in any regime: both
take turns, in pairs of processes, and the median of the pairs' ratios counts.

    python benchmarks/decode.py [--rounds 5] [--before PYTHON [--pairs 15]] [--regime NAME ...] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from decode_clips import FPS, LOOP_S, make
from decode_peers import number_at
from provenance import provenance

TIMEOUT_S = 600
OURS = "dynfocus"

# Tried once on each kind of regime: the variants left out took 1.5 to 20 times as long as those named.
DENSE = ("torchcodec", "decord", "opencv", "ffmpeg")
SPARSE = ("torchcodec", "torchcodec-1-thread", "decord", "opencv-seek", "ffmpeg-each")
SHORT = ("torchcodec", "torchcodec-1-thread", "decord", "opencv-seek", "ffmpeg", "ffmpeg-each")


@dataclass(frozen=True, slots=True)
class Regime:
    """A clip and the moments to show of it."""

    clip: str
    first_s: float
    step_s: float
    count: int
    peers: tuple[str, ...]
    bar: float
    """Most that the ratio to the fastest peer may be."""

    @property
    def moments(self) -> list[float]:
        # On the clip's own grid, so that every tool's idea of "at" is the same frame.
        return [round((self.first_s + place * self.step_s) * FPS) / FPS for place in range(self.count)]


REGIMES = {
    "1 fps over 10 min, H.264 1080p": Regime("h264-1080p-10min.mp4", 0, 1, 600, DENSE, 0.7),
    "200 over an hour, H.264 1080p": Regime("h264-1080p-60min.mp4", 0, 18, 200, SPARSE, 0.7),
    "200 over an hour, HEVC 720p": Regime("hevc-720p-60min.mp4", 0, 18, 200, SPARSE, 0.7),
    "64 over 10 min, H.264 1080p": Regime("h264-1080p-10min.mp4", 0, 9.4, 64, SPARSE, 0.7),
    "64 over 10 min, HEVC 720p": Regime("hevc-720p-10min.mp4", 0, 9.4, 64, SPARSE, 0.7),
    "64 over 10 min, VP9 720p": Regime("vp9-720p-10min.webm", 0, 9.4, 64, SPARSE, 1.0),
    "64 over 10 min, AV1 720p": Regime("av1-720p-10min.mp4", 0, 9.4, 64, SPARSE, 1.0),
    "16 around 08:00, H.264 1080p": Regime("h264-1080p-60min.mp4", 476, 0.5, 16, SHORT, 0.7),
    "16 around 08:00, HEVC 720p": Regime("hevc-720p-60min.mp4", 476, 0.5, 16, SHORT, 0.7),
}


def measure(tool: str, regime: Regime, video: Path, python: str = sys.executable) -> dict[str, float] | None:
    """Seconds, processor seconds, megabytes and wrong frames; None where the tool failed or took too long."""
    command = [python, str(Path(__file__).parent / "decode_peers.py"), tool, str(video)]
    command += [repr(moment) for moment in regime.moments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        print(f"{tool} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    output = json.loads(done.stdout.splitlines()[-1])
    right = [number_at(moment) % (FPS * LOOP_S) for moment in regime.moments]
    wrong = sum(one != other for one, other in zip(output["numbers"], right, strict=False))
    return {
        "wall_s": output["wall_s"],
        "cpu_s": output["cpu_s"],
        "peak_mb": output["peak_bytes"] / 1e6,
        "wrong": wrong + abs(len(right) - len(output["numbers"])),
    }


def compare(regime: Regime, video: Path, before: str, pairs: int) -> dict[str, float]:
    """Ratios of this version's time to that of the Python `before`, medians over pairs of measurements."""
    ratios: dict[str, list[float]] = {"wall_s": [], "cpu_s": []}
    for turn in range(pairs):
        pythons = [before, sys.executable][:: 1 if turn % 2 else -1]
        measured = {python: measure(OURS, regime, video, python) for python in pythons}
        old, new = measured[before], measured[sys.executable]
        if old is None or new is None:
            raise SystemExit("dynfocus failed")
        for key, values in ratios.items():
            values.append(new[key] / old[key])
    return {"pairs": pairs} | {key: round(statistics.median(values), 4) for key, values in ratios.items()}


def run(name: str, rounds: int, folder: Path) -> dict[str, object]:
    """All tools on one regime."""
    regime = REGIMES[name]
    video = make(regime.clip, folder)
    tools = [OURS, *regime.peers]
    results: dict[str, list[dict[str, float]]] = {tool: [] for tool in tools}
    for turn in range(rounds):
        for tool in tools:
            measured = measure(tool, regime, video)
            if measured is not None:
                results[tool].append(measured)
        if turn == 0:
            tools = _worth_repeating(results)
    medians = {
        tool: {key: round(statistics.median(one[key] for one in measured), 3) for key in measured[0]}
        for tool, measured in results.items()
        if measured
    }
    peers = {tool: one["wall_s"] for tool, one in medians.items() if tool != OURS and tool in tools}
    fastest = min(peers, key=lambda tool: peers[tool])
    ratio = medians[OURS]["wall_s"] / peers[fastest]
    print(f"\n{name}: {ratio:.2f} of {fastest} (at most {regime.bar})")
    for tool, one in sorted(medians.items(), key=lambda item: item[1]["wall_s"]):
        dropped = "" if tool in tools else "   (one round)"
        print(
            f"  {tool:20} {one['wall_s']:8.3f} s  {one['cpu_s']:8.2f} s cpu  {one['peak_mb']:6.0f} MB  "
            f"{one['wrong']:4.0f} wrong{dropped}",
            flush=True,
        )
    return {
        "regime": name,
        "rounds": rounds,
        "fastest_peer": fastest,
        "ratio": round(ratio, 3),
        "bar": regime.bar,
        "median": medians,
    }


def _worth_repeating(results: dict[str, list[dict[str, float]]]) -> list[str]:
    """Ours, and the peers that the first round leaves in the race."""
    first = {tool: found[0]["wall_s"] for tool, found in results.items() if found}
    fastest = min(seconds for tool, seconds in first.items() if tool != OURS)
    return [tool for tool, seconds in first.items() if tool == OURS or seconds <= 1.5 * fastest]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="with peers; 0: without")
    parser.add_argument("--before", help="the Python of another version")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--regime", action="append", choices=list(REGIMES))
    parser.add_argument("--clips", type=Path, default=Path("runs/decode-clips"), help="where clips are kept")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    regimes: list[dict[str, object]] = []
    for name in options.regime or REGIMES:
        regime: dict[str, object] = {"regime": name}
        if options.rounds:
            regime = run(name, options.rounds, options.clips)
        if options.before:
            video = make(REGIMES[name].clip, options.clips)
            regime["of_before"] = compare(REGIMES[name], video, options.before, options.pairs)
            print(f"{name}: {regime['of_before']} of the version before", flush=True)
        regimes.append(regime)
    result = {"benchmark": "decode", **provenance(), "regimes": regimes}
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({one["regime"]: one.get("ratio", one.get("of_before")) for one in regimes}))


if __name__ == "__main__":
    main()
