"""Moments built by hand, of one video or of several."""

from __future__ import annotations

from dynfocus_cli.moments.moment import Curve, Moment, Moments, VideoMoments
from dynfocus_cli.types import ModelInfo, Timings, VideoSource

MODEL = ModelInfo("dynfocus-tiny", "dynfocus", "0123abcd", "none", "cpu")


def source(path: str = "demo.mp4", duration_s: float = 60.0) -> VideoSource:
    return VideoSource(path, duration_s, 640, 360, 25.0, "h264", 0, False, 0, 0.0)


def moment(start_s: float, end_s: float, score: float = 0.9, video: str = "demo.mp4", **more) -> Moment:
    return Moment(video, start_s, end_s, score, start_s + 0.5, 0.04, **more)


def video_moments(path: str = "demo.mp4", *spans: tuple[float, float, float], **more) -> VideoMoments:
    """A video of 60 s whose curve is as high as the spans say."""
    times = tuple(map(float, range(60)))
    scores = tuple(
        max((score for start, end, score in spans if start <= t < end), default=0.02) for t in times
    )
    found = tuple(moment(start, end, score, path) for start, end, score in spans)
    return VideoMoments(
        source(path), found, Curve(times, scores), timings_s=Timings(0.1, 0.2, 0.3, 0, 0.6), **more
    )


def search(*videos: VideoMoments, top: int = 5, **more) -> Moments:
    return Moments("When is there a red circle?", "a red circle", MODEL, videos, top, **more)
