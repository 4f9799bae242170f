"""Where and when a result was measured."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess


def provenance(model: str | None = None) -> dict[str, str | int]:
    """Machine, software, date and commit, for a result's JSON; and which weights a model's are."""
    import torch

    from dynfocus_cli.checkpoints import find_model
    from dynfocus_cli.checkpoints.identity import revision

    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 0,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
        "commit": described.stdout.strip() or "unknown",
        **({} if model is None else {"model": model, "revision": revision(find_model(model)[1])}),
    }
