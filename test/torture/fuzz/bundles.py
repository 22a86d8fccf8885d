# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Targets: model bundles, their description, and the descriptions of others that become one."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from pointpillars_ov_ros.config.mapping import from_mapping, to_mapping
from pointpillars_ov_ros.config.model_config import MOST_CELLS, MOST_PILLARS, MOST_VALUES, ModelConfig
from pointpillars_ov_ros.conversion.checkpoint_import import describe_file
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.model.bundle import CONFIG_NAME, ir_files, load_bundle, read_config
from pointpillars_ov_ros.synthetic.lidar.sensor import SENSORS, load_sensor
from test.builders import tiny_document
from test.conversion.test_openpcdet_config import document as openpcdet_document
from test.torture.fuzz.draws import Draws, as_file, as_json, change, scratch

LAUGHS = b"a: &a [x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (after, after, b", ".join([b"*%c" % before] * 9)) for before, after in pairwise(b"abcdefghijkl")
)
"""Nine to the power of eleven texts, in a few lines."""
HOSTILE = (
    b"a: &a [*a]\n",
    b"format: &a [x, x, x, x, x, x, x, x, x]\nname: &b [*a, *a, *a, *a, *a]\ngrid: [*b, *b, *b]\n",
    LAUGHS,
    b"&a format: *a\nname: 0x" + b"f" * 5000,
    b"format: " + b"9" * 5000,
    b"format: !!float x\nname: !!timestamp x\n",
    b"format: 2001-99-99\nname: 190:20:30\nlicence: 12e03\n",
    b"[" * 2000,
    b"{a: " * 1000,
    b"? [a, b]\n: 1\n? {a: b}\n: 2\n",
    b"<<: &a {<<: *a}\n",
    b"format: 1\nformat: 1\n",
    b"name: !!python/object/apply:os.system [true]\n",
    b"%YAML 9.9\n---\na: b\n---\nc: d\n",
    b"a: !!binary ===\nb: !!set {x, y}\nc: !!omap [a: b]\nd: !!int ''\ne: !!bool maybe\n",
    "sha256: {é: \ud7ff, \U0001f600: .nan, x: -.inf}\n".encode(),
)


def numbers(document: Any) -> Iterator[float]:
    """Yield every number of a plain document."""
    if isinstance(document, dict | list):
        for item in document.values() if isinstance(document, dict) else document:
            yield from numbers(item)
    elif isinstance(document, int | float):
        yield document


def check_config(config: ModelConfig) -> None:
    """See that a description that was accepted is one that memory can be laid out for."""
    plain = to_mapping(config)
    assert all(abs(number) <= 3e38 for number in numbers(plain)), "a number that float32 cannot hold was accepted"
    assert from_mapping(ModelConfig, plain) == config
    assert config.grid.nx * config.grid.ny <= MOST_CELLS
    assert math.prod(config.canvas_shape) <= MOST_VALUES
    assert config.grid.max_pillars <= MOST_PILLARS
    assert config.anchors_per_cell * math.prod(config.output_shape) <= MOST_VALUES
    if config.grid.nx * config.grid.ny * config.grid.max_pillars < 1_000_000:
        Pillars(config.grid)


def bundle_text(data: bytes) -> None:
    """Read a bundle.yaml of any bytes."""
    check_config(read_config(as_file(data, CONFIG_NAME)))


def text_seeds() -> tuple[bytes, ...]:
    """Return descriptions that are valid, and some that are hostile."""
    document = tiny_document()
    return (yaml.safe_dump(document).encode(), json.dumps(document).encode(), *HOSTILE)


def bundle_values(data: bytes) -> None:
    """Read a description with values of any type and size, without YAML around it."""
    draws = Draws(data)
    document = change(tiny_document(), draws)
    check_config(from_mapping(ModelConfig, document))


def bundle_files(data: bytes) -> None:
    """Load a bundle whose files have any names and places; what is accepted lies in its folder."""
    draws = Draws(data)
    folder, outside = scratch() / "bundle", as_file(b"outside", "outside.xml")
    if not folder.is_dir():
        folder.mkdir()
        for name in ("pfe.xml", "pfe.bin", "rpn.xml", "rpn.bin", "weights"):
            (folder / name).write_bytes(b"inside")
        (folder / "link.xml").symlink_to(outside)
        (folder / "link.bin").symlink_to("weights")
        (folder / "sub").symlink_to(folder.parent)
    names = ("pfe.xml", "rpn.xml", "link.xml", "sub/outside.xml", "../outside.xml", str(outside), "..", ".", "", "a/..")
    document = tiny_document()
    for part in ("pfe", "rpn"):
        document[part]["file"] = draws.pick(names) if draws.one_in(2) else draws.pick(names[:2])
    inside, far = (hashlib.sha256(content).hexdigest() for content in (b"inside", b"outside"))
    files = {document[part]["file"] for part in ("pfe", "rpn")}
    files |= {f"{Path(file).stem}.bin" for file in files} | ({draws.text()} if draws.one_in(4) else set())
    document["sha256"] = {file: far if "outside" in file or draws.one_in(8) else inside for file in files}
    as_file(as_json(change(document, draws) if draws.one_in(8) else document), f"bundle/{CONFIG_NAME}")
    bundle = load_bundle(folder)
    for file in (*ir_files(bundle.config), *bundle.config.sha256):
        assert bundle.path(file).resolve().parent == folder.resolve(), f"{file} is outside the bundle"


def foreign_description(data: bytes) -> None:
    """Read OpenPCDet's YAML with values of any type."""
    draws = Draws(data)
    document = change(openpcdet_document(), draws)
    check_config(describe_file(as_file(as_json(document), "pointpillar.yaml")).config)


def lidar_description(data: bytes) -> None:
    """Read the description of a simulated lidar, of any bytes."""
    load_sensor(as_file(data, "sensor.yaml"))


def lidar_seeds() -> tuple[bytes, ...]:
    """Return the shortest existing ones, and hostile YAML."""
    folder = Path(__file__).parents[3] / "pointpillars_ov_ros" / "synthetic" / "sensors"
    texts = sorted(((folder / f"{name}.yaml").read_bytes() for name in SENSORS), key=len)
    return (texts[0], *HOSTILE)
