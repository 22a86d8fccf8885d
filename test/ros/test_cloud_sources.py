# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of publishers as messages give them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pointpillars_ov_ros.ros.cloud_sources import publisher_names


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["driver"], "driver"),
        (["driver", "driver"], "driver"),
        (["_NODE_NAME_UNKNOWN_"], "a node not known by name yet"),
    ],
)
def test_a_publisher_whose_node_is_not_known_yet_is_said_in_words(names: list[str], text: str) -> None:
    assert publisher_names(SimpleNamespace(node_name=name) for name in names) == text
