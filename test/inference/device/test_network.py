# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks and requests, on toy networks and the CPU."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from pointpillars_ov_ros.config.errors import BundleError, InferenceError
from pointpillars_ov_ros.inference.device.network import Network, Request
from pointpillars_ov_ros.inference.device.properties import describe
from pointpillars_ov_ros.model.ports import Ports, first_line, pfe_ports, read_model, rpn_ports
from test.builders import tiny_config
from test.inference.toy_models import save_doubler, save_reshaper

PATIENCE_S = 180.0
DOUBLER = Ports({"in": (1, 4)}, {"out": (1, 4)})
RESHAPER = Ports({"in": (2,)}, {"out": (1,)})


def compile_network(path: Path, ports: Ports, device: str = "CPU") -> Network:
    return Network(path, device, {"INFERENCE_PRECISION_HINT": "f32"}, ports)


def infer(request: Request, values: list[float]) -> list[float]:
    request.tensor("in")[:] = values
    done = threading.Event()
    request.start(done.set)
    request.finish()
    assert done.wait(PATIENCE_S)
    result: list[float] = request.tensor("out").ravel().tolist()
    return result


def test_the_ports_of_a_model_have_the_shapes_of_its_configuration() -> None:
    pfe, rpn = pfe_ports(tiny_config(), 60), rpn_ports(tiny_config())
    assert pfe.inputs["px"] == pfe.inputs["mask"] == (1, 1, 60, 5)
    assert pfe.inputs["count"] == (1, 60)
    assert len(pfe.inputs) == 8
    assert pfe.outputs == {"features": (1, 3, 60, 1)}
    assert rpn.inputs == {"canvas": (1, 3, 16, 24)}
    assert rpn.outputs == {"boxes": (1, 8, 12, 21), "scores": (1, 8, 12, 6), "directions": (1, 8, 12, 6)}


def test_a_request_reads_and_writes_its_tensors_in_place(tmp_path: Path) -> None:
    request = compile_network(save_doubler(tmp_path), DOUBLER).create_request()
    out = request.tensor("out")
    assert infer(request, [1, 2, 3, 4]) == [2, 4, 6, 8]
    assert infer(request, [0, 0, 0, 5]) == [0, 0, 0, 10]
    assert out.ravel().tolist() == [0, 0, 0, 10]


def test_bound_memory_is_used_and_kept_alive(tmp_path: Path) -> None:
    request = compile_network(save_doubler(tmp_path), DOUBLER).create_request()
    values, result = np.ones((1, 4), np.float32), np.zeros((2, 4), np.float32)
    request.bind("in", values)
    request.bind("out", result[1:])
    values[:] = 3
    request.start(lambda: None)
    request.finish()
    assert result.tolist() == [[0, 0, 0, 0], [6, 6, 6, 6]]


def test_requests_of_one_network_do_not_share_tensors(tmp_path: Path) -> None:
    network = compile_network(save_doubler(tmp_path), DOUBLER)
    first, second = network.create_request(), network.create_request()
    first.tensor("in")[:] = 1
    second.tensor("in")[:] = 2
    for request in (first, second):
        request.start(lambda: None)
    for request in (first, second):
        request.finish()
    assert first.tensor("out")[0, 0] == 2
    assert second.tensor("out")[0, 0] == 4


def test_inputs_are_reshaped_as_asked(tmp_path: Path) -> None:
    network = Network(save_doubler(tmp_path), "CPU", {}, DOUBLER, reshape={"in": (3, 2)})
    request = network.create_request()
    assert request.tensor("in").shape == request.tensor("out").shape == (3, 2)


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        (Ports({"input": (1, 4)}, {}), "no input tensor 'input'; it has in"),
        (Ports({}, {"output": (1, 4)}), "no output tensor 'output'; it has out"),
        (Ports({"in": (1, 5)}, {}), "input tensor 'in' has shape (1, 4), but the bundle says (1, 5)"),
        (Ports({"in": (4,)}, {}), "input tensor 'in' has shape (1, 4), but the bundle says (4,)"),
        (Ports({}, {"out": (4, 1)}), "output tensor 'out' has shape (1, 4), but the bundle says (4, 1)"),
    ],
)
def test_a_network_with_other_tensors_is_refused(tmp_path: Path, ports: Ports, message: str) -> None:
    path = save_doubler(tmp_path)
    with pytest.raises(BundleError) as raised:
        compile_network(path, ports)
    assert str(raised.value) == f"{path}: {message}"


def test_a_network_of_another_element_type_is_refused(tmp_path: Path) -> None:
    path = save_doubler(tmp_path, kind=np.int32)
    with pytest.raises(BundleError) as raised:
        compile_network(path, DOUBLER)
    assert str(raised.value) == f"{path}: input tensor 'in' is i32, not f32"


def test_a_network_of_dynamic_shape_is_refused(tmp_path: Path) -> None:
    path = save_doubler(tmp_path, shape=(-1, 4))
    with pytest.raises(BundleError) as raised:
        compile_network(path, DOUBLER)
    assert str(raised.value) == f"{path}: input tensor 'in' has shape [?,4], but the bundle says (1, 4)"


