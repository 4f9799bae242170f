"""The retrieval head."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.network.retrieval import FILE_NAME, RetrievalHead, RetrievalSizes
from dynfocus_cli.network.stages import Question

SIZES = RetrievalSizes(vision_width=8, vocabulary=30, hidden=10, aspects=[3, 4], text_width=16, longest=9)


@pytest.fixture
def head() -> RetrievalHead:
    head = RetrievalHead(SIZES, ["a", "red", "circle"]).eval()
    head.scale.fill_(1.5)
    head.bias.fill_(-0.25)
    head.threshold.fill_(0.3)
    return head.half().float()  # what is stored has 16 bits


def test_a_head_comes_back_as_it_was_stored(head: RetrievalHead, tmp_path: Path) -> None:
    head.save(tmp_path)
    again = RetrievalHead.load(tmp_path)
    assert again is not None
    assert (again.sizes, again.words) == (head.sizes, head.words)
    for name, tensor in head.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=0, atol=0)
    assert float(again.scale) == 1.5
    assert RetrievalHead.load(tmp_path / "elsewhere") is None


def test_a_damaged_head_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"damaged" * 9)
    with pytest.raises(ModelUnavailable, match=r"retrieval\.safetensors cannot be used"):
        RetrievalHead.load(tmp_path)
    save_file({"scale": torch.ones(())}, tmp_path / FILE_NAME)
    with pytest.raises(ModelUnavailable, match=r"retrieval\.safetensors cannot be used"):
        RetrievalHead.load(tmp_path)


def test_padding_changes_no_caption(head: RetrievalHead) -> None:
    captions = [[3, 4, 5], [7], [9, 8, 7, 6, 5, 4]]
    together = head.text(Question.padded(captions))
    for row, caption in enumerate(captions):
        torch.testing.assert_close(together[row], head.text(Question.padded([caption]))[0])


def test_the_order_of_words_counts_and_that_of_frames_does_not(head: RetrievalHead) -> None:
    texts = head.text(Question.padded([[3, 4, 5], [5, 4, 3]]))
    assert (texts[0] - texts[1]).norm() > 0.01
    patches = torch.randn(4, 6, 8)
    vectors = head.frame(patches)
    assert vectors.shape == (4, 12)
    torch.testing.assert_close(head.frame(patches.flip(0)), vectors.flip(0))
    torch.testing.assert_close(head.frame(patches[2:3])[0], vectors[2])


def test_probabilities_are_calibrated_products(head: RetrievalHead) -> None:
    frames, caption = torch.randn(5, 12), torch.randn(12)
    expected = [1 / (1 + torch.exp(-(1.5 * (frame @ caption) - 0.25))) for frame in frames]
    torch.testing.assert_close(head.probabilities(frames, caption), torch.stack(expected))


def test_words_that_training_never_had(head: RetrievalHead) -> None:
    assert head.unknown_words("A red ZEBRA, a red circle and a zebra") == ("zebra", "and")
    assert RetrievalHead(SIZES).unknown_words("a zebra") == ()
