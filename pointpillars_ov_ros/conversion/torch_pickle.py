# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pickle in a torch file, read without torch and without running anything that it names.

A pickle may name any function of any module and have it called. This reader knows the few that weights need, and
puts stand-ins of its own in their place.
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
"""Of elements, and of axes of a tensor."""


class StorageType(NamedTuple):
    """The element type of a storage. It cannot be called, so that a pickle can do nothing with it but name it."""

    name: str
    dtype: str
    """Of numpy, little-endian; bfloat16 as the 16 bits that it is."""


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
    """A run of elements that lies elsewhere in the file."""

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
    """What a pickle holds beside weights (numbers of an optimizer, sizes, devices): taken, and never looked at."""

    def __init__(self, *_arguments: object) -> None:
        """Forget the arguments."""

    def __setstate__(self, _state: object) -> None:
        """Forget the state."""


class PlainDict(OrderedDict[Any, Any]):
    """An OrderedDict without the attributes that a pickle may give it, which could hide its methods."""

    def __setstate__(self, _state: object) -> None:
        """Forget the attributes (torch keeps version numbers of modules there)."""


class StandIn:
    """A function of torch's that a pickle may call, but not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        """Wrap `function`."""
        self._function = function

    def __call__(self, *arguments: object) -> object:
        """Call it; a damaged pickle gives other arguments than it takes, which raises TypeError."""
        return self._function(*arguments)

    def __setstate__(self, _state: object) -> None:
        """Refuse to be changed."""
        raise ValueError("a function is given a state")


def rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_rest: object) -> TensorRef:
    """Stand in for torch._utils._rebuild_tensor_v2; ValueError where the view leaves its storage."""
    natural = all(are_naturals(numbers) for numbers in ((offset,), shape, strides))
    if not isinstance(storage, Storage) or not natural or len(shape) != len(strides) or len(shape) > _MOST_AXES:
        raise ValueError("a tensor is not described as torch does")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    # One that repeats elements could be of any size: no parameter does.
    is_absurd = math.prod(max(n, 1) for n in shape) > _MOST
    if is_absurd or math.prod(shape) > storage.size or (0 not in shape and last >= storage.size):
        raise ValueError(f"a tensor of shape {shown(shape)} leaves its storage of {storage.size} elements")
    return TensorRef(storage, offset, shape, strides)


def are_naturals(numbers: object) -> bool:
    """Tell whether it is a tuple of integers of 0 and more, such as a file can have elements."""
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
    """An unpickler that finds nothing but what is listed above."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        """Read from `stream`, which is of the file `path`."""
        super().__init__(stream, encoding="latin1")
        self._path = path
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Give the stand-in for a global; BundleError where there is none."""
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        if (module, name) not in _ALLOWED:
            wanted = f"{module}.{name}"
            raise BundleError(
                f"{self._path}: its pickle wants {shown(wanted)}, which weights do not need and may run code, so "
                "nothing is taken; if you trust it, save it again in torch: torch.save(model.state_dict(), NEW)"
            )
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        """Give the storage that a persistent id describes; ValueError where it is another thing."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise ValueError("something lies outside the pickle that is no storage")
        kind, key, _location, size = pid[1:5]
        if not isinstance(kind, StorageType) or not isinstance(key, str) or not are_naturals((size,)):
            raise ValueError("a storage is not described as torch does")
        if len(pid) > 5 and pid[5] is not None:
            raise ValueError("a storage is a view of another one, as torch before 0.4 wrote it")
        return self.storages.setdefault(key, Storage(key, kind, size))


def _check_memo(stream: BinaryIO) -> None:
    """Go through the pickle at the place of `stream` and back; ValueError where it would take memory it cannot need.

    The unpickler keeps objects in a list as long as the greatest place that one is put to, whatever else there is.
    """
    begin = stream.tell()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count:
            raise ValueError(f"it keeps an object in place {shown(argument)}")
    stream.seek(begin)


def load_pickle(stream: BinaryIO, path: Path) -> tuple[Any, dict[str, Storage]]:
    """Read one pickle: plain containers, numbers, strings and TensorRefs, and the storages of those by key.

    BundleError names `path` and the reason.
    """
    unpickler = _WeightsUnpickler(stream, path)
    try:
        _check_memo(stream)
        return unpickler.load(), unpickler.storages
    except BundleError:
        raise
    # A damaged pickle makes the unpickler raise nearly anything.
    except Exception as error:
        reason = one_line(error) if str(error) else type(error).__name__
        raise BundleError(f"{path} is truncated, damaged or no torch checkpoint ({reason})") from None
