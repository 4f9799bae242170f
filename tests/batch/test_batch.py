"""What a user names becomes videos, as they come; failures stay where they belong."""

from __future__ import annotations

import io
import os
import sys

import pytest

import dynfocus_cli
from dynfocus_cli.batch import videos as batch
from dynfocus_cli.batch.questions import Query
from dynfocus_cli.batch.videos import Search
from dynfocus_cli.errors import UsageError, VideoUnreadable

FILES = (
    "b.mp4",
    "a.MKV",
    "notes.txt",
    ".hidden.mp4",
    "deep/er/c.mp4",
    "deep/d.avi",
    ".git/e.mp4",
    "film.raw",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in FILES:
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "d"


def expand(*arguments, stdin=b"", null=False, recursive=False, globs=()):
    return list(batch.expand(arguments, io.BytesIO(stdin), Search(recursive, globs), null=null))


def test_a_folder_gives_the_videos_directly_in_it(folder):
    assert expand("d") == ["d/a.MKV", "d/b.mp4"]


def test_recursive_goes_below_it_in_order_of_names(folder):
    assert expand("d", recursive=True) == ["d/a.MKV", "d/b.mp4", "d/deep/d.avi", "d/deep/er/c.mp4"]


@pytest.mark.parametrize(
    "name",
    [
        "a.gif",
        "a.F4V",
        "a.divx",
        "a.3g2",
        "a.m2t",
        "a.qt",
        "a.LRV",
        "a.mp4 ",
        "a.vob",
        "a.rmvb",
        "a.ogm",
        "a.dv",
    ],
)
def test_whatever_is_called_as_a_video_is_taken(folder, name):
    (folder / "more").mkdir()
    (folder / "more" / name).touch()
    assert expand("d/more") == [f"d/more/{name}"]


STARTS = {
    "MP4": b"\0\0\0\x20ftypisom\0\0\2\0",
    "program stream": b"\0\0\1\xba\x44\0",
    "transport stream": (b"G" + bytes(187)) * 3,
    "AVI": b"RIFF\0\0\0\0AVI LIST",
    "Matroska": b"\x1aE\xdf\xa3\xa3",
}


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("name", ["film", "film.mod", "film.dat", "20240501.rec"])
def test_where_the_name_says_nothing_the_first_bytes_do(folder, name, kind):
    (folder / "more").mkdir()
    (folder / "more" / name).write_bytes(STARTS[kind] + bytes(600))
    assert expand("d/more") == [f"d/more/{name}"]


def test_what_begins_otherwise_is_no_video(folder):
    (folder / "more").mkdir()
    for name, begin in {
        "a": b"text",
        "b.heif": b"\0\0\0\x20ftypheic",
        "c.ogg": b"OggS",
        "d.txt": STARTS["MP4"],
    }.items():
        (folder / "more" / name).write_bytes(begin + bytes(600))
    assert expand("d/more") == ["d/more"]


def test_an_unfinished_download_is_named_and_passed_over(folder):
    for name in ("film.mp4.part", "film.mkv.crdownload"):
        (folder / name).write_bytes(STARTS["MP4"] + bytes(600))
    said: list[str] = []
    search = Search(pass_over=said.append)
    assert list(batch.expand(["d"], None, search)) == ["d/a.MKV", "d/b.mp4"]
    assert sorted(said) == [
        "d/film.mkv.crdownload: an unfinished download, passed over.",
        "d/film.mp4.part: an unfinished download, passed over.",
    ]


@pytest.mark.parametrize(("disc", "file"), [("VIDEO_TS", "VTS_01_1.VOB"), ("BDMV", "STREAM/00001.m2ts")])
def test_a_disc_says_what_to_do(folder, disc, file):
    (folder / "disc" / disc / file).parent.mkdir(parents=True)
    (folder / "disc" / disc / file).touch()
    assert expand(f"d/disc/{disc}") == [f"d/disc/{disc}"]
    assert expand("d/disc", recursive=True) == [f"d/disc/{disc}"]
    assert expand("d/disc") == ["d/disc"]
    assert expand(f"d/disc/{disc}/{file}") == [f"d/disc/{disc}/{file}"]
    for path in ("d/disc", f"d/disc/{disc}"):
        with pytest.raises(VideoUnreadable, match=r"(?i)make a file of"):
            batch.check(path)


def test_a_pattern_takes_the_place_of_the_known_suffixes(folder):
    assert expand("d", globs=("*.raw",)) == ["d/film.raw"]
    assert expand("d", globs=("*.raw", "[ab].*")) == ["d/a.MKV", "d/b.mp4", "d/film.raw"]
    assert expand("d", globs=("c*",), recursive=True) == ["d/deep/er/c.mp4"]
    assert expand("d", globs=("*",)) == ["d/a.MKV", "d/b.mp4", "d/film.raw", "d/notes.txt"]
    assert expand("d", globs=(".*.mp4",)) == ["d/.hidden.mp4"]


def test_a_pattern_says_nothing_of_files_that_are_named(folder):
    assert expand("d/notes.txt", globs=("*.mp4",)) == ["d/notes.txt"]


def test_links_that_lead_in_a_circle_end(folder):
    os.symlink("..", folder / "deep" / "up")
    os.symlink("self.mp4", folder / "self.mp4")
    assert expand("d", recursive=True).count("d/b.mp4") == 1
    assert "d/self.mp4" in expand("d")
    with pytest.raises(VideoUnreadable, match=r"d/self\.mp4 is a symbolic link that leads back to itself"):
        batch.check("d/self.mp4")


def test_a_link_to_a_video_is_one(folder):
    os.symlink(folder / "b.mp4", folder / "link.mp4")
    assert expand("d") == ["d/a.MKV", "d/b.mp4", "d/link.mp4"]


def test_a_link_to_a_video_that_is_gone_is_told(folder):
    os.symlink("../away/gone.mp4", folder / "gone.mp4")
    os.symlink("../away/notes.txt", folder / "gone.txt")
    assert expand("d") == ["d/a.MKV", "d/b.mp4", "d/gone.mp4"]
    with pytest.raises(VideoUnreadable, match=r"d/gone\.mp4 is a symbolic link to \.\./away/gone\.mp4"):
        batch.check("d/gone.mp4")


def test_a_folder_without_videos_stands_for_itself_and_is_told(folder):
    (folder / "empty").mkdir()
    assert expand("d/empty", recursive=True) == ["d/empty"]
    with pytest.raises(VideoUnreadable, match="No video files were found in the folder d/empty: with"):
        batch.check("d/empty")


def test_ten_thousand_files_that_are_no_videos(tmp_path):
    for number in range(10_000):
        (tmp_path / f"{number}.txt").touch()
    assert expand(str(tmp_path), recursive=True) == [str(tmp_path)]
    (tmp_path / "5000.mp4").touch()
    assert expand(str(tmp_path)) == [str(tmp_path / "5000.mp4")]


def test_a_folder_below_that_may_not_be_read_is_told(folder, nobody):
    for path, mode in ((folder.parent, 0o755), (folder, 0o755), (folder / "deep", 0)):
        path.chmod(mode)
    with nobody():
        assert expand("d", recursive=True) == ["d/a.MKV", "d/b.mp4", "d/deep"]
        with pytest.raises(VideoUnreadable, match="Cannot read the folder d/deep: Permission denied"):
            batch.check("d/deep")
    (folder / "deep").chmod(0o700)


def test_lines_of_standard_input(folder):
    assert expand("x.mp4", "-", stdin=b"a b.mp4\r\n\n-c.mp4\nd") == [
        "x.mp4",
        "a b.mp4",
        "-c.mp4",
        "d/a.MKV",
        "d/b.mp4",
    ]


@pytest.mark.parametrize("end", [b"", b"\0"])
def test_paths_between_zero_bytes_are_taken_as_they_are(end):
    paths = expand("-", stdin=b"a\nb.mp4\0 c.mp4\r\0\0-d.mp4" + end, null=True)
    assert paths == ["a\nb.mp4", " c.mp4\r", "-d.mp4"]


def test_paths_longer_than_a_piece():
    long = "x" * (batch.PIECE + 10)
    assert expand("-", stdin=f"{long}\0y".encode(), null=True) == [long, "y"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
@pytest.mark.parametrize("null", [True, False])
def test_names_that_are_no_text(null):
    (path,) = expand("-", stdin=b"\xff\xfe.mp4", null=null)
    assert os.fsencode(path) == b"\xff\xfe.mp4"


@pytest.mark.parametrize("null", [True, False])
def test_a_path_is_out_before_the_next_one_has_come(null):
    """A pipe from `find` may take minutes."""
    ours, theirs = os.pipe()
    with open(ours, "rb") as stdin, open(theirs, "wb", buffering=0) as find:
        paths = batch.expand(["-"], stdin, Search(), null=null)
        for name in (b"a.mp4", b"b.mp4"):
            find.write(name + (b"\0" if null else b"\n"))
            assert next(paths) == name.decode()


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("a.mp4\0b.mp4\0", "Paths that end in zero bytes are read with -0"),
        ("d/b.mp4\nd/a.MKV\n", "Paths that end in line breaks are read without -0"),
        ("https://example.org/a.mp4", "Only local files"),
    ],
)
def test_what_was_meant_is_told(folder, path, hint):
    with pytest.raises(VideoUnreadable, match=hint):
        batch.check(path)


