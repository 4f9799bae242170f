"""Stage 3 of the tiny recipe: projectors, score network and language model, from questions and answers.

Clips grow from a few frames to whole ones; frames keep their real times throughout. The score network is
taught twice: by the answers' loss through the perturbed top-k, as in the paper, and by the seconds that the
generator knows to decide a question. Stage 2's weights, the Q-Former's and the rods' attention, stay fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.stages import EventSelection, Exploration, Question, VideoFeatures
from dynfocus_cli.training.answer_loss import IGNORED, answer_logits
from dynfocus_tiny.examples import TrainingBatch
from dynfocus_tiny.vision import DenseHeads

TokenWriter = Callable[
    [DynFocusModel, VideoFeatures, EventSelection, Question | None, Tensor, Tensor | None],
    tuple[Tensor, Tensor],
]
"""As `DynFocusModel.video_tokens`."""


@dataclass(frozen=True, slots=True)
class BatchOutput:
    """Losses and states of a batch."""

    answer_loss: Tensor
    selection_loss: Tensor
    right: list[tuple[str, bool]]
    """A question's type, and whether greedy decoding would have given its answer to the letter."""
    selection: EventSelection
    changes: Tensor | None
    """(B, T, R, D_l): the change of every frame's rods; None where the model has none, or the token writer
    left frames out."""
    cuts: Tensor | None
    """(B, T): logits of a cut before each frame; None as `changes`."""
    states: Tensor
    """(B, T, D_l): what the language model has gathered below its last layer, at the end of each frame."""
    written: Tensor
    """(B, T) bool: frames that have tokens."""


def initialise(model: DynFocusModel, heads: DenseHeads, seed: int) -> None:
    """Scales that a miniature trained from scratch needs; the language model's head is tied and small.

    The projectors begin with the vision stage's heads for shape, colour and cell. Colour is a tenth of the
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


def forward_batch(
    model: DynFocusModel,
    batch: TrainingBatch,
    before_video: list[int],
    *,
    events: int,
    key_events: int,
    exploration: Exploration | None,
    question_aware: bool,
    write: TokenWriter = DynFocusModel.video_tokens,
) -> BatchOutput:
    """Runs the network on a batch, by the same stages as inference.

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
        batch.features,
        events=events,
        key_events=key_events,
        question=batch.question if question_aware else None,
        pinned=batch.pinned,
        exploration=exploration,
    )
    tokens, frame_of_token = write(
        model, batch.features, selection, batch.question, batch.times_s, batch.pinned
    )
    for hook in hooks:
        hook.remove()
    embed = model.get_input_embeddings()
    start = embed(torch.tensor(before_video)).expand(len(tokens), -1, -1)
    inputs = torch.cat((start, tokens.to(start.dtype), embed(batch.text)), dim=1)
    last_layer, before_last = model.language_model.model.layers[-1], list[Tensor]()
    hook = last_layer.register_forward_pre_hook(lambda _, given: before_last.append(given[0]))
    logits, targets = answer_logits(model, inputs, batch.labels)
    hook.remove()
    below = before_last[0][:, start.shape[1] :]  # (B, M + S, D_l), without the last layer
    frames = batch.features.frames
    states, written = _after_frames(below, frame_of_token, frames)
    answered = batch.labels != IGNORED
    missed = torch.zeros_like(answered).masked_scatter(answered, logits.argmax(-1) != targets).any(1)
    types = [question.type for question in batch.questions]
    return BatchOutput(
        F.cross_entropy(logits, targets),
        _selection_loss(selection.raw_scores, selection.assignment, batch.decisive),
        list(zip(types, (~missed).tolist(), strict=True)),
        selection,
        next((change for change in changes if change.shape[1] == frames), None),
        next((cut for cut in cuts if cut.shape[1] == frames), None),
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
    right = torch.zeros_like(raw_scores).scatter_add(1, assignment, decisive.float()) > 0
    some = right.any(1) & ~right.all(1)
    if not some.any():
        return raw_scores.sum() * 0.0
    log_share = raw_scores[some].log_softmax(1)
    return -log_share.masked_fill(~right[some], -torch.inf).logsumexp(1).mean()
