"""Finds the recordings that a command names, and the output file of each."""

from __future__ import annotations

import glob
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from wav2vec2_tf.audio.stretch import WHOLE, Stretch
from wav2vec2_tf.utils.errors import UserError

STANDARD_INPUT = "-"
MAXIMUM_BYTES = 2**32
"""Most that is read of standard input or a pipe, which may have no end."""
BLOCK_BYTES = 2**20
ENDINGS = tuple(
    f".{ending}"
    for ending in (
        *("3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "au", "avi", "caf", "flac"),
        *("flv", "m4a", "m4b", "mka", "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpeg", "mpg"),
        *("mpga", "oga", "ogg", "opus", "rf64", "snd", "sph", "spx", "tta", "w64", "wav", "weba"),
        *("webm", "wma", "wv"),
    )
)
"""Endings of audio files; a file that is named explicitly is read whatever its ending."""


def is_audio(name: str) -> bool:
    """Whether a file found in a folder or an archive is audio, by the ending of its name."""
    return name.lower().endswith(ENDINGS)


@dataclass(frozen=True)
class AudioFile:
    """One recording."""

    name: str
    """The path as it was given or found; or `STANDARD_INPUT`."""
    relative: Path
    """Path of its output in a folder of outputs, but for the ending."""
    output: Path | None = None
    """Path of its output."""
    stretch: Stretch = WHOLE
    """The part of the recording that is meant."""
    is_stream: bool = False
    """Whether it can be read once only: standard input, or a pipe such as `<(command)` in a shell.
    A pipe is read only where a command names it: its reader waits until something writes to it."""

    @classmethod
    def named(cls, argument: str) -> AudioFile:
        """Returns the recording that an argument of a command names."""
        if argument == STANDARD_INPUT:
            return cls(argument, Path("stdin"), is_stream=True)
        path, is_pipe = Path(argument), False
        with suppress(OSError):  # its reader gives the reason
            is_pipe = path.is_fifo()
        return cls(argument, Path(path.name), is_stream=is_pipe)

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Yields the path to read. Standard input or a pipe is copied, since it is read twice."""
        if not self.is_stream:
            yield self.name
            return
        with tempfile.NamedTemporaryFile() as copy:
            try:
                self._copy_to(copy)
            except OSError as error:
                raise UserError(f"{self._title}: cannot be read ({error.strerror})") from None
            try:
                yield copy.name
            except UserError as error:
                raise UserError(str(error).replace(copy.name, self._title)) from None

    def message(self, error: UserError) -> str:
        """Returns the error's message, preceded by the name of the file if it lacks it."""
        return str(error) if self._title in str(error) else f"{self._title}: {error}"

    @property
    def _title(self) -> str:
        return "standard input" if self.name == STANDARD_INPUT else self.name

    def _copy_to(self, copy: IO[bytes]) -> None:
        stdin = nullcontext(sys.stdin.buffer)
        with stdin if self.name == STANDARD_INPUT else open(self.name, "rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                copy.write(block)
                if copy.tell() > MAXIMUM_BYTES:
                    raise UserError(f"{self._title}: more than {MAXIMUM_BYTES} bytes; give a file")
        copy.flush()

    @property
    def bytes(self) -> int:
        """The file's size; 0 if it is unknown."""
        try:
            return os.path.getsize(self.name)
        except OSError:
            return 0


def named_by(arguments: Sequence[str], complain: Callable[[str], None]) -> list[AudioFile]:
    """Returns the recordings that files, folders and patterns name, each once, in order.

    Args:
        arguments: paths, patterns and `STANDARD_INPUT`.
        complain: called with a message for each folder or pattern without a recording. A file that
            does not exist is reported when it is opened.
    """
    found: dict[str, AudioFile] = {}
    for argument in arguments:
        path = Path(argument)
        chosen = [AudioFile.named(argument)]
        if os.path.isdir(argument):
            below = map(Path, audio_below(argument))
            chosen = [AudioFile(str(file), file.relative_to(path)) for file in below]
            if not chosen:
                complain(f"{argument}: no audio in this folder; name the files themselves")
        elif glob.has_magic(argument) and not os.path.exists(argument):
            files = [Path(name) for name in sorted(glob.glob(argument, recursive=True))]
            chosen = [AudioFile(str(file), Path(file.name)) for file in files if file.is_file()]
            if not chosen:
                complain(f"{argument}: no file matches this pattern")
        for audio in chosen:
            found.setdefault(str(Path(audio.name).absolute()), audio)
    return list(found.values())


def audio_below(folder: str) -> Iterator[str]:
    """Yields the paths of all audio in a folder and its subfolders, see `files_below`."""
    return (file for file in files_below(folder) if is_audio(os.path.basename(file)))


def files_below(folder: str) -> Iterator[str]:
    """Yields the paths of all files in a folder and its subfolders, sorted, none hidden.

    Links are followed. Each folder is visited once, those behind links last, so that loops end. A
    link to nothing is yielded as a file: what opens it says that it does not exist.

    Raises:
        UserError: a folder cannot be read: its files would be missing without a word.
    """
    seen: set[tuple[int, int]] = set()
    linked = [folder]
    for start in linked:  # grows in the loop
        stack = [_entries(start, seen)]
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop()
            elif entry.is_dir(follow_symlinks=False):
                stack.append(_entries(entry.path, seen))
            elif entry.is_symlink() and os.path.isdir(entry.path):
                linked.append(entry.path)
            elif os.path.isfile(entry.path) or not os.path.exists(entry.path):
                yield entry.path


def _entries(folder: str, seen: set[tuple[int, int]]) -> Iterator[os.DirEntry[str]]:
    """Returns the sorted entries of a folder, none hidden; no entry if it was seen already."""
    try:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            return iter(())
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    return iter(sorted(found, key=lambda entry: entry.name))


def with_outputs(found: Sequence[AudioFile], folder: Path, ending: str) -> list[AudioFile]:
    """Returns the recordings, each with an output in `folder` whose name ends in `ending`.

    The output of `talk.wav` is `talk.srt`. Where recordings would have the same output, they keep
    their endings: `talk.wav.srt` and `talk.mp3.srt`.

    Raises:
        UserError: two recordings have the same output nevertheless.
    """
    whole: set[int] = set()  # recordings that keep their ending
    while True:
        outputs = [
            folder / (f"{audio.relative}.{ending}" if place in whole else _named(audio, ending))
            for place, audio in enumerate(found)
        ]
        count = Counter(outputs)
        same = [place for place, output in enumerate(outputs) if count[output] > 1]
        if whole.issuperset(same):
            break
        whole.update(same)
    if same:
        first, second, *_ = (place for place in same if outputs[place] == outputs[same[0]])
        raise UserError(
            f"{found[first].name} and {found[second].name} would both be written to "
            f"{outputs[first]}: rename one, or give the folder that both are in"
        )
    return [replace(audio, output=output) for audio, output in zip(found, outputs, strict=True)]


def _named(audio: AudioFile, ending: str) -> Path:
    return audio.relative.with_suffix(f".{ending}")
