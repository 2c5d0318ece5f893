"""Writes corpora as TFRecord shards of 16 kHz speech.

Shards are read in place of the audio files: they need no decoding and no seeking, and a manifest of
checksums reveals any damage. Run again, the same command keeps the shards that are complete and
makes the others.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.data.bad_recordings import BadRecordings, count_all, read_bad, write_bad
from wav2vec2_tf.data.shards import (
    FRAMING_BYTES,
    FULL_SCALE,
    MANIFEST_FILE,
    Manifest,
    Record,
    Shard,
    encode_record,
    read_record,
)
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import is_leftover, locked_folder, sha256, whole_file
from wav2vec2_tf.utils.journal import Journal
from wav2vec2_tf.utils.progress import ProgressBar

if TYPE_CHECKING:
    import numpy as np

    from wav2vec2_tf.data.utterances import Corpus, Utterance

SHARD_SECONDS = 1800
"""Speech in a shard: 58 MB, some hundreds of utterances; 2,000 files for a thousand hours."""
JOURNAL_FILE = "shards.partial"
"""Journal of the shards that are complete, until the manifest lists them."""
REMEDY = (
    "leave them out with --skip-bad, which keeps the shards that are done, or correct them and "
    "name another folder"
)
"""What to do about recordings that are found to be bad when shards of their corpus exist."""
EXAMPLES = 3
"""Number of faults of one kind that are listed."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def make(
    corpora: Sequence[Corpus],
    folder: Path,
    *,
    shard_seconds: float = SHARD_SECONDS,
    processes: int = 1,
    skip_bad: bool = False,
) -> Manifest:
    """Writes shards of corpora into `folder`, with their manifest.

    Utterances keep their order; a shard ends with the utterance that brings it to `shard_seconds`.
    Existing shards are kept if their hashes match; a run that is interrupted loses only those that
    were being written. The bytes depend on the corpora and on `shard_seconds` only.

    Args:
        corpora: what to write, one after another.
        folder: a new or empty folder, or one that this function has begun to fill.
        shard_seconds: least duration of the speech in a shard, in seconds.
        processes: processes that decode at the same time.
        skip_bad: leave out recordings that cannot be read, and list them in `BAD_FILE` of the
            folder. Otherwise the shards stay incomplete if there are any.

    Returns:
        The manifest, which is also written.

    Raises:
        UserError: an id occurs twice; recordings cannot be read and are not left out (all are
            listed); the folder holds shards of another source or with other rules, or something
            else, or another run fills it.
    """
    _check_ids(corpora)
    _check_folder(folder)
    bad = BadRecordings(skip=skip_bad)
    names, total = ", ".join(corpus.source for corpus in corpora), sum(map(len, corpora))
    counts = [count_all(corpus, bad) for corpus in corpora]
    bad.settle(names, total)
    with locked_folder(folder):
        known = len(bad)
        manifest, journal = _make(corpora, counts, folder, shard_seconds, processes, bad)
        if len(bad) > known:  # only decoding finds those
            bad.settle(names, total, REMEDY)
        write_bad(folder, bad)
        manifest.write(folder)
        journal.remove()
    return manifest


