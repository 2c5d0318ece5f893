"""Damages exported files at random, loads and runs them, with and without their checksum.

`python -m tests.tools.damage_exports SECONDS FILE [FILE …]`

Run by hand, on files that `convert litert`, `onnx` and `openvino` wrote. Ends with an error where a
file gives anything but one line, takes over a minute, or makes this process grow by over 1 GB.
"""

from __future__ import annotations

import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from wav2vec2_tf.export import runtimes
from wav2vec2_tf.export.seal import DIGITS
from wav2vec2_tf.utils.errors import UserError

SLOWEST, MOST_MEMORY = 60, 2**20  # seconds; kilobytes


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Returns a file's content with some bytes changed, or cut short."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 4, 30))):
        # at the ends of a file are its tables, in the middle its weights
        place = round(len(content) * chance.betavariate(0.2, 0.2))
        changed[min(place, len(content) - 1)] = chance.choice(
            (0, 0x7F, 0xFF, chance.randrange(256))
        )
    return bytes(changed[: chance.randrange(len(content)) if chance.random() < 0.1 else None])


def attempt(path: Path, source: Path, chance: random.Random) -> str:
    """Loads and runs a damaged copy of a file; returns how that ended."""
    module = runtimes.SUFFIXES[source.suffix]
    content = source.read_bytes()
    is_sealed = chance.random() < 0.5
    if not is_sealed:
        content = content[: -len(module.SEAL.before) - DIGITS - len(module.SEAL.after)]
    path.write_bytes(damaged(content, chance))
    started, before = time.monotonic(), peak()
    try:
        file = runtimes.load(path, threads=1)
        file(np.zeros((1, file.contract.length or 16_000), np.float32))
        result = "ran"
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000, error
        result = "refused"
    assert time.monotonic() - started < SLOWEST and peak() - before < MOST_MEMORY, path
    return f"{source.suffix} {'with' if is_sealed else 'without'} a checksum: {result}"


def peak() -> int:
    """Returns the most memory that this process has had, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(seconds: float, sources: list[Path]) -> None:
    """Damages files for some time, and prints how often each result came."""
    chance, counts, end = random.Random(0), Counter[str](), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as scratch:
        while time.monotonic() < end:
            source = chance.choice(sources)
            path = Path(scratch) / f"model{source.suffix}"
            for suffix in runtimes.SUFFIXES[source.suffix].SUFFIXES[1:]:
                shutil.copy(source.with_suffix(suffix), path.with_suffix(suffix))
            counts[attempt(path, source, chance)] += 1
    for result, count in sorted(counts.items()):
        print(f"{count:8} {result}")


if __name__ == "__main__":
    main(float(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
