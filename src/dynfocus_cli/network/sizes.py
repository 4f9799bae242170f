"""Sizes of the network's three transformers, under the names that their published configs have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "silu": F.silu, "relu": F.relu}
"""`hidden_act` -> the function between a layer's two matrices."""
ROPE_TYPES = ("default", "linear")
"""How rotary angles may depend on positions."""


def check_types(config: Any) -> None:
    """
    Raises:
        ValueError: a field of the dataclass `config` has another type than its annotation says.
    """
    for name, kind in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if get_origin(kind) is Literal:
            if value not in get_args(kind):
                raise ValueError(f"{name} must be one of {', '.join(get_args(kind))}, got {value!r}")
        elif not _is_a(value, kind):
            raise ValueError(f"{name} must be {_worded(kind)}, got {value!r}")


def _is_a(value: object, kind: Any) -> bool:
    union = get_args(kind) if _is_union(kind) else (kind,)
    kinds = [get_origin(one) or one for one in union]
    if isinstance(value, bool):  # Python counts with it
        return bool in kinds
    return isinstance(value, (*kinds, int) if float in kinds else tuple(kinds))


def _is_union(kind: Any) -> bool:
    return type(kind).__name__ == "UnionType"


def _worded(kind: Any) -> str:
    return str(kind) if _is_union(kind) or get_origin(kind) else kind.__name__


class Sizes:
    """What the three have in common."""

    hidden_act: str

    def __post_init__(self) -> None:
        check_types(self)
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(f"hidden_act must be one of {', '.join(ACTIVATIONS)}, got {self.hidden_act!r}")

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """The fields of a published config that say anything here; the others are left out."""
        known = {one.name for one in fields(cls)}  # type: ignore[arg-type]  # subclasses are dataclasses
        return cls(**{name: value for name, value in given.items() if name in known})

    def to_dict(self) -> dict[str, Any]:
        """The fields, for a `config.json`."""
        return asdict(self)  # type: ignore[call-overload]  # subclasses are dataclasses


@dataclass
class VisionConfig(Sizes):
    """Sizes of the vision encoder; the defaults are EVA ViT-g's."""

    hidden_size: int = 1408
    intermediate_size: int = 6144
    num_hidden_layers: int = 39
    num_attention_heads: int = 16
    image_size: int = 224
    """Pixels a side of a frame."""
    patch_size: int = 14
    """Pixels a side of a patch."""
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    qkv_bias: bool = True
    initializer_range: float = 1e-10
    """Standard deviation of fresh weights."""
    model_type: str = "instructblip_vision_model"


@dataclass
class QFormerConfig(Sizes):
    """Sizes of the Q-Former; the defaults are InstructBLIP's."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    cross_attention_frequency: int = 2
    """Every so many layers look at the frame, the first one included."""
    encoder_hidden_size: int = 1408
    """Width of the vision encoder."""
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    hidden_dropout_prob: float = 0.1
    """In training alone, as the next one."""
    attention_probs_dropout_prob: float = 0.1
    pad_token_id: int | None = 0
    initializer_range: float = 0.02
    model_type: str = "instructblip_qformer"


@dataclass
class LanguageConfig(Sizes):
    """Sizes of the language model, a Llama; the defaults are those of 7B."""

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None
    """None: as many as there are heads."""
    head_dim: int | None = None
    """None: the width divided among the heads."""
    max_position_embeddings: int = 2048
    """Tokens that it can hold."""
    rope_parameters: dict[str, Any] = field(default_factory=dict)
    """`rope_theta`, the base of the rotary angles; `rope_type: linear` divides positions by `factor`."""
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    """Whether the output layer is the word embeddings."""
    pad_token_id: int | None = None
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    initializer_range: float = 0.02
    model_type: str = "llama"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of the number of attention heads "
                f"({self.num_attention_heads})"
            )
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads
        self.num_key_value_heads = self.num_key_value_heads or self.num_attention_heads
        self.rope_parameters = {"rope_theta": 10000.0, "rope_type": "default", **self.rope_parameters}
        if self.rope_parameters["rope_type"] not in ROPE_TYPES:
            raise ValueError(
                f"rope_type must be one of {', '.join(ROPE_TYPES)}, got {self.rope_parameters['rope_type']!r}"
            )

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Also of a config that names the angles as Llama's first ones did: `rope_theta`, `rope_scaling`."""
        rope = dict(given.get("rope_parameters") or given.get("rope_scaling") or {})
        if "type" in rope:
            rope["rope_type"] = rope.pop("type")
        if given.get("rope_theta") is not None:
            rope.setdefault("rope_theta", given["rope_theta"])
        return super().from_dict({**given, "rope_parameters": rope})
