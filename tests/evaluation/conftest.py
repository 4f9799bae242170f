"""One tiny video, which stands for those of every benchmark, and a benchmark that is no file."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import write_noise

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a short video."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_noise(path)
    return path.read_bytes()


@pytest.fixture
def put(tmp_path: Path, clip: bytes) -> Callable[..., Path]:
    """`put("videos/a.mp4", ...)` writes the video there, below `tmp_path`, which it returns."""

    def write(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(clip)
        return tmp_path

    return write


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark `colours` is among those that can be scored."""
    from stored_runs import Colours

    from dynfocus_cli.evaluation import comparison, scoring

    for module in (scoring, comparison):
        monkeypatch.setattr(module, "find_benchmark", lambda name: Colours())
