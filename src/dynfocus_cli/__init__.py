"""Ask a local video a question and see the evidence.

    import dynfocus_cli as dynfocus

    model = dynfocus.load()
    reply = model.ask("video.mp4", "What is she doing at 08:00?")
    print(reply.answer, [frame.timecode for frame in reply.evidence.key_frames])

Names load on first use, so that importing the package costs nothing and brings in no torch.
"""

from __future__ import annotations

# `typing` and `importlib` take longer than all the rest of `dynfocus --help`; type checkers know this name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dynfocus_cli.backends.protocol import Backend
    from dynfocus_cli.checkpoints.quantization import Quantization
    from dynfocus_cli.errors import (
        DynFocusError,
        ModelUnavailable,
        OutOfMemory,
        UsageError,
        VideoUnreadable,
    )
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.run_options import (
        DecodingOptions,
        GenerationOptions,
        RunOptions,
        SamplingOptions,
        SelectionOptions,
    )
    from dynfocus_cli.types import Answer, FrameEvidence, Inspection

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "DecodingOptions",
    "DynFocus",
    "DynFocusError",
    "FrameEvidence",
    "GenerationOptions",
    "Inspection",
    "ModelUnavailable",
    "OutOfMemory",
    "RunOptions",
    "SamplingOptions",
    "SelectionOptions",
    "UsageError",
    "VideoUnreadable",
    "__version__",
    "load",
]

_HOME_OF = {
    "Answer": "types",
    "DecodingOptions": "run_options",
    "DynFocusError": "errors",
    "FrameEvidence": "types",
    "GenerationOptions": "run_options",
    "Inspection": "types",
    "ModelUnavailable": "errors",
    "OutOfMemory": "errors",
    "RunOptions": "run_options",
    "SamplingOptions": "run_options",
    "SelectionOptions": "run_options",
    "UsageError": "errors",
    "VideoUnreadable": "errors",
}
"""Public name -> module of this package that defines it."""


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load(
    model: str | None = None,
    *,
    device: str = "auto",
    quantize: Quantization | None = None,
    selector: str | None = None,
) -> DynFocus:
    """Load a model by name or folder; None takes the best that is installed and fits.

    Args:
        quantize: None leaves weights as they are stored.
        selector: for a public model, the SigLIP or CLIP that finds the frames of a question.

    Raises:
        ModelUnavailable: it is unknown, incomplete, damaged, or cannot run on this machine.
        UsageError: it is stored quantized in another way than `quantize` says.
        OutOfMemory: its weights are more than the memory that is free.
    """
    from dynfocus_cli.checkpoints import load_model

    return DynFocus(load_model(model, device, quantize, selector))


class DynFocus:
    """A loaded model: `ask` and `inspect` do what the commands of these names do."""

    def __init__(self, model: Backend) -> None:
        self.model = model

    def __repr__(self) -> str:
        return f"DynFocus({self.model.info})"

    def ask(
        self,
        video: str,
        question: str,
        options: RunOptions | None = None,
        *,
        progress: Progress | None = None,
    ) -> Answer:
        """Answer `question` about the file `video`, with the evidence."""
        from dynfocus_cli import pipeline
        from dynfocus_cli.progress import Silent
        from dynfocus_cli.run_options import RunOptions

        return pipeline.ask(video, question, self.model, options or RunOptions(), progress or Silent())

    def inspect(
        self,
        video: str,
        question: str | None = None,
        options: RunOptions | None = None,
        *,
        progress: Progress | None = None,
    ) -> Inspection:
        """Select the key frames of the file `video`, without an answer."""
        from dynfocus_cli import pipeline
        from dynfocus_cli.progress import Silent
        from dynfocus_cli.run_options import RunOptions

        return pipeline.inspect(video, question, self.model, options or RunOptions(), progress or Silent())
