"""Events of `Transcriber.transcribe_files`, for progress, error lists and logs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wav2vec2_tf.audio.discover import AudioFile
    from wav2vec2_tf.utils.errors import UserError


class FileCallback:
    """Called on events of `Transcriber.transcribe_files`; this one does nothing."""

    def reading(self, audio: AudioFile) -> AbstractContextManager[object]:
        """Returns a context that is entered while a file is decoded for the first time."""
        return nullcontext()

    def progressed(self, audio: AudioFile, seconds: float, duration: float) -> None:
        """`seconds` of a long recording's `duration` are done."""

    def finished(self, audio: AudioFile, duration: float) -> None:
        """A recording of `duration` seconds is done."""

    def failed(self, audio: AudioFile, error: UserError) -> None:
        """A file cannot be transcribed; the others go on."""
