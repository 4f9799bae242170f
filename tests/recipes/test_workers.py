"""Processes that train one network together."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing, nn

from dynfocus_tiny.workers import ALONE, Worker, join, lesson_rng


def test_a_process_that_nothing_started_beside_others_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join() is ALONE
    assert ALONE.is_first
    assert ALONE.folder(Path("run")) == Path("run")
    assert not Worker(1, 2).is_first
    assert Worker(1, 2).folder(Path("run")) == Path("run/worker-1")


def test_two_processes_step_by_the_mean_of_their_gradients(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_worker, (port, tmp_path), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert first["weight"].equal(second["weight"])
    assert first["drawn"] != second["drawn"]
    # Each found one of the two gradients, and one had nothing to say of the bias.
    expected = torch.zeros(2) - 0.1 * torch.tensor([1.0 + 3.0, 2.0 + 4.0]) / 2
    torch.testing.assert_close(first["weight"][0], expected)
    torch.testing.assert_close(first["bias"], torch.tensor([-0.1 * 1.0 / 2]))


def _worker(rank: int, port: int, folder: Path) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    worker = join()
    model = nn.Linear(2, 1)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lesson = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[worker.number]
    if worker.is_first:
        model(lesson).sum().backward()
    else:
        (model.weight @ lesson).sum().backward()
    optimizer.step()
    drawn = lesson_rng(1, 5).random()
    torch.save(
        {"weight": model.weight.detach(), "bias": model.bias.detach(), "drawn": drawn}, folder / f"{rank}.pt"
    )
    distributed.destroy_process_group()
