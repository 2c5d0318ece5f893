"""Recordings to send to a server, with the texts that must come back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

from .server import MultipartForm

DATA = "tests/data/corpus"


@dataclass(frozen=True)
class KnownRecording:
    """A recording as it is sent, and the text that must come back."""

    content: bytes
    """Content of the file."""
    form: MultipartForm
    text: str
    """The model's, for the recording alone."""
    seconds: float


def recordings(data: str, model: str) -> list[KnownRecording]:
    """Returns all audio in a folder, with the model's text for each recording alone."""
    from wav2vec2_tf.audio.discover import named_by
    from wav2vec2_tf.transcription import long_form
    from wav2vec2_tf.transcription.recognizer import Recognizer

    def complain(message: str) -> None:
        raise UserError(message)

    recognizer = Recognizer.load(model)
    found = []
    files = named_by([data], complain)
    with ProgressBar("expected texts", len(files), "recording", leave=False) as bar:
        for audio in files:
            speech = long_form.Recording.of(audio.name)
            text = long_form.transcribe(recognizer, speech).text
            content = Path(audio.name).read_bytes()
            form = MultipartForm.of(content)
            found.append(KnownRecording(content, form, text, speech.seconds))
            bar.update()
    return found
