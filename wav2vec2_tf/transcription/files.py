"""Audio files → text, subtitles, or words and characters with times. Recordings may last for hours.

Outputs that are there already are kept: the same command goes on with an interrupted run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf.transcription.transcriber import (
    Listener,
    Transcriber,
    add_computing_arguments,
    add_model_arguments,
)
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar, write

if TYPE_CHECKING:
    from wav2vec2_tf.audio.discover import AudioFile

FORMATS = ("txt", "json", "srt", "vtt", "tsv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "audio",
        nargs="+",
        help="files that soundfile reads (wav, flac, ogg, mp3 …) or else ffmpeg, folders of them, "
        "patterns like 'talks/**/*.mp3', or - for standard input",
    )
    add_model_arguments(parser)
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
    add_computing_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from wav2vec2_tf.utils.files import write_whole

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
        return 1 if console.errors else 0

    from wav2vec2_tf.text import subtitles

    transcriber = Transcriber.of(args, once=len(waiting) == 1)
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
    return 1 if console.errors else 0


def _outputs(args: argparse.Namespace, console: _Console) -> tuple[list[AudioFile], str]:
    """The recordings, each with its output, if it has one; the format, which is its ending too.

    Finds out before the long work whether there is a place for the results.
    """
    from wav2vec2_tf.audio.discover import named_by, with_outputs

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


class _Console(Listener):
    """What a run says: results, errors, and how far it is.

    Time left is estimated from bytes, which are known of all files before any is read.
    """

    def __init__(self) -> None:
        self.errors = 0
        self._files = self._done = 0
        self._heard = 0.0  # seconds of speech
        self._bar: ProgressBar | None = None
        self._bytes = 0.0

    def start(self, waiting: Sequence[AudioFile]) -> None:
        self._files = len(waiting)
        self._begun = time.monotonic()
        self._bar = ProgressBar(
            "transcribe",
            sum(audio.bytes for audio in waiting),
            leave=False,
            smoothing=0,  # time left from the average speed: files differ
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

    def failed(self, audio: AudioFile, error: UserError) -> None:
        self.error(audio.message(error))
        self.finished(audio, 0.0)

    def _show(self, position: float, heard: float) -> None:
        if self._bar is not None:
            self._bar.move_to(position, f"{self._done}/{self._files} files, {self._speed(heard)}")

    def _speed(self, heard: float) -> str:
        return f"{heard / max(1e-9, time.monotonic() - self._begun):.1f} × real time"

    def end(self) -> None:
        if self._bar is not None and self._bar.on_terminal:
            self._bar.close()
            spent = time.monotonic() - self._begun
            self.say(f"{self._heard:.1f} s of speech in {spent:.1f} s: {self._speed(self._heard)}")
        self._bar = None

    def error(self, message: str) -> None:
        self.errors += 1
        self.say(f"error: {' '.join(message.split())}")

    def say(self, line: str) -> None:
        write(f"{line}\n", sys.stderr)

    def print(self, content: str) -> None:
        write(content, sys.stdout)
