"""Rods: the few wide, coarse tokens that every frame is given."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.dpe.event_prototypes import pool_grid


class Rods(nn.Module):
    """Text-attended and plain mean of a frame's points, before their projectors.

    The points are the frame's spatial prototypes, or as in LLaMA-VID its patches.
    """

    def __init__(self, query_width: int, width: int) -> None:
        """`query_width` is D_q, of the question encoder's queries; `width` is D_v."""
        super().__init__()
        self.query = nn.Linear(query_width, width)  # f_q
        # f_k without a bias: it would add the same to all points of a query, which softmax ignores.
        self.key = nn.Linear(width, width, bias=False)  # f_k

    def forward(self, queries: Tensor, points: Tensor, content_side: int = 1) -> tuple[Tensor, Tensor]:
        """Context avg E, with E = softmax(f_q(Q_t) f_k(G_t)^T / sqrt(D_v)) G_t, and content avg G_t.

        The average over the queries is taken of the attention, not of E: (mean_q A) G = mean_q (A G), for a
        Q-th of the multiplications.

        Shape:
            queries: (T, Q, D_q).
            points: (T, G, D_v).
            content_side: above 1, the points are a square grid and the content is its mean in each of
                `content_side ** 2` cells, as LLaMA-VID's `grid:n`.
            returns: context (T, 1, D_v), content (T, content_side ** 2, D_v).
        """
        # DynFocus, CCE, rods; one_token_generation in the release, token_generation in LLaMA-VID.
        attention = self.attention(queries, points).mean(dim=1, keepdim=True)  # (T, 1, G)
        content = points.mean(dim=1, keepdim=True) if content_side == 1 else pool_grid(points, content_side)
        return attention.to(points.dtype) @ points, content

    def attention(self, queries: Tensor, points: Tensor) -> Tensor:
        """How much each query looks at each point: (T, Q, G) float32, rows sum to 1."""
        return self.logits(queries, points).softmax(dim=-1)

    def logits(self, queries: Tensor, points: Tensor) -> Tensor:
        """The same before the softmax, so that frames can be compared: (T, Q, G) float32.

        f_q and f_k are folded into one matrix first, and the fewer of queries and points go through it: at
        the paper's size that saves half of the work, and a third of the rest.
        """
        key = self.key.weight.float()
        folded = (self.query.weight.float().T @ key).to(queries.dtype)  # (D_q, D_v)
        shift = (self.query.bias.float() @ key).to(queries.dtype)  # (D_v,)
        if points.shape[1] < queries.shape[1]:
            keys = points @ folded.T  # (T, G, D_q)
            logits = queries @ keys.transpose(1, 2) + (points @ shift).unsqueeze(1)
        else:
            projected = F.linear(queries, folded.T, shift)  # (T, Q, D_v)
            logits = projected @ points.transpose(1, 2)
        return logits.float() * points.shape[-1] ** -0.5  # (T, Q, G)
