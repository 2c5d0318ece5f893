"""The result of a recording: its transcript, its length and where it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wav2vec2_tf.text import subtitles
from wav2vec2_tf.text.textgrid import to_textgrid
from wav2vec2_tf.text.transcript import Transcript, Word
from wav2vec2_tf.utils.errors import UserError, did_you_mean

FORMATS: dict[str, Callable[[str, float, Transcript], str]] = {
    **subtitles.FORMATS,
    "textgrid": to_textgrid,
}
"""Format → its writer, which takes a recording's name, its seconds and its transcript."""


@dataclass(frozen=True)
class Transcription:
    """The transcript of one recording, recognized (`Transcriber`) or given (`align`)."""

    source: str
    """The path of the recording; "array", "audio data" or a stream's name without one."""
    duration: float
    """Length of the recording in seconds."""
    transcript: Transcript
    """The decoder's result: with `n_best`, a `Hypothesis` with its `alternatives`."""

    @property
    def text(self) -> str:
        """The words, with a space between them where the language has one."""
        return self.transcript.text

    @property
    def words(self) -> tuple[Word, ...]:
        """The words in order: text, start and end in seconds, confidence from 0 to 1."""
        return self.transcript.words

    def render(self, format: str) -> str:
        """Returns the content of a file in one of `FORMATS`.

        Args:
            format: "txt", "json", "srt", "vtt", "tsv" (a table of words) or "textgrid" (Praat).

        Raises:
            UserError: there is no such format.
        """
        if format not in FORMATS:
            raise UserError(
                f"format must be one of {', '.join(FORMATS)}, got {format!r}"
                + did_you_mean(format, FORMATS)
            )
        return FORMATS[format](self.source, self.duration, self.transcript)
