"""`dynfocus inspect --html OUT ...`: which files are written, where, and what is said where one is not.

The stand-in of conftest.py selects; pictures are decoded from real clips.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from dynfocus_cli.files import TEMPORARY
from dynfocus_cli.report import export
from dynfocus_cli.report.writers.html import MAX_EMBEDDED
from video.clips import write_clip

FILES = {
    "--html": "out.html",
    "--contact-sheet": "out.png",
    "--csv": "out.csv",
    "--edl": "out.edl",
    "--chapters": "out.vtt",
}
EVERYTHING = [part for pair in FILES.items() for part in pair] + ["--save-frames", "frames"]


@pytest.fixture
def video(tmp_path, monkeypatch):
    """`video("a.mp4")` makes a real clip of two seconds in the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> str:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write_clip(tmp_path / "made.mp4", range(0, 2000, 100), size=(64, 48)).rename(name)
        return name

    return make


def left_over() -> list[str]:
    return [name for _, _, names in os.walk(".") for name in names if name.startswith(TEMPORARY)]


def test_all_formats_at_once_leave_stdout_as_it_is(stand_in, run, video):
    name = video("clip.mp4")
    plain, result = run("inspect", name), run("inspect", name, *EVERYTHING)
    assert (result.exit_code, result.stdout) == (0, plain.stdout)
    assert [line for line in result.stderr.splitlines() if line.startswith("Wrote ")] == [
        "Wrote out.csv",
        "Wrote out.edl",
        "Wrote out.vtt",
        "Wrote out.html",
        "Wrote out.png",
        "Wrote frames",
    ]
    assert Image.open("out.png").format == "PNG"
    assert 'src="clip.mp4"' in Path("out.html").read_text(encoding="utf-8")
    (frame,) = os.listdir("frames")
    assert frame == "clip_00-00-00.000_event0.jpg"
    assert Image.open(f"frames/{frame}").size == (64, 48)
    assert left_over() == []


def test_with_json_and_quietly(stand_in, run, video):
    result = run("inspect", video("clip.mp4"), "--json", "--quiet", *EVERYTHING)
    assert json.loads(result.stdout)["schema"] == "dynfocus.inspection/1"
    assert result.stderr == ""
    assert all(map(os.path.exists, FILES.values()))


@pytest.mark.parametrize(
    ("out", "start"),
    [("a.vtt", b"WEBVTT\n"), ("a.FFMETA", b";FFMETADATA1\n")],
)
def test_the_suffix_chooses_the_kind_of_chapters(stand_in, run, video, out, start):
    assert run("inspect", video("clip.mp4"), "--chapters", out).exit_code == 0
    assert Path(out).read_bytes().startswith(start)


def test_a_jpeg_sheet(stand_in, run, video):
    assert run("inspect", video("clip.mp4"), "--contact-sheet", "a.jpg").exit_code == 0
    assert Image.open("a.jpg").format == "JPEG"