def test_a_folder_on_the_way_that_may_not_be_searched(folder, nobody):
    for path, mode in ((folder.parent, 0o755), (folder, 0o755), (folder / "deep", 0)):
        path.chmod(mode)
    with (
        nobody(),
        pytest.raises(VideoUnreadable, match=r"d/deep/d\.avi cannot be reached: a folder on the way"),
    ):
        batch.check("d/deep/d.avi")
    (folder / "deep").chmod(0o700)


def test_what_is_no_file_says_what_to_do(folder):
    os.mkfifo(folder / "pipe.mp4")
    os.symlink("gone.mp4", folder / "link.mp4")
    for path, said in (
        ("d/pipe.mp4", "d/pipe.mp4 is a pipe, .*: save what comes through it"),
        ("/dev/null", "/dev/null is a device"),
        ("d/link.mp4", "is a symbolic link to gone.mp4, which is not there"),
        ("file://elsewhere/a.mp4", "A file:// URL must name a file on this machine"),
        ("d" * 5000, r"No such file: d{80}\.\.\. \(a name of 5000 characters\)"),
    ):
        with pytest.raises(VideoUnreadable, match=said):
            batch.check(path)


def test_urls_of_this_machine_are_paths(folder, tmp_path):
    (folder / "ü 1.mp4").touch()
    path = str(folder / "ü 1.mp4")
    url = (folder / "ü 1.mp4").as_uri()
    assert expand(url, "-", stdin=url.replace("file:///", "FILE://localhost/").encode()) == [path, path]
    assert expand("file://elsewhere/a.mp4") == ["file://elsewhere/a.mp4"]


