"""Dual encoders choose frames: embeddings are the stock code's, and the frame that fits best is found."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import dual_encoders
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from dynfocus_cli.dpe.density_peaks import Clusters
from dynfocus_cli.errors import ModelUnavailable, OutOfMemory
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.encoding import encode_video
from dynfocus_cli.models import source
from dynfocus_cli.models.vlm.selection import find_events
from dynfocus_cli.models.vlm.selector import Selector, best_frames, event_scores, read_selector_spec
from dynfocus_cli.progress import Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.video import probe

KINDS = list(dual_encoders.KINDS)
SIDES = {"siglip": 32, "siglip2": 32, "naflex": 32, "clip": 24}
PROCESSORS = {
    "siglip": SiglipImageProcessorPil,
    "siglip2": SiglipImageProcessorPil,
    "naflex": Siglip2ImageProcessorPil,
    "clip": CLIPImageProcessorPil,
}
QUESTIONS = {
    "short": "What is the man in the red coat doing?",
    "capitals": "Who opens the DOOR at 08:00?",
    "none": "?",
    "long": "What is the dog on the beach doing while two people talk in a kitchen? " * 20,
}
TOLERANCE = 1e-4
CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("dual")
    return {kind: dual_encoders.build(kind, root / kind) for kind in KINDS}


@pytest.fixture(scope="session")
def selectors(folders: dict[str, Path]) -> dict[str, Selector]:
    return {kind: read_selector_spec(str(folder), CPU).load() for kind, folder in folders.items()}


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Any:
    """A folder of one kind, to be spoilt."""

    def copied(kind: str) -> Path:
        return Path(shutil.copytree(folders[kind], tmp_path / "spoilt"))

    return copied


def stock_text(kind: str, folder: Path, question: str) -> Any:
    """As the model cards have it; SigLIP 2's makers make small letters of the text before."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if kind == "clip":
        return tokenizer([question], padding=True, truncation=True, return_tensors="pt")
    told = {"padding": "max_length", "max_length": 64, "truncation": True, "return_tensors": "pt"}
    return tokenizer([question.lower() if kind == "siglip2" else question], **told)


