"""Scripts: the rules of the generated world."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from dynfocus_cli.synth.world import (
    COLORS,
    EASINGS,
    LONG,
    MAX_DURATION_S,
    MAX_SCENES,
    MIN_DURATION_S,
    SHAPES,
    SHORT,
    SHORTEST_STAY_S,
    WIDE,
    Script,
    write_script,
)

SCRIPTS = [write_script(seed) for seed in range(300)]


def test_a_seed_is_a_script() -> None:
    assert [write_script(seed) for seed in range(20)] == SCRIPTS[:20]
    assert len({script.scenes for script in SCRIPTS}) == len(SCRIPTS)


def test_durations_spread_over_their_range() -> None:
    durations = [script.duration_s for script in SCRIPTS]
    assert min(durations) >= MIN_DURATION_S
    assert max(durations) <= MAX_DURATION_S
    assert min(durations) < 20
    assert max(durations) > 100


def test_scenes_follow_each_other_for_at_least_4_seconds() -> None:
    for script in SCRIPTS:
        assert 1 <= len(script.scenes) <= MAX_SCENES
        assert script.scenes[0].start_s == 0
        assert script.scenes[-1].end_s == script.duration_s
        for before, after in itertools.pairwise(script.scenes):
            assert before.end_s == after.start_s
            assert before.background != after.background
        for place, scene in enumerate(script.scenes):
            assert scene.index == place
            assert scene.end_s - scene.start_s >= 4
    assert {len(script.scenes) for script in SCRIPTS} == set(range(1, MAX_SCENES + 1))


def test_needles_are_brief_and_inside_a_scene_and_seen_nowhere_else() -> None:
    for script in SCRIPTS:
        assert len(script.needles) <= 2
        for scene in script.scenes:
            needles = [actor for actor in scene.actors if actor.needle]
            assert len(needles) <= 1
            for needle in needles:
                assert needle.end_s - needle.start_s in (1, 2)
                assert scene.start_s < needle.start_s
                assert needle.end_s < scene.end_s
        things = [
            thing
            for scene in script.scenes
            for actor in scene.actors
            for thing in (
                (actor.thing.color, actor.thing.shape),
                *([(actor.turns[1], actor.thing.shape)] if actor.turns else []),
            )
        ]
        for needle in script.needles:
            assert things.count((needle.thing.color, needle.thing.shape)) == 1
    assert {len(script.needles) for script in SCRIPTS} == {0, 1, 2}


def test_colour_changes_are_real_and_leave_time_on_both_sides() -> None:
    changes = 0
    for scene in (scene for script in SCRIPTS for scene in script.scenes):
        for actor in scene.actors:
            if actor.turns is not None:
                changes += 1
                second, color = actor.turns
                assert color != actor.thing.color
                assert scene.start_s + 3 <= second <= scene.end_s - 3
    assert changes > 20


def test_things_do_not_stand_in_each_others_way() -> None:
    for script in SCRIPTS[:100]:
        for half_second in range(2 * script.duration_s):
            seen = script.scene_at(half_second / 2).at(half_second / 2)
            assert seen, "no moment is empty"
            assert len({sighting.thing for sighting in seen}) == len(seen)
            for one, other in itertools.combinations(seen, 2):
                apart = max(abs(one.row - other.row), abs(one.column - other.column))
                assert apart > 0.7, (script.seed, half_second / 2)


def test_all_colours_and_shapes_occur() -> None:
    things = {actor.thing for script in SCRIPTS for scene in script.scenes for actor in scene.actors}
    assert {thing.color for thing in things} == set(COLORS)
    assert {thing.shape for thing in things} == set(SHAPES)


@pytest.mark.parametrize(("duration_s", "scenes"), [(16, 4), (20, 1), (120, 6), (16, 6)])
def test_what_is_fixed_is_kept(duration_s: int, scenes: int) -> None:
    script: Script = write_script(5, duration_s=duration_s, scenes=scenes)
    assert script.duration_s == duration_s
    assert len(script.scenes) == min(scenes, duration_s // 4)


def test_the_short_world_is_as_it_always_was() -> None:
    told = repr([(s.duration_s, s.scenes) for s in SCRIPTS])
    assert (
        hashlib.sha256(told.encode()).hexdigest()
        == "acc5b5a5ebe7d43f5fbe41a5174c1d27de09586066c70e6e6b4d136231ec4421"
    )
    assert write_script(7, world=SHORT) == SCRIPTS[7]


def test_the_long_world_has_more_scenes_than_a_few_frames_can_show() -> None:
    scripts = [write_script(seed, world=LONG) for seed in range(60)]
    assert min(script.duration_s for script in scripts) >= 128
    assert 250 < max(script.duration_s for script in scripts) <= 300
    for script in scripts:
        assert 14 <= len(script.scenes) <= 24
        assert all(scene.end_s - scene.start_s >= 4 for scene in script.scenes)
        for before, after in itertools.pairwise(script.scenes):
            assert before.end_s == after.start_s
        assert len({actor.thing for scene in script.scenes for actor in scene.actors}) >= 12
    assert {len(script.needles) for script in scripts} == {0, 1, 2}
    assert sum(len(script.needles) == 1 for script in scripts) > 30


WIDE_SCRIPTS = [write_script(seed, world=WIDE) for seed in range(200)]


def test_the_wide_world_has_ten_scenes_five_minutes_and_things_of_all_sizes() -> None:
    assert max(script.duration_s for script in WIDE_SCRIPTS) > 240
    assert {len(script.scenes) for script in WIDE_SCRIPTS} == set(range(1, 11))
    radii = [actor.radius for script in WIDE_SCRIPTS for scene in script.scenes for actor in scene.actors]
    assert 0.05 <= min(radii) < 0.06
    assert 0.23 < max(radii) <= 0.25


def test_in_the_wide_world_things_come_and_go_within_scenes_and_stay_a_while() -> None:
    late = early = 0
    for scene in (scene for script in WIDE_SCRIPTS for scene in script.scenes):
        for actor in scene.actors:
            assert scene.start_s <= actor.start_s < actor.end_s <= scene.end_s
            if actor.needle:
                continue
            assert actor.end_s - actor.start_s >= SHORTEST_STAY_S
            late += actor.start_s > scene.start_s
            early += actor.end_s < scene.end_s
            if actor.turns is not None:
                assert actor.start_s + 3 <= actor.turns[0] <= actor.end_s - 3
    assert late > 50
    assert early > 20


def test_in_the_wide_world_travels_are_eased_and_always_the_whole_way() -> None:
    ways = set()
    for scene in (scene for script in WIDE_SCRIPTS for scene in script.scenes):
        for actor in scene.actors:
            if actor.direction is None:
                continue
            ways.add((actor.easing, actor.travels_s is None))
            begin, end = actor.at(actor.start_s), actor.at(actor.end_s - 1e-6)
            assert begin is not None
            assert end is not None
            assert max(abs(end.row - begin.row), abs(end.column - begin.column)) == pytest.approx(2, abs=1e-3)
    assert ways == {(easing, whole) for easing in EASINGS for whole in (True, False)}


def test_in_the_wide_world_nothing_hangs_out_of_the_picture_and_small_things_lie_in_front() -> None:
    for scene in (scene for script in WIDE_SCRIPTS for scene in script.scenes):
        radii = [actor.radius for actor in scene.actors]
        assert radii == sorted(radii, reverse=True)
        for actor in scene.actors:
            if actor.direction is None:
                for place in (actor.row, actor.column):
                    assert 3 * actor.radius - 0.5 <= place + 1e-9
                    assert place - 1e-9 <= 2.5 - 3 * actor.radius
                    assert abs(place - round(place)) <= 0.3, "in a cell that has a name"
