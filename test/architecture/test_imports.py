# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rules beyond import-linter (pyproject.toml, `make lint`): imports at module level, and sizes.

One test per rule, whose failure lists every file that breaks it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "pointpillars_ov_ros"
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60

HEAVY = {"matplotlib", "nncf", "onnx", "ray", "torch"}
TORCHLESS = {"__init__", "augmentation", "feed", "geometry", "samples", "scenes", "settings", "targets"}
"""Files of the training that are without torch: they make samples, in processes that would take long to load it."""
LICENCE = ["# Copyright 2026 The pointpillars_ov_ros authors", "# SPDX-License-Identifier: Apache-2.0"]


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    """Return the path of a file below the package."""
    return str(path.relative_to(ROOT / PACKAGE))


def absolute_base(node: ast.ImportFrom, path: Path) -> str:
    """Return the module that a `from` import names, relative ones made absolute."""
    if node.level == 0:
        return node.module or ""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parents = parts[: len(parts) - node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])


def imported_modules(nodes: Iterable[ast.AST], path: Path) -> Iterator[str]:
    """Yield every module that `nodes` import; for `from a import b` both `a` and `a.b`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_base(node, path)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all nodes but those in the body of a function."""
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes.extend(ast.iter_child_nodes(node))


def top_packages(modules: Iterable[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


def test_heavy_packages_are_imported_only_inside_the_functions_that_need_them() -> None:
    offenders = {}
    for path in FILES:
        is_torch_code = path.parent.name == "training" and path.stem not in TORCHLESS
        allowed = {"torch"} if is_torch_code else set()
        heavy = top_packages(imported_modules(outside_functions(parse(path)), path)) & HEAVY - allowed
        if heavy:
            offenders[name_of(path)] = heavy
    assert not offenders


def test_what_worker_processes_import_is_free_of_torch() -> None:
    own = f"{PACKAGE}.training."
    for name in sorted(TORCHLESS):
        path = ROOT / PACKAGE / "training" / f"{name}.py"
        modules = imported_modules(outside_functions(parse(path)), path)
        imported = {module.removeprefix(own).split(".")[0] for module in modules if module.startswith(own)}
        assert imported <= TORCHLESS, name


def test_the_removed_runtime_namespace_of_openvino_is_not_used() -> None:
    offenders = [
        name_of(path)
        for path in FILES
        if any(module.startswith("openvino.runtime") for module in imported_modules(ast.walk(parse(path)), path))
    ]
    assert not offenders


def test_no_file_is_too_long() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    offenders = {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES}
    assert not offenders, f"longer than {MAX_FILE_LINES} lines: {offenders}"


def test_no_function_is_too_long() -> None:
    offenders = [
        f"{name_of(path)}:{node.lineno} {node.name}: {lines}"
        for path in FILES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert not offenders, f"longer than {MAX_FUNCTION_LINES} lines: {offenders}"


def test_every_file_begins_with_the_licence() -> None:
    assert not [name_of(path) for path in FILES if path.read_text("utf-8").splitlines()[:2] != LICENCE]


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import a.b", {"a.b"}),
        ("from a import b", {"a", "a.b"}),
        ("def f():\n    import a", {"a"}),
        ("from . import b", {f"{PACKAGE}.core", f"{PACKAGE}.core.b"}),
        ("from ..nodes import b", {f"{PACKAGE}.nodes", f"{PACKAGE}.nodes.b"}),
        ("from .. import cli", {PACKAGE, f"{PACKAGE}.cli"}),
    ],
)
def test_imports_of_every_form_are_seen(source: str, modules: set[str]) -> None:
    path = ROOT / PACKAGE / "core" / "nms.py"
    assert set(imported_modules(ast.walk(ast.parse(source)), path)) == modules


def test_imports_inside_functions_are_told_from_those_of_the_module() -> None:
    tree = ast.parse("import a\ndef f():\n    import b\nclass C:\n    def g(self):\n        import c\n")
    assert set(imported_modules(outside_functions(tree), ROOT / PACKAGE / "x.py")) == {"a"}
