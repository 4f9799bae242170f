"""Rods: the two wide, coarse tokens that every frame is given."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Rods(nn.Module):
    """Text-attended and plain mean of a frame's spatial prototypes, before the projector F_coarse."""

    def __init__(self, query_width: int, width: int) -> None:
        """`query_width` is D_q, of the question encoder's queries; `width` is D_v."""
        super().__init__()
        self.query = nn.Linear(query_width, width)  # f_q
        # f_k without a bias: it would add the same to all prototypes of a query, which softmax ignores.
        self.key = nn.Linear(width, width, bias=False)  # f_k

    def forward(self, queries: Tensor, prototypes: Tensor) -> Tensor:
        """[avg E, avg G_t], with E = softmax(f_q(Q_t) f_k(G_t)^T / sqrt(D_v)) G_t.

        The average over the queries is taken of the attention, not of E: (mean_q A) G = mean_q (A G), for a
        Q-th of the multiplications.

        Shape:
            queries: (T, Q, D_q).
            prototypes: (T, G, D_v).
            returns: (T, 2, D_v).
        """
        # DynFocus, CCE, rods; in the release one_token_generation, which puts avg G_t first.
        attention = self.attention(queries, prototypes).mean(dim=1, keepdim=True)  # (T, 1, G)
        attended = attention.to(prototypes.dtype) @ prototypes  # (T, 1, D_v)
        return torch.cat((attended, prototypes.mean(dim=1, keepdim=True)), dim=1)  # (T, 2, D_v)

    def attention(self, queries: Tensor, prototypes: Tensor) -> Tensor:
        """How much each query looks at each prototype: (T, Q, G) float32, rows sum to 1."""
        q, k = self.query(queries), self.key(prototypes)  # (T, Q, D_v), (T, G, D_v)
        logits = q @ k.transpose(1, 2) * k.shape[-1] ** -0.5  # (T, Q, G)
        return logits.softmax(dim=-1, dtype=torch.float32)
