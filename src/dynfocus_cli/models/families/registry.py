"""The families that can run, by `model_type`."""

from __future__ import annotations

from dynfocus_cli.models.families.internvl import InternVL
from dynfocus_cli.models.families.llava_next_video import LlavaNextVideo
from dynfocus_cli.models.families.llava_onevision import LlavaOneVision
from dynfocus_cli.models.families.qwen2_5_vl import Qwen25VL
from dynfocus_cli.models.families.qwen3_vl import Qwen3VL
from dynfocus_cli.models.families.smolvlm import SmolVLM
from dynfocus_cli.models.families.video_llava import VideoLlava
from dynfocus_cli.models.vlm.family import Family

FAMILY_OF: dict[str, type[Family]] = {
    family.model_type: family
    for family in (InternVL, LlavaNextVideo, LlavaOneVision, Qwen25VL, Qwen3VL, SmolVLM, VideoLlava)
}
"""`model_type` in a config.json -> what is known of the family."""
