"""A network in front of a batch: the loss of its answers, by the same stages as inference."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Question, VideoFeatures
from dynfocus_cli.training.batches import Batch, Group

IGNORED = -100


class Learner(nn.Module):
    """What the trainer holds: a network, and the way from a batch to its loss."""

    def __init__(
        self, network: DynFocusModel, prompt: PromptWriter, device: torch.device, autocast: torch.dtype | None
    ) -> None:
        super().__init__()
        self.network = network
        self._before = prompt.before_video
        self._device, self._autocast = device, autocast

    def forward(self, lesson: Batch) -> Tensor:
        """The mean over the examples of each one's mean loss a token of its answer.

        Every example counts alike, however long its answer; so a batch of 4 is 4 accumulated batches of 1.
        """
        enabled = self._autocast is not None
        with torch.autocast(self._device.type, self._autocast or torch.bfloat16, enabled=enabled):
            return self._loss(lesson)

    def _loss(self, lesson: Batch) -> Tensor:
        rows, texts = [], []
        for group in lesson.groups:
            rows += list(self._video_tokens(group, lesson))
            texts += list(group.texts)
        embed = self.network.get_input_embeddings()
        start = embed(torch.tensor(self._before, device=self._device))  # (S, D_l)
        inputs, labels = [], []
        for video, (before, answer) in zip(rows, texts, strict=True):
            words = embed(torch.tensor((*before, *answer[:-1]), device=self._device))
            inputs.append(torch.cat((start, video.to(start.dtype), words)))
            # The last word before the answer has to say its first.
            silent = len(start) + len(video) + len(before) - 1
            labels.append(torch.tensor([IGNORED] * silent + list(answer), device=self._device))
        # Padded on the right, where nothing that counts looks.
        padded = nn.utils.rnn.pad_sequence(inputs, batch_first=True)  # (B, longest, D_l)
        hidden = self.network.language_model.model(padded)
        targets = nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED)
        answered = targets != IGNORED
        logits = self.network.language_model.lm_head(hidden[answered]).float()  # (answer tokens, vocabulary)
        losses = F.cross_entropy(logits, targets[answered], reduction="none")
        counts = answered.sum(1, keepdim=True).expand_as(answered)[answered]  # tokens of each one's answer
        return (losses / counts).sum() / len(inputs)

    def _video_tokens(self, group: Group, lesson: Batch) -> Tensor:
        """(B, M, D_l), with the choice of key frames perturbed where the score network learns."""
        connector = self.network.connector
        dtype = group.features.patches.dtype
        features = _moved(group.features, lambda part: part.to(self._device, dtype))
        if connector.gate is not None:
            features = connector.prepare(features.patches)
        asked = Question(group.asked.ids.to(self._device), group.asked.mask.to(self._device))
        times_s = group.times_s.to(self._device)
        pinned = None if group.pinned is None else group.pinned.to(self._device)
        explores = group.scorer in ("visual", "question")
        # In full precision, as the events of `ask` are found: rounded distances divide a video differently.
        whole = _moved(features, Tensor.float)
        with torch.autocast(self._device.type, enabled=False):
            selection = connector.select(
                whole,
                events=group.events,
                key_events=group.key_events,
                scorer=group.scorer,
                question=asked,
                pinned=pinned,
                exploration=lesson.exploration if explores else None,
                generator=torch.Generator().manual_seed(lesson.seed),
            )
        tokens, _ = self.network.video_tokens(features, selection, asked, times_s, pinned)
        return tokens


def _moved(features: VideoFeatures, move: Callable[[Tensor], Tensor]) -> VideoFeatures:
    classes = features.class_token
    return VideoFeatures(
        move(features.patches), move(features.prototypes), None if classes is None else move(classes)
    )
