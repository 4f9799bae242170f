"""A model as harnesses want it, with the answers of `ask`; and lmms-eval's two classes over it.

lmms-eval is not needed here: `benchmarks/harness.py` runs the real one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dynfocus_cli import load
from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation import lmms_eval_plugin
from dynfocus_cli.evaluation.harness import (
    IMPOSSIBLE,
    HarnessModel,
    VideoRequest,
    read_messages,
    read_visuals,
    run_options,
)

DEMO = str(Path(__file__).resolve().parents[2] / "examples" / "demo.mp4")
QUESTION = "What color is the heart at 00:12?"


@pytest.fixture(scope="module")
def model() -> HarnessModel:
    return HarnessModel("dynfocus-tiny", device="cpu")


def test_messages() -> None:
    messages = [
        {"role": "system", "content": "Be short."},
        {
            "role": "user",
            "content": [
                {"type": "video", "url": "file:///a.mp4", "start_time": 1.0, "end_time": 9.0},
                {"type": "text", "text": "What?"},
            ],
        },
    ]
    request = read_messages(messages)
    assert request == VideoRequest("Be short.\nWhat?", "/a.mp4", 1.0, 9.0)
    again = read_messages([{"role": "user", "content": "And then?"}], request)
    assert again == VideoRequest("And then?", "/a.mp4", 1.0, 9.0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("What?", "shows 0"),
        ([{"type": "video", "url": "a.mp4"}, {"type": "video", "url": "b.mp4"}], "shows 2"),
        ([{"type": "image", "url": object()}], "shows it image"),
        ([{"type": "video", "url": [1, 2]}], "shows it a list"),
    ],
)
def test_messages_that_are_not_about_one_video(content: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read_messages([{"role": "user", "content": content}])


@pytest.mark.parametrize("visuals", [None, [], ["a.mp4", "b.mp4"], [object()]])
def test_visuals_that_are_not_one_video(visuals: Any) -> None:
    with pytest.raises(UsageError, match="the task shows"):
        read_visuals("What?", visuals)


def test_options_by_name() -> None:
    options = run_options({"fps": 2, "budget": 320, "seed": 3, "cache": False})
    assert (options.sampling.fps, options.selection.budget) == (2, 320)
    assert (options.generation.seed, options.decoding.cache) == (3, False)
    with pytest.raises(UsageError, match="no option 'speed'"):
        run_options({"speed": 1})
    with pytest.raises(UsageError, match="fps"):
        run_options({"fps": 0})
    with pytest.raises(UsageError, match="wrong type"):
        run_options({"fps": "fast"})


def test_the_answers_are_those_of_ask(model: HarnessModel) -> None:
    ask = load("dynfocus-tiny", device="cpu").ask
    request = VideoRequest(QUESTION, DEMO)
    words = ask(DEMO, QUESTION).answer
    assert model.generate(request, {"max_new_tokens": 64, "top_p": 1.0, "until": ["\n\n"]}) == words
    assert model.generate(request, {"until": words[1:]}) == words[0]
    part = run_options({"start_s": 10.0, "end_s": 14.0})
    clip = VideoRequest("What is shown?", DEMO, 10.0, 14.0)
    assert model.generate(clip) == ask(DEMO, "What is shown?", part).answer


def test_likelihoods_are_those_of_ask(model: HarnessModel) -> None:
    choices = ["red", "purple", "cyan"]
    answer = load("dynfocus-tiny", device="cpu").ask(DEMO, QUESTION, choices=choices)
    request = VideoRequest(QUESTION, DEMO)
    pairs = model.log_likelihoods(request, [f" {choice}" for choice in choices])
    assert [value for value, _ in pairs] == [option.log_likelihood for option in answer.options]
    own = model.generate(request)
    assert [greedy for _, greedy in pairs] == [choice == own for choice in choices]
    assert model.log_likelihoods(request, [" red"]) == pairs[:1]
    assert model.log_likelihoods(request, [own])[0][1]


def test_a_video_that_cannot_be_read_stops_nothing(
    model: HarnessModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("CRITICAL"):
        request = VideoRequest(QUESTION, str(tmp_path / "none.mp4"))
        assert model.generate(request) == ""
        assert model.log_likelihoods(request, ["red"]) == [(IMPOSSIBLE, False)]


class Base:
    """What the plugin uses of lmms-eval's base class."""

    def __init__(self) -> None:
        self.task_dict: dict[str, Any] = {}
        self.cached: list[Any] = []
        self.cache_hook = SimpleNamespace(add_partial=lambda *result: self.cached.append(result))


