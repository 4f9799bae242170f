import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scoring import all_scored, problems, scored

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import Protocol, find_benchmark
from dynfocus_cli.evaluation.benchmarks.mlvu import DEV_FILES
from dynfocus_cli.evaluation.item import Item, Prediction, Scored

BENCHMARK = find_benchmark("mlvu")
FOUR = ["Yellow", "Red", "Green", "Blue"]


def choice(video: str = "a.mp4", answer: str = "Red", **changes: Any) -> dict[str, Any]:
    row = {
        "video": video,
        "duration": 246,
        "question": "What color is it ",
        "candidates": FOUR,
        "answer": answer,
        "question_type": "plotQA",
    }
    return row | changes


def words(task: str, **changes: Any) -> dict[str, Any]:
    row = {
        "video": "a.mp4",
        "duration": 246,
        "question": "Describe\nit.",
        "answer": "A man.",
        "question_type": task,
    }
    return row | ({"scoring_points": ["a man", "a hat"]} if task == "subPlot" else {}) | changes


def write_dev(data: Path, **rows: list[dict[str, Any]]) -> Path:
    folder = data / "MLVU" / "json"
    folder.mkdir(parents=True)
    for name, task in DEV_FILES.items():
        (folder / f"{name}.json").write_text(json.dumps(rows.get(task, [])))
    return data


@pytest.fixture
def dev(put: Callable[..., Path]) -> tuple[Item, ...]:
    folders = [f"MLVU/video/{name}/a.mp4" for name in DEV_FILES]
    rows = {
        "plotQA": [choice(), choice(answer="Blue")],
        "order": [choice(answer="Yellow")],
        "sub_scene": [words("subPlot")],
        "summary": [words("summary")],
    }
    dataset = BENCHMARK.read(write_dev(put(*folders), **rows), "dev")
    assert not dataset.problems
    assert [path.name for path in dataset.files] == [f"{name}.json" for name in DEV_FILES]
    return dataset.items


def write_test(
    data: Path, rows: list[dict[str, Any]], name: str = "test-ground-truth/test_mcq_gt.json"
) -> Path:
    path = data / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows))
    return data


@pytest.fixture
def test_items(put: Callable[..., Path]) -> tuple[Item, ...]:
    six = [*FOUR, "Black", "White"]
    rows = [
        choice("test_1.mp4", "White", candidates=six, question_id="AR_0", question_type="anomaly_reco"),
        choice("test_1.mp4", "Red", candidates=six, question_id="SQA_1", question_type="sportsQA"),
    ]
    data = write_test(put("MLVU_Test/video/test_1.mp4"), rows)
    write_test(data, [words("subPlot", video="test_1.mp4")], "test-ground-truth/test_ssc_gt.json")
    dataset = BENCHMARK.read(data, "test")
    assert not dataset.problems
    return dataset.items


def test_dev_items(dev: tuple[Item, ...]) -> None:
    assert [item.id for item in dev] == ["plotQA_0", "plotQA_1", "order_0", "sub_scene_0", "summary_0"]
    assert [item.video.parent.name for item in dev[::2]] == ["1_plotQA", "5_order", "9_summary"]
    assert [item.answer for item in dev] == ["B", "D", "A", "A man.", "A man."]
    assert not dev[3].options


def test_official_prompt(dev: tuple[Item, ...]) -> None:
    prompt = BENCHMARK.prompt(dev[0], "official")
    assert prompt.text == (
        "Carefully watch this video and pay attention to every detail. Based on your observations, select "
        "the best option that accurately addresses the question.\n"
        "Question: What color is it \nOptions:\n(A) Yellow\n(B) Red\n(C) Green\n(D) Blue\n"
        "Only give the best option."
    )
    assert prompt.prefix == "Best Option: ("
    assert BENCHMARK.prompt(dev[4], "official").text.endswith("answer the given questions.\nDescribe\nit.")


def test_prompts_of_the_harnesses(dev: tuple[Item, ...], test_items: tuple[Item, ...]) -> None:
    kit = BENCHMARK.prompt(dev[0], "vlmevalkit")
    assert (kit.text, kit.prefix) == (BENCHMARK.prompt(dev[0], "official").text, "")
    options = "What color is it \n(A) Yellow\n(B) Red\n(C) Green\n(D) Blue\n"
    assert (
        BENCHMARK.prompt(dev[0], "lmms-eval").text == f"{options}\nOnly give the best option.\nBest option: ("
    )
    assert BENCHMARK.prompt(test_items[0], "lmms-eval").text == f"{options}(E) Black\n(F) White\n"


@pytest.mark.parametrize(
    ("response", "official", "lmms_eval", "vlmevalkit"),
    [
        ("B", "B", "B", "B"),
        ("B) Red", "B", "B", "B"),
        ("(B) because", "B", "B", "B"),
        ("B.", None, "B", "B"),
        ("The answer is B.", None, "B", "B"),
        ("Best answer: B", None, "B", "B"),
        ("Red", None, None, "B"),
        ("it is red", None, None, "B"),
        ("A) no, (B) is", "A", "A", "A"),
        ("A) no, it is more like red", "A", "A", "B"),
        (")", None, None, None),
        ("E", None, None, None),
        ("b", None, None, None),
        ("", None, None, None),
        ("答案是B", None, "B", None),
    ],
)
def test_extract(
    dev: tuple[Item, ...], response: str, official: str | None, lmms_eval: str | None, vlmevalkit: str | None
) -> None:
    protocols: tuple[Protocol, ...] = ("official", "lmms-eval", "vlmevalkit")
    letters = [BENCHMARK.extract(dev[0], response, protocol) for protocol in protocols]
    assert letters == [official, lmms_eval, vlmevalkit]


