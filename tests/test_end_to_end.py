"""The shipped model on real files, as a user meets it: the installed command, and the same in-process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from dynfocus_cli.cli.app import app
from dynfocus_cli.pipeline import spine
from dynfocus_cli.synth.world import Script, write_script
from dynfocus_cli.synth.write import write_video
from strict_schema import validate

pytestmark = pytest.mark.slow

WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "dynfocus-tiny"

SECONDS = 16
QUESTION = "What is shown at 00:05?"
OPEN_QUESTION = "What flashes up briefly?"


def a_script() -> Script:
    """16 seconds in 3 scenes with a needle; of a seed that nothing was trained on."""
    scripts = (write_script(seed, duration_s=SECONDS, scenes=3) for seed in range(100))
    return next(script for script in scripts if len(script.needles) == 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A generated clip and every kind of file that is none; tests run in it, and paths are relative to it."""
    folder = tmp_path_factory.mktemp("clips")
    write_video(a_script(), folder / "clip.mp4", size=128)
    (folder / "text.mp4").write_text("This is no video.\n" * 20)
    (folder / "zero.mp4").touch()
    (folder / "empty").mkdir()
    (folder / "empty" / "notes.txt").touch()
    (folder / "two").mkdir()
    for name in ("b.mp4", "a.mp4"):
        shutil.copy(folder / "clip.mp4", folder / "two" / name)
    (folder / "two" / "notes.txt").touch()
    write_sound(folder / "sound.mp4")
    write_noise(folder / "one.mp4", frames=1)
    write_noise(folder / "noise.mp4", frames=24)
    return folder