def test_several_videos_fill_folders_and_overwrite_nothing(stand_in, run, video):
    names = [video("one/clip.mp4"), video("two/clip.mkv"), video("other.mp4")]
    Path("pages").mkdir()
    Path("pages/other.html").write_text("mine")
    result = run("inspect", *names, "--html", "pages", "--csv", "new/tables", "--save-frames", "frames", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(os.listdir("pages")) == ["clip-2.html", "clip.html", "other-2.html", "other.html"]
    assert Path("pages/other.html").read_text() == "mine"
    assert sorted(os.listdir("new/tables")) == ["clip-2.csv", "clip.csv", "other-2.csv"]
    assert sorted(name.partition("_")[0] for name in os.listdir("frames")) == ["clip", "clip-2", "other-2"]
    assert 'src="../two/clip.mkv"' in Path("pages/clip-2.html").read_text(encoding="utf-8")

    again = run("inspect", names[0], "--save-frames", "frames", "-q")
    assert again.exit_code == 0
    assert "clip-3_00-00-00.000_event0.jpg" in os.listdir("frames")


def test_a_file_that_was_named_is_replaced(stand_in, run, video):
    name = video("clip.mp4")
    Path("target").write_text("old")
    Path("out.csv").symlink_to("target")
    assert run("inspect", name, "--csv", "out.csv").exit_code == 0
    assert Path("out.csv").is_symlink()
    assert Path("target").read_text().startswith("index,")


def test_one_video_into_a_folder(stand_in, run, video):
    assert run("inspect", video("clip.mp4"), "--chapters", "out/").exit_code == 0
    assert os.listdir("out") == ["clip.vtt"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--html", "out.pdf"], "ends in .html or .htm, or a folder"),
        (["--contact-sheet", "out.gif"], "ends in .jpg or .jpeg or .png"),
        (["--chapters", "out.srt"], "ends in .vtt or .ffmeta"),
        (["--csv", ""], "--csv needs the name of a file or folder"),
        (["--edl", "gone/out.edl"], "there is no folder gone"),
        (["--save-frames", "a.mp4"], "it is no folder"),
        (["--save-frames", ""], "needs the name of a folder"),
        (["--save-frames", "a.mp4/x"], "cannot be written to"),
        (["--save-frames", "n" * 300], "cannot be written to"),
        (["--embed"], "name that with --html"),
        (["--csv", "out.csv", "--dry-run"], "--dry-run"),
        (["b.mp4", "--html", "out.html"], "there are several videos: name a folder"),
    ],
)
def test_bad_names_are_told_before_any_video_is_touched(stand_in, run, clip, arguments, said):
    clip("a.mp4"), clip("b.mp4")
    result = run("inspect", "a.mp4", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert stand_in.loads == stand_in.calls == []


def test_a_name_too_long_to_be_looked_up_is_told(stand_in, run, clip):
    result = run("inspect", clip("a.mp4"), "--html", f"{300 * 'n'}/page.html")
    assert result.exit_code == 2
    assert "--html: there is no folder nnn" in result.stderr


def test_a_video_is_never_replaced(stand_in, run, clip):
    result = run("inspect", clip("a.csv"), "--csv", "./a.csv")
    assert result.exit_code == 2
    assert "would replace the video itself" in result.stderr


def test_a_large_video_is_not_embedded(stand_in, run, clip):
    os.truncate(clip("a.mp4"), MAX_EMBEDDED + 1)
    result = run("inspect", "a.mp4", "--html", "out.html", "--embed")
    assert result.exit_code == 2
    assert "has 32 MiB, and a page holds at most 32" in result.stderr
    assert stand_in.loads == []


def test_a_small_video_is_embedded(stand_in, run, video):
    assert run("inspect", video("clip.mp4"), "--html", "out.html", "--embed").exit_code == 0
    assert 'src="data:video/mp4;base64,' in Path("out.html").read_text(encoding="utf-8")


def full_disk(monkeypatch, *suffixes: str) -> None:
    """Writing a file with one of `suffixes` fails as on a full disk, after half of it."""
    write_whole = export.write_whole

    def write(path, data):
        if path.suffix in suffixes:
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", fail)
                return write_whole(path, data)
        return write_whole(path, data)

    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(export, "write_whole", write)


def test_a_full_disk_costs_one_file_and_nothing_that_was_printed(stand_in, run, video, monkeypatch):
    name = video("clip.mp4")
    plain = run("inspect", name).stdout
    Path("out.csv").write_text("old")
    full_disk(monkeypatch, ".csv", ".jpg")
    result = run("inspect", name, "-q", *EVERYTHING)
    assert (result.exit_code, result.stdout) == (2, plain)
    assert result.stderr == (
        "Error: Cannot write out.csv: No space left on device.\n"
        "Error: Cannot write frames/clip_00-00-00.000_event0.jpg: No space left on device.\n"
    )
    assert Path("out.csv").read_text() == "old"
    assert Path("out.html").exists()
    assert left_over() == []


def test_a_result_without_its_files_is_not_done(stand_in, run, video, monkeypatch):
    command = ("inspect", video("clip.mp4"), "-q", "--html", "out.html", "--output", "o.jsonl")
    with monkeypatch.context() as full:
        full_disk(full, ".html")
        assert run(*command).exit_code == 2
    (record,) = map(json.loads, Path("o.jsonl").read_text().splitlines())
    assert record["schema"] == "dynfocus.error/1"
    assert run(*command, "--retry-failed").exit_code == 0
    assert Path("out.html").exists()
    assert json.loads(Path("o.jsonl").read_text().splitlines()[-1])["schema"] == "dynfocus.inspection/1"


def test_files_of_what_was_made_before_are_said_to_be_missing(stand_in, run, video):
    command = ("inspect", video("clip.mp4"), "--output", "o.jsonl")
    assert run(*command).exit_code == 0
    result = run(*command, "--html", "page.html")
    assert result.exit_code == 0
    assert "Of what was made before no other files were written" in result.stderr
    assert not Path("page.html").exists()
    assert "no other files" not in run(*command).stderr


def test_of_several_the_others_go_on(stand_in, run, video, monkeypatch):
    names = [video("a.mp4"), video("b.mp4")]
    full_disk(monkeypatch, ".edl")
    result = run("inspect", *names, "--edl", "out", "--csv", "out", "-q")
    assert result.exit_code == 6
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["video", *names]
    assert result.stderr.splitlines()[-1] == "Error: 2 files could not be written."
    assert sorted(os.listdir("out")) == ["a.csv", "b.csv"]


def test_a_video_that_went_away_costs_its_pictures(stand_in, run, clip):
    result = run("inspect", clip("empty.mp4"), "-q", *EVERYTHING)
    assert result.exit_code == 3
    assert result.stderr == "Error: empty.mp4 is empty. Copy or download the video again.\n"
    assert Path("out.csv").exists()
    assert not Path("out.html").exists()
    assert not Path("out.edl").exists()


@pytest.mark.parametrize(
    "name", ["-dash.mp4", "<script>alert(1)<script>.mp4", "a\nb.mp4", "\udcff\udcfe.mp4", "x" * 250 + ".mp4"]
)
def test_hostile_names(stand_in, run, video, name):
    result = run("inspect", "-q", "--", video(f"./{name}"))
    assert result.exit_code == 0
    result = run(
        "inspect",
        "-q",
        *[part for flag in FILES for part in (flag, "out/")],
        "--save-frames",
        "out/",
        f"./{name}",
    )
    assert (result.exit_code, result.stderr) == (0, "")
    written = os.listdir("out")
    assert len(written) == 6
    assert all(file.startswith(name.removesuffix(".mp4")[:180]) for file in written)
    (page,) = (Path("out", file) for file in written if file.endswith(".html"))
    assert "<script>alert" not in page.read_text(encoding="utf-8")
    assert left_over() == []


def test_help_does_not_import_what_writes_the_files():
    code = (
        "import sys; sys.argv = ['dynfocus', 'inspect', '--help']\n"
        "from dynfocus_cli.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "names = ('jinja2', 'PIL', 'av', 'dynfocus_cli.report.export')\n"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--contact-sheet" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
