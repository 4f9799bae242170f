"""Hypothesis: of the same responses and with the same judge, `dynfocus eval` sends the messages and finds the
figures of the makers' own scripts and of lmms-eval, for VideoHallucer and for benchmarks that are judged.

The official layouts are filled with invented questions and odd responses. The judge is a server on this
machine, whose verdict follows from the message. Both sides ask it, and what it was sent is compared letter by
letter. The makers' scripts read our submission files; they run in another environment, which has lmms-eval:

    python benchmarks/judged_scorers.py /tmp/reference/bin/python /tmp/checkouts \\
        --out benchmarks/results/judged_scorers.json

CHECKOUTS has clones called VideoHallucer (patrick-tssn), Video-ChatGPT (mbzuai-oryx), LLaMA-VID
(dvlab-research) and MLVU (JUNJIE99).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from dynfocus_cli.evaluation.benchmark import Benchmark, find_benchmark
from dynfocus_cli.evaluation.item import Dataset, Prediction, Scored
from dynfocus_cli.evaluation.judge import Judge
from dynfocus_cli.evaluation.verdicts import judge_arm
from dynfocus_cli.progress import Silent
from provenance import provenance

HERE = Path(__file__).parent
PAIRS = 60
"""Of each kind of VideoHallucer's questions; and as many questions of each of the others' files."""

RESPONSES = (
    "Yes.",
    "No.",
    "yes, and no",
    "I think NO one is there",
    "Not really",
    "Yesterday",
    "",
    "No! {'pred': 'yes', 'score': 5}",
    "Ja, «genau» — yes\nor so",
    'a "quoted" answer with {question} in it',
    "nope, yesss",
    "there is a cat\tand no dog",
)


def response(number: int) -> str:
    return RESPONSES[(number * 7 + number // len(RESPONSES)) % len(RESPONSES)]


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_videohallucer(data: Path) -> None:
    for kind in ("object_relation", "temporal", "semantic_detail", "external_factual", "external_nonfactual"):
        sides = [
            {
                "basic": {"video": "a.mp4", "question": f"Is it {number}?", "answer": "yes"},
                "hallucination": {"video": "a.mp4", "question": f"Is it not {number}?", "answer": "no"},
                "type": "subject",
            }
            for number in range(PAIRS)
        ]
        write(data / kind / f"{kind}.json", sides)
        (data / kind / "videos").mkdir()
        (data / kind / "videos" / "a.mp4").touch()


def write_activitynet_qa(data: Path) -> None:
    asked = [
        {
            "video_name": f"v{number % 9}",
            "question": f"what is {number}",
            "question_id": f"v_{number}_{number}",
        }
        for number in range(PAIRS)
    ]
    answers = [
        {"answer": f"thing {number}", "type": number % 9, "question_id": f"v_{number}_{number}"}
        for number in range(PAIRS)
    ]
    write(data / "test_q.json", asked)
    write(data / "test_a.json", answers)
    for number in range(9):
        (data / f"v_v{number}.mp4").touch()


def write_vcg_bench(data: Path) -> None:
    for part in ("generic", "temporal"):
        rows = [
            {"Q": f"{part} {number}?", "A": f"It's {number}.", "video_name": f"v_{number}"}
            for number in range(PAIRS)
        ]
        write(data / f"{part}_qa.json", rows)
    rows = [
        {"Q1": f"who {number}?", "Q2": f"which {number}?", "A": f"{number}.", "video_name": f"v_{number}"}
        for number in range(PAIRS)
    ]
    write(data / "consistency_qa.json", rows)
    for number in range(PAIRS):
        (data / f"v_{number}.mp4").touch()


def verdict(user: str) -> str:
    """A judge's words, which follow from what it is sent."""
    digest = hashlib.sha256(user.encode()).digest()
    score = digest[0] % 6
    if "score_accuracy" in user or "Respondent" in user:
        return (
            f"{{'score_accuracy': {1 + score % 5}, 'score_relevance': {1 + digest[1] % 5}, 'total_score': 0}}"
        )
    if "keys 'pred' and 'score'" in user:
        return f"{{'pred': '{'yes' if digest[1] % 2 else 'no'}', 'score': {score}.{digest[2] % 10}}}"
    return f"{{'score': {score}.{digest[2] % 10}}}"


