"""The Q-Former (Li et al., BLIP-2, ICML 2023; with a question: Dai et al., InstructBLIP, NeurIPS 2023).

A BERT whose first tokens are learned queries: they and the question's words attend to each other, and in
every second layer the queries alone look at the frame. Its tensors have the names of transformers'
`InstructBlipQFormerModel`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from dynfocus_cli.network.layers import initialise, merge_heads, split_heads
from dynfocus_cli.network.sizes import ACTIVATIONS, QFormerConfig

FOLDED = 4
"""From this many times fewer queries than its width has values on, summed over heads, an attention multiplies
the queries by the keys' matrix and not each token."""


class QFormer(nn.Module):
    """Queries that have read a question and looked at a frame."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        initialise(self, config.initializer_range)

    def forward(
        self,
        queries: Tensor,
        patches: Tensor,
        question: Tensor | None,
        mask: Tensor | None = None,
        row: Tensor | None = None,
    ) -> Tensor:
        """
        Shape:
            queries: (T, Q, D_q).
            patches: (T, N, D_v), what the queries look at.
            question: (T, S) token ids, or None.
            mask: (T, S), 1 where `question` holds a token; None: everywhere.
            row: (T,), where frames share queries and questions, which are then of any number: the row of
                each frame's. What does not depend on the frame is computed once a row.
            returns: (T, Q, D_q).
        """
        count = queries.shape[1]
        tokens = queries
        if question is not None:
            tokens = torch.cat((queries, self.embeddings.words(question)), dim=1)  # (T, Q + S, D_q)
        attended = None
        if mask is not None and not mask.all():
            attended = torch.cat((mask.new_ones(len(mask), count), mask), dim=1)[:, None, None].bool()
        read: Tensor = self.encoder(self.embeddings(tokens), patches, count, attended, row)
        return read


class Embeddings(nn.Module):
    """Words with their learned positions; queries have none."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.layernorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def words(self, ids: Tensor) -> Tensor:
        """(T, S) -> (T, S, D_q), as yet without the norm."""
        positions = torch.arange(ids.shape[1], device=ids.device)
        words: Tensor = self.word_embeddings(ids) + self.position_embeddings(positions)
        return words

    def forward(self, tokens: Tensor) -> Tensor:
        """The norm over queries and words: (T, Q + S, D_q) -> the same."""
        normed: Tensor = self.dropout(self.layernorm(tokens.to(self.layernorm.weight.dtype)))
        return normed


class Encoder(nn.Module):
    """Layer after layer."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            Layer(config, looks=number % config.cross_attention_frequency == 0)
            for number in range(config.num_hidden_layers)
        )
        self.checkpointing = False
        """Whether training computes a layer's activations twice, to keep none of them."""

    def forward(
        self, x: Tensor, patches: Tensor, queries: int, mask: Tensor | None, row: Tensor | None = None
    ) -> Tensor:
        """(T or rows, Q + S, D_q) -> the queries alone, (T, Q, D_q)."""
        for number, layer in enumerate(self.layer, 1):
            last = number == len(self.layer)
            if self.checkpointing and self.training:
                x = checkpoint(layer, x, patches, queries, mask, row, last, use_reentrant=False)
            else:
                x = layer(x, patches, queries, mask, row, last)
            if row is not None and mask is not None:
                mask = mask[row]
            row = None  # from here on each frame has its own
        return x


class Layer(nn.Module):
    """All tokens attend to each other; then queries and words have an MLP each, `looks` says whether queries
    attend to the frame before theirs."""

    def __init__(self, config: QFormerConfig, *, looks: bool) -> None:
        super().__init__()
        inner = config.hidden_size, config.intermediate_size
        self.attention = Attention(config, config.hidden_size)
        self.crossattention = Attention(config, config.encoder_hidden_size) if looks else None
        self.intermediate = Expansion(config)
        self.output = Residual(config, inner[1])
        self.intermediate_query = Expansion(config)
        self.output_query = Residual(config, inner[1])

    def forward(
        self,
        x: Tensor,
        patches: Tensor,
        queries: int,
        mask: Tensor | None,
        row: Tensor | None = None,
        last: bool = False,
    ) -> Tensor:
        """(T or rows, Q + S, D_q) -> (T, Q + S, D_q); behind the last layer nobody reads the words, so it
        leaves them out: (T, Q, D_q)."""
        x = self.attention(x[:, :queries] if last else x, x, mask)
        asking, words = x[:, :queries], x[:, queries:]
        if words.shape[1]:
            words = self.output(self.intermediate(words), words)
        if row is not None:
            asking, words = asking[row], words[row]
        if self.crossattention is not None:
            asking = self.crossattention(asking, patches)
        asking = self.output_query(self.intermediate_query(asking), asking)
        return torch.cat((asking, words), dim=1) if words.shape[1] else asking


