"""The assembled network: patch features, time codes, and the number of video tokens."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from builders import IMAGE_SIZE, asked, small_model, small_tokenizer, some_patches, some_pixels

QUESTIONS = ("What is shown at 00:05?", "How many scenes are there in the whole video?", "Why?")


def test_patch_features_are_what_the_final_norm_is_given(model) -> None:
    given: list[torch.Tensor] = []
    handle = model.vision.post_layernorm.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    pixels = some_pixels(3)
    with torch.no_grad():
        model.vision(pixels)
        handle.remove()
        found = model.encode_frames(pixels)
    assert found.shape == (3, (IMAGE_SIZE // 4) ** 2, 16)
    assert torch.equal(found, given[0][:, 1:])


def test_frames_do_not_see_each_other(model) -> None:
    pixels = some_pixels(4)
    with torch.no_grad():
        whole, alone = model.encode_frames(pixels), model.encode_frames(pixels[2:3])
    assert_close(whole[2:3], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(12))
def test_number_of_tokens(model, prompt, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def draw(most: int) -> int:
        return int(torch.randint(1, most + 1, (), generator=generator))

    frames = draw(20)
    events = draw(frames)
    key_events = draw(events)
    question = None if seed % 2 else asked(prompt, QUESTIONS[0])
    connector = model.connector
    with torch.no_grad():
        features = connector.prepare(some_patches(frames, seed).unsqueeze(0))
        selection = connector.select(features, events=events, key_events=key_events, question=question)
        tokens, frame_of_token = model.video_tokens(
            features, selection, question, torch.arange(frames).unsqueeze(0).double()
        )
    assert selection.centres.shape == (1, events)
    assert tokens.shape == (1, 40 * key_events + 2 * (frames - key_events), 24)
    counts = frame_of_token[0].bincount(minlength=frames)
    key_frames = set(selection.key_frames[0].tolist())
    assert counts.tolist() == [40 if frame in key_frames else 2 for frame in range(frames)]
    assert (frame_of_token[0].diff() >= 0).all()
    assert tokens.isfinite().all()


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "00:00"), (84, "01:24"), (84.96, "01:24"), (59.999, "00:59"), (3599, "59:59"), (5999, "99:59")],
)
def test_time_code_is_the_words_of_a_question(model, seconds: float, written: str) -> None:
    words = small_tokenizer()(written, add_special_tokens=False)["input_ids"]
    assert len(words) == 2
    times = torch.tensor([[0.0, seconds]], dtype=torch.float64)
    expected = model.get_input_embeddings().weight[words].sum(0)
    assert torch.equal(model.time_code(times)[0, 1], expected)


def test_minutes_without_a_word_stay_at_the_last_one(model) -> None:
    late = model.time_code(torch.tensor([[99 * 60.0 + 7, 400 * 60.0 + 7]]))
    assert torch.equal(late[0, 0], late[0, 1])


def test_a_frames_time_code_is_all_that_is_added_to_its_tokens(model, prompt) -> None:
    question = asked(prompt, QUESTIONS[0])
    with torch.no_grad():
        features = model.connector.prepare(some_patches(6).unsqueeze(0))
        selection = model.connector.select(features, events=4, key_events=2, question=question)
        times_s = torch.tensor([[0.0, 1.0, 2.5, 61.0, 62.0, 600.0]])
        plain, frame_of_token = model.connector.encode(
            features, selection, model.connector.read(features, question)
        )
        timed, same = model.video_tokens(features, selection, question, times_s)
    assert torch.equal(frame_of_token, same)
    for token, frame in enumerate(frame_of_token[0].tolist()):
        clock = model.time_code(times_s)[0, frame]
        assert torch.equal(timed[0, token], plain[0, token] + clock)


def test_named_frames_carry_a_mark_and_no_others_do(model) -> None:
    pinned = torch.tensor([[False, True, False, False, True, False]])
    with torch.no_grad():
        features = model.connector.prepare(some_patches(6).unsqueeze(0))
        selection = model.connector.select(features, events=4, key_events=3, pinned=pinned)
        plain, frame_of_token = model.connector.encode(
            features, selection, model.connector.read(features, None)
        )
        marked, _ = model.connector.encode(features, selection, model.connector.read(features, None), pinned)
        unmarked, _ = model.connector.encode(
            features, selection, model.connector.read(features, None), torch.zeros_like(pinned)
        )
    assert torch.equal(plain, unmarked)
    named = pinned[0, frame_of_token[0]]
    assert torch.equal(marked[0, ~named], plain[0, ~named])
    assert named.sum() == 80
    assert torch.equal(marked[0, named], plain[0, named] + model.connector.focus_mark)


def test_without_a_time_encoding_nothing_is_added() -> None:
    model = small_model(time_encoding="none")
    with torch.no_grad():
        features = model.connector.prepare(some_patches(3).unsqueeze(0))
        selection = model.connector.select(features, events=3, key_events=1)
        plain, _ = model.connector.encode(features, selection, model.connector.read(features, None))
        timed, _ = model.video_tokens(features, selection, None, torch.tensor([[0.0, 1.0, 2.0]]))
    assert torch.equal(plain, timed)


@pytest.mark.parametrize("with_question", [False, True])
def test_a_batch_of_two_is_each_alone(model, prompt, with_question: bool) -> None:
    frames = 9
    pinned = torch.zeros(2, frames, dtype=torch.bool)
    pinned[0, 4] = pinned[1, 0] = pinned[1, 7] = True
    times_s = torch.stack((torch.arange(frames) * 1.0, 30 + torch.arange(frames) * 2.0))
    patches = torch.stack((some_patches(frames, 1), some_patches(frames, 2)))

    def run(rows: slice):
        question = asked(prompt, *QUESTIONS[rows]) if with_question else None
        features = model.connector.prepare(patches[rows])
        selection = model.connector.select(
            features, events=5, key_events=3, question=question, pinned=pinned[rows]
        )
        return selection, *model.video_tokens(features, selection, question, times_s[rows], pinned[rows])

    with torch.no_grad():
        selection, tokens, frame_of_token = run(slice(0, 2))
        for row in range(2):
            alone, tokens_alone, frame_alone = run(slice(row, row + 1))
            assert torch.equal(selection.assignment[row], alone.assignment[0])
            assert torch.equal(selection.key_frames[row], alone.key_frames[0])
            assert torch.equal(frame_of_token[row], frame_alone[0])
            assert_close(selection.raw_scores[row], alone.raw_scores[0], atol=1e-5, rtol=0)
            assert_close(tokens[row], tokens_alone[0], atol=1e-5, rtol=0)


def test_rods_carry_how_they_differ_from_the_frames_around() -> None:
    model = small_model(change_window=1)
    patches = some_patches(4).unsqueeze(0)
    connector = model.connector
    with torch.no_grad():
        features = connector.prepare(patches)
        selection = connector.select(features, events=4, key_events=1)
        queries = connector.read(features, None)
        with_change, frame_of_token = connector.encode(features, selection, queries)
        change, connector.change = connector.change, None
        without, _ = connector.encode(features, selection, queries)
        rods = torch.cat(connector.rods(queries[0], features.prototypes[0]), dim=1)
        expected = change(rods.unsqueeze(0), features.patches)[0]
    (key,) = selection.key_frames[0].tolist()
    for frame in range(4):
        added = (with_change - without)[0, frame_of_token[0] == frame]
        if frame == key:
            assert not added[:-2].any()  # the cones
        assert_close(added[-2:], expected[frame], atol=1e-6, rtol=0)
        assert expected[frame].abs().max() > 1e-4
