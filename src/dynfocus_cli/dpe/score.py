"""The score network U: how meaningful each event is, seen among the other events, and for a question."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ScoreNetwork(nn.Module):
    """One raw score an event prototype.

    The prototype's strongest and mean patch go through LayerNorm, Linear and GELU; then half of the channels
    are replaced by their mean over all prototypes, so that an event is judged against the rest of its video;
    then an MLP gives the score.

    With `question_width` a question embedding q enters before the GELU: `x * (1 + scale(q)) + shift(q)`. The
    product makes the first layer bilinear in event and question, so that "this event matches this question"
    is one linear read-out away; a concatenation would have the MLP build that product from sums. `scale` and
    `shift` start at 0: a fresh network, and one called without a question, scores by pixels alone.
    """

    def __init__(self, width: int, hidden: int | None = None, question_width: int | None = None) -> None:
        """`width` is D_v; `hidden` None takes the release's 2 * D_v; `question_width` None: no question.

        Raises:
            ValueError: `hidden` is no positive multiple of 4.
        """
        super().__init__()
        hidden = 2 * width if hidden is None else hidden
        if hidden < 4 or hidden % 4:
            raise ValueError(f"the score network's hidden width must be a multiple of 4, got {hidden = }")
        # DynFocus release, score_network: in_conv [2D, 2D], out_conv [D, 2D], [D/2, D], [1, D/2].
        self.norm = nn.LayerNorm(2 * width)
        self.input = nn.Linear(2 * width, hidden)
        self.head = nn.Sequential(
            nn.Linear(hidden, hidden // 2),
            nn.GELU(),
            nn.Linear(hidden // 2, hidden // 4),
            nn.GELU(),
            nn.Linear(hidden // 4, 1),
        )
        self.question_norm: nn.LayerNorm | None = None
        self.question_film: nn.Linear | None = None
        if question_width is not None:
            # Embeddings of other encoders differ in scale; the products should not.
            self.question_norm = nn.LayerNorm(question_width, elementwise_affine=False)
            self.question_film = nn.Linear(question_width, 2 * hidden)
            nn.init.zeros_(self.question_film.weight)
            nn.init.zeros_(self.question_film.bias)

    def forward(self, prototypes: Tensor, question: Tensor | None = None) -> Tensor:
        """Raw scores; `minmax_normalise` brings them to 0 ... 1.

        Shape:
            prototypes: (L, P, D_v) or (B, L, P, D_v).
            question: (D_q,) or (B, D_q), or None.
            returns: (L,) or (B, L).

        Raises:
            ValueError: a question for a network without `question_width`.
        """
        strongest, mean = prototypes.amax(dim=-2), prototypes.mean(dim=-2)  # (..., L, D_v)
        x = self.input(self.norm(torch.cat((strongest, mean), dim=-1)))  # (..., L, H)
        if question is not None:
            if self.question_norm is None or self.question_film is None:
                raise ValueError("this score network sees no question: build it with question_width")
            film = self.question_film(self.question_norm(question)).unsqueeze(-2)  # (..., 1, 2H)
            scale, shift = film.chunk(2, dim=-1)
            x = x * (1 + scale) + shift
        own, shared = F.gelu(x).chunk(2, dim=-1)  # (..., L, H / 2)
        x = torch.cat((own, shared.mean(dim=-2, keepdim=True).expand_as(shared)), dim=-1)  # (..., L, H)
        return self.head(x).squeeze(-1)  # (..., L)
