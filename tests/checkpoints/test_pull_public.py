"""`models pull` of public models, against a hub on 127.0.0.1: what is fetched, checked, linked, refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from dynfocus_cli.checkpoints import find_model, pull_public
from dynfocus_cli.checkpoints.describe import describe, verify
from dynfocus_cli.checkpoints.entries import ENTRIES
from dynfocus_cli.checkpoints.footprint import Footprint
from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.checkpoints.record import Conversion
from dynfocus_cli.checkpoints.registry import find_pullable, list_models
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Quantization
from hub import Hub, serving, stated, take_for_real
from public_models import LAYERS, PARAMETERS, into_cache, write, write_public

pytestmark = pytest.mark.slow

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ENTRY = ENTRIES["smolvlm2-500m"]
OURS = ENTRY.repositories[0]
SHARD = f"org/name@{COMMIT}/model.safetensors"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with nothing on it yet."""
    with serving() as hub:
        take_for_real(hub, tmp_path / "cache", monkeypatch)
        monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
        yield hub


def publish(hub: Hub, folder: Path, repository: str = "org/name", commit: str = COMMIT) -> Path:
    """Puts a folder on the hub, with what else lies in such repositories."""
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "modeling_name.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"\x80pickle" * 30_000)
    (folder / "training_args.json").write_text("{}")
    hub.add(repository, commit, folder, sorted(path.name for path in folder.iterdir()))
    hub.files[f"{repository}@{commit}/onnx/model.safetensors"] = b"another format"
    hub.branches[f"{repository}@main"] = commit
    hub.cards[repository] = {"license": "mit"}
    return folder


def fetched(name: str, quantization: Quantization | None = None, progress: Any = None) -> Path:
    hub_id, entry = find_pullable(name)
    assert hub_id is not None
    return pull_public.pull_public(hub_id, entry, quantization, progress or Silent())


class Told(Silent):
    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.done = 0

    def stage(self, name: str, total: int | None) -> None:
        self.stages.append((name, total))

    def advance(self, n: int) -> None:
        self.done += n


def test_fetched_checked_linked(hub: Hub, tmp_path: Path) -> None:
    source = publish(hub, write_public(tmp_path / "source"))
    folder = fetched("org/name")
    assert folder == tmp_path / "models" / "org--name"
    assert find_model("org/name") == find_model("org--name") == ("org/name", folder)
    # No code, no pickles, no other formats; the weights after all that is small.
    sent = hub.sent()
    assert set(sent) == {path.name for path in source.iterdir()} - {
        "README.md",
        "modeling_name.py",
        "pytorch_model.bin",
        "training_args.json",
    }
    assert (sent[0], sent[-1]) == ("config.json", "model.safetensors")
    assert len(sent) == len(set(sent))
    # On disk once: weights are links, the rest copies.
    weights = folder / "model.safetensors"
    assert weights.is_symlink()
    assert weights.resolve().is_relative_to(tmp_path / "cache")
    assert not any(path.is_symlink() for path in folder.iterdir() if path != weights)
    for path in folder.iterdir():
        assert path.name == "conversion.json" or path.read_bytes() == (source / path.name).read_bytes()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["org--name"]
    with pytest.raises(UsageError, match="org/name is installed in"):
        fetched("org/name")


def test_the_record(hub: Hub, tmp_path: Path) -> None:
    source = publish(hub, write_public(tmp_path / "source"))
    folder = fetched("org/name", "nf4")
    made = Conversion.load(folder)
    assert made is not None
    assert (made.layout, made.quantization, made.run_as) == ("Qwen3-VL", "none", "nf4")
    assert made.origin == (f"org/name@{COMMIT}",)  # what main was
    for file in made.sources:
        content = (source / file.name).read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    found = describe("org/name", folder)
    assert (found.family, found.licence, found.quantization, found.run_as) == (
        "Qwen3-VL",
        "mit",
        "none",
        "nf4",
    )
    assert (found.parameters, found.origin) == (PARAMETERS, made.origin)
    assert found.memory_bytes == Footprint(PARAMETERS, LAYERS).by_quantization()
    assert (found.prototypes, found.tokens_per_key_frame) == (None, None)
    assert found.revision == revision((folder / "model.safetensors").parent)
    assert verify(folder, Silent()) == 1
    listed = {model.name: model for model in list_models()}["org/name"]
    assert (listed.state, listed.licence, listed.folder) == ("installed", "mit", str(folder))
    # What is asked for by hand is not remembered from elsewhere.
    shutil.rmtree(folder)
    assert describe("org/name", fetched("org/name")).run_as is None


