"""Transcribes audio files to text, subtitles, or words and characters with times.

Recordings may last for hours. An output is kept if it is the result of the same recording, model
and options, so the same command goes on with an interrupted run.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf.cli.shared import (
    add_model_flags,
    add_transcribe_flags,
    hub_options,
    transcribe_options,
)
from wav2vec2_tf.transcription.callbacks import FileCallback
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import require_writable, same_file
from wav2vec2_tf.utils.progress import ProgressBar, write

if TYPE_CHECKING:
    from wav2vec2_tf.audio.discover import AudioFile
    from wav2vec2_tf.transcription.resume import Results

FORMATS = ("txt", "json", "srt", "vtt", "tsv")
FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EPIPE, errno.EBADF)
"""Errors that the next output would meet as well: a full disk, a pipe that nobody reads."""
LONGEST_NAME = 255
"""Bytes of a file's name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `transcribe`."""
    parser.epilog = "example: wav2vec2-tf transcribe talk.mp3 interviews/ -o texts/ --format srt"
    parser.add_argument(
        "audio",
        nargs="+",
        help="files that soundfile reads (wav, flac, ogg, mp3 …) or else ffmpeg, folders of them, "
        "patterns like 'talks/**/*.mp3', or - for standard input",
    )
    add_model_flags(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format",
        choices=FORMATS,
        help="plain text (default), a JSON object with words and characters for each recording, "
        "SubRip or WebVTT subtitles, or a table of words",
    )
    output.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="folder with a file for each recording; for one recording, a file, whose name may "
        "determine the format, unless OUT is a folder or ends in /",
    )
    output.add_argument(
        "--overwrite",
        action="store_true",
        help="replace whatever is there (default: keep results of the same recording, model and "
        "options, replace other results, and refuse to replace anything else)",
    )
    add_transcribe_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `transcribe`: returns 0, or 1 if a recording could not be transcribed."""
    options = transcribe_options(args)
    console = _Console()
    found, ending = _outputs(args, console)

    from wav2vec2_tf.checkpoint.hub import pinned
    from wav2vec2_tf.transcription.resume import Results, model_identity

    hub = pinned(args.model, hub_options(args), adapter=args.target_lang)
    results = Results(
        {
            "model": model_identity(args.model, args.target_lang, hub, options.processor),
            "options": options.identity(),
            "format": ending,
        }
    )
    waiting = _to_do(found, results, args.overwrite, console)
    if not waiting:
        return 1 if console.errors else 0

    from wav2vec2_tf.transcription.transcriber import Transcriber

    transcriber = Transcriber(args.model, options, target_lang=args.target_lang, hub=hub)
    alone = len(args.audio) == len(found) == 1
    console.start(waiting)
    try:
        done = transcriber.transcribe_files(results.begun(waiting), console, once=len(waiting) == 1)
        for audio, transcription in done:
            content = transcription.render(ending)
            if audio.output is not None:
                _write(audio, content, results, console)
            else:
                console.print(content if alone or ending == "json" else f"{audio.name}\t{content}")
    except KeyboardInterrupt:
        if args.output is not None:
            console.note("the same command goes on where this one stopped")
        raise
    finally:
        console.end()
    return 1 if console.errors else 0


def _outputs(args: argparse.Namespace, console: _Console) -> tuple[list[AudioFile], str]:
    """Returns the recordings, each with its output if it has one, and the format.

    Raises:
        UserError: the results cannot be written, which is found out before the long work.
    """
    from wav2vec2_tf.audio.discover import named_by, with_outputs

    found = named_by(args.audio, console.error)
    if args.output is None:
        ending = args.format or "txt"
        if ending not in ("txt", "json") and len(found) > 1:
            raise UserError(f"--format {ending} of {len(found)} recordings: give -o FOLDER")
        return found, ending
    output = Path(args.output)
    require_writable(output)
    one_file = [audio.name for audio in found] == args.audio and len(found) == 1
    if one_file and not output.is_dir() and not args.output.endswith(("/", os.sep)):
        suffix = output.suffix.lower().removeprefix(".")
        ending = args.format or (suffix if suffix in FORMATS else "txt")
        return _safe([replace(found[0], output=output)], console), ending
    if output.exists() and not output.is_dir():
        raise UserError(f"-o {output} must be a folder for several recordings, got a file")
    ending = args.format or "txt"
    return _safe(with_outputs(found, output, ending), console), ending


def _safe(found: list[AudioFile], console: _Console) -> list[AudioFile]:
    """Returns the recordings whose output can be written and does not replace them."""
    safe = []
    for audio in found:
        assert audio.output is not None
        if len(os.fsencode(audio.output.name)) > LONGEST_NAME:
            console.error(
                f"{audio.name}: the name of its output has more than {LONGEST_NAME} bytes: "
                "transcribe it alone, with -o and a shorter name"
            )
        elif audio.output.is_dir():
            console.error(f"{audio.output}: is a folder: name another output")
        elif same_file(audio.output, Path(audio.name)):
            console.error(f"{audio.output}: is the recording itself: name another output")
        else:
            safe.append(audio)
    return safe


def _to_do(
    found: Sequence[AudioFile], results: Results, overwrite: bool, console: _Console
) -> list[AudioFile]:
    """Returns the recordings whose results are not there yet."""
    from wav2vec2_tf.transcription.resume import Found

    states: dict[Found, list[AudioFile]] = {state: [] for state in Found}
    for audio in found:
        state = Found.NOTHING
        if audio.output is not None and not overwrite:
            state = results.find(audio.name, audio.output)
        states[state].append(audio)
    if kept := len(states[Found.SAME]):
        console.note(
            f"kept: {kept} of {len(found)} outputs are results of the same recordings, model and "
            "options; --overwrite replaces them"
        )
    if other := len(states[Found.OTHER]):
        console.note(
            f"replaced: {other} of {len(found)} outputs are results of other recordings, models or "
            "options"
        )
    if foreign := states[Found.FOREIGN]:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        console.error(
            f"{foreign[0].output}{more}: not an unchanged result of this program: name another "
            "output, or replace it with --overwrite"
        )
    waiting = {*states[Found.NOTHING], *states[Found.OTHER]}
    return [audio for audio in found if audio in waiting]


def _write(audio: AudioFile, content: str, results: Results, console: _Console) -> None:
    """Writes a result; if that fails for a reason of its own, the other recordings go on."""
    assert audio.output is not None
    try:
        results.write(audio.name, audio.output, content)
    except (OSError, UserError) as error:
        if getattr(error, "errno", None) in FATAL:
            raise
        console.error(str(error))


class _Console(FileCallback):
    """Prints results, errors and progress.

    The time left is estimated from bytes, which are known for all files before any is read.
    """

    def __init__(self) -> None:
        self.errors = 0
        self._files = self._done = 0
        self._seconds = 0.0  # of speech that is transcribed
        self._bar: ProgressBar | None = None
        self._bytes = 0.0

    def start(self, waiting: Sequence[AudioFile]) -> None:
        """Shows progress from now on."""
        self._files = len(waiting)
        self._started = time.monotonic()
        self._bar = ProgressBar(
            "transcribe",
            sum(audio.bytes for audio in waiting),
            leave=False,
            smoothing=0,  # time left from the average speed: files differ
            bar_format="{percentage:3.0f}% {bar:30} {remaining} left{postfix}",
        )

    def progressed(self, audio: AudioFile, seconds: float, duration: float) -> None:
        self._show(self._bytes + audio.bytes * seconds / duration, self._seconds + seconds)

    def finished(self, audio: AudioFile, duration: float) -> None:
        self._done += 1
        self._bytes += audio.bytes
        self._seconds += duration
        self._show(self._bytes, self._seconds)

    def failed(self, audio: AudioFile, error: UserError) -> None:
        self.error(audio.message(error))
        self.finished(audio, 0.0)

    def _show(self, position: float, seconds: float) -> None:
        if self._bar is not None:
            self._bar.move_to(position, f"{self._done}/{self._files} files, {self._speed(seconds)}")

    def _speed(self, seconds: float) -> str:
        return f"{seconds / max(1e-9, time.monotonic() - self._started):.1f} × real time"

    def end(self) -> None:
        """Ends the bar, and prints the speed where there was one."""
        if self._bar is not None and self._bar.on_terminal:
            self._bar.close()
            spent = time.monotonic() - self._started
            speed = self._speed(self._seconds)
            self.note(f"{self._seconds:.1f} s of speech in {spent:.1f} s: {speed}")
        self._bar = None

    def error(self, message: str) -> None:
        """Prints and counts an error."""
        self.errors += 1
        self.note(f"error: {' '.join(message.split())}")

    def note(self, line: str) -> None:
        """Prints a line on standard error."""
        write(f"{line}\n", sys.stderr)

    def print(self, content: str) -> None:
        """Prints a result on standard output."""
        write(content, sys.stdout)
