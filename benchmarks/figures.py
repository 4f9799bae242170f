"""The figures of docs/experiments.md and its tables, from the JSON that benchmarks/ablation.py wrote.

pip install matplotlib
python benchmarks/figures.py [--results benchmarks/results] [--out docs/figures]

Figures are written, tables are printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

INK, SOFT = "#1f2933", "#8a97a6"
SHADES = ("#9ecae1", "#4292c6", "#2171b5", "#08306b")
ACCENT = "#c2410c"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    arguments = parser.parse_args()
    import matplotlib

    matplotlib.use("svg")
    # The same JSON gives the same bytes.
    matplotlib.rcParams.update(
        {"svg.hashsalt": "dynfocus", "font.size": 9, "axes.edgecolor": SOFT, "text.color": INK}
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, draw, files in FIGURES:
        if (found := _read(arguments.results, files)) is not None:
            place = arguments.out / f"{name}.svg"
            draw(*found).savefig(place, metadata={"Date": None}, bbox_inches="tight")
            print(place)
    for table, files in TABLES:
        if (found := _read(arguments.results, files)) is not None:
            print(f"\n{', '.join(files)}\n")
            for row in table(*found):
                print(f"| {' | '.join(row)} |" if row else "")


def _read(folder: Path, files: tuple[str, ...]) -> list[dict[str, Any]] | None:
    """The results in these files; None where one is not there yet."""
    found = [folder / file for file in files]
    return [json.loads(file.read_text()) for file in found] if all(file.exists() for file in found) else None


def arms(*worlds: dict[str, Any]) -> Any:
    """Accuracy of each way to spend tokens, a panel a world."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(worlds), figsize=(3.6 * len(worlds), 2.6), squeeze=False)
    for axis, world in zip(axes[0], worlds, strict=True):
        names = list(world["arms"])[::-1]
        for place, name in enumerate(names):
            told = world["arms"][name]
            low, high = told["interval"]
            color = ACCENT if name == "(2, 40)" else SHADES[2]
            axis.plot([100 * low, 100 * high], [place, place], color=color, linewidth=2)
            axis.plot([100 * told["accuracy"]], [place], "o", color=color)
            axis.annotate(
                f"{told['tokens']:.0f}",
                (1.02, place),
                xycoords=("axes fraction", "data"),
                va="center",
                color=SOFT,
                fontsize=8,
            )
        axis.annotate("tokens", (1.02, 1.02), xycoords="axes fraction", color=SOFT, fontsize=8)
        axis.set_yticks(range(len(names)), names)
        axis.set_xlabel("right, %")
        axis.set_title(_clips(world), fontsize=9, loc="left")
        _plain(axis)
    figure.tight_layout(w_pad=4)
    return figure


def orderings(*worlds: dict[str, Any]) -> Any:
    """By how much one way is above another: here, with intervals, and on the poster."""
    from matplotlib import pyplot

    rows = worlds[0]["orderings"][::-1]
    figure, axis = pyplot.subplots(figsize=(5.4, 0.36 * len(rows) + 0.8))
    axis.axvline(0, color=SOFT, linewidth=0.8)
    for nth, (world, color) in enumerate(zip(worlds, (ACCENT, SHADES[2]), strict=False)):
        for place, row in enumerate(world["orderings"][::-1]):
            height = place + 0.12 - 0.24 * nth
            axis.plot([100 * share for share in row["interval"]], [height, height], color=color, linewidth=2)
            axis.plot(100 * row["gain"], height, "o", color=color, markersize=4)
        axis.plot([], [], "o-", color=color, markersize=4, label=f"here, {_clips(world)}")
    hollow = {"color": "none", "markeredgecolor": INK, "markersize": 4}
    for place, row in enumerate(rows):
        if row["poster"] is not None:
            axis.plot(row["poster"], [place, place], "D", **hollow)
    axis.plot([], [], "D", label="the poster's two benchmarks", **hollow)
    axis.set_yticks(range(len(rows)), [f"{row['above']} above {row['below']}" for row in rows])
    axis.set_xlabel("points")
    axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=3)
    _plain(axis)
    return figure


