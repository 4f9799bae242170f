"""Stage 3 of the tiny recipe: projectors, score network and language model, from questions and answers.

Clips grow from a few frames to whole ones; frames keep their real times throughout. The score network is
taught twice: by the answers' loss through the perturbed top-k, as in the paper, and by the seconds that the
generator knows to decide a question. What the Q-Former and the rods have learnt of questions stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.stages import EventSelection, Exploration, Question, VideoFeatures
from dynfocus_tiny.lessons import IGNORED, Lesson
from dynfocus_tiny.vision import DenseHeads

Write = Callable[
    [DynFocusModel, VideoFeatures, EventSelection, Question | None, Tensor, Tensor | None],
    tuple[Tensor, Tensor],
]
"""As `DynFocusModel.video_tokens`."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the curriculum."""

    name: str
    steps: int
    frames: tuple[int, ...]
    """Numbers of frames, one drawn a step."""
    rows: int
    """Questions a step; fewer where videos are long, see `rows_for`."""
    key_events: tuple[int, ...]
    """K, one drawn a step."""
    rate: float
    """Peak learning rate."""
    floor: float = 0.3
    """Share of the peak at the phase's end."""
    sigma: tuple[float, float] = (0.3, 0.3)
    """Perturbed top-k noise, from the phase's first step to its last."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a lesson came to."""

    answer_loss: Tensor
    selection_loss: Tensor
    right: list[tuple[str, bool]]
    """A question's type, and whether greedy decoding would have given its answer to the letter."""
    selection: EventSelection
    changes: Tensor | None
    """(B, T, R, D_l): the change of every frame's rods; None where the model has none, or `write` left frames
    out."""
    cuts: Tensor | None
    """(B, T): logits of a cut before each frame; None as `changes`."""
    states: Tensor
    """(B, T, D_l): what the language model has gathered below its last layer, at the end of each frame."""
    written: Tensor
    """(B, T) bool: frames that have tokens."""