@pytest.fixture
def with_lmms_eval(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stands in for lmms-eval's two names that the plugin imports."""
    api = ModuleType("lmms_eval.api.model")
    api.lmms = Base  # type: ignore[attr-defined]
    instances = ModuleType("lmms_eval.api.instance")
    instances.GenerationResult = lambda text: SimpleNamespace(text=text)  # type: ignore[attr-defined]
    registry = ModuleType("lmms_eval.models.registry_v2")
    registry.ModelManifest = lambda *fields: fields  # type: ignore[attr-defined]
    for name, module in {
        "lmms_eval": ModuleType("lmms_eval"),
        "lmms_eval.api": ModuleType("lmms_eval.api"),
        "lmms_eval.api.model": api,
        "lmms_eval.models": ModuleType("lmms_eval.models"),
        "lmms_eval.models.registry_v2": registry,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["lmms_eval.api"].instance = instances  # type: ignore[attr-defined]
    yield
    for name in (lmms_eval_plugin.CHAT, lmms_eval_plugin.SIMPLE):
        vars(lmms_eval_plugin).pop(name, None)


def losses(results: list[Any]) -> list[tuple[float, bool]]:
    """What lmms-eval unwraps: it takes the option with the least loss."""
    return [(-result.text[0], result.text[1]) for result in results]


def instance(*arguments: Any) -> Any:
    return SimpleNamespace(args=arguments)


DOCUMENT = {"path": DEMO, "question": QUESTION, "choices": ["red", "purple"]}
TASKS = {"task": {"test": [DOCUMENT]}}
END = (0, "task", "test")


def to_messages(
    document: Any, round_idx: int = 0, previous_output: Any = None, previous_round_info: Any = None
) -> Any:
    video = {"type": "video", "url": document["path"]}
    if not round_idx:
        return [{"role": "user", "content": [video, {"type": "text", "text": document["question"]}]}]
    assert len(previous_output) == round_idx
    return [{"role": "user", "content": document["question"]}], round_idx == 2, previous_output, round_idx


def test_the_entry_point_names_the_classes(with_lmms_eval: None) -> None:
    name, simple, chat = lmms_eval_plugin.manifest()
    assert name == "dynfocus"
    for path, is_simple in ((simple, True), (chat, False)):
        module, _, kind = path.rpartition(".")
        found = getattr(sys.modules[module], kind)
        assert issubclass(found, Base)
        assert found.is_simple is is_simple
        assert found is getattr(sys.modules[module], kind)


def test_the_entry_point_is_installed() -> None:
    """By the file that the package is built from; the installed one may be older."""
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    assert '[project.entry-points."lmms_eval.models"]' in text
    assert 'dynfocus = "dynfocus_cli.evaluation.lmms_eval_plugin:manifest"' in text
    for entry in entry_points(group="lmms_eval.models", name="dynfocus"):
        assert entry.load() is lmms_eval_plugin.manifest


def test_nothing_of_lmms_eval_is_needed_to_import_the_plugin() -> None:
    assert "lmms_eval" not in sys.modules
    with pytest.raises(AttributeError, match="Nonsense"):
        lmms_eval_plugin.Nonsense  # noqa: B018


def test_the_chat_class(with_lmms_eval: None) -> None:
    chat = lmms_eval_plugin.ChatDynFocus(
        pretrained="dynfocus-tiny", device="cpu", batch_size=1, max_batch_size=None
    )
    chat.task_dict = TASKS
    settings = {"max_new_tokens": 64}
    (words,) = chat.generate_until([instance("", to_messages, settings, *END)])
    assert words == chat.model.generate(VideoRequest(QUESTION, DEMO))
    assert chat.cached == [("generate_until", ("", settings), words)]
    assert chat.generate_until_multi_round([instance("", to_messages, settings, *END)]) == [[words] * 2]
    pairs = losses(chat.loglikelihood([instance("", to_messages, " red", *END)]))
    assert pairs == chat.model.log_likelihoods(VideoRequest(QUESTION, DEMO), ["red"])


def test_the_simple_class(with_lmms_eval: None) -> None:
    simple = lmms_eval_plugin.SimpleDynFocus(pretrained="dynfocus-tiny", device="cpu")
    simple.task_dict = TASKS

    def to_visuals(document: Any) -> list[str]:
        return [document["path"]]

    def to_text(
        document: Any, previous_output: list[str], round_idx: int, previous_round_info: Any
    ) -> tuple[Any, ...]:
        return None, document["question"], round_idx == 2, previous_output, None

    (words,) = simple.generate_until([instance(QUESTION, {}, to_visuals, *END)])
    assert simple.generate_until_multi_round([instance(QUESTION, {}, to_visuals, to_text, *END)]) == [
        [words] * 2
    ]
    requests = [instance(QUESTION, f" {choice}", to_visuals, *END) for choice in DOCUMENT["choices"]]
    pairs = losses(simple.loglikelihood(requests))
    assert pairs == simple.model.log_likelihoods(VideoRequest(QUESTION, DEMO), ["red", "purple"])
    by_document = simple.loglikelihood([instance(QUESTION, lambda document: "red", to_visuals, *END)])
    assert losses(by_document) == pairs[:1]
    with pytest.raises(UsageError, match="acc_mutual_info"):
        simple.loglikelihood([instance("", "red")])
