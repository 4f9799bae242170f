"""The whole recipe of `weights/stock`: a small SmolVLM that saw nothing but full, evenly spaced frames.

    python -m dynfocus_stock --work runs/stock --out weights/stock/model --seed 1

Every stage resumes from its last checkpoint, so the command may be killed and given again. The vision encoder
begins with that of `--tiny`, which never saw rods; the language model begins with nothing. `--so-far` writes
the folder of the last checkpoint. Seeds of clips: 5,000,000 onwards.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from transformers import SmolVLMForConditionalGeneration

from dynfocus_cli.models.families.smolvlm import SmolVLM
from dynfocus_cli.models.vlm.scaling import ProcessorFiles
from dynfocus_cli.training.trainer import steps_done
from dynfocus_stock.beginnings import begin_language
from dynfocus_stock.clips import FrameStore
from dynfocus_stock.config import stock_config, write_folder
from dynfocus_stock.language import CURRICULUM, LanguageModel, train_language
from dynfocus_stock.lessons import LessonWriter
from dynfocus_stock.tokenizer import train_tokenizer
from dynfocus_stock.vision import VisionModel, begin_with, train_vision
from dynfocus_tiny.recipe import PREPROCESSING
from dynfocus_tiny.run import load_last, trained_model

VISION_STEPS = 400
CLIPS, FIRST_SEED = 3000, 5_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small SmolVLM on full frames; resumes by itself.")
    parser.add_argument("--work", type=Path, default=Path("runs/stock"), help="checkpoints, caches, logs")
    parser.add_argument("--out", type=Path, default=Path("weights/stock/model"), help="the model folder")
    parser.add_argument("--tiny", type=Path, default=Path("weights/old-world/model"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--share", type=float, default=1.0, help="of each phase's steps")
    parser.add_argument("--so-far", action="store_true", help="train no further: write the folder alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    tokenizer = train_tokenizer()
    torch.manual_seed(arguments.seed)
    network = SmolVLMForConditionalGeneration(stock_config(tokenizer))
    begin_with(network.model.vision_model, trained_model(arguments.tiny)[0].vision, PREPROCESSING)
    vision = VisionModel(network.model.vision_model, seed=1)
    store = FrameStore(arguments.work / "clips", CLIPS, FIRST_SEED)
    if arguments.so_far:
        load_last(vision, arguments.work / "vision")
    else:
        train_vision(arguments.work / "vision", vision, VISION_STEPS, seed=1)
    network.model.vision_model.eval()
    begin_language(network, tokenizer, vision.heads, arguments.seed)
    answers = arguments.work / f"answers-{arguments.seed}"
    if not arguments.so_far:
        store.build(network.model.vision_model, arguments.clips)
    family = SmolVLM(network.config, ProcessorFiles(arguments.work))
    curriculum = [replace(phase, steps=round(arguments.share * phase.steps)) for phase in CURRICULUM]
    writer = LessonWriter(store, tokenizer, family)
    model = LanguageModel(network, writer, vision.heads, arguments.seed, curriculum)
    if arguments.so_far:
        load_last(model, answers)
        print(f"step {steps_done(answers)}")
    else:
        train_language(answers, model)
    write_folder(arguments.out, network.bfloat16(), tokenizer)
