"""The tiny network's domain, measured once it is trained: how frames of its world look to it, and which
videos and questions it learned from.

    python -m dynfocus_tiny.domain FOLDER [--materials FOLDER]

measures the network of a model folder, and writes `familiarity.safetensors` and `domain.json` into it. With
`--materials` its world is the widened one.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dynfocus_cli.features.domain import Domain, pairs_of, words_of
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.features.world_classifier import WorldClassifier
from dynfocus_cli.synth.backdrops import BACKDROPS
from dynfocus_cli.synth.look import PLAIN
from dynfocus_cli.synth.questions import ask, observe
from dynfocus_cli.synth.render import render_frame
from dynfocus_cli.synth.world import SHORT, WIDE, Background, Script, World, write_script
from dynfocus_cli.synth.write import SIZE
from dynfocus_cli.video.frame_converter import contained, letterboxed
from dynfocus_tiny.frames import DrawWorld, augment, draw_wide, film
from dynfocus_tiny.looks import training_look
from dynfocus_tiny.materials import Materials, load_materials
from dynfocus_tiny.wordings import TRAINING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dynfocus_cli.network.network import DynFocusModel

SEED = 3_000_000_000
"""Scripts from here on are in no training and no exam."""
CLIPS = 400
"""Clips of the world that are fitted to; three quarters as many measure how far out it reaches."""
FRAMES = 12
"""Of each clip, evenly spaced."""
ASPECT_RATIOS = (0.8, 1.25)
WIDE_ASPECT_RATIOS = (0.5, 2.3)
"""Of what `wide_looks` draws."""
QUESTION_CLIPS = 1500
"""Clips whose questions give the words: all things in all wordings."""
SMALLER, LARGER = (0.3, 0.6), (1.8, 2.6)
"""Sizes of things, as multiples of the world's, that are foreign to it."""
FOOTAGE = 6
"""Views over pictures without a thing, for each clip of a wide world."""
DULL = 0.5
"""Share of them that are of less contrast, most of these grey: a dull view is nearest to the plain grounds of
the world's own clips."""
LEFT_OUT = 0.03
"""Share of a wide world's held-out clips that may be taken for foreign, so that fewer foreign ones are taken
for its own."""
DISTANCE_MARGIN = 1.25
"""How many times as far as the farthest held-out clip another world begins."""

Encode = Callable[["NDArray[np.uint8]"], Tensor]
"""(T, size, size, 3) RGB to patch features (T, N, D_v)."""


@dataclass(frozen=True, slots=True)
class TrainedWorld:
    """What a network was trained on; the default is the world that `dynfocus-tiny` began with."""

    world: World = SHORT
    """Its limits: the longest clip and the most scenes."""
    aspect_ratios: tuple[float, float] = ASPECT_RATIOS
    """Least and largest width of a picture, divided by its height."""
    draw: DrawWorld | None = None
    """Draws a clip's world and look; None has the old world's."""
    backdrop: str | None = None
    """Pictures that its things stood before, which alone are none of its clips."""


def widened_world(materials: Materials) -> TrainedWorld:
    """The widened world, painted with these fonts and pictures."""
    return TrainedWorld(WIDE, WIDE_ASPECT_RATIOS, draw_wide(materials), materials.backdrop)


