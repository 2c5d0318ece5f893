"""A server of transcription: OpenAI's audio API, text while speech arrives, health and metrics."""

from __future__ import annotations

import argparse
import logging
import os

from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.cli.shared import (
    add_beam_search_flags,
    add_hub_flags,
    beam_search_options,
    hub_options,
)
from wav2vec2_tf.serving.options import ServeOptions

KEYS_VARIABLE = "WAV2VEC2_TF_API_KEYS"
"""Environment variable: API keys with commas between them, beside those of --api-key-file."""

GROUPS = {
    "server": (
        *("host", "port", "ui", "api_key_file"),
        *("allowed_hosts", "allowed_origins", "drain_seconds"),
    ),
    "limits": (
        *("max_megabytes", "max_seconds", "queue", "streams"),
        *("upload_seconds", "timeout", "idle_seconds"),
    ),
    "computing": ("batch_seconds", "batching", "window"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds a flag for each option."""
    parser.epilog = (
        f"${KEYS_VARIABLE} may hold API keys, separated by commas. example: wav2vec2-tf serve "
        "--model en=facebook/wav2vec2-base-960h --ui --port 9000"
    )
    add_flags(parser, ServeOptions, only=("models", "target_langs", "processors"))
    for title, fields in GROUPS.items():
        add_flags(parser.add_argument_group(title), ServeOptions, only=fields)
    add_beam_search_flags(parser, n_best=False)
    add_hub_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Serves until the process gets SIGINT, SIGTERM or SIGHUP."""
    variable = os.environ.get(KEYS_VARIABLE, "")
    options = options_from(
        ServeOptions,
        args,
        api_keys=tuple(variable.split(",")) if variable else (),
        beam_search=beam_search_options(args),
        hub=hub_options(args),
    )
    from wav2vec2_tf.serving import serve

    logging.getLogger("wav2vec2_tf.serving").setLevel(logging.INFO)
    serve(options)
    return 0
