# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save, read without torch: the zip of torch 1.6 and later, and the stream of earlier versions.

Both hold a pickle of everything but the elements of the tensors, which are stored separately. Tensors are read one by
one on request, so that the state of an optimizer costs nothing.
"""

from __future__ import annotations

import struct
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.documents import one_line
from pointpillars_ov_ros.config.errors import BundleError, shown
from pointpillars_ov_ros.config.first_bytes import Content, identify_bytes
from pointpillars_ov_ros.conversion.torch_pickle import BFLOAT16, Storage, TensorRef, load_pickle

Array = npt.NDArray[Any]

_ZIP_MAGIC = b"PK\x03\x04"
_STREAM_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM_PROTOCOL = 1001
_SIZE_BYTES = 8
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257


_DAMAGED = (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError, OverflowError, struct.error)
"""Exceptions of `zipfile` for files that are not zips, have wrong offsets or lengths, or are encrypted."""


_PAIR = "; pass the folder that holds both networks, {}, instead of one of them"
_CURES = {
    Content.ONNX: _PAIR.format("*pfe*.onnx and *rpn*.onnx"),
    Content.XML: _PAIR.format("pfe.xml and rpn.xml"),
    **dict.fromkeys(
        (Content.EMPTY, Content.ZEROS, Content.GIT_LFS, Content.WEB_PAGE, Content.ZSTD, Content.GZIP, Content.BZIP2,
         Content.XZ, Content.LZ4, Content.MCAP, Content.SQLITE, Content.ROSBAG1, Content.ROSBAG1_OLD, Content.HDF5,
         Content.NUMPY, Content.PCD, Content.PLY, Content.LAS, Content.IMAGE, Content.TEXT),
        "",
    ),
}  # fmt: skip
"""Advice for files that are not checkpoints."""


class TorchFile(ABC):
    """An open checkpoint."""

    def __init__(self, path: Path) -> None:
        """Remember the path for messages."""
        self.path = path
        self.content: Any = None
        """The saved object, with a TensorRef in place of every tensor."""

    def array(self, tensor: TensorRef) -> Array:
        """Read a tensor, in its own shape and C order; bfloat16 becomes float32. BundleError if it is truncated."""
        storage = tensor.storage
        dtype = np.dtype(storage.type.dtype)
        size = storage.size * dtype.itemsize
        # Before reading: if a damaged file claims more than it has, that much memory would be allocated.
        data = self._read(storage, size) if size <= self.path.stat().st_size else b""
        if len(data) != size:
            raise BundleError(f"{self.path} is truncated: storage {shown(storage.key)} does not have its {size} bytes")
        values: Array = np.frombuffer(data, dtype)
        if storage.type.name == BFLOAT16:
            values = (values.astype(np.uint32) << 16).view(np.float32)
        strides = tuple(stride * values.itemsize for stride in tensor.strides)
        if 0 in tensor.shape:
            return np.zeros(tensor.shape, values.dtype)
        return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides).copy()

    @abstractmethod
    def _read(self, storage: Storage, size: int) -> bytes:
        """Return the `size` bytes of a storage, or fewer if the file ends."""


def open_torch_file(path: Path) -> TorchFile:
    """Read the pickle of a checkpoint; BundleError says what is wrong with the file, OSError if it cannot be opened."""
    with path.open("rb") as stream:
        head = stream.read(_TAR_MAGIC_AT + len(_TAR_MAGIC))
    if head.startswith(_ZIP_MAGIC):
        return _ZipFile(path)
    content = identify_bytes(head)
    if content in _CURES:
        raise BundleError(f"{path} is {content.value}{_CURES[content]}")
    if head[_TAR_MAGIC_AT:] == _TAR_MAGIC:
        raise BundleError(
            f"{path} is a tar file, as written by torch before 0.2; load it in torch and save it again: "
            "torch.save(torch.load(OLD), NEW)"
        )
    return _StreamFile(path)


class _ZipFile(TorchFile):
    """A zip with `data.pkl` and a member in `data/` per storage."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {info.filename: info for info in archive.infolist()}
                pickles = [name for name in self._members if name == "data.pkl" or name.endswith("/data.pkl")]
                if len(pickles) != 1:
                    raise BundleError(f"{path} is a zip with {len(pickles)} data.pkl, not a torch checkpoint")
                self._root = pickles[0].removesuffix("data.pkl")
                self._check_byte_order(archive)
                with archive.open(self._member("data.pkl")) as stream:
                    self.content, _ = load_pickle(stream, path)  # type: ignore[arg-type]
        except _DAMAGED as error:
            raise self._damaged(error) from None

    def _read(self, storage: Storage, size: int) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self._member(f"data/{storage.key}")) as stream:
                return stream.read(size)
        except _DAMAGED as error:
            raise self._damaged(error) from None

    def _member(self, name: str) -> zipfile.ZipInfo:
        info = self._members.get(self._root + name)
        if info is None:
            raise BundleError(f"{self.path} is damaged: it lacks {shown(self._root + name)}")
        # torch compresses nothing, and compressed data may expand without bounds.
        if info.compress_type != zipfile.ZIP_STORED:
            raise BundleError(f"{self.path}: {shown(info.filename)} is compressed, which torch.save never does")
        return info

    def _check_byte_order(self, archive: zipfile.ZipFile) -> None:
        if self._root + "byteorder" in self._members:
            with archive.open(self._member("byteorder")) as stream:
                order = stream.read(_SIZE_BYTES)
            if order != b"little":
                raise BundleError(f"{self.path}: byteorder is {shown(order)}, expected b'little'")

    def _damaged(self, error: Exception) -> BundleError:
        return BundleError(f"{self.path} is truncated or damaged ({one_line(error)})")


