"""Which questions are asked of which video: those of a file may name their own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from dynfocus_cli.batch.questions import Query, QuestionFile


class VideoQuestions:
    """The questions of a run, shared out among its videos.

    The path of a question's own video begins at the folder of the questions file, else at one of the folders
    that were given, else at the working directory: the first where such a file is.
    """

    def __init__(self, questions: QuestionFile, arguments: Iterable[str] = ()) -> None:
        """`arguments` name the videos of the run: files, and folders of them."""
        self.all: Sequence[Query | None] = questions.queries or (None,)
        """In their order; None is no question, which `inspect` may do without."""
        given = [path if os.path.isdir(path) else os.path.dirname(path) for path in arguments]
        self._folders = list(dict.fromkeys([questions.folder, *given, ""]))
        self._own = {
            query.video: self._place(query.video)
            for query in self.all
            if query is not None and query.video is not None
        }
        self.missing = [path for path in dict.fromkeys(self._own.values()) if not os.path.lexists(path)]
        """Videos of their own questions that are nowhere."""
        self._identities = {name: os.path.realpath(path) for name, path in self._own.items()}
        self._of = dict[str, list[Query | None]]()
        self._met = set[str]()

    @property
    def passed_over(self) -> list[str]:
        """Videos that questions name and that were not among those of the run so far."""
        return [name for name, identity in self._identities.items() if identity not in self._met]

    def of(self, video: str) -> Sequence[Query | None]:
        """The questions about a video; of a video that is missing, only those that name it."""
        if not self._own:
            return self.all
        if video not in self._of:
            identity = os.path.realpath(video)
            self._met.add(identity)
            takes = {identity} if video in self.missing else {identity, None}
            self._of[video] = [query for query in self.all if self._identity_of(query) in takes]
        return self._of[video]

    def with_missing(self, given: Iterable[str]) -> Iterator[str]:
        """The videos of a run, then those that questions name and that are not there, to be reported."""
        if not self._own:
            yield from given
            return
        for path in given:
            self._met.add(os.path.realpath(path))
            yield path
        for path in self.missing:
            if (identity := os.path.realpath(path)) not in self._met:
                self._met.add(identity)
                yield path

    def _identity_of(self, query: Query | None) -> str | None:
        return None if query is None or query.video is None else self._identities[query.video]

    def _place(self, name: str) -> str:
        paths = [os.path.join(folder, name) for folder in self._folders]
        return next((path for path in paths if os.path.lexists(path)), paths[0])
