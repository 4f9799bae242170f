"""Hypothesis: two installations of dynfocus answer the same command lines with the same bytes.

Each command is run by both, in folders that begin equal: exit code, stdout, stderr and every file written are
compared. Measured seconds and free memory are left out of the comparison, and the folders that the programs
themselves stand in. It is for a change that is to alter nothing a user sees; one side
is a checkout from before.

    python benchmarks/same_outputs.py DYNFOCUS DYNFOCUS [--only TEXT] [--out FILE]
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo.mp4"

QUESTION = "What color is the heart at 00:12?"
FILES = {
    "broken.mp4": "This is no video.\n",
    "empty.mp4": "",
    "subtitles.srt": "1\n00:00:10,000 --> 00:00:14,000\nA heart.\n",
    "questions.txt": "How many scenes are there?\nWhat color is the heart at 00:12?\n",
    "questions.jsonl": '{"question": "What color is it?", "choices": ["blue", "purple"], "id": "q1"}\n',
    "paths.txt": "demo.mp4\nbroken.mp4\n",
    "settings.toml": "frames = 12\nkey-ratio = 0.5\n",
    "wrong.toml": "frames = 0\n",
}


class Case(NamedTuple):
    """A command line, and what it reads."""

    words: tuple[str, ...]
    stdin: str = ""
    """One of FILES, or nothing."""
    settings: str = "/dev/null"


def _case(*words: str, stdin: str = "", settings: str = "/dev/null") -> Case:
    return Case(words, stdin, settings)


CASES = (
    _case("ask", "demo.mp4", QUESTION),
    _case("ask", "demo.mp4", QUESTION, "--json"),
    _case("ask", "demo.mp4", QUESTION, "--json", "--no-cache", "--seed", "7"),
    _case("ask", "demo.mp4", QUESTION, "--json", "--fps", "2", "--start", "10", "--end", "20"),
    _case("ask", "demo.mp4", QUESTION, "--json", "--frames", "16", "--prototypes", "8", "--key-ratio", "0.5"),
    _case("ask", "demo.mp4", "How many scenes are there?", "--json", "--budget", "150"),
    _case("ask", "demo.mp4", "What color is the 7?", "--json", "--at", "00:17", "--scorer", "visual"),
    _case("ask", "demo.mp4", QUESTION, "--json", "--scorer", "density"),
    _case("ask", "demo.mp4", QUESTION, "--json", "--check"),
    _case("ask", "demo.mp4", QUESTION, "--json", "--choice", "A=red", "--choice", "B=purple"),
    _case("ask", "demo.mp4", QUESTION, "--json", "--subtitles", "subtitles.srt", "--anyway"),
    _case("ask", "demo.mp4", QUESTION, "--json", "--quantize", "nf4"),
    _case("ask", "demo.mp4", QUESTION, "--temperature", "1", "--seed", "3", "--max-new-tokens", "2"),
    _case("ask", "demo.mp4", "Who is the president?", "--jsonl"),
    _case("ask", "demo.mp4", "Who is the president?", "--jsonl", "--anyway"),
    _case("ask", "demo.mp4", "broken.mp4", "gone.mp4", "empty.mp4", QUESTION, "--jsonl"),
    _case("ask", "-", QUESTION, stdin="paths.txt"),
    _case("ask", "demo.mp4", "--questions", "questions.txt", "--jsonl"),
    _case("ask", "demo.mp4", "--questions", "questions.jsonl", "--output", "answers.jsonl"),
    _case("ask", ".", QUESTION, "--output", "folder.jsonl"),
    _case("ask", "demo.mp4", QUESTION, "--dry-run"),
    _case("ask", "demo.mp4", QUESTION, "--dry-run", "--json"),
    _case("ask", "demo.mp4", QUESTION, "--quiet", "--html", "page.html", "--csv", "frames.csv"),
    _case("ask", "demo.mp4", QUESTION, "--quiet", "--contact-sheet", "sheet.png", "--save-frames", "kept/"),
    _case("ask", "demo.mp4", QUESTION, "--quiet", "--edl", "cuts.edl", "--chapters", "chapters.vtt"),
    _case("ask", "demo.mp4", QUESTION, "--json", settings="settings.toml"),
    _case("ask", "demo.mp4", QUESTION, settings="wrong.toml"),
    _case("ask", "demo.mp4", QUESTION, "--at", "5:00"),
    _case("ask", "demo.mp4", QUESTION, "--fps", "2", "--frames", "4"),
    _case("ask", "demo.mp4", QUESTION, "--key-ratio", "1.5"),
    _case("ask", "demo.mp4", QUESTION, "--frames", "none"),
    _case("ask", "demo.mp4", QUESTION, "--budget", "3"),
    _case("ask", "demo.mp4", QUESTION, "--model", "no-such-model"),
    _case("ask", "demo.mp4", QUESTION, "--stock"),
    _case("ask", "demo.mp4"),
    _case("ask", "demo.mp4", QUESTION, "--csv", "-"),
    _case("inspect", "demo.mp4"),
    _case("inspect", "demo.mp4", "--json", "--question", QUESTION),
    _case("inspect", "demo.mp4", "--csv", "-", "--frames", "9"),
    _case("inspect", "demo.mp4", "broken.mp4", "--chapters", "chapters/"),
    _case("inspect", "demo.mp4", "--dry-run", "--json"),
    _case("inspect", "demo.mp4", "--edl", "cuts.edl", "--chapters", "chapters.ffmeta", "--html", "page.html"),
    _case("chat", "demo.mp4", stdin="questions.txt"),
    _case("chat", "demo.mp4", "--jsonl", stdin="questions.txt"),
    _case("models", "list"),
    _case("models", "list", "--json"),
    _case("models", "info", "dynfocus-tiny"),
    _case("models", "info", "qwen3-vl-2b"),
    _case("models", "pull", "no-such-model"),
    _case("synth", "clips", "--count", "2", "--seed", "5", "--questions", "4"),
    _case("train", "--data", "questions.jsonl", "--output", "trained", "--dry-run"),
    _case("cache", "clear"),
    _case("--version"),
    _case("aks", "demo.mp4"),
    *(
        _case(*words, "--help")
        for words in (
            (),
            ("ask",),
            ("inspect",),
            ("chat",),
            ("models",),
            ("models", "pull"),
            ("models", "convert"),
            ("train",),
            ("synth",),
            ("doctor",),
            ("cache",),
        )
    ),
)

VARYING = (
    (re.compile(r'"(timings_s|estimated_s)": \{[^}]*\}'), r'"\1": {}'),
    (re.compile(r'"(free|mtime|modified)": [\d.]+'), r'"\1": 0'),
    (re.compile(r"\b\d+(\.\d+)? (s|ms)\b"), r"# \2"),
    (re.compile(r"\b(decode|encode|select|generate) \d+\.\d+"), r"\1 #"),
    (re.compile(r"\b\d+(\.\d+)? (GiB|GB|MiB|MB) free"), r"# \2 free"),
)


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    stdout: bytes
    stderr: bytes
    files: dict[str, bytes]


def run(dynfocus: Path, case: Case, home: Path) -> Outcome:
    """The command in a new folder `home / "work"`, with a home and a cache of its own."""
    shutil.rmtree(home, ignore_errors=True)
    work = home / "work"
    work.mkdir(parents=True)
    shutil.copy(DEMO, work)
    for name, text in FILES.items():
        (work / name).write_text(text, encoding="utf-8")
    before = {path.name for path in work.iterdir()}
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DYNFOCUS", "XDG"))
    }
    settings = case.settings if case.settings == "/dev/null" else str(work / case.settings)
    done = subprocess.run(
        [dynfocus, *case.words],
        cwd=work,
        input=(FILES[case.stdin] if case.stdin else "").encode(),
        capture_output=True,
        env=environment
        | {"HOME": str(home), "DYNFOCUS_CONFIG": settings, "COLUMNS": "100", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    written = (path for path in sorted(work.rglob("*")) if path.is_file() and path.name not in before)
    files = {str(path.relative_to(work)): _steady(path.read_bytes(), dynfocus) for path in written}
    return Outcome(done.returncode, _steady(done.stdout, dynfocus), _steady(done.stderr, dynfocus), files)


def _steady(data: bytes, dynfocus: Path) -> bytes:
    """Without what is measured anew each time; pictures and videos as they are."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return text.replace(str(dynfocus.parents[2]), "CHECKOUT").encode()


