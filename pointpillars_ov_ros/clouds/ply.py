# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader for the vertices of PLY files (Stanford's polygon format): ascii, or binary in either byte order.

Implemented here because the one well-maintained library is under the GPL, which this package cannot be combined with.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pointpillars_ov_ros.config.errors import DatasetError, shown

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_MAX_HEADER = 65_536
_END = b"end_header"


class _Element(NamedTuple):
    name: str
    size: int
    fields: list[tuple[str, str]]
    """NumPy name and type of each field, without byte order."""
    has_lists: bool


def read_ply(path: Path, data: bytes) -> npt.NDArray[np.void]:
    """Return the vertices of the PLY file at `path`, whose bytes are `data`, as records. Raises DatasetError."""
    order, elements, begin = _read_header(path, data)
    for element in elements:
        if element.size > len(data):
            raise DatasetError(f"{path} is truncated: {element.size} of {shown(element.name)} exceed its size")
        if element.has_lists:
            reason = f"element {shown(element.name)} has list properties, which are supported only after the vertices"
            raise DatasetError(f"{path}: {reason}")
        try:
            dtype = np.dtype([(name, order + kind) for name, kind in element.fields])
        except ValueError:
            raise DatasetError(f"{path}: two properties of {shown(element.name)} have the same name") from None
        if order:
            size = element.size * dtype.itemsize
            if element.name == "vertex":
                return _from_bytes(path, data[begin : begin + size], dtype, element.size)
            begin += size
        elif element.name == "vertex":
            return _from_text(path, data[begin:], dtype, element.size)
        else:
            lines = data[begin:].split(b"\n", element.size)
            begin = len(data) - (len(lines[-1]) if len(lines) > element.size else 0)
    raise DatasetError(f"{path}: there is no element named vertex")


def _from_bytes(path: Path, data: bytes, dtype: np.dtype[np.void], count: int) -> npt.NDArray[np.void]:
    if len(data) != count * dtype.itemsize:
        raise DatasetError(f"{path} is truncated: {count} vertices of {dtype.itemsize} bytes do not fit into it")
    return np.frombuffer(data, dtype)


def _from_text(path: Path, data: bytes, dtype: np.dtype[np.void], count: int) -> npt.NDArray[np.void]:
    rows, columns = data.split(b"\n", count)[:count], len(dtype.names or ())
    try:
        values = np.array([row.split() for row in rows], np.float64).reshape(count, columns)
    except ValueError:
        raise DatasetError(f"{path}: expected {count} lines of {columns} numbers after the header") from None
    records = np.empty(count, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for column, name in enumerate(dtype.names or ()):
            records[name] = values[:, column]
    return records


def _read_header(path: Path, data: bytes) -> tuple[str, list[_Element], int]:
    """Return the byte order, the elements, and the offset of the data."""
    end = data.find(_END, 0, _MAX_HEADER)
    begin = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or end < 0 or not begin:
        raise DatasetError(f"{path}: does not begin with the header of a PLY file")
    order, elements = None, list[_Element]()
    for line in data[:end].decode("latin1").splitlines():
        match line.split():
            case ["format", kind, *_] if kind in _ORDERS:
                order = _ORDERS[kind]
            case ["element", name, count] if count.isdecimal():
                elements.append(_Element(name, int(count), [], False))
            case ["property", "list", *_] if elements:
                elements[-1] = elements[-1]._replace(has_lists=True)
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1].fields.append((name, _TYPES[kind]))
            case ["ply"] | [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise DatasetError(f"{path}: {shown(line)} is not a known line of a PLY header")
    if order is None:
        raise DatasetError(f"{path}: the header of the PLY file names no format")
    return order, elements, begin
