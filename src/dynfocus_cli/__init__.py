"""Ask a local video a question and see the evidence.

    import dynfocus_cli as dynfocus

    model = dynfocus.load()
    reply = model.ask("video.mp4", "What is she doing at 08:00?")
    print(reply.answer, [frame.timecode for frame in reply.evidence.key_frames])

Names load on first use, so that importing the package costs nothing and brings in no torch.
"""

from __future__ import annotations

# `typing` and `importlib` take longer than all the rest of `dynfocus --help`; type checkers know this name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from os import PathLike
    from typing import Any

    from dynfocus_cli.batch.questions import Query, QuestionFile, read_questions
    from dynfocus_cli.batch.videos import Outcome, Search
    from dynfocus_cli.errors import (
        DynFocusError,
        ModelUnavailable,
        OutOfDomain,
        OutOfMemory,
        UsageError,
        VideoUnreadable,
    )
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.moments.library import Finder
    from dynfocus_cli.moments.moment import Moment, Moments
    from dynfocus_cli.options import (
        DecodingOptions,
        FindOptions,
        GenerationOptions,
        RunOptions,
        SamplingOptions,
        SelectionOptions,
    )
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.report.export import write_export
    from dynfocus_cli.report.moments_export import write_moments
    from dynfocus_cli.report.pictures import key_frame_pictures
    from dynfocus_cli.types import Answer, FrameEvidence, Inspection, Option, Quantization

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "DecodingOptions",
    "DynFocus",
    "DynFocusError",
    "FindOptions",
    "FrameEvidence",
    "GenerationOptions",
    "Inspection",
    "ModelUnavailable",
    "Moment",
    "Moments",
    "Option",
    "OutOfDomain",
    "OutOfMemory",
    "Outcome",
    "Query",
    "QuestionFile",
    "RunOptions",
    "SamplingOptions",
    "Search",
    "SelectionOptions",
    "UsageError",
    "VideoUnreadable",
    "__version__",
    "key_frame_pictures",
    "load",
    "read_questions",
    "write_export",
    "write_moments",
]

_HOME_OF = {
    "Answer": "types",
    "DecodingOptions": "options",
    "DynFocusError": "errors",
    "FindOptions": "options",
    "FrameEvidence": "types",
    "GenerationOptions": "options",
    "Inspection": "types",
    "ModelUnavailable": "errors",
    "Moment": "moments.moment",
    "Moments": "moments.moment",
    "Option": "types",
    "OutOfDomain": "errors",
    "OutOfMemory": "errors",
    "Outcome": "batch.videos",
    "Query": "batch.questions",
    "QuestionFile": "batch.questions",
    "RunOptions": "options",
    "SamplingOptions": "options",
    "Search": "batch.videos",
    "SelectionOptions": "options",
    "UsageError": "errors",
    "VideoUnreadable": "errors",
    "key_frame_pictures": "report.pictures",
    "read_questions": "batch.questions",
    "write_export": "report.export",
    "write_moments": "report.moments_export",
}
"""Public name -> module of this package that defines it."""


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load(
    model: str | None = None,
    *,
    device: str = "auto",
    quantize: Quantization | None = None,
    selector: str | None = None,
) -> DynFocus:
    """Load a model by name or folder; None takes the best that is installed and fits.

    Args:
        quantize: None leaves weights as they are stored.
        selector: for a public model, the SigLIP or CLIP that finds the frames of a question.

    Raises:
        ModelUnavailable: it is unknown, incomplete, damaged, or cannot run on this machine.
        UsageError: it is stored quantized in another way than `quantize` says.
        OutOfMemory: its weights are more than the memory that is free.
    """
    from dynfocus_cli.models.open import load_model

    return DynFocus(load_model(model, device, quantize, selector))


