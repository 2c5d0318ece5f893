"""The flags of every program that takes a model from the Hugging Face Hub."""

from __future__ import annotations

import argparse
from typing import Any


def add_hub_options(parser: argparse.ArgumentParser) -> None:
    """Use `cli.shared.add_hub_flags` instead."""
    group = parser.add_argument_group("Hugging Face Hub")
    group.add_argument("--revision", help="branch, tag or commit")
    group.add_argument("--token", help="access token; by default $HF_TOKEN or the stored one")
    group.add_argument("--cache-dir", help="where downloads are kept")
    group.add_argument(
        "--local-files-only", action="store_true", help="use what is cached, never the network"
    )


def hub_options(args: argparse.Namespace) -> dict[str, Any]:
    """Use `cli.shared.hub_options` instead."""
    return {
        "revision": args.revision,
        "token": args.token,
        "cache_dir": args.cache_dir,
        "local_files_only": args.local_files_only,
    }
