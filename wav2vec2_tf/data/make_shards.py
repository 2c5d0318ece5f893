"""Corpora → TFRecord shards of 16 kHz speech: read in place of the audio files, they need no
decoding and no seeking, and a manifest of check sums tells of any damage. Begun again, the same
command keeps the shards that are whole and makes the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.data.shards import (
    FULL_SCALE,
    MANIFEST_FILE,
    Manifest,
    Record,
    Shard,
    decode_record,
)
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import read_json, sha256, whole_file
from wav2vec2_tf.utils.progress import ProgressBar

if TYPE_CHECKING:
    import numpy as np

    from wav2vec2_tf.data.corpora import Corpus, Utterance

SHARD_SECONDS = 1800  # 58 MB: some hundreds of utterances, and 2,000 files of a thousand hours
DONE_SUFFIX = ".done.json"  # beside a shard until the manifest has what is in it
BLOCK_BYTES = 1 << 20
NAMED = 3  # of many faults of one kind, how many are named

Task = TypeVar("Task")
Result = TypeVar("Result")


def make(
    corpora: Sequence[Corpus],
    folder: Path,
    *,
    shard_seconds: float = SHARD_SECONDS,
    processes: int = 1,
) -> Manifest:
    """Write the shards of corpora into `folder`, with their manifest.

    Utterances keep their order; a shard ends with the one that brings it to `shard_seconds`. What
    is there already is kept if its hash is right. The bytes depend on the corpora and on
    `shard_seconds` alone.

    Raises:
        UserError: an id occurs twice; audio that cannot be read; the folder holds shards of another
            source or other rules, or something else.
    """
    _check_ids(corpora)
    sources = tuple(
        {"name": corpus.source, "kind": corpus.kind, "identity": corpus.identity}
        for corpus in corpora
    )
    manifest = _begin(folder, Manifest(sources, {"shard_seconds": shard_seconds}, False, ()))
    known = {shard.file: shard for shard in manifest.shards}
    tasks = (
        (folder / name, utterances, known.get(name))
        for name, utterances in _planned(corpora, shard_seconds)
    )
    shards = []
    total = sum(map(len, corpora))
    with ProgressBar("shards", total, "utterance", leave=False) as progress:
        for shard in _in_processes(_write_shard, tasks, processes):
            shards.append(shard)
            progress.update(len(shard.records))
    manifest = replace(manifest, sources=sources, complete=True, shards=tuple(shards))
    manifest.write(folder)
    for left in (*folder.glob(f"*{DONE_SUFFIX}"), *folder.glob(".*.part")):
        left.unlink(missing_ok=True)  # what the manifest now has, and of runs that were killed
    return manifest


def check(folder: Path, *, processes: int = 1) -> list[str]:
    """What is damaged in a folder of shards, a line each; none if every byte is as it was written.

    Raises `UserError` where there is no manifest to check against.
    """
    manifest = Manifest.read(folder)
    faults = [] if manifest.complete else [f"{folder}: not all shards are made"]
    tasks = ((folder / shard.file, shard) for shard in manifest.shards)
    with ProgressBar("check", len(manifest.shards), "shard", leave=False) as progress:
        for found in _in_processes(_faults, tasks, processes):
            faults += found
            progress.update()
    return faults


def quantize(speech: np.ndarray) -> tuple[np.ndarray, int]:
    """float32 → int16, and how many samples were beyond it and are clipped.

    To the nearest of 65,536 steps, halves to even: 16-bit audio at 16 kHz comes back as it was, and
    other audio within 2^-16 of full scale.
    """
    import numpy as np

    steps = np.rint(speech * np.float32(FULL_SCALE))
    clipped = np.clip(steps, -FULL_SCALE, FULL_SCALE - 1)
    return clipped.astype("<i2"), int(np.count_nonzero(clipped != steps))


# Making


def _check_ids(corpora: Sequence[Corpus]) -> None:
    counts = Counter(key for corpus in corpora for key in corpus.texts)
    if twice := [key for key, count in counts.items() if count > 1]:
        raise UserError(
            f"{len(twice)} ids are in more than one of the corpora (as {twice[0]!r}), and shards "
            "know utterances by them: make shards of each corpus apart"
        )


def _begin(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest of what is in the folder; a new one where it is empty or is not there."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a folder for the shards")
    if not (folder / MANIFEST_FILE).exists():
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder}: holds something else; name a new or an empty folder")
        manifest.write(folder)
        return manifest
    found = Manifest.read(folder)
    identities = [source["identity"] for source in manifest.sources]
    if [source["identity"] for source in found.sources] != identities:
        raise UserError(
            f"{folder}: holds shards of another source, or it has changed since; name another "
            "folder, or remove this one"
        )
    if dict(found.rules) != dict(manifest.rules):
        named = ", ".join(f"{name} {value}" for name, value in found.rules.items())
        raise UserError(f"{folder}: holds shards made with {named}; give the same, or name another")
    return found


def _planned(
    corpora: Sequence[Corpus], shard_seconds: float
) -> Iterator[tuple[str, list[Utterance]]]:
    """The name of each shard, and its utterances."""
    number, samples = 0, 0
    utterances: list[Utterance] = []
    for corpus in corpora:
        for utterance in corpus:
            utterances.append(utterance)
            samples += utterance.samples()
            if samples >= shard_seconds * SAMPLE_RATE:
                yield f"speech-{number:05}.tfrecord", utterances
                number, samples, utterances = number + 1, 0, []
    if utterances:
        yield f"speech-{number:05}.tfrecord", utterances


def _write_shard(task: tuple[Path, list[Utterance], Shard | None]) -> Shard:
    """Write a shard unless it is there already, as the manifest or the file beside it says."""
    from wav2vec2_tf.data.tfrecord import encode_example, frame

    path, utterances, known = task
    kept = known or _done(path)
    wanted = [(utterance.id, utterance.text) for utterance in utterances]
    if (
        kept is not None
        and [(record.id, record.text) for record in kept.records] == wanted
        and path.is_file()
        and sha256(path) == kept.sha256
    ):
        return kept
    records: list[Record] = []
    clipped = offset = 0
    digest = hashlib.sha256()
    with whole_file(path) as beside, open(beside, "wb") as file:
        for utterance in utterances:
            speech, louder = quantize(utterance.load())
            features: dict[str, bytes | int] = {
                "id": utterance.id.encode(),
                "text": utterance.text.encode(),
                "samples": len(speech),
                "speech": speech.tobytes(),
            }
            record = frame(encode_example(features))
            file.write(record)
            digest.update(record)
            records.append(Record(utterance.id, utterance.text, len(speech), offset))
            offset += len(record)
            clipped += louder
        file.flush()
        os.fsync(file.fileno())
    samples = sum(record.samples for record in records)
    shard = Shard(path.name, offset, digest.hexdigest(), samples, clipped, tuple(records))
    with whole_file(_done_file(path)) as beside:
        beside.write_text(json.dumps(asdict(shard), ensure_ascii=False), encoding="utf-8")
    return shard


def _done_file(path: Path) -> Path:
    return path.with_name(path.name + DONE_SUFFIX)


def _done(path: Path) -> Shard | None:
    """What an interrupted run says that it wrote to `path`."""
    try:
        return Shard.from_dict(read_json(_done_file(path)))
    except UserError:  # not there, or damaged: the shard is made anew
        return None


# Checking


def _faults(task: tuple[Path, Shard]) -> list[str]:
    path, shard = task
    if not path.is_file():
        return [f"{path}: is not there"]
    faults = []
    if (size := path.stat().st_size) != shard.bytes:
        faults.append(f"{path}: has {size} bytes, not {shard.bytes}")
    digest = hashlib.sha256()
    damaged = []
    with open(path, "rb") as file:
        for record, end in zip(shard.records, shard.ends(), strict=True):
            content = file.read(min(end, size) - file.tell()) if file.tell() < size else b""
            digest.update(content)
            try:
                decode_record(path, record, content)
            except UserError as error:
                damaged.append(str(error))
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() != shard.sha256:
        faults.append(f"{path}: its hash is not the manifest's")
    if len(damaged) > NAMED:
        damaged[NAMED:] = [f"{path}: {len(damaged) - NAMED} more records are damaged"]
    return faults + damaged


# Shared


def _in_processes(
    function: Callable[[Task], Result], tasks: Iterable[Task], processes: int
) -> Iterator[Result]:
    """The results in order. Few tasks are taken before they can be worked on: they may be large."""
    if processes == 1:
        yield from map(function, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # spawned: a fork would copy the locks of threads that other libraries have started
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _leave_interrupts_to_the_first) as pool:
        waiting: deque[Any] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) > processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                "a process was killed, perhaps for want of memory: the same command goes on from "
                "here; give fewer --processes"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _leave_interrupts_to_the_first() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
