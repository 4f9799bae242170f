"""Hypothesis: of the same responses, `dynfocus eval` finds the answers, the right ones and the figures that
lmms-eval, VLMEvalKit and the makers' own scripts find, and the makers' scripts take our submission files.

The multiple-choice benchmarks are read from invented files in their official layouts (`scorers_data.py`);
48 responses, odd ones among them, meet every right answer. The other side runs in an environment of its own
(`scorers_reference.py`). Compared are the letter found (where theirs is none of the question's options, ours
may be none), whether it is right, the figures, and for lmms-eval the prompt without subtitles. The texts that
the other prompts are made of must stand letter for letter in the files that they are said to be from.

    python -m venv /tmp/reference
    /tmp/reference/bin/pip install --no-deps lmms-eval==0.7.3
    /tmp/reference/bin/pip install pyyaml loguru pytz numpy pandas datasets opencv-python-headless \\
        jinja2 jsonlines tqdm
    cd /tmp/checkouts && git clone ...   # as `CHECKOUTS` below names them
    python benchmarks/scorers.py /tmp/reference/bin/python /tmp/checkouts \\
        --out benchmarks/results/scorers.json
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scorers_data
from dynfocus_cli.evaluation.benchmark import Benchmark, Protocol, find_benchmark
from dynfocus_cli.evaluation.benchmarks import longvideobench, mlvu, video_mme, video_mme_v2
from dynfocus_cli.evaluation.item import Item, Prediction, Scored
from provenance import provenance
from scorers_judge import judge_verdicts

HERE = Path(__file__).parent
CHECKOUTS = (
    "LVBench",  # THUDM/LVBench
    "LongVideoBench",  # longvideobench/LongVideoBench
    "MLVU",  # JUNJIE99/MLVU
    "VLMEvalKit",  # open-compass/VLMEvalKit
    "Video-MME",  # BradyFU/Video-MME, since moved to MME-Benchmarks
    "Video-MME-v2",  # MME-Benchmarks/Video-MME-v2
    "parse_answer",  # thanku-all/parse_answer
)
CLOSE = 1e-3
"""Of per cent: lmms-eval rounds LongVideoBench's accuracy to five digits."""


@dataclass(frozen=True)
class Comparison:
    """A benchmark, scored by our code and by a function of `scorers_reference.py`."""

    name: str
    data: str
    """The function of `scorers_data.py` that writes the files, and the folder's name."""
    split: str
    protocol: Protocol
    scorer: str


COMPARISONS = (
    Comparison("lvbench", "lvbench", "test", "official", "official_lvbench"),
    Comparison("lvbench", "lvbench", "test", "lmms-eval", "lmms_eval_lvbench"),
    Comparison("video-mme", "video_mme", "test", "official", "official_video_mme"),
    Comparison("video-mme", "video_mme", "test", "lmms-eval", "lmms_eval_video_mme"),
    Comparison("video-mme", "video_mme", "test", "vlmevalkit", "vlmevalkit_video_mme"),
    Comparison("video-mme-v2", "video_mme_v2", "test", "official", "official_video_mme_v2"),
    Comparison("video-mme-v2", "video_mme_v2", "test", "lmms-eval", "lmms_eval_video_mme_v2"),
    Comparison("video-mme-v2", "video_mme_v2", "test", "vlmevalkit", "vlmevalkit_video_mme_v2"),
    Comparison("mlvu", "mlvu_dev", "dev", "official", "official_mlvu"),
    Comparison("mlvu", "mlvu_dev", "dev", "lmms-eval", "lmms_eval_mlvu_dev"),
    Comparison("mlvu", "mlvu_dev", "dev", "vlmevalkit", "vlmevalkit_mlvu"),
    Comparison("mlvu", "mlvu_test", "test", "official", "official_mlvu"),
    Comparison("mlvu", "mlvu_test", "test", "lmms-eval", "lmms_eval_mlvu_test"),
    Comparison("longvideobench", "longvideobench", "val", "lmms-eval", "lmms_eval_longvideobench"),
    Comparison("longvideobench", "longvideobench", "val", "vlmevalkit", "vlmevalkit_longvideobench"),
)