def needs(world: dict[str, Any]) -> Any:
    """Accuracy of each way by what a question needs."""
    from matplotlib import pyplot

    names = list(world["arms"])
    kinds = list(world["arms"][names[0]]["needs"])
    figure, axes = pyplot.subplots(1, len(kinds), figsize=(1.75 * len(kinds), 2.6), sharey=True)
    for axis, kind in zip(axes, kinds, strict=True):
        for place, name in enumerate(names[::-1]):
            color = ACCENT if name == "(2, 40)" else SHADES[2]
            axis.barh(place, 100 * world["arms"][name]["needs"][kind], 0.62, color=color)
        axis.set_yticks(range(len(names)), names[::-1])
        axis.set_xlim(0, 100)
        axis.set_title(kind.replace(" of ", "\nof "), fontsize=8, loc="left")
        axis.set_xlabel("right, %")
        _plain(axis)
    figure.tight_layout()
    return figure


def sizes(world: dict[str, Any]) -> Any:
    """Tokens against accuracy, a line for each number of events."""
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(4.6, 3.0))
    events = sorted({row["L"] for row in world["sizes"]})
    for shade, count in zip(SHADES, events, strict=True):
        rows = sorted((row for row in world["sizes"] if row["L"] == count), key=lambda row: row["tokens"])
        across, up = [row["tokens"] for row in rows], [100 * row["accuracy"] for row in rows]
        axis.plot(across, up, "o-", color=shade, label=f"L = {count}", markersize=4)
        for row in rows:
            low, high = row["interval"]
            axis.plot([row["tokens"]] * 2, [100 * low, 100 * high], color=shade, linewidth=0.7)
    axis.set_ylim(75, 100)
    ratios = ", ".join(f"{ratio:g}" for ratio in sorted({row["K/L"] for row in world["sizes"]}))
    axis.set_xlabel(f"video tokens, mean; along a line K/L = {ratios}")
    axis.set_ylabel("right, %")
    axis.legend(frameon=False, fontsize=8)
    _plain(axis)
    return figure


def scorers(result: dict[str, Any]) -> Any:
    """Brief events that key frames show, by who chose them; and what the question adds to the answers."""
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(7.8, 3.4))
    policies = list(dict.fromkeys(name.split(", K = ")[0] for name in result["needles"]))[::-1]
    budgets = sorted({int(name.split(", K = ")[1]) for name in result["needles"]})
    for nth, (shade, keys) in enumerate(zip((SHADES[1], SHADES[3]), budgets, strict=True)):
        for place, policy in enumerate(policies):
            told, height = result["needles"][f"{policy}, K = {keys}"], place + 0.14 - 0.28 * nth
            left.plot([100 * share for share in told["interval"]], [height, height], color=shade, linewidth=2)
            left.plot(100 * told["covered"], height, "o", color=shade, markersize=4)
        left.plot([], [], "o-", color=shade, markersize=4, label=f"K = {keys}")
    left.set_yticks(range(len(policies)), policies)
    left.set_xlim(0, 103)
    left.set_xlabel(f"brief events among the key frames of {result['needle_frames']}, %")
    left.legend(frameon=False, fontsize=8, loc="lower right")
    right.axvline(0, color=SOFT, linewidth=0.8)
    ways = [_gains(told) for told in result["ways"].values()]
    for nth, (way, color) in enumerate(zip(result["ways"], (ACCENT, SHADES[2]), strict=True)):
        for place, gain in enumerate([*ways[nth].values()][::-1]):
            height = place + 0.14 - 0.28 * nth
            right.plot(
                [100 * share for share in gain["interval"]], [height, height], color=color, linewidth=2
            )
            right.plot(100 * gain["gain"], height, "o", color=color, markersize=4)
        right.plot([], [], "o-", color=color, markersize=4, label=way)
    right.set_yticks(range(len(ways[0])), [*ways[0]][::-1])
    right.set_xlabel("what the question brings to the answers, points")
    right.legend(frameon=False, fontsize=8, loc="upper right")
    for axis in (left, right):
        _plain(axis)
    figure.tight_layout(w_pad=2)
    return figure


def arms_table(world: dict[str, Any]) -> list[list[str]]:
    """Each way to spend tokens: what it costs, what it answers, and how that differs from the paper's."""
    arms = world["arms"]
    kinds = list(next(iter(arms.values()))["needs"])
    rows = [["other, key", "tokens", "right", "minus (2, 40)", *kinds], ["---"] * (4 + len(kinds))]
    for name, told in arms.items():
        gain = told.get("minus_paper")
        rows.append(
            [
                name,
                f"{told['tokens']:.0f}",
                _with_interval(told["accuracy"], told["interval"]),
                "" if gain is None else _with_interval(gain["gain"], gain["interval"], sign="+"),
                *(f"{100 * told['needs'][kind]:.1f}" for kind in kinds),
            ]
        )
    return rows


