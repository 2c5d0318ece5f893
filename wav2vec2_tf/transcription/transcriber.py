"""Recordings → transcripts: one model, any number of files, arrays or streams of any length.

This is the one place that decides which recordings are computed together, which are cut into
windows, and where voice activity detection and the journal of an interrupted run come in. The
command line, the batch workers and Python all call it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np

from wav2vec2_tf.audio.discover import AudioFile
from wav2vec2_tf.audio.vad import speech_spans
from wav2vec2_tf.checkpoint.hub import BUNDLED, HubOptions
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.transcription import long_form
from wav2vec2_tf.transcription.callbacks import FileCallback
from wav2vec2_tf.transcription.options import TranscribeOptions
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.transcription.recording import Audio, Recording, Span, is_recording
from wav2vec2_tf.transcription.result import Transcription
from wav2vec2_tf.transcription.resume import journal_of, model_identity
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import locked
from wav2vec2_tf.utils.journal import Journal
from wav2vec2_tf.utils.version import __version__

POOL_FILES, POOL_SECONDS = 64, 600.0
"""Short recordings that are read ahead, to be computed in batches of similar length."""

Key = TypeVar("Key")


class Transcriber:
    """Transcribes recordings of any length with one model.

        transcriber = Transcriber("facebook/wav2vec2-base-960h")
        print(transcriber.transcribe("talk.mp3").text)
        for transcription in transcriber.transcribe(["a.wav", "b.wav"]):
            print(transcription.source, transcription.words)

    Args:
        model: a folder, SavedModel, exported file, Hugging Face id or fairseq checkpoint, see
            `Recognizer.load`; or a `Recognizer`. By default the small model that comes with the
            package.
        options: how recordings are cut, computed and decoded.
        target_lang: the language to transcribe, for models with an adapter for each (MMS).
        hub: how the model is fetched from the Hugging Face Hub.

    Raises:
        UserError: the model, or a file that the decoder needs, cannot be used.
    """

    def __init__(
        self,
        model: str | PathLike[str] | Recognizer = BUNDLED,
        options: TranscribeOptions | None = None,
        *,
        target_lang: str | None = None,
        hub: HubOptions | None = None,
    ) -> None:
        options, hub = options or TranscribeOptions(), hub or HubOptions()
        for name, given, kind in (
            ("options", options, TranscribeOptions),
            ("hub", hub, HubOptions),
        ):
            if not isinstance(given, kind):
                raise UserError(
                    f"{name} must be {kind.__name__}(…), got {type(given).__name__}: import it "
                    "from wav2vec2_tf"
                )
        self._identity: str | None = None
        if isinstance(model, Recognizer):
            if target_lang is not None:
                raise UserError(
                    f"target_lang={target_lang!r} needs a model to load, got a Recognizer: give it "
                    "to Recognizer.load"
                )
            recognizer = model
        else:
            processor = options.processor
            recognizer = Recognizer.load(
                model, target_lang=target_lang, processor=processor, **hub.keywords()
            )
            self._identity = model_identity(model, target_lang, hub, processor)
        if options.keep_special_tokens:
            recognizer = replace(recognizer, keep_special_tokens=True)
        if not options.beam_search.is_greedy:
            decoder = options.beam_search.decoder(recognizer.alphabet)
            recognizer = replace(recognizer, decoder=decoder)
        self.recognizer = recognizer
        self.windows = long_form.windows(options.window, options.batch_seconds)
        self.vad = options.vad
        self._window_samples = self.windows.length(recognizer)

    @overload
    def transcribe(  # type: ignore[overload-overlap]  # a str is an iterable, too
        self, audio: Audio, *, sampling_rate: int | None = None
    ) -> Transcription: ...

    @overload
    def transcribe(
        self, audio: Iterable[Audio], *, sampling_rate: int | None = None
    ) -> Iterator[Transcription]: ...

    def transcribe(
        self, audio: Audio | Iterable[Audio], *, sampling_rate: int | None = None
    ) -> Transcription | Iterator[Transcription]:
        """Transcribes one recording, or each of an iterable.

        Recordings of an iterable are read ahead, so that short ones are computed in batches. The
        results come in order; the iterator raises at the first recording that cannot be
        transcribed, after the results of those before it.

        Args:
            audio: a path, the contents of a file, a binary file object, or a NumPy array of shape
                (samples,), floating point in -1 to 1; or an iterable of these. Files may have any
                format, rate and number of channels that `load_audio` reads.
            sampling_rate: Hz of the arrays, which must be 16000; files have their own.

        Returns:
            The text, and the words with start, end and confidence, of the recording; an iterator of
            these for an iterable.

        Raises:
            UserError: audio that cannot be read or is shorter than one frame; an array that is not
                mono, not floating point, not finite or not at 16 kHz.
        """
        if is_recording(audio):
            (transcription,) = self._transcribe_all([audio], sampling_rate)
            return transcription
        if not isinstance(audio, Iterable):
            raise UserError(
                "audio must be a path, bytes, a binary file object, a NumPy array or an iterable "
                f"of these, got {type(audio).__name__}"
            )
        return self._transcribe_all(audio, sampling_rate)

    def _transcribe_all(
        self, audio: Iterable[Any], sampling_rate: int | None
    ) -> Iterator[Transcription]:
        errors: list[UserError] = []

        def read() -> Iterator[_Task[None]]:
            for one in audio:
                try:
                    yield _Task(None, self.read(one, sampling_rate))
                except UserError as error:  # raised after the results of those before it
                    errors.append(error)
                    return

        for _, transcription in self._compute(read(), in_order=True):
            yield transcription
        if errors:
            raise errors[0]

    def transcribe_files(
        self,
        files: Iterable[AudioFile],
        callback: FileCallback | None = None,
        *,
        once: bool = False,
        in_order: bool | None = None,
    ) -> Iterator[tuple[AudioFile, Transcription]]:
        """Transcribes files for a program that goes on after bad files and interrupts.

        A long recording with an output keeps its finished windows in a journal beside it, from
        which the next run continues.

        Args:
            files: the recordings.
            callback: called as files are read, done or found to be bad.
            once: whether this is the only call with short recordings: then they are computed
                eagerly, since tracing a graph takes longer.
            in_order: whether the results come in the order of the files, or each as soon as it is
                computed; by default in order unless every file has an output of its own.

        Yields:
            Each file that could be transcribed, with its transcription.
        """
        callback = callback or FileCallback()

        def read() -> Iterator[_Task[AudioFile]]:
            for audio in files:
                try:
                    with audio.opened() as path:  # until the result is computed
                        with callback.reading(audio):
                            recording = self._with_frame(Recording.part(path, audio.stretch))
                        yield _Task(audio, replace(recording, name=audio.name), audio.output)
                except UserError as error:
                    callback.failed(audio, error)

        done = self._compute(
            read(),
            in_order=in_order,
            recognizer=self.recognizer.untraced() if once else None,
            progress=callback.progressed,
            failed=callback.failed,
        )
        for audio, transcription in done:
            callback.finished(audio, transcription.duration)
            yield audio, transcription

    def read(self, audio: Audio, sampling_rate: int | None = None) -> Recording:
        """Reads one recording and checks that it has a frame; see `transcribe`."""
        return self._with_frame(Recording.of(audio, sampling_rate))

    def _with_frame(self, recording: Recording) -> Recording:
        try:
            self.recognizer.require_frame(recording.samples)
        except UserError as error:
            raise UserError(recording.message(error)) from None
        return recording

    def log_probabilities(
        self, recording: Recording, progress: long_form.Progress | None = None
    ) -> np.ndarray:
        """Computes (frames, vocab) natural logarithms of each frame's probabilities.

        Args:
            recording: as `read` returns it.
            progress: called with the seconds that are done.
        """
        spans = self._speech_spans(recording)
        return long_form.log_probabilities(
            self.recognizer, recording, self.windows, spans=spans, progress=progress
        )

    def _compute(
        self,
        tasks: Iterable[_Task[Key]],
        *,
        in_order: bool | None,
        recognizer: Recognizer | None = None,
        progress: Callable[[Key, float, float], None] | None = None,
        failed: Callable[[Key, UserError], None] | None = None,
    ) -> Iterator[tuple[Key, Transcription]]:
        """Computes short recordings in pools and long ones by themselves.

        Args:
            tasks: the recordings.
            in_order: whether the results of a pool come in order; by default unless all have
                outputs.
            recognizer: computes the short recordings; by default `self.recognizer`.
            progress: called with the seconds done, and in all, of a long recording.
            failed: called instead of raising if a long recording cannot be computed.
        """
        pool: list[_Task[Key]] = []
        for task in tasks:
            if not self.vad and task.recording.samples <= self._window_samples:
                pool.append(task)
                seconds = sum(waiting.recording.seconds for waiting in pool)
                if len(pool) == POOL_FILES or seconds > POOL_SECONDS:
                    yield from self._compute_pool(pool, in_order, recognizer)
                    pool.clear()
                continue
            yield from self._compute_pool(pool, in_order, recognizer)
            pool.clear()
            try:
                yield from self._compute_long(task, progress)
            except UserError as error:
                if failed is None:
                    raise
                failed(task.key, error)
        yield from self._compute_pool(pool, in_order, recognizer)

    def _compute_pool(
        self, pool: Sequence[_Task[Key]], in_order: bool | None, recognizer: Recognizer | None
    ) -> Iterator[tuple[Key, Transcription]]:
        recordings = [task.recording for task in pool]
        done = long_form.transcribe_each(recognizer or self.recognizer, recordings, self.windows)
        if in_order or (in_order is None and any(task.output is None for task in pool)):
            done = iter(sorted(done, key=lambda result: result[0]))
        for index, transcript in done:
            yield pool[index].key, pool[index].result(transcript)

    def _compute_long(
        self, task: _Task[Key], progress: Callable[[Key, float, float], None] | None
    ) -> Iterator[tuple[Key, Transcription]]:
        recording = task.recording
        spans = self._speech_spans(recording)

        def report(seconds: float) -> None:
            if progress is not None:
                progress(task.key, seconds, recording.seconds)

        with self._journal(task, spans) as journal:
            transcript = long_form.transcribe(
                self.recognizer,
                recording,
                self.windows,
                spans=spans,
                progress=report,
                journal=journal,
            )
            yield task.key, task.result(transcript)
            if journal is not None:  # the caller has written its output
                journal.remove()

    @contextmanager
    def _journal(self, task: _Task[Key], spans: Sequence[Span] | None) -> Iterator[Journal | None]:
        """Locks a long recording's output; yields its journal, None if it is not resumed.

        Raises:
            UserError: another run is writing the output.
        """
        path = None if task.output is None else journal_of(task.output)
        if task.output is None or path is None or self._identity is None:
            yield None
            return
        with locked(task.output):
            key = self._journal_key(task.recording, spans)
            yield Journal(path, {"recording": key}, replace=True)

    def _speech_spans(self, recording: Recording) -> list[Span] | None:
        """Returns the parts with speech; None for all of the recording."""
        if not self.vad:
            return None
        return speech_spans(recording.blocks(), self.recognizer.config.stride)

    def _journal_key(self, recording: Recording, spans: Sequence[Span] | None) -> str:
        """Returns a hash of everything that the logits of the windows depend on."""
        content = f"{self._identity} {recording.digest} {self.windows} {spans} {__version__}"
        return hashlib.sha256(content.encode(errors="replace")).hexdigest()


@dataclass(frozen=True)
class _Task(Generic[Key]):
    """One recording to transcribe."""

    key: Key
    recording: Recording
    output: Path | None = None

    def result(self, transcript: Transcript) -> Transcription:
        return Transcription(self.recording.name, self.recording.seconds, transcript)
