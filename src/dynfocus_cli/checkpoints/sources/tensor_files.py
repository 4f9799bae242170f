"""Reading foreign weights: one tensor at a time, and nothing but tensors."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dynfocus_cli.checkpoints.sources.recipe import listed
from dynfocus_cli.errors import ModelUnavailable

HELD_BYTES = 256 << 20
"""What may be read of a mapped file before it is mapped anew: pages that were touched count as ours."""


class TensorFiles:
    """The tensors of some `.bin`, `.pth` and `.safetensors` files, under their own names.

    Pickles are opened with `weights_only=True`, which builds tensors and runs no code.
    """

    def __init__(self, files: Mapping[Path, str]) -> None:
        """`files`: path -> prefix that its keys are given.

        Raises:
            ModelUnavailable: a file is damaged, cut short, or holds more than tensors.
        """
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._place: dict[str, tuple[Path, str]] = {}
        self._open: tuple[Path, Any] | None = None
        self._held = 0
        for path, prefix in files.items():
            for name, shape in self._contents(path).items():
                self.shapes[prefix + name] = shape
                self._place[prefix + name] = path, name
            self.close()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that hold anything."""
        return tuple(sorted({path for path, _ in self._place.values()}))

    def path(self, key: str) -> Path:
        """The file that holds a tensor."""
        return self._place[key][0]

    def read(self, key: str) -> Tensor:
        """A tensor as it is stored; it may be a view of the mapped file."""
        path, name = self._place[key]
        opened = self._file(path)
        try:
            tensor = opened.get_tensor(name) if _is_safetensors(path) else opened[name]
        except (SafetensorError, RuntimeError, OSError) as error:
            raise ModelUnavailable(f"{path}: {key} cannot be read: {_first_line(error)}.") from error
        assert isinstance(tensor, Tensor), "checked when the file was first opened"
        self._held += tensor.nbytes
        return tensor

    def close(self) -> None:
        """Lets go of the open file; tensors that were read stay good."""
        self._open, self._held = None, 0

    def _file(self, path: Path) -> Any:
        if self._open is None or self._open[0] != path or self._held > HELD_BYTES:
            self.close()
            self._open = path, _opened(path)
        return self._open[1]

    def _contents(self, path: Path) -> dict[str, tuple[int, ...]]:
        opened = self._file(path)
        if _is_safetensors(path):
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
        return {name: tuple(tensor.shape) for name, tensor in opened.items()}


def checkpoint_files(folder: Path, names: Sequence[str]) -> list[Path]:
    """The weight files of a folder: those that its index names, or a single one.

    Args:
        names: base names to try in order, as `pytorch_model.bin` or `model.safetensors`.

    Raises:
        ModelUnavailable: there are none, or the index names one that is missing.
    """
    for name in names:
        index = folder / f"{name}.index.json"
        if index.is_file():
            try:
                shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
                files = [folder / Path(shard).name for shard in shards]
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
                raise ModelUnavailable(f"{index} cannot be used: {_first_line(error)}.") from error
            if missing := [str(file.name) for file in files if not file.is_file()]:
                raise ModelUnavailable(
                    f"{folder} is incomplete: {listed(missing)}, which {index.name} names, is not there."
                )
            return files
        if (folder / name).is_file():
            return [folder / name]
    raise ModelUnavailable(f"{folder} holds no weights: {' or '.join(names)} is needed.")


def _is_safetensors(path: Path) -> bool:
    return path.suffix == ".safetensors"


def _opened(path: Path) -> Any:
    try:
        if _is_safetensors(path):
            return safe_open(path, framework="pt")
        try:
            state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        except RuntimeError as error:
            if "mmap" not in str(error):
                raise
            state = torch.load(path, map_location="cpu", weights_only=True)  # from before torch 1.6
    except pickle.UnpicklingError as error:
        raise ModelUnavailable(
            f"{path} is refused: it is damaged, or a pickle that holds more than tensors and could run code."
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            f"{path} cannot be read: it is damaged, or its download was cut short ({_first_line(error)})."
        ) from error
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror or _first_line(error)}.") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ModelUnavailable(f"{path} is no checkpoint: it holds other things than named tensors.")
    return state


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
