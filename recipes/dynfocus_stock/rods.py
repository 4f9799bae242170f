"""Fine-tuning with rods: LoRA on the language model, and the connector, on what `ask` would give the model.

    python -m dynfocus_stock.rods --model weights/stock/model --out runs/stock-rods/model

Each lesson is a question about a stretch of a clip at one frame a second, with events, key frames and rods of
the shipped code (`VlmSession`); the number of key frames and the scorer are drawn. LoRA is Hu et al., ICLR
2022. Seeds of clips: 6,000,000 onwards.
"""

from __future__ import annotations

import argparse
import random
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.cce.budget import allow
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.models.open import load_model
from dynfocus_cli.models.vlm.model import VlmModel, VlmSession
from dynfocus_cli.options import SelectionOptions
from dynfocus_cli.synth.questions import Question, ask, observe
from dynfocus_cli.synth.world import Script, write_script
from dynfocus_cli.synth.write import FPS, SIZE
from dynfocus_cli.training.answer_loss import IGNORED, teacher_forced
from dynfocus_cli.training.run_log import add_to_log
from dynfocus_cli.training.schedules import warm_cosine
from dynfocus_cli.training.trainer import ParameterGroup, Schedule, train_model
from dynfocus_cli.types import Condition, Scorer, VideoSource
from dynfocus_cli.video.mentions import find_mentions
from dynfocus_stock.config import IMAGE_SIZE, write_folder
from dynfocus_stock.language import TYPES
from dynfocus_stock.vision import PREPROCESSING, encode
from dynfocus_tiny.frames import film
from dynfocus_tiny.looks import training_look
from dynfocus_tiny.precision import training_precision

CLIPS, FIRST_SEED = 150, 6_000_000
STEPS, ROWS, SAVE_EVERY = 400, 12, 50
RATE, RANK, WEIGHT_DECAY = 1e-3, 16, 0.01
WITH_RODS = SelectionOptions(rods=True)
LONGEST_S = 64
"""Seconds of a lesson."""
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class RodLessons(nn.Module):
    """A public model in front of which DynFocus stands: from a batch's number to its loss."""

    def __init__(self, model: VlmModel, work: Path, seed: int) -> None:
        super().__init__()
        self._model, self._seed = model, seed
        self.scripts = [write_script(FIRST_SEED + clip) for clip in range(CLIPS)]
        self._features = _features(model.network.model.vision_model, self.scripts, work / "dense.pt")
        network = model.network
        network.requires_grad_(False)
        torch.manual_seed(seed)
        lora = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=LAYERS)
        self.adapter = get_peft_model(network.model.text_model, lora)
        self.connector = network.model.connector.requires_grad_(True)
        self.right = 0.0
        """Share of right answers lately."""

    def forward(self, number: int) -> Tensor:
        """The loss of a batch that is drawn from its number alone."""
        rng = random.Random(self._seed * 1_000_003 + number)
        inputs, labels = zip(*[self._example(rng) for _ in range(ROWS)], strict=True)
        padded = nn.utils.rnn.pad_sequence(list(labels), batch_first=True, padding_value=IGNORED)
        answered = padded != IGNORED
        network = self._model.network
        with training_precision():
            hidden = network.model.text_model(
                inputs_embeds=nn.utils.rnn.pad_sequence(list(inputs), batch_first=True), use_cache=False
            ).last_hidden_state
            logits = network.lm_head(hidden[answered]).float()
        hits = torch.ones_like(padded, dtype=torch.bool)
        hits[answered] = logits.argmax(-1) == padded[answered]
        self.right += 0.05 * (float(hits.all(1).float().mean()) - self.right)
        return F.cross_entropy(logits, padded[answered])

    def _example(self, rng: random.Random) -> tuple[Tensor, Tensor]:
        """Inputs (S, D_l) and labels (S,) of one question."""
        clip, question, start_s, end_s = self._question(rng)
        spec = self._model.spec
        session = self._session(clip, start_s, end_s)
        scorer: Scorer = "density" if rng.random() < 0.5 else "question"
        scored = spec.scorer(question.question, scorer)
        named = self._named(question, start_s, end_s)
        choice = session.choose(scored, self._allowance(rng, end_s - start_s), named, 0)
        with training_precision():
            video = session.video_tokens(choice, None, scored)
        ids, is_video = spec.prompt.ids(question.question, (), video)
        answer = [*spec.prompt.answers([question.answer])[0], spec.prompt.ends[0]]
        tokens, labels = teacher_forced(ids.tolist(), answer)
        embeddings = self._model.network.get_input_embeddings()(torch.tensor(tokens))
        shown = F.pad(is_video, (0, len(tokens) - len(ids)))
        embeddings = embeddings.masked_scatter(shown.unsqueeze(-1), video.embeddings.to(embeddings.dtype))
        return embeddings, torch.tensor(labels)

    def _question(self, rng: random.Random) -> tuple[int, Question, int, int]:
        """A clip, a question about it, and the seconds that it is asked of."""
        while True:
            clip = rng.randrange(CLIPS)
            length_s = min(self.scripts[clip].duration_s, LONGEST_S)
            start_s = rng.randint(0, self.scripts[clip].duration_s - length_s)
            seconds = [float(second) for second in range(start_s, start_s + length_s)]
            for question in ask(observe(self.scripts[clip], seconds), rng, 1, [rng.choice(TYPES)]):
                return clip, question, start_s, start_s + length_s

    def _session(self, clip: int, start_s: int, end_s: int) -> VlmSession:
        duration_s = self.scripts[clip].duration_s
        source = _source(duration_s)
        times = tuple(float(second) for second in range(start_s, end_s))
        features = self._features[clip][start_s:end_s].float()
        conditions: tuple[Condition, ...] = tuple("sound" for _ in times)
        frames = EncodedFrames(times, times, conditions, features)
        return self._model.session(source, frames, WITH_RODS)

    def _allowance(self, rng: random.Random, frames: int) -> Any:
        price = self._model.spec.price(_source(frames), 2, WITH_RODS)
        ratio = rng.choice((2, 4, 6, 8)) / frames
        return allow(frames, prototypes=frames, key_ratio=ratio, limit=1 << 20, price=price)

    @staticmethod
    def _named(question: Question, start_s: int, end_s: int) -> tuple[int, ...]:
        moments = find_mentions(question.question, float(end_s)).moments
        return tuple(int(moment) - start_s for moment in moments if start_s <= moment < end_s)


