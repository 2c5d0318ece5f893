"""How earlier runs are found again: what made an output, and the journal of an unfinished one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from glob import escape
from os import PathLike
from pathlib import Path
from typing import Any

from wav2vec2_tf.audio.discover import STANDARD_INPUT, AudioFile
from wav2vec2_tf.checkpoint.hub import DESCRIPTION_FILES, HubOptions, cached_commit, local_path
from wav2vec2_tf.models.saved_model_folder import SAVED_MODEL_PARTS, WEIGHTS, saved_model_folder
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import (
    errors_named,
    files_identity,
    folders_above,
    hidden_name,
    locked,
    parse_json,
    remove_leftovers_of,
    sha256,
    write_whole,
)
from wav2vec2_tf.utils.locks import NOT_FOLLOWED
from wav2vec2_tf.utils.special_files import is_special
from wav2vec2_tf.utils.version import __version__

RECORDS_FILE = ".wav2vec2-tf.jsonl"
"""In a folder of outputs: a line `[name, work, content]` for each result; two of it are hashes."""
DESCRIPTIONS = (*DESCRIPTION_FILES, "dict.*.txt", "adapter.*")
"""Names of what is read beside weights: configs, vocabularies, adapters of languages."""
HIDDEN = ("partial", "lock")
"""Ends of the names of an output's hidden files: its journal, and the lock of `files.locked`."""


def model_identity(
    model: str | PathLike[str],
    target_lang: str | None,
    hub: HubOptions | None = None,
    processor: str | None = None,
) -> str:
    """Returns text that differs between models, without loading them.

    Resumed work compares it. A local model is identified by the sizes and times of its files, one
    of the hub by the commit that was fetched last.

    Raises:
        UserError: `model` is a path and nothing is there.
    """
    hub, source = hub or HubOptions(), local_path(model)
    content = cached_commit(str(model), hub) if source is None else _files_identity(source)
    identity = f"{source or model} {hub.revision} {target_lang} {content}"
    return identity if processor is None else f"{identity} {model_identity(processor, None)}"


def _files_identity(source: Path) -> str:
    """Identifies a local model by its own files: outputs may lie beside or below them."""
    weights: tuple[str, ...] = WEIGHTS
    folder = saved_model_folder(source)
    if folder is not None:
        weights = tuple(f"{part}/**/*" for part in SAVED_MODEL_PARTS) + SAVED_MODEL_PARTS
    elif source.is_dir():
        folder = source
    else:
        folder = source.parent
        if source.suffix != ".json":  # which is the index of shards
            weights = (escape(source.name), f"{escape(source.stem)}.bin")  # of OpenVINO's `.xml`
    found = {file for pattern in (*weights, *DESCRIPTIONS) for file in folder.glob(pattern)}
    return files_identity(file for file in found if file.is_file())


def journal_of(output: Path) -> Path | None:
    """Returns the path of a long recording's journal, which exists until `output` is written.

    There is none for an output that is a device or a pipe.
    """
    if is_special(output):
        return None
    output = Path(os.path.realpath(output))
    return output.with_name(hidden_name(output.name, HIDDEN[0]))


class Found(Enum):
    """What is found where an output is to be written."""

    NOTHING = "nothing, or an empty file"
    SAME = "the result of the same recording, model and options"
    OTHER = "a result of other work"
    FOREIGN = "something else, or a result that was edited"


class Results:
    """The results of one model with some options, each in a file of its own.

    The work that a file is the result of is recorded in its folder before the file is written: a
    result always has a record, unless it was edited.

    Args:
        work: everything that results depend on, beside the recording and this program's version.
    """

    def __init__(self, work: Mapping[str, Any]) -> None:
        self._work = json.dumps({**work, "version": __version__}, sort_keys=True)
        self._records: dict[Path, dict[tuple[str, str], str]] = {}
        self._begun: dict[str, str] = {}

    def find(self, recording: str, output: Path) -> Found:
        """Returns what is at the output of a recording, a file or standard input.

        The recording is identified by its name and its content. What a run that was killed has
        left beside its result is removed.
        """
        if is_special(output) or not output.is_file():
            return Found.NOTHING
        output = Path(os.path.realpath(output))
        try:
            work = self._recorded(output.parent).get((output.name, sha256(output)))
        except OSError:  # it may not be read
            return Found.FOREIGN
        if work is not None:
            wanted = self._work_on(recording)
            if not wanted or work != wanted:
                return Found.OTHER
            _remove_leftovers(output)
            return Found.SAME
        return Found.FOREIGN if output.stat().st_size else Found.NOTHING

    def begun(self, files: Iterable[AudioFile]) -> Iterator[AudioFile]:
        """Yields recordings, each when it is about to be read.

        A result is recorded with the content that its recording has now: it may change meanwhile.
        """
        for audio in files:
            if audio.output is not None and not is_special(audio.output):
                self._begun[audio.name] = self._work_on(audio.name)
            yield audio

    def write(self, recording: str, output: Path, content: str) -> None:
        """Writes the result of a recording that `begun` has yielded, whole or not at all."""
        if is_special(output):
            write_whole(output, content)
            return
        target = Path(os.path.realpath(output))
        digest = hashlib.sha256(content.encode()).hexdigest()
        record = json.dumps([target.name, self._begun.pop(recording, ""), digest])
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NOT_FOLLOWED
        with folders_above(target), errors_named(output):
            with open(os.open(target.parent / RECORDS_FILE, flags, 0o666), "wb") as file:
                # in one piece, since others may append, too; the last line may have been cut
                file.write(f"\n{record}".encode())
            write_whole(target, content)

    def _work_on(self, recording: str) -> str:
        """Returns a hash of everything that a result depends on; "" if it is unknown."""
        if recording == STANDARD_INPUT or not os.path.isfile(recording):
            return ""
        try:
            content = f"{self._work} {recording} {sha256(Path(recording))}"
        except OSError:  # its reader gives the reason
            return ""
        return hashlib.sha256(os.fsencode(content)).hexdigest()

    def _recorded(self, folder: Path) -> dict[tuple[str, str], str]:
        """Returns the work of each name and content that is recorded in a folder."""
        if folder not in self._records:
            self._records[folder] = known = {}
            try:
                lines = (folder / RECORDS_FILE).read_bytes().splitlines()
            except OSError:
                lines = []
            for line in lines:
                try:
                    name, work, content = parse_json(line)
                    known[str(name), str(content)] = str(work)
                except (TypeError, ValueError):  # cut
                    continue
        return self._records[folder]


def _remove_leftovers(output: Path) -> None:
    """Removes what a run that was killed at its very end has left beside its output."""
    remove_leftovers_of(output)
    journal, lock = (output.with_name(hidden_name(output.name, end)) for end in HIDDEN)
    if os.path.lexists(journal) or os.path.lexists(lock):
        with suppress(UserError, OSError), locked(output):  # unless another run is writing it
            journal.unlink(missing_ok=True)
