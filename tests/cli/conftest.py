"""A stand-in for the model, and a runner.

SUBSTITUTE: `pipeline` and `checkpoints` are replaced at the boundary that the command line calls, where a
failure has to be simulated, a call to be counted, or a process to be interrupted. What the shipped model
shows for itself stands in tests/test_end_to_end.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import dynfocus_cli
from dynfocus_cli.cli.app import app
from dynfocus_cli.types import (
    Answer,
    FrameEvidence,
    Inspection,
    ModelInfo,
    SamplingPlan,
    SelectionInfo,
    Timings,
    TokenBill,
    VideoSource,
)

MODEL = ModelInfo("dynfocus-tiny", "dynfocus", "0123abcd", "none", "cpu")


@dataclass
class StandIn:
    """What the command line asked of the library, and what the library is to answer."""

    answer: str = "A red\ncircle."
    warnings: tuple[str, ...] = ()
    errors: dict[str, BaseException] = field(default_factory=dict)
    """Name of a file -> what asking about it raises."""
    load_error: Exception | None = None
    model: ModelInfo = MODEL
    in_domain: bool | None = None
    meanwhile: Callable[[str], object] = lambda video: None
    """Called with the path of each video that is asked about."""
    loads: list[tuple[str | None, str, str | None]] = field(default_factory=list)
    calls: list[tuple[str, str | None, Any]] = field(default_factory=list)

    def load_model(
        self, name_or_path: str | None, device: str, quantize: str | None, selector: str | None = None
    ) -> Any:
        self.loads.append((name_or_path, device, quantize))
        if self.load_error is not None:
            raise self.load_error
        return SimpleNamespace(info=self.model)

    def read_model_spec(
        self, name_or_path: str | None, device: str, quantize: str | None, selector: str | None = None
    ) -> Any:
        return SimpleNamespace(info=self.model)

    def inspect(
        self,
        video: str,
        question: str | None,
        model: Any,
        options: Any,
        progress: Any,
        prefetch: Any = None,
        memory_cache: Any = None,
    ) -> Inspection:
        self.calls.append((video, question, options))
        self.meanwhile(video)
        progress.stage("encode", 2)
        progress.advance(2)
        for name, error in self.errors.items():
            if video.endswith(name):
                raise error
        return Inspection(
            source=VideoSource(video, 2.0, 64, 48, 10.0, "h264", 0, False, 0, 0.0),
            question=question,
            in_domain=self.in_domain,
            model=self.model,
            sampling=SamplingPlan("fps", 1.0, (0.0, 1.0), 0.0, 2.0),
            selection=SelectionInfo("visual", 2, 1, "dpc_knn"),
            tokens=TokenBill(42, 40, 2, 5, 0, 512, 512),
            frames=(
                FrameEvidence(0, 0.0, "00:00:00.000", 0, True, 1.0, 40),
                FrameEvidence(1, 1.0, "00:00:01.000", 1, False, 0.0, 2),
            ),
            timings_s=Timings(0.1, 0.2, 0.3, 0.4, 1.0),
            warnings=self.warnings,
        )

    def ask(
        self,
        video: str,
        question: str,
        model: Any,
        options: Any,
        progress: Any,
        choices: Any = (),
        prefetch: Any = None,
        memory_cache: Any = None,
    ) -> Answer:
        evidence = self.inspect(video, question, model, options, progress)
        for piece in self.answer.partition(" "):
            progress.write(piece)
        return Answer(self.answer, evidence)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    library = StandIn()
    pipeline = ModuleType("dynfocus_cli.pipeline")
    admitted = {"admit_question": lambda model, question, options: None}
    pipeline.__dict__.update(ask=library.ask, inspect=library.inspect, **admitted)
    opening = ModuleType("dynfocus_cli.models.open")
    opening.__dict__.update(load_model=library.load_model, read_model_spec=library.read_model_spec)
    for module in (pipeline, opening):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    # `from dynfocus_cli import pipeline` asks the package first.
    monkeypatch.setattr(dynfocus_cli, "pipeline", pipeline, raising=False)
    return library


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`run("ask", "a.mp4", "What?", stdin="")`: what the command prints and exits with."""
    monkeypatch.delenv("DYNFOCUS_DEBUG", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def invoke(*arguments: str, stdin: str | bytes = "") -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin)

    return invoke


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """`clip("a.mp4")` makes a file of that name, which only the stand-in reads, in the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return name

    return make