TEXTS = {
    "Video-MME/README.md": (video_mme.SUBTITLES, f"{video_mme.INSTRUCTION}\n", video_mme.ENDING),
    "VLMEvalKit/vlmeval/dataset/videomme.py": (
        f"{video_mme.VLMEVALKIT_FRAMES}{video_mme.INSTRUCTION}\n",
        f"{video_mme.VLMEVALKIT_FRAMES}{video_mme.SUBTITLES}{{}}\n{video_mme.INSTRUCTION}\n",
        "Question: {}\nAnswer: ",
    ),
    "Video-MME-v2/evaluation/test_video_mme_v2.py": (
        video_mme_v2.FRAMES,
        f"{video_mme_v2.FRAMES} {video_mme.SUBTITLES}{{}}\n",
        video_mme_v2.INSTRUCTION,
    ),
    "VLMEvalKit/vlmeval/dataset/videommev2.py": (
        video_mme_v2.FRAMES,
        f"{video_mme_v2.FRAMES} {video_mme.SUBTITLES}{{}}\n",
        video_mme_v2.INSTRUCTION,
    ),
    "MLVU/evaluation_test/test_bench.py": (
        mlvu.CHOICE_SYSTEM,
        mlvu.CHOICE_INSTRUCTION,
        mlvu.CHOICE_PREFIX,
    ),
    "MLVU/evaluation/multiple_choice_evaluation/choice_bench.py": (mlvu.CHOICE_SYSTEM, mlvu.CHOICE_PREFIX),
    "MLVU/evaluation/generation_evaluation/open_bench.py": (mlvu.WORDS_SYSTEM,),
    "VLMEvalKit/vlmeval/dataset/mlvu.py": (mlvu.CHOICE_INSTRUCTION,),
    "LongVideoBench/longvideobench/longvideobench_dataset.py": (longvideobench.INSTRUCTION, "Question: "),
    "VLMEvalKit/vlmeval/dataset/longvideobench.py": (f"\n{longvideobench.INSTRUCTION}",),
}
"""A file -> the texts of prompts that are taken from it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("python", type=Path, help="of the environment that has lmms-eval")
    parser.add_argument("checkouts", type=Path, help="folder of the other repositories' clones")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for data in sorted({comparison.data for comparison in COMPARISONS}):
            (folder / data).mkdir()
            getattr(scorers_data, data)(folder / data)
        comparisons = compare(folder, arguments.python, arguments.checkouts)
        submissions = submit(folder, arguments.python, arguments.checkouts)
    texts = [text_verdict(arguments.checkouts, file) for file in TEXTS]
    for row in comparisons:
        same = "equal" if row["equal"] else "DIFFERENT"
        print(f"{row['benchmark']:15} {row['split']:5} {row['protocol']:11} {row['responses']:5}  {same}")
    for row in submissions:
        print(f"{row['file']:45} {'taken, equal' if row['equal'] else 'DIFFERENT'}  {row['by']}")
    for row in texts:
        print(f"{row['file']:60} {'letter for letter' if row['equal'] else 'DIFFERENT'}")
    result = {
        "hypothesis": (__doc__ or "").partition("\n\n")[0].removeprefix("Hypothesis: "),
        "comparisons": comparisons,
        "submissions": submissions,
        "texts": texts,
        "versions": versions(arguments.python, arguments.checkouts),
        "provenance": provenance(),
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"equal": all(row["equal"] for row in [*comparisons, *submissions, *texts])}))


def text_verdict(checkouts: Path, file: str) -> dict[str, Any]:
    """Whether the texts of a file are in it: in a string of its program, or as they are in any other text."""
    content = (checkouts / file).read_text()
    if file.endswith(".py"):
        nodes = ast.walk(ast.parse(content))
        strings = [
            node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    else:
        strings = [content]
    missing = [text for text in TEXTS[file] if not any(text in string for string in strings)]
    return {"file": file, "texts": len(TEXTS[file]), "missing": missing, "equal": not missing}


def compare(folder: Path, python: Path, checkouts: Path) -> list[dict[str, Any]]:
    """Each comparison's outcome."""
    sides = [(comparison, scored(folder / comparison.data, comparison)) for comparison in COMPARISONS]
    requests = [
        {
            "scorer": comparison.scorer,
            "documents": [document(comparison.name, one.prediction.item) for one in ours],
            "responses": [one.prediction.response for one in ours],
        }
        for comparison, ours in sides
    ]
    command = [python, HERE / "scorers_reference.py", checkouts]
    done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    outcomes = json.loads(done.stdout.splitlines()[-1])
    return [
        verdict(comparison, ours, theirs) for (comparison, ours), theirs in zip(sides, outcomes, strict=True)
    ]


