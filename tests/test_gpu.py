"""The shipped model on a CUDA GPU: what it computes on a CPU, and a user's question."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from dynfocus_cli.checkpoints.loading import load_model
from dynfocus_cli.cli.app import app
from dynfocus_cli.model.stages import EventSelection, Question

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "weights" / "dynfocus-tiny"
DEMO = ROOT / "examples" / "demo.mp4"

pytestmark = pytest.mark.gpu

FRAMES = 24


def video_tokens(device: str) -> tuple[torch.Tensor, EventSelection]:
    """The tokens (1, M, D_l) and selection of random pixels, the same on each device; both on the CPU."""
    model = load_model(str(WEIGHTS), device)
    side = model.outline.preprocessing.size
    pixels = torch.randn(FRAMES, 3, side, side, generator=torch.Generator().manual_seed(0)).to(model.device)
    question = model.encode_question("What is shown at 00:05?")
    assert isinstance(question, Question)
    times_s = torch.arange(FRAMES, dtype=torch.float64, device=model.device).unsqueeze(0)
    with torch.inference_mode():
        connector = model.network.connector
        features = connector.prepare(model.network.encode_frames(pixels).unsqueeze(0))
        selection = connector.select(features, events=6, key_events=2, question=question, pinned=times_s == 5)
        tokens, _ = model.network.video_tokens(features, selection, question, times_s, times_s == 5)
    return tokens.float().cpu(), selection


def test_the_network_computes_on_cuda_what_it_does_on_the_cpu() -> None:
    tokens, selection = video_tokens("cpu")
    # TF32, cuDNN's default, keeps 10 bits of a product's factors: too few for the margin below.
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        on_cuda, selection_on_cuda = video_tokens("cuda")
    assert torch.equal(selection.assignment, selection_on_cuda.assignment.cpu())
    assert torch.equal(selection.key_frames, selection_on_cuda.key_frames.cpu())
    torch.testing.assert_close(on_cuda, tokens, atol=1e-3, rtol=1e-3)


def test_a_question_on_cuda() -> None:
    question = "What is shown at 00:05?"
    answers = []
    for device in ("cpu", "cuda"):
        run = CliRunner().invoke(
            app, ["ask", "--model", str(WEIGHTS), "--device", device, str(DEMO), question]
        )
        assert run.exit_code == 0, run.stderr
        answers.append(run.stdout)
    assert answers[0] == answers[1]
