"""How earlier runs are found again: what made an output, and the journal of an unfinished one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from enum import Enum
from os import PathLike
from pathlib import Path
from typing import Any

from wav2vec2_tf.audio.discover import STANDARD_INPUT
from wav2vec2_tf.checkpoint.hub import HubOptions, local_path
from wav2vec2_tf.models.saved_model_folder import saved_model_folder
from wav2vec2_tf.utils.files import (
    files_identity,
    folders_above,
    hidden_name,
    parse_json,
    sha256,
    write_whole,
)
from wav2vec2_tf.utils.locks import NOT_FOLLOWED
from wav2vec2_tf.utils.special_files import is_special
from wav2vec2_tf.utils.version import __version__

RECORDS_FILE = ".wav2vec2-tf.jsonl"
"""In a folder of outputs: a line `[name, work, content]` for each result; two of it are hashes."""


def model_identity(
    model: str | PathLike[str],
    target_lang: str | None,
    hub: HubOptions | None = None,
    processor: str | None = None,
) -> str:
    """Returns text that differs between models, without loading them.

    Resumed work compares it. A local model is identified by the sizes and times of its files.

    Raises:
        UserError: `model` is a path and nothing is there.
    """
    source = local_path(model) or Path(model)
    source = saved_model_folder(source) or source
    files = source.rglob("*") if source.is_dir() else [source] if source.exists() else []
    content = files_identity(file for file in files if file.is_file())
    identity = f"{source} {(hub or HubOptions()).revision} {target_lang} {content}"
    return identity if processor is None else f"{identity} {model_identity(processor, None)}"


def journal_of(output: Path) -> Path | None:
    """Returns the path of a long recording's journal, which exists until `output` is written.

    There is none for an output that is a device or a pipe.
    """
    if is_special(output):
        return None
    output = Path(os.path.realpath(output))
    return output.with_name(hidden_name(output.name, "partial"))


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

    def find(self, recording: str, output: Path) -> Found:
        """Returns what is at the output of a recording, a file or standard input.

        The recording is identified by its name and its content.
        """
        if is_special(output) or not output.is_file():
            return Found.NOTHING
        output = Path(os.path.realpath(output))
        work = self._recorded(output.parent).get((output.name, sha256(output)))
        if work is not None:
            wanted = self._work_on(recording)
            return Found.SAME if wanted and work == wanted else Found.OTHER
        return Found.FOREIGN if output.stat().st_size else Found.NOTHING

    def write(self, recording: str, output: Path, content: str) -> None:
        """Writes the result of a recording, whole or not at all."""
        if is_special(output):
            write_whole(output, content)
            return
        target = Path(os.path.realpath(output))
        digest = hashlib.sha256(content.encode()).hexdigest()
        record = json.dumps([target.name, self._work_on(recording), digest])
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NOT_FOLLOWED
        with folders_above(target):
            with open(os.open(target.parent / RECORDS_FILE, flags, 0o666), "wb", 0) as file:
                # in one piece, since others may append, too; the last line may have been cut
                file.write(f"\n{record}".encode())
            write_whole(target, content)

    def _work_on(self, recording: str) -> str:
        """Returns a hash of everything that a result depends on; "" if it is unknown."""
        if recording == STANDARD_INPUT or not os.path.isfile(recording):
            return ""
        content = f"{self._work} {recording} {sha256(Path(recording))}"
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