def test_lmms_eval_knows_no_letters_beyond_d(test_items: tuple[Item, ...]) -> None:
    assert BENCHMARK.extract(test_items[0], "F) White", "official") == "F"
    assert BENCHMARK.extract(test_items[0], "F) White", "lmms-eval") is None


def test_averages_differ(dev: tuple[Item, ...]) -> None:
    outcome = all_scored(BENCHMARK, dev[:3], ["B) Red", "A)", "A)"])
    figures = BENCHMARK.summarise(outcome, "official")
    assert list(figures.items()) == [("M-Avg", 75.0), ("PQA", 50.0), ("AO", 100.0)]
    assert BENCHMARK.summarise(outcome, "lmms-eval")["M-Avg"] == pytest.approx(150 / 7)
    assert BENCHMARK.summarise(outcome, "vlmevalkit")["M-Avg"] == pytest.approx(200 / 3)
    assert BENCHMARK.summarise([], "official") == {}


def test_answers_in_words_are_judged(dev: tuple[Item, ...]) -> None:
    predictions = [Prediction(item, "even", "A man with a hat.", 320, 1.0) for item in dev]
    prompts = BENCHMARK.judge_prompts(predictions)
    assert [prompt.items for prompt in prompts] == [("sub_scene_0",), ("summary_0",)]
    assert "['a man', 'a hat']" in prompts[0].user
    grades: list[dict[str, float]] = [
        {},
        {},
        {},
        {"accuracy": 3, "relevance": 4},
        {"completeness": 1, "reliability": 2},
    ]
    outcome = [
        Scored(prediction, prediction.response, None, grade)
        for prediction, grade in zip(predictions, grades, strict=True)
    ]
    assert BENCHMARK.summarise(outcome, "official") == {"G-Avg": 5.0, "SSC": 7, "VS": 3}
    assert BENCHMARK.judged_score(dev[3], grades[3]) == 0.7


def test_submissions(dev: tuple[Item, ...], test_items: tuple[Item, ...]) -> None:
    files = BENCHMARK.submission(all_scored(BENCHMARK, dev, ["B", "B", "B", "one", "two"]))
    assert {name: json.loads(content) for name, content in files.items()} == {
        "subplot_all.json": [{"video_name": "a.mp4", "Q": "Describe\nit.", "A": "A man.", "pred": "one"}],
        "summary_all.json": [{"video_name": "a.mp4", "Q": "Describe\nit.", "A": "A man.", "pred": "two"}],
    }
    files = BENCHMARK.submission(all_scored(BENCHMARK, test_items, ["F) White", "(B) Red", "one"]))
    assert json.loads(files["test_res.json"]) == [
        {"question_id": "AR_0", "question_type": "anomaly_reco", "option": "F"},
        {"question_id": "SQA_1", "question_type": "sportsQA", "option": "(B"},
    ]


def test_the_test_set_without_answers(put: Callable[..., Path]) -> None:
    row = choice("t.mp4", question_id="AR_0")
    del row["answer"]
    data = write_test(put("video/t.mp4"), [row], "test_question.json")
    (item,) = BENCHMARK.read(data, "test").items
    assert item.answer is None
    assert BENCHMARK.summarise([scored(BENCHMARK, item, "B")], "official") == {}


def test_bad_entries_are_problems(put: Callable[..., Path]) -> None:
    rows = [
        choice("1.mp4"),
        choice("2.mp4"),
        choice(answer="Catching a drone"),
        choice(candidates=[*FOUR, "Black"]),
        choice(candidates=["", "Red", "Green", ""]),
        choice(question="", candidates=[""] * 4, answer=""),
        choice(),
    ]
    data = write_dev(put("MLVU/video/1_plotQA/a.mp4", "MLVU/video/1_plotQA/1.mkv"), plotQA=rows)
    dataset = BENCHMARK.read(data, "dev")
    assert [item.id for item in dataset.items] == ["plotQA_0", "plotQA_6"]
    assert problems(dataset) == {
        "plotQA_1": f"There is no video 2.mp4 in {data}.",
        "plotQA_2": "Its answer 'Catching a drone' is none of its options.",
        "plotQA_3": "It has 5 options, and 2 to 4 (A to D) are expected.",
        "plotQA_4": "One of its options has no text.",
        "plotQA_5": "It has no question.",
    }


def test_a_summary_without_an_answer_is_a_problem(put: Callable[..., Path]) -> None:
    """A summary is judged by the right one, a scene by its points."""
    rows = {"sub_scene": [words("subPlot", answer=None)], "summary": [words("summary", answer=None)]}
    dataset = BENCHMARK.read(write_dev(put("a.mp4"), **rows), "dev")
    assert [item.id for item in dataset.items] == ["sub_scene_0"]
    assert problems(dataset) == {"summary_0": "It has no answer."}


def test_another_benchmarks_folder_is_recognised(put: Callable[..., Path]) -> None:
    data = put("videos/a.mp4")
    (data / "video_info.meta.jsonl").write_text("")
    with pytest.raises(
        UsageError, match=r"holds no 1_plotQA\.json, which .* It looks like the folder of lvbench\."
    ):
        BENCHMARK.read(data, "dev")


def test_a_part_of_the_files(put: Callable[..., Path]) -> None:
    data = write_dev(put("a.mp4"))
    (data / "MLVU/json/9_summary.json").unlink()
    with pytest.raises(UsageError, match=r"but no 9_summary\.json"):
        BENCHMARK.read(data, "dev")


def test_another_version(put: Callable[..., Path]) -> None:
    row = choice()
    del row["candidates"]
    with pytest.raises(
        UsageError, match=r"entry 1 has no candidates\. Expected are the fields video, question, cand"
    ):
        BENCHMARK.read(write_dev(put("a.mp4"), needle=[row]), "dev")
