"""Versions of what is installed, for reports."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata

OTHER_NAMES = {"tensorflow": "tensorflow-cpu"}
"""A package → another one that holds the same module."""


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Returns the versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        for name in (package, OTHER_NAMES.get(package, package)):
            try:
                found[package] = metadata.version(name)
                break
            except metadata.PackageNotFoundError:
                continue
    return found
