# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may import whom, and how long files and functions may be: the design page, enforced."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "pointpillars_ov_ros"
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES = 250, 60

ROS = {"rclpy", "launch", "launch_ros", "ament_index_python"}
MESSAGES = {f"{name}_msgs" for name in ("builtin", "sensor", "std", "vision", "visualization", "geometry")}
HEAVY = {"nncf", "torch", "matplotlib", "onnx"}
ANYTHING: set[str] = set()
TORCHLESS = {"__init__", "augmentation", "feed", "geometry", "samples", "scenes", "settings", "targets"}
"""Files of the training that are without torch: they make samples, in processes that would take long to load it."""
FORBIDDEN = {
    "core": {"openvino", *ROS, *MESSAGES, "inference", "model", "kitti", "synthetic", "nodes", "tools"},
    "inference": {*ROS, *MESSAGES, "nodes", "tools"},
    "model": {*ROS, *MESSAGES, "nodes", "tools"},
    "kitti": {"openvino", *ROS, *MESSAGES, "nodes", "tools"},
    "synthetic": {"openvino", *ROS, *MESSAGES, "inference", "model", "kitti", "nodes", "tools"},
    "training": {"openvino", *ROS, *MESSAGES, "nodes", "tools"},
    "nodes": {"tools"},
    "tools": ANYTHING,
}
"""What no file of a subpackage may import, wherever in the file it does so."""

every_file = pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def absolute_base(node: ast.ImportFrom, path: Path) -> str:
    """Give the module that a `from` import names, relative ones made absolute."""
    if node.level == 0:
        return node.module or ""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parents = parts[: len(parts) - node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])


def imported_modules(nodes: Iterable[ast.AST], path: Path) -> Iterator[str]:
    """Give every module that `nodes` import; for `from a import b` both `a` and `a.b`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_base(node, path)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def subpackage_of(path: Path) -> str:
    """Give the subpackage that a file is in."""
    return path.relative_to(ROOT / PACKAGE).parts[0]


def short_name(module: str) -> str:
    """Give the subpackage of a module of ours, the top package of any other."""
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else parts[0]


def outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Give all nodes but those in the body of a function."""
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes.extend(ast.iter_child_nodes(node))


def test_every_subpackage_has_a_rule() -> None:
    assert {path.relative_to(ROOT / PACKAGE).parts[0] for path in FILES} - {"__init__.py"} <= set(FORBIDDEN)


@every_file
def test_no_file_imports_what_its_subpackage_must_not(path: Path) -> None:
    subpackage = path.relative_to(ROOT / PACKAGE).parts[0]
    forbidden = FORBIDDEN.get(subpackage, {"openvino", *ROS, *MESSAGES, "nodes", "tools"})
    imported = {short_name(module) for module in imported_modules(ast.walk(parse(path)), path)}
    assert not imported & forbidden


@every_file
def test_heavy_packages_are_imported_only_inside_the_functions_that_need_them(path: Path) -> None:
    modules = imported_modules(outside_functions(parse(path)), path)
    allowed = {"torch"} if subpackage_of(path) == "training" and path.stem not in TORCHLESS else ANYTHING
    assert not {short_name(module) for module in modules} & HEAVY - allowed


@every_file
def test_only_the_tool_for_it_imports_the_training(path: Path) -> None:
    imported = {short_name(module) for module in imported_modules(ast.walk(parse(path)), path)}
    is_allowed = subpackage_of(path) == "training" or path == ROOT / PACKAGE / "tools" / "train.py"
    assert is_allowed or not imported & {"training", "torch"}


@pytest.mark.parametrize("name", sorted(TORCHLESS))
def test_what_worker_processes_import_is_free_of_torch(name: str) -> None:
    path = ROOT / PACKAGE / "training" / f"{name}.py"
    own = f"{PACKAGE}.training."
    modules = list(imported_modules(outside_functions(parse(path)), path))
    assert {module.removeprefix(own).split(".")[0] for module in modules if module.startswith(own)} <= TORCHLESS


@every_file
def test_the_removed_runtime_namespace_of_openvino_is_not_used(path: Path) -> None:
    modules = imported_modules(ast.walk(parse(path)), path)
    assert not [module for module in modules if module.startswith("openvino.runtime")]


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in FILES}
    offenders = {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES}
    assert not offenders, f"longer than {MAX_FILE_LINES} lines: {offenders}"


def test_no_function_is_too_long() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines}"
        for path in FILES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert not offenders, f"longer than {MAX_FUNCTION_LINES} lines: {offenders}"


@every_file
def test_every_file_begins_with_the_licence(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert lines[:2] == [
        "# Copyright 2026 The pointpillars_ov_ros authors",
        "# SPDX-License-Identifier: Apache-2.0",
    ]


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import a.b", {"a.b"}),
        ("from a import b", {"a", "a.b"}),
        ("def f():\n    import a", {"a"}),
        ("from . import b", {f"{PACKAGE}.core", f"{PACKAGE}.core.b"}),
        ("from ..nodes import b", {f"{PACKAGE}.nodes", f"{PACKAGE}.nodes.b"}),
        ("from .. import tools", {PACKAGE, f"{PACKAGE}.tools"}),
    ],
)
def test_imports_of_every_form_are_seen(source: str, modules: set[str]) -> None:
    path = ROOT / PACKAGE / "core" / "config.py"
    assert set(imported_modules(ast.walk(ast.parse(source)), path)) == modules


def test_imports_inside_functions_are_told_from_those_of_the_module() -> None:
    tree = ast.parse("import a\ndef f():\n    import b\nclass C:\n    def g(self):\n        import c\n")
    assert set(imported_modules(outside_functions(tree), ROOT / PACKAGE / "x.py")) == {"a"}