@pytest.mark.parametrize("null", [False, True])
def test_a_byte_order_mark_is_no_part_of_the_first_path(folder, null):
    end = b"\0" if null else b"\n"
    assert expand("-", stdin=b"\xef\xbb\xbfd/b.mp4" + end + b"c.mp4", null=null) == ["d/b.mp4", "c.mp4"]


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41",
        b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm",
        b"\x47\x40\x11\x10\x00B\xf0\x25\x00\x01\xc1\x00\x00\xff\x01\xff\x00\x01\xfc\x80\x14H\x12\x01\x06FFmpeg",
        b"RIFF\x46\x0e\x03\x00AVI LIST\x1c\x05\x00\x00hdrlavih8\x00\x00\x00",
        b"OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01",
        b"GIF89a\x40\x00\x30\x00\xf7\x1f\x00\x02\x03\x04\x05",
    ],
)
def test_the_bytes_of_a_video_are_no_paths(content, null):
    with pytest.raises(UsageError, match="Standard input holds the bytes of a file"):
        expand("-", stdin=content, null=null)


def test_a_name_with_a_control_character_is_a_path():
    names = [b"a\x1b[31m.mp4", *(b"clips/of/a/long/day/%d.mp4" % number for number in range(10))]
    assert len(expand("-", stdin=b"\0".join(names), null=True)) == 11


def test_outcomes_come_one_by_one(folder):
    seen = []
    outcomes = batch.run(
        ["d/b.mp4", "d/a.MKV"], lambda video: [None], lambda video, query: seen.append(video) or len(seen)
    )
    assert next(outcomes).result == 1
    assert seen == ["d/b.mp4"]
    assert next(outcomes).result == 2


def test_the_questions_of_a_video_come_one_after_the_other(folder):
    queries = [Query("q1"), Query("q2")]
    outcomes = batch.run(
        ["d/b.mp4", "d/a.MKV"], lambda video: queries, lambda video, query: f"{video} {query.text}"
    )
    assert [outcome.result for outcome in outcomes] == [
        "d/b.mp4 q1",
        "d/b.mp4 q2",
        "d/a.MKV q1",
        "d/a.MKV q2",
    ]


def test_a_video_that_cannot_be_read_is_opened_once(folder):
    opened = []

    def work(video, query):
        opened.append(video)
        if video == "d/b.mp4":
            raise VideoUnreadable("No frame.")
        raise ValueError(query.text)

    outcomes = list(batch.run(["d/b.mp4", "d/a.MKV"], lambda video: [Query("q1"), Query("q2")], work))
    assert opened == ["d/b.mp4", "d/a.MKV", "d/a.MKV"]
    assert [str(outcome.error) for outcome in outcomes] == ["No frame.", "No frame.", "q1", "q2"]


def test_what_is_done_is_not_done_again(folder):
    queries = [Query("q1"), Query("q2")]
    outcomes = batch.run(
        ["d/b.mp4"], lambda video: queries, lambda video, query: 1, lambda video, query: query.text == "q1"
    )
    assert [outcome.query for outcome in outcomes] == queries[1:]


def test_an_address_is_looked_up_where_workers_fetch_it(folder, tmp_path):
    address = f"local://{tmp_path}/d"
    assert expand(address) == [address]
    search = Search(remote=True)
    assert list(batch.expand([address], None, search)) == [
        f"local://{folder}/a.MKV",
        f"local://{folder}/b.mp4",
    ]


def test_no_question_is_no_run() -> None:
    model = dynfocus_cli.DynFocus(None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="There is no question to ask"):
        model.ask_each("a.mp4", [])