def test_a_name_of_ours(hub: Hub, tmp_path: Path) -> None:
    publish(hub, write_public(tmp_path / "source", "smolvlm", shards=3), OURS.id, OURS.revision)
    progress = Told()
    folder = fetched(ENTRY.name, progress=progress)
    assert folder == tmp_path / "models" / ENTRY.name
    assert hub.listed == [f"{OURS.id}@{OURS.revision}"]
    assert [name for name, _ in progress.stages] == ["download"]
    assert len(list(folder.glob("model-*.safetensors"))) == 3
    found = describe(ENTRY.name, folder)
    assert (found.what, found.licence, found.parameters) == (ENTRY.what, ENTRY.licence, PARAMETERS)
    assert verify(folder, Silent()) == 3
    # Both names stand for it, and it is listed once.
    for name in (ENTRY.name, OURS.id):
        assert find_model(name) == (name, folder)
    assert [model.state for model in list_models() if OURS.id in model.name or model.name == ENTRY.name] == [
        "installed"
    ]
    with pytest.raises(UsageError, match=f"{ENTRY.name} is installed in"):
        fetched(OURS.id)


def test_what_the_cache_has_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    source = publish(hub, write_public(tmp_path / "source", "smolvlm"), OURS.id, OURS.revision)
    into_cache(tmp_path / "cache", OURS.id, source, OURS.revision)
    hub.files.clear()
    folder = fetched(ENTRY.name)
    assert (hub.asked, hub.listed) == ([], [])
    assert (folder / "chat_template.jinja").is_file()
    assert not (folder / "pytorch_model.bin").exists()
    assert describe(ENTRY.name, folder).origin == (f"{OURS.id}@{OURS.revision}",)


def test_an_interrupted_one_goes_on(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(hub, write_public(tmp_path / "source"))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    hub.breaks[SHARD] = 70_000
    fetched("org/name")
    assert [span for method, name, span in hub.asked if (method, name) == ("GET", SHARD)] == [
        None,
        "bytes=70000-",
    ]


def test_what_arrived_is_kept_for_the_next_try(hub: Hub, tmp_path: Path) -> None:
    publish(hub, write_public(tmp_path / "source", shards=2))
    second = f"org/name@{COMMIT}/model-00002-of-00002.safetensors"
    content = hub.files[second]
    hub.lies[second] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(ModelUnavailable, match=r"model-00002-of-00002\.safetensors of org/name is damaged"):
        fetched("org/name")
    assert not (tmp_path / "models").exists()
    with pytest.raises(ModelUnavailable, match=r"org/name is incomplete: .* has no model-00002-of"):
        find_model("org/name")
    hub.lies.clear()
    hub.asked.clear()
    fetched("org/name")
    assert hub.sent() == ["model-00002-of-00002.safetensors"]


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_is_not_what_the_hub_states(name: str, hub: Hub, tmp_path: Path) -> None:
    publish(hub, write_public(tmp_path / "source"))
    content = hub.files[f"org/name@{COMMIT}/{name}"]
    hub.lies[f"org/name@{COMMIT}/{name}"] = bytes([content[0] ^ 1]) + content[1:]
    with pytest.raises(ModelUnavailable, match=f"{name} of org/name is damaged.*{stated(content)} is right"):
        fetched("org/name")


def text_only(folder: Path) -> None:
    write(folder / "config.json", {"model_type": "qwen2"})


def remote_code(folder: Path) -> None:
    write(folder / "config.json", {"model_type": "internvl_chat", "vision_config": {}, "auto_map": {}})


def in_awq(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    write(folder / "config.json", config | {"quantization_config": {"quant_method": "awq"}})


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def without_a_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    write(folder / "model.safetensors.index.json", {"weight_map": {"a": "model-1-of-1.safetensors"}})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            text_only,
            r"org/name is a 'qwen2' model, which reads text alone\. Of the hub dynfocus runs InternVL, "
            r"LLaVA-NeXT-Video, LLaVA-OneVision, Qwen2\.5-VL",
        ),
        (remote_code, r"a 'internvl_chat' model\. .* often named -hf, take that"),
        (in_awq, "is stored in awq, and dynfocus knows NF4 and int8"),
        (without_weights, r"has no model\.safetensors: dynfocus reads safetensors alone"),
        (without_config, r"has no config\.json"),
        (without_a_shard, r"its index names model-1-of-1\.safetensors, which is not there"),
    ],
)
def test_what_is_refused_before_any_weights(spoil: Any, said: str, hub: Hub, tmp_path: Path) -> None:
    folder = write_public(tmp_path / "source")
    spoil(folder)
    publish(hub, folder)
    with pytest.raises(ModelUnavailable, match=said):
        fetched("org/name")
    assert set(hub.sent()) <= {"config.json", "model.safetensors.index.json"}
    assert not (tmp_path / "models").exists()


