"""The lessons of the small public model: what its makers' prompt says, several questions to a row."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from transformers import SmolVLMForConditionalGeneration

from dynfocus_cli.models.families.smolvlm import SmolVLM
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.models.vlm.prompt import ChatWriter
from dynfocus_cli.models.vlm.scaling import ProcessorFiles
from dynfocus_cli.training.answer_loss import IGNORED
from dynfocus_stock.beginnings import begin_language
from dynfocus_stock.clips import FrameStore
from dynfocus_stock.config import FRAME_TOKENS, stock_config, write_folder
from dynfocus_stock.language import TYPES, LanguageModel, Phase
from dynfocus_stock.lessons import Lesson, LessonWriter
from dynfocus_stock.tokenizer import train_tokenizer
from dynfocus_stock.vision import VisionModel

pytestmark = pytest.mark.slow
FRAMES = 4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    folder = tmp_path_factory.mktemp("stock")
    tokenizer = train_tokenizer()
    torch.manual_seed(0)
    network = SmolVLMForConditionalGeneration(stock_config(tokenizer))
    vision = VisionModel(network.model.vision_model, seed=1)
    begin_language(network, tokenizer, vision.heads, seed=1)
    store = FrameStore(folder, clips=4, first_seed=100)
    store.build(network.model.vision_model.eval(), 4)
    writer = LessonWriter(store, tokenizer, SmolVLM(network.config, ProcessorFiles(folder)))
    return LanguageModel(network, writer, vision.heads, 1, [Phase(2, (FRAMES,), 600, (1e-3, 1e-3))])


@pytest.fixture
def lesson(model: LanguageModel) -> Lesson:
    return model._writer.draw(random.Random(0), 2, FRAMES, 3, dict.fromkeys(TYPES, 1.0), near=0.0)


def test_a_question_in_a_row_reads_what_it_would_read_alone(model: LanguageModel, lesson: Lesson) -> None:
    network = model.network
    tokens = network.model.connector(lesson.features).flatten(0, 1)

    def hidden(ids: torch.Tensor, video: torch.Tensor, **more: torch.Tensor) -> torch.Tensor:
        is_video = (ids == network.config.image_token_id).unsqueeze(-1)
        embeddings = network.get_input_embeddings()(ids).masked_scatter(is_video, video)
        return network.model.text_model(inputs_embeds=embeddings, use_cache=False, **more).last_hidden_state

    mask = torch.zeros(lesson.mask.shape).masked_fill(~lesson.mask, -1e4)
    mask = torch.zeros(lesson.mask.shape).masked_fill(~lesson.mask, -1e4)
    together = hidden(lesson.ids, tokens, attention_mask=mask, position_ids=lesson.positions)
    video = tokens.unflatten(0, (2, -1))
    for row, questions in enumerate(lesson.asked):
        prefix = questions[0].start
        for asked in questions:
            ids = torch.cat((lesson.ids[row, :prefix], lesson.ids[row, asked.start : asked.end]))
            alone = hidden(ids.unsqueeze(0), video[row])[0, prefix:]
            torch.testing.assert_close(together[row, asked.start : asked.end], alone, atol=1e-4, rtol=1e-4)


def test_it_is_the_prompt_that_ask_writes(model: LanguageModel, lesson: Lesson) -> None:
    writer = model._writer
    chat = ChatWriter(writer._family, writer._tokenizer)
    asked = lesson.asked[0][0]
    seconds = lesson.seconds[0].tolist()
    parts = tuple(
        Part(n, 1, (float(s),) * FRAME_TOKENS, float(s), (), (), is_run=False) for n, s in enumerate(seconds)
    )
    text = writer._tokenizer.decode(lesson.ids[0, : lesson.asked[0][0].start])
    hours, minutes, its_seconds = text.partition(" [H")[0].rpartition(" ")[2].split(":")
    duration_s = 3600 * int(hours) + 60 * int(minutes) + int(its_seconds)
    video = VideoTokens(parts, Grid(4, 4), torch.zeros(len(parts) * FRAME_TOKENS, 1), duration_s, len(parts))
    ids, is_video = chat.ids(asked.question.question, (), video)
    answer = chat.answers([asked.question.answer])[0]
    assert lesson.ids[0, : asked.end].tolist() == [*ids.tolist(), *answer]
    labels = lesson.labels[0, : asked.end]
    assert labels[labels != IGNORED].tolist() == [*answer, chat.ends[0]]
    assert int(is_video.sum()) == FRAMES * FRAME_TOKENS


def test_it_learns_and_is_written_as_a_public_folder(model: LanguageModel, tmp_path: Path) -> None:
    from dynfocus_cli.models.open import load_model

    loss = model(0)
    loss.backward()
    assert loss.isfinite()
    learned = {name for name, value in model.named_parameters() if value.grad is not None}
    assert not any("vision_model" in name for name in learned)
    assert any("connector" in name for name in learned)
    write_folder(tmp_path / "model", model.network, model._writer._tokenizer)
    loaded = load_model(str(tmp_path / "model"), "cpu")
    assert loaded.spec.family.title == "SmolVLM"