def _source(duration_s: int) -> VideoSource:
    """A generated clip as it would be on disk."""
    return VideoSource("", float(duration_s), SIZE, SIZE, float(FPS), "h264", 0, False, 0, 0.0)


def _features(vision: Any, scripts: list[Script], kept: Path) -> list[Tensor]:
    """Features (T, N, D_v) of every second of each clip, float16."""
    if kept.exists():
        stored: list[Tensor] = torch.load(kept, weights_only=True)
        return stored
    found = []
    for script in scripts:
        rng = random.Random(f"{script.seed} film")
        look = training_look(rng)
        frames = [film(script, float(s), look, IMAGE_SIZE, rng) for s in range(script.duration_s)]
        with torch.no_grad(), training_precision():
            found.append(encode(vision, PREPROCESSING(np.stack(frames))).half())
    kept.parent.mkdir(parents=True, exist_ok=True)
    torch.save(found, kept)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tune a small SmolVLM with rods; resumes by itself.")
    parser.add_argument(
        "--model", type=Path, default=Path("weights/stock/model"), help="the folder to go on from"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/stock-rods"), help="checkpoints, cache, log")
    parser.add_argument("--out", type=Path, default=Path("runs/stock-rods/model"), help="the model folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    model = load_model(str(arguments.model), "cpu")
    assert isinstance(model, VlmModel)
    lessons = RodLessons(model, arguments.work, arguments.seed)
    train_rods(arguments.work, lessons, arguments.steps)
    lessons.adapter.merge_and_unload()
    write_folder(arguments.out, model.network.bfloat16(), model.spec.prompt.tokenizer)


def train_rods(folder: Path, lessons: RodLessons, steps: int) -> None:
    """Trains in `folder` until `steps`, going on where an earlier call stopped."""

    def on_step(step: int, loss: float) -> None:
        if step % 25 == 0:
            add_to_log(folder, step=step, right=round(lessons.right, 3))

    schedule = Schedule(
        steps, RATE, partial(warm_cosine, steps=steps, warmup=20), SAVE_EVERY, 0, weight_decay=WEIGHT_DECAY
    )
    groups = [
        ParameterGroup([p for p in lessons.adapter.parameters() if p.requires_grad]),
        ParameterGroup(list(lessons.connector.parameters()), rate_share=0.3),
    ]
    train_model(folder, lessons, range(steps), groups, schedule, on_step)


if __name__ == "__main__":
    main()
