# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MkDocs hooks: files of the repository that pages link to become part of the site, below `repository/`.

So the same relative links work on a code host and in the site, and `mkdocs build --strict` checks all of them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

from docs_tools.links import LINK, ROOT, read_links

_OUTSIDE = "repository"
"""Folder of the site for what is not below docs/."""
_origins: dict[PurePosixPath, PurePosixPath] = {}
"""Where files in that folder are in the repository."""


def on_files(files: Files, config: Any) -> Files:
    """Add each file that a page links to, or a page that was added."""
    waiting = [Path("docs", file.src_uri) for file in files.documentation_pages()]
    known = set(waiting)
    while waiting:
        for link in read_links(waiting.pop()):
            is_new = link.target not in known and link.target.parts[0] != "docs" and (ROOT / link.target).is_file()
            if is_new:
                known.add(link.target)
                uri = _in_site(PurePosixPath(link.target.as_posix()))
                _origins[uri] = PurePosixPath(link.target.as_posix())
                files.append(File.generated(config, uri.as_posix(), abs_src_path=str(ROOT / link.target)))
                if link.target.suffix == ".md":
                    waiting.append(link.target)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let the links of a page lead to where the files are in the site."""
    uri = PurePosixPath(page.file.src_uri)
    origin = _origins.get(uri, PurePosixPath("docs") / uri)

    def rewrite(match: re.Match[str]) -> str:
        target = match["target"]
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        below = PurePosixPath(os.path.normpath(origin.parent / target))
        if below == PurePosixPath("docs"):
            below = below / "index.md"
        anchor = f"#{match['anchor']}" if match["anchor"] else ""
        return f"{match['text']}({os.path.relpath(_in_site(below), uri.parent)}{anchor})"

    return LINK.sub(rewrite, markdown)


def _in_site(path: PurePosixPath) -> PurePosixPath:
    """Return where a file of the repository is in the site, which leaves out folders that begin with a dot."""
    if path.parts[0] == "docs":
        return path.relative_to("docs")
    return PurePosixPath(_OUTSIDE, *(part.lstrip(".") for part in path.parts))