def _make(
    corpora: Sequence[Corpus],
    counts: Sequence[Mapping[str, int]],
    folder: Path,
    shard_seconds: float,
    processes: int,
    bad: BadRecordings,
) -> tuple[Manifest, Journal]:
    """Writes the shards that are not there yet; adds recordings that cannot be decoded to `bad`.

    Returns:
        The complete manifest, and the journal of the shards.
    """
    sources = tuple(
        {"name": corpus.source, "kind": corpus.kind, "identity": corpus.identity}
        for corpus in corpora
    )
    manifest = _begin(folder, Manifest(sources, {"shard_seconds": shard_seconds}, False, ()))
    identity = {"sources": [corpus.identity for corpus in corpora], "rules": dict(manifest.rules)}
    journal = Journal(folder / JOURNAL_FILE, identity, replace=True)
    # without `skip`, what could not be read is tried again
    left_out = read_bad(folder) if bad.skip else {}
    known = {shard.file: (shard, left_out) for shard in manifest.shards}
    for whole, reasons in _finished(journal):
        known[whole.file] = (whole, reasons if bad.skip else {})
    tasks = (
        ShardTask(folder / name, utterances, known.get(name), bad.skip)
        for name, utterances in _planned(corpora, counts, shard_seconds)
    )
    shards = []
    with ProgressBar("shards", sum(map(len, counts)), "utterance", leave=False) as progress:
        for shard, reasons in _in_processes(_write_shard, tasks, processes):
            for id, reason in reasons.items():
                bad.add(id, reason)
            if shard is None:
                continue
            if shard.file not in known or shard != known[shard.file][0]:
                journal.add(shard.file, {"shard": asdict(shard), "bad": reasons})
            shards.append(shard)
            progress.update(len(shard.records) + len(reasons))
    shards.sort(key=lambda shard: (len(shard.file), shard.file))  # numbers may have more digits
    return replace(manifest, sources=sources, complete=True, shards=tuple(shards)), journal


def check(folder: Path, *, processes: int = 1) -> list[str]:
    """Returns one line for each damage in a folder of shards; none if every byte is as written.

    Raises:
        UserError: the folder has no valid manifest.
    """
    manifest = Manifest.read(folder)
    faults = [] if manifest.complete else [f"{folder}: not all shards are made"]
    tasks = ((folder / shard.file, shard) for shard in manifest.shards)
    with ProgressBar("check", len(manifest.shards), "shard", leave=False) as progress:
        found = {}
        for file, faults_of_shard in _in_processes(_faults, tasks, processes):
            found[file] = faults_of_shard
            progress.update()
    return faults + [fault for shard in manifest.shards for fault in found[shard.file]]


def quantize(speech: np.ndarray) -> tuple[np.ndarray, int]:
    """Returns float32 speech as int16, and the number of samples that had to be clipped.

    Rounds to the nearest of 65,536 steps, halves to even: 16-bit audio at 16 kHz is kept exactly,
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
            f"{len(twice)} ids are in more than one of the corpora (such as {twice[0]!r}), and "
            "must be unique in a folder of shards: make shards of each corpus apart"
        )


def _check_folder(folder: Path) -> None:
    """Raises `UserError` if the folder holds something else than shards."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a folder for the shards")
    if not (folder / MANIFEST_FILE).exists():
        held = folder.iterdir() if folder.exists() else ()
        if not all(is_leftover(path.name) for path in held):
            raise UserError(f"{folder}: holds something else; name a new or an empty folder")


def _begin(folder: Path, manifest: Manifest) -> Manifest:
    """Returns the manifest in the folder, or writes `manifest` if the folder has none."""
    if not (folder / MANIFEST_FILE).exists():
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


def _finished(journal: Journal) -> Iterator[tuple[Shard, dict[str, str]]]:
    """Yields the shards that an interrupted run has completed, with what each leaves out."""
    for _, value in journal:
        try:
            yield Shard.from_dict(value["shard"]), dict(value["bad"])
        except (UserError, KeyError, TypeError, ValueError):
            continue  # not written by this version: the shard is made again


def _planned(
    corpora: Sequence[Corpus], counts: Sequence[Mapping[str, int]], shard_seconds: float
) -> Iterator[tuple[str, list[Utterance]]]:
    """Yields the name and the utterances of each shard.

    Args:
        corpora: what to write.
        counts: id → number of samples of the utterances of each; others are left out.
        shard_seconds: least duration of the speech in a shard.
    """
    number, samples = 0, 0
    utterances: list[Utterance] = []
    for corpus, counted in zip(corpora, counts, strict=True):
        for utterance in corpus:
            if utterance.id not in counted:
                continue
            utterances.append(utterance)
            samples += counted[utterance.id]
            if samples >= shard_seconds * SAMPLE_RATE:
                yield f"speech-{number:05}.tfrecord", utterances
                number, samples, utterances = number + 1, 0, []
    if utterances:
        yield f"speech-{number:05}.tfrecord", utterances


