"""What stands on stderr beside the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.output import on_terminal

if TYPE_CHECKING:
    from dynfocus_cli.cli.tally import Tally, Warnings
    from dynfocus_cli.types import Answer, Counterfactual, Inspection


def show_evidence(
    inspection: Inspection, where: str, tally: Tally, *, table: bool, attended: str = ""
) -> None:
    """Timeline, budget and times, in text mode; headed with `where` in case there are several. The first
    result's times tell what loading the model took.

    Args:
        attended: the frames that an answer attended to most, as `report.reasons.most_attended` names them.
    """
    from dynfocus_cli.report.terminal import print_selection, print_timings, stderr_console

    if where and not on_terminal():
        say(f"\n{where}")  # on a terminal it stands right above, with the result
    console = stderr_console()
    print_selection(console, inspection, table=table, attended=attended)
    print_timings(console, inspection, tally.loading_s if tally.is_first else None)


def show_options(answer: Answer) -> None:
    """What there was to choose from, the likeliest first; nothing of guesses, whose shares mean nothing."""
    from dynfocus_cli.multiple_choice import by_share

    if answer.evidence.in_domain is False:
        return
    for option, share in by_share(answer.options):
        say(f"{option.letter}  {share:6.1%}  {' '.join(option.text.split())}")


def show_check(answer: Answer) -> None:
    """What other frames answered."""
    if answer.check is None:
        return
    others = answer.check.without_key_frames
    say(_counterfactual("Evenly spaced frames", answer.check.even_frames))
    say("There are no other frames." if others is None else _counterfactual("Without the key frames", others))


def _counterfactual(what: str, found: Counterfactual) -> str:
    verdict = "another answer" if found.changed else "the same answer"
    words = " ".join(found.answer.split())
    frames = "1 frame" if found.frames == 1 else f"{found.frames} frames"
    return f"{what} ({frames}, {found.tokens} tokens): {verdict}, {words!r}"


def show_notices(inspection: Inspection, where: str, warnings: Warnings) -> None:
    """The warnings that have to be read before the answer."""
    for notice in inspection.notices:
        warnings.say(notice, where)


def show_warnings(inspection: Inspection, where: str, warnings: Warnings, *, notices: bool) -> None:
    """One line each, in every format and also with --quiet; with `where` in case there are several.

    Args:
        notices: whether to show those too that stand above an answer in text.
    """
    for warning in dict.fromkeys(inspection.warnings[0 if notices else len(inspection.notices) :]):
        warnings.say(warning, where)