class Attention(nn.Module):
    """Attention to tokens of width `source`, added to what came in and normed."""

    def __init__(self, config: QFormerConfig, source: int) -> None:
        super().__init__()
        self.attention = MultiHead(config, source)
        self.output = Residual(config, config.hidden_size)

    def forward(self, x: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (T, S, D_q), source (T, N, source width), mask (T, 1, 1, N) bool -> (T, S, D_q)."""
        out: Tensor = self.output(self.attention(x, source, mask), x)
        return out


class MultiHead(nn.Module):
    """The attention itself."""

    def __init__(self, config: QFormerConfig, source: int) -> None:
        super().__init__()
        width = config.hidden_size
        if width % config.num_attention_heads:
            raise ValueError(f"hidden_size {width} is no multiple of {config.num_attention_heads = }")
        self._head_width = width // config.num_attention_heads
        self._dropout = config.attention_probs_dropout_prob
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(source, width)
        self.value = nn.Linear(source, width)

    def forward(self, x: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        """As `Attention`."""
        heads = self.query.out_features // self._head_width
        if mask is None and FOLDED * heads * x.shape[1] <= self.query.out_features:
            return self._folded(x, source)
        attended = F.scaled_dot_product_attention(
            split_heads(self.query(x), self._head_width),
            split_heads(self.key(source), self._head_width),
            split_heads(self.value(source), self._head_width),
            mask,
            self._dropout if self.training else 0.0,
        )
        return merge_heads(attended)

    def _folded(self, x: Tensor, source: Tensor) -> Tensor:
        """The same where queries are few: keys' and values' matrices multiply what asks and what was found,
        not each token of the source. The keys' bias would add the same to all tokens, which softmax ignores.
        """
        width, count = self._head_width, x.shape[1]
        query = split_heads(self.query(x), width)  # (T, H, S, width)
        keys = self.key.weight.unflatten(0, (-1, width)).to(query.dtype)  # (H, width, source width)
        asked = (query * width**-0.5 @ keys).flatten(1, 2)  # (T, H * S, source width)
        share = (asked @ source.to(asked.dtype).transpose(1, 2)).softmax(dim=-1, dtype=torch.float32)
        if self.training and self._dropout:
            share = F.dropout(share, self._dropout)
        found = (share.to(asked.dtype) @ source.to(asked.dtype)).unflatten(1, (-1, count))
        values = self.value.weight.unflatten(0, (-1, width)).to(found.dtype)  # (H, width, source width)
        merged = merge_heads(found @ values.transpose(1, 2))
        # With dropout a row's shares no longer add up to 1, and the bias is scaled by what they do.
        bias: Tensor | float = 1.0
        if self.training and self._dropout:
            bias = share.sum(-1).unflatten(1, (-1, count)).transpose(1, 2).repeat_interleave(width, dim=-1)
        return merged + (self.value.bias * bias).to(merged.dtype)


class Expansion(nn.Module):
    """The first half of an MLP."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self._activation = ACTIVATIONS[config.hidden_act]
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)

    def forward(self, x: Tensor) -> Tensor:
        """(T, S, D_q) -> (T, S, inner width)."""
        return self._activation(self.dense(x))


class Residual(nn.Module):
    """A linear layer to the Q-Former's width, a residual connection, and a norm."""

    def __init__(self, config: QFormerConfig, inner: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        """x (T, S, inner width), before (T, S, D_q) -> (T, S, D_q)."""
        out: Tensor = self.LayerNorm(self.dropout(self.dense(x)) + before)
        return out
