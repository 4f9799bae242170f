"""Processes that train one network together."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
import torch
from torch import multiprocessing, nn

from dynfocus_tiny import domain, wide
from dynfocus_tiny.curriculum import Phase
from dynfocus_tiny.domain import write_domain
from dynfocus_tiny.run import trained_model
from dynfocus_tiny.workers import ALONE, Worker, join, leave, lesson_rng

OLD_WORLD = Path(__file__).parents[2] / "weights" / "old-world" / "model"


def test_a_process_that_nothing_started_beside_others_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join() is ALONE
    assert ALONE.is_first
    assert ALONE.folder(Path("run")) == Path("run")
    assert not Worker(1, 2).is_first
    assert Worker(1, 2).folder(Path("run")) == Path("run/worker-1")


def test_two_processes_step_by_the_mean_of_their_gradients(tmp_path: Path) -> None:
    multiprocessing.spawn(_worker, (_free_port(), tmp_path), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert first["weight"].equal(second["weight"])
    assert first["drawn"] != second["drawn"]
    # Each found one of the two gradients; one had nothing to say of the bias, and neither of the other layer.
    expected = torch.zeros(2) - 0.1 * torch.tensor([1.0 + 3.0, 2.0 + 4.0]) / 2
    torch.testing.assert_close(first["weight"][0], expected)
    torch.testing.assert_close(first["bias"], torch.tensor([-0.1 * 1.0 / 2]))
    assert first["unused"].eq(1.0).all()


def _worker(rank: int, port: int, folder: Path) -> None:
    _set_up(rank, port)
    worker = join()
    model = nn.Linear(2, 1)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    unused = nn.Parameter(torch.ones(2))
    decayed = {"params": [unused], "weight_decay": 0.5}
    optimizer = torch.optim.SGD([{"params": list(model.parameters())}, decayed], lr=0.1)
    lesson = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[worker.rank]
    if worker.is_first:
        model(lesson).sum().backward()
    else:
        (model.weight @ lesson).sum().backward()
    optimizer.step()
    drawn = lesson_rng(1, 5).random()
    learned = {"weight": model.weight.detach(), "bias": model.bias.detach(), "unused": unused.detach()}
    torch.save(learned | {"drawn": drawn}, folder / f"{rank}.pt")
    leave()


def test_a_worker_goes_on_from_the_first_one_s_checkpoint(tmp_path: Path) -> None:
    worker = Worker(1, 2)
    for folder, step in ((tmp_path, 200), (worker.folder(tmp_path), 400)):
        (folder / "answers" / f"checkpoint-{step}").mkdir(parents=True)
    worker.take_over(tmp_path, "answers")
    Worker(0, 2).take_over(tmp_path, "answers")
    for folder in (tmp_path, worker.folder(tmp_path)):
        assert [path.name for path in (folder / "answers").iterdir()] == ["checkpoint-200"]
    worker.take_over(tmp_path, "grounding")  # neither has begun
    assert not (worker.folder(tmp_path) / "grounding").exists()


@pytest.mark.slow
def test_two_processes_come_to_one_network(tmp_path: Path) -> None:
    for _ in range(2):  # the second run finds all done
        multiprocessing.spawn(_train, (_free_port(), tmp_path), nprocs=2)
        first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
        assert all(value.equal(second[name]) for name, value in first.items())
        shutil.rmtree(tmp_path / "run" / "worker-1" / "answers")
    begun, _ = trained_model(OLD_WORLD)
    name = "language_model.model.layers.0.mlp.up_proj.weight"
    assert not first[name].equal(begun.state_dict()[name])


def _train(rank: int, port: int, folder: Path) -> None:
    _set_up(rank, port)
    domain.CLIPS = domain.QUESTION_CLIPS = 8
    wide.READ_OUT_STEPS, wide.VISION_BATCH, wide.VALIDATION_CLIPS, wide.OLD_VALIDATION_CLIPS = 1, 2, 2, 2
    curriculum = [Phase("again", 2, (4, 8), 4, (1,), 1e-3)]
    recipe = wide.WideRecipe(
        folder / "run",
        1,
        OLD_WORLD,
        folder / "no materials",
        clips=4,
        vision_steps=2,
        grounding_steps=2,
        curriculum=curriculum,
        worker=join(),
    )
    recipe.train()
    torch.save(recipe.model.state_dict(), folder / f"{rank}.pt")
    leave()
    if rank == 0:  # fits by an optimizer of its own, which nobody else has a part in
        write_domain(folder, recipe.model, wide.PREPROCESSING, recipe.trained)


def _set_up(rank: int, port: int) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
