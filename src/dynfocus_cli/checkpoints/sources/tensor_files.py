"""Reads the tensors of other projects' files one at a time; no code in them is run."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dynfocus_cli.checkpoints.sources.recipe import listed
from dynfocus_cli.errors import ModelUnavailable, first_line

HELD_BYTES = 256 << 20
"""Bytes that are read of a mapped file before it is mapped anew: pages that were read count as our memory."""

CUT_SHORT = "{path} cannot be read: it is damaged, or its download was cut short ({said})."

_SAFE_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""safetensors' names of the dtypes that weights have; all others are read as bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a checkpoint, or some of its tensors."""

    path: Path
    prefix: str = ""
    """Put before its keys."""
    only: str = ""
    """Keys without this prefix are left out."""


class TensorFiles:
    """The tensors of some `.bin`, `.pth` and `.safetensors` files, under their own names.

    Pickles are opened with `weights_only=True`, which builds tensors and runs no code.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        """
        Raises:
            ModelUnavailable: a file is damaged, cut short, or holds more than tensors; or two hold the same.
        """
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, torch.dtype] = {}
        self._place: dict[str, tuple[Path, str]] = {}
        self._open: tuple[Path, Any, bool] | None = None
        self._held = 0
        for part in parts:
            for name, (shape, dtype) in self._contents(part.path).items():
                key = part.prefix + name
                if not name.startswith(part.only):
                    continue
                if key in self._place:
                    raise ModelUnavailable(f"{part.path} and {self.path(key)} both hold {key}.")
                self.shapes[key], self.dtypes[key] = shape, dtype
                self._place[key] = part.path, name
            self.close()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that hold any of the tensors, in the order in which they were given."""
        return tuple(dict.fromkeys(path for path, _ in self._place.values()))

    def path(self, key: str) -> Path:
        """The file that holds a tensor."""
        return self._place[key][0]

    def read(self, key: str) -> Tensor:
        """A tensor as it is stored; it may be a view of the mapped file."""
        path, name = self._place[key]
        tensors = self._file(path)
        try:
            tensor = tensors.get_tensor(name) if _is_safetensors(path) else tensors[name]
        except (SafetensorError, RuntimeError, OSError) as error:
            raise ModelUnavailable(f"{path}: {key} cannot be read: {first_line(error)}.") from error
        assert isinstance(tensor, Tensor), "checked when the file was first opened"
        self._held += tensor.nbytes
        return tensor

    def close(self) -> None:
        """Closes the open file; tensors that were read stay valid."""
        self._open, self._held = None, 0

    def _file(self, path: Path) -> Any:
        if self._open is not None:
            open_path, tensors, mapped = self._open
            if open_path == path and not (mapped and self._held > HELD_BYTES):
                return tensors
        self.close()
        self._open = path, *_opened(path)
        return self._open[1]

    def _contents(self, path: Path) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Name -> shape and dtype."""
        tensors = self._file(path)
        if not _is_safetensors(path):
            return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
        slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
        return {
            name: (tuple(tensor.get_shape()), _SAFE_DTYPES.get(tensor.get_dtype(), torch.uint8))
            for name, tensor in slices.items()
        }


def open_safetensors(path: Path, **how: str) -> Any:
    """`safe_open` with the keyword arguments `how`. Raises ModelUnavailable where the file cannot be read."""
    try:
        path.open("rb").close()  # safetensors says of any file it cannot open that there is none
        return safe_open(path, framework="pt", **how)
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror or first_line(error)}.") from error
    except SafetensorError as error:
        raise ModelUnavailable(CUT_SHORT.format(path=path, said=first_line(error))) from error


def checkpoint_files(folder: Path, names: Sequence[str], only: str = "") -> list[Path]:
    """The weight files of a folder: those that its index names, or a single one.

    Args:
        names: base names to try in order, as `pytorch_model.bin` or `model.safetensors`.
        only: leaves out shards that have no key with this prefix.

    Raises:
        ModelUnavailable: there are none, or the index names one that is missing or elsewhere.
    """
    for name in names:
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = sorted({shard for key, shard in _weight_map(index).items() if key.startswith(only)})
            if outside := [shard for shard in shards if Path(shard).name != shard]:
                raise ModelUnavailable(
                    f"{index} is refused: it names {listed(outside)}, which is no file beside it."
                )
            if missing := [shard for shard in shards if not (folder / shard).is_file()]:
                raise ModelUnavailable(
                    f"{folder} is incomplete: {listed(missing)}, which {index.name} names, is not there."
                )
            return [folder / shard for shard in shards]
        if (folder / name).is_file():
            return [folder / name]
    raise ModelUnavailable(f"{folder} holds no weights: {' or '.join(names)} is needed.")


def _weight_map(index: Path) -> dict[str, str]:
    """Key -> file, as an index states it."""
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except OSError as error:
        raise ModelUnavailable(f"{index} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelUnavailable(
            f"{index} cannot be used: it holds no weight_map ({first_line(error)})."
        ) from error
    files = weight_map.values() if isinstance(weight_map, dict) else ()
    if not files or not all(isinstance(file, str) for file in files):
        raise ModelUnavailable(f"{index} cannot be used: its weight_map does not name files.")
    return dict(weight_map)


def _is_safetensors(path: Path) -> bool:
    return path.suffix == ".safetensors"


def _opened(path: Path) -> tuple[Any, bool]:
    """A file's tensors by name, and whether the file is mapped, not read."""
    if _is_safetensors(path):
        return open_safetensors(path), True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that are refused in the next moment
            state, mapped = _unpickled(path)
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror or first_line(error)}.") from error
    except pickle.UnpicklingError as error:
        raise ModelUnavailable(
            f"{path} is refused: it is damaged, or a pickle that holds more than tensors and could run code."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ModelUnavailable(CUT_SHORT.format(path=path, said=first_line(error))) from error
    if not isinstance(state, dict) or not all(_is_plain(*item) for item in state.items()):
        raise ModelUnavailable(f"{path} is no checkpoint: it holds other things than named tensors.")
    return state, mapped


def _unpickled(path: Path) -> tuple[Any, bool]:
    try:
        return torch.load(path, map_location="cpu", mmap=True, weights_only=True), True
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
    return torch.load(path, map_location="cpu", weights_only=True), False  # from before torch 1.6


def _is_plain(name: object, tensor: object) -> bool:
    """Whether a pickle's entry is a named tensor with its numbers in memory, one after the other."""
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        return False
    return tensor.device.type == "cpu" and tensor.layout is torch.strided and not tensor.is_quantized
