"""The evidence for a reader: a timeline, a table of key frames, and what the video cost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.text import Text

from dynfocus_cli.multiple_choice import by_share
from dynfocus_cli.report.timeline import ASCII, UNICODE, Glyphs, timeline

if TYPE_CHECKING:
    from dynfocus_cli.types import Answer, Counterfactual, Forecast, FrameEvidence, Inspection, TokenBill


_COLUMNS = ("frame", "time_s", "timecode", "event", "score", "tokens")


class _Console(Console):
    """Draws in ASCII where the terminal may show no more; rich asks for the encoding each time."""

    @property
    def encoding(self) -> str:
        encoding = super().encoding
        return encoding if speaks_unicode(encoding) else "ascii"


def stderr_console() -> Console:
    """Where evidence and progress go. rich honours FORCE_COLOR, COLUMNS and a dumb terminal.

    With NO_COLOR nothing is styled; left to itself rich would still write bold and dim.
    """
    plain = bool(os.environ.get("NO_COLOR"))
    system: Literal["auto"] | None = None if plain else "auto"
    return _Console(stderr=True, color_system=system, highlight=False, emoji=False, markup=False)


def speaks_unicode(encoding: str) -> bool:
    """Whether more than ASCII is to be drawn.

    In the C locale Python writes UTF-8 all the same. LC_ALL=C counts as a wish for ASCII, unless Python's own
    variables ask for UTF-8.
    """
    utf8_requested = os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8") == "1"
    ascii_locale = os.environ.get("LC_ALL") in ("C", "POSIX") and not utf8_requested
    return encoding.lower().startswith("utf") and not ascii_locale


def print_selection(console: Console, inspection: Inspection, *, table: bool, attended: str = "") -> None:
    """The timeline, the table of key frames where `table`, what the answer `attended` to, and the cost."""
    console.print()
    for line in timeline(inspection, console.width, _glyphs(console)):
        _print(console, line)
    console.print()
    if table and inspection.key_frames:
        heading, *rows = aligned_table(inspection)
        _print(console, Text(heading, style="bold"))
        for row in rows:
            _print(console, Text(row))
        console.print()
    if attended:
        console.print(Text(f"The answer attended most to {attended}."))
    console.print(Text(_source(inspection, _glyphs(console).times)))
    for sentence in _cost(inspection, _glyphs(console).times):
        console.print(Text(sentence))


def _source(inspection: Inspection, times: str) -> str:
    """A sentence on the file: size, codec and rate, and what is unusual about it."""
    source, health = inspection.source, inspection.health
    parts = [
        f"{source.width}{times}{source.height} {source.codec}",
        f"{source.fps:.6g} frames a second" + (", unevenly spaced" if source.variable_frame_rate else ""),
    ]
    if source.mirrored:
        parts.append("mirrored")
    if source.rotation:
        parts.append(f"turned by {source.rotation} degrees")
    for count, what in ((health.corrupt_frames, "corrupt"), (health.substituted_frames, "substituted")):
        if count:
            parts.append(f"{count} sampled {'frame' if count == 1 else 'frames'} {what}")
    return f"Video: {'; '.join(parts)}."


def print_timings(console: Console, inspection: Inspection, loading_s: float | None = None) -> None:
    """Seconds a stage, and of all of them; with `loading_s`, what the model took before, of both together."""
    spent = inspection.timings_s
    stages = ["decode", "encode", "select", *(["generate"] if spent.generate else [])]
    parts = [f"{stage} {getattr(spent, stage):.2f} s" for stage in stages]
    total = f"total {spent.total:.2f} s"
    if loading_s is not None:
        total += f", with loading {spent.total + loading_s:.2f} s"
    cached = {"hit": ["features from the cache"], "partial": ["some features from the cache"]}
    for line in (parts, [total, *cached.get(inspection.cache, [])]):
        console.print(Text(", ".join(line), style="dim"))


def choice_lines(answer: Answer) -> list[str]:
    """The answers to choose from, the likeliest first; none of guesses, whose shares mean nothing."""
    if answer.evidence.in_domain is False:
        return []
    shares = by_share(answer.options)
    return [f"{option.letter}  {share:6.1%}  {' '.join(option.text.split())}" for option, share in shares]


def check_lines(answer: Answer) -> list[str]:
    """The answers from other frames, where `check` made them."""
    if (check := answer.check) is None:
        return []
    lines = [_counterfactual("Evenly spaced frames", check.even_frames)]
    if check.without_key_frames is None:
        return [*lines, "There are no other frames."]
    return [*lines, _counterfactual("Without the key frames", check.without_key_frames)]


def _counterfactual(frames: str, other: Counterfactual) -> str:
    verdict = "another answer" if other.changed else "the same answer"
    count = "1 frame" if other.frames == 1 else f"{other.frames} frames"
    return f"{frames} ({count}, {other.tokens} tokens): {verdict}, {' '.join(other.answer.split())!r}"


def forecast_lines(forecast: Forecast) -> list[str]:
    """What a run would do and take, a line each, in aligned columns."""
    bill, memory, times = forecast.tokens, forecast.memory, forecast.time_s
    key, frames = forecast.selection.key_frames, len(forecast.sampling.times_s)
    run = forecast.model
    stages = ("peak", "free", "weights", "encode", "select", "answer")
    gib = {stage: f"{getattr(memory, stage) / 2**30:.2f} GiB" for stage in stages}
    quantized = "not quantized" if run.quantization == "none" else run.quantization
    paid, _ = _paid(bill, key, frames - key)
    lines = {
        "model": f"{run.name}, {quantized}, on {run.device}",
        "frames": f"{frames}, {key} of them key frames, in {forecast.selection.prototypes} events "
        f"({forecast.selection.scorer})",
        "video tokens": f"{bill.video} = {bill.per_key_frame} x {paid} + {bill.per_other_frame} x "
        f"{frames - key}; all patches: {bill.all_patches}",
        "context": f"{bill.left} of {bill.context} tokens left (prompt {bill.prompt}, answer at most "
        f"{bill.generated})",
        "memory": f"{gib['peak']} at most, {gib['free']} free; weights {gib['weights']}",
        "beside them": f"encode {gib['encode']}, select {gib['select']}, answer {gib['answer']}",
        "batch": f"{forecast.batch} frames are encoded at a time",
        "time": f"about {_time(times.encode)} encode, {_time(times.select)} select; decoding is not counted",
        "answer": f"first token after about {_time(times.first_token)}, then {_time(times.each_token)} each",
    }
    width = max(map(len, lines))
    return [f"{name:{width}}  {said}" for name, said in lines.items()]


def _time(seconds: float) -> str:
    """0.0042 -> 4.2 ms, 12.3 -> 12 s."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds:.0f} s"


