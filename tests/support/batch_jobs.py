"""Manifests, result tables and processes of batch jobs, for the tests of `batch`."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

PATIENCE = 300  # seconds


def manifest_of(path: Path, files: Sequence[str], ids: Sequence[str] | None = None) -> Path:
    """Writes a manifest of files, in the format of its suffix."""
    rows = [{"id": key, "path": file} for key, file in zip(ids or files, files, strict=True)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        with open(path, "w", encoding="utf-8", newline="") as file:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            writer = csv.DictWriter(file, ["id", "path"], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    return path


def tables(folder: Path, form: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the rows of all transcripts, in the order of shards, and the rows of the errors."""

    def rows(path: Path) -> list[dict[str, Any]]:
        if form == "parquet":
            return parquet.read_table(path).to_pylist()
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    parts = sorted((folder / "transcripts").glob(f"part-*.{form}"))
    return [row for part in parts for row in rows(part)], rows(folder / f"errors.{form}")


def records(folder: Path) -> dict[str, str]:
    """Returns the records of all completed shards by name."""
    return {path.name: path.read_text() for path in sorted((folder / "job" / "done").glob("[!.]*"))}


def descendants(process: int) -> dict[int, str]:
    """Returns the command lines of all descendants of a process, by process id."""
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
            titles[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ").strip()
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
    found: dict[int, str] = {}
    known = {process}
    while new := {child for child, parent in parents.items() if parent in known} - known:
        known |= new
        found |= {child: titles[child] for child in new}
    return found


def workers(process: int) -> list[int]:
    """Returns the process ids of a job's workers."""
    return [child for child, title in descendants(process).items() if "MapWorker" in title]


def wait_for(condition: Callable[[], object], job: subprocess.Popen[str] | None = None) -> None:
    """Waits until a condition is true, for `PATIENCE` at most; the job must not end before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        assert job is None or job.poll() is None, job.communicate()
        time.sleep(0.05)


def batch_command(*arguments: object) -> list[str]:
    """Returns the command line of `wav2vec2-tf batch` with these arguments."""
    return [sys.executable, "-m", "wav2vec2_tf.cli", "batch", *map(str, arguments)]


@contextmanager
def started(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Starts a job; at the end, kills it and its descendants and deletes its temporary files."""
    with tempfile.TemporaryDirectory(prefix="job-", ignore_cleanup_errors=True) as scratch:
        environment = {**os.environ, "TMPDIR": scratch}
        job = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        try:
            yield job
        finally:
            left = descendants(job.pid)
            job.kill()
            job.communicate()
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)


def alive(process: int) -> bool:
    """Returns whether a process exists and is not a zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