def measure_familiarity(
    encode: Encode, size: int, clips: int, trained: TrainedWorld = TrainedWorld()
) -> Familiarity:
    """How frames of the world look, beside things too small or too large for it, textures and empty pictures.

    Args:
        size: pixels a side that the encoder takes.
    """
    if trained.draw is not None:
        return _measure_wide(encode, size, clips, trained)
    held_out = [encode(frames) for frames in world_frames(SEED + clips, clips * 3 // 4, size)]
    inside = [encode(frames) for frames in world_frames(SEED, clips, size)]
    fitted = Familiarity.measure([*inside, *held_out], DISTANCE_MARGIN)
    small = world_frames(SEED + 10 * clips, max(2, clips * 3 // 10), size, SMALLER)
    large = world_frames(SEED + 20 * clips, max(2, clips // 5), size, LARGER)
    others = (
        *small,
        *large,
        *textures(SEED, max(2, clips // 2), size),
        *blanks(SEED, max(2, clips // 10), size),
    )
    outside = [fitted.whitened(encode(frames)) for frames in others]
    classifier = WorldClassifier.fit([fitted.whitened(video) for video in inside], outside)
    return replace(fitted, classifier=classifier)


def _measure_wide(encode: Encode, size: int, clips: int, trained: TrainedWorld) -> Familiarity:
    """The same of a world whose things are of nearly any size, before pictures and textures: foreign
    is what shows none of them."""
    assert trained.draw is not None
    held_out = [encode(frames) for frames in drawn_frames(SEED + clips, clips * 3 // 4, size, trained.draw)]
    inside = [encode(frames) for frames in drawn_frames(SEED, clips, size, trained.draw)]
    fitted = Familiarity.measure([*inside, *held_out], DISTANCE_MARGIN)
    others = [*textures(SEED, clips // 3, size), *blanks(SEED, max(2, clips // 20), size)]
    if trained.backdrop is not None:
        others += footage(SEED, FOOTAGE * clips, size, trained.backdrop)
    outside = [fitted.whitened(encode(frames)) for frames in others]
    classifier = WorldClassifier.fit([fitted.whitened(video) for video in inside], outside)
    odds = torch.tensor([classifier.log_odds(fitted.whitened(video)) for video in held_out])
    least = max(0.0, float(odds.quantile(LEFT_OUT)))
    return replace(fitted, classifier=replace(classifier, least=least))


def training_domain(clips: int, trained: TrainedWorld = TrainedWorld()) -> Domain:
    """The limits of the generated world, and the words of its questions and answers."""
    words, pairs = set[str](), set[tuple[str, str]]()
    for clip in range(clips):
        script = write_script(SEED + clip)
        observed = observe(script, [float(second) for second in range(script.duration_s)])
        for question in ask(observed, random.Random(clip), 24, wordings=TRAINING):
            read = words_of(question.question)
            words |= {*read, *words_of(question.answer)}
            pairs |= set(pairs_of(read))
    until_s, shots = float(trained.world.durations_s[1]), trained.world.scenes[1]
    return Domain(trained.aspect_ratios, until_s, shots, frozenset(words), frozenset(pairs))


def drawn_frames(seed: int, clips: int, size: int, draw: DrawWorld) -> Iterator[NDArray[np.uint8]]:
    """Frames of clips as training has them, between bars."""
    for number in range(clips):
        rng = random.Random(seed + number)
        world, look = draw(rng)
        script = write_script(seed + number, world=world)
        moments = np.linspace(0, script.duration_s - 1, FRAMES)
        yield np.stack([film(script, float(time_s), look, size, rng) for time_s in moments])


def footage(seed: int, count: int, size: int, backdrop: str) -> Iterator[NDArray[np.uint8]]:
    """Views that move over a picture in which nothing of the world stands, between bars or without."""
    for number in range(count):
        rng = random.Random(seed + number)
        width, height = contained((rng.choice((16, 16, 4, 1, 9)), rng.choice((9, 9, 3, 1, 16))), (size, size))
        ground = Background("plain", ((0, 0, 0), (0, 0, 0)), rng.getrandbits(31))
        picture = BACKDROPS[backdrop](ground, 2 * width, 2 * height).astype(np.float32)
        picture *= np.float32(rng.uniform(0.8, 1.6))
        if rng.random() < DULL:
            picture = _dulled(picture, rng)
        frames = []
        for _ in range(4):
            share = rng.uniform(0.35, 1.0)
            wide, high = round(2 * width * share), round(2 * height * share)
            left, top = rng.randint(0, 2 * width - wide), rng.randint(0, 2 * height - high)
            view = picture[top : top + high, left : left + wide].clip(0, 255).astype(np.uint8)
            frames.append(letterboxed(augment(view, (width, height), rng), size, size))
        yield np.stack(frames)


def _dulled(picture: NDArray[np.float32], rng: random.Random) -> NDArray[np.float32]:
    if rng.random() < 0.6:
        picture = picture.mean(-1, keepdims=True).repeat(3, axis=-1)
    mean = picture.mean((0, 1))
    level = mean if rng.random() < 0.5 else np.float32(rng.uniform(40, 200))
    dulled: NDArray[np.float32] = level + (picture - mean) * np.float32(rng.uniform(0.15, 1.0))
    return dulled


def world_frames(
    seed: int, clips: int, size: int, scales: tuple[float, float] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Frames of clips in many looks; with `scales`, of things as many times as large."""
    for number in range(clips):
        rng = random.Random(seed + number)
        script = write_script(seed + number)
        if scales is not None:
            script = _scaled(script, math.exp(rng.uniform(*map(math.log, scales))))
        look = training_look(rng) if rng.random() < 0.6 else PLAIN
        moments = np.linspace(0, script.duration_s - 1, FRAMES)
        yield np.stack([_resized(render_frame(script, float(t), SIZE, look), size) for t in moments])


def _scaled(script: Script, scale: float) -> Script:
    return replace(
        script,
        scenes=tuple(
            replace(
                scene,
                actors=tuple(replace(actor, radius=scale * actor.radius) for actor in scene.actors),
            )
            for scene in script.scenes
        ),
    )


def textures(seed: int, count: int, size: int) -> Iterator[NDArray[np.uint8]]:
    """Noise whose amplitude falls with a power of the frequency, as that of photographs does."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    for number in range(count):
        rng = np.random.default_rng(seed + number)
        spectrum = np.maximum(frequency, 1 / size) ** -rng.uniform(0.5, 2.6)
        grey, frames = rng.random() < 0.7, []
        for _ in range(4):
            noise = np.fft.fft2(rng.standard_normal((3, size, size))) * spectrum
            picture = np.fft.ifft2(noise).real.transpose(1, 2, 0)
            if grey:
                picture = picture.mean(-1, keepdims=True) * rng.uniform(0.8, 2, 3) + 0.3 * picture
            picture = (picture - picture.mean()) / picture.std() * rng.uniform(8, 70) + rng.uniform(
                20, 210, 3
            )
            frames.append(np.clip(picture, 0, 255).astype(np.uint8))
        yield np.stack(frames)


def blanks(seed: int, count: int, size: int) -> Iterator[NDArray[np.uint8]]:
    """Pictures of one colour."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield np.full((2, size, size, 3), rng.integers(0, 256, 3), dtype=np.uint8)


def _resized(frame: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """As the decoder's scaler does it."""
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC))


def encoder(model: DynFocusModel, preprocessing: Preprocessing) -> Encode:
    """The vision encoder of a network, as `ask` uses it."""

    @torch.no_grad()
    def encode(frames: NDArray[np.uint8]) -> Tensor:
        return model.encode_frames(preprocessing(frames).to(model.vision.dtype)).float()

    return encode


def write_domain(
    folder: Path, model: DynFocusModel, preprocessing: Preprocessing, trained: TrainedWorld = TrainedWorld()
) -> None:
    """Writes both files into `folder`."""
    measure_familiarity(encoder(model, preprocessing), preprocessing.size, CLIPS, trained).save(folder)
    training_domain(QUESTION_CLIPS, trained).save(folder)


def main() -> None:
    from dynfocus_cli.models.dynfocus.model import LoadedModel
    from dynfocus_cli.models.open import load_model

    parser = argparse.ArgumentParser(description="Measure the domain of a tiny network.")
    parser.add_argument("folder", type=Path, help="the model folder")
    parser.add_argument("--materials", type=Path, help="fonts and pictures of the widened world")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(str(arguments.folder), "cpu")
    assert isinstance(model, LoadedModel)
    trained = (
        TrainedWorld() if arguments.materials is None else widened_world(load_materials(arguments.materials))
    )
    write_domain(arguments.folder, model.network, model.spec.preprocessing, trained)


if __name__ == "__main__":
    main()
