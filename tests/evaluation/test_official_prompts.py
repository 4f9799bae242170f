"""Official prompts are the makers', letter for letter; their verdicts are read as they read them."""

from __future__ import annotations

from hashlib import sha256

import pytest

from dynfocus_cli.evaluation.judge_prompt import JudgePrompt
from dynfocus_cli.evaluation.official_prompts import (
    aspect_prompt,
    consistency_prompt,
    question_answer_prompt,
    read_aspect,
    read_mlvu,
    read_question_answer,
    sub_scene_prompt,
    summary_prompt,
)

Q, A, P = "<question>", "<answer>", "<pred>"
PROMPTS = {
    "qa": question_answer_prompt("1", Q, A, P),
    "correctness": aspect_prompt("correctness", "1", Q, A, P),
    "detail": aspect_prompt("detail", "1", Q, A, P),
    "context": aspect_prompt("context", "1", Q, A, P),
    "temporal": aspect_prompt("temporal", "1", Q, A, P),
    "consistency": consistency_prompt(("1", "2"), ("<question1>", "<question2>"), A, ("<pred1>", "<pred2>")),
    "sub_scene": sub_scene_prompt("1", Q, "<scoring_points>", P),
    "summary": summary_prompt("1", A, P),
}
DIGESTS = {
    "qa": ("12b9e42d120081bf", "765cfde6ba758042"),
    "correctness": ("d3e95c91b75d55f1", "a1541feccec50890"),
    "detail": ("692afe543175215e", "be08bef921192f13"),
    "context": ("ab6063175e1a35da", "c177bce19088e6b6"),
    "temporal": ("2a0b0335b04144b9", "d4486ba4165183fe"),
    "consistency": ("15f01dba1f255e7f", "27a55ba2412b16e0"),
    "sub_scene": ("ea8baab4268d7d65", "fe055ca1545b4c78"),
    "summary": ("1a00fdaacb0ba40a", "cc53257b303ac082"),
}
"""First digits of the SHA-256 of system and user message as the makers' scripts, at the commits that
`official_prompts` names, send them with these texts for a question, an answer and so on."""


@pytest.mark.parametrize("name", PROMPTS)
def test_letter_for_letter(name: str) -> None:
    prompt: JudgePrompt = PROMPTS[name]
    digests = tuple(sha256(text.encode()).hexdigest()[:16] for text in (prompt.system, prompt.user))
    assert digests == DIGESTS[name]


def test_texts_that_look_like_places_stay_as_they_are() -> None:
    prompt = question_answer_prompt("1", "{answer}", "{prediction}", "{question} \\1")
    assert (
        "Question: {answer}\nCorrect Answer: {prediction}\nPredicted Answer: {question} \\1\n" in prompt.user
    )


def test_a_consistency_verdict_is_about_both_items() -> None:
    assert PROMPTS["consistency"].items == ("1", "2")
    assert PROMPTS["consistency"].read("{'score': 3}") == {"consistency": 3.0}


@pytest.mark.parametrize(
    ("verdict", "grades"),
    [
        ("{'pred': 'yes', 'score': 4.8}", {"correct": 1.0, "score": 4.0}),
        ("{'pred': 'No', 'score': 0}", {"correct": 0.0, "score": 0.0}),
        ('Sure:\n```python\n{"pred": "yes", "score": "5"}\n```', {"correct": 1.0, "score": 5.0}),
        ("{'predicted': 'yes', 'score': 3}", {"correct": 1.0, "score": 3.0}),
        ("{'pred': 'maybe', 'score': 3}", None),
        ("{'pred': 'yes', 'score': 5.7}", {"correct": 1.0, "score": 5.0}),
        ("{'pred': 'yes', 'score': 6}", None),
        ("{'pred': 'yes', 'score': -1}", None),
        ("{'pred': 'yes', 'score': nan}", None),
        ("{'pred': 'yes', 'score': 'nan'}", None),
        ("{'pred': 'yes', 'score': True}", None),
        ("{'pred': 'yes'}", None),
        ("{''score': 4.8}", None),
        ("{'pred', 'score'}", None),
        ("{[]: 1}", None),
        ("yes, 5", None),
        ("", None),
        ("{" * 1000, None),
    ],
)
def test_verdicts_on_short_answers(verdict: str, grades: dict[str, float] | None) -> None:
    assert read_question_answer(verdict) == grades


def test_verdicts_on_an_aspect() -> None:
    assert read_aspect("detail", "{'score': 2.9}") == {"detail": 2.0}
    assert read_aspect("detail", "2") is None


@pytest.mark.parametrize(
    ("verdict", "grades"),
    [
        (
            "Point 1: 3.\n{'score_accuracy': 3.5, 'score_relevance': 5, 'total_score': 8.5}",
            {"accuracy": 3.5, "relevance": 5.0},
        ),
        (
            'score_accuracy: (1 + 5) / 2\n```json\n{"score_accuracy": 3, "score_relevance": 4}\n```',
            {"accuracy": 3.0, "relevance": 4.0},
        ),
        ("{'score_accuracy': 3.5}", None),
        ("{'score_accuracy': 9, 'score_relevance': 4}", None),
        ("", None),
    ],
)
def test_verdicts_on_sub_scenes(verdict: str, grades: dict[str, float] | None) -> None:
    assert read_mlvu("sub_scene", verdict) == grades


def test_verdicts_on_summaries() -> None:
    text = "{'score_completeness': 2, 'score_reliability': 3, 'total_score': 5}"
    assert read_mlvu("summary", text) == {"completeness": 2.0, "reliability": 3.0}