def test_a_disk_that_is_too_small(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(hub, write_public(tmp_path / "source"))
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        ModelUnavailable, match=r"takes 18\d\.\d kB in the hub's cache, and its disk has 1\.0 kB"
    ):
        fetched("org/name")
    assert hub.sent() == ["config.json"]


def test_a_repository_or_revision_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    publish(hub, write_public(tmp_path / "source"))
    with pytest.raises(ModelUnavailable, match="the hub does not know the repository, or keeps it from you"):
        fetched("org/other")
    with pytest.raises(ModelUnavailable, match="no such file, or no such revision"):
        fetched("org/name@v9")


def test_a_revision_of_a_model_of_ours_is_another_model(hub: Hub, tmp_path: Path) -> None:
    publish(hub, write_public(tmp_path / "source", "smolvlm"), OURS.id, COMMIT)
    folder = fetched(f"{OURS.id}@main")
    assert folder == tmp_path / "models" / OURS.id.replace("/", "--")
    assert describe(OURS.id, folder).origin == (f"{OURS.id}@{COMMIT}",)


def test_without_a_network_it_says_what_to_do(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it says to do works: the folder at its place has the name."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable) as caught:
        fetched(ENTRY.name)
    first, command, place, last = str(caught.value).splitlines()
    assert first.startswith(f"{ENTRY.name} could not be fetched: HF_HUB_OFFLINE forbids the network.")
    assert f"hf download {OURS.id} --revision {OURS.revision} --local-dir {ENTRY.name} --include" in command
    assert place.endswith(f"https://huggingface.co/{OURS.id}/tree/{OURS.revision}")
    write_public(Path(last.removeprefix("and then bring that folder to ")), "smolvlm")
    assert find_model(ENTRY.name)[1] == tmp_path / "models" / ENTRY.name
    assert describe(*find_model(ENTRY.name)).licence == ENTRY.licence


def test_without_a_network_what_is_there_can_be_taken(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = into_cache(tmp_path / "cache", OURS.id, write_public(tmp_path / "source", "smolvlm"), COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable) as caught:
        fetched(ENTRY.name)
    name = str(caught.value).splitlines()[-1].rpartition("`model=")[2].removesuffix("`")
    assert find_model(name) == (name, snapshot)


def test_a_cache_that_was_emptied(hub: Hub, tmp_path: Path) -> None:
    publish(hub, write_public(tmp_path / "source", "smolvlm"), OURS.id, OURS.revision)
    folder = fetched(ENTRY.name)
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(
        ModelUnavailable, match=r"has no model\.safetensors.*remove .*models pull smolvlm2-500m"
    ) as caught:
        find_model(ENTRY.name)
    assert str(folder) in str(caught.value)
    assert {model.name: model.state for model in list_models()}[ENTRY.name] == "installed"
