"""A model that is served: its languages and decodings, and a recording → what is said in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from wav2vec2_tf import audio
from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.serving.scheduler import Batcher, Job
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.transcription import long_form
from wav2vec2_tf.transcription.long_form import Recording, Windows
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError

GREEDY, BEAM_SEARCH = "greedy", "lm"
"""Names of decodings."""


class TooLong(UserError):
    """A recording of more seconds than are taken."""


@dataclass(frozen=True)
class ServedModel:
    """What a name stands for."""

    name: str
    recognizers: Mapping[str | None, Recognizer]
    """By language; None of a model that does not say which it knows. Their decoders are those of
    `BEAM_SEARCH`, where there are any."""
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def languages(self) -> list[str]:
        return [language for language in self.recognizers if language is not None]

    @property
    def decodings(self) -> list[str]:
        """The first is that of who names none."""
        decodes = any(recognizer.decoder is not None for recognizer in self.recognizers.values())
        return [BEAM_SEARCH, GREEDY] if decodes else [GREEDY]

    def recognizer(self, language: str | None, decoding: str | None) -> Recognizer:
        """Of one of its languages, if it says which it knows, and one of its decodings."""
        chosen = self.recognizers[language if self.languages else None]
        return replace(chosen, decoder=None) if decoding == GREEDY else chosen


@dataclass(frozen=True)
class Heard:
    """What is said in a recording."""

    transcript: Transcript
    seconds: float
    """Of the recording."""
    language: str | None
    """Where it is known."""


@dataclass(frozen=True)
class Engine:
    """How recordings are computed: beside one another, in windows, up to so many seconds."""

    batcher: Batcher
    windows: Windows
    longest_seconds: float

    def batched(self, recognizer: Recognizer, job: Job) -> Recognizer:
        """It, but for its logits, which are computed beside those of other jobs."""
        return replace(recognizer, logits=self.batcher.logits(recognizer.logits, job))

    def transcribe(
        self, recognizer: Recognizer, path: Path, job: Job, language: str | None = None
    ) -> Heard:
        """What is said in a file, in the job's own thread.

        A long recording waits for its windows one batch after another, in the same queue as all
        others: so it takes turns with the short ones, and holds one batch of them at a time.

        Raises:
            TooLong: found out while it is decoded, whatever its header says.
            UserError: audio that cannot be read or is shorter than one frame; it names no path.
            Cancelled: the job was.
        """
        try:
            recording = Recording.measured("the file", lambda: self._blocks(path, job))
            transcript = long_form.transcribe(
                self.batched(recognizer, job), recording, self.windows
            )
        except UserError as error:
            job.check()
            raise type(error)(str(error).replace(str(path), "the file")) from None
        return Heard(transcript, recording.seconds, language)

    def _blocks(self, path: Path, job: Job) -> Iterator[np.ndarray]:
        samples = 0
        with closing(audio.blocks(path)) as blocks:
            for block in blocks:
                job.check()
                samples += len(block)
                if samples > self.longest_seconds * SAMPLE_RATE:
                    raise TooLong(
                        f"the recording is longer than {self.longest_seconds:g} s: cut it"
                    )
                yield block


def warm_up(recognizer: Recognizer, windows: Windows) -> None:
    """Compute a second and a whole window, so that nobody waits for what the first time takes.

    Another length and another size of a batch show TensorFlow that both vary.
    """
    length = windows.length(recognizer)
    second = min(length, SAMPLE_RATE)
    for samples, rows in ((second, 1), (length, 1), (second, 2)):
        recognizer.transcribe([np.zeros(samples, np.float32)] * rows, length=None)
