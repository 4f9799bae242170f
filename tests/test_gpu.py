"""The shipped model on a CUDA GPU: what it computes on a CPU, and a user's question."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from dynfocus_cli.cli.app import app
from dynfocus_cli.models.open import load_model
from dynfocus_cli.network.stages import EventSelection, Question
from dynfocus_cli.options import DecodingOptions, RunOptions
from dynfocus_cli.pipeline.run import Run
from dynfocus_cli.pipeline.steps import encode
from dynfocus_cli.planning.memory_plan import MemoryPlan
from dynfocus_cli.planning.plan import plan_run
from dynfocus_cli.planning.request import read_request
from dynfocus_cli.progress import Silent
from dynfocus_cli.stopwatch import Stopwatch

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "weights" / "dynfocus-tiny"
DEMO = ROOT / "examples" / "demo.mp4"

pytestmark = pytest.mark.gpu

FRAMES = 24
QUESTION = "What is shown at 00:05?"


def video_tokens(device: str) -> tuple[torch.Tensor, EventSelection]:
    """The tokens (1, M, D_l) and selection of random pixels, the same on each device; both on the CPU."""
    model = load_model(str(WEIGHTS), device)
    side = model.spec.preprocessing.size
    pixels = torch.randn(FRAMES, 3, side, side, generator=torch.Generator().manual_seed(0)).to(model.device)
    question = model.encode_question(QUESTION)
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
    answers = []
    for device in ("cpu", "cuda"):
        run = CliRunner().invoke(
            app, ["ask", "--model", str(WEIGHTS), "--device", device, str(DEMO), QUESTION]
        )
        assert run.exit_code == 0, run.stderr
        answers.append(run.stdout)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_quantized_on_cuda(kind: str) -> None:
    """Codes and scales are the CPU's, so the layers' results differ by rounding alone."""
    model = load_model(str(WEIGHTS), "cuda", kind)
    assert model.info.quantization == kind
    plain = load_model(str(WEIGHTS), "cuda")
    words = torch.randn(
        1, 40, model.config.text_config.hidden_size, generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        found, expected = (
            network.language_model(inputs_embeds=words.to("cuda")).logits.float().cpu()
            for network in (model.network, plain.network)
        )
    assert torch.nn.functional.cosine_similarity(found, expected, dim=-1).min() > 0.9


def test_the_vision_encoder_can_leave_the_gpu_and_come_back() -> None:
    model = load_model(str(WEIGHTS), "cuda")
    options = RunOptions(decoding=DecodingOptions(cache=False))
    answers = {}
    for tower in ("resident", "swapped", "offloaded", "resident"):
        request = read_request(str(DEMO), QUESTION, model.spec, options)
        plan = plan_run(request, model.spec, options, 10**12, MemoryPlan(8, 68, tower=tower))
        encoded = encode(Run(plan, model, options, Silent(), Stopwatch()))
        answers.setdefault(tower, encoded.frames.patches)
        expected = "cpu" if tower != "resident" else "cuda"
        assert model.network.vision.device.type == expected
    assert torch.equal(answers["resident"], answers["swapped"])
    torch.testing.assert_close(answers["offloaded"], answers["resident"], atol=2e-2, rtol=2e-2)


def test_planned_memory_on_cuda() -> None:
    """The allocator's own count of the weights, to a few percent."""
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    model = load_model(str(WEIGHTS), "cuda")
    taken = torch.cuda.memory_allocated() - before
    assert model.spec.memory.weights == pytest.approx(taken, rel=0.1)
