"""The retrieval head of a tiny network: frames of its world and captions in one space, for `dynfocus find`.

    python -m dynfocus_tiny.retrieval --model weights/dynfocus-tiny --work runs/retrieval

The network stays as it is: its features of single frames are made once, then the head learns from them and
captions of them, by SigLIP's loss (Zhai et al., ICCV 2023), and what counts as found is measured on clips
that it never saw. Minutes on one core, and a run that was killed goes on. It writes `retrieval.safetensors`
into the model's folder. With `--materials` the frames are of the widened world. Seeds of clips: 5,000,000
onwards for training, 6,000,000 onwards for the measurement.
"""

from __future__ import annotations

import argparse
import json
import random
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.files import write_atomically
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.open import load_model
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.retrieval import RetrievalHead, RetrievalSizes, caption_ids
from dynfocus_cli.network.stages import Question
from dynfocus_cli.synth.look import Look
from dynfocus_cli.synth.world import Script, Thing, write_script
from dynfocus_cli.training.run_log import add_to_log
from dynfocus_cli.training.schedules import warm_cosine
from dynfocus_cli.training.trainer import ParameterGroup, Schedule, train_model
from dynfocus_tiny.captions import caption_words, draw_captions, presence_of
from dynfocus_tiny.frames import DrawWorld, draw_old, draw_wide, film
from dynfocus_tiny.materials import load_materials
from dynfocus_tiny.precision import training_precision
from dynfocus_tiny.retrieval_threshold import measure
from dynfocus_tiny.vision import WEIGHT_DECAY

CLIPS, SEED = 5000, 5_000_000
FRAMES_A_CLIP = 6
STEPS, RATE = 4000, 2e-3
FRAMES, CAPTIONS = 128, 160
"""Of a batch."""
SAVE_EVERY = 250
FIRST_BIAS = -4.0
"""Most captions are true of few frames."""


