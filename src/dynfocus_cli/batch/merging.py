"""Several files of results become one, as `output` writes it and goes on with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.batch.valid_records import ValidRecords
from dynfocus_cli.errors import DynFocusError, UsageError
from dynfocus_cli.files import atomic_file, is_same_file, reason


@dataclass(frozen=True, slots=True)
class Merge:
    """What came of merging files."""

    read: int
    """Records in all files."""
    results: int
    """Those that are in the merged file."""
    failures: int
    """Errors among these."""
    warnings: tuple[str, ...]


def merge_results(paths: Sequence[str], output: str) -> Merge:
    """Writes one file of the results in several, `output` among them if it is there already.

    A result is one a key and video: of two the later one counts, in the order of the files and of their
    lines, and an error only where no file has an answer. The file is written anew and takes the place of the
    old one when it is whole.

    Raises:
        UsageError: a file cannot be read, holds anything else than results, or is of other settings than the
            first; `output` is no file, cannot be written to, or is being written by a run.
        DynFocusError: it cannot be written.
    """
    for path in paths:
        if not os.path.exists(path):
            raise UsageError(f"The results {path} cannot be read: there is no such file.")
    with ResultFile(output) as present:  # which no other run writes to until the block ends
        others = [path for path in paths if not is_same_file(path, output)]
        valid = ValidRecords([output, *others])
        if valid.without_key is not None:
            path, line = valid.without_key
            raise UsageError(
                f"{path} holds a result without a key (line {line}): name files that `output` wrote."
            )
        if len(valid.settings) > 1:
            first, other = valid.settings[:2]
            raise UsageError(
                f"The results are of different settings ({first} and {other}): merge those of each by "
                "themselves."
            )
        try:
            with atomic_file(Path(os.path.realpath(output))) as temporary, open(temporary, "wb") as file:
                os.chmod(temporary, stat.S_IMODE(os.stat(output).st_mode))
                for text in valid.lines():
                    file.write(text + b"\n")
        except OSError as error:
            raise DynFocusError(f"Cannot write {output}: {reason(error)}. It stayed as it was.") from error
        warnings = (*present.warnings, *valid.warnings)
    return Merge(valid.read, len(valid), valid.failures, warnings)
