# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Torch files read without torch: both formats, every element type, and nothing that would run code."""

from __future__ import annotations

import pickle
import resource
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.conversion.torch_file import open_torch_file
from test.conversion.torch_files import SAVERS, STORAGES, Call, Claim, Global, Tensor, save_stream, save_zip

every_format = pytest.mark.parametrize("form", SAVERS)


def refusal(path: Path, *keys: str) -> str:
    """Open the file, and read the tensors under `keys`, expecting a failure; return the message."""
    with pytest.raises(BundleError) as raised:
        file = open_torch_file(path)
        for key in keys:
            file.array(file.content[key])
    message = str(raised.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


@every_format
@pytest.mark.parametrize("dtype", STORAGES)
def test_tensors_of_every_type_come_back(tmp_path: Path, form: str, dtype: str) -> None:
    values = np.random.default_rng(1).integers(0, 2, (3, 4, 2)).astype(dtype)
    content = {"first": values, "second": values[:1, :2] + values[:1, :2]}
    file = open_torch_file(SAVERS[form](content, tmp_path / "a.pth"))
    for key, expected in content.items():
        read = file.array(file.content[key])
        assert read.shape == expected.shape
        np.testing.assert_array_equal(read, expected)


@every_format
def test_bfloat16_becomes_float32(tmp_path: Path, form: str) -> None:
    values = np.array([1.0, -2.5, 0.0, 3.140625], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    content = {"a": Tensor(bits, 0, (2, 2), (2, 1), "BFloat16Storage")}
    file = open_torch_file(SAVERS[form](content, tmp_path / "a.pth"))
    read = file.array(file.content["a"])
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values.reshape(2, 2))


@every_format
def test_views_are_those_of_their_storage(tmp_path: Path, form: str) -> None:
    storage = np.arange(12, dtype=np.float32)
    content = {
        "turned": Tensor(storage, 0, (4, 3), (1, 4)),
        "part": Tensor(storage, 5, (2, 2), (3, 1)),
        "scalar": Tensor(storage, 7, (), ()),
        "empty": Tensor(storage[:0], 0, (0, 3), (3, 1)),
    }
    file = open_torch_file(SAVERS[form](content, tmp_path / "a.pth"))
    read = {key: file.array(tensor) for key, tensor in file.content.items()}
    np.testing.assert_array_equal(read["turned"], storage.reshape(3, 4).T)
    np.testing.assert_array_equal(read["part"], [[5, 6], [8, 9]])
    assert read["scalar"].shape == () and read["scalar"] == 7
    assert read["empty"].shape == (0, 3)


@every_format
def test_what_lies_beside_the_weights_is_taken_or_skipped(tmp_path: Path, form: str) -> None:
    dtype = Call(Global("numpy", "dtype"), "f8", False, True, state=(3, "<", None, None, None, -1, -1, 0))
    number = Call(Global("numpy._core.multiarray", "scalar"), dtype, Call(Global("_codecs", "encode"), "x", "latin1"))
    hooks = Call(Global("collections", "OrderedDict"))
    content = OrderedDict(
        epoch=80,
        lr=number,
        size=Call(Global("torch", "Size"), (1, 2)),
        optimizer_state={"state": {0: {"step": 3, "exp_avg": np.ones(2, np.float32)}}, "param_groups": [{"lr": 1e-3}]},
        weight=Call(Global("torch._utils", "_rebuild_parameter"), np.arange(3.0), True, hooks),
    )
    file = open_torch_file(SAVERS[form](content, tmp_path / "a.pth"))
    assert file.content["epoch"] == 80
    assert file.content["optimizer_state"]["param_groups"] == [{"lr": 1e-3}]
    np.testing.assert_array_equal(file.array(file.content["weight"]), [0.0, 1.0, 2.0])


MALICIOUS = {
    "os.system": Call(Global("os", "system"), "touch owned"),
    "posix.system": Call(Global("posix", "system"), "touch owned"),
    "builtins.eval": Call(Global("builtins", "eval"), "open('owned', 'w')"),
    "builtins.getattr": Call(Global("builtins", "getattr"), Global("os", "system"), "x"),
    "subprocess.Popen": Call(Global("subprocess", "Popen"), ["touch", "owned"]),
    "torch.load": Call(Global("torch", "load"), "other"),
    "torch.hub.load": Call(Global("torch.hub", "load"), "other"),
    "numpy.load": Call(Global("numpy", "load"), "other"),
    "collections.Counter": Call(Global("collections", "Counter")),
    "torch._utils._rebuild_tensor_v2.__globals__": Global("torch._utils", "_rebuild_tensor_v2.__globals__"),
}


@every_format
@pytest.mark.parametrize("name", MALICIOUS)
def test_a_pickle_that_wants_to_run_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = SAVERS[form]({"weight": np.ones(2, np.float32), "more": MALICIOUS[name]}, tmp_path / "a.pth")
    assert f"refers to {name!r}" in refusal(path)
    assert {item.name for item in tmp_path.iterdir()} == {"a.pth"}


def test_a_plain_pickle_that_wants_to_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return exec, ("open('owned', 'w')",)

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps(Trap()))
    assert "refers to 'builtins.exec'" in refusal(path)
    assert not (tmp_path / "owned").exists()


