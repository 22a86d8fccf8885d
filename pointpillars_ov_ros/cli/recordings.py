# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading of recordings that tools store as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pointpillars_ov_ros.config.documents import parse_json, read_text
from pointpillars_ov_ros.config.errors import ConfigError, DatasetError
from pointpillars_ov_ros.config.mapping import from_mapping

T = TypeVar("T")

_MOST_BYTES = 256_000_000
"""Maximum size of a recording; one of an hour at 20 Hz has 50 MB."""


def read_json(cls: type[T], path: Path, tool: str) -> T:
    """Read the dataclass `cls` that `tool` wrote; DatasetError names the file and what is wrong with it."""
    try:
        return from_mapping(cls, parse_json(read_text(path, _MOST_BYTES)))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error})") from None
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: this is not a complete recording ({error.msg})") from None
    except ConfigError as error:
        raise DatasetError(f"{path} is not a recording of `{tool}`: {error}") from None
