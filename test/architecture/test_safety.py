# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Code on the robot does not execute its inputs: no pickle, no eval, no YAML or NumPy file that may hold code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.architecture.test_imports import FILES, PACKAGE, ROOT, imported_modules, name_of, parse

UNPICKLING = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "jsonpickle", "torch"}
MAY_UNPICKLE = {"conversion/torch_pickle.py"}
"""The reader of checkpoints, which knows a few names and runs none. Training is apart: there, torch reads its own."""
EVALUATING = {"eval", "exec", "compile", "__import__"}
YAML_LOADERS = {"load", "load_all", "full_load", "unsafe_load", "Loader", "FullLoader", "UnsafeLoader", "CLoader"}


def module_path(module: str) -> Path | None:
    """Return the file of a module of ours."""
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def reachable(starts: list[Path]) -> set[Path]:
    """Return the files of ours that `starts` import, and so on, also inside functions."""
    found, left = set[Path](), list(starts)
    while left:
        path = left.pop()
        if path in found:
            continue
        found.add(path)
        modules = imported_modules(ast.walk(parse(path)), path)
        left += [file for module in modules if module.startswith(PACKAGE) and (file := module_path(module))]
    return found


def dangers(tree: ast.Module) -> Iterator[str]:
    """Yield the calls and names that may run what a file says."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EVALUATING:
            yield node.func.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner, name = node.value.id, node.attr
            if owner == "yaml" and name in YAML_LOADERS:
                yield f"yaml.{name}"
            if (owner, name) in {("os", "system"), ("os", "popen"), ("ast", "literal_eval")}:
                yield f"{owner}.{name}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
            allowed = [keyword.value for keyword in node.keywords if keyword.arg == "allow_pickle"]
            if not (allowed and isinstance(allowed[0], ast.Constant) and allowed[0].value is False):
                yield "np.load"
        if isinstance(node, ast.keyword) and node.arg == "shell":
            yield "shell="


def unpicklers(path: Path) -> set[str]:
    return {module.split(".")[0] for module in imported_modules(ast.walk(parse(path)), path)} & UNPICKLING


NODES = sorted(reachable(sorted((ROOT / PACKAGE / "nodes").rglob("*.py"))))


def test_what_nodes_import_is_found_through_others() -> None:
    names = {name_of(path) for path in NODES}
    assert {"nodes/detector/node.py", "model/bundle.py", "config/documents.py", "core/nms.py"} <= names


def test_no_node_can_come_to_unpickle() -> None:
    assert not {name_of(path): found for path in NODES if (found := unpicklers(path))}


def test_nothing_that_is_read_is_run() -> None:
    assert not {name_of(path): found for path in FILES if (found := list(dangers(parse(path))))}


def test_only_the_reader_of_checkpoints_knows_pickles() -> None:
    candidates = [path for path in FILES if not path.is_relative_to(ROOT / PACKAGE / "training")]
    found = {name_of(path) for path in candidates if unpicklers(path) - {"torch"}}
    assert found == MAY_UNPICKLE


def test_bundles_are_made_where_their_files_are_checked_only() -> None:
    makers = {
        name_of(path)
        for path in FILES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "ModelBundle"
    }
    assert makers == {"model/bundle.py"}


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "exec(x)",
        "yaml.load(x)",
        "yaml.load(x, Loader=yaml.FullLoader)",
        "np.load(x)",
        "np.load(x, allow_pickle=True)",
        "subprocess.run(x, shell=True)",
        "import os\nos.system(x)",
    ],
)
def test_what_runs_things_is_seen(source: str) -> None:
    assert list(dangers(ast.parse(source)))


def test_what_runs_nothing_is_not_taken_for_it() -> None:
    harmless = ("re.compile(x)", "yaml.safe_load(x)", "np.load(x, allow_pickle=False)", "model.eval()")
    assert not list(dangers(ast.parse("\n".join(harmless))))
