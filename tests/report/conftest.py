"""Evidence built by hand, of any length, whose numbers keep the contract's sums."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dynfocus_cli.types import (
    FrameEvidence,
    Inspection,
    ModelInfo,
    SamplingPlan,
    SelectionInfo,
    Timings,
    TokenBill,
    VideoSource,
)


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


@pytest.fixture
def make_inspection() -> Callable[..., Inspection]:
    return build_inspection
