"""`dynfocus index`: what it keeps, goes on with, and says. Models, videos and the index are real."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.moments import indexing, library
from dynfocus_cli.moments.index import indexes
from strict_schema import validate
from video.clips import write_clip

TINY = ("--model", "dynfocus-tiny")
STOCK = Path(__file__).parents[2] / "weights" / "stock" / "model"


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a cache of its own and the folder `clips` of three short clips."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "clips" / "more").mkdir(parents=True)
    for number, name in enumerate(("a.mp4", "b.mp4", "more/c.mp4"), start=2):
        write_clip(tmp_path / "clips" / name, range(0, 1000 * number, 100))
    return tmp_path / "clips"


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def kept() -> int:
    cache = FeatureCache.default()
    assert cache is not None
    return sum(index.videos for index in indexes(cache.folder))


def test_a_second_run_keeps_nothing_anew_and_a_search_encodes_nothing(run, clips, monkeypatch) -> None:
    first = run("index", "clips", "-r", *TINY)
    assert first.exit_code == 0, first.stderr
    heading, *kept_rows = rows(first.stdout)
    assert heading == ["video", "frames", "duration_s", "new"]
    assert [row[0] for row in kept_rows] == ["clips/a.mp4", "clips/b.mp4", "clips/more/c.mp4"]
    assert [(row[1], row[3]) for row in kept_rows] == [("2", "yes"), ("3", "yes"), ("4", "yes")]
    assert "Kept for searches by dynfocus-tiny: 3 videos, 9 frames" in first.stderr
    (clips / "a.mp4").rename(clips / "moved.mp4")

    def embed(*arguments: object) -> None:
        raise AssertionError("nothing is to be decoded")

    monkeypatch.setattr(indexing, "embed", embed)
    monkeypatch.setattr(indexing, "probe", embed)
    again = run("index", "clips", "-r", *TINY)
    assert again.exit_code == 0, again.stderr
    assert [(row[0], row[3]) for row in rows(again.stdout)[1:]] == [
        ("clips/b.mp4", "no"),
        ("clips/more/c.mp4", "no"),
        ("clips/moved.mp4", "no"),
    ]
    found = run("find", "clips", "-r", "a red circle", "--threshold", "0.0001", *TINY)
    assert found.exit_code == 0, found.stderr
    assert "9 frames looked at in 3 videos" in found.stderr


def test_damaged_videos_cost_no_other_and_are_tried_again_on_request(run, clips) -> None:
    (clips / "bad.mp4").write_bytes(b"no video")
    command = ("index", "clips", "clips/gone.mp4", *TINY, "--output", "out.jsonl")
    first = run(*command)
    assert (first.exit_code, first.stdout) == (6, "")
    records = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    for record in records:
        validate(record)
    assert [record["schema"].split("/")[0] for record in records].count("dynfocus.error") == 2
    assert kept() == 2
    assert "2 of 4 videos failed" in run(*command).stderr
    assert len(Path("out.jsonl").read_text().splitlines()) == 4
    write_clip(clips / "bad.mp4", range(0, 500, 100))
    assert run(*command, "--retry-failed").exit_code == 6
    assert kept() == 3
    assert len(Path("out.jsonl").read_text().splitlines()) == 4


def test_a_line_in_the_file_does_not_stand_for_what_was_removed(run, clips) -> None:
    command = ("index", "clips", *TINY, "--output", "out.jsonl")
    assert run(*command).exit_code == 0
    assert run("cache", "clear").exit_code == 0
    assert kept() == 0
    again = run(*command)
    assert again.exit_code == 0
    assert kept() == 2
    assert "2 results: 2 new" in again.stderr


def test_a_video_that_vanishes_while_it_is_looked_up_is_a_failure_of_its_own(run, clips, monkeypatch) -> None:
    command = ("index", "clips", *TINY, "--output", "out.jsonl")
    assert run(*command).exit_code == 0

    def digest_of(video: str) -> str:
        if video.endswith("a.mp4"):
            raise VideoUnreadable(f"Cannot read {video}: it has gone.")
        return known(video)

    known = library.digest_of
    monkeypatch.setattr(library, "digest_of", digest_of)
    monkeypatch.setattr(indexing, "digest_of", digest_of)
    again = run(*command)
    assert again.exit_code == 6
    assert "Cannot read clips/a.mp4: it has gone." in again.stderr
    assert "1 of 2 videos failed" in again.stderr


def test_one_object_says_all_that_is_kept(run, clips) -> None:
    for is_new in (True, False):
        result = run("index", "clips/a.mp4", "--json", *TINY)
        assert result.exit_code == 0
        record = json.loads(result.stdout)
        validate(record)
        assert (record["frames"], record["new"]) == (2, is_new)
    several = run("index", "clips", "--json", *TINY)
    assert (several.exit_code, several.stdout) == (2, "")


def test_other_sampling_is_another_index(run, clips) -> None:
    assert run("index", "clips/a.mp4", *TINY).exit_code == 0
    faster = run("index", "clips/a.mp4", *TINY, "--fps", "5")
    assert [row[3] for row in rows(faster.stdout)[1:]] == ["yes"]
    assert kept() == 2


def test_a_dry_run_tells_what_is_kept_and_keeps_nothing(run, clips) -> None:
    run("index", "clips/a.mp4", *TINY)
    result = run("index", "clips", *TINY, "--dry-run")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith("clips/a.mp4: 2 frames")
    assert first.endswith("kept already")
    assert second.startswith("clips/b.mp4: 3 frames")
    assert not second.endswith("kept already")
    assert kept() == 1


def test_without_a_cache_no_video_is_touched(run, clips, monkeypatch) -> None:
    monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "0")
    result = run("index", "clips", *TINY)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Nothing is kept" in result.stderr


def test_an_index_that_cannot_be_written_ends_the_run(run, clips, tmp_path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "moments").write_text("a file where a folder should be")
    result = run("index", "clips", *TINY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("could not be kept") == 1


def test_a_video_that_is_written_to_meanwhile_is_not_kept(run, clips, monkeypatch) -> None:
    embed = indexing.embed

    def growing(*arguments: object):  # type: ignore[no-untyped-def]
        frames = embed(*arguments)  # type: ignore[arg-type]
        with open(clips / "a.mp4", "ab") as file:
            file.write(b"more")
        return frames

    monkeypatch.setattr(indexing, "embed", growing)
    result = run("index", "clips/a.mp4", *TINY)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "was changed while it was read" in result.stderr
    assert kept() == 0


def test_the_shipped_model_keeps_what_find_would_search(run, clips) -> None:
    refused = run("index", "clips/a.mp4")
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "was not trained on such a video" in refused.stderr
    assert run("index", "clips/a.mp4", "--anyway").exit_code == 0
    assert run("index", "clips/b.mp4", "--strict", *TINY).exit_code == 4
    assert kept() == 1


def test_a_model_without_vectors_has_nothing_to_keep(run, clips) -> None:
    result = run("index", "clips", "--model", str(STOCK))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--selector-model" in result.stderr


@pytest.mark.slow
def test_kills_lose_nothing_and_leave_the_same_ranking(run, clips, tmp_path, monkeypatch) -> None:
    """`benchmarks/index_kills.py` does the same with 200 clips."""
    count, lap = 60, 6
    for number in range(count):
        picture = np.random.default_rng(number).integers(0, 256, (72, 96, 3), dtype=np.uint8)
        write_clip(clips / f"{number:03}.mp4", (0, 500, 1000), stored=picture)
    program = "from dynfocus_cli.cli.entry import main; main()"
    command = [sys.executable, "-c", program, "index", "clips", *TINY, "--quiet"]
    done = killed = 0
    while killed < 5:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while process.poll() is None and kept() < lap * (killed + 1):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        _, log = process.communicate()
        if process.returncode == 0:  # on a busy machine it may end before it is looked at
            break
        assert process.returncode == -signal.SIGKILL, log
        assert kept() >= done
        done, killed = kept(), killed + 1
    assert killed >= 2
    undisturbed = tmp_path / "undisturbed"
    found = []
    for folder in (tmp_path / "cache", undisturbed):
        monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(folder))
        finished = run("index", "clips", *TINY)
        assert finished.exit_code == 0, finished.stderr
        assert kept() == count + 2
        result = run("find", "clips", "a red circle", "--threshold", "1e-15", "--top", "500", *TINY)
        found.append(result.stdout)
    assert len(found[0].splitlines()) > count / 2
    assert found[0] == found[1]
