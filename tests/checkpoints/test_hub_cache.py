"""Models in the hub's cache: found by the name they have on the hub, without the network."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download

from dynfocus_cli.checkpoints import find_model
from dynfocus_cli.checkpoints.describe import verify
from dynfocus_cli.checkpoints.entries import ENTRIES
from dynfocus_cli.checkpoints.hub_cache import HubId, cache_folder, cached_models, repository_of
from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.checkpoints.registry import available_entry, list_models
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.progress import Silent
from public_models import into_cache, write, write_public

OLD, NEW = "1234567" + "0" * 33, "89abcde" + "1" * 33
KNOWN = ENTRIES["qwen3-vl-4b"].repositories[0]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_the_cache_is_where_the_client_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = Path(os.environ["HOME"])
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == home / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", "~/here")
    assert cache_folder() == home / "here" / "hub"
    monkeypatch.setenv("HUGGINGFACE_HUB_CACHE", str(tmp_path / "old"))
    assert cache_folder() == tmp_path / "old"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "new"))
    assert cache_folder() == tmp_path / "new"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("org/name", HubId("org/name", None)),
        ("Qwen/Qwen2.5-VL-3B-Instruct@6628554", HubId("Qwen/Qwen2.5-VL-3B-Instruct", "6628554")),
        ("a/b@refs/pr/1", HubId("a/b", "refs/pr/1")),
        *(
            (text, None)
            for text in ("name", "a/b/c", "../b", "a/..", "a/b--c", "a/b@", "a/b@../c", "/b", "a/b ")
        ),
        *((text, None) for text in ("https://huggingface.co/a/b", "a\n/b", "", "a/" + "x" * 97)),
    ],
    ids=repr,
)
def test_names_of_the_hub(text: str, found: HubId | None) -> None:
    assert HubId.parse(text) == found
    assert found is None or str(found) == text


def test_by_the_name_that_it_has_on_the_hub(cache: Path, tmp_path: Path) -> None:
    old = into_cache(cache, "org/name", write_public(tmp_path / "old"), OLD)
    new = into_cache(cache, "org/name", write_public(tmp_path / "new", seed=1), NEW, branch="next")
    assert find_model("org/name") == ("org/name", old)  # what main is
    for name in ("next", NEW, NEW[:7]):
        assert find_model(f"org/name@{name}") == (f"org/name@{name}", new)
    with pytest.raises(ModelUnavailable, match="not in the Hugging Face cache"):
        find_model("org/name@other")
    with pytest.raises(ModelUnavailable, match="not in the Hugging Face cache"):
        find_model(f"org/name@{NEW[:6]}")  # too short to be sure
    assert repository_of(old) == HubId("org/name", OLD)
    assert repository_of(tmp_path) is None
    # The client's own way to the same folder.
    assert snapshot_download("org/name", cache_dir=cache, local_files_only=True) == str(old)


def test_what_is_not_there_is_told_with_what_to_do(cache: Path) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        find_model("org/name")
    assert str(cache) in str(caught.value)
    assert "`dynfocus models pull org/name` fetches it." in str(caught.value)
    with pytest.raises(
        ModelUnavailable, match="qwen3-vl-4b is not installed: `dynfocus models pull qwen3-vl-4b"
    ):
        find_model("qwen3-vl-4b")


@pytest.mark.parametrize(
    "missing",
    ["config.json", "model-00002-of-00002.safetensors", "tokenizer.json", "preprocessor_config.json"],
)
def test_an_incomplete_one_is_told_by_the_file(missing: str, cache: Path, tmp_path: Path) -> None:
    folder = write_public(tmp_path / "model", shards=2)
    snapshot = into_cache(cache, "org/name", folder, NEW)
    if missing == "tokenizer.json":
        (snapshot / "merges.txt").unlink()
    (snapshot / missing).unlink()
    said = (
        rf"has no {missing}|without {missing}"
        if missing == "config.json"
        else rf"org/name is incomplete: .* has no {missing}"
    )
    with pytest.raises(ModelUnavailable, match=said):
        find_model("org/name")
    assert cached_models() == {}
    # An older snapshot that is whole will do, where no revision is asked for.
    into_cache(cache, "org/name", folder, OLD, branch=None)
    assert find_model("org/name")[1].name == OLD
    with pytest.raises(ModelUnavailable):
        find_model("org/name@main")


def test_a_link_that_leads_nowhere_is_a_missing_file(cache: Path, tmp_path: Path) -> None:
    snapshot = into_cache(cache, "org/name", write_public(tmp_path / "model"), NEW)
    (snapshot / "model.safetensors").resolve().unlink()
    with pytest.raises(
        ModelUnavailable, match=r"has no model\.safetensors\. `dynfocus models pull org/name`"
    ):
        find_model("org/name")


def test_what_dynfocus_does_not_run(cache: Path, tmp_path: Path) -> None:
    text = write_public(tmp_path / "text", "qwen2")
    write(text / "config.json", {"model_type": "qwen2"})
    into_cache(cache, "org/text", text, NEW)
    with pytest.raises(
        ModelUnavailable, match=r"is a 'qwen2' model, which reads text alone. Of the hub .* Qwen3-VL"
    ):
        find_model("org/text")
    into_cache(
        cache, "org/awq", write_public(tmp_path / "awq", quantization_config={"quant_method": "awq"}), NEW
    )
    with pytest.raises(ModelUnavailable, match="is stored in awq"):
        find_model("org/awq")
    remote = write_public(tmp_path / "remote", "internvl_chat", auto_map={"AutoModel": "modeling.Model"})
    into_cache(cache, "org/remote", remote, NEW)
    with pytest.raises(ModelUnavailable, match=r"is a 'internvl_chat' model.* often named -hf, take that"):
        find_model("org/remote")


@pytest.mark.parametrize(
    "index", ["{", '{"weight_map": {"a": "../../x.safetensors"}}', '{"weight_map": {}}', "[]"]
)
def test_an_index_that_is_none(index: str, cache: Path, tmp_path: Path) -> None:
    folder = write_public(tmp_path / "model", shards=2)
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(
        ModelUnavailable, match=r"model\.safetensors\.index\.json (cannot be read|names no files)"
    ):
        find_model(str(folder))
    into_cache(cache, "org/name", folder, NEW)
    assert cached_models() == {}


def test_a_name_of_ours_finds_the_copy_in_the_cache(cache: Path, tmp_path: Path) -> None:
    """Fetched by another program, at another commit even; but ours counts before that."""
    assert available_entry("qwen3-vl-4b") is not None
    other = into_cache(cache, KNOWN.id, write_public(tmp_path / "other"), NEW)
    assert find_model("qwen3-vl-4b") == ("qwen3-vl-4b", other)
    ours = into_cache(cache, KNOWN.id, write_public(tmp_path / "ours", seed=1), KNOWN.revision, branch=None)
    assert find_model("qwen3-vl-4b") == ("qwen3-vl-4b", ours)
    assert find_model(KNOWN.id) == (KNOWN.id, ours)
    assert find_model(f"{KNOWN.id}@main")[1] == other
    assert available_entry("qwen3-vl-4b") is None
    into_cache(cache, "org/name", write_public(tmp_path / "unnamed", "smolvlm"), NEW)
    listed = {model.name: model for model in list_models()}
    assert (listed["qwen3-vl-4b"].state, listed["qwen3-vl-4b"].download_bytes) == ("cached", 0)
    assert (listed["org/name"].state, listed["org/name"].family) == ("cached", "SmolVLM")
    assert listed["org/name"].folder is not None
    assert KNOWN.id not in listed


def test_a_file_of_the_cache_is_known_by_its_name(cache: Path, tmp_path: Path) -> None:
    """Its gigabytes are not read for the revision."""
    folder = write_public(tmp_path / "model")
    snapshot = into_cache(cache, "org/name", folder, NEW)
    told = revision(snapshot)
    blob = (snapshot / "model.safetensors").resolve()
    assert verify(snapshot, Silent()) == 1
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert revision(snapshot) == told
    with pytest.raises(
        ModelUnavailable, match=r"model\.safetensors is damaged: it is not what the hub stated"
    ):
        verify(snapshot, Silent())
    weights = snapshot / "model.safetensors"
    weights.unlink()
    weights.write_bytes(content)  # as on a disk that knows no links
    assert revision(snapshot) == told  # the same weights, read this time
    with pytest.raises(ModelUnavailable, match="keeps no digests"):
        verify(snapshot, Silent())
    assert json.loads((snapshot / "config.json").read_text())["model_type"] == "qwen3_vl"


def test_a_cache_that_is_none(cache: Path) -> None:
    assert cached_models() == {}
    cache.write_text("a file")
    assert cached_models() == {}
    with pytest.raises(ModelUnavailable):
        find_model("org/name")