def write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for block in range(16):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.rate, frame.pts = 16000, 1024 * block
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_noise(path: Path, frames: int) -> None:
    """Random coloured pixels at 4 frames a second: footage of no world."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4, options={"preset": "ultrafast"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(autouse=True)
def _in_folder(folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)


def installed(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The console script in a process of its own, in the working directory."""
    script = Path(sys.executable).with_name("dynfocus")
    assert script.is_file(), "install the project to run its tests"
    return subprocess.run(
        [script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        timeout=300,
    )


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def record_of(result: Result | subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one record on stdout, once it is valid and the contract's sums hold."""
    code = result.exit_code if isinstance(result, Result) else result.returncode
    assert code == 0, result.stderr
    record = json.loads(result.stdout)
    check(record)
    return record


def check(record: dict[str, Any]) -> None:
    validate(record)
    if record["schema"] == "dynfocus.error/1":
        return
    frames, tokens, selection = record["frames"], record["tokens"], record["selection"]
    total, key = len(frames), sum(frame["meaningful"] for frame in frames)
    assert sum(frame["tokens"] for frame in frames) == tokens["video"] == 40 * key + 2 * (total - key)
    assert all(frame["tokens"] == (40 if frame["meaningful"] else 2) for frame in frames)
    assert (selection["key_frames"], record["sampling"]["frames"]) == (key, total)
    assert [frame["index"] for frame in frames] == list(range(total))
    times = [frame["time_s"] for frame in frames]
    assert times == sorted(set(times))
    assert {frame["event"] for frame in frames} == set(range(selection["prototypes"]))
    assert tokens["video"] + tokens["prompt"] + tokens["generated"] <= tokens["context"]


def ask(*options: str, question: str = QUESTION, video: str = "clip.mp4") -> dict[str, Any]:
    return record_of(run("ask", video, question, "--json", *options))


def key_times(record: dict[str, Any]) -> list[float]:
    return [frame["time_s"] for frame in record["frames"] if frame["meaningful"]]


# The installed command, in processes of their own.


def test_the_answer_on_stdout_and_the_evidence_on_stderr() -> None:
    done = installed("ask", "clip.mp4", QUESTION)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\S.*\n", done.stdout), "one line, the answer alone"
    assert "key frame" in done.stderr
    assert re.search(r"\n *frame +time_s +timecode +event +score +tokens\n", done.stderr)
    assert re.search(r" +5\.000  00:00:05\.000 .* 40\n", done.stderr)
    assert re.search(r"\d+ video tokens = 40 × 4 \(key frames\) \+ 2 × \d+ \(others\)", done.stderr)
    assert re.search(r"All patches would take \d+", done.stderr)
    assert re.search(r"Context: \d+ of 2048 tokens left", done.stderr)
    assert re.search(r"decode .* encode .* select .* generate .*total", done.stderr, re.DOTALL)
    assert "Warning" not in done.stderr, "the clip is of the model's own world"
    assert "\x1b" not in done.stdout + done.stderr


def test_another_process_gives_the_same_bytes_apart_from_timings(
    tmp_path: Path, folder: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is neither the project nor its weights
    arguments = ("ask", str(folder / "clip.mp4"), QUESTION, "--json", "--seed", "3")
    one, other = installed(*arguments), run(*arguments)
    record = record_of(one)
    assert record["model"]["name"] == "dynfocus-tiny"
    assert record["seed"] == 3
    assert one.stderr == other.stderr == ""

    def timeless(text: str) -> str:
        without, count = re.subn(r'"timings_s": \{[^}]*\}', "", text)
        assert count == 1
        # What an earlier run left in the cache is told, and is no part of the answer.
        without, count = re.subn(r'"cache": \{"features": "(miss|hit)"\}', "", without)
        assert count == 1
        return without

    assert timeless(one.stdout) == timeless(other.stdout)


def test_a_traceback_only_where_it_is_asked_for() -> None:
    plain, debug = (
        run("ask", "text.mp4", QUESTION),
        installed("ask", "text.mp4", QUESTION, DYNFOCUS_DEBUG="1"),
    )
    assert plain.exit_code == debug.returncode == 3
    assert plain.stdout == debug.stdout == ""
    assert "Traceback" not in plain.stderr
    assert "Traceback (most recent call last)" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)


# The same command in this process.


def test_json_says_what_was_done() -> None:
    record = ask()
    assert (record["video"], record["question"]) == ("clip.mp4", QUESTION)
    assert record["answer"].strip() == record["answer"] != ""
    assert record["model"]["backend"] == "dynfocus"
    assert record["source"]["duration_s"] == SECONDS
    assert record["source"]["codec"] == "h264"
    assert record["tokens"]["generated"] >= 1
    assert record["tokens"]["all_patches"] == 144 * len(record["frames"])
    assert record["warnings"] == []


@pytest.mark.parametrize(("ratio", "key"), [("0.125", 2), ("0.25", 4), ("0.5", 8)])
def test_frames_prototypes_and_key_ratio(ratio: str, key: int) -> None:
    record = ask("--frames", "32", "--prototypes", "16", "--key-ratio", ratio)
    assert record["sampling"]["policy"] == "uniform"
    assert len(record["frames"]) == 32
    assert (record["selection"]["prototypes"], record["selection"]["key_frames"]) == (16, key)
    assert record["tokens"]["video"] == 38 * key + 64


@pytest.mark.parametrize(
    ("budget", "frames", "key"),
    [(184, 16, 4), (183, 16, 3), (145, 16, 2), (70, 16, 1), (69, 15, 1), (40, 1, 1)],
)
def test_a_budget_lowers_key_frames_first_and_then_frames(budget: int, frames: int, key: int) -> None:
    record = ask("--budget", str(budget), "--max-frames", "100", question=OPEN_QUESTION)
    assert (len(record["frames"]), record["selection"]["key_frames"]) == (frames, key)
    assert record["tokens"]["video"] <= budget


def test_start_and_end() -> None:
    record = ask("--start", "4", "--end", "0:08", question=OPEN_QUESTION)
    assert [frame["time_s"] for frame in record["frames"]] == [4.0, 5.0, 6.0, 7.0]
    assert (record["sampling"]["start_s"], record["sampling"]["end_s"]) == (4.0, 8.0)


@pytest.mark.parametrize("second", [0.0, 9.0, 15.0])
def test_at_is_looked_at_closely(second: float) -> None:
    record = ask("--at", f"{second:g}", question=OPEN_QUESTION)
    assert second in key_times(record)
    ((start, end),) = record["sampling"]["focus"]
    assert start <= second < end
    near = sum(start <= frame["time_s"] < end for frame in record["frames"])
    assert near > (end - start) * 1.2, "denser than a frame a second"


@pytest.mark.parametrize("second", [0, 3, 12])
def test_a_time_in_the_question_makes_its_frame_a_key_frame(second: int) -> None:
    assert float(second) in key_times(ask(question=f"How many things are visible at 00:{second:02d}?"))


@pytest.mark.parametrize(
    "question",
    ["What is shown at 5 seconds?", "What is shown at minute 0:05?", "What is shown bei 5 Sekunden?"],
)
def test_a_time_is_read_in_the_wording_of_the_training_and_recorded_as_typed(question: str) -> None:
    record, usual = ask(question=question), ask(question=QUESTION)
    assert record["question"] == question
    for part in ("sampling", "answer", "tokens", "frames"):
        assert record[part] == usual[part]


def test_scorers() -> None:
    by_pixels = [
        ask("--scorer", "visual", question=question) for question in (OPEN_QUESTION, "Is there a red star?")
    ]
    assert by_pixels[0]["frames"] == by_pixels[1]["frames"], "no question moves the paper's score"
    assert by_pixels[0]["selection"]["scorer"] == "visual"
    by_question = [
        ask("--scorer", "question", question=question) for question in (OPEN_QUESTION, "Is there a red star?")
    ]
    assert by_question[0]["frames"] != by_question[1]["frames"]
    assert by_question[0]["selection"]["scorer"] == "question"


@pytest.mark.parametrize("question", [QUESTION, OPEN_QUESTION])
def test_inspect_selects_as_ask_does(question: str) -> None:
    asked = ask(question=question)
    looked = record_of(run("inspect", "clip.mp4", "--question", question, "--json"))
    assert looked["schema"] == "dynfocus.inspection/1"
    assert "answer" not in looked
    for part in ("frames", "selection", "sampling", "source", "model"):
        assert looked[part] == asked[part], part


def test_inspect_prints_a_table_for_a_pipe() -> None:
    result = run("inspect", "clip.mp4")
    assert result.exit_code == 0
    heading, *rows = (line.split("\t") for line in result.stdout.splitlines())
    assert heading == ["frame", "time_s", "timecode", "event", "score", "tokens"]
    assert len(rows) == 4
    assert all(row[5] == "40" for row in rows)
    assert "video tokens" in result.stderr


def test_quiet_leaves_the_answer_alone() -> None:
    result = run("ask", "clip.mp4", QUESTION, "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1


def test_a_time_past_the_end_is_a_warning_and_changes_nothing() -> None:
    late = ask(question="What flashes up at 08:00?")
    assert len(late["frames"]) == SECONDS
    assert late["sampling"]["focus"] == []
    assert len(late["warnings"]) == 1
    assert "00:08:00" in late["warnings"][0]


def test_one_frame_is_a_video() -> None:
    record = ask("--model", "dynfocus-tiny", video="one.mp4")
    assert [frame["tokens"] for frame in record["frames"]] == [40]
    assert record["answer"]


def test_footage_of_another_world_is_not_answered() -> None:
    result = run("ask", "noise.mp4", OPEN_QUESTION)
    assert (result.exit_code, result.stdout) == (4, "")
    assert (
        "dynfocus-tiny was not trained on such a video (it looks like none that training had)"
        in result.stderr
    )
    assert "`dynfocus models pull " in result.stderr
    assert "--anyway" in result.stderr


@pytest.mark.parametrize("insisted", [("--model", "dynfocus-tiny"), ("--anyway",)])
def test_who_insists_gets_a_guess_below_a_warning(insisted: tuple[str, ...]) -> None:
    choices = ("--choice", "A=a red star", "--choice", "B=a blue ring")
    result = installed("ask", "noise.mp4", OPEN_QUESTION, *choices, "--check", *insisted)
    assert result.returncode == 0
    assert result.stderr.startswith("Warning: dynfocus-tiny was not trained on such a video")
    assert "take the answer as a guess" in result.stderr
    assert "A  " not in result.stderr, "shares of a guess mean nothing"
    assert "Evenly spaced frames" not in result.stderr, "nor do two guesses that agree"
    record = record_of(run("ask", "noise.mp4", OPEN_QUESTION, "--json", "--check", *insisted))
    assert record["in_domain"] is False
    assert "check" not in record
    assert record["warnings"][0].startswith("dynfocus-tiny was not trained on such a video")


def test_strict_refuses_a_guess_by_a_model_that_was_named_too() -> None:
    result = run("ask", "noise.mp4", OPEN_QUESTION, "--model", "dynfocus-tiny", "--strict")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "dynfocus-tiny was not trained on such a video" in result.stderr
    assert "with --strict it does not guess. Name another --model." in result.stderr
    assert ask("--model", "dynfocus-tiny", "--strict")["in_domain"] is True
    both = run("ask", "noise.mp4", OPEN_QUESTION, "--anyway", "--strict")
    assert both.exit_code == 2
    assert "--strict wants no guesses and --anyway wants them" in both.stderr


def test_a_record_says_that_it_is_not_answered() -> None:
    result = run("ask", "noise.mp4", "clip.mp4", OPEN_QUESTION, "--jsonl")
    refused, answered = (json.loads(line) for line in result.stdout.splitlines())
    assert result.exit_code == 6
    assert (refused["error"]["code"], refused["error"]["kind"]) == (4, "OutOfDomain")
    assert answered["in_domain"] is True


def test_a_question_of_another_world_is_one_error_and_decodes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def encode(*_: object) -> None:
        raise AssertionError("no video answers it")

    monkeypatch.setattr(spine, "encode", encode)
    for videos in (("clip.mp4",), ("noise.mp4", "clip.mp4")):
        result = run("ask", *videos, "Who is the president of France?")
        assert (result.exit_code, result.stdout) == (4, "")
        (line,) = result.stderr.splitlines()
        assert "not trained on such a question (training had no question with 'who', 'president'" in line
        records = run("ask", *videos, "hi", "--jsonl").stdout.splitlines()
        assert [json.loads(record)["error"]["code"] for record in records] == [4] * len(videos)


def test_inspect_works_on_any_video_and_speaks_of_no_guess() -> None:
    record = record_of(run("inspect", "noise.mp4", "--json"))
    assert record["in_domain"] is False
    assert "what is meaningful was learned from other ones" in record["warnings"][0]
    assert not any("guess" in warning for warning in record["warnings"])


@pytest.mark.parametrize(
    "question", ["hi", "Describe the video.", "Who is the president of France?", "¿Qué?"]
)
def test_a_question_of_another_world_is_not_answered(question: str) -> None:
    result = run("ask", "clip.mp4", question)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "was not trained on such a question" in result.stderr
    record = record_of(run("ask", "clip.mp4", question, "--json", "--anyway"))
    assert record["in_domain"] is False


def test_a_flash_in_a_frame_that_is_no_key_frame_is_among_the_evidence() -> None:
    """Rods are looked at too; the three most attended frames hold the second that decides."""
    needle = a_script().needles[0]
    record = ask("--key-ratio", "0.07", question=OPEN_QUESTION)
    shares = dict(zip((frame["time_s"] for frame in record["frames"]), record["attention"], strict=True))
    assert sum(shares.values()) == pytest.approx(1, abs=1e-2)
    most = sorted(shares, key=shares.__getitem__)[-3:]
    assert any(needle.start_s <= time_s < needle.end_s for time_s in most)
    assert "The answer attended most to 00:" in run("ask", "clip.mp4", OPEN_QUESTION).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["gone.mp4", QUESTION], 3, "No such file: gone.mp4"),
        (["https://example.org/clip.mp4", QUESTION], 3, "Only local files"),
        (["empty", QUESTION], 3, "No video files were found in the folder empty"),
        (["text.mp4", QUESTION], 3, "text.mp4 is not a video"),
        (["sound.mp4", QUESTION], 3, "sound.mp4 holds only audio"),
        (["zero.mp4", QUESTION], 3, "zero.mp4 is empty"),
        (["clip.mp4", QUESTION, "--at", "0:16"], 2, "--at 00:00:16.000 is past the end"),
        (["clip.mp4", QUESTION, "--start", "20"], 2, "--start 00:00:20.000 is past the end"),
        (["clip.mp4", QUESTION, "--frames", "0"], 2, "--frames must be at least 1"),
        (["clip.mp4", QUESTION, "--budget", "39"], 2, "--budget 40 or more"),
        (["clip.mp4", QUESTION, "--max-new-tokens", "2048"], 2, "shorten the question, or the answer"),
        (["clip.mp4", "why? " * 3000], 2, "shorten the question"),
        (["clip.mp4", QUESTION, "--model", "nope"], 4, "No model 'nope'"),
        (["clip.mp4", QUESTION, "--model", "."], 4, "folder without config.json"),
        (["clip.mp4", ""], 2, "The question is empty"),
        (["clip.mp4", "  "], 2, "The question is empty"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(arguments: list[str], code: int, said: str) -> None:
    result = run("ask", *arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr


def test_a_broken_video_stops_no_other() -> None:
    result = run("ask", "two/a.mp4", "text.mp4", "two/b.mp4", "gone.mp4", OPEN_QUESTION, "--quiet")
    assert result.exit_code == 6
    first, second = result.stdout.splitlines()
    assert first.startswith("two/a.mp4: ")
    assert second == first.replace("a.mp4", "b.mp4", 1)
    assert result.stderr.endswith("Error: 2 of 4 videos failed.\n")
    assert "Traceback" not in result.stderr


def test_a_broken_video_has_its_record() -> None:
    result = run("ask", "text.mp4", "clip.mp4", OPEN_QUESTION, "--jsonl")
    assert result.exit_code == 6
    records = [json.loads(line) for line in result.stdout.splitlines()]
    for record in records:
        check(record)
    assert [record["schema"] for record in records] == ["dynfocus.error/1", "dynfocus.answer/1"]
    assert (records[0]["video"], records[0]["error"]["code"]) == ("text.mp4", 3)
    assert records[0]["error"]["kind"] == "VideoUnreadable"


def test_a_folder_and_paths_on_stdin_are_several_videos() -> None:
    result = run("ask", "two", OPEN_QUESTION)
    assert result.exit_code == 0
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == ["two/a.mp4", "two/b.mp4"]
    assert result.stderr.count("video tokens") == 2
    assert "\ntwo/b.mp4\n" in result.stderr
    piped = run("ask", "-", OPEN_QUESTION, "--quiet", stdin="two/a.mp4\n\ntwo/b.mp4\r\n")
    assert (piped.exit_code, piped.stdout, piped.stderr) == (0, result.stdout, "")


def test_a_copy_of_the_model_is_the_same_model(tmp_path: Path) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "copy")
    shipped, copied = ask(), ask("--model", str(tmp_path / "copy"))
    assert copied["model"]["name"] == "copy"
    assert copied["model"]["revision"] == shipped["model"]["revision"]
    assert (copied["answer"], copied["frames"]) == (shipped["answer"], shipped["frames"])


def test_a_dry_run_says_what_the_run_then_does() -> None:
    planned = run("ask", "clip.mp4", QUESTION, "--dry-run", "--json")
    assert planned.exit_code == 0, planned.stderr
    plan = json.loads(planned.stdout)
    validate(plan)
    record = record_of(run("ask", "clip.mp4", QUESTION, "--json"))
    for shared in ("video", "question", "model", "source", "sampling", "selection", "warnings"):
        assert plan[shared] == record[shared]
    for count in ("video", "prompt", "context", "all_patches"):
        assert plan["tokens"][count] == record["tokens"][count]
    assert plan["memory_bytes"]["weights"] < plan["memory_bytes"]["peak"] < plan["memory_bytes"]["free"]
    assert all(seconds > 0 for seconds in plan["estimated_s"].values())


def test_dry_runs_of_several_videos() -> None:
    done = run("inspect", "two", "gone.mp4", "--dry-run", "--jsonl")
    assert done.exit_code == 6
    records = [json.loads(line) for line in done.stdout.splitlines()]
    for record in records:
        validate(record)
    assert [record["video"] for record in records] == ["two/a.mp4", "two/b.mp4", "gone.mp4"]
    assert records[0]["question"] is None


def test_quantized_in_passing() -> None:
    for kind in ("int8", "nf4"):
        record = record_of(run("ask", "clip.mp4", QUESTION, "--quantize", kind, "--json"))
        assert record["model"]["quantization"] == kind
        assert record["answer"]
