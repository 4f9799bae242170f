"""MSVD-QA, MSRVTT-QA and ActivityNet-QA: two layouts of files, judged answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from official_folders import MSVD_ROWS, activitynet_qa, ids, touch_videos, write_json
from scoring import all_scored

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import find_benchmark

MSVD, MSRVTT, ANET = map(find_benchmark, ("msvd-qa", "msrvtt-qa", "activitynet-qa"))


def test_msvd_with_the_original_mapping(tmp_path: Path) -> None:
    write_json(tmp_path / "test_qa.json", MSVD_ROWS)
    (tmp_path / "youtube_mapping.txt").write_text("-4wsuPCjDBc_5_15 vid1451\nabc_1_2 vid1452\n")
    touch_videos(tmp_path / "YouTubeClips", ["-4wsuPCjDBc_5_15.avi", "abc_1_2.avi"])
    dataset = MSVD.read(tmp_path, "test")
    assert dataset.problems == ()
    assert [item.video.name for item in dataset.items] == ["-4wsuPCjDBc_5_15.avi"] * 2 + ["abc_1_2.avi"]
    assert [item.answer for item in dataset.items] == ["cucumber", "woman", "dog"]


def test_a_mapping_with_a_byte_order_mark(tmp_path: Path) -> None:
    write_json(tmp_path / "test_qa.json", MSVD_ROWS[:1])
    (tmp_path / "youtube_mapping.txt").write_text("-4wsuPCjDBc_5_15 vid1451\n", encoding="utf-8-sig")
    touch_videos(tmp_path / "YouTubeClips", ["-4wsuPCjDBc_5_15.avi"])
    assert ids(MSVD.read(tmp_path, "test")) == ["35989"]


def test_msvd_by_numbers_and_by_names(tmp_path: Path) -> None:
    rows = [*MSVD_ROWS, {"id": 4, "video_id": "xyz_3_9", "question": "what?", "answer": "cat"}]
    write_json(tmp_path / "test_qa.json", rows)
    touch_videos(tmp_path / "video", ["vid1451.avi", "1452.mp4", "xyz_3_9.avi"])
    assert MSVD.read(tmp_path, "test").problems == ()


def test_msvd_in_two_files(tmp_path: Path) -> None:
    folder = tmp_path / "MSVD_Zero_Shot_QA"
    write_json(folder / "test_q.json", [{"video_name": "abc_1_2", "question": "who?", "question_id": "0"}])
    write_json(folder / "test_a.json", [{"answer": "man", "question_id": "0"}])
    touch_videos(folder / "videos", ["abc_1_2.avi"])
    (item,) = MSVD.read(tmp_path, "test").items
    assert (item.id, item.answer, item.video.name) == ("0", "man", "abc_1_2.avi")


def test_msrvtt(tmp_path: Path) -> None:
    rows = [{"id": 1, "video_id": 7010, "category_id": 1, "question": "who?", "answer": "man"}]
    write_json(tmp_path / "test_qa.json", rows)
    touch_videos(tmp_path / "TestVideo", ["video7010.mp4"])
    (item,) = MSRVTT.read(tmp_path, "test").items
    assert item.video.name == "video7010.mp4"
    with pytest.raises(UsageError, match="is of msrvtt-qa, and not of msvd-qa"):
        MSVD.read(tmp_path, "test")
    with pytest.raises(UsageError, match="test_q"):
        ANET.read(tmp_path / "TestVideo", "test")


def test_activitynet(tmp_path: Path) -> None:
    dataset = ANET.read(activitynet_qa(tmp_path), "test")
    assert ids(dataset) == ["v_1QIUV7WYKXg_3", "v_9eniCub7u60_2"]
    assert [item.task for item in dataset.items] == ["yes or no", "motion"]
    assert [item.video.name for item in dataset.items] == ["v_1QIUV7WYKXg.mp4", "v_9eniCub7u60.mkv"]
    first = dataset.items[0]
    assert ANET.prompt(first, "official").text == "is the man Tall"
    assert ANET.prompt(first, "lmms-eval", ["Hi"]).text == (
        "Hi\nIs the man tall? Answer the question using a single word or phrase."
    )
    for other in (MSVD, MSRVTT):
        with pytest.raises(UsageError, match="is of activitynet-qa"):
            other.read(tmp_path, "test")


def test_answers_of_other_questions(tmp_path: Path) -> None:
    activitynet_qa(tmp_path)
    path = tmp_path / "dataset" / "test_a.json"
    answers = json.loads(path.read_text())
    write_json(path, answers[::-1])
    with pytest.raises(UsageError, match="do not belong together"):
        ANET.read(tmp_path, "test")
    write_json(path, answers[:1])
    with pytest.raises(UsageError, match=r"2 questions and .* 1 answers"):
        ANET.read(tmp_path, "test")
    path.unlink()
    with pytest.raises(UsageError, match="test_a"):
        ANET.read(tmp_path, "test")


def test_odd_entries_are_problems(tmp_path: Path) -> None:
    write_json(tmp_path / "test_qa.json", [*MSVD_ROWS, MSVD_ROWS[0]])
    touch_videos(tmp_path / "a", ["vid1451.avi", "vid1452.avi"])
    touch_videos(tmp_path / "b", ["vid1452.avi"])
    dataset = MSVD.read(tmp_path, "test")
    assert ids(dataset) == ["35989", "35990"]
    assert [(one.id, one.message.split()[0]) for one in dataset.problems] == [
        ("35991", "The"),
        ("35989", "The"),
    ]
    assert "ambiguous" in dataset.problems[0].message
    assert "twice" in dataset.problems[1].message


def test_missing_questions_and_answers_are_problems(tmp_path: Path) -> None:
    changes = [{"question": None}, {"answer": None}, {"answer": " "}, {"answer": 5}]
    rows = [{**MSVD_ROWS[0], "id": id, **fields} for id, fields in enumerate(changes)]
    write_json(tmp_path / "test_qa.json", rows)
    touch_videos(tmp_path, ["vid1451.avi"])
    dataset = MSVD.read(tmp_path, "test")
    assert [(one.id, one.message) for one in dataset.problems] == [
        ("0", "It has no question."),
        ("1", "It has no answer."),
        ("2", "It has no answer."),
    ]
    assert [item.answer for item in dataset.items] == ["5"]


def test_missing_answers_in_a_file_of_their_own_are_problems(tmp_path: Path) -> None:
    path = activitynet_qa(tmp_path) / "dataset" / "test_a.json"
    write_json(path, [{**answer, "answer": None} for answer in json.loads(path.read_text())])
    assert [one.message for one in ANET.read(tmp_path, "test").problems] == ["It has no answer."] * 2


def test_a_file_of_another_version(tmp_path: Path) -> None:
    write_json(tmp_path / "test_qa.json", [{"question": "who?"}])
    with pytest.raises(UsageError, match="id, video_id, question, answer"):
        MSVD.read(tmp_path, "test")


def test_figures(tmp_path: Path) -> None:
    items = ANET.read(activitynet_qa(tmp_path), "test").items
    scored = all_scored(ANET, items, ["No.", "a ball"])
    assert [one.score for one in scored] == [None, None]
    assert ANET.summarise(scored, "official") == {"Exact match": 50}
    prompts = ANET.judge_prompts([one.prediction for one in scored])
    assert "Question: is the man Tall\nCorrect Answer: no\nPredicted Answer: No.\n" in prompts[0].user
    judged = [replace(scored[0], grades={"correct": 1.0, "score": 5.0}), scored[1]]
    assert ANET.judged_score(items[0], judged[0].grades) == 1.0
    assert ANET.summarise(judged, "official") == {"Accuracy": 100, "Score": 5, "Exact match": 50}
    assert ANET.summarise([], "official") == {}


def test_submission(tmp_path: Path) -> None:
    items = ANET.read(activitynet_qa(tmp_path), "test").items
    files = ANET.submission(all_scored(ANET, items, ["No.", "a\nball"]))
    lines = [json.loads(line) for line in files["predictions.jsonl"].decode().splitlines()]
    assert lines[1] == {
        "id": "v_9eniCub7u60_2",
        "question": "what moves",
        "answer": "ball",
        "pred": "a\nball",
    }
    assert json.loads(files["video_chatgpt.json"])[0] == {
        "video_name": "1QIUV7WYKXg",
        "Q": "is the man Tall",
        "A": "no",
        "pred": "No.",
    }


def test_rows_of_the_poster() -> None:
    assert MSVD.published[-1].figures == {"Accuracy": 67.9, "Score": 3.7}
    assert ANET.published[-1].figures == {"Accuracy": 43.1, "Score": 3.3}
    assert MSVD.published[-1].model == "DynFocus, 40 tokens a key frame, 2 another frame"
    assert MSRVTT.published == ()
