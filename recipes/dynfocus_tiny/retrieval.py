"""The retrieval head of a tiny network: frames of its world and captions in one space, for `dynfocus find`.

    python -m dynfocus_tiny.retrieval --model weights/dynfocus-tiny --materials runs/materials

The network stays as it is: its features of single frames are made once. The head learns from them to tell the
colour and shape of each patch, then which captions are true of a frame, by SigLIP's loss (Zhai et al., ICCV
2023); what counts as found is measured on clips that it never saw. Minutes on one core, and a run that was
killed goes on. It writes `retrieval.safetensors` into the folder. With `--materials` frames are of the
widened world. Seeds of clips: 5,000,000 onwards for training, 6,000,000 onwards for the measurement.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.files import write_atomically
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.open import load_model
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.retrieval import FrameEncoder, RetrievalHead, RetrievalSizes, caption_ids
from dynfocus_cli.network.stages import Question
from dynfocus_cli.synth.look import Look
from dynfocus_cli.synth.world import COLORS, SHAPES, Script, Thing, write_script
from dynfocus_cli.training.schedules import warm_cosine
from dynfocus_cli.training.trainer import ParameterGroup, Schedule, train_model
from dynfocus_tiny.captions import caption_words, draw_captions, presence_of
from dynfocus_tiny.frames import DrawWorld, draw_old, draw_wide, film
from dynfocus_tiny.materials import load_materials
from dynfocus_tiny.precision import training_precision
from dynfocus_tiny.retrieval_threshold import measure
from dynfocus_tiny.run import claim
from dynfocus_tiny.vision import WEIGHT_DECAY, dense_labels

CLIPS, SEED = 3000, 5_000_000
FRAMES_A_CLIP = 6
PATCH_STEPS, CAPTION_STEPS, RATE = 1500, 7000, 2e-3
FRAMES, CAPTIONS = 128, 128
"""Of a batch."""
SAVE_EVERY = 250
FIRST_BIAS = -4.0
"""Most captions are true of few frames."""


class FrameStore:
    """Features of single frames of many clips, memory-mapped as float16, with what each frame and each of its
    patches shows.

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
        self._labels: np.memmap | None = None

    def _clip(self, clip: int) -> tuple[random.Random, Script, Look]:
        rng = random.Random(f"{SEED + clip} retrieval")
        world, look = self._draw(rng)
        return rng, write_script(SEED + clip, world=world), look

    def build(self, model: DynFocusModel, preprocessing: Preprocessing) -> None:
        """Renders and encodes the frames that are not on disk yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        progress, vision = self.folder / "progress.json", model.config.vision_config
        mode: Literal["r+", "w+"] = "r+" if progress.exists() else "w+"
        shape = (len(self.things), model.config.patches)
        features = (*shape, vision.hidden_size)
        self._patches = np.memmap(self.folder / "frames.f16", np.float16, mode, shape=features)
        self._labels = np.memmap(self.folder / "labels.u8", np.uint8, mode, shape=(*shape, 2))
        done = json.loads(progress.read_text())["clips"] if progress.exists() else 0
        for clip in range(done, self.clips):
            rng, script, look = self._clip(clip)
            rng = random.Random(f"{SEED + clip} frames")
            frames = [film(script, time_s, look, preprocessing.size, rng) for time_s in self._moments[clip]]
            with torch.no_grad():
                encoded = model.encode_frames(preprocessing(np.stack(frames)))
            rows = slice(clip * FRAMES_A_CLIP, (clip + 1) * FRAMES_A_CLIP)
            self._patches[rows] = encoded.numpy()
            for row, time_s in zip(range(rows.start, rows.stop), self._moments[clip], strict=True):
                seen = script.scene_at(time_s).at(time_s)
                labels = dense_labels(seen, preprocessing.size, vision.patch_size, look)
                self._labels[row] = labels[:, :2]
            if (clip + 1) % 100 == 0 or clip + 1 == self.clips:
                write_atomically(progress, json.dumps({"clips": clip + 1}).encode())

    def patches(self, frames: list[int]) -> tuple[Tensor, Tensor]:
        """Features (F, N, D_v) float32, and the shape and colour of each patch (F, N, 2) int64."""
        assert self._patches is not None
        assert self._labels is not None
        features, labels = self._patches[frames].astype(np.float32), self._labels[frames].astype(np.int64)
        return torch.from_numpy(features), torch.from_numpy(labels)

    @torch.no_grad()
    def counts(self, frame: FrameEncoder) -> Tensor:
        """What a frame encoder counts in each frame: (F, D)."""
        rows = range(len(self.things))
        parts = [list(rows[start : start + FRAMES]) for start in range(0, len(rows), FRAMES)]
        return torch.cat([frame.counts(self.patches(part)[0]) for part in parts])


def _draw_moment(script: Script, rng: random.Random) -> float:
    """A moment of a clip, often one of a brief event."""
    if script.needles and rng.random() < 0.3:
        needle = rng.choice(script.needles)
        return rng.uniform(needle.start_s, needle.end_s - 0.01)
    return rng.uniform(0.0, script.duration_s - 0.01)


class PatchModel(nn.Module):
    """First the frame encoder learns to tell each patch's colour and shape: a batch's number to its loss."""

    def __init__(self, frame: FrameEncoder, store: FrameStore, seed: int) -> None:
        super().__init__()
        self.frame = frame
        self._store, self._seed = store, seed

    def forward(self, number: int) -> Tensor:
        """The loss of a batch that is drawn from its number alone."""
        rng = random.Random(self._seed * 1_000_003 + number)
        frames = sorted(rng.sample(range(len(self._store.things)), FRAMES))
        patches, labels = self._store.patches(frames)
        with training_precision():
            colors, shapes = self.frame.aspects(patches)
        losses = (
            F.cross_entropy(logits.float().flatten(0, 1), labels[..., kind].flatten())
            for kind, logits in enumerate((shapes, colors))
        )
        return torch.stack(list(losses)).sum()


class CaptionModel(nn.Module):
    """Then captions learn which frames they are true of; what is counted in the frames stays as it is."""

    def __init__(self, head: RetrievalHead, prompt: PromptWriter, store: FrameStore, seed: int) -> None:
        super().__init__()
        head.frame.requires_grad_(False)
        for threshold in (head.frame.least, head.frame.slope):
            threshold.requires_grad_(True)
        self.head = head
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        self.bias = nn.Parameter(torch.tensor(FIRST_BIAS))
        self._prompt, self._store, self._seed = prompt, store, seed
        self._counts = store.counts(head.frame)

    def forward(self, number: int) -> Tensor:
        """The loss of a batch that is drawn from its number alone."""
        rng = random.Random(self._seed * 1_000_003 + number)
        frames = rng.sample(range(len(self._store.things)), FRAMES)
        things = [self._store.things[frame] for frame in frames]
        captions = draw_captions(things, rng, CAPTIONS)
        presence = presence_of(things)
        true = torch.stack([caption.is_true(presence) for caption in captions], dim=1).float()
        longest = self.head.sizes.longest
        tokens = Question.padded([caption_ids(self._prompt, each.text, longest) for each in captions])
        with training_precision():
            texts = self.head.text(tokens)
        vectors = self.head.frame.vectors(self._counts[frames])
        logits = self.log_scale.exp() * (vectors @ texts.float().T) + self.bias
        # As in SigLIP, a sum over all pairs: the few that are true would vanish in a mean.
        return F.binary_cross_entropy_with_logits(logits, true, reduction="sum") / len(frames)


def train_retrieval(folder: Path, model: nn.Module, *, steps: int, seed: int) -> None:
    """Trains in `folder` until `steps`, going on where an earlier call stopped."""

    def on_step(step: int, loss: float) -> None: ...

    rate = partial(warm_cosine, steps=steps, warmup=min(100, steps))
    schedule = Schedule(steps, RATE, rate, SAVE_EVERY, seed, weight_decay=WEIGHT_DECAY)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    train_model(folder, model, range(steps), [ParameterGroup(learned)], schedule, on_step)


def claim_features(work: Path, settings: Mapping[str, object]) -> None:
    """As `claim`; features that are there already have to be those of a run that is known.

    Raises:
        SystemExit: the folder is another run's, or holds features of nobody knows which.
    """
    if (work / "frames").exists() and not (work / "run.json").exists():
        raise SystemExit(f"{work} has features, but no run.json that says of what: name another --work.")
    claim(work, settings)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train the retrieval head of a tiny network; resumes by itself."
    )
    parser.add_argument("--model", type=Path, default=Path("weights/dynfocus-tiny"), help="the model folder")
    parser.add_argument("--work", type=Path, default=Path("runs/retrieval"), help="features and checkpoints")
    parser.add_argument("--materials", type=Path, help="fonts and pictures of the widened world")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(str(arguments.model), "cpu")
    assert isinstance(model, LoadedModel)
    draw = draw_old if arguments.materials is None else draw_wide(load_materials(arguments.materials))
    settings = {
        "model": revision(arguments.model),
        "widened": arguments.materials is not None,
        "seed": arguments.seed,
    }
    claim_features(arguments.work, settings)
    store = FrameStore(arguments.work / "frames", CLIPS, draw)
    store.build(model.network, model.spec.preprocessing)
    torch.manual_seed(arguments.seed)
    config = model.config
    sizes = RetrievalSizes(
        config.vision_config.hidden_size,
        config.qformer_config.vocab_size,
        aspects=(len(COLORS) + 1, len(SHAPES) + 1),
    )
    head = RetrievalHead(sizes, sorted(caption_words()))
    patches = PatchModel(head.frame, store, arguments.seed)
    train_retrieval(arguments.work / "patches", patches, steps=PATCH_STEPS, seed=arguments.seed)
    captions = CaptionModel(head, model.prompt, store, arguments.seed)
    train_retrieval(arguments.work / "captions", captions, steps=CAPTION_STEPS, seed=arguments.seed)
    report = measure(head.eval(), model, draw)
    head.save(arguments.model)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
