from pathlib import Path

import pytest

from dynfocus_cli.evaluation.video_folder import VideoFolder


@pytest.fixture
def folder(tmp_path: Path) -> VideoFolder:
    for name in (
        "video/a.mp4",
        "video/b.webm",
        "video/c.mp4",
        "video/c.mkv",
        "video/x.y.MP4",
        "tasks/1/d.mp4",
        "tasks/2/d.mp4",
        "video/notes.txt",
        ".cache/e.mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return VideoFolder(tmp_path)


@pytest.mark.parametrize(
    ("name", "task", "paths"),
    [
        ("a", "", ["video/a.mp4"]),
        ("a.mp4", "", ["video/a.mp4"]),
        ("a.mkv", "", ["video/a.mp4"]),
        ("b.mp4", "", ["video/b.webm"]),
        ("sub/folder/b.mp4", "", ["video/b.webm"]),
        ("c", "", ["video/c.mkv", "video/c.mp4"]),
        ("c.mp4", "", ["video/c.mp4"]),
        ("x.y", "", ["video/x.y.MP4"]),
        ("x.y.mp4", "", ["video/x.y.MP4"]),
        ("d.mp4", "", ["tasks/1/d.mp4", "tasks/2/d.mp4"]),
        ("d.mp4", "2", ["tasks/2/d.mp4"]),
        ("a.mp4", "2", ["video/a.mp4"]),
        ("notes", "", []),
        ("e", "", []),
        ("", "", []),
    ],
)
def test_paths(folder: VideoFolder, name: str, task: str, paths: list[str]) -> None:
    assert [str(path.relative_to(folder.data)) for path in folder.paths(name, task)] == paths


def test_problems_are_sentences(folder: VideoFolder) -> None:
    assert folder.problem("z", []) == f"There is no video z in {folder.data}."
    assert folder.problem("c", folder.paths("c")) == "The video c is ambiguous: video/c.mkv, video/c.mp4."
