"""`models pull` against a hub on 127.0.0.1: what arrives is checked, converted and installed, or refused."""

from __future__ import annotations

import errno
import shlex
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conversions import converted
from huggingface_hub import constants
from typer.testing import CliRunner

from dynfocus_cli.checkpoints import download, find_model, pull
from dynfocus_cli.checkpoints.describe import describe
from dynfocus_cli.checkpoints.entries import ENTRIES, PREFERRED, ModelEntry, RemoteFile, Repository
from dynfocus_cli.checkpoints.families import FAMILIES, PUBLIC, SELECTORS
from dynfocus_cli.checkpoints.footprint import SMALL
from dynfocus_cli.checkpoints.hub_cache import HubId
from dynfocus_cli.cli.app import app
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.models.open import load_model
from dynfocus_cli.progress import Silent
from hub import LARGE, Hub, serving, stated, take_for_real

pytestmark = pytest.mark.slow

REVISION = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS, WORDS = "owner/weights", "other/words"
SHARD = f"{WEIGHTS}@{REVISION}/pytorch_model-00001-of-00002.bin"


class Counting(Silent):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.total, self.done, self.stages = 0, 0, []

    def stage(self, name: str, total: int | None) -> None:
        self.stages.append(name)
        if name == "download":
            self.total = total or 0

    def advance(self, n: int) -> None:
        self.done += n if self.stages[-1] == "download" else 0


@pytest.fixture
def hub(originals: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has LLaMA-VID in one repository and its words in another; this process takes it for the real
    one, with a cache of its own."""
    source, _ = originals["inside"]
    with serving() as hub:
        named = [path.name for path in source.iterdir() if path.name != "vocab.txt"]
        hub.add(WEIGHTS, REVISION, source, sorted(named))
        hub.add(WORDS, REVISION, source, ["qformer_tokenizer/vocab.txt"])
        take_for_real(hub, tmp_path / "cache", monkeypatch)
        monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
        yield hub


@pytest.fixture
def entry(hub: Hub) -> ModelEntry:
    """As dynfocus-7b, with these files."""
    paths = {place: [] for place in (WEIGHTS, WORDS)}
    for name in hub.files:
        place, _, rest = name.partition("@")
        paths[place].append(rest.removeprefix(f"{REVISION}/"))
    return replace(
        ENTRIES["dynfocus-7b"],
        download_bytes=sum(map(len, hub.files.values())),
        repositories=tuple(
            Repository(place, REVISION, tuple(map(RemoteFile, files))) for place, files in paths.items()
        ),
    )


def test_fetched_checked_converted_installed(
    hub: Hub, entry: ModelEntry, originals: Any, tmp_path: Path
) -> None:
    progress = Counting()
    folder = pull.pull(entry, "nf4", progress)
    assert folder == tmp_path / "models" / "dynfocus-7b"
    assert find_model("dynfocus-7b") == ("dynfocus-7b", folder)
    assert load_model("dynfocus-7b", "cpu").info.quantization == "nf4"
    by_hand = converted(originals["inside"][0], tmp_path / "by hand", "nf4")
    assert (folder / "model.safetensors").read_bytes() == (by_hand / "model.safetensors").read_bytes()
    told = describe("dynfocus-7b", folder)
    assert told.origin == (f"{WEIGHTS}@{REVISION}", f"{WORDS}@{REVISION}")
    assert told.licence == entry.licence
    assert progress.stages == ["download", "digest", "convert"]
    assert progress.total == progress.done == entry.download_bytes // 1_000_000
    # Installed is the converted model alone.
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["dynfocus-7b"]
    with pytest.raises(UsageError, match="is installed in"):
        pull.pull(entry, "nf4", progress)


def test_a_broken_connection_is_resumed(hub: Hub, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)  # what is less than a chunk is lost
    hub.breaks[SHARD] = 70_000
    pull.pull(entry, "none", Silent())
    ranges = [span for method, name, span in hub.asked if (method, name) == ("GET", SHARD)]
    assert ranges == [None, "bytes=70000-"]


def test_files_that_arrived_are_not_fetched_again(hub: Hub, entry: ModelEntry) -> None:
    kept = hub.files.pop(SHARD)
    with pytest.raises(ModelUnavailable, match="the hub has no such file, or no such revision"):
        pull.pull(entry, "none", Silent())
    first = hub.sent()
    assert first
    hub.files[SHARD] = kept
    hub.asked.clear()
    progress = Counting()
    pull.pull(entry, "none", progress)
    assert not set(hub.sent()) & set(first)
    assert progress.done == progress.total
    hub.asked.clear()
    (pulled := Path(find_model("dynfocus-7b")[1])).rename(pulled.with_name("other"))
    pull.pull(entry, "none", Silent())
    assert hub.asked == []


@pytest.mark.parametrize("name", [SHARD, f"{WEIGHTS}@{REVISION}/config.json"])
def test_what_is_not_what_the_hub_states_is_thrown_away(name: str, hub: Hub, entry: ModelEntry) -> None:
    content = hub.files[name]
    assert (len(content) >= LARGE) == (name == SHARD)
    wrong = bytes([content[0] ^ 1]) + content[1:]
    hub.lies[name] = wrong
    with pytest.raises(ModelUnavailable, match="is damaged: its digest is") as caught:
        pull.pull(entry, "none", Silent())
    assert name.rpartition("/")[2] in str(caught.value)
    assert stated(content) in str(caught.value)
    assert stated(wrong) in str(caught.value)
    hub.lies.clear()
    assert pull.pull(entry, "none", Silent()).is_dir()


def test_the_registrys_digest_counts_before_the_hubs(hub: Hub, entry: ModelEntry) -> None:
    """A hub that was broken into states what it serves."""
    own, words = entry.repositories
    sure = tuple(
        replace(file, sha256="ab" * 32) if file.path.endswith("00002.bin") else file for file in own.files
    )
    with pytest.raises(
        ModelUnavailable, match=r"pytorch_model-00001-of-00002\.bin of .* and (ab){32} is right"
    ):
        pull.pull(replace(entry, repositories=(replace(own, files=sure), words)), "none", Silent())


def test_a_repository_that_is_gone(hub: Hub, entry: ModelEntry) -> None:
    hub.files = {name: content for name, content in hub.files.items() if name.startswith(WEIGHTS)}
    with pytest.raises(ModelUnavailable, match="does not know the repository, or keeps it from you"):
        pull.pull(entry, "none", Silent())


def test_a_full_cache(hub: Hub, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "hf_hub_download", full)
    with pytest.raises(ModelUnavailable, match="the disk of the hub's cache is full") as caught:
        pull.pull(entry, "none", Silent())
    assert "HF_HOME" in str(caught.value)


def without_network(monkeypatch: pytest.MonkeyPatch, how: str) -> str:
    """Takes the hub away; returns what is to be said."""
    if how == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        return "HF_HUB_OFFLINE forbids the network"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    template = f"http://127.0.0.1:{port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    return "the hub cannot be reached"


@pytest.mark.parametrize("how", ["offline", "refused"])
def test_without_a_network_it_says_what_to_do(
    how: str, hub: Hub, entry: ModelEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it says to do works: the files at the places, then the command."""
    served = dict(hub.files)
    said = without_network(monkeypatch, how)
    with pytest.raises(ModelUnavailable) as caught:
        pull.pull(entry, "int8", Silent())
    first, *lines = str(caught.value).splitlines()
    assert said in first
    assert hub.asked == []
    place = ""
    for line in lines[: lines.index("and then run")]:
        if line.startswith("from "):
            owner, _, revision = line.removeprefix("from https://huggingface.co/").partition("/tree/")
            place = f"{owner}@{revision}"
        else:
            path, _, target = line.strip().partition(" -> ")
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            Path(target).write_bytes(served.pop(f"{place}/{path}"))
    assert served == {}
    with pytest.raises(ModelUnavailable, match="is not installed"):
        find_model("dynfocus-7b")
    program, *arguments = shlex.split(lines[-1])
    assert program == "dynfocus"
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'models' / 'dynfocus-7b'}\n")
    assert describe(*find_model("dynfocus-7b")).quantization == "int8"