@dataclass(frozen=True)
class ShardTask:
    """A shard to write."""

    path: Path
    utterances: list[Utterance]
    known: tuple[Shard, dict[str, str]] | None
    """What is known of the file that may be there, and id → reason of what it leaves out."""
    skip_bad: bool
    """Leave out what cannot be decoded."""


def _write_shard(task: ShardTask) -> tuple[Shard | None, dict[str, str]]:
    """Writes a shard unless it exists already, as the manifest or the journal describes it.

    Returns:
        The shard, None if recordings cannot be decoded and must not be left out; and id → reason of
        these recordings.
    """
    path, utterances = task.path, task.utterances
    bad = BadRecordings()
    if task.known is not None:
        kept, left_out = task.known
        for one in utterances:
            if one.id in left_out:  # it may be readable by now
                bad.read(one.id, one.load)
        wanted = [(one.id, one.text) for one in utterances if one.id not in bad]
        if (
            [(record.id, record.text) for record in kept.records] == wanted
            and path.is_file()
            and sha256(path) == kept.sha256
        ):
            return kept, dict(bad)
    import tensorflow as tf

    bad = BadRecordings()
    records: list[Record] = []
    clipped = offset = 0
    try:
        with whole_file(path, durable=True) as beside:
            with tf.io.TFRecordWriter(os.fsencode(beside)) as writer:
                for utterance in utterances:
                    loaded = bad.read(utterance.id, utterance.load)
                    if loaded is None:
                        continue
                    speech, clipped_here = quantize(loaded)
                    content = encode_record(utterance.id, utterance.text, speech)
                    writer.write(content)
                    records.append(Record(utterance.id, utterance.text, len(speech), offset))
                    offset += FRAMING_BYTES + len(content)
                    clipped += clipped_here
            if bad and not task.skip_bad:
                raise _Incomplete
            digest = sha256(beside)
    except _Incomplete:
        return None, dict(bad)
    samples = sum(record.samples for record in records)
    return Shard(path.name, offset, digest, samples, clipped, tuple(records)), dict(bad)


class _Incomplete(Exception):
    """A shard lacks recordings that must not be left out: it is not kept."""


# Checking


def _faults(task: tuple[Path, Shard]) -> tuple[str, list[str]]:
    """Returns the name of a shard and one line for each damage to it."""
    path, shard = task
    if not path.is_file():
        return shard.file, [f"{path}: does not exist"]
    faults = []
    if (size := path.stat().st_size) != shard.bytes:
        faults.append(f"{path}: has {size} bytes, not {shard.bytes}")
    if sha256(path) != shard.sha256:
        faults.append(f"{path}: its hash is not the manifest's")
    damaged = []
    for record, end in zip(shard.records, shard.ends(), strict=True):
        try:
            read_record(path, record, end)
        except UserError as error:
            damaged.append(str(error))
    if len(damaged) > EXAMPLES:
        damaged[EXAMPLES:] = [f"{path}: {len(damaged) - EXAMPLES} more records are damaged"]
    return shard.file, faults + damaged


# Shared


def _in_processes(
    function: Callable[[Task], Result], tasks: Iterable[Task], processes: int
) -> Iterator[Result]:
    """Yields the results as they are computed; tasks are taken late, since they may be large."""
    if processes == 1:
        yield from map(function, tasks)
        return
    from concurrent.futures import (
        FIRST_COMPLETED,
        Future,
        ProcessPoolExecutor,
        as_completed,
        wait,
    )
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # spawned: a fork would copy the locks of threads that other libraries have started
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _ignore_interrupts) as pool:
        waiting: set[Future[Result]] = set()
        try:
            for task in tasks:
                waiting.add(pool.submit(function, task))
                if len(waiting) > processes:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    failed_last = sorted(done, key=lambda future: bool(future.exception()))
                    yield from (future.result() for future in failed_last)
            yield from (future.result() for future in as_completed(waiting))
        except BrokenProcessPool:
            raise UserError(
                "a process was killed, perhaps because memory ran out: run the same command again "
                "to go on from here, with fewer --processes"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Leaves Ctrl-C to the first process, which stops the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
