"""The sizes and settings of one DynFocus network, from the miniature to the paper's 7B."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.network.sizes import LanguageConfig, QFormerConfig, Sizes, VisionConfig, check_types
from dynfocus_cli.scorers import SCORERS
from dynfocus_cli.types import Scorer

PARTS: dict[str, type[Sizes]] = {
    "vision_config": VisionConfig,
    "qformer_config": QFormerConfig,
    "text_config": LanguageConfig,
}
"""Field of a `DynFocusConfig` -> what it holds."""


@dataclass
class DynFocusConfig:
    """Configuration of `DynFocusModel`.

    The paper fixes the mechanism; these fields fix sizes, and the few places where the miniature differs.
    Everything that differs from the paper defaults to the paper's way.
    """

    # These three may be given as dicts too.
    vision_config: VisionConfig = field(default_factory=VisionConfig)
    qformer_config: QFormerConfig = field(default_factory=QFormerConfig)
    text_config: LanguageConfig = field(default_factory=LanguageConfig)

    num_query_tokens: int = 32
    """Q: learned queries of the Q-Former."""
    pooled_side: int = 4
    """Frames are pooled to `pooled_side ** 2` patches for event prototypes and cones."""
    prototypes: int = 25
    """L: event prototypes a video."""
    key_ratio: float = 0.8
    """K / L: share of the events that are judged meaningful."""
    event_neighbours: int = 5
    """C of the density in T-DPC."""
    event_feature: Literal["pooled", "frame_mean"] = "pooled"
    """What T-DPC compares: the pooled patches as in the paper, or their mean, where brief small events
    stand out better."""
    temporal_clustering: Literal["dpc_knn", "kmeans"] = "dpc_knn"
    """`kmeans` starts from random frames, as the release does."""
    spatial_rule: Literal["paper", "release"] = "paper"
    """How S-DPC measures density, and in which order its prototypes stand; see `density_peaks`."""
    spatial_prototypes: tuple[int, ...] | list[int] = (16, 6)
    """S-DPC: spatial prototypes a level; a key frame's cones are `pooled_side ** 2 + sum` tokens."""
    spatial_neighbours: tuple[int, ...] | list[int] = (8, 3)
    prototype_gate: bool = False
    """Whether a softmax over the coarse prototypes weighs them and their members, as in the release."""
    key_frame_rods: bool = True
    """Whether key frames have rods beside their cones; in the release they have none."""
    rod_source: Literal["prototypes", "patches"] = "prototypes"
    """What rods attend to and average; LLaMA-VID takes the patches."""
    rod_projectors: Literal["coarse", "split"] = "coarse"
    """`coarse`: F_coarse for both rods. `split`: F_fine for the content, one linear layer for the context, as
    in the release and LLaMA-VID."""
    rod_order: Literal["context_content", "content_context"] = "context_content"
    """The release has the content first."""
    change_window: int = 0
    """Each rod also carries how it differs from those of so many frames before and after: what appears,
    flashes up, moves or changes colour then stands in a token, and need not be found between two; see
    `RodChange`."""
    change_shots: int = 0
    """With `change_window`: rods also carry the number of their shot, up to so many; see `ShotNumbers`."""
    change_quantiles: tuple[float, ...] | list[float] = ()
    """With `change_window`: quantiles of the patches' changes that are compared besides the largest and the
    mean one, and all of them with those of the frames beside; see `RodChange`."""
    content_side: int = 1
    """The content rod is `content_side ** 2` tokens, a grid's cells; LLaMA-VID's `grid:n`."""
    class_token: bool = False
    """Whether the Q-Former sees the vision encoder's class token ahead of the patches, as in the release."""
    score_network: bool = True
    """Whether there is a trained score network; LLaMA-VID has none."""
    scorer: Scorer = "visual"
    """Which score ranks the events when none is asked for."""
    question_aware_score: bool = False
    """Whether the score network has weights for the question."""
    score_hidden_size: int | None = None
    """Width of the score network; None takes twice the vision width, as the release does."""
    pin_focus: bool = False
    """Whether frames at moments that the question names always become key frames."""
    focus_embedding: bool = False
    """Whether the tokens of those frames carry a learned mark."""
    patch_position_scale: float = 0.0
    """Size of a fixed 2-D sine code added to the patch features ahead of CCE; 0 leaves it out."""
    slot_embedding: bool = False
    """Whether each of a frame's token slots has a learned embedding of its own."""
    time_encoding: Literal["none", "timecode"] = "none"
    """`timecode` adds the word embeddings of a frame's minutes and seconds to each of its tokens."""
    minute_token_ids: tuple[int, ...] | list[int] = ()
    """Token of `00:`, `01:` ...; for `time_encoding: timecode`."""
    second_token_ids: tuple[int, ...] | list[int] = ()
    """Token of `00` ... `59`."""
    projector_norm: bool = False
    """Whether a norm follows the projectors into the language model."""

    fps: float = 1.0
    """Default sampling rate, frames a second."""
    max_frames: int = 200
    """Default limit on sampled frames."""
    prompt_template: str = "<video> {question}"
    """The prompt; `<video>` marks the place of the video tokens."""
    answer_named_alternative: bool = False
    """Whether a question that names things to choose from is answered by the likeliest of them, for a network
    that was trained on short answers."""
    abstention: str | None = None
    """What a network answers that learned to say that it cannot tell: it may choose that beside the things
    that a question names."""
    untrained: tuple[str, ...] | list[str] = ()
    """Parts whose weights are random as yet: answers mean nothing until they are trained."""

    quantization_config: dict[str, Any] | None = None
    """How the stored weights are quantized, as bitsandbytes calls it."""
    dtype: str | None = None
    """What the other stored weights are in."""
    architectures: tuple[str, ...] | list[str] = ("DynFocusModel",)
    model_type: Literal["dynfocus"] = "dynfocus"

    def __post_init__(self) -> None:
        for name, kind in PARTS.items():
            given = getattr(self, name)
            if not isinstance(given, kind):
                setattr(self, name, kind.from_dict(given))
        self.qformer_config.encoder_hidden_size = self.vision_config.hidden_size
        self._check()
        self.change_quantiles = tuple(self.change_quantiles)  # of JSON, a list; of a file without it, none

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """The config of a model folder.

        Raises:
            OSError, ValueError: it cannot be read, or no network can be built or run with it.
        """
        return cls.from_dict(json.loads((Path(folder) / "config.json").read_text(encoding="utf-8")))

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """The fields in `given` that say anything here; the others are left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in known})

    def to_dict(self) -> dict[str, Any]:
        """The fields, for a `config.json`."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return given | {name: getattr(self, name).to_dict() for name in PARTS}

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes `config.json`."""
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
        (Path(folder) / "config.json").write_text(text, encoding="utf-8")

    def _check(self) -> None:
        """
        Raises:
            ValueError: a setting that no network can be built or run with.
        """
        for name in _COUNTS:
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a whole number above 0, got {value!r}")
        check_types(self)
        for name in ("spatial_prototypes", "spatial_neighbours"):
            values = getattr(self, name)
            if not all(isinstance(value, int) and value >= 1 for value in values):
                raise ValueError(f"{name} must be whole numbers above 0, got {values!r}")
        if len(self.spatial_prototypes) != len(self.spatial_neighbours):
            raise ValueError(
                "spatial_prototypes and spatial_neighbours must have a number for each level, got "
                f"{self.spatial_prototypes!r} and {self.spatial_neighbours!r}"
            )
        for name in ("change_window", "change_shots"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be a whole number from 0 on, got {getattr(self, name)}")
        if self.change_shots == 1 or (self.change_shots and not self.change_window):
            raise ValueError(
                f"change_shots must be 0, or at least 2 with a change_window, got {self.change_shots!r}"
            )
        if self.change_quantiles and not self.change_window:
            raise ValueError(f"change_quantiles need a change_window, got {self.change_quantiles!r}")
        if not all(type(share) in (int, float) and 0 <= share <= 1 for share in self.change_quantiles):
            raise ValueError(
                f"change_quantiles must be numbers from 0.0 to 1.0, got {self.change_quantiles!r}"
            )
        scale = self.patch_position_scale
        if not 0 <= scale < math.inf:
            raise ValueError(f"patch_position_scale must be a number from 0 on, got {scale!r}")
        if not 0 < self.key_ratio <= 1:
            raise ValueError(f"key_ratio must lie above 0 and at most 1, got {self.key_ratio!r}")
        if not self.fps > 0:
            raise ValueError(f"fps must be above 0, got {self.fps!r}")
        if self.scorer == "question" and not self.question_aware_score:
            raise ValueError("scorer question needs question_aware_score")
        if SCORERS[self.scorer].learned and not self.score_network:
            raise ValueError(f"scorer {self.scorer} needs score_network")
        if self.temporal_clustering == "kmeans" and "density" in (self.scorer, self.scorer_without_question):
            raise ValueError(
                "temporal_clustering kmeans knows no density to score by: it needs score_network"
            )
        if self.content_side > 1 and self.rod_source != "patches":
            raise ValueError(f"content_side {self.content_side} needs rod_source patches")
        if self.time_encoding == "timecode":
            vocabulary = self.text_config.vocab_size
            ids = (*self.minute_token_ids, *self.second_token_ids)
            if len(self.second_token_ids) != 60 or not self.minute_token_ids:
                raise ValueError("time_encoding timecode needs minute_token_ids and 60 second_token_ids")
            if any(not 0 <= token < vocabulary for token in ids):
                raise ValueError(f"minute_token_ids and second_token_ids must lie below {vocabulary = }")

    @property
    def cone_tokens(self) -> int:
        """Cones of one key frame: pooled patches and spatial prototypes."""
        return self.pooled_side**2 + sum(self.spatial_prototypes)

    @property
    def rod_tokens(self) -> int:
        """Rods of a frame that has them: the context's, and the content's."""
        return 1 + self.content_side**2

    def frame_price(self, frames: int) -> FramePrice:
        """What a frame of a video of `frames` sampled frames costs."""
        # The release gives a single frame rods and cones, as it gives no key frame of a longer video.
        with_rods = self.key_frame_rods or frames == 1
        return FramePrice(self.cone_tokens + self.rod_tokens * with_rods, self.rod_tokens)

    @property
    def scorer_without_question(self) -> Scorer:
        """What ranks the events where nothing is asked."""
        return "visual" if self.score_network else "density"

    @property
    def patches(self) -> int:
        """N: patches a frame."""
        return (self.image_size // self.vision_config.patch_size) ** 2

    @property
    def longest_question(self) -> int:
        """Tokens of a question that the Q-Former reads; a longer one is cut on the left, as released."""
        return min(self.qformer_config.max_position_embeddings, 256)

    @property
    def image_size(self) -> int:
        """Pixels a side of a frame, as the vision encoder takes it."""
        return self.vision_config.image_size


_COUNTS = (
    "prototypes",
    "num_query_tokens",
    "event_neighbours",
    "pooled_side",
    "content_side",
    "max_frames",
)