def scored(data: Path, comparison: Comparison) -> list[Scored]:
    """Our side: the official files read, a response to each question, scored."""
    benchmark = find_benchmark(comparison.name)
    dataset = benchmark.read(data, comparison.split)
    if dataset.problems:
        sys.exit(f"{comparison.name}: {dataset.problems[0]}")
    return [
        score(benchmark, item, scorers_data.response(number), comparison.protocol)
        for number, item in enumerate(dataset.items)
    ]


def score(benchmark: Benchmark, item: Item, response: str, protocol: Protocol) -> Scored:
    letter = benchmark.extract(item, response, protocol)
    right = letter is not None and benchmark.is_right(item, letter)
    return Scored(Prediction(item, "even", response, 320, 1.0), letter, float(right))


def document(name: str, item: Item) -> dict[str, Any]:
    """An item as lmms-eval's data set of that benchmark has it, and for the other scorers its answer."""
    texts = [option.text for option in item.options]
    fields: dict[str, Any] = {**item.official, "question": item.question, "answer": item.answer}
    if name == "lvbench":
        fields["question"] = item.official["question"]
    if name == "mlvu":
        options = "".join(f"({option.letter}) {option.text}\n" for option in item.options)
        fields |= {"question": f"{item.question}\n{options}", "task_type": item.task, "candidates": texts}
    if name == "longvideobench":
        fields |= {f"option{place}": (texts + ["N/A"] * 5)[place] for place in range(5)}
        fields |= {
            "id": item.id,
            "correct_choice": "ABCDE".index(str(item.answer)),
            "duration_group": item.duration,
            "question_category": item.task,
        }
    return fields


def verdict(comparison: Comparison, ours: Sequence[Scored], theirs: dict[str, Any]) -> dict[str, Any]:
    """Where the two sides differ, with the first few cases of it."""
    benchmark = find_benchmark(comparison.name)
    cases = []
    for number, one in enumerate(ours):
        item = one.prediction.item
        letters = [option.letter for option in item.options]
        letter = theirs["letters"][number] if "letters" in theirs else one.extracted
        same_letter = (one.extracted or "") == letter or (one.extracted is None and letter not in letters)
        same_prompt = (
            "prompts" not in theirs
            or benchmark.prompt(item, comparison.protocol).text == theirs["prompts"][number]
        )
        if not (same_letter and same_prompt and bool(one.score) == theirs["right"][number]):
            cases.append({"response": one.prediction.response, "ours": one.extracted, "theirs": letter})
    figures = benchmark.summarise(ours, comparison.protocol)
    other = {
        name: [figures[name], value]
        for name, value in theirs.get("figures", {}).items()
        if not math.isclose(figures[name], value, abs_tol=CLOSE)
    }
    return {
        "benchmark": comparison.name,
        "split": comparison.split,
        "protocol": comparison.protocol,
        "responses": len(ours),
        "right": sum(bool(one.score) for one in ours),
        "unparsed": sum(one.extracted is None for one in ours),
        "figures": {name: figures[name] for name in theirs.get("figures", {})},
        "compared": sorted({"right", *theirs}),
        "equal": not cases and not other,
        "different": cases[:10],
        "different_figures": other,
    }


Figures = dict[str, float]


@dataclass(frozen=True)
class Submission:
    """A file of ours, and the script of the makers' that scores it."""

    data: str
    file: str
    checkout: str
    script: str
    run: Callable[[Path, Path, Path, Path], Figures]
    """From the other environment's Python, the checkout, the official files and our file to its figures."""
    tolerance: float = CLOSE


def submit(folder: Path, python: Path, checkouts: Path) -> list[dict[str, Any]]:
    """Our submission files, scored by the makers' scripts; their figures are held against ours."""
    rows = []
    for submission in SUBMISSIONS:
        comparison, ours = official_side(folder, submission.data)
        benchmark = find_benchmark(comparison.name)
        path = folder / submission.file
        path.write_bytes(benchmark.submission(ours)[submission.file])
        theirs = submission.run(python, checkouts / submission.checkout, folder / submission.data, path)
        figures = benchmark.summarise(ours, "official")
        equal = [math.isclose(figures[name], theirs[name], abs_tol=submission.tolerance) for name in theirs]
        rows.append(
            {
                "file": submission.file,
                "by": f"{submission.checkout}/{submission.script}",
                "ours": {name: figures[name] for name in theirs},
                "theirs": theirs,
                "equal": bool(equal) and all(equal),
            }
        )
    example = checkouts / "MLVU/evaluation_test/test_res.json"
    return [*rows, like_the_makers(folder, example), *judge_verdicts(python, checkouts / "MLVU")]


