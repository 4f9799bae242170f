"""What learns, and what the loss is: exactly the parts of the stage, by the very answer that `ask` gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_trainings import COLORS, prepared
from torch.testing import assert_close

from dynfocus_cli.network.generation import rank_answers
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.progress import Silent
from dynfocus_cli.training import parts
from dynfocus_cli.training.answer_loss import AnswerLoss
from dynfocus_cli.training.batches import Batches
from dynfocus_cli.training.feature_store import FeatureStore
from dynfocus_cli.training.loading import load_for_training, make_trainable

pytestmark = pytest.mark.slow


def sizes_of(network: DynFocusModel) -> list[parts.PartSize]:
    """How much of each part learns; packed 4-bit weights count as the weights that they stand for."""
    learns = dict.fromkeys((*parts.PARTS, "vision encoder"), 0)
    frozen = dict(learns)
    for name, parameter in network.named_parameters():
        counted = learns if parameter.requires_grad else frozen
        packed = getattr(parameter, "quant_state", None)
        counted[parts.part_of(name)] += parameter.numel() if packed is None else packed.shape.numel()
    return [parts.PartSize(part, learns[part], frozen[part]) for part in learns]


class Training:
    """A model in front of a batch."""

    def __init__(self, data: Path, folder: Path, **changes: object) -> None:
        self.prepared = prepared(data, folder / "out", **changes)
        self.model = load_for_training(self.prepared)
        feature_store = FeatureStore(folder / "features", self.model, self.prepared.request.options)
        self.train, self.problems = feature_store.encode(self.prepared.train, Silent())
        make_trainable(self.model, self.prepared)
        self.batches = Batches(
            self.train, feature_store, self.model.spec, self.prepared.request.options, self.prepared.settings
        )
        self.loss = AnswerLoss(
            self.model.network, self.model.prompt, self.model.device, self.prepared.autocast
        )

    def gradients(self, number: int = 0) -> dict[str, float]:
        """Largest gradient of every parameter that has any."""
        self.loss.train()
        self.loss(self.batches[number]).backward()
        return {
            name: float(parameter.grad.abs().max())
            for name, parameter in self.model.network.named_parameters()
            if parameter.grad is not None
        }


def moved(gradients: dict[str, float]) -> set[str]:
    return {parts.part_of(name) for name, largest in gradients.items() if largest > 0}


def test_align_teaches_the_connector_alone(data: Path, tmp_path: Path) -> None:
    training = Training(data, tmp_path, stage="align")
    gradients = training.gradients()
    assert moved(gradients) == {"connector"}
    assert {parts.part_of(name) for name in gradients} == {"connector"}
    reached = {name.split(".")[1] for name, largest in gradients.items() if largest > 0}
    assert {"question_encoder", "rods", "fine", "coarse", "slots"} <= reached


@pytest.mark.parametrize("scorer", ["visual", "question"])
def test_instruct_teaches_the_score_network_too(data: Path, tmp_path: Path, scorer: str) -> None:
    from dataclasses import replace

    from small_trainings import request

    from dynfocus_cli.options import SelectionOptions

    options = request(data, tmp_path).options
    options = replace(options, selection=SelectionOptions(scorer=scorer))
    training = Training(data, tmp_path, options=options, sigma=0.5, samples=100)
    gradients = training.gradients()
    assert moved(gradients) == {"score network", "connector", "language model"}
    film = gradients.get("connector.score_network.question_film.weight", 0.0)
    assert (film > 0) == (scorer == "question")


def test_without_noise_the_score_network_learns_nothing(data: Path, tmp_path: Path) -> None:
    gradients = Training(data, tmp_path, sigma=0.0).gradients()
    assert moved(gradients) == {"connector", "language model"}


@pytest.mark.parametrize("tune", ["lora", "qlora"])
def test_adapters_learn_and_their_base_does_not(data: Path, tmp_path: Path, tune: str) -> None:
    training = Training(data, tmp_path, tune=tune, lora_rank=4)
    gradients = training.gradients()
    words = {name for name in gradients if parts.part_of(name) == "language model"}
    assert words
    assert all(".lora_" in name for name in words)
    # B is zero at first, so that A has no gradient yet.
    assert all((gradients[name] > 0) == (".lora_B." in name) for name in words)
    said = {size.part: size for size in training.prepared.sizes}
    found = {size.part: size for size in sizes_of(training.model.network)}
    assert said == found


def test_what_is_planned_to_learn_is_what_learns(data: Path, tmp_path: Path) -> None:
    for stage in ("align", "instruct"):
        training = Training(data, tmp_path / stage, stage=stage)
        assert list(training.prepared.sizes) == sizes_of(training.model.network)
        assert all(weights.dtype == torch.float32 for _, weights in parts.trainable(training.loss))


@torch.no_grad()
def test_the_loss_is_how_unlikely_ask_finds_the_answer(data: Path, tmp_path: Path) -> None:
    """A batch of videos of other lengths, one with a moment that is named, beside `ask`'s own likelihoods."""
    from dynfocus_cli.cce.budget import allow
    from dynfocus_cli.features.encoding import encode_video
    from dynfocus_cli.models.protocol import ScoredQuestion
    from dynfocus_cli.planning.focus import focus_frames
    from dynfocus_cli.stopwatch import Stopwatch

    training = Training(data, tmp_path, batch=4, sigma=0.0)
    model = training.model
    training.loss.eval()
    order = [training.batches.index(draw) for draw in range(4)]
    expected = []
    for place in order:
        one = training.train[place]
        frames = encode_video(
            one.source,
            one.sampling.times_s,
            model.vision_tower,
            None,
            "none",
            Silent(),
            Stopwatch(),
            batch_size=8,
        ).frames.distinct()
        session = model.session(one.source, frames, training.prepared.request.options.selection)
        price = model.spec.price(one.source, len(frames.times_s), training.prepared.request.options.selection)
        allowed = allow(
            len(frames.times_s), prototypes=16, key_ratio=0.25, limit=one.token_limit, price=price
        )
        pinned = focus_frames(one.sampling, None, frames.times_s, allowed.key_frames)
        asked = ScoredQuestion(one.example.question, one.scorer)
        choice = session.choose(asked, allowed, pinned, 0)
        found = rank_answers(
            model.network,
            model.prompt,
            session._tokens(choice, asked)[0],
            one.example.question,
            (),
            [one.example.answer],
        )
        expected.append(-found.log_likelihoods[0] / len(one.answer_ids))
    loss = training.loss(training.batches[0])
    assert_close(float(loss), sum(expected) / 4, atol=1e-4, rtol=0)


