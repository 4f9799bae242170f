"""Evidence built by hand, of any length, whose numbers keep the contract's sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dynfocus_cli.types import (
    Forecast,
    FrameEvidence,
    Inspection,
    MemoryForecast,
    ModelInfo,
    SamplingPlan,
    SelectionInfo,
    TimeForecast,
    Timings,
    TokenBill,
    VideoSource,
)
from dynfocus_cli.video.probing import probe
from video.clips import write_clip


def build_inspection(
    frames: int = 12, key_every: int = 3, question: str | None = None, video: str = "demo.mp4"
) -> Inspection:
    times = [0.5 * index for index in range(frames)]
    evidence = tuple(
        FrameEvidence(
            index=index,
            time_s=time,
            timecode=f"{int(time) // 3600:02}:{int(time) // 60 % 60:02}:{time % 60:06.3f}",
            event=index // 3,
            meaningful=index % key_every == 0,
            score=1.0 - index / (frames * 3),
            tokens=40 if index % key_every == 0 else 2,
        )
        for index, time in enumerate(times)
    )
    key = sum(frame.meaningful for frame in evidence)
    return Inspection(
        source=VideoSource(
            path=video,
            duration_s=frames / 2,
            width=1280,
            height=720,
            fps=30000 / 1001,
            codec="h264",
            rotation=0,
            variable_frame_rate=False,
            stream_index=0,
            start_s=0.0,
        ),
        question=question,
        model=ModelInfo("dynfocus-tiny", "dynfocus", "0123abcd", "none", "cpu"),
        sampling=SamplingPlan("fps", 2.0, tuple(times), 0.0, frames / 2, focus=((1.0, 2.00049),)),
        selection=SelectionInfo("question", 4, key, "dpc_knn"),
        tokens=TokenBill(
            video=40 * key + 2 * (frames - key),
            per_key_frame=40,
            per_other_frame=2,
            prompt=31,
            generated=0,
            context=2048,
            all_patches=64 * frames,
        ),
        frames=evidence,
        timings_s=Timings(0.4, 0.6, 0.0213, 0.0, 1.04),
        seed=7,
        warnings=("The video ends at 00:06.",),
    )


def build_forecast(frames: int = 12, warnings: tuple[str, ...] = ()) -> Forecast:
    """What would have been planned for `build_inspection`."""
    made = build_inspection(frames, question="What?")
    return Forecast(
        source=made.source,
        question=made.question,
        model=made.model,
        sampling=made.sampling,
        selection=made.selection,
        tokens=replace(made.tokens, generated=64),
        batch=8,
        memory=MemoryForecast(6 << 30, 1 << 30, 1 << 28, 1 << 29, 9 << 30),
        time_s=TimeForecast(12.345, 0.5, 0.0421, 0.00123),
        warnings=warnings,
    )


@pytest.fixture
def make_forecast() -> Callable[..., Forecast]:
    return build_forecast


@pytest.fixture
def make_inspection() -> Callable[..., Inspection]:
    return build_inspection


@pytest.fixture
def with_events():
    """`with_events(inspection, [0, 0, 1])`: the same with frames of these events; more changes its source."""

    def change(inspection, events, **source):
        frames = tuple(
            replace(frame, event=event) for frame, event in zip(inspection.frames, events, strict=True)
        )
        return replace(inspection, frames=frames, source=replace(inspection.source, **source))

    return change


@pytest.fixture
def on_clip(make_inspection, tmp_path):
    """`on_clip()`: an inspection of a real clip, as if its frames had been sampled every half second."""

    def make(**settings):
        path = write_clip(tmp_path / "clip.mp4", range(0, 6000, 100), **settings)
        return replace(make_inspection(), source=probe(str(path)))

    return make
