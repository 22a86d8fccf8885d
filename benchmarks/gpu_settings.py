# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open a detector with every setting that concerns a GPU, and tabulate the outcomes.

Needs a GPU, or the device of test/gpu: `. .venv/gpu/env.sh` first. `python -m benchmarks.gpu_settings --model BUNDLE`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import openvino as ov

from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.config.runtime_config import (
    EncoderChoice,
    Mode,
    PerformanceHint,
    PfeShape,
    Precision,
    RuntimeConfig,
)
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import check_engine
from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle

_THROUGHPUT = {"mode": Mode.THROUGHPUT}
_ON_DEVICE = {"pfe_device": "GPU", "encoder": EncoderChoice.OPENVINO}


def settings() -> list[dict[str, Any]]:
    """Return the settings in addition to `rpn_device: GPU` with the host encoder."""
    devices = ("GPU", "GPU.0", "GPU.1", "AUTO", "AUTO:GPU,CPU", "AUTO:GPU.1,CPU", "AUTO:-CPU", "MULTI:GPU,CPU",
               "HETERO:GPU,CPU", "BATCH:GPU(4)", "BATCH:GPU", "NPU", "AUTO:NPU,GPU,CPU", "TOASTER")  # fmt: skip
    properties = (
        "NUM_STREAMS=1", "NUM_STREAMS=2", "NUM_STREAMS=-1", "NUM_STREAMS=two", "INFERENCE_PRECISION_HINT=f16",
        "EXECUTION_MODE_HINT=ACCURACY", "EXECUTION_MODE_HINT=PERFORMANCE", "CACHE_MODE=OPTIMIZE_SIZE",
        "GPU_QUEUE_PRIORITY=LOW", "GPU_QUEUE_THROTTLE=HIGH", "GPU_HOST_TASK_PRIORITY=HIGH", "MODEL_PRIORITY=HIGH",
        "GPU_DISABLE_WINOGRAD_CONVOLUTION=true", "GPU_ENABLE_LOOP_UNROLLING=false",
        "GPU_ENABLE_LARGE_ALLOCATIONS=true", "COMPILATION_NUM_THREADS=1", "ENABLE_CPU_PINNING=true", "PERF_COUNT=true",
        "PERFORMANCE_HINT=THROUGHPUT", "PERFORMANCE_HINT_NUM_REQUESTS=3", "ENABLE_STARTUP_FALLBACK=false",
    )  # fmt: skip
    return [
        *({"rpn_device": device} for device in devices),
        *({"rpn_device": device, **_THROUGHPUT} for device in ("GPU", "AUTO:GPU,CPU", "MULTI:GPU,CPU", "BATCH:GPU(4)",
                                                               "BATCH:GPU")),
        *({"precision": precision} for precision in Precision),
        {"mode": Mode.BALANCED},
        {"allow_auto_batching": True},
        {"allow_auto_batching": True, **_THROUGHPUT},
        {"num_streams": 2},
        {"num_streams": 2, **_THROUGHPUT},
        {"num_requests": 3},
        {"num_threads": 1},
        {"performance_hint": PerformanceHint.THROUGHPUT},
        {"performance_hint": PerformanceHint.CUMULATIVE_THROUGHPUT},
        {"rpn_device": "AUTO:GPU,CPU", "performance_hint": PerformanceHint.CUMULATIVE_THROUGHPUT},
        *({"device_properties": text} for text in properties),
        {"rpn_device": "AUTO:GPU,CPU", "device_properties": "ENABLE_STARTUP_FALLBACK=false"},
        _ON_DEVICE,
        *({**_ON_DEVICE, "precision": precision} for precision in (Precision.F32, Precision.F16)),
        *({**_ON_DEVICE, "pfe_block": block} for block in (0, 7)),
        {**_ON_DEVICE, "pfe_shape": PfeShape.DYNAMIC},
        {**_ON_DEVICE, "pfe_device": "BATCH:GPU(4)"},
        {**_ON_DEVICE, "pfe_device": "AUTO:GPU,CPU", "rpn_device": "AUTO:GPU,CPU"},
    ]  # fmt: skip


def try_setting(bundle: ModelBundle, values: dict[str, Any]) -> list[str]:
    """Return a row: the setting, whether it starts, where it runs, whether it agrees, its slots."""
    told = ", ".join(f"{name}: {getattr(value, 'value', value)}" for name, value in values.items())
    base = {"rpn_device": "GPU", "encoder": EncoderChoice.HOST, "parity_check": False, "lean_rpn": False}
    try:
        engine = Engine(bundle, RuntimeConfig(**{**base, **values}))
        verdict = check_engine(engine)
    except PointPillarsError as error:
        return [told, f"no: {error}", "", "", ""]
    places = [
        f"{name} {own.get('EXECUTION_DEVICES')} in {own.get('INFERENCE_PRECISION_HINT')}"
        for name, own in engine.effective_settings().items()
    ]
    return [told, "yes", "; ".join(places), "no: " + verdict.text if verdict.failed else "yes", str(len(engine.slots))]


def main() -> None:
    """Run all, and print a Markdown table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model bundle")
    options = parser.parse_args()
    bundle = load_bundle(options.model)
    core = ov.Core()
    names = ", ".join(f"{name} ({core.get_property(name, 'FULL_DEVICE_NAME')})" for name in core.available_devices)
    print(f"openvino {ov.get_version()}, {os.cpu_count()} cores, {names}; bundle {bundle.config.name}\n")
    print("| setting | starts | executes on | agrees | slots |\n|---|---|---|---|---|", flush=True)
    for values in settings():
        print(f"| {' | '.join(cell.replace('|', '/') for cell in try_setting(bundle, values))} |", flush=True)


if __name__ == "__main__":
    main()
