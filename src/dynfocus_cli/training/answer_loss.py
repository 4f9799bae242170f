"""The loss of a network's answers to a batch, by the same stages as inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Question, VideoFeatures
from dynfocus_cli.scorers import SCORERS
from dynfocus_cli.training.batches import Batch, Group

IGNORED = -100
"""Label of a position that has no token of an answer to predict."""


def teacher_forced(prompt: Sequence[int], answer: Sequence[int]) -> tuple[list[int], list[int]]:
    """Input ids of a prompt with its answer, and the label of each: the token to predict there, or `IGNORED`.

    prompt = p q, answer = a b </s>  ->  inputs p q a b, labels - a b </s>
    """
    return [*prompt, *answer[:-1]], [*[IGNORED] * (len(prompt) - 1), *answer]


def answer_logits(network: DynFocusModel, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits at the labelled positions of the language model's inputs, in float32, and their labels.

    Inputs are padded on the right, where no answer attends to them.

    Shape:
        inputs: (B, M, D_l). labels: (B, S), of the last positions.
        returns: (tokens of all answers, vocabulary), (tokens of all answers,).
    """
    hidden = network.language_model.model(inputs)[:, -labels.shape[1] :]
    answered = labels != IGNORED
    return network.language_model.lm_head(hidden[answered]).float(), labels[answered]


class AnswerLoss(nn.Module):
    """A network, and the way from a batch to the loss of its answers."""

    def __init__(
        self, network: DynFocusModel, prompt: PromptWriter, device: torch.device, autocast: torch.dtype | None
    ) -> None:
        super().__init__()
        self.network = network
        self._before_video = prompt.before_video
        self._device, self._autocast = device, autocast

    def forward(self, batch: Batch) -> Tensor:
        """The mean over the examples of each one's mean loss a token of its answer.

        Every example counts alike, however long its answer; so a batch of 4 is 4 accumulated batches of 1.
        """
        enabled = self._autocast is not None
        with torch.autocast(self._device.type, self._autocast or torch.bfloat16, enabled=enabled):
            return self._loss(batch)

    def _loss(self, batch: Batch) -> Tensor:
        videos = [tokens for group in batch.groups for tokens in self._video_tokens(group, batch)]
        texts = [text for group in batch.groups for text in group.texts]
        embed = self.network.get_input_embeddings()
        start = embed(self._tensor(self._before_video))  # (S, D_l)
        inputs, labels = [], []
        for video, (prompt, answer) in zip(videos, texts, strict=True):
            ids, its_labels = teacher_forced(prompt, answer)
            inputs.append(torch.cat((start, video.to(start.dtype), embed(self._tensor(ids)))))
            labels.append(self._tensor([IGNORED] * (len(start) + len(video)) + its_labels))
        padded = nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED)  # (B, longest)
        logits, targets = answer_logits(
            self.network, nn.utils.rnn.pad_sequence(inputs, batch_first=True), padded
        )
        losses = F.cross_entropy(logits, targets, reduction="none")
        answered = padded != IGNORED
        counts = answered.sum(1, keepdim=True).expand_as(answered)[answered]  # tokens of each one's answer
        return (losses / counts).sum() / len(inputs)

    def _tensor(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor(ids, device=self._device)

    def _video_tokens(self, group: Group, batch: Batch) -> Tensor:
        """(B, M, D_l), with the choice of key frames perturbed where the score network learns."""
        connector = self.network.connector
        dtype = group.features.patches.dtype
        features = _mapped(group.features, lambda part: part.to(self._device, dtype))
        if connector.gate is not None:
            features = connector.prepare(features.patches)
        question = Question(group.question.ids.to(self._device), group.question.mask.to(self._device))
        pinned = None if group.pinned is None else group.pinned.to(self._device)
        # In full precision, as `ask` clusters: rounded distances divide a video differently.
        with torch.autocast(self._device.type, enabled=False):
            selection = connector.select(
                _mapped(features, Tensor.float),
                events=group.events,
                key_events=group.key_events,
                scorer=group.scorer,
                question=question,
                pinned=pinned,
                exploration=batch.exploration if SCORERS[group.scorer].learned else None,
                generator=torch.Generator().manual_seed(batch.seed),
            )
        times_s = group.times_s.to(self._device)
        return self.network.video_tokens(features, selection, question, times_s, pinned)[0]


def _mapped(features: VideoFeatures, function: Callable[[Tensor], Tensor]) -> VideoFeatures:
    classes = features.class_token
    return VideoFeatures(
        function(features.patches),
        function(features.prototypes),
        None if classes is None else function(classes),
    )