def pictures(side: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def encoded(selector: Selector, pixels: np.ndarray) -> EncodedFrames:
    times_s = tuple(map(float, range(len(pixels))))
    with torch.inference_mode():
        patches = selector.tower.encode(selector.spec.scaling(pixels))
    return EncodedFrames(times_s, times_s, ("sound",) * len(times_s), patches)


def frames_of(embeddings: torch.Tensor) -> EncodedFrames:
    times_s = tuple(map(float, range(len(embeddings))))
    return EncodedFrames(times_s, times_s, ("sound",) * len(times_s), embeddings.unsqueeze(1))


def clusters_of(assignment: list[int], centres: list[int]) -> Clusters:
    return Clusters(
        torch.tensor([centres]), torch.tensor([assignment]), torch.zeros(1, len(centres)).double()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_has_the_stock_embedding(
    kind: str, folders: dict[str, Path], selectors: dict[str, Selector]
) -> None:
    pixels = pictures(SIDES[kind])
    inputs = PROCESSORS[kind].from_pretrained(folders[kind])(
        images=[Image.fromarray(picture) for picture in pixels], return_tensors="pt"
    )
    model = AutoModel.from_pretrained(folders[kind]).eval()
    with torch.inference_mode():
        stock = F.normalize(model.get_image_features(**inputs).pooler_output, dim=-1)

    ours = encoded(selectors[kind], pixels)

    scaling = selectors[kind].spec.scaling
    assert (scaling.width, scaling.height) == (SIDES[kind],) * 2
    torch.testing.assert_close(ours.patches, stock.unsqueeze(1), atol=TOLERANCE, rtol=0)
    assert (stock[0] - stock[1]).norm() > 0.01, "frames that all look alike prove nothing"


@pytest.mark.parametrize("case", QUESTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_question_has_the_stock_embedding(
    kind: str, case: str, folders: dict[str, Path], selectors: dict[str, Selector]
) -> None:
    model = AutoModel.from_pretrained(folders[kind]).eval()
    with torch.inference_mode():
        inputs = stock_text(kind, folders[kind], QUESTIONS[case])
        stock = F.normalize(model.get_text_features(**inputs).pooler_output, dim=-1)

    ours = selectors[kind].text(QUESTIONS[case])

    torch.testing.assert_close(ours, stock[0], atol=TOLERANCE, rtol=0)
    assert ours.dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_similarities_are_the_models_own_logits(
    kind: str, folders: dict[str, Path], selectors: dict[str, Selector]
) -> None:
    pixels, question = pictures(SIDES[kind], 5), QUESTIONS["short"]
    inputs = PROCESSORS[kind].from_pretrained(folders[kind])(
        images=[Image.fromarray(picture) for picture in pixels], return_tensors="pt"
    )
    model = AutoModel.from_pretrained(folders[kind]).eval()
    with torch.inference_mode():
        logits = model(**inputs, **stock_text(kind, folders[kind], question)).logits_per_image[:, 0]
        bias = getattr(model, "logit_bias", torch.zeros(1))

    ours = selectors[kind].similarities(question, encoded(selectors[kind], pixels))

    assert ours.shape == (5,)
    torch.testing.assert_close(ours * model.logit_scale.exp() + bias, logits, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("kind", ["siglip", "siglip2", "naflex", "clip"])
def test_capitals_change_nothing(kind: str, selectors: dict[str, Selector]) -> None:
    question = QUESTIONS["capitals"]

    torch.testing.assert_close(selectors[kind].text(question), selectors[kind].text(question.upper()))


@pytest.mark.parametrize("kind", ["siglip2", "naflex"])
def test_siglip_is_filled_up_on_the_right_and_unmasked_whatever_the_folder_says(
    kind: str, copy: Any, selectors: dict[str, Selector]
) -> None:
    folder = copy(kind)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings |= {"padding_side": "left", "model_input_names": ["input_ids", "attention_mask"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    left = read_selector_spec(str(folder), CPU).load()

    torch.testing.assert_close(left.text("A dog."), selectors[kind].text("A dog."))


@pytest.mark.parametrize("kind", KINDS)
def test_the_event_with_the_frame_that_the_question_is_about_wins(
    kind: str, selectors: dict[str, Selector]
) -> None:
    selector, question = selectors[kind], QUESTIONS["short"]
    text = selector.text(question)
    noise = F.normalize(torch.randn(8, len(text), generator=torch.Generator().manual_seed(5)), dim=-1)
    noise[4] = text  # neither first nor centre of its event
    clusters = clusters_of([0, 0, 0, 1, 1, 1, 2, 2], [1, 5, 6])

    found = selector.similarities(question, frames_of(noise))
    scores = event_scores(found, clusters)

    assert scores.argmax() == 1
    assert math.isclose(scores[1], 1.0, abs_tol=1e-5)
    assert best_frames(found, clusters)[0, 1] == 4
    assert scores.shape == (3,)
    assert scores.dtype == torch.float32


def test_an_event_is_worth_its_best_frame() -> None:
    found = torch.tensor([0.3, 0.1, 0.2, -0.5, -0.4])
    clusters = clusters_of([0, 1, 0, 2, 2], [0, 1, 4])

    assert event_scores(found, clusters).tolist() == pytest.approx([0.3, 0.1, -0.4])
    assert best_frames(found, clusters).tolist() == [[0, 1, 4]]


def test_the_earlier_of_equal_frames_is_the_best() -> None:
    found = torch.tensor([0.1, 0.3, 0.3, 0.2, 0.0])

    assert best_frames(found, clusters_of([0, 0, 0, 1, 1], [2, 4])).tolist() == [[1, 3]]


def test_pinned_frames_stay() -> None:
    found = torch.tensor([0.1, 0.3, 0.2, 0.4])
    pinned = torch.tensor([[True, False, False, False]])

    assert best_frames(found, clusters_of([0, 0, 1, 1], [0, 2]), pinned).tolist() == [[0, 3]]


def test_best_frames_stand_in_for_the_centres_of_real_events() -> None:
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(40, 4, 6, generator=generator)
    features[20:30] = features[10:20]  # coincident frames
    clusters = find_events(features, 12, None)

    best = best_frames(torch.randn(40, generator=generator), clusters)

    assert best.shape == clusters.centres.shape
    assert len(set(best[0].tolist())) == 12
    assert clusters.assignment[0][best[0]].tolist() == list(range(12))
    assert replace(clusters, centres=best).centres is best


def test_a_video_is_encoded_once_for_all_questions(selectors: dict[str, Selector], tmp_path: Path) -> None:
    source = probe(str(write_clip(tmp_path / "clip.mp4")))
    cache = FeatureCache(tmp_path / "cache", 1 << 30)
    selector = selectors["siglip"]

    def look(of: Selector) -> tuple[str, EncodedFrames]:
        seen = encode_video(
            source, [0.0, 1.0, 2.0], of.tower, cache, "none", Silent(), Stopwatch(), batch_size=2
        )
        return seen.cache, seen.frames

    first, again = look(selector), look(selector)
    other = look(selectors["siglip2"])

    assert (first[0], again[0], other[0]) == ("miss", "hit", "miss")
    assert first[1].patches.shape == (3, 1, 32)
    assert first[1].patches.dtype == torch.float32
    torch.testing.assert_close(again[1].patches, first[1].patches)
    torch.testing.assert_close(first[1].patches.norm(dim=-1), torch.ones(3, 1))
    assert selector.similarities("a dog", again[1]).shape == (3,)


def write_clip(path: Path) -> Path:
    """Three seconds, of another colour each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(6):
            colour = np.full((48, 64, 3), 40 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(colour, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("kind", "file", "settings", "side", "fit"),
    [
        ("clip", "preprocessor_config.json", {"size": {"shortest_edge": 24}}, 24, "center_crop"),
        ("clip", "preprocessor_config.json", {"crop_size": {"height": 24, "width": 24}}, 24, "center_crop"),
        ("clip", "preprocessor_config.json", {"size": {"height": 24, "width": 24}}, 24, "squash"),
        ("clip", "preprocessor_config.json", {"do_center_crop": False}, 24, "squash"),
        ("siglip", "preprocessor_config.json", {}, 32, "squash"),
        ("naflex", "preprocessor_config.json", {"max_num_patches": 27}, 40, "squash"),
    ],
)
def test_frames_are_scaled_as_the_folder_says(
    kind: str, file: str, settings: dict[str, Any], side: int, fit: str, copy: Any
) -> None:
    folder = copy(kind)
    told = json.loads((folder / file).read_text()) | settings | {"image_std": [0.1, 0.2, 0.3]}
    (folder / file).write_text(json.dumps(told))

    selector = read_selector_spec(str(folder), CPU).load()

    scaling = selector.spec.scaling
    assert (scaling.width, scaling.height, scaling.fit) == (side, side, fit)
    assert scaling.std == (0.1, 0.2, 0.3)
    assert encoded(selector, pictures(side)).patches.shape[:2] == (3, 1)


def test_settings_may_lie_in_the_processors_file(copy: Any) -> None:
    folder = copy("siglip")
    told = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(
        json.dumps({"image_processor": told | {"image_mean": [0.1] * 3}})
    )

    assert read_selector_spec(str(folder), CPU).load().spec.scaling.mean == (0.1, 0.1, 0.1)


@pytest.mark.parametrize(
    ("model_type", "said"),
    [
        (
            "qwen2",
            "spoilt is a 'qwen2' model: `selector` takes one that encodes both pictures and text",
        ),
        ("siglip_vision_model", "is a 'siglip_vision_model' model: .* a SigLIP, SigLIP 2 or CLIP model"),
        (None, "spoilt is a model that does not say what it is"),
    ],
)
def test_other_models_are_refused(model_type: str | None, said: str, copy: Any) -> None:
    folder = copy("siglip")
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))

    with pytest.raises(ModelUnavailable, match=said):
        read_selector_spec(str(folder), CPU).load()


@pytest.mark.parametrize(
    ("kind", "gone", "said"),
    [
        ("siglip", "spiece.model", "spoilt has no spiece.model"),
        ("siglip2", "tokenizer.json", "spoilt has no tokenizer.json"),
        ("naflex", "tokenizer.json", "spoilt has no tokenizer.json"),
        ("clip", "merges.txt", "spoilt has no tokenizer.json"),
        ("clip", "preprocessor_config.json", "spoilt has no preprocessor_config.json"),
        ("clip", "model.safetensors", r"spoilt is incomplete: it has no weights \(\*.safetensors\)"),
    ],
)
def test_a_missing_file_is_named(kind: str, gone: str, said: str, copy: Any) -> None:
    folder = copy(kind)
    (folder / gone).unlink()

    with pytest.raises(ModelUnavailable, match=said):
        read_selector_spec(str(folder), CPU).load()


def test_another_size_than_the_networks_is_refused(copy: Any) -> None:
    folder = copy("siglip")
    told = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(told | {"size": {"height": 48, "width": 64}}))

    with pytest.raises(ModelUnavailable, match=r"makes pictures of 48 x 64 pixels, .* squares of 32"):
        read_selector_spec(str(folder), CPU).load()


@pytest.mark.parametrize(
    ("part", "settings", "said"),
    [
        ("text_config", {"vocab_size": 20}, "knows 48 words, and its network 20"),
        ("vision_config", {"hidden_size": 40}, "do not fit its config.json: .* of the wrong size"),
        ("vision_config", {"num_hidden_layers": 3}, "do not fit its config.json: .* missing"),
        ("vision_config", {"vision_use_head": False}, "no head that makes one embedding"),
        ("vision_config", {"hidden_size": "wide"}, "The config.json in .* cannot be used"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    part: str, settings: dict[str, Any], said: str, copy: Any
) -> None:
    folder = copy("siglip")
    config = json.loads((folder / "config.json").read_text())
    config[part] |= settings
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(ModelUnavailable, match=said):
        read_selector_spec(str(folder), CPU).load()


def test_one_stored_in_fewer_bits_is_refused(copy: Any) -> None:
    folder = copy("clip")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(ModelUnavailable, match="spoilt is stored in fewer bits"):
        read_selector_spec(str(folder), CPU).load()


@pytest.mark.parametrize("file", ["preprocessor_config.json", "tokenizer_config.json", "model.safetensors"])
def test_a_damaged_file_is_named(file: str, copy: Any) -> None:
    folder = copy("clip")
    (folder / file).write_text("[")

    with pytest.raises(ModelUnavailable, match="spoilt"):
        read_selector_spec(str(folder), CPU).load()


def test_weights_that_do_not_fit_memory_are_told(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "free_memory", lambda place: 1000)

    with pytest.raises(OutOfMemory, match="The weights of clip take"):
        read_selector_spec(str(folders["clip"]), CPU).load()


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_sees_the_same(kind: str, folders: dict[str, Path], selectors: dict[str, Selector]) -> None:
    on_gpu, pixels = (
        read_selector_spec(str(folders[kind]), torch.device("cuda")).load(),
        pictures(SIDES[kind]),
    )
    with torch.inference_mode():
        patches = on_gpu.tower.encode(on_gpu.spec.scaling(pixels).to(on_gpu.tower.device)).cpu()

    torch.testing.assert_close(patches, encoded(selectors[kind], pixels).patches, atol=1e-3, rtol=0)
    question = QUESTIONS["short"]
    torch.testing.assert_close(on_gpu.text(question), selectors[kind].text(question), atol=1e-3, rtol=0)