def official_side(folder: Path, data: str) -> tuple[Comparison, list[Scored]]:
    """Our side of the comparison with the makers' protocol."""
    comparison = next(one for one in COMPARISONS if one.data == data and one.protocol == "official")
    return comparison, scored(folder / data, comparison)


def _score_lvbench(python: Path, checkout: Path, data: Path, file: Path) -> Figures:
    code = (
        "import json, sys; from lvbench.metrics.compute_accuracy import compute_accuracy; "
        "print(json.dumps(compute_accuracy(*sys.argv[1:])))"
    )
    command = [python, "-c", code, file, data / "video_info.meta.jsonl"]
    shares = json.loads(_output(command, checkout))
    names = {"acc": "Overall", "entity recognition": "ER", "event understanding": "EU", "reasoning": "Rea"}
    names |= {"key information retrieval": "KIR", "temporal grounding": "TG", "summarization": "Sum"}
    return {names[name]: 100 * share for name, share in shares.items()}


def _score_video_mme(python: Path, checkout: Path, data: Path, file: Path) -> Figures:
    command = [python, "eval_your_results.py", "--results_file", file, "--video_duration_type"]
    text = _output([*command, "short,medium,long", "--return_categories_accuracy"], checkout)
    overall = [float(share) for share in re.findall(r"^Overall: +([\d.]+)%", text, re.MULTILINE)]
    figures = dict(zip(("short", "medium", "long", "overall"), overall, strict=True))
    domains = text.rpartition("Video Domains")[2]
    for name, share in re.findall(r"^([A-Z][\w& ]+): +([\d.]+)%", domains, re.MULTILINE):
        if name != "Overall":
            figures[f"domain: {name}"] = float(share)
    return figures


def _score_video_mme_v2(python: Path, checkout: Path, data: Path, file: Path) -> Figures:
    # torch is imported by the script, and used where it asks a model alone.
    code = (
        "import runpy, sys, types; sys.modules['torch'] = types.ModuleType('torch'); "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    script = checkout / "evaluation/test_video_mme_v2.py"
    options = ["--model", "none", "--parquet", data / "test.parquet", "--output", file]
    _output([python, "-c", code, script, *options], data)
    final = json.loads(file.with_name("predictions_rating.json").read_text())["final_rating"]
    names = {"total": "total", "relevance": "relevance_score", "logic": "logic_score"}
    names |= {f"level {level}": f"level_{level}" for level in (1, 2, 3)}
    return {ours: final[theirs] for ours, theirs in names.items()}


def like_the_makers(folder: Path, example: Path) -> dict[str, Any]:
    """MLVU's test set is scored by a server: our file has the fields and types of the makers' example."""
    _, ours = official_side(folder, "mlvu_test")
    file = find_benchmark("mlvu").submission(ours)["test_res.json"]
    kinds = [
        {(name, type(value).__name__) for row in json.loads(content) for name, value in row.items()}
        for content in (file, example.read_bytes())
    ]
    by = "MLVU/evaluation_test/test_res.json: the same fields and types"
    return {"file": "test_res.json", "by": by, "equal": kinds[0] == kinds[1]}


SUBMISSIONS = (
    Submission("lvbench", "answers.json", "LVBench", "lvbench/metrics/compute_accuracy.py", _score_lvbench),
    # The script prints one digit after the point.
    Submission("video_mme", "output.json", "parse_answer", "eval_your_results.py", _score_video_mme, 0.05001),
    Submission(
        "video_mme_v2",
        "predictions.tsv",
        "Video-MME-v2",
        "evaluation/test_video_mme_v2.py",
        _score_video_mme_v2,
    ),
)


def _output(command: list[Any], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    return done.stdout


def versions(python: Path, checkouts: Path) -> dict[str, str]:
    code = "from importlib.metadata import version; print(version('lmms-eval'))"
    commits = {name: _output(["git", "rev-parse", "HEAD"], checkouts / name).strip() for name in CHECKOUTS}
    return {"lmms-eval": _output([python, "-c", code], checkouts).strip(), **commits}


if __name__ == "__main__":
    main()
