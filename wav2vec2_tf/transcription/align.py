"""A recording and its text → the times of each word and character."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike

from wav2vec2_tf.checkpoint.hub import BUNDLED, HubOptions
from wav2vec2_tf.text import forced_alignment
from wav2vec2_tf.transcription.options import TranscribeOptions
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.transcription.recording import Audio
from wav2vec2_tf.transcription.result import Transcription
from wav2vec2_tf.transcription.transcriber import Transcriber
from wav2vec2_tf.utils.errors import UserError


def align(
    audio: Audio,
    text: str,
    model: str | PathLike[str] | Recognizer = BUNDLED,
    options: TranscribeOptions | None = None,
    *,
    sampling_rate: int | None = None,
    target_lang: str | None = None,
    hub: HubOptions | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Transcription:
    """Finds when each word and character of a known text is spoken.

        from wav2vec2_tf import align

        for word in align("talk.wav", "Good morning, everybody").words:
            print(word.start, word.end, word.text)

    All of the recording is aligned to all of the text, even if it is hours long. In the text, "*"
    stands for speech that is not written down. Characters that the vocabulary lacks, such as
    digits, are aligned by a wildcard, and their words have `wildcard` set. See
    `text.forced_alignment.align` for the method.

    Args:
        audio: a path, the contents of a file, a binary file object, or a (samples,) array.
        text: all words of the recording, in order.
        model: a CTC model, see `Recognizer.load`, or a `Recognizer`.
        options: how the recording is cut and computed; `beam_search` is not used.
        sampling_rate: Hz of an array, which must be 16000.
        target_lang: the language of the text, for models with an adapter for each (MMS).
        hub: how the model is fetched from the Hugging Face Hub.
        progress: called with "model" or "alignment" and the part of it that is done, up to 1.

    Returns:
        The words and characters (`AlignedWord`, `AlignedCharacter`) with times and confidences.

    Raises:
        UserError: audio that cannot be read or has no speech; a text without words, with none of
            the vocabulary's letters, or too long for the recording.
    """
    transcriber = Transcriber(model, options, target_lang=target_lang, hub=hub)
    report = progress or (lambda stage, done: None)
    recording = transcriber.read(audio, sampling_rate)
    recognizer = transcriber.recognizer
    try:
        log_probabilities = transcriber.log_probabilities(
            recording, lambda seconds: report("model", seconds / recording.seconds)
        )
        transcript = forced_alignment.align(
            log_probabilities,
            text,
            recognizer.tokenizer,
            recognizer.seconds_per_frame,
            progress=lambda done: report("alignment", done),
        )
    except UserError as error:
        raise UserError(recording.message(error)) from None
    return Transcription(recording.name, recording.seconds, transcript)