def initialise(model: DynFocusModel, heads: DenseHeads, seed: int) -> None:
    """Scales that a miniature trained from scratch needs; the language model's head is tied and small.

    The projectors begin with the vision stage's read-outs of shape, colour and cell. Colour is a tenth of the
    features' variance, and without this the language model is still colour-blind after a thousand steps.
    """
    torch.manual_seed(seed)
    words = model.get_input_embeddings().weight
    nn.init.normal_(words, std=0.5)
    nn.init.constant_(model.language_model.model.norm.weight, 0.15)
    # Prototypes average over patches, rods over a whole frame, most of which is background.
    assert model.connector.coarse is not None, "the miniature has the paper's projectors"
    for projector, gain in ((model.connector.fine, 0.5), (model.connector.coarse, 1.5)):
        first, norm = projector[0], projector[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(norm, nn.RMSNorm)
        nn.init.constant_(norm.weight, 0.5)
        with torch.no_grad():
            weight, bias = heads.as_linear()
            first.weight[: len(weight)] = gain * weight
            first.bias[: len(bias)] = gain * bias
    if model.connector.focus_mark is not None:
        nn.init.normal_(model.connector.focus_mark, std=0.5)
    if model.connector.slots is not None:
        nn.init.normal_(model.connector.slots, std=0.3)


def study(
    model: DynFocusModel,
    lesson: Lesson,
    before_video: list[int],
    *,
    events: int,
    key_events: int,
    exploration: Exploration | None,
    question_aware: bool,
    write: Write = DynFocusModel.video_tokens,
) -> Outcome:
    """Runs the network on a lesson, by the same stages as inference.

    `write` makes the video tokens; an experiment may have others than CCE's.
    """
    connector = model.connector
    changes: list[Tensor] = []
    cuts: list[Tensor] = []
    hooks = []
    if connector.change is not None:
        hooks.append(connector.change.register_forward_hook(lambda *parts: changes.append(parts[2])))
        if connector.change.shots is not None:
            detector = connector.change.shots.cut
            hooks.append(detector.register_forward_hook(lambda *parts: cuts.append(parts[2].squeeze(-1))))
    selection = connector.select(
        lesson.features,
        events=events,
        key_events=key_events,
        question=lesson.asked if question_aware else None,
        pinned=lesson.pinned,
        exploration=exploration,
    )
    tokens, frame_of_token = write(
        model, lesson.features, selection, lesson.asked, lesson.times_s, lesson.pinned
    )
    for hook in hooks:
        hook.remove()
    embed = model.get_input_embeddings()
    start = embed(torch.tensor(before_video)).expand(len(tokens), -1, -1)
    prefix = torch.cat((start, tokens.to(start.dtype)), dim=1)  # (B, prefix, D_l)
    decoder, before_last = model.language_model.model, list[Tensor]()
    hook = decoder.layers[-1].register_forward_pre_hook(lambda _, given: before_last.append(given[0]))
    hidden = decoder(torch.cat((prefix, embed(lesson.text)), dim=1))[:, prefix.shape[1] :]
    hook.remove()
    below = before_last[0][:, start.shape[1] :]  # (B, M + S, D_l), without the last layer
    states, written = _after_frames(below, frame_of_token, lesson.features.frames)
    answered = lesson.labels != IGNORED
    logits = model.language_model.lm_head(hidden[answered]).float()  # (answer tokens, vocabulary)
    targets = lesson.labels[answered]
    missed = torch.zeros_like(answered).masked_scatter(answered, logits.argmax(-1) != targets).any(1)
    return Outcome(
        F.cross_entropy(logits, targets),
        _selection_loss(selection.raw_scores, selection.assignment, lesson.decisive),
        [(q.type, not miss) for q, miss in zip(lesson.questions, missed.tolist(), strict=True)],
        selection,
        next((seen for seen in changes if seen.shape[1] == lesson.features.frames), None),
        next((seen for seen in cuts if seen.shape[1] == lesson.features.frames), None),
        states,
        written,
    )


def _after_frames(states: Tensor, frame_of_token: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """The state at each frame's last token, (B, T, D_l), and whether it has one, (B, T).

    Shape:
        states: (B, M or more, D_l), the video's tokens first. frame_of_token: (B, M), ascending.
    """
    each = torch.arange(frames).expand(len(frame_of_token), -1).contiguous()
    last = (torch.searchsorted(frame_of_token.contiguous(), each, right=True) - 1).clamp(min=0)  # (B, T)
    written = frame_of_token.gather(1, last) == each
    return states.gather(1, last.unsqueeze(-1).expand(-1, -1, states.shape[-1])), written


def _selection_loss(raw_scores: Tensor, assignment: Tensor, decisive: Tensor) -> Tensor:
    """Cross-entropy of the events that hold decisive frames, over the rows that have any.

    It speeds up what the answers' loss teaches through the perturbed top-k.

    Shape:
        raw_scores: (B, L). assignment: (B, T). decisive: (B, T) bool.
    """
    wanted = torch.zeros_like(raw_scores).scatter_add(1, assignment, decisive.float()) > 0
    some = wanted.any(1) & ~wanted.all(1)
    if not some.any():
        return raw_scores.sum() * 0.0
    log_share = raw_scores[some].log_softmax(1)
    return -log_share.masked_fill(~wanted[some], -torch.inf).logsumexp(1).mean()


def rows_for(rows: int, frames: int) -> int:
    """Keeps a step's number of video tokens about even: `rows` videos of up to 32 frames, fewer of longer."""
    return max(2, rows * 32 // max(32, frames))


def sigma_at(phase: Phase, step: int) -> float:
    """Noise of the perturbed top-k, annealed linearly through the phase."""
    first, last = phase.sigma
    return first + (last - first) * step / max(1, phase.steps)
