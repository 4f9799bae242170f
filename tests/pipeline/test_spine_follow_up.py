"""A second question, subtitles and damage, through the whole way with a random network."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_spine import options, write_noise

import dynfocus_cli
from dynfocus_cli import DynFocus, RunOptions, pipeline
from dynfocus_cli.features import encoding
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.options import DecodingOptions
from dynfocus_cli.progress import Silent
from dynfocus_cli.report.json import inspection_record
from dynfocus_cli.types import SubtitleUse


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_noise(tmp_path_factory.mktemp("video") / "noise.mp4")


@pytest.fixture(scope="module")
def tiny(saved: Path) -> DynFocus:
    return dynfocus_cli.load(str(saved), device="cpu")


def bare(record: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in record.items() if key not in ("timings_s", "cache")}


def test_a_second_question_decodes_nothing_and_sees_the_same(
    tiny: DynFocus, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tiny.inspect(video, "What is it?")
    assert first.cache == "miss"
    decoded: list[list[float]] = []
    whole = encoding.decode_frames
    monkeypatch.setattr(
        encoding,
        "decode_frames",
        lambda source, times, **how: decoded.append(times) or whole(source, times, **how),
    )
    again = tiny.inspect(video, "What is it?")
    assert again.cache == "hit"
    assert not decoded
    assert bare(inspection_record(first)) == bare(inspection_record(again))
    elsewhere = tiny.inspect(video, "What is it at 00:10?")
    assert elsewhere.cache == "partial"
    assert decoded
    assert set(decoded[0]).isdisjoint(frame.time_s for frame in first.frames)
    alone = tiny.inspect(video, "What is it at 00:10?", RunOptions(decoding=DecodingOptions(cache=False)))
    assert alone.cache == "off"
    assert bare(inspection_record(alone)) == bare(inspection_record(elsewhere))


def test_another_name_of_the_same_content_is_known(tiny: DynFocus, video: str, tmp_path: Path) -> None:
    tiny.inspect(video)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(Path(video).read_bytes())
    assert tiny.inspect(str(copy)).cache == "hit"


def test_a_cache_of_size_0_is_off(tiny: DynFocus, video: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "0")
    assert tiny.inspect(video).cache == "off"


@pytest.mark.parametrize("way", ["--no-cache", "DYNFOCUS_CACHE_SIZE=0"])
def test_without_a_cache_what_is_remembered_is_decoded_once(
    tiny: DynFocus, video: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way != "--no-cache":
        monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "0")
    kept = RunOptions(decoding=DecodingOptions(cache=way != "--no-cache"))
    memory_cache = MemoryFeatureCache()
    first = pipeline.inspect(video, None, tiny.model, kept, Silent(), memory_cache=memory_cache)

    def fail(*arguments: object, **how: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(encoding, "decode_frames", fail)
    again = pipeline.inspect(video, None, tiny.model, kept, Silent(), memory_cache=memory_cache)
    assert bare(inspection_record(first)) == bare(inspection_record(again))


def srt(path: Path, cues: int, text: str) -> str:
    blocks = [
        f"{number + 1}\n00:00:{number:02},000 --> 00:00:{number:02},900\n{text} {number}\n"
        for number in range(cues)
    ]
    path.write_text("\n".join(blocks))
    return str(path)


def test_subtitles_on_screen_enter_the_prompt(tiny: DynFocus, video: str, tmp_path: Path) -> None:
    plain = tiny.ask(video, "What is it?", options(frames=4))
    subtitles = srt(tmp_path / "a.srt", 20, "what")
    said = tiny.ask(video, "What is it?", RunOptions(options(frames=4).sampling, subtitles=subtitles))
    use = said.evidence.subtitles
    assert isinstance(use, SubtitleUse)
    assert use.on_screen == len(use.lines)
    times = [int(frame.time_s) for frame in said.evidence.frames if frame.time_s < 20]
    assert use.lines == tuple(f"[00:00:{time:02}] what {time}" for time in times)
    assert said.evidence.tokens.prompt == plain.evidence.tokens.prompt + use.tokens
    assert plain.evidence.subtitles is None


def test_too_many_subtitles_are_thinned_to_their_share(tiny: DynFocus, video: str, tmp_path: Path) -> None:
    subtitles = srt(tmp_path / "a.srt", 30, "what is it and where does it go when it goes " * 3)
    found = tiny.ask(video, "What is it?", RunOptions(subtitles=subtitles)).evidence
    assert found.subtitles is not None
    assert 0 < found.subtitles.tokens <= tiny.model.spec.context // 4
    assert 0 < len(found.subtitles.lines) < found.subtitles.on_screen
    assert found.tokens.left >= 0


def test_damage_is_told_with_its_times(tiny: DynFocus, video: str, tmp_path: Path) -> None:
    data = bytearray(Path(video).read_bytes())
    start = data.find(b"mdat") + len(data) // 3
    for place in range(start, start + 400):
        data[place] ^= 0x5A
    hurt = tmp_path / "hurt.mp4"
    hurt.write_bytes(data)
    found = tiny.inspect(str(hurt))
    health = found.health
    assert health.corrupt_frames + health.substituted_frames > 0
    assert all(0 <= begin <= end <= 30 for begin, end in health.damaged)
    assert any("The file is damaged around 00:00:" in warning for warning in found.warnings)
    again = tiny.inspect(str(hurt))
    assert again.cache == "hit"
    assert (again.health, again.warnings) == (health, found.warnings)
