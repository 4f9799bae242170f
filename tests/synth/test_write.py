"""Clips as files: what is decoded is what was painted, and a seed is its bytes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.codec import UnknownCodecError
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import TEMPORARY
from dynfocus_cli.synth.look import WIDE_LOOKS
from dynfocus_cli.synth.questions import QUESTION_TYPES
from dynfocus_cli.synth.render import render_frame
from dynfocus_cli.synth.world import World, write_script
from dynfocus_cli.synth.write import (
    FILMS,
    FPS,
    QUESTIONS_FILE,
    SIZE,
    Film,
    clip_seed,
    write_clips,
    write_video,
)
from dynfocus_cli.video import decode_frames, probe


def is_short(seed: int, clips: int) -> bool:
    return all(write_script(clip_seed(seed, clip)).duration_s <= 22 for clip in range(clips))


SHORT = next(seed for seed in itertools.count() if is_short(seed, 2))
"""A set whose first two clips are quick to write."""


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("clips") / "new" / "folder"
    assert [path.name for path in write_clips(out, 2, SHORT)] == ["clip-00000.mp4", "clip-00001.mp4"]
    return out


def test_the_frame_of_each_second_is_the_painted_one(written: Path) -> None:
    for clip in range(2):
        script = write_script(clip_seed(SHORT, clip))
        source = probe(str(written / f"clip-{clip:05d}.mp4"))
        assert source.duration_s == pytest.approx(script.duration_s, abs=1e-3)
        assert (source.width, source.height, source.fps, source.codec) == (SIZE, SIZE, FPS, "h264")
        seconds = [float(second) for second in range(script.duration_s)]
        (batch,) = decode_frames(source, seconds, width=SIZE, height=SIZE, fit="squash", batch_size=200)
        assert batch.pts_s == pytest.approx(seconds, abs=1e-3)
        painted = [render_frame(script, second, SIZE).astype(int) for second in seconds]
        for place, found in enumerate(batch.pixels.astype(int)):
            error = np.abs(found - painted[place]).mean()
            assert error < 4.0, "H.264 at crf 20 stays near"
            for other in {max(0, place - 1), min(len(painted) - 1, place + 1)} - {place}:
                if np.abs(painted[place] - painted[other]).mean() > 2.0:
                    assert error < np.abs(found - painted[other]).mean(), "not the second before or after"


def test_questions_file(written: Path) -> None:
    records = [json.loads(line) for line in (written / QUESTIONS_FILE).read_text().splitlines()]
    assert {record["video"] for record in records} == {"clip-00000.mp4", "clip-00001.mp4"}
    assert len(records) == 24
    for record in records:
        assert list(record) == ["video", "question", "answer", "type", "key_times_s"]
        assert record["type"] in QUESTION_TYPES


def test_equal_seeds_are_equal_files_however_many_are_written(written: Path, tmp_path: Path) -> None:
    assert len(list(write_clips(tmp_path, 1, SHORT))) == 1
    assert (tmp_path / "clip-00000.mp4").read_bytes() == (written / "clip-00000.mp4").read_bytes()
    assert (written / QUESTIONS_FILE).read_text().startswith((tmp_path / QUESTIONS_FILE).read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip-00000.mp4", QUESTIONS_FILE]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILMS)
def test_films_of_one_script(written: Path, tmp_path: Path, name: str) -> None:
    film = FILMS[name]
    (path,) = write_clips(tmp_path, 1, SHORT, film=film)
    source = probe(str(path))
    assert (source.width, source.height, source.fps) == (film.size, film.size, film.fps)
    script = write_script(clip_seed(SHORT, 0))
    assert source.duration_s == pytest.approx(script.duration_s, abs=1e-3)
    assert (written / QUESTIONS_FILE).read_text().startswith((tmp_path / QUESTIONS_FILE).read_text())
    same = path.read_bytes() == (written / path.name).read_bytes()
    assert same == (film == Film())
    seconds = [float(second) for second in range(script.duration_s)]
    (batch,) = decode_frames(source, seconds, width=64, height=64, fit="squash", batch_size=200)
    painted = np.stack([render_frame(script, second, 64, film.look).astype(int) for second in seconds])
    assert np.abs(batch.pixels - painted).mean() < 8


def test_seconds_in_another_order(tmp_path: Path) -> None:
    script = write_script(clip_seed(SHORT, 0))
    order = list(reversed(range(script.duration_s)))
    write_video(script, tmp_path / "clip.mp4", size=64, order=order)
    source = probe(str(tmp_path / "clip.mp4"))
    assert source.duration_s == pytest.approx(script.duration_s, abs=1e-3)
    seconds = [float(second) for second in range(script.duration_s)]
    (batch,) = decode_frames(source, seconds, width=64, height=64, fit="squash", batch_size=200)
    painted = np.stack([render_frame(script, second, 64).astype(int) for second in order])
    assert np.abs(batch.pixels - painted).mean() < 6


@pytest.mark.parametrize(
    "film",
    [Film(size=255), Film(size=2), Film(size=10**6), Film(fps=0), Film(fps=10**10), Film(crf=52)],
)
def test_films_that_cannot_be(tmp_path: Path, film: Film) -> None:
    with pytest.raises(UsageError, match=r"`(size|fps|crf)` must"):
        next(write_clips(tmp_path / "out", 1, 0, film=film))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("clips", "seed"), [(0, 0), (-1, 0), (1 << 20, 0), (1, -1)])
def test_numbers_out_of_range(tmp_path: Path, clips: int, seed: int) -> None:
    with pytest.raises(UsageError, match=r"`(clips|seed)` must"):
        next(write_clips(tmp_path / "out", clips, seed))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("blocked", ["", "clip-00000.mp4"])
def test_a_folder_that_cannot_be_written_to(tmp_path: Path, blocked: str) -> None:
    out = tmp_path / "out"
    if blocked:
        (out / blocked).mkdir(parents=True)
    else:
        out.touch()
    with pytest.raises(UsageError, match=r"cannot be written"):
        list(write_clips(out, 1, SHORT))
    assert not list(tmp_path.rglob(f"{TEMPORARY}*"))
    assert not (out / QUESTIONS_FILE).exists(), "a second try is not refused"


def test_questions_that_are_there_already_are_kept(tmp_path: Path) -> None:
    (tmp_path / QUESTIONS_FILE).write_text("mine")
    with pytest.raises(UsageError, match=r"questions\.jsonl exists already: name another folder"):
        list(write_clips(tmp_path, 1, SHORT))
    assert [path.name for path in tmp_path.iterdir()] == [QUESTIONS_FILE]
    assert (tmp_path / QUESTIONS_FILE).read_text() == "mine"


def test_clips_that_are_there_already_are_kept(tmp_path: Path) -> None:
    (tmp_path / "clip-00001.mp4").write_text("mine")
    with pytest.raises(UsageError, match=r"clip-00001\.mp4 exists already: name another folder"):
        list(write_clips(tmp_path, 2, SHORT))
    assert [path.name for path in tmp_path.iterdir()] == ["clip-00001.mp4"]
    assert (tmp_path / "clip-00001.mp4").read_text() == "mine"


def test_a_set_that_is_left_half_way_keeps_its_questions(tmp_path: Path) -> None:
    clips = write_clips(tmp_path, 2, SHORT)
    next(clips)
    clips.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip-00000.mp4", QUESTIONS_FILE]
    assert len((tmp_path / QUESTIONS_FILE).read_text().splitlines()) == 12


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UnknownCodecError("libx264"), r"no libx264 encoder\. Install"),
        (av.error.EncoderNotFoundError(1, "Encoder not found"), r"no libx264 encoder\. Install"),
        (av.error.InvalidDataError(1, "Invalid data"), r"clip-00000\.mp4 cannot be written: Invalid data\."),
        (av.error.PermissionError(1, "Not permitted"), r"clip-00000\.mp4 cannot be written: Not permitted\."),
    ],
)
def test_an_encoder_that_fails(tmp_path: Path, monkeypatch, error: Exception, said: str) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("dynfocus_cli.synth.write.render_frame", fail)  # while the file is open
    with pytest.raises(UsageError, match=said):
        list(write_clips(tmp_path, 1, SHORT))
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_file_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dynfocus_cli.synth.write.render_frame", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_video(write_script(1), tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


@given(
    one=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, (1 << 20) - 1)),
    other=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, (1 << 20) - 1)),
)
def test_seeds_are_apart_from_each_other_and_from_those_of_training(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    assert (clip_seed(*one) == clip_seed(*other)) == (one == other)
    # The recipe of dynfocus-tiny: exam from 500 000, lessons from 1 000 000, tokenizer from 2 000 000 +
    # 1500 a seed, vision 40 random bits above 2^41.
    highest_of_vision = 1 << 41 | (1 << 40) - 1
    highest_of_tokenizer = 2_000_000 + (2**31) * 1500
    assert clip_seed(*one) > max(highest_of_vision, highest_of_tokenizer)


def test_a_wide_look_is_written_in_its_proportions(tmp_path: Path) -> None:
    world = World(durations_s=(16, 16), scenes=(2, 2), radii=(0.1, 0.2))
    film = Film(size=64, fps=2, look=WIDE_LOOKS["16:9"])
    (path,) = write_clips(tmp_path / "wide", 1, 3, film=film, world=world)
    source = probe(str(path))
    assert (source.width, source.height) == (114, 64)
    assert source.duration_s == pytest.approx(16, abs=1e-3)
