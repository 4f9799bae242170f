"""The whole way with a random network: limits, named times, and warnings. Answers are gibberish."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import torch

import dynfocus_cli
from builders import VISION_WIDTH, write_noise
from dynfocus_cli import (
    DynFocus,
    GenerationOptions,
    RunOptions,
    SamplingOptions,
    SelectionOptions,
    UsageError,
)
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.planning import request


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> str:
    return write_noise(tmp_path_factory.mktemp("video") / "noise.mp4")


@pytest.fixture(scope="module")
def tiny(saved) -> DynFocus:
    return dynfocus_cli.load(str(saved), device="cpu")


def options(**fields: object) -> RunOptions:
    """`RunOptions` from the fields of its three parts."""
    parts = []
    for part in (SamplingOptions, SelectionOptions, GenerationOptions):
        known = set(part.__dataclass_fields__)
        parts.append(part(**{name: value for name, value in fields.items() if name in known}))
    return RunOptions(*parts)


def sums(found) -> tuple[int, int]:
    """T and K, once the contract's sums hold."""
    total, key = len(found.frames), len(found.key_frames)
    assert sum(frame.tokens for frame in found.frames) == found.tokens.video == 40 * key + 2 * (total - key)
    assert found.selection.key_frames == key
    assert found.selection.prototypes <= total
    assert {frame.event for frame in found.frames} == set(range(found.selection.prototypes))
    return total, key


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (30, 4)),
        ({"fps": 0.5}, (15, 4)),
        ({"frames": 8}, (8, 2)),
        ({"frames": 8, "key_ratio": 1.0}, (8, 8)),
        ({"prototypes": 4, "key_ratio": 0.125}, (30, 1)),
        ({"max_frames": 10}, (10, 3)),
        ({"start_s": 10.0, "end_s": 20.0}, (10, 3)),
        # Key frames give way first, then frames: 40 + 2 * 29 is the least for 30 of them.
        ({"budget": 98}, (30, 1)),
        ({"budget": 136}, (30, 2)),
        ({"budget": 60}, (11, 1)),
        ({"budget": 40}, (1, 1)),
        # A budget holds whatever else is asked for.
        ({"budget": 60, "max_frames": 100}, (11, 1)),
        ({"budget": 60, "frames": 25}, (11, 1)),
        ({"budget": 60, "fps": 2.0}, (11, 1)),
        # Room for 60 tokens, as the answer may take nearly all of the context.
        ({"max_new_tokens": 2048 - 60 - 4}, (11, 1)),
    ],
)
def test_how_many(tiny, video: str, fields: dict, expected: tuple[int, int]) -> None:
    found = tiny.inspect(video, None, options(**fields))
    assert found.tokens.prompt == 4
    assert sums(found) == expected


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"budget": 39}, "`budget=40` or more"),
        ({"max_new_tokens": 2040}, "`max_new_tokens`"),
        ({"max_new_tokens": 9000}, "leave 0 of 2048 tokens"),
    ],
)
def test_too_little_room(tiny, video: str, fields: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        tiny.inspect(video, None, options(**fields))


def test_a_question_longer_than_the_context(tiny, video: str) -> None:
    with pytest.raises(UsageError, match="shorten the question"):
        tiny.ask(video, "why? " * 3000)


@pytest.mark.parametrize(("question", "moment"), [("What is shown at 00:07?", 7.0), ("At 00:00?", 0.0)])
def test_a_time_in_the_question_is_a_key_frame(tiny, video: str, question: str, moment: float) -> None:
    found = tiny.inspect(video, question)
    assert moment in [frame.time_s for frame in found.key_frames]
    assert found.sampling.focus


def test_at_comes_before_the_questions_times(tiny, video: str) -> None:
    """With room for one key frame it is the one that the flag names."""
    found = tiny.inspect(video, "What is shown at 00:05?", options(at_s=20.0, key_ratio=0.01))
    assert [frame.time_s for frame in found.key_frames] == [20.0]
    (said,) = found.warnings
    assert said == "There are key frames for only 1 of 2 named moments: raise `key_ratio` or `prototypes`."


def test_no_warning_while_every_named_moment_is_a_key_frame(tiny, video: str) -> None:
    assert tiny.inspect(video, "What is shown at 00:05?", options(at_s=20.0)).warnings == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"budget": 216}, None),
        ({"budget": 5000}, None),
        ({"budget": 98}, "`budget=98` has room for only 1 of 4 key frames"),
        ({"budget": 136, "key_ratio": 1.0}, "`budget=136` has room for only 2 of 16 key frames"),
        ({"max_new_tokens": 2048 - 136 - 4}, "The model's context has room for only 2 of 4 key frames"),
    ],
)
def test_fewer_key_frames_than_asked_for_are_warned_of(
    tiny, video: str, fields: dict, said: str | None
) -> None:
    warnings = tiny.inspect(video, None, options(**fields)).warnings
    assert len(warnings) == (said is not None)
    assert said is None or warnings[0].startswith(said)


