# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes files as torch.save does, both its formats, without torch. Arrays in what is saved become tensors."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


class Global:
    """A name that the pickle refers to, of a module that need not be there."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        """Make the pickler treat it as a function; it is never called."""


class Call:
    """A call that loading the pickle makes."""

    def __init__(self, function: Global, *arguments: Any, state: Any = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state


class Tensor:
    """A tensor that is a view of a storage, or of bfloat16."""

    def __init__(self, storage: np.ndarray, offset: int, shape: Any, strides: Any, kind: str = "") -> None:
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides
        self.kind = kind or STORAGES[str(storage.dtype)]
        self.size = storage.size


class Claim(Tensor):
    """A tensor of a storage that is said to have `size` elements, and has fewer."""

    def __init__(self, storage: np.ndarray, size: int) -> None:
        super().__init__(storage, 0, (size,), (1,))
        self.size = size


class _Storage:
    def __init__(self, kind: str, data: bytes, size: int) -> None:
        self.kind, self.data, self.size = kind, data, size


class _Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """The pickler in Python, which can be made to write names of modules that are not there."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def __init__(self, stream: io.BytesIO, storages: list[_Storage], legacy: bool) -> None:
        super().__init__(stream, protocol=2)
        self._storages, self._legacy = storages, legacy

    def persistent_id(self, item: Any) -> Any:
        if not isinstance(item, _Storage):
            return None
        self._storages.append(item)
        described = ("storage", Global("torch", item.kind), str(len(self._storages) - 1), "cpu", item.size)
        return (*described, None) if self._legacy else described

    def save_global_name(self, item: Global) -> None:
        self.write(pickle.GLOBAL + f"{item.module}\n{item.name}\n".encode())
        self.memoize(item)

    def save_call(self, item: Call) -> None:
        self.save_reduce(item.function, item.arguments, item.state, obj=item)

    def save_tensor(self, item: Tensor) -> None:
        storage = _Storage(item.kind, item.storage.tobytes(), item.size)
        hooks = Call(Global("collections", "OrderedDict"))
        arguments = (storage, item.offset, tuple(item.shape), tuple(item.strides), False, hooks)
        self.save_reduce(Global("torch._utils", "_rebuild_tensor_v2"), arguments, obj=item)

    def save_array(self, item: np.ndarray) -> None:
        flat = np.array(item, order="C")
        strides = [stride // flat.itemsize for stride in flat.strides]
        self.save_tensor(Tensor(flat.reshape(-1), 0, item.shape, strides))

    dispatch[Global] = save_global_name
    dispatch[Call] = save_call
    dispatch[Tensor] = dispatch[Claim] = save_tensor
    dispatch[np.ndarray] = save_array


def pickled(content: Any, storages: list[_Storage], legacy: bool = False) -> bytes:
    """Return the pickle of `content`, and append the data stored outside it to `storages`."""
    stream = io.BytesIO()
    _Pickler(stream, storages, legacy).dump(content)
    return stream.getvalue()


def save_zip(content: Any, path: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write `content` as torch 1.6 and later do."""
    storages: list[_Storage] = []
    data = pickled(content, storages)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{path.stem}/data.pkl", data)
        archive.writestr(f"{path.stem}/byteorder", "little")
        for key, storage in enumerate(storages):
            archive.writestr(f"{path.stem}/data/{key}", storage.data)
        archive.writestr(f"{path.stem}/version", "3\n")
    return path


def save_stream(content: Any, path: Path) -> Path:
    """Write `content` as torch before 1.6 did."""
    storages: list[_Storage] = []
    parts = [pickle.dumps(item, 2) for item in (MAGIC, PROTOCOL, MACHINE)]
    parts.append(pickled(content, storages, legacy=True))
    parts.append(pickle.dumps([str(key) for key in range(len(storages))], 2))
    for storage in storages:
        parts += [storage.size.to_bytes(8, "little"), storage.data]
    path.write_bytes(b"".join(parts))
    return path


SAVERS = {"zip": save_zip, "stream": save_stream}