class _StreamFile(TorchFile):
    """Five pickles (magic number, protocol, machine, content, keys of storages), then the storages in that order."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with path.open("rb") as stream:
            magic, _ = load_pickle(stream, path)
            if not isinstance(magic, int) or magic != _STREAM_MAGIC:
                raise BundleError(f"{path} is a pickle, but not a torch checkpoint")
            protocol, machine = load_pickle(stream, path)[0], load_pickle(stream, path)[0]
            if protocol != _STREAM_PROTOCOL or not isinstance(machine, dict) or not machine.get("little_endian"):
                raise BundleError(
                    f"{path}: protocol {shown(protocol)} of {shown(machine)} is not supported; save it again in torch"
                )
            self.content, self._storages = load_pickle(stream, path)
            keys, _ = load_pickle(stream, path)
            self._begin = stream.tell()
        self._keys = [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
        self._places: dict[str, tuple[int, int]] = {}

    def _read(self, storage: Storage, size: int) -> bytes:
        with self.path.open("rb") as stream:
            if not self._places:
                self._find_storages(stream)
            if storage.key not in self._places:
                raise BundleError(f"{self.path} is truncated: storage {shown(storage.key)} is missing")
            begin, elements = self._places[storage.key]
            if elements != storage.size:
                raise BundleError(f"{self.path} is damaged: storage {shown(storage.key)} has {elements} elements")
            stream.seek(begin)
            return stream.read(size)

    def _find_storages(self, stream: BinaryIO) -> None:
        """Record where each storage starts; its length follows from the types in the pickle."""
        at = self._begin
        for key in self._keys:
            stream.seek(at)
            head = stream.read(_SIZE_BYTES)
            if len(head) < _SIZE_BYTES or key not in self._storages:
                return
            elements = int.from_bytes(head, "little", signed=True)
            self._places[key] = (at + _SIZE_BYTES, elements)
            at += _SIZE_BYTES + max(elements, 0) * np.dtype(self._storages[key].type.dtype).itemsize