def aligned_table(inspection: Inspection) -> list[str]:
    """The key frames as lines of text with aligned columns; the first line is the heading."""
    rows = [_COLUMNS, *(_cells(frame) for frame in inspection.key_frames)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def separated_table(inspection: Inspection, *, with_video: bool, with_header: bool) -> list[str]:
    """The key frames as tab-separated lines; `with_video` puts the path in a first column."""
    rows = [_cells(frame) for frame in inspection.key_frames]
    if with_video:
        # A tab or line break in a file name would be read as a column or a row.
        path = " ".join(inspection.source.path.splitlines()).replace("\t", " ")
        rows = [(path, *row) for row in rows]
    if with_header:
        rows.insert(0, ("video", *_COLUMNS) if with_video else _COLUMNS)
    return ["\t".join(row) for row in rows]


def _cells(frame: FrameEvidence) -> tuple[str, ...]:
    time, score = f"{frame.time_s:.3f}", f"{frame.score:.4f}"
    return str(frame.index), time, frame.timecode, str(frame.event), score, str(frame.tokens)


def _print(console: Console, line: Text) -> None:
    """A line that is cut at the terminal's edge and never wrapped: a wrapped strip or table says nothing."""
    console.print(line, no_wrap=True, overflow="crop", crop=True)


def _glyphs(console: Console) -> Glyphs:
    return UNICODE if console.encoding.lower().startswith("utf") else ASCII


def _cost(inspection: Inspection, times: str) -> list[str]:
    """Sentences on the tokens of subtitles and video, of all patches, and those left in the context."""
    bill, subtitles, key = inspection.tokens, inspection.subtitles, len(inspection.key_frames)
    other = len(inspection.frames) - key
    paid, whose = _paid(bill, key, other)
    sentences = []
    if subtitles is not None:
        sentences.append(
            f"Subtitles: {subtitles.origin}; {len(subtitles.lines)} of {subtitles.on_screen} cues on screen "
            f"at sampled frames, {subtitles.tokens} prompt tokens."
        )
    ratio = f", {bill.all_patches / bill.video:.1f} times as many" if bill.video else ""
    stock = "" if bill.stock is None else f" The model's makers would spend {bill.stock} on this video."
    answer = f", {bill.generated} answer" if bill.generated else ""
    return [
        *sentences,
        f"{bill.video} video tokens = {bill.per_key_frame} {times} {paid} ({whose})"
        f" + {bill.per_other_frame} {times} {other} (others)",
        f"All patches would take {bill.all_patches}{ratio}.{stock}",
        f"Context: {bill.left} of {bill.context} tokens left ({bill.prompt} prompt{answer}).",
    ]


def _paid(bill: TokenBill, key_frames: int, others: int) -> tuple[int, str]:
    """How often the tokens of a key frame were spent, and on what: two frames that are paired cost one."""
    paid = (bill.video - bill.per_other_frame * others) // bill.per_key_frame
    return (paid, "pairs of frames") if paid < key_frames else (key_frames, "key frames")