@pytest.mark.parametrize("content", [None, b"", b"no xml", b"<net/>", b"<?xml version='1.0'?><html></html>"])
def test_what_is_no_network_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "net.xml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError) as raised:
        compile_network(path, DOUBLER)
    assert str(raised.value).startswith(f"{path} is not a network that OpenVINO can read: ")
    assert "\n" not in str(raised.value)


def test_an_unknown_device_raises_in_one_line_that_names_it_and_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InferenceError) as raised:
        compile_network(save_doubler(tmp_path), DOUBLER, device="TOASTER")
    message = str(raised.value)
    assert message.startswith("doubler.xml cannot run on device 'TOASTER' (")
    assert message.endswith("available here: " + ", ".join(ov.Core().available_devices))
    assert "\n" not in message


def test_an_unknown_property_raises_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InferenceError) as raised:
        Network(save_doubler(tmp_path), "CPU", {"NO_SUCH_PROPERTY": "1"}, DOUBLER)
    assert "\n" not in str(raised.value)


def test_a_failed_inference_is_reported_and_the_request_can_be_used_again(tmp_path: Path) -> None:
    request = compile_network(save_reshaper(tmp_path), RESHAPER).create_request()
    for _ in range(3):
        assert infer(request, [2, 3]) == [6]
        request.tensor("in")[:] = [4, 4]
        request.start(lambda: None)
        await_finished(request)
        with pytest.raises(InferenceError) as raised:
            request.finish()
        assert str(raised.value).startswith("reshaper failed: ")
        assert "\n" not in str(raised.value)
    assert infer(request, [6, 1]) == [6]


def await_finished(request: Request) -> None:
    """Poll until the request reports its end; an Event that nobody sets is the pause in between."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if request.is_finished():
            return
        pause.wait(0.01)
    raise AssertionError("the request never finished")


def test_done_is_that_of_the_present_start(tmp_path: Path) -> None:
    request = compile_network(save_doubler(tmp_path), DOUBLER).create_request()
    events = [threading.Event() for _ in range(5)]
    for number, event in enumerate(events):
        request.start(event.set)
        request.finish()
        assert event.wait(PATIENCE_S)
        assert not any(later.is_set() for later in events[number + 1 :])


def test_effective_settings_are_read_back_as_text(tmp_path: Path) -> None:
    settings = compile_network(save_doubler(tmp_path), DOUBLER).effective_settings()
    assert settings["EXECUTION_DEVICES"] == "CPU"
    assert settings["INFERENCE_PRECISION_HINT"] == "f32"
    assert all(isinstance(value, str) for value in settings.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [(ov.Type.f32, "f32"), (["CPU", "GPU"], "CPU, GPU"), (3, "3"), (ov.Type.bf16, "bf16"), ([], "")],
)
def test_properties_are_described_as_people_write_them(value: object, text: str) -> None:
    assert describe(value) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Exception from src/a.cpp:1:\nCheck 'x' failed at b.cpp:2:\nNo such device.\nmore", "No such device"),
        ("Exception from a:1:\nCaught exception: Exception from b:2:\n[CPU] Reshape failed:\n", "[CPU] Reshape failed"),
        ("Exception from a:1:\nCaught exception: Check 'x' failed at b:2:\nCannot find port\n", "Cannot find port"),
        ("Exception from src/a.cpp:1:\n", "Exception from src/a.cpp:1"),
        (
            'Cannot load library "/a/b/libplugin.so": libOpenCL.so.1: no',
            'Cannot load library "libplugin.so": libOpenCL.so.1: no',
        ),
        ("plain", "plain"),
        ("", "RuntimeError"),
        ("\n  \n padded \n", "padded"),
    ],
)
def test_the_telling_line_of_an_openvino_error_is_found(text: str, line: str) -> None:
    assert first_line(RuntimeError(text)) == line


def test_compiled_ports_are_called_alike_whatever_operations_are_called(tmp_path: Path) -> None:
    """Each network built in a process has other numbers in the names of its operations than the one before."""
    names, given = [], []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        path = save_doubler(tmp_path / str(number))
        given.append(read_model(ov.Core(), path, DOUBLER).outputs[0].node.friendly_name)
        compiled = compile_network(path, DOUBLER)._compiled
        names.append([port.node.friendly_name for port in (*compiled.inputs, *compiled.outputs)])
    assert given[0] != given[1]
    assert names[0] == names[1]


def test_a_compiled_network_with_other_names_of_operations_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    path, properties = save_doubler(tmp_path), {"CACHE_DIR": str(tmp_path / "cache")}
    ov.Core().compile_model(read_model(ov.Core(), path, DOUBLER), "CPU", properties)
    assert [Network(path, "CPU", properties, DOUBLER).was_cached for _ in range(2)] == [False, True]


def test_weights_are_in_memory_and_not_in_a_file_that_may_change(tmp_path: Path) -> None:
    """Mapped, one that is cut off while a network is compiled ends the process."""
    path = save_doubler(tmp_path)
    model = read_model(ov.Core(), path, DOUBLER)
    path.with_suffix(".bin").write_bytes(b"")
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    assert model.inputs