def test_what_comes_with_dynfocus_is_not_pulled() -> None:
    with pytest.raises(UsageError, match="comes with dynfocus"):
        pull.pull(ENTRIES["dynfocus-tiny"], "none", Silent())


def test_entries_are_sound() -> None:
    for name, entry in ENTRIES.items():
        assert entry.name == name
        assert entry.bytes > 0
        assert (entry.family in FAMILIES) == (entry.footprint is not None)
        assert entry.family is None or entry.family in PUBLIC
        for repository in entry.repositories:
            assert repository.revision == "main" or len(bytes.fromhex(repository.revision)) == 20
            assert HubId.parse(repository.id) == HubId(repository.id, None)
            for file in repository.files:
                assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32
                assert not file.path.endswith("training_args.bin")


def test_preferred_models_have_entries() -> None:
    for names in PREFERRED.values():
        assert len(set(names)) == len(names)
        assert set(names) <= ENTRIES.keys()
    # Everything but the model that is the fallback has a place among what suits GPUs.
    answering = {name for name, entry in ENTRIES.items() if entry.family not in SELECTORS}
    assert set(PREFERRED["cuda"]) == answering - {"dynfocus-tiny"}
    for name in PREFERRED["cpu"]:
        footprint = ENTRIES[name].footprint
        assert footprint is not None
        assert footprint.parameters <= SMALL


def test_parameters_make_the_sizes() -> None:
    """What is worked out and what the hub says agree: two bytes a parameter, or four."""
    for name, entry in ENTRIES.items():
        if entry.footprint is not None:
            bytes_a_parameter = entry.bytes / entry.footprint.parameters
            whole = 4 if name.startswith("smolvlm2") else 2
            assert bytes_a_parameter == pytest.approx(whole, rel=0.012), name
            assert 0.3 < entry.footprint.layers / entry.footprint.parameters < 0.93, name
