"""The files of a search, read back: tables, cuts, chapters, pages, pictures, clips."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from dynfocus_cli.errors import UsageError
from dynfocus_cli.moments.moment import Moments, VideoMoments
from dynfocus_cli.report.export import ExportOptions
from dynfocus_cli.report.moment_clips import cut_clips
from dynfocus_cli.report.moments_export import MomentsExporter, write_moments
from dynfocus_cli.video.probing import probe
from report.found import moment, search, video_moments
from video.clips import write_clip


def clip_of(path: Path, *spans: tuple[float, float, float]) -> VideoMoments:
    """A clip of two seconds that is there, and its moments."""
    write_clip(path, range(0, 2000, 40))
    found = tuple(replace(moment(*span, str(path)), best_s=span[0]) for span in spans)
    return replace(video_moments(str(path)), source=probe(path), moments=found)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Moments:
    folder = tmp_path_factory.mktemp("one")
    return search(clip_of(folder / "a.mp4", (1.2, 1.6, 0.9), (0.4, 0.8, 0.7)))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Moments:
    folder = tmp_path_factory.mktemp("several")
    return search(
        clip_of(folder / "a.mp4", (1.2, 1.6, 0.9)),
        clip_of(folder / "=b.mp4", (0.4, 0.8, 0.95)),
        clip_of(folder / "c.mp4"),
    )


def written(moments: Moments, outputs: dict[str, str], *switches: str) -> list[Path]:
    videos = [video.source.path for video in moments.videos]
    exported = MomentsExporter(ExportOptions(outputs, frozenset(switches)), videos).write(moments)
    assert not exported.problems
    return exported.written


def test_cuts_and_chapters_are_in_time_order_with_titles(one: Moments, tmp_path: Path) -> None:
    names = {f"--{kind}": str(tmp_path / f"x.{suffix}") for kind, suffix in
             (("edl", "edl"), ("chapters", "vtt"), ("otio", "otio"), ("fcpxml", "fcpxml"))}  # fmt: skip
    assert len(written(one, names)) == 4
    chapters = (tmp_path / "x.vtt").read_text()
    assert chapters.index("00:00:00.400 --> 00:00:00.800") < chapters.index("00:00:01.200 --> 00:00:01.600")
    assert "a red circle, no. 2, score 0.70" in chapters
    cuts = [line.split()[4:6] for line in (tmp_path / "x.edl").read_text().splitlines() if line[:3].isdigit()]
    assert cuts == [["00:00:00:10", "00:00:00:20"], ["00:00:01:05", "00:00:01:15"]]
    assert "a red circle, no. 1" in (tmp_path / "x.otio").read_text()
    assert "a red circle, no. 1" in (tmp_path / "x.fcpxml").read_text()


def test_a_control_character_leaves_files_that_can_be_read(one: Moments, tmp_path: Path) -> None:
    odd = replace(one, query="a pink\x01 square", caption="a pink\x01 square \U0001f469\u200d\U0001f373")
    project, chapters = tmp_path / "x.fcpxml", tmp_path / "x.vtt"
    written(odd, {"--fcpxml": str(project), "--chapters": str(chapters)})
    ElementTree.parse(project)
    assert "a pink\ufffd square \U0001f469\u200d\U0001f373, no. 1" in chapters.read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", ["html", "csv", "jpg", "edl"])
def test_a_search_without_videos_has_nothing_to_write(several: Moments, tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UsageError, match="no video was searched"):
        write_moments(replace(several, videos=()), tmp_path / f"x.{suffix}")


def test_a_table_has_all_videos_and_runs_no_formula(several: Moments, tmp_path: Path, monkeypatch) -> None:
    relative = replace(
        several,
        videos=tuple(
            replace(
                video, moments=tuple(replace(each, text="=1+1", video="=b.mp4") for each in video.moments)
            )
            for video in several.videos
        ),
    )
    (path,) = written(relative, {"--csv": str(tmp_path / "x.csv")})
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["score"] for row in rows] == ["0.9500", "0.9000"]
    assert rows[0]["video"] == "'=b.mp4"
    assert rows[0]["text"] == "'=1+1"


def test_what_holds_one_video_is_a_file_for_each_that_has_moments(several: Moments, tmp_path: Path) -> None:
    assert [path.name for path in written(several, {"--edl": f"{tmp_path}/cuts/"})] == ["a.edl", "=b.edl"]
    again = written(several, {"--edl": f"{tmp_path}/cuts/"})
    assert [path.name for path in again] == ["a-2.edl", "=b-2.edl"], "nothing is overwritten in a folder"
    with pytest.raises(UsageError, match="name a folder"):
        written(several, {"--edl": str(tmp_path / "x.edl")})


def test_a_page_shows_all_videos_and_no_markup_of_others(several: Moments, tmp_path: Path) -> None:
    evil = replace(several, query="<script>alert(1)</script>", caption="</title><b>")
    (path,) = written(evil, {"--html": str(tmp_path / "x.html")})
    page = path.read_text()
    assert page.count('class="timeline"') == 2, "videos in which something was found"
    assert page.count("data:image/jpeg;base64,") == 2
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert page.index("=b.mp4") < page.index("</html>")
    embedded, *_ = written(several, {"--html": str(tmp_path / "y.html")}, "--embed")
    assert embedded.read_text().count('data-src="data:video/mp4;base64,') == 2


def test_a_page_says_that_nothing_was_found(one: Moments, tmp_path: Path) -> None:
    nothing = replace(one, videos=(replace(one.videos[0], moments=()),))
    (path,) = written(nothing, {"--html": str(tmp_path / "x.html")})
    assert "“a red circle” was not found." in path.read_text()
    for kind, name in (("--contact-sheet", "x.png"), ("--edl", "x.edl"), ("--chapters", "x.ffmeta")):
        assert written(nothing, {kind: str(tmp_path / name)})


def test_a_contact_sheet_has_a_picture_a_moment(several: Moments, tmp_path: Path) -> None:
    (path,) = written(several, {"--contact-sheet": str(tmp_path / "x.png")})
    with Image.open(path) as sheet:
        assert sheet.width >= 640


def test_a_file_that_cannot_be_written_costs_no_other(one: Moments, tmp_path: Path) -> None:
    gone = replace(
        one, videos=(replace(one.videos[0], source=replace(one.videos[0].source, path="gone.mp4")),)
    )
    gone = replace(gone, videos=(replace(gone.videos[0], moments=(moment(0.4, 0.8, video="gone.mp4"),)),))
    outputs = {"--html": str(tmp_path / "x.html"), "--csv": str(tmp_path / "x.csv")}
    exported = MomentsExporter(ExportOptions(outputs), ["gone.mp4"]).write(gone)
    assert [path.name for path in exported.written] == ["x.csv"]
    assert len(exported.problems) == 1


def test_clips_are_cut_and_none_that_is_there_is_replaced(one: Moments, tmp_path: Path) -> None:
    (tmp_path / "a_00-00-01.200.mp4").write_bytes(b"mine")
    clips = list(cut_clips(one, tmp_path, exact=True))
    assert [clip.error for clip in clips] == [None, None]
    names = [clip.cut.path.name for clip in clips if clip.cut is not None]
    assert names == ["a_00-00-01.200-2.mp4", "a_00-00-00.400.mp4"]
    assert (tmp_path / "a_00-00-01.200.mp4").read_bytes() == b"mine"
    assert [round(probe(tmp_path / name).duration_s, 3) for name in names] == [0.4, 0.4]


def test_a_clip_that_cannot_be_cut_costs_no_other(one: Moments, tmp_path: Path) -> None:
    video = one.videos[0]
    late = replace(moment(50.0, 51.0, 0.99, video.source.path))
    clips = list(cut_clips(search(replace(video, moments=(late, *video.moments))), tmp_path, exact=False))
    assert [clip.error is None for clip in clips] == [False, True, True]