def test_a_named_moment_that_the_budget_leaves_out(tiny, video: str) -> None:
    found = tiny.inspect(video, "What is shown at 00:05?", options(at_s=20.0, budget=98))
    assert found.warnings[-2:] == (
        "`budget=98` has room for only 1 of 4 key frames, and details in the rest can be lost: raise it, or "
        "sample fewer frames.",
        "There are key frames for only 1 of 2 named moments.",
    )


def test_a_frame_that_stays_on_screen_is_taken_once(tiny, tmp_path: Path) -> None:
    found = tiny.inspect(write_noise(tmp_path / "still.mp4", still_s=10), "What is shown at 00:07?")
    times = [frame.time_s for frame in found.frames]
    assert times[0] == 0.0
    assert times[1] >= 10.0, "moments at which the first frame is still on screen add nothing"
    assert len(times) == len(found.sampling.times_s)
    assert found.frames[0].meaningful, "it is the frame on screen at 00:07"


def test_inspect_selects_as_ask_does(tiny, video: str) -> None:
    question = "What flashes up briefly?"
    asked, looked = tiny.ask(video, question).evidence, tiny.inspect(video, question)
    assert (asked.frames, asked.selection, asked.sampling) == (
        looked.frames,
        looked.selection,
        looked.sampling,
    )
    assert asked.selection.scorer == "question"
    assert tiny.inspect(video).selection.scorer == "visual"


def test_scorers(tiny, video: str) -> None:
    by_pixels = [
        tiny.inspect(video, question, options(scorer="visual")).frames
        for question in (None, "What flashes up briefly?", "How many scenes are there?")
    ]
    assert by_pixels[0] == by_pixels[1] == by_pixels[2]
    by_question = [
        tiny.inspect(video, question, options(scorer="question")).frames
        for question in ("What flashes up briefly?", "How many scenes are there?")
    ]
    assert by_question[0] != by_question[1]
    with pytest.raises(UsageError, match="needs a question"):
        tiny.inspect(video, None, options(scorer="question"))


def test_a_scorer_that_cannot_run_is_refused_before_any_decoding(tiny, tmp_path: Path) -> None:
    """The video is not even opened: there is none."""
    with pytest.raises(UsageError, match="needs a question"):
        tiny.inspect(str(tmp_path / "none.mp4"), None, options(scorer="question"))


def test_reading_the_container_counts_as_decoding(tiny, video: str, monkeypatch) -> None:
    def slow(path: str):
        time.sleep(0.5)
        return probe(path)

    probe = request.probe
    monkeypatch.setattr(request, "probe", slow)
    assert tiny.inspect(video).timings_s.decode >= 0.5


def test_twice_is_the_same(tiny, video: str) -> None:
    one, other = tiny.ask(video, "Why?"), tiny.ask(video, "Why?", options(seed=5))
    assert one.answer == other.answer
    assert one.evidence.frames == other.evidence.frames
    assert (one.evidence.seed, other.evidence.seed) == (0, 5)


def test_long_answers_end(tiny, video: str) -> None:
    cut = tiny.ask(video, "Why?", options(max_new_tokens=1))
    assert cut.truncated
    assert cut.evidence.warnings[-1] == "The answer was cut off after 1 token: raise `max_new_tokens`."
    answer = tiny.ask(video, "Why?", options(max_new_tokens=5))
    assert answer.evidence.tokens.generated <= 5


@pytest.mark.parametrize("question", ["", " \n\t"])
def test_empty_questions(tiny, video: str, question: str) -> None:
    with pytest.raises(UsageError, match="question is empty"):
        tiny.ask(video, question)
    with pytest.raises(UsageError, match="question is empty"):
        tiny.inspect(video, question)


def test_a_question_that_is_no_text(tiny, video: str) -> None:
    """An argument's bytes that are not UTF-8 come as lone surrogates."""
    for look in (tiny.ask, tiny.inspect):
        with pytest.raises(UsageError, match="The question is not valid text: character 5"):
            look(video, "Why \udcff?")


def test_another_world_is_warned_of(saved, tmp_path: Path, video: str) -> None:
    for name, threshold, warned in (("near", 1e9, False), ("far", 0.0, True)):
        shutil.copytree(saved, tmp_path / name)
        Familiarity(torch.zeros(VISION_WIDTH), torch.eye(VISION_WIDTH), threshold).save(tmp_path / name)
        found = dynfocus_cli.load(str(tmp_path / name), device="cpu").inspect(video)
        assert found.in_domain is not warned
        assert any(f"{name} was not trained on such" in warning for warning in found.warnings) == warned


def test_times_stay_exact_far_into_a_video(tmp_path: Path) -> None:
    """Ten hours in, float32 seconds are 4 ms apart."""
    from dynfocus_cli.planning.focus import focus_frames
    from dynfocus_cli.types import SamplingPlan

    times_s = (36000.123, 36000.125, 36000.127)
    plan = SamplingPlan("fps", 1.0, times_s, 0.0, 40000.0, focus_times_s=(36000.125,))
    assert focus_frames(plan, None, times_s, 1) == (1,)