def test_what_is_allowed_cannot_be_changed_by_a_pickle(tmp_path: Path) -> None:
    hidden = Call(Global("collections", "OrderedDict"), state={"items": 1, "get": 2, "keys": 3})
    file = open_torch_file(save_zip({"a": hidden}, tmp_path / "a.pth"))
    assert dict(file.content["a"].items()) == {}
    body = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    path = tmp_path / "b.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b/data.pkl", body)
    assert "given a state" in refusal(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
@every_format
def test_a_truncated_file_raises_in_a_sentence(tmp_path: Path, form: str, share: float) -> None:
    content = {name: np.random.default_rng(2).normal(size=(20, 30)) for name in ("a", "b", "c")}
    whole = SAVERS[form](content, tmp_path / "whole.pth").read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(whole[: int(share * len(whole))])
    assert "truncated" in refusal(path, *content)


@pytest.mark.parametrize(
    "content",
    [b"", b"weights", b"\x80", b"PK\x03\x04", b"\x00" * 600, pickle.dumps({"a": 1}), pickle.dumps(7)],
)
def test_what_is_no_checkpoint_raises_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    refusal(path)


def test_a_zip_without_weights_raises(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/readme.txt", "nothing")
    assert "0 data.pkl" in refusal(path)


def test_a_compressed_zip_is_refused(tmp_path: Path) -> None:
    path = save_zip({"a": np.zeros(1_000)}, tmp_path / "a.pth", zipfile.ZIP_DEFLATED)
    assert "is compressed" in refusal(path)


def test_a_zip_of_the_other_byte_order_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}, 2))
        archive.writestr("a/byteorder", "big")
    assert "b'big'" in refusal(path)


def test_a_flipped_bit_in_a_zip_is_found(tmp_path: Path) -> None:
    path = save_zip({"a": np.zeros(100)}, tmp_path / "a.pth")
    data = bytearray(path.read_bytes())
    data[data.index(b"\0" * 700) + 300] = 1
    path.write_bytes(data)
    assert "damaged" in refusal(path, "a")


def test_a_missing_storage_raises_naming_it(tmp_path: Path) -> None:
    whole = save_zip({"a": np.zeros(3), "b": np.zeros(3)}, tmp_path / "a.pth")
    path = tmp_path / "less.pth"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if not name.endswith("data/1"):
                new.writestr(name, old.read(name))
    assert "lacks 'a/data/1'" in refusal(path, "a", "b")


STORAGE = np.zeros(6, np.float32)
BAD_VIEWS = {
    "too far": Tensor(STORAGE, 3, (4,), (1,)),
    "too wide": Tensor(STORAGE, 0, (2, 2), (5, 2)),
    "repeated without end": Tensor(STORAGE, 0, (10**9,), (0,)),
    "backwards": Tensor(STORAGE, 5, (3,), (-1,)),
    "before the begin": Tensor(STORAGE, -1, (2,), (1,)),
    "not of numbers": Tensor(STORAGE, 0, ("2",), (1,)),
    "of two lengths": Tensor(STORAGE, 0, (2, 1), (1,)),
}


@every_format
@pytest.mark.parametrize("name", BAD_VIEWS)
def test_a_tensor_outside_its_storage_is_refused(tmp_path: Path, form: str, name: str) -> None:
    assert "a tensor " in refusal(SAVERS[form]({"a": BAD_VIEWS[name]}, tmp_path / "a.pth"))


def test_a_storage_that_claims_more_than_the_file_has_is_not_allocated(tmp_path: Path) -> None:
    size = 1_234_567_890
    path = save_stream({"a": Claim(np.zeros(4, np.int8), size)}, tmp_path / "a.pth")
    assert "is truncated" in refusal(path, "a")


def test_the_oldest_format_says_how_to_save_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"))
    assert "torch.save" in refusal(path)


def test_a_model_saved_whole_says_how_to_save_anew(tmp_path: Path) -> None:
    path = save_zip(Call(Global("torch.nn.modules.container", "Sequential")), tmp_path / "a.pth")
    assert "torch.save(model.state_dict(), NEW)" in refusal(path)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_torch_file(tmp_path / "absent.pth")


@every_format
@pytest.mark.parametrize(
    "shape", [(0, 2**62), (0, 10**400), (1,) * 70, (0, 2**30, 2**30)], ids=["long", "endless", "axes", "product"]
)
def test_shapes_that_no_array_has_are_refused(tmp_path: Path, form: str, shape: tuple[int, ...]) -> None:
    path = SAVERS[form]({"a": Tensor(np.zeros(4, np.float32), 0, shape, [1] * len(shape))}, tmp_path / "a.pth")
    assert "is truncated, damaged or not a torch checkpoint" in refusal(path, "a")


@every_format
def test_a_step_that_no_memory_has_is_refused(tmp_path: Path, form: str) -> None:
    path = SAVERS[form]({"a": Tensor(np.zeros(4, np.float32), 0, (1, 4), (10**400, 1))}, tmp_path / "a.pth")
    assert "is truncated, damaged or not a torch checkpoint" in refusal(path, "a")


@pytest.mark.parametrize("form", ["zip", "stream"])
def test_a_pickle_cannot_make_its_reader_keep_room_for_what_it_does_not_have(tmp_path: Path, form: str) -> None:
    """9 bytes that take 4 GB of the C unpickler: an object is kept in place 268435455 of a list."""
    code, path = b"\x80\x02}r\xff\xff\xff\x0f.", tmp_path / "a.pth"
    if form == "stream":
        path.write_bytes(code)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", code)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "stores an object at index 268435455" in refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 200_000


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    path = save_zip({"a": np.zeros(2, np.float32)}, tmp_path / "a.pth")
    data = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        begin = -1
        while (begin := data.find(magic, begin + 1)) >= 0:
            data[begin + at] |= 1
    path.write_bytes(data)
    assert "is encrypted, password required" in refusal(path)
