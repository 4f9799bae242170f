"""A run's parts: every video is in one of them, with all that is asked about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.batch.shards import Shard
from dynfocus_cli.errors import UsageError


@given(st.lists(st.sampled_from("abcdefgh")), st.integers(1, 10))
def test_each_item_is_in_one_part_and_a_video_is_not_divided(items: list[str], of: int) -> None:
    parts = [list(Shard(number, of).part(items, str)) for number in range(1, of + 1)]
    assert sorted(item for part in parts for item in part) == sorted(items)
    assert sum(len(set(part)) for part in parts) == len(set(items))
    sizes = [len(set(part)) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_every_third_video_as_they_come() -> None:
    assert ["".join(Shard(number, 3).part("abacdea", str)) for number in (1, 2, 3)] == ["aada", "be", "c"]


def test_items_are_given_out_as_they_come() -> None:
    endless = iter(int, 1)
    assert next(Shard(1, 2).part(endless, str)) == 0


@pytest.mark.parametrize(
    ("text", "shard"),
    [("3/16", Shard(3, 16)), (" 1/1 ", Shard()), (None, Shard())],
)
def test_a_part_is_given_as_its_number_and_how_many_there_are(text: str | None, shard: Shard) -> None:
    assert Shard.parse(text) == shard


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "a/b", "1/0", "-1/4", "1/2/3", "", "٣/٤"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(UsageError, match=r"the R-th of W parts"):
        Shard.parse(text)
