# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of clouds put together byte by byte, apart from the code under test."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from pointpillars_ov_ros.core.arrays import FloatArray

Point = Sequence[float]


def street(count: int = 4000, seed: int = 0) -> FloatArray:
    """Return a cloud (count, 4) of a 64-beam sensor: level ground 1.73 m below, walls, intensities from 0 to 1."""
    rng = np.random.default_rng(seed)
    azimuth = np.repeat(np.linspace(-np.pi, np.pi, -(-count // 64)), 64)[:count] + rng.normal(0, 1e-3, count)
    reach = np.minimum(1.73 / np.tan(np.radians(np.tile(np.linspace(2.0, 24.0, 64), -(-count // 64))[:count])), 30.0)
    height = np.where(reach < 30.0, -1.73, rng.uniform(-1.7, 2.0, count)) + rng.normal(0, 0.01, count)
    return np.column_stack([reach * np.cos(azimuth), reach * np.sin(azimuth), height, rng.beta(2, 5, count)]).astype(
        np.float32
    )


def pcd_bytes(points: Sequence[Point], names: str = "x y z intensity", form: str = "ascii", codes: str = "") -> bytes:
    """Return a PCD file; `codes` are those of `struct` for the fields, by default all f."""
    codes = codes or "f" * len(names.split())
    kinds = {"f": "F", "d": "F", "B": "U", "H": "U", "I": "U", "b": "I", "h": "I", "i": "I"}
    head = (
        f"# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS {names}\n"
        f"SIZE {' '.join(str(struct.calcsize(code)) for code in codes)}\n"
        f"TYPE {' '.join(kinds[code] for code in codes)}\nCOUNT {' '.join('1' for _ in codes)}\n"
        f"WIDTH {len(points)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\nDATA {form}\n"
    ).encode()
    rows = [[value if code in "fd" else int(value) for value, code in zip(p, codes, strict=True)] for p in points]
    if form == "ascii":
        return head + "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in rows).encode()
    if form == "binary":
        return head + b"".join(struct.pack("<" + codes, *row) for row in rows)
    # Field after field, in LZF's literal runs of up to 32 bytes.
    columns = [struct.pack(f"<{len(rows)}{code}", *(row[k] for row in rows)) for k, code in enumerate(codes)]
    plain = b"".join(columns)
    runs = [plain[at : at + 32] for at in range(0, len(plain), 32)]
    packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
    return head + struct.pack("<II", len(packed), len(plain)) + packed


def ply_bytes(
    points: Sequence[Point], names: str = "x y z intensity", form: str = "ascii", extra: bool = False
) -> bytes:
    """Return a PLY file of float properties; with `extra`, elements before and faces after the vertices."""
    lines = ["ply", f"format {form} 1.0", "comment made by hand"]
    lines += ["element camera 2", "property uchar view", "property double focus"] if extra else []
    lines += [f"element vertex {len(points)}", *(f"property float {name}" for name in names.split())]
    lines += ["element face 1", "property list uchar int vertex_indices"] if extra else []
    head = "\n".join([*lines, "end_header", ""]).encode()
    if form == "ascii":
        before = b"1 0.5\n2 0.25\n" if extra else b""
        after = b"3 0 1 2\n" if extra else b""
        return head + before + "".join(" ".join(f"{v:.9g}" for v in p) + "\n" for p in points).encode() + after
    order = "<" if "little" in form else ">"
    before = struct.pack(order + "BdBd", 1, 0.5, 2, 0.25) if extra else b""
    after = struct.pack(order + "B3i", 3, 0, 1, 2) if extra else b""
    return head + before + b"".join(struct.pack(f"{order}{len(p)}f", *p) for p in points) + after
