"""The verdicts of a judge on a run's answers: asked for once, kept in the file `verdicts.jsonl`.

A verdict is known by its judge and by what the judge was asked, the answer included: equal answers of two
arms share one, and another judge gives its own. The file keeps the judge's words; grades are read from them
anew each time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from dynfocus_cli.errors import DynFocusError, UsageError
from dynfocus_cli.evaluation.benchmark import Benchmark
from dynfocus_cli.evaluation.item import Scored
from dynfocus_cli.evaluation.judge_prompt import Grades, JudgePrompt, NoReply
from dynfocus_cli.files import json_digest, lock, reason
from dynfocus_cli.progress import Progress

if TYPE_CHECKING:
    from dynfocus_cli.evaluation.judge import Judge

SCHEMA = "dynfocus.verdict/1"

AT_ONCE = 8
"""Prompts that a judge is asked side by side."""

TRIES = 3
"""How often a judge is asked the same before its words are taken for nonsense."""

SILENT = 3
"""After so many prompts in a row without a reply, each with all its tries, the judge is asked no more."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How far the answers of one arm are judged."""

    judge: str
    """The judge's model; empty where none was ever asked."""
    prompts: int
    """What there is to judge."""
    judged: int
    """Of those, how many have a verdict with grades."""
    problem: str = ""
    """Why the judge gave no reply, where it was asked no more."""

    @property
    def unjudged(self) -> int:
        """Prompts without a verdict that can be used."""
        return self.prompts - self.judged


def judge_arm(
    benchmark: Benchmark, scored: Sequence[Scored], file: Path, judge: Judge | None, progress: Progress
) -> tuple[list[Scored], Judgement]:
    """The predictions of one arm with their grades and scores, as far as they are judged.

    Args:
        file: `verdicts.jsonl` of the run, which need not be there.
        judge: is asked for what is not in the file; None: nobody is, and the verdicts count of the judge that
            was asked last.

    Raises:
        UsageError: the judge cannot be used, or the file is another one.
        DynFocusError: the file cannot be written.
    """
    prompts = benchmark.judge_prompts([one.prediction for one in scored])
    known = read_verdicts(file)
    model = judge.model if judge is not None else next(reversed(known))[0] if known else ""
    words = {digest: text for (by, digest), text in known.items() if by == model}
    problem = ""
    if judge is not None:
        problem = _ask_missing(judge, prompts, words, file, progress)
    grades: dict[str, dict[str, float]] = {}
    judged = 0
    for prompt in prompts:
        read = prompt.read(words.get(_digest(prompt), ""))
        if read is not None:
            judged += 1
            for item in prompt.items:
                grades.setdefault(item, {}).update(read)
    with_grades = [_graded(benchmark, one, grades.get(one.prediction.item.id, {})) for one in scored]
    return with_grades, Judgement(model, len(prompts), judged, problem)


def read_verdicts(file: Path) -> dict[tuple[str, str], str]:
    """Judge and digest of a prompt -> the judge's words; in the file's order, the last ones of each.

    Raises:
        UsageError: the file holds anything else.
    """
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {reason(error)}.") from error
    verdicts: dict[tuple[str, str], str] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if record["schema"] != SCHEMA:
                raise ValueError
            key = (str(record["judge"]), str(record["key"]))
            verdicts.pop(key, None)
            verdicts[key] = str(record["verdict"])
        except (ValueError, LookupError, TypeError) as error:
            if number == len(lines) and not line.endswith(b"\n"):  # a crash tore it
                break
            raise UsageError(f"{file} holds something that is no verdict (line {number}).") from error
    return verdicts


def _digest(prompt: JudgePrompt) -> str:
    return json_digest([prompt.system, prompt.user])


def _graded(benchmark: Benchmark, scored: Scored, grades: Mapping[str, float]) -> Scored:
    if not grades:
        return scored
    score = benchmark.judged_score(scored.prediction.item, grades)
    return replace(scored, grades=grades, score=score)


def _ask_missing(
    judge: Judge, prompts: Sequence[JudgePrompt], words: dict[str, str], file: Path, progress: Progress
) -> str:
    """Asks for the verdicts that are not among `words`, and puts them there and into the file.

    Returns:
        Why the judge was asked no more; empty where it replied to all.
    """
    missing = {
        _digest(prompt): prompt for prompt in prompts if prompt.read(words.get(_digest(prompt), "")) is None
    }
    if not missing or judge.problem:
        return judge.problem if missing else ""
    count = "1 answer" if len(missing) == 1 else f"{len(missing)} answers"
    progress.notice(f"The judge {judge.model} at {judge.address} is sent {count} over the network.")
    progress.stage("judge", len(missing))
    silence = _Silence()

    def ask(prompt: JudgePrompt) -> tuple[str | None, Grades | None]:
        text = None
        for _ in range(TRIES):
            if silence.final:
                break
            try:
                text = judge.verdict(prompt.system, prompt.user)
            except NoReply as error:
                silence.add(str(error))
                break
            silence.end()
            if (grades := prompt.read(text)) is not None:
                return text, grades
        return text, None

    with _appended(file) as append, ThreadPoolExecutor(AT_ONCE) as threads:
        asked = {threads.submit(ask, prompt): digest for digest, prompt in missing.items()}
        try:
            for future in as_completed(asked):
                digest = asked[future]
                text, _ = future.result()
                if text is not None:
                    words[digest] = text
                    record = {"schema": SCHEMA, "key": digest, "judge": judge.model}
                    append({**record, "items": list(missing[digest].items), "verdict": text})
                progress.advance(1)
        except BaseException:
            silence.final = "stopped"
            judge.stop()
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    judge.problem = silence.final
    return silence.final


class _Silence:
    """Prompts in a row to which a judge gave no reply."""

    def __init__(self) -> None:
        self.final = ""
        """Why the judge is asked no more; empty as long as it is."""
        self._length = 0
        self._lock = Lock()

    def add(self, problem: str) -> None:
        with self._lock:
            self._length += 1
            if self._length >= SILENT:
                self.final = self.final or problem

    def end(self) -> None:
        with self._lock:
            self._length = 0


@contextmanager
def _appended(file: Path) -> Iterator[Callable[[Mapping[str, object]], None]]:
    """A function that appends a record to the file, each with one write; a torn last line is cut off.

    Raises:
        UsageError: it cannot be opened, or another process writes to it.
        DynFocusError: by the function: it cannot be written, and what it holds is whole.
    """
    try:
        handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise UsageError(f"{file} cannot be written to: {reason(error)}.") from error
    try:
        try:
            free = lock(handle)
        except OSError:
            free = True
        if not free:
            raise UsageError(f"{file} is being written by another run: wait for it.")
        content = file.read_bytes()
        size = content.rfind(b"\n") + 1
        os.ftruncate(handle, size)

        def append(record: Mapping[str, object]) -> None:
            nonlocal size
            line = (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
            left = line
            try:
                while left:
                    left = left[os.write(handle, left) :]
            except OSError as error:
                os.ftruncate(handle, size)
                raise DynFocusError(
                    f"Cannot write {file}: {error.strerror}. What it holds is whole: once that is mended, "
                    "score again to go on."
                ) from error
            size += len(line)

        yield append
    finally:
        os.close(handle)
