"""Hypothesis: the paper's network at full size fits a laptop: converting a 7B LLaMA-VID folder to NF4 takes
at most 6 GB of memory, and loading and asking the result at most 8 GB.

    python benchmarks/full_size.py --folder /some/disk/with/25/GB --out benchmarks/results/full-size.json

The weights are random, since only their shapes matter here; nothing is downloaded. Each step is a process of
its own, whose peak resident memory is measured whatever this one has held (`child.py`); a conversion that is
done already is not repeated.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import child
from provenance import provenance
from random_llama_vid import write

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo.mp4"
MOST_BYTES = {"convert": 6e9, "ask": 8e9}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where about 25 GB are free")
    parser.add_argument("--quantize", choices=("none", "int8", "nf4"), default="nf4")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=8, help="length of the answer, at most")
    parser.add_argument("--layers", type=int, help="fewer than all, to try this script")
    parser.add_argument("--out", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    source, made = arguments.folder / "llama-vid-7b", arguments.folder / f"7b-{arguments.quantize}"
    if not source.exists():
        write(source, arguments.layers)
    dynfocus = [shutil.which("dynfocus", path=str(Path(sys.executable).parent)) or "dynfocus"]
    result: dict[str, Any] = {"quantization": arguments.quantize, "steps": {}}
    if not made.exists():
        convert = ["models", "convert", str(source), str(made), "--quantize", arguments.quantize]
        result["steps"]["convert"], _ = measured("convert", dynfocus + convert)
    result["source_bytes"] = size_of(source, "*.bin") + size_of(source, "*.pth")
    result["bytes"] = size_of(made, "*.safetensors")
    print(f"size      {result['source_bytes'] / 1e9:.2f} GB, converted {result['bytes'] / 1e9:.2f} GB")
    asked = [
        *dynfocus,
        *("ask", str(DEMO), "What is the man doing?", "--model", str(made), "--json", "--no-cache"),
        *("--frames", str(arguments.frames), "--max-new-tokens", str(arguments.tokens)),
    ]
    result["steps"]["ask"], said = measured("ask", asked)
    record = json.loads(said)
    _, planned = measured("dry run", [*asked, "--dry-run"])
    result["planned"] = json.loads(planned)["memory_bytes"]
    result |= {"frames": len(record["frames"]), "tokens": record["tokens"], "seconds": record["timings_s"]}
    print(f"seconds   {record['timings_s']}; tokens {record['tokens']}")
    result["measured"] = provenance()
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def measured(name: str, command: list[str]) -> tuple[dict[str, float], bytes]:
    """Seconds and peak resident bytes of a process, and what it printed."""
    done = child.run(command)
    most = MOST_BYTES.get(name)
    verdict = (
        ""
        if most is None
        else f", at most {most / 1e9:.0f}: {'met' if done.peak_bytes <= most else 'NOT met'}"
    )
    print(f"{name:9} {done.seconds:.0f} s, peak {done.peak_bytes / 1e9:.2f} GB{verdict}")
    return {"seconds": round(done.seconds, 1), "peak_bytes": done.peak_bytes}, done.said


def size_of(folder: Path, pattern: str) -> int:
    return sum(file.stat().st_size for file in folder.glob(pattern))


if __name__ == "__main__":
    main()
