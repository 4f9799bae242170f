"""The files that `find` writes: clips, and what shows all of its moments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dynfocus_cli.cli.errors import Failure, failure_of, say, trace
from dynfocus_cli.cli.exporting import conclude_files, report_files
from dynfocus_cli.errors import UsageError

if TYPE_CHECKING:
    from dynfocus_cli.cli.options import ClipOptions
    from dynfocus_cli.moments.moment import Moments
    from dynfocus_cli.report.export import ExportOptions


class FindFiles:
    """Writes clips and files once a search is done, and remembers what could not be written."""

    def __init__(
        self, exports: ExportOptions | None, clips: ClipOptions, videos: Sequence[str], *, quiet: bool
    ) -> None:
        """Raises UsageError for names that will not do; no video has been opened by then."""
        from dynfocus_cli.report.export import made_folder
        from dynfocus_cli.report.moments_export import MomentsExporter

        self._exporter = None if exports is None else MomentsExporter(exports, videos)
        if clips.clips == "":
            raise UsageError("--clips needs the name of a folder, got ''.")
        self._folder = None if clips.clips is None else made_folder("--clips", clips.clips)
        self._exact, self._quiet, self._several = clips.exact, quiet, len(videos) > 1
        self._failures: list[Failure] = []

    def write(self, moments: Moments) -> None:
        """Writes all; what cannot be written is reported, and costs no other."""
        if self._folder is not None:
            self._cut(moments, self._folder)
        if self._exporter is not None:
            self._failures += report_files(self._exporter.write(moments), quiet=self._quiet)

    def conclude(self) -> None:
        """Ends the run with the code of what could not be written, if anything could not."""
        conclude_files(self._failures, several=self._several or len(self._failures) > 1)

    def _cut(self, moments: Moments, folder: Path) -> None:
        from dynfocus_cli.report.moment_clips import cut_clips
        from dynfocus_cli.video.timecode import format_timecode

        for clip in cut_clips(moments, folder, exact=self._exact):
            if clip.error is not None:
                trace(clip.error)
                self._failures.append(failure_of(clip.error))
                start, end = format_timecode(clip.moment.start_s), format_timecode(clip.moment.end_s)
                message = self._failures[-1].message
                say(f"Error: {clip.moment.video}, {start} to {end}, was not cut: {message}")
            elif (made := clip.cut) is not None:
                if not self._quiet:
                    times = f"{format_timecode(made.start_s)} to {format_timecode(made.end_s)}"
                    say(f"Wrote {made.path} ({times})")
                if made.note:
                    say(f"Warning: {made.path}: {made.note}")
