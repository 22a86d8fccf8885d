# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A user who may write neither the package nor a home: kernels are compiled into a private folder."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pointpillars_ov_ros.config.kernel_cache import VARIABLE, choose_kernel_cache

NOWHERE = Path("/dev/null/nowhere")
"""A folder that not even root can write to."""


def environment(**changes: str) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(NOWHERE), **changes}


def test_where_numba_finds_a_folder_nothing_is_changed(tmp_path: Path) -> None:
    for chosen in (environment(XDG_CACHE_HOME=str(tmp_path)), environment(NUMBA_CACHE_DIR=str(tmp_path / "new"))):
        before = dict(chosen)
        choose_kernel_cache(chosen, NOWHERE)
        assert chosen == before
    chosen = environment()
    choose_kernel_cache(chosen, tmp_path)
    assert VARIABLE not in chosen


@pytest.mark.parametrize("named", [{}, {VARIABLE: str(NOWHERE)}], ids=["nothing named", "named in vain"])
def test_without_one_it_is_a_private_one_and_said(
    tmp_path: Path, named: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    chosen = environment(XDG_RUNTIME_DIR=str(tmp_path), **named)
    choose_kernel_cache(chosen, NOWHERE)
    folder = Path(chosen[VARIABLE])
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
    assert str(folder) in caplog.text and str(NOWHERE) in caplog.text


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    """They could leave compiled code there, which this process would run."""
    prepared = tmp_path / f"pointpillars_ov_ros-{os.getuid()}"
    prepared.mkdir()
    prepared.chmod(0o777)
    chosen = environment(XDG_RUNTIME_DIR=str(tmp_path))
    choose_kernel_cache(chosen, NOWHERE)
    assert not chosen.get(VARIABLE, "").startswith(str(tmp_path))


def test_a_folder_that_others_put_there_as_a_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / f"pointpillars_ov_ros-{os.getuid()}").symlink_to("elsewhere")
    chosen = environment(XDG_RUNTIME_DIR=str(tmp_path))
    choose_kernel_cache(chosen, NOWHERE)
    assert not chosen.get(VARIABLE, "").startswith(str(tmp_path))


def test_no_folder_at_all_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    chosen = environment()
    with caplog.at_level(logging.ERROR):
        choose_kernel_cache(chosen, NOWHERE)
    assert VARIABLE not in chosen and VARIABLE in caplog.text


READ_ONLY = """
mount --bind {package} {package} && mount -o remount,bind,ro {package} || exit 77
cd {package} && exec {python} -c "
from pointpillars_ov_ros.core import nms, pillars
import os
print(os.environ['NUMBA_CACHE_DIR'])"
"""


def test_a_read_only_package_without_a_home_is_imported(tmp_path: Path) -> None:
    """Really read-only, in a mount namespace, since nothing else keeps root from writing."""
    package = tmp_path / "read_only"
    root = Path(__file__).resolve().parents[2]
    shutil.copytree(
        root / "pointpillars_ov_ros",
        package / "pointpillars_ov_ros",
        ignore=shutil.ignore_patterns("__pycache__", "*.bin"),
    )
    script = READ_ONLY.format(package=package, python=sys.executable)
    run = {**os.environ, "HOME": "/dev/null/nowhere", "XDG_RUNTIME_DIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    run = {name: value for name, value in run.items() if name not in ("XDG_CACHE_HOME", VARIABLE)}
    run["PYTHONPATH"] = f"{package}:{run.get('PYTHONPATH', '')}"
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare on this machine")
    result = subprocess.run([unshare, "-m", "sh", "-c", script], env=run, capture_output=True, text=True)
    if result.returncode == 77 or "unshare:" in result.stderr:
        pytest.skip("no mount namespaces here")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / f"pointpillars_ov_ros-{os.getuid()}")
    assert "compiled kernels are stored in" in result.stderr
