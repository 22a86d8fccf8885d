# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader for the pickle in a torch file, without torch and without running anything that it names.

A pickle may name any function of any module and have it called. This reader knows the few that weights need, and
replaces them with stand-ins of its own.
"""

from __future__ import annotations

import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pointpillars_ov_ros.config.documents import one_line
from pointpillars_ov_ros.config.errors import BundleError, shown

_MOST, _MOST_AXES = 2**40, 8
"""Limits of the number of elements and of axes of a tensor."""


class StorageType(NamedTuple):
    """Element type of a storage; not callable, so that a pickle can only refer to it."""

    name: str
    dtype: str
    """NumPy type, little-endian; bfloat16 as raw 16 bits."""


_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
}
BFLOAT16 = "BFloat16Storage"
STORAGE_TYPES = {name: StorageType(name, dtype) for name, dtype in _DTYPES.items()}


class Storage(NamedTuple):
    """A run of elements stored elsewhere in the file."""

    key: str
    type: StorageType
    size: int
    """Elements."""


class TensorRef(NamedTuple):
    """A tensor that is not read yet: a view of a storage. Offset and strides are in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Inert:
    """Placeholder for objects beside the weights (optimizer state, sizes, devices), which are never looked at."""

    def __init__(self, *_arguments: object) -> None:
        """Discard the arguments."""

    def __setstate__(self, _state: object) -> None:
        """Discard the state."""


class PlainDict(OrderedDict[Any, Any]):
    """An OrderedDict without the attributes that a pickle may set, which could hide its methods."""

    def __setstate__(self, _state: object) -> None:
        """Discard the attributes (torch stores version numbers of modules there)."""


class StandIn:
    """A torch function that a pickle may call, but not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        """Wrap `function`."""
        self._function = function

    def __call__(self, *arguments: object) -> object:
        """Call the function; a damaged pickle passes wrong arguments, which raises TypeError."""
        return self._function(*arguments)

    def __setstate__(self, _state: object) -> None:
        """Refuse to be changed."""
        raise ValueError("a function is given a state")


def rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_rest: object) -> TensorRef:
    """Stand in for torch._utils._rebuild_tensor_v2; ValueError if the view leaves its storage."""
    natural = all(are_naturals(numbers) for numbers in ((offset,), shape, strides))
    if not isinstance(storage, Storage) or not natural or len(shape) != len(strides) or len(shape) > _MOST_AXES:
        raise ValueError("a tensor is not described in torch's format")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    # A view that repeats elements could be of any size; parameters never do.
    is_absurd = math.prod(max(n, 1) for n in shape) > _MOST
    if is_absurd or math.prod(shape) > storage.size or (0 not in shape and last >= storage.size):
        raise ValueError(f"a tensor of shape {shown(shape)} leaves its storage of {storage.size} elements")
    return TensorRef(storage, offset, shape, strides)


def are_naturals(numbers: object) -> bool:
    """Whether it is a tuple of non-negative integers no greater than a file can have elements."""
    return isinstance(numbers, tuple) and all(type(number) is int and 0 <= number <= _MOST for number in numbers)


def rebuild_parameter(data: object, *_rest: object) -> object:
    """Stand in for torch._utils._rebuild_parameter: the tensor itself."""
    return data


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): PlainDict,
    ("torch._utils", "_rebuild_tensor"): StandIn(rebuild_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): StandIn(rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): StandIn(rebuild_parameter),
    ("torch", "Size"): Inert,
    ("torch", "device"): Inert,
    ("numpy", "dtype"): Inert,
    ("numpy", "ndarray"): Inert,
    ("numpy.core.multiarray", "scalar"): Inert,
    ("numpy.core.multiarray", "_reconstruct"): Inert,
    ("numpy._core.multiarray", "scalar"): Inert,
    ("numpy._core.multiarray", "_reconstruct"): Inert,
    ("_codecs", "encode"): Inert,
}


class _WeightsUnpickler(pickle.Unpickler):
    """An unpickler that finds nothing but the globals listed above."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        """Read from `stream`, which belongs to the file `path`."""
        super().__init__(stream, encoding="latin1")
        self._path = path
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a global; BundleError if there is none."""
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        if (module, name) not in _ALLOWED:
            wanted = f"{module}.{name}"
            raise BundleError(
                f"{self._path}: its pickle refers to {shown(wanted)}, which weights do not need and may run code, "
                "so it is refused; if you trust the file, save it again in torch: torch.save(model.state_dict(), NEW)"
            )
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        """Return the storage that a persistent id describes; ValueError for anything else."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise ValueError("something outside the pickle is not a storage")
        kind, key, _location, size = pid[1:5]
        if not isinstance(kind, StorageType) or not isinstance(key, str) or not are_naturals((size,)):
            raise ValueError("a storage is not described in torch's format")
        if len(pid) > 5 and pid[5] is not None:
            raise ValueError("a storage is a view of another one, as written by torch before 0.4")
        return self.storages.setdefault(key, Storage(key, kind, size))


def _check_memo(stream: BinaryIO) -> None:
    """Scan the pickle at the position of `stream` and return; ValueError if it would take memory it cannot need.

    The unpickler keeps objects in a list as long as the greatest index used, regardless of the number of objects.
    """
    begin = stream.tell()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count:
            raise ValueError(f"it stores an object at index {shown(argument)}")
    stream.seek(begin)


def load_pickle(stream: BinaryIO, path: Path) -> tuple[Any, dict[str, Storage]]:
    """Read one pickle: plain containers, numbers, strings and TensorRefs, and their storages by key.

    BundleError names `path` and the reason.
    """
    unpickler = _WeightsUnpickler(stream, path)
    try:
        _check_memo(stream)
        return unpickler.load(), unpickler.storages
    except BundleError:
        raise
    # A damaged pickle makes the unpickler raise almost any exception.
    except Exception as error:
        reason = one_line(error) if str(error) else type(error).__name__
        raise BundleError(f"{path} is truncated, damaged or not a torch checkpoint ({reason})") from None
