"""Options of a server: its models, its limits, and how recordings are computed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from wav2vec2_tf.checkpoint.hub import HubOptions
from wav2vec2_tf.text.decoding import BeamSearchOptions
from wav2vec2_tf.utils.options import OptionError, check, option

LARGEST = 1e6  # value of any limit: larger ones are mistakes


def _seconds(default: float | None, help: str) -> Any:
    return option(default, above=0, maximum=LARGEST, metavar="SECONDS", help=help)


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """How `serve` and `create_app` serve models."""

    models: tuple[str, ...] = option(
        (),
        flag="model",
        repeated=True,
        metavar="[NAME=]SOURCE",
        help="a folder, SavedModel, .tflite, .onnx or .xml file of ours, Hugging Face id or "
        "fairseq's .pt file, and the name that requests use for it; may be given more than once, "
        "the first serves requests that name no model (default: the bundled model, which knows "
        "200 words of synthetic speech)",
    )
    target_langs: tuple[str, ...] = option(
        (),
        flag="target_lang",
        repeated=True,
        metavar="LANG",
        help="a language of MMS models; may be given more than once, each takes the memory of a "
        "model",
    )
    processors: tuple[str, ...] = option(
        (),
        flag="processor",
        repeated=True,
        metavar="[NAME=]FOLDER",
        help="folder with vocab.json and preprocessor_config.json for the model of this name, by "
        "default the first, if it has none, such as checkpoint-500 of a training run; may be given "
        "more than once",
    )

    host: str = option(
        "127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on, or a name, for all of its addresses; 0.0.0.0 is all of IPv4, "
        ":: all",
    )
    port: int = option(8000, minimum=0, maximum=65535, help="port; 0 takes a free one")
    ui: bool = option(False, help="serve a page to transcribe on, at /")
    allowed_hosts: tuple[str, ...] = option(
        (),
        flag="allowed_host",
        repeated=True,
        metavar="NAME",
        help="a name by which clients reach the server, beside addresses, localhost and the "
        "machine's own name: .NAME for a domain, * for any; may be given more than once",
    )
    allowed_origins: tuple[str, ...] = option(
        (),
        flag="allowed_origin",
        repeated=True,
        metavar="ORIGIN",
        help="a site whose pages may use the server, beside its own page: https://example.com, "
        "* for any; may be given more than once",
    )
    api_key_file: str | None = option(
        None,
        metavar="FILE",
        help="API keys that are accepted, one a line; without keys, every request is accepted",
    )
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    """API keys beside those in `api_key_file`. Without a flag: others can read command lines."""
    drain_seconds: float = _seconds(20.0, "time in which requests may finish when the server stops")

    max_megabytes: float = option(
        25.0, above=0, maximum=LARGEST, metavar="MB", help="size of a file, as at OpenAI"
    )
    max_seconds: float = _seconds(3600.0, "duration of a recording or a stream")
    queue: int = option(
        64,
        minimum=1,
        metavar="N",
        help="recordings in progress, waiting ones included; further requests are answered 429",
    )
    streams: int = option(16, minimum=1, metavar="N", help="WebSockets transcribed at once")
    upload_seconds: float = _seconds(60.0, "time in which a request must arrive")
    timeout: float = _seconds(
        600.0, "time in which a recording must be transcribed, from its arrival"
    )
    idle_seconds: float = _seconds(
        30.0, "a WebSocket on which nothing arrives for this long is closed"
    )

    batch_seconds: float | None = _seconds(
        None, "speech computed at once; memory grows with it (default: 60, on a GPU 240)"
    )
    batching: bool = option(True, help="compute recordings of several requests at once")
    window: float | None = _seconds(
        None, "longer recordings are cut into overlapping windows of this (default: 15.4)"
    )

    beam_search: BeamSearchOptions = field(default_factory=BeamSearchOptions)
    """Decoding is greedy unless these ask for a beam search."""
    hub: HubOptions = field(default_factory=HubOptions)
    """How models are fetched from the Hugging Face Hub."""

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)
        for origin in self.allowed_origins:
            if not re.fullmatch(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#]+/?", origin, re.I):
                message = "{allowed_origins} must be as https://example.com, or *, got {origin!r}"
                raise OptionError(message, origin=origin)

    @property
    def max_bytes(self) -> int:
        """Largest size of a file, in bytes."""
        return round(self.max_megabytes * 1e6)
