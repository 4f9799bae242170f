"""What holds for formats: one is a module of its own, and a video's name cannot change its lines."""

from __future__ import annotations

import subprocess
import sys

from dynfocus_cli.report.spans import event_spans
from dynfocus_cli.report.writers import formats
from dynfocus_cli.report.writers.chapters import ffmetadata_chapters, webvtt_chapters
from dynfocus_cli.report.writers.csv import csv_table
from dynfocus_cli.report.writers.edl import edl
from dynfocus_cli.report.writers.fcpxml import fcpxml
from dynfocus_cli.report.writers.otio import otio

WRITERS = (
    csv_table,
    lambda made: edl(made, event_spans(made)),
    lambda made: webvtt_chapters(event_spans(made)),
    lambda made: ffmetadata_chapters(made, event_spans(made)),
    lambda made: otio(made, event_spans(made)),
    lambda made: fcpxml(made, event_spans(made)),
)

HOSTILE = 'clips/<b>"&;=#\\\n\x1b[2J\udcff.mp4'

NEW_FORMAT = """
from dynfocus_cli.report.writers import ExportFormat

FORMAT = ExportFormat(
    flag="--frame-count",
    help="Write how many frames were sampled.",
    suffixes=(".count",),
    content=lambda export, file: str(len(export.inspection.frames)).encode(),
)
"""


def test_formats_with_pictures_stand_first():
    pictures = [format.has_pictures for format in formats()]
    assert pictures == sorted(pictures, reverse=True)
    assert [format.flag for format in formats()][:3] == ["--html", "--contact-sheet", "--save-frames"]


def test_a_new_format_is_one_module(tmp_path):
    (tmp_path / "frame_count.py").write_text(NEW_FORMAT)
    code = (
        "import sys\n"
        "from dynfocus_cli.report import writers\n"
        f"writers.__path__.append({str(tmp_path)!r})\n"
        "from dynfocus_cli.cli.app import main\n"
        "from dynfocus_cli.cli.conversation import HELP\n"
        "print(HELP['/export FILE'])\n"
        "sys.argv = ['dynfocus', 'ask', '--help']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    chat, *page = done.stdout.splitlines()
    assert chat.split()[-1] == ".count"
    assert ["--frame-count", "OUT", "Write how many frames were sampled."] in [
        line.split(maxsplit=2) for line in page
    ]


def test_a_hostile_name_adds_no_line(make_inspection):
    plain, hostile = make_inspection(), make_inspection(video=HOSTILE)
    for write in WRITERS:
        written = write(hostile)
        assert len(written.splitlines()) == len(write(plain).splitlines())
        assert "\x1b" not in written
        written.encode("utf-8")


def test_equal_evidence_gives_equal_bytes(make_inspection):
    for write in WRITERS:
        assert write(make_inspection()) == write(make_inspection())