@contextmanager
def judge_server() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The judge's address, and the messages that it was sent."""
    messages: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            system, user = (message["content"] for message in body["messages"])
            messages.append((system, user))
            message = {"role": "assistant", "content": verdict(user)}
            content = json.dumps({"model": "judge", "choices": [{"message": message}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", messages
    finally:
        server.shutdown()
        server.server_close()


def scored(benchmark: Benchmark, dataset: Dataset) -> list[Scored]:
    """A response to each item, scored as far as no judge is needed."""
    if dataset.problems:
        sys.exit(f"{benchmark.name}: {dataset.problems[0].message}")
    results = []
    for number, item in enumerate(dataset.items):
        words = response(number)
        extracted = benchmark.extract(item, words, "official")
        right = extracted is not None and benchmark.is_right(item, extracted)
        score = None if benchmark.judged else float(right)
        results.append(Scored(Prediction(item, "even", words, 1, 1.0), extracted, score))
    return results


def ours(name: str, data: Path, url: str) -> tuple[Benchmark, list[Scored]]:
    """The benchmark and its responses, scored and judged by our code; its submission lies beside the data."""
    benchmark = find_benchmark(name)
    results = scored(benchmark, benchmark.read(data, "test"))
    if benchmark.judged:
        with Judge(url, "judge") as judge:
            results, judgement = judge_arm(benchmark, results, data / "verdicts.jsonl", judge, Silent())
        if judgement.unjudged:
            sys.exit(f"{name}: {judgement.unjudged} of {judgement.prompts} answers are not judged")
    for file, content in benchmark.submission(results).items():
        (data / "submission").mkdir(exist_ok=True)
        (data / "submission" / file).write_bytes(content)
    return benchmark, results


def theirs(python: Path, checkouts: Path, scorer: str, data: Path, url: str) -> dict[str, float]:
    """The figures of a function of `judged_scorers_reference.py`."""
    command = [python, HERE / "judged_scorers_reference.py", scorer, checkouts, data, url]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{scorer}: {done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def compare(
    python: Path,
    checkouts: Path,
    data: Path,
    name: str,
    layout: Callable[[Path], None],
    scorers: Sequence[str],
) -> list[dict[str, Any]]:
    """Our figures and messages beside those of each scorer."""
    data.mkdir()
    layout(data)
    rows = []
    with judge_server() as (url, messages):
        benchmark, results = ours(name, data, url)
        figures, sent = benchmark.summarise(results, "official"), sorted(messages)
        for scorer in scorers:
            messages.clear()
            other = theirs(python, checkouts, scorer, data, url)
            same_figures = all(abs(figures[figure] - value) < 1e-9 for figure, value in other.items())
            rows.append(
                {
                    "benchmark": name,
                    "scorer": scorer,
                    "responses": len(results),
                    "figures": {figure: [figures[figure], value] for figure, value in other.items()},
                    "messages": len(messages),
                    "equal": same_figures and (set(messages) <= set(sent) and (bool(messages) == bool(sent))),
                    "all_messages": set(messages) == set(sent),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("python", type=Path, help="of the environment that has lmms-eval")
    parser.add_argument("checkouts", type=Path, help="folder of the other repositories' clones")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    cases: tuple[tuple[str, Callable[[Path], None], tuple[str, ...]], ...] = (
        ("videohallucer", write_videohallucer, ("videohallucer",)),
        (
            "activitynet-qa",
            write_activitynet_qa,
            ("video_chatgpt_qa", "llama_vid_qa", "lmms_eval_activitynet_qa"),
        ),
        ("vcg-bench", write_vcg_bench, ("video_chatgpt_vcg", "lmms_eval_vcg")),
    )
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, layout, scorers in cases:
            data = Path(temporary) / name
            rows += compare(arguments.python, arguments.checkouts, data, name, layout, scorers)
    for row in rows:
        same = "equal" if row["equal"] else "DIFFERENT"
        letters = "all messages equal" if row["all_messages"] else f"{row['messages']} messages"
        print(f"{row['benchmark']:15} {row['scorer']:26} {row['responses']:4}  {same}, {letters}")
    result = {
        "hypothesis": (__doc__ or "").partition("\n\n")[0].removeprefix("Hypothesis: "),
        "comparisons": rows,
        "provenance": provenance(),
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"equal": all(row["equal"] for row in rows)}))


if __name__ == "__main__":
    main()
