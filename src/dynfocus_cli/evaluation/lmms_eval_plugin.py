"""dynfocus as a model of lmms-eval: `lmms_eval --model dynfocus --model_args pretrained=dynfocus-tiny`.

lmms-eval finds `manifest` by the entry point `dynfocus` in the group `lmms_eval.models`, and takes one of
the two classes that it names: the chat one, or with `--force_simple` the simple one. Tasks that compare
likelihoods need the latter, since lmms-eval gives chat models tasks of generation alone. The classes are made
when they are first looked up, so that this module can be imported where lmms-eval is not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.harness import HarnessModel, VideoRequest, read_messages, read_visuals

CHAT, SIMPLE = "ChatDynFocus", "SimpleDynFocus"


def manifest() -> Any:
    """What lmms-eval calls the model, and where its classes are."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest("dynfocus", f"{__name__}.{SIMPLE}", f"{__name__}.{CHAT}")


def __getattr__(name: str) -> type:
    if name not in (CHAT, SIMPLE):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lmms_eval.api.model import lmms

    mixin = _Chat if name == CHAT else _Simple
    globals()[name] = model = type(name, (mixin, lmms), {"__module__": __name__, "__doc__": mixin.__doc__})
    return model


class _Requests:
    """What both kinds have: the model, and the way from lmms-eval's requests to it."""

    task_dict: dict[str, Any]
    cache_hook: Any

    def __init__(self, batch_size: Any = 1, max_batch_size: Any = None, **arguments: Any) -> None:
        """`arguments` are those of `HarnessModel`; one request is answered at a time, whatever the size."""
        super().__init__()
        self.model = HarnessModel(**arguments)

    def document(self, task: str, split: str, document: int) -> Any:
        """The row of the data set that a request is about."""
        return self.task_dict[task][split][document]

    def keep(self, kind: str, key: object, result: object) -> None:
        """Hands a result to lmms-eval's cache at once, so that a crash does not lose it."""
        self.cache_hook.add_partial(kind, key, result)


class _Chat(_Requests):
    """dynfocus, asked in messages."""

    is_simple = False

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        answers = []
        for context, to_messages, settings, document, task, split in _arguments(requests):
            request = read_messages(to_messages(self.document(task, split, document)))
            answers.append(self.model.generate(request, settings))
            self.keep("generate_until", (context, settings), answers[-1])
        return answers

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[list[str]]:
        return [
            self._rounds(to_messages, settings, self.document(task, split, document))
            for _, to_messages, settings, document, task, split in _arguments(requests)
        ]

    def _rounds(self, to_messages: Callable[..., Any], settings: Any, document: Any) -> list[str]:
        """The answers of all rounds; the task words each round by the answers before it, and ends them."""
        request = read_messages(to_messages(document))
        answers = [self.model.generate(request, settings)]
        state = None
        while True:
            step = to_messages(
                document,
                round_idx=len(answers),
                previous_output=list(answers),
                previous_round_info=state,
            )
            if not isinstance(step, tuple):  # a task without rounds
                return answers
            messages, ended, _, state = step
            if ended:
                return answers
            request = read_messages(messages, request)
            answers.append(self.model.generate(request, settings))

    def loglikelihood(self, requests: Sequence[Any]) -> list[Any]:
        """Of a continuation that is a text, or a function that gives it of the document."""
        asked = []
        for _, to_messages, continuation, document, task, split in _arguments(requests):
            row = self.document(task, split, document)
            asked.append((read_messages(to_messages(row)), _text(continuation, row)))
        return _losses(self.model, asked)


class _Simple(_Requests):
    """dynfocus, asked by a text and what it is shown with."""

    is_simple = True

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        answers = []
        for context, settings, to_visuals, document, task, split in _arguments(requests):
            request = read_visuals(context, to_visuals(self.document(task, split, document)))
            answers.append(self.model.generate(request, settings))
            self.keep("generate_until", (context, settings), answers[-1])
        return answers

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[list[str]]:
        return [
            self._rounds(context, to_visuals, to_text, settings, self.document(task, split, document))
            for context, settings, to_visuals, to_text, document, task, split in _arguments(requests)
        ]

    def _rounds(
        self,
        context: str,
        to_visuals: Callable[[Any], Any],
        to_text: Callable[..., Any],
        settings: Any,
        document: Any,
    ) -> list[str]:
        request = read_visuals(context, to_visuals(document))
        answers = [self.model.generate(request, settings)]
        state = None
        while True:
            visuals, text, ended, _, state = to_text(
                document,
                previous_output=list(answers),
                round_idx=len(answers),
                previous_round_info=state,
            )
            if ended:
                return answers
            request = read_visuals(text, visuals or [request.video])
            answers.append(self.model.generate(request, settings))

    def loglikelihood(self, requests: Sequence[Any]) -> list[Any]:
        asked = []
        for context, continuation, to_visuals, document, task, split in _arguments(requests):
            row = self.document(task, split, document)
            asked.append((read_visuals(context, to_visuals(row)), _text(continuation, row)))
        return _losses(self.model, asked)


def _arguments(requests: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """What lmms-eval's instances hold.

    Raises:
        UsageError: it is a text without a video, as for the likelihood of answers to no question.
    """
    for request in requests:
        if len(request.args) < 6:
            raise UsageError("dynfocus knows likelihoods about a video alone: leave acc_mutual_info out.")
        yield request.args


def _text(continuation: Any, document: Any) -> str:
    return str(continuation(document) if callable(continuation) else continuation)


def _losses(model: HarnessModel, asked: Sequence[tuple[VideoRequest, str]]) -> list[Any]:
    """Of each continuation its loss and whether it is the model's own answer, those of one question at once.

    Whatever the methods are called, lmms-eval 0.7.3 takes the option of the least value
    (lmms_eval/api/task.py, `process_results`), and makes a text of a result that is none, unless it comes as
    a `GenerationResult` (lmms_eval/api/instance.py, `unwrap_generation_output`).
    """
    from lmms_eval.api import instance

    wrap = getattr(instance, "GenerationResult", tuple)
    results = []
    for request, pairs in groupby(asked, key=lambda pair: pair[0]):
        likelihoods = model.log_likelihoods(request, [continuation for _, continuation in pairs])
        results += [wrap((-value, greedy)) for value, greedy in likelihoods]
    return results
