"""`make tiny`: the whole recipe of `dynfocus-tiny`, from nothing to a model folder.

    python -m dynfocus_cli.training.tiny --work runs/tiny --out weights/dynfocus-tiny

Every stage resumes from its last checkpoint, so the command may be killed and given again at any time.
Seeds of clips: the lessons' scripts are 1,000,000 onwards, the exam's 500,000 onwards, the tokenizer's
2,000,000 onwards, the vision stage's above 2^41. Seeds below 500,000 are never trained on: tests take those.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import spawn
from transformers.utils import logging as transformers_logging

from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.model.network import DynFocusModel
from dynfocus_cli.model.prompt import PromptWriter
from dynfocus_cli.training.clips import ClipStore
from dynfocus_cli.training.curriculum import CURRICULUM, Student
from dynfocus_cli.training.grounding import load_grounding, train_grounding
from dynfocus_cli.training.tiny_config import IMAGE_SIZE, tiny_config
from dynfocus_cli.training.tokenizer import train_tokenizer
from dynfocus_cli.training.vision import DenseHeads, train_vision

LESSON_CLIPS, LESSON_SEED = 3000, 1_000_000
EXAM_CLIPS, EXAM_SEED = 150, 500_000
VISION_STEPS, VISION_BATCH = 6000, 32
GROUNDING_STEPS = 4000
FAMILIARITY_MARGIN = 1.25
"""How far beyond the farthest held-out clip a video of another world begins."""

PREPROCESSING = Preprocessing(size=IMAGE_SIZE, fit="squash")


def fresh_model(seed: int) -> tuple[DynFocusModel, PromptWriter]:
    """The untrained network and its tokenizer."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(seed)
    config = tiny_config(tokenizer)
    # Eager attention: on a CPU the backward pass of the fused kind is slower.
    config._attn_implementation = "eager"
    return DynFocusModel(config), PromptWriter(config, tokenizer)


def train(work: Path, seed: int, workers: int) -> None:
    """Runs the stages that are not done yet."""
    torch.set_num_threads(1)  # two threads win little alone, and beside other work they wait for each other
    model, prompt = fresh_model(seed)
    train_vision(work, model.config, steps=VISION_STEPS, batch=VISION_BATCH, seed=seed)
    load_vision(model, work)
    ClipStore(work / "exam", EXAM_CLIPS, EXAM_SEED).build(model, PREPROCESSING, seed)
    ClipStore(work / "lessons", LESSON_CLIPS, LESSON_SEED).build(model, PREPROCESSING, seed)
    lessons, exam = _stores(work, model)
    train_grounding(work, model, prompt, lessons, exam, steps=GROUNDING_STEPS, seed=seed)
    if workers == 1:
        _learn(0, 1, work, seed)
    else:
        # A killed run leaves the addresses of its workers, which are dead.
        (work / "workers").unlink(missing_ok=True)
        spawn(_learn, (workers, work, seed), nprocs=workers)


def _learn(rank: int, workers: int, work: Path, seed: int) -> None:
    torch.set_num_threads(1)
    # Autocast hands bfloat16 to a float32 norm, which torch takes a slower road for, and says so.
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    if workers > 1:
        meeting_point = (work / "workers").absolute()
        dist.init_process_group("gloo", init_method=f"file://{meeting_point}", rank=rank, world_size=workers)
    model, prompt = fresh_model(seed)
    heads = load_vision(model, work)
    load_grounding(model, work)
    lessons, exam = _stores(work, model)
    Student(work, model, prompt, lessons, exam, heads, seed).learn(CURRICULUM)
    if workers > 1:
        dist.destroy_process_group()


def _stores(work: Path, model: DynFocusModel) -> tuple[ClipStore, ClipStore]:
    """The lessons' clips and the exam's, open."""
    lessons = ClipStore(work / "lessons", LESSON_CLIPS, LESSON_SEED)
    exam = ClipStore(work / "exam", EXAM_CLIPS, EXAM_SEED)
    for store in (lessons, exam):
        store.open(model.config)
    return lessons, exam


def load_vision(model: DynFocusModel, work: Path) -> DenseHeads:
    """Puts the trained vision encoder of `work` into `model`, and returns the heads it was trained with."""
    state = torch.load(work / "vision.ckpt", weights_only=True)["model"]
    heads = DenseHeads(model.config.vision_config.hidden_size)
    trained = nn.ModuleDict({"vision": model.vision, "heads": heads})
    trained.load_state_dict(state)
    return heads


def export(work: Path, out: Path, seed: int) -> None:
    """Writes the model folder from the last checkpoint in `work`."""
    transformers_logging.set_verbosity_error()
    model, prompt = fresh_model(seed)
    state = torch.load(work / "answers.ckpt", weights_only=True)
    model.load_state_dict(state["model"])
    model.config._attn_implementation = None
    exam = ClipStore(work / "exam", EXAM_CLIPS, EXAM_SEED)
    known = Familiarity.measure(exam.encode_some(model, PREPROCESSING, seed, clips=60), FAMILIARITY_MARGIN)
    out.mkdir(parents=True, exist_ok=True)
    model.bfloat16().save_pretrained(out)
    prompt.tokenizer.save_pretrained(out)
    PREPROCESSING.save(out)
    known.save(out)
    for written in out.iterdir():
        written.chmod(0o644)  # safetensors writes for the owner's eyes alone
    print(json.dumps({"exported": str(out), "step": state["step"], "familiarity": known.threshold}))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train dynfocus-tiny from nothing; resumes by itself.")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/tiny"), help="checkpoints, caches and the log"
    )
    parser.add_argument("--out", type=Path, default=Path("weights/dynfocus-tiny"), help="the model folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes for the last stage, one a core")
    parser.add_argument("--export-only", action="store_true", help="write the folder alone")
    arguments = parser.parse_args()
    if not arguments.export_only:
        train(arguments.work, arguments.seed, arguments.workers)
    export(arguments.work, arguments.out, arguments.seed)


if __name__ == "__main__":
    main()