def test_batches_are_accumulated_ones(data: Path, tmp_path: Path) -> None:
    whole = Training(data, tmp_path / "whole", batch=4, accumulate=1, sigma=0.0)
    parted = Training(data, tmp_path / "parted", batch=2, accumulate=2, sigma=0.0)
    with torch.no_grad():
        one = whole.loss.eval()(whole.batches[0])
        two = [parted.loss.eval()(parted.batches[number]) for number in range(2)]
    assert_close(one, (two[0] + two[1]) / 2, atol=1e-5, rtol=0)


def test_every_batch_is_a_function_of_its_number(data: Path, tmp_path: Path) -> None:
    training = Training(data, tmp_path, batch=3, max_steps=6)
    drawn = [[group.texts for group in training.batches[number].groups] for number in range(6)]
    again = [[group.texts for group in training.batches[number].groups] for number in reversed(range(6))]
    assert drawn == again[::-1]
    places = [training.batches.index(draw) for draw in range(16)]
    assert sorted(places[:8]) == sorted(places[8:]) == list(range(8))
    assert places[:8] != places[8:]
    sigmas = [training.batches[number].exploration.sigma for number in range(6)]
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[0] == training.prepared.settings.sigma


def test_a_scorer_that_the_model_lacks_is_grown(tmp_path: Path) -> None:
    from dynfocus_cli.models.open import load_model

    network = load_model("dynfocus-tiny", "cpu").network
    before = {name: weights.clone() for name, weights in network.connector.score_network.state_dict().items()}
    assert not parts.add_score_network(network, question_aware=True, seed=0)
    network.config.question_aware_score = False
    assert parts.add_score_network(network, question_aware=True, seed=0)
    grown = network.connector.score_network.state_dict()
    assert all(torch.equal(grown[name], before[name]) for name in before)
    network.connector.score_network = None
    assert parts.add_score_network(network, question_aware=False, seed=0)
    assert network.config.scorer == "visual"
    assert network.connector.score_network.question_film is None


def test_features_are_mapped_and_made_once(data: Path, tmp_path: Path) -> None:
    Training(data, tmp_path)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "features").iterdir()}
    assert len(files) == 4
    assert "patches" in load_file(next(iter(files)))
    again = Training(data, tmp_path)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "features").iterdir()} == files
    assert len(again.train) == 8
    assert set(COLORS) < {one.example.answer for one in again.train}


def test_activations_computed_twice_give_the_same_gradients(data: Path, tmp_path: Path) -> None:
    kept = Training(data, tmp_path, checkpointing=False).gradients()
    twice = Training(data, tmp_path, checkpointing=True).gradients()
    assert kept.keys() == twice.keys()
    for name, largest in kept.items():
        assert_close(largest, twice[name], atol=1e-6, rtol=1e-3)