class DynFocus:
    """A loaded model: `ask`, `inspect` and `find` do what the commands of these names do."""

    def __init__(self, model: Backend) -> None:
        from dynfocus_cli.features.memory_cache import MemoryFeatureCache

        self.model = model
        self._memory_cache = MemoryFeatureCache()
        self._finder: Finder | None = None

    def __repr__(self) -> str:
        return f"DynFocus({self.model.info})"

    def ask(
        self,
        video: str | PathLike[str],
        question: str,
        options: RunOptions | None = None,
        *,
        choices: Mapping[str, str] | Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Answer:
        """Answer `question` about the file `video`, with the evidence.

        Args:
            choices: answers to choose from, by their letters, or as texts that are A, B, C ...; the answer is
                then the letter of the likeliest.
        """
        from dynfocus_cli.multiple_choice import as_options

        return self._ask(video, question, options, as_options(choices), progress)

    def ask_each(
        self,
        videos: str | PathLike[str] | Iterable[str | PathLike[str]],
        questions: str | Query | Iterable[str | Query] | QuestionFile,
        options: RunOptions | None = None,
        *,
        search: Search | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Outcome[Answer]]:
        """Answer one question or several about each video, as the answers are asked for.

        A video or question that fails is an outcome with an `error`, and costs no other.

        Args:
            videos: files, and folders that stand for the videos in them.
            questions: those with a `video` are asked of that one alone.
            search: what is taken of a folder.
        """
        from os import PathLike, fspath

        from dynfocus_cli.batch import videos as batch
        from dynfocus_cli.batch.questions import Query, QuestionFile
        from dynfocus_cli.batch.video_questions import VideoQuestions
        from dynfocus_cli.errors import UsageError

        paths = [fspath(path) for path in ([videos] if isinstance(videos, str | PathLike) else videos)]
        if not isinstance(questions, QuestionFile):
            several = [questions] if isinstance(questions, str | Query) else questions
            queries = tuple(Query(one) if isinstance(one, str) else one for one in several)
            questions = QuestionFile(queries, ())

        def work(video: str, query: Query | None) -> Answer:
            assert query is not None, "there is no asking without a question"
            return self._ask(video, query.text, options, query.choices, progress)

        if not questions.queries:
            raise UsageError("There is no question to ask.")
        shared_out = VideoQuestions(questions, paths)
        files = batch.expand(paths, None, search or batch.Search())
        return batch.run(shared_out.with_missing(files), shared_out.of, work)

    def inspect(
        self,
        video: str | PathLike[str],
        question: str | None = None,
        options: RunOptions | None = None,
        *,
        progress: Progress | None = None,
    ) -> Inspection:
        """Select the key frames of the file `video`, without an answer."""
        from os import fspath

        from dynfocus_cli import pipeline
        from dynfocus_cli.options import RunOptions
        from dynfocus_cli.progress import Silent

        return pipeline.inspect(
            fspath(video),
            question,
            self.model,
            options or RunOptions(),
            progress or Silent(),
            memory_cache=self._memory_cache,
        )

    def find(
        self,
        videos: str | PathLike[str] | Iterable[str | PathLike[str]],
        text: str,
        options: FindOptions | None = None,
        *,
        run: RunOptions | None = None,
        search: Search | None = None,
        progress: Progress | None = None,
    ) -> Moments:
        """When it happens that `text` asks for, in one video or in many: the best first in `ranked`.

        Of several videos, one that fails is among the `failures`, and costs no other.

        Args:
            videos: a file, or files and folders that stand for the videos in them.
            options: borders are refined in a single file unless they say otherwise.
            run: of these count sampling, decoding, `anyway`, `strict`, and subtitles: without `run` those
                that are found are searched, with it what its `subtitles` says, "auto" or a file.
            search: what is taken of a folder.

        Raises:
            UsageError: the text is empty, too long or no text.
            VideoUnreadable: no frame can be had of the only file.
            OutOfDomain: nobody named the model, and it was not trained on such a video or text.
        """
        from os import PathLike, fspath

        from dynfocus_cli.batch import videos as batch
        from dynfocus_cli.moments.library import DEFAULT_RUN, Finder, find_all, with_borders
        from dynfocus_cli.options import FindOptions

        if self._finder is None:
            self._finder = Finder.of_model(self.model.spec, lambda: self.model)
        paths = [fspath(path) for path in ([videos] if isinstance(videos, str | PathLike) else videos)]
        files = list(batch.expand(paths, None, search or batch.Search()))
        options = with_borders(options or FindOptions(), exact=len(files) == 1)
        return find_all(files, text, self._finder, options, run or DEFAULT_RUN, progress, batch.check)

    def _ask(
        self,
        video: str | PathLike[str],
        question: str,
        options: RunOptions | None,
        choices: Sequence[Option],
        progress: Progress | None,
    ) -> Answer:
        from os import fspath

        from dynfocus_cli import pipeline
        from dynfocus_cli.options import RunOptions
        from dynfocus_cli.progress import Silent

        return pipeline.ask(
            fspath(video),
            question,
            self.model,
            options or RunOptions(),
            progress or Silent(),
            choices,
            memory_cache=self._memory_cache,
        )
