"""Options of `Transcriber`, `align` and the programs that use them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from wav2vec2_tf.checkpoint.hub import ProcessorOption
from wav2vec2_tf.text.decoding import BeamSearchOptions
from wav2vec2_tf.utils.options import check, option


@dataclass(frozen=True, kw_only=True)
class TranscribeOptions(ProcessorOption):
    """How recordings are cut, computed and decoded."""

    vad: bool = option(
        False, help="skip what is not speech, found by voice activity detection (extra: vad)"
    )
    window: float | None = option(
        None,
        above=0,
        maximum=1e6,
        metavar="SECONDS",
        help="cut longer recordings into overlapping windows of this length; memory grows with it "
        "(default: 15.4)",
    )
    batch_seconds: float | None = option(
        None,
        above=0,
        maximum=1e6,
        metavar="SECONDS",
        help="speech computed at once; memory grows with it (default: 15.4, on a GPU 240)",
    )
    keep_special_tokens: bool = option(
        False, help="keep special tokens such as <unk> in the text (default: leave them out)"
    )
    beam_search: BeamSearchOptions = field(default_factory=BeamSearchOptions)
    """Decoding is greedy unless these ask for a beam search."""

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)

    def identity(self) -> dict[str, Any]:
        """Returns the options that results depend on, as JSON can hold them.

        Resumed work compares it, so that it does not go on with other options.
        """
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        del values["batch_seconds"]
        return {**values, "beam_search": self.beam_search.identity()}
