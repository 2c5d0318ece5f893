"""A server of transcription: OpenAI's audio API, text as the audio comes, health and metrics."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf.cli.hub_options import add_hub_options, hub_options
from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.text import decoding
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from wav2vec2_tf.serving.models import ServedModel
    from wav2vec2_tf.transcription.long_form import Windows

KEYS_VARIABLE = "WAV2VEC2_TF_API_KEYS"
BUNDLED = "bundled"
BATCH_SECONDS = 60.0  # of many callers; short recordings fill it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="[NAME=]SOURCE",
        help="a folder, SavedModel, file of ours, Hugging Face id or fairseq's .pt file, and the "
        "name that requests give it; may be given more than once, the first is that of requests "
        "without a name (default: the bundled one, which knows 200 words of synthetic speech)",
    )
    parser.add_argument(
        "--target-lang",
        action="append",
        default=[],
        metavar="LANG",
        help="a language of MMS models with one each; may be given more than once, each takes the "
        "memory of a model",
    )
    server = parser.add_argument_group("server")
    server.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    server.add_argument(
        "--port", type=_port, default=8000, help="0 takes a free one (default: %(default)s)"
    )
    server.add_argument("--ui", action="store_true", help="a page to transcribe on, at /")
    server.add_argument(
        "--api-key-file",
        metavar="FILE",
        help=f"keys that are let in, one a line (or in ${KEYS_VARIABLE}, between commas); without "
        "any, everybody is",
    )
    server.add_argument(
        "--drain-seconds",
        type=_seconds,
        default=20.0,
        metavar="SECONDS",
        help="what is in work has this long to end when the server stops (default: %(default)g)",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-megabytes",
        type=_seconds,
        default=25.0,
        metavar="MB",
        help="of a file (default: %(default)g, as OpenAI has it)",
    )
    limits.add_argument(
        "--max-seconds",
        type=_seconds,
        default=3600.0,
        metavar="SECONDS",
        help="of a recording, or a stream (default: %(default)g)",
    )
    limits.add_argument(
        "--queue",
        type=positive,
        default=64,
        metavar="N",
        help="recordings in work and waiting; one more is answered 429 (default: %(default)s)",
    )
    limits.add_argument(
        "--streams",
        type=positive,
        default=16,
        metavar="N",
        help="WebSockets at once (default: %(default)s)",
    )
    limits.add_argument(
        "--upload-seconds",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="in which a request must have come (default: %(default)g)",
    )
    limits.add_argument(
        "--timeout",
        type=_seconds,
        default=600.0,
        metavar="SECONDS",
        help="in which a recording must be done (default: %(default)g)",
    )
    limits.add_argument(
        "--idle-seconds",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="a WebSocket in which nothing comes is closed (default: %(default)g)",
    )
    computing = parser.add_argument_group("computing")
    computing.add_argument(
        "--batch-seconds",
        type=_seconds,
        metavar="SECONDS",
        help="of speech to compute at once; memory grows with it (default: 60, on a GPU 240)",
    )
    computing.add_argument(
        "--no-batching", action="store_true", help="compute recordings one by one"
    )
    computing.add_argument(
        "--window",
        type=_seconds,
        metavar="SECONDS",
        help="longer recordings are cut into windows of this, which overlap (default: 15.4)",
    )
    decoding.add_arguments(parser, n_best=False)
    add_hub_options(parser)


def _seconds(text: str) -> float:
    number = decoding.number(text)
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def run(args: argparse.Namespace) -> int:
    keys = api_keys(args.api_key_file, os.environ.get(KEYS_VARIABLE, ""))
    try:
        from wav2vec2_tf.serving import server
        from wav2vec2_tf.serving.app import Settings, create_app
    except ModuleNotFoundError as error:
        raise UserError(f"serving needs {error.name}: pip install 'wav2vec2-tf[serve]'") from None
    with server.bound(args.host, args.port) as listener:  # before the long work
        from wav2vec2_tf.transcription import long_form

        windows = long_form.windows(args.window, args.batch_seconds, BATCH_SECONDS)
        models = _models(args, windows)
        settings = Settings(
            api_keys=keys,
            max_bytes=round(args.max_megabytes * 1e6),
            max_seconds=args.max_seconds,
            queue=args.queue,
            streams=args.streams,
            upload_seconds=args.upload_seconds,
            timeout=args.timeout,
            idle_seconds=args.idle_seconds,
            windows=windows,
            batching=not args.no_batching,
            ui=args.ui,
        )
        server.Server(create_app(settings, models), args.drain_seconds).listen(listener)
    return 0


def api_keys(file: str | None, variable: str) -> frozenset[bytes]:
    """SHA-256 of each key: what is held cannot be given away."""
    keys = variable.split(",")
    if file is not None:
        try:
            keys += Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError):
            raise UserError(f"--api-key-file {file}: cannot be read as text") from None
    found = frozenset(hashlib.sha256(key.strip().encode()).digest() for key in keys if key.strip())
    if not found and (file is not None or variable):
        source = f"--api-key-file {file}" if file is not None else f"${KEYS_VARIABLE}"
        raise UserError(f"{source}: has no key; without keys everybody would be let in")
    return found


def _models(args: argparse.Namespace, windows: Windows) -> dict[str, ServedModel]:
    """Loaded and warmed up, by name."""
    from wav2vec2_tf.data.bundled import BUNDLED_MODEL
    from wav2vec2_tf.serving.models import ServedModel, warm_up
    from wav2vec2_tf.transcription.recognizer import Recognizer

    models: dict[str, ServedModel] = {}
    for name, source in _named(args.model) or [(BUNDLED, str(BUNDLED_MODEL))]:
        if name in models:
            raise UserError(f"--model {name}: two have this name; give NAME=SOURCE")
        recognizers: dict[str | None, Recognizer] = {}
        for language in args.target_lang or [None]:
            print(f"loading {name}" + (f" ({language})" if language else ""), file=sys.stderr)
            recognizer = Recognizer.load(source, target_lang=language, **hub_options(args))
            decoder = decoding.decoder_of(args, recognizer.alphabet)
            recognizer = replace(recognizer, decoder=decoder)
            print("warming up", file=sys.stderr)
            warm_up(recognizer, windows)
            recognizers[recognizer.tokenizer.target_lang] = recognizer
        models[name] = ServedModel(name, recognizers)
    return models


def _named(models: Iterable[str]) -> list[tuple[str, str]]:
    """(name, source) of each; a source without a name has that of its folder, or of the Hub."""
    pairs = []
    for model in models:
        name, named, source = model.partition("=")
        if not named:
            name, source = (Path(model).name if Path(model).exists() else model), model
        if not name or not source:
            raise UserError(f"--model {model}: give NAME=SOURCE, or SOURCE")
        pairs.append((name, source))
    return pairs
