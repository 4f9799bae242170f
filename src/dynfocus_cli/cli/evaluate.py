"""`dynfocus eval list|check|run|score|compare`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli import progress as display
from dynfocus_cli.cli.interrupts import interruptible
from dynfocus_cli.cli.output import write_line, write_record
from dynfocus_cli.cli.parameters import command
from dynfocus_cli.options import RunOptions

if TYPE_CHECKING:
    from dynfocus_cli.evaluation.benchmark import Benchmark
    from dynfocus_cli.evaluation.item import Dataset

app = typer.Typer(
    name="eval",
    help="Compare ways of choosing frames on a benchmark, at equal tokens.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

BenchArgument = Annotated[
    str, typer.Argument(metavar="BENCH", help="A benchmark (`eval list` names them), or a file of your own.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that a run wrote to.")]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the benchmark's official files and videos; nothing is downloaded.",
    ),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", metavar="NAME", help="Which part of it. Default: the first.")
]
JudgeOption = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="URL",
        help="Where a language model judges answers in words: an OpenAI-compatible address. Its key is taken "
        "from DYNFOCUS_JUDGE_KEY or OPENAI_API_KEY. Without it, no network is used.",
    ),
]
JudgeModelOption = Annotated[
    str | None, typer.Option("--judge-model", metavar="NAME", help="What the judge is called there.")
]


@app.command("list")
def list_benchmarks() -> None:
    """List the benchmarks that can be run."""
    from dynfocus_cli.evaluation.benchmark import benchmark_names, find_benchmark

    names = benchmark_names()
    width = max(map(len, names))
    for name in names:
        write_line(f"{name.ljust(width)}  {find_benchmark(name).title}")


@app.command()
def check(bench: BenchArgument, data: DataOption = None, split: SplitOption = None) -> None:
    """Say what of a benchmark is there and what is missing, split by split, without a model."""
    from dynfocus_cli.errors import UsageError, VideoUnreadable
    from dynfocus_cli.evaluation.sources import open_benchmark, read_split, unreadable_videos

    benchmark = open_benchmark(bench)
    splits = benchmark.splits if split is None else (split,)
    datasets: dict[str, Dataset] = {}
    errors: list[UsageError] = []
    for name in splits:
        try:
            datasets[name] = read_split(benchmark, data, name, folder=Path())
        except UsageError as error:
            errors.append(error)
    if not datasets:
        raise errors[0]
    for name in splits:
        if name not in datasets:
            write_line(f"{name}: not there")
            continue
        write_line(f"{name}: {_counts(datasets[name], benchmark)}")
        for problem in datasets[name].problems:
            write_line(f"  {problem.id}: {problem.message}")
        if not benchmark.makes_videos:
            with display.shown(name, display.is_visible(quiet=False)) as progress, interruptible():
                damages = list(unreadable_videos(datasets[name], progress))
            for damage in damages:
                write_line(f"  {damage}")
    if not any(dataset.items for dataset in datasets.values()):
        raise VideoUnreadable("There is no question that could be asked.")


@command(
    "retry_failed",
    "model",
    "fps",
    "seed",
    "max_new_tokens",
    "temperature",
    "quantize",
    "hwaccel",
    "quiet",
    name="eval",
)
def run(
    bench: BenchArgument,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="RUN", help="Folder to write to. What it has already is not done again."
        ),
    ],
    data: DataOption = None,
    split: SplitOption = None,
    arms: Annotated[
        str | None,
        typer.Option(
            "--arms",
            metavar="NAME,NAME",
            help="Ways of spending the tokens: dynfocus, even, key, stock, rods, topk, aks, or a scorer's "
            "name; of finding moments: find, frame, events, windows. Default: the first four, as far as the "
            "model can do them.",
        ),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(
            "--tokens",
            metavar="N",
            min=1,
            help="Video tokens of each arm. Default: those of 8 full key frames.",
        ),
    ] = None,
    protocol: Annotated[
        Literal["official", "lmms-eval", "vlmevalkit"],
        typer.Option("--protocol", help="Whose prompt and extractor are used."),
    ] = "official",
    scoring: Annotated[
        Literal["generate", "likelihood"] | None,
        typer.Option(
            "--scoring",
            help="Answer options in the model's words, or by the likeliest one. Default: generate; "
            "for a file of your own likelihood.",
        ),
    ] = None,
    subtitles: Annotated[
        bool, typer.Option("--subtitles", help="Give the model the subtitles that come with the videos.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Ask the first N questions alone.")
    ] = None,
    judge: JudgeOption = None,
    judge_model: JudgeModelOption = None,
    json: opt.JsonOption = False,
    batch: opt.BatchOptions,
    engine: opt.EngineOptions,
    model: opt.ModelRequest,
    run: RunOptions,
    show: opt.OutputOptions,
) -> None:
    """Ask a benchmark's questions, or search for its moments, by each arm, and say what comes of it."""
    from dynfocus_cli.cli.evaluate_run import RunRequest, evaluate, opened_judge

    request = RunRequest(
        bench,
        output,
        data,
        split,
        arms,
        tokens,
        protocol,
        scoring,
        subtitles,
        limit,
        batch.part,
        batch.retry_failed,
    )
    judge_ = opened_judge(judge, judge_model)
    evaluate(request, model, run, engine, judge_, json=json, quiet=show.quiet)


app.command("run")(run)


@app.command()
def score(
    run: RunArgument,
    judge: JudgeOption = None,
    judge_model: JudgeModelOption = None,
    json: opt.JsonOption = False,
) -> None:
    """Score again what a run stored, all of its shards together, without a model."""
    from dynfocus_cli.cli.evaluate_run import opened_judge, show_scores

    show_scores(run, opened_judge(judge, judge_model), json=json)


@app.command()
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN...", help="Folders of runs; the first is what others are held beside."
        ),
    ],
    json: opt.JsonOption = False,
) -> None:
    """Compare runs on the questions that they share, paired."""
    from dynfocus_cli.evaluation.comparison import compare_runs, comparison_record
    from dynfocus_cli.evaluation.summary import comparison_lines

    comparison = compare_runs(runs)
    if json:
        return write_record(comparison_record(comparison))
    for line in comparison_lines(comparison):
        write_line(line)


def _counts(dataset: Dataset, benchmark: Benchmark) -> str:
    """120 questions about 15 videos, 3 cannot be asked"""
    from dynfocus_cli.evaluation.wording import counted

    videos = len({item.video for item in dataset.items})
    what = ("query", "queries") if benchmark.scoring == "moments" else ("question", "questions")
    counts = f"{counted(len(dataset.items), *what)} about {counted(videos, 'video')}"
    subtitles = len({item.video for item in dataset.items if item.subtitles is not None})
    if subtitles:
        counts += f", {subtitles} of them with subtitles"
    if dataset.problems:
        counts += f"; {len(dataset.problems)} cannot be asked"
    return counts
