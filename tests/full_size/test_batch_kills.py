"""Each recording is transcribed once, though workers, jobs and machines are killed."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.batch_jobs import (
    alive,
    batch_command,
    descendants,
    manifest_of,
    records,
    started,
    tables,
    wait_for,
    workers,
)
from tests.support.paths import CORPUS

pytestmark = pytest.mark.full_size

REPEATS = 30
WORKER_KILLS, JOB_KILLS = 30, 6


def the_corpus(folder: Path) -> tuple[Path, list[str]]:
    """A manifest that repeats the bundled corpus, and has two files that cannot be read."""
    (folder / "bad.wav").write_text("no audio")
    files = [str(file) for file in sorted(CORPUS.rglob("*.flac"))] * REPEATS
    files += [str(folder / "bad.wav"), str(folder / "none.wav")]
    ids = [str(place) for place in range(len(files))]
    random.Random(0).shuffle(files)
    return manifest_of(folder / "list.jsonl", files, ids), ids


def check(out: Path, ids: list[str]) -> tuple[int, int]:
    """Returns the numbers of lost and of repeated recordings."""
    rows, errors = tables(out, "parquet")
    counts = Counter(row["id"] for row in (*rows, *errors))
    assert len(errors) == 2
    assert set(counts) <= set(ids)
    texts: dict[str, set[str]] = {}
    for row in rows:
        texts.setdefault(row["path"], set()).add(row["text"])
    assert {len(found) for found in texts.values()} == {1}  # the same transcript each time
    return sum(counts[key] == 0 for key in ids), sum(count - 1 for count in counts.values())


def test_workers_and_jobs(tmp_path: Path) -> None:
    """Kills workers at random moments, and the job after every five of them."""
    listed, ids = the_corpus(tmp_path)
    out = tmp_path / "out"
    command = batch_command(listed, out, "--workers", 2, "--threads", 1, "--shard-files", 12)
    chance = random.Random(0)
    kills = jobs = starts = 0
    status = None
    while status is None:
        starts += 1
        with started(command) as job:
            for turn in itertools.count(1):
                wait_for(lambda job=job: workers(job.pid) or job.poll() is not None)
                time.sleep(chance.uniform(0.5, 4))
                if job.poll() is not None or (kills >= WORKER_KILLS and jobs >= JOB_KILLS):
                    break
                if turn % 6 == 0 and jobs < JOB_KILLS:
                    left = descendants(job.pid)
                    job.kill()
                    jobs += 1
                    wait_for(lambda left=left: not any(map(alive, left)))
                    break
                if victims := workers(job.pid):
                    os.kill(chance.choice(victims), signal.SIGKILL)
                    kills += 1
            if job.returncode is None:
                printed, complaints = job.communicate()
            if job.returncode != -signal.SIGKILL:
                status = job.returncode
    assert status == 1, (printed, complaints)  # two files cannot be read
    lost, doubled = check(out, ids)
    print(
        f"{len(ids)} files, {len(records(out))} shards: {kills} workers and {jobs} jobs killed, "
        f"{starts} starts; lost {lost}, doubled {doubled}"
    )
    assert (lost, doubled) == (0, 0)
    assert kills >= 10
    assert jobs >= 3


def test_a_machine_of_a_cluster(tmp_path: Path) -> None:
    """One of two Ray nodes on this machine is lost during the work."""
    import ray
    from ray.cluster_utils import Cluster

    listed, ids = the_corpus(tmp_path)
    out = tmp_path / "out"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        lost_node = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        command = batch_command(listed, out, "--address", cluster.address, "--shard-files", 24)
        command += ["--workers", "2", "--threads", "1"]
        with started(command) as job:
            wait_for(lambda: len(records(out)) >= 8, job)
            cluster.remove_node(lost_node, allow_graceful=False)
            printed, complaints = job.communicate()
        assert job.returncode == 1, (printed, complaints)
    finally:
        cluster.shutdown()
        ray.shutdown()
    lost, doubled = check(out, ids)
    print(f"{len(ids)} files: one of two nodes killed; lost {lost}, doubled {doubled}")
    assert (lost, doubled) == (0, 0)
