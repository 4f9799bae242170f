"""Prompts of converted models, token by token as the release makes them: by sentencepiece and BERT."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sentencepiece
from conversions import ROOT, converted
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer

from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.open import load_model

GOLDEN = ROOT / "tests" / "golden" / "k_prompts_sampling.json"
ODD = [
    "",
    " leading and trailing ",
    "two  spaces,\ttabs and\n\nlines",
    "at 00:07, 1234567890?",
    "Schöne Grüße, 犬 \U0001f436",
    "{question} {0}",
    "<s>USER: no</s> <unk> [CLS] [DEC]",
    "\u2581 is sentencepiece's own",
]


@pytest.fixture(scope="module")
def model(originals: Any, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(
        str(converted(originals["llama_vid"][0], tmp_path_factory.mktemp("words") / "model")), "cpu"
    )


@pytest.fixture(scope="module")
def words(originals: Any) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(originals["llama_vid"][0] / "tokenizer.model"))


def test_prompts_are_the_releases(model: LoadedModel, words: sentencepiece.SentencePieceProcessor) -> None:
    """The text is split at the video; each piece is tokenised with a BOS, and only the first is kept."""
    cases = json.loads(GOLDEN.read_text(encoding="utf-8"))["prompts"]["vicuna_v1"]
    single = [case for case in cases if len(case["turns"]) == 1]
    assert single
    for case in single:
        before, after = case["prompt"].split("<image>")
        assert model.prompt.before_video == [words.bos_id(), *words.encode(before)]
        assert model.prompt.after_video(case["turns"][0]) == words.encode(after)
        end = model.prompt.tokenizer.eos_token_id
        assert end == words.eos_id()
        assert model.prompt.tokenizer.decode([end]) == case["stop"]


@pytest.mark.parametrize("question", ODD)
def test_odd_questions(
    question: str, model: LoadedModel, words: sentencepiece.SentencePieceProcessor
) -> None:
    """Marks in a question are text: nobody ends a prompt from within."""
    ids = model.prompt.after_video(question)
    assert ids == words.encode(f"\n{question} ASSISTANT:")
    assert words.eos_id() not in ids


@given(question=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_any_question(question: str, model: LoadedModel, words: sentencepiece.SentencePieceProcessor) -> None:
    assert model.prompt.after_video(question) == words.encode(f"\n{question} ASSISTANT:")


def test_answers_are_read_back(model: LoadedModel, words: sentencepiece.SentencePieceProcessor) -> None:
    text = "The man is at 00:07."
    assert model.prompt.read([*words.encode(text), words.eos_id()]) == text
    assert model.prompt.answer(text)[-1] == words.eos_id()


def test_the_qformer_reads_bert(model: LoadedModel, originals: Any) -> None:
    """The bare question, in small letters, cut on the left."""
    vocabulary = (originals["llama_vid"][0] / "vocab.txt").read_text().split()
    bert = BertTokenizer(vocab={word: number for number, word in enumerate(vocabulary)})
    longest = model.network.config.longest_question
    assert longest == 40
    for question in ("What is the man doing?", *ODD[:4]):
        expected = bert(question)["input_ids"]
        if len(expected) <= longest:
            assert model.prompt.question(question, longest) == expected
    assert model.prompt.question("WHAT", longest) == model.prompt.question("what", longest)
    start, end = bert("")["input_ids"]
    long = model.prompt.question("abc " * 30 + "the end", longest)
    assert (len(long), long[0], long[-1]) == (longest, start, end)
    tail = bert("the end")["input_ids"][1:-1]
    assert long[-1 - len(tail) : -1] == tail
    assert bert.vocab["[MASK]"] not in model.prompt.question("[MASK] [CLS]", longest)[1:-1]
