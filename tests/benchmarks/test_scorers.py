import json
from pathlib import Path
from typing import Any

import pytest

import scorers
import scorers_data
from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import find_benchmark

SIDES = sorted(
    {(side.name, side.data, side.split) for side in scorers.COMPARISONS if side.data != "video_mme"}
)
FILES = {
    "lvbench": "video_info.meta.jsonl",
    "mlvu_dev": "json/1_plotQA.json",
    "mlvu_test": "test_mcq_gt.json",
    "longvideobench": "lvb_val.json",
}
ODD = (None, 0, -1, 1.5, True, "", "x", [], [None], {}, {"a": 1})


@pytest.mark.parametrize(("name", "data", "split"), SIDES)
def test_the_official_files_are_read_and_scored_in_every_protocol(
    tmp_path: Path, name: str, data: str, split: str
) -> None:
    getattr(scorers_data, data)(tmp_path)
    for side in scorers.COMPARISONS:
        if (side.data, side.split) == (data, split):
            ours = scorers.scored(tmp_path, side)
            assert len(ours) % len(scorers_data.RESPONSES) == 0
            assert find_benchmark(name).summarise(ours, side.protocol)


def test_a_difference_is_told(tmp_path: Path) -> None:
    side = scorers.COMPARISONS[0]
    scorers_data.lvbench(tmp_path)
    ours = scorers.scored(tmp_path, side)
    theirs = {"letters": [one.extracted or "" for one in ours], "right": [bool(one.score) for one in ours]}
    assert scorers.verdict(side, ours, theirs)["equal"]
    other = {**theirs, "letters": ["B", *theirs["letters"][1:]]}
    assert scorers.verdict(side, ours, other)["different"] == [{"response": "A", "ours": "A", "theirs": "B"}]
    assert not scorers.verdict(side, ours, {**theirs, "figures": {"Overall": 50.0}})["equal"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("name", "data", "split"), [side for side in SIDES if side[1] in FILES])
def test_values_of_other_types_are_problems_or_said(
    tmp_path: Path, name: str, data: str, split: str, odd: Any
) -> None:
    getattr(scorers_data, data)(tmp_path)
    path = tmp_path / FILES[data]
    as_lines = path.suffix == ".jsonl"
    text = path.read_text()
    rows = [json.loads(line) for line in text.splitlines()] if as_lines else json.loads(text)
    if data == "lvbench":
        rows = [rows[0] | {"qa": rows[0]["qa"][:1]}]
    fields = [(rows[0], field) for field in rows[0]] + [
        (row, field) for row in rows[0].get("qa", []) for field in row
    ]
    for row, field in fields:
        kept, row[field] = row[field], odd
        path.write_text("\n".join(map(json.dumps, rows)) if as_lines else json.dumps(rows[:2]))
        row[field] = kept
        try:
            dataset = find_benchmark(name).read(tmp_path, split)
        except UsageError:
            continue
        assert all(item.question and isinstance(item.answer, str | None) for item in dataset.items)