def differences(first: Outcome, second: Outcome) -> list[str]:
    """One line or a few for each thing that differs."""
    lines = [] if first.code == second.code else [f"exit code {first.code} and {second.code}"]
    pairs = [("stdout", first.stdout, second.stdout), ("stderr", first.stderr, second.stderr)]
    for name in sorted(first.files.keys() | second.files.keys()):
        pairs.append((name, first.files.get(name, b""), second.files.get(name, b"")))
    for name, one, other in pairs:
        if one != other:
            texts = [data.decode("utf-8", "replace").splitlines() for data in (one, other)]
            changed = [line for line in difflib.unified_diff(*texts, lineterm="", n=0)][2:8]
            lines += [f"{name}: {len(one)} and {len(other)} bytes", *changed]
    return lines


def main() -> None:
    """Compares, and exits with 1 where a command differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dynfocus", nargs=2, type=Path)
    parser.add_argument("--only", default="", help="commands that contain this text")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    first, second = (path.absolute() for path in options.dynfocus)
    cases = [case for case in CASES if options.only in " ".join(case.words)]
    differing = {}
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases:
            # One after the other in the same place, so that paths are equal.
            outcomes = [run(dynfocus, case, Path(scratch) / "home") for dynfocus in (first, second)]
            lines = differences(*outcomes)
            print("same  " if not lines else "DIFFER", outcomes[0].code, " ".join(case.words), flush=True)
            for line in lines:
                print("       ", line[:300], flush=True)
            if lines:
                differing[" ".join(case.words)] = lines
    result = {"benchmark": "same_outputs", "commands": len(cases), "differ": differing}
    print(json.dumps(result))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
