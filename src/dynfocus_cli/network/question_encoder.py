"""The Q-Former: queries that have read the question and looked at the frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.qformer import QFormer


class QuestionEncoder(nn.Module):
    """Q-Former queries Q_t, conditioned on the question and each frame."""

    def __init__(self, config: DynFocusConfig) -> None:
        super().__init__()
        width = config.qformer_config.hidden_size
        self.queries = nn.Parameter(torch.empty(1, config.num_query_tokens, width))
        nn.init.normal_(self.queries, std=0.02)
        self.visual_norm = nn.LayerNorm(config.vision_config.hidden_size)
        self.qformer = QFormer(config.qformer_config)

    def forward(
        self,
        patches: Tensor,
        question: Tensor | None,
        mask: Tensor | None = None,
        row: Tensor | None = None,
    ) -> Tensor:
        """Queries for every frame.

        Shape:
            patches: (T, N, D_v), what the queries look at.
            question: (T, S) token ids, each frame's own copy of its question, or None for no question.
            mask: (T, S), 1 where `question` holds a token.
            row: (T,), the row of each frame's question where frames share one: ids and mask are (rows, S).
            returns: (T, Q, D_q).
        """
        rows = len(patches) if question is None else len(question)
        queries = self.queries.expand(rows, -1, -1)  # (T or rows, Q, D_q)
        read: Tensor = self.qformer(queries, self.visual_norm(patches), question, mask, row)
        return read

    def embed(self, question: Tensor, mask: Tensor) -> Tensor:
        """One vector a question, for the score network: the mean of its word embeddings.

        Shape:
            question, mask: (B, S). Returns (B, D_q).
        """
        embeddings = self.qformer.embeddings
        words = embeddings(embeddings.words(question))  # (B, S, D_q)
        weight = mask.unsqueeze(-1).to(words.dtype)
        return (words * weight).sum(1) / weight.sum(1).clamp(min=1.0)