class FrameStore:
    """Features of single frames of many clips, memory-mapped as float16, with what each frame shows.

    Building resumes after a kill: a clip is counted once its rows are on disk.
    """

    def __init__(self, folder: Path, clips: int, draw: DrawWorld) -> None:
        self.folder, self.clips, self._draw = folder, clips, draw
        self.things: list[tuple[Thing, ...]] = []
        self._moments: list[list[float]] = []
        for clip in range(clips):
            rng, script, _ = self._clip(clip)
            moments = sorted(_draw_moment(script, rng) for _ in range(FRAMES_A_CLIP))
            self._moments.append(moments)
            for time_s in moments:
                self.things.append(tuple(seen.thing for seen in script.scene_at(time_s).at(time_s)))
        self._patches: np.memmap | None = None

    def _clip(self, clip: int) -> tuple[random.Random, Script, Look]:
        rng = random.Random(f"{SEED + clip} retrieval")
        world, look = self._draw(rng)
        return rng, write_script(SEED + clip, world=world), look

    def build(self, model: DynFocusModel, preprocessing: Preprocessing) -> None:
        """Renders and encodes the frames that are not on disk yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path, progress = self.folder / "frames.f16", self.folder / "progress.json"
        mode: Literal["r+", "w+"] = "r+" if path.exists() else "w+"
        shape = (len(self.things), model.config.patches, model.config.vision_config.hidden_size)
        self._patches = np.memmap(path, np.float16, mode, shape=shape)
        done = json.loads(progress.read_text())["clips"] if progress.exists() else 0
        for clip in range(done, self.clips):
            rng, script, look = self._clip(clip)
            rng = random.Random(f"{SEED + clip} frames")
            frames = [film(script, time_s, look, preprocessing.size, rng) for time_s in self._moments[clip]]
            with torch.no_grad():
                encoded = model.encode_frames(preprocessing(np.stack(frames)))
            self._patches[clip * FRAMES_A_CLIP : (clip + 1) * FRAMES_A_CLIP] = encoded.numpy()
            if (clip + 1) % 100 == 0 or clip + 1 == self.clips:
                write_atomically(progress, json.dumps({"clips": clip + 1}).encode())

    def patches(self, frames: list[int]) -> Tensor:
        """(F, N, D_v) float32."""
        assert self._patches is not None
        return torch.from_numpy(self._patches[sorted(frames)].astype(np.float32))


def _draw_moment(script: Script, rng: random.Random) -> float:
    """A moment of a clip, often one of a brief event."""
    if script.needles and rng.random() < 0.3:
        needle = rng.choice(script.needles)
        return rng.uniform(needle.start_s, needle.end_s - 0.01)
    return rng.uniform(0.0, script.duration_s - 0.01)


class RetrievalModel(nn.Module):
    """A head in training: from a batch's number to its loss."""

    def __init__(self, head: RetrievalHead, prompt: PromptWriter, store: FrameStore, seed: int) -> None:
        super().__init__()
        self.head = head
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        self.bias = nn.Parameter(torch.tensor(FIRST_BIAS))
        self._prompt, self._store, self._seed = prompt, store, seed

    def forward(self, number: int) -> Tensor:
        """The loss of a batch that is drawn from its number alone."""
        rng = random.Random(self._seed * 1_000_003 + number)
        frames = sorted(rng.sample(range(len(self._store.things)), FRAMES))
        things = [self._store.things[frame] for frame in frames]
        captions = draw_captions(things, rng, CAPTIONS)
        presence = presence_of(things)
        true = torch.stack([caption.is_true(presence) for caption in captions], dim=1).float()
        longest = self.head.sizes.longest
        tokens = Question.padded([caption_ids(self._prompt, each.text, longest) for each in captions])
        with training_precision():
            vectors = self.head.frame(self._store.patches(frames))
            texts = self.head.text(tokens)
        logits = self.log_scale.exp() * (vectors.float() @ texts.float().T) + self.bias
        # As in SigLIP, a sum over all pairs: the few that are true would vanish in a mean.
        return F.binary_cross_entropy_with_logits(logits, true, reduction="sum") / FRAMES

    @torch.no_grad()
    def finish(self) -> None:
        """The learned scale and bias become the head's."""
        self.head.scale.copy_(self.log_scale.exp())
        self.head.bias.copy_(self.bias)


def train_retrieval(folder: Path, model: RetrievalModel, *, steps: int, seed: int) -> None:
    """Trains in `folder` until `steps`, going on where an earlier call stopped."""

    def on_step(step: int, loss: float) -> None:
        if step % 100 == 0:
            add_to_log(folder, step=step, scale=round(float(model.log_scale.detach().exp()), 3))

    schedule = Schedule(
        steps,
        RATE,
        partial(warm_cosine, steps=steps, warmup=200),
        SAVE_EVERY,
        seed,
        weight_decay=WEIGHT_DECAY,
    )
    train_model(folder, model, range(steps), [ParameterGroup(list(model.parameters()))], schedule, on_step)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train the retrieval head of a tiny network; resumes by itself."
    )
    parser.add_argument("--model", type=Path, default=Path("weights/dynfocus-tiny"), help="the model folder")
    parser.add_argument("--work", type=Path, default=Path("runs/retrieval"), help="features and checkpoints")
    parser.add_argument("--materials", type=Path, help="fonts and pictures of the widened world")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(str(arguments.model), "cpu")
    assert isinstance(model, LoadedModel)
    draw = draw_old if arguments.materials is None else draw_wide(load_materials(arguments.materials))
    store = FrameStore(arguments.work / "frames", CLIPS, draw)
    store.build(model.network, model.spec.preprocessing)
    torch.manual_seed(arguments.seed)
    sizes = RetrievalSizes(model.config.vision_config.hidden_size, model.config.qformer_config.vocab_size)
    head = RetrievalHead(sizes, sorted(caption_words()))
    learner = RetrievalModel(head, model.prompt, store, arguments.seed)
    train_retrieval(arguments.work / "head", learner, steps=arguments.steps, seed=arguments.seed)
    learner.finish()
    report = measure(head.eval(), model, draw)
    head.save(arguments.model)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
