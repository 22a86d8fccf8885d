# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Targets: files of torch.save, and the pickles in them, which may run nothing."""

from __future__ import annotations

import codecs
import io
import pickle
import struct
import sys
import zipfile
from typing import Any

import numpy as np

from pointpillars_ov_ros.conversion.checkpoint_layouts import find_layout, find_state, own_config_text
from pointpillars_ov_ros.conversion.torch_file import open_torch_file
from test.conversion.torch_files import MACHINE, MAGIC, PROTOCOL, Claim, Tensor, pickled, save_stream, save_zip
from test.torture.fuzz.draws import Draws, as_file, edit, scratch

RUNS = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "exec", "compile", "import", "ctypes.dlopen")
"""Events (`sys.audit`) of which a pickle may cause none."""
_watch: list[str] | None = None
_hooked: list[bool] = []

_WORDS = (b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
          b"ccollections\nOrderedDict\n",
          b"ctorch\nFloatStorage\n", b"ctorch\nSize\n", b"cnumpy\ndtype\n", b"ctorch._utils\n_rebuild_parameter\n",
          b"c_codecs\nencode\n")  # fmt: skip
_OPCODES = b"()]}.0123NK\x88\x89tul\x85\x86\x87aesdoibRQ\x81\x94h2qj"


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if _watch is not None and event.startswith(RUNS):
        _watch.append(f"{event} {arguments}"[:200])


def read(data: bytes) -> None:
    """Read a checkpoint and all its tensors; nothing is run, and no tensor is larger than its file."""
    global _watch
    if not _hooked:
        sys.addaudithook(_on_event)
        # Imported by Python where a pickle holds text of that kind, and for names in a zip file that are not ASCII.
        for encoding in ("raw_unicode_escape", "cp437"):
            codecs.lookup(encoding)
        _hooked.append(True)
    path = as_file(data, "a.pth")
    _watch = seen = []
    try:
        file = open_torch_file(path)
        state, _ = find_state(file)
        arrays = [file.array(tensor) for tensor in list(state.values())[:20]]
        own_config_text(file)
        find_layout(path, state)
    finally:
        _watch = None
        assert not seen, f"the pickle caused {seen}"
    assert all(array.nbytes <= 2 * len(data) for array in arrays)


def draw_pickle(draws: Draws) -> bytes:
    """Return opcodes in any order, mostly with what they need."""
    code = [b"\x80\x02}q\0"] if not draws.one_in(2) else []
    for _ in range(draws.below(24)):
        kind = draws.below(6)
        if kind == 0:
            code.append(draws.pick(_WORDS))
        elif kind == 1:
            text = draws.text().encode("utf-8", "surrogatepass")[:200]
            code.append(b"X" + struct.pack("<I", len(text)) + text)
        elif kind == 2:
            code.append(b"K" + draws.bytes(1))
        elif kind == 3:
            code.append(draws.pick((b"r", b"j", b"J", b"B", b"X")) + struct.pack("<I", draws.integer(0, 2**32 - 1)))
        elif kind == 4:
            code.append(
                draws.pick((b"\x8e", b"\x8d", b"\x95", b"\x96")) + struct.pack("<Q", draws.integer(0, 2**63 - 1))
            )
        else:
            code.append(bytes([draws.pick(_OPCODES)]))
    return b"".join(code) + b"."


def checkpoint_pickle(data: bytes) -> None:
    """Read a checkpoint of either format whose pickle is of any opcodes, or a valid one with a few bytes changed."""
    draws = Draws(data)
    code = draw_pickle(draws) if draws.one_in(2) else edit(draws.pick(_valid()), draws)
    if draws.one_in(2):
        head = b"".join(pickle.dumps(item, 2) for item in (MAGIC, PROTOCOL, MACHINE))
        storage = struct.pack("<q", draws.integer(0, 4)) + draws.bytes(16)
        return read(head + code + pickle.dumps(["0"], 2) + storage)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/data.pkl", code)
        archive.writestr("a/data/0", draws.bytes(16))
    read(packed.getvalue())


def _valid() -> list[bytes]:
    if not _PICKLES:
        for content in contents():
            _PICKLES.append(pickled(content, []))
    return _PICKLES


_PICKLES: list[bytes] = []


def contents() -> tuple[Any, ...]:
    """Return typical contents of checkpoints: weights, and tensors with wrong descriptions."""
    floats = np.arange(4, dtype=np.float32)
    huge = 10**400
    return (
        {"model_state": {"a.weight": floats, "b": np.zeros((2, 2), np.int64)}, "epoch": 3},
        {"w": Claim(floats, 10**12)},
        {"w": Tensor(floats, 0, (0, 2**62), (1, 1)), "v": Tensor(floats, 0, (1, 4), (huge, 1))},
        {"w": Tensor(floats, 0, (0, huge), (1, 1)), "v": Tensor(floats, 0, (1,) * 70, (1,) * 70)},
        {"w": Tensor(floats, 1, (2,), (2,)), "format": huge, "bundle_config": "x"},
    )


def checkpoint_seeds() -> tuple[bytes, ...]:
    """Return small checkpoints of both formats, and files that request memory without having data."""
    files = []
    for content in contents():
        for save in (save_zip, save_stream):
            files.append(save(content, scratch() / "seed.pth").read_bytes())
    files.append(save_zip(contents()[0], scratch() / "seed.pth", zipfile.ZIP_DEFLATED).read_bytes())
    return (
        *files,
        b"\x80\x02}r\xff\xff\xff\x0f.",
        b"\x80\x04\x95" + b"\xff" * 7 + b"\x0f.",
        b"\x80\x02]" + b"(" * 3000,
    )