def orderings_table(*worlds: dict[str, Any]) -> list[list[str]]:
    """Each ordering of the poster, and whether it holds, a world; those that all worlds have."""
    rows = [["above", "below", "poster", *(text for world in worlds for text in (_clips(world), ""))]]
    rows.append(["---"] * len(rows[0]))
    by_pair = [{(row["above"], row["below"]): row for row in world["orderings"]} for world in worlds]
    for pair, first in by_pair[0].items():
        if not all(pair in world for world in by_pair):
            continue
        poster = first["poster"]
        cells = [*pair, "" if poster is None else ", ".join(f"{points:+.1f}" for points in poster)]
        for row in (world[pair] for world in by_pair):
            low, high = row["interval"]
            holds = "**yes**" if low > 0 else "**the other way**" if high < 0 else "not settled"
            cells += [_with_interval(row["gain"], row["interval"], sign="+"), holds]
        rows.append(cells)
    return rows


def sizes_table(*results: dict[str, Any]) -> list[list[str]]:
    """Accuracy and tokens of each way in each world, L down and K/L across."""
    ratios = sorted({row["K/L"] for row in results[0]["sizes"]})
    heads = ["clips", "other, key", "L", *(f"K/L = {ratio:g}" for ratio in ratios)]
    rows = [heads, ["---"] * len(heads)]
    for result in results:
        by_place = {(row["arm"], row["L"], row["K/L"]): row for row in result["sizes"]}
        for arm, events in dict.fromkeys((arm, events) for arm, events, _ in by_place):
            found = [by_place[arm, events, ratio] for ratio in ratios]
            cells = [f"{100 * row['accuracy']:.1f} ({row['tokens']:.0f})" for row in found]
            rows.append([_clips(result), arm, str(events), *cells])
    return rows


def scorers_table(result: dict[str, Any]) -> list[list[str]]:
    """What the question adds to the choice of key frames, overall and a type; then needles covered."""
    ways = [_gains(told) for told in result["ways"].values()]
    rows = [["questions", *result["ways"]], ["---"] * (1 + len(ways))]
    for name in ways[0]:
        gains = [way[name] for way in ways]
        rows.append([name, *(_with_interval(gain["gain"], gain["interval"], sign="+") for gain in gains)])
    rows += [[], ["key frames by", "brief events shown"], ["---"] * 2]
    rows += [
        [policy, _with_interval(told["covered"], told["interval"])]
        for policy, told in result["needles"].items()
    ]
    return rows


def _gains(way: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the question adds to the answers: to all, to those that name no moment, and a type of these."""
    return {
        "all questions": way["question_minus_visual"],
        "that name no moment": way["where_no_moment_is_named"],
        **way["by_type"],
    }


def _clips(world: dict[str, Any]) -> str:
    clips = "clips of 16 to 120 s" if world["world"] == "short" else "clips of 128 to 300 s"
    return f"{clips}, plain rods" if world.get("plain_rods") else clips


def _with_interval(share: float, interval: list[float], sign: str = "") -> str:
    low, high = interval
    return f"{100 * share:{sign}.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _plain(axis: Any) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.grid(axis="x", color="#e5e9ee", linewidth=0.6)
    axis.set_axisbelow(True)


FIGURES = (
    ("tokens", arms, ("ablation-tokens.json", "ablation-tokens-long.json")),
    ("orderings", orderings, ("ablation-tokens.json", "ablation-tokens-long.json")),
    ("needs", needs, ("ablation-tokens.json",)),
    ("needs-long", needs, ("ablation-tokens-long.json",)),
    ("sizes", sizes, ("ablation-sizes.json",)),
    ("scorers", scorers, ("ablation-scorers.json",)),
)

WORLDS = tuple(f"ablation-{kind}{world}.json" for world in ("", "-long") for kind in ("tokens", "plain"))
"""The networks of the recipe and those with plain rods, on short clips and on long ones."""
TABLES = (
    (arms_table, ("ablation-tokens.json",)),
    (arms_table, ("ablation-tokens-long.json",)),
    (orderings_table, WORLDS),
    (arms_table, ("ablation-plain.json",)),
    (arms_table, ("ablation-plain-long.json",)),
    (arms_table, ("ablation-controls.json",)),
    (orderings_table, ("ablation-controls.json",)),
    (sizes_table, ("ablation-sizes.json",)),
    (sizes_table, ("ablation-sizes-plain.json", "ablation-sizes-plain-long.json")),
    (scorers_table, ("ablation-scorers.json",)),
)

if __name__ == "__main__":
    main()
