"""A checksum at the end of an exported file: damage is found before a runtime reads the file.

The runtimes trust the sizes in a file: a few damaged bytes can make them ask for gigabytes or crash
the process. A file without a checksum, such as one that another program has changed, is therefore
loaded in a process of its own first, with bounded memory and time.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wav2vec2_tf.utils.errors import UserError

DIGITS = 64
BLOCK = 2**20
TRIAL_BYTES = 6 * 2**30
"""Address space of a trial, beside ten times the size of the files."""
TRIAL_SECONDS = 300
LIMITS = (
    "import resource; resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory})); "
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"
)


@dataclass(frozen=True)
class Seal:
    """How a format takes a checksum after its content, where its runtime does not read it."""

    before: bytes
    after: bytes
    trial: str
    """Python code that loads the file `path` into its runtime, with one thread."""

    def write(self, path: Path, *beside: Path) -> None:
        """Appends the SHA-256 of the file and of those beside it that belong to it."""
        digest = _digest(path.stat().st_size, path, *beside)
        with path.open("ab") as file:
            file.write(self.before + digest + self.after)

    def check(self, path: Path, *beside: Path) -> None:
        """Raises `UserError` for a file that is damaged, or that could do harm to the process."""
        whole, length = path.stat().st_size, len(self.before) + DIGITS + len(self.after)
        with path.open("rb") as file:
            file.seek(max(0, whole - length))
            end = file.read()
        if len(end) < length or not (end.startswith(self.before) and end.endswith(self.after)):
            _try(self.trial, path, *beside)
        elif end[len(self.before) :][:DIGITS] != _digest(whole - length, path, *beside):
            names = " or ".join(file.name for file in (path, *beside))
            raise UserError(f"{path}: damaged, the checksum of {names} is wrong: copy it again")


def _digest(size: int, path: Path, *beside: Path) -> bytes:
    """Returns the hash of files, of the first only `size` bytes, in hexadecimal."""
    digest = hashlib.sha256()
    for file in beside:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    for block in _blocks(path, size):
        digest.update(block)
    return digest.hexdigest().encode()


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size and (block := file.read(min(size, BLOCK))):
            size -= len(block)
            yield block


def _try(code: str, path: Path, *beside: Path) -> None:
    """Loads a file in a child process; raises `UserError` if that fails."""
    memory = TRIAL_BYTES + 10 * sum(file.stat().st_size for file in (path, *beside))
    program = f"{LIMITS.format(memory=memory)}; import sys; path = sys.argv[1]; {code}"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            capture_output=True,
            check=False,
            timeout=TRIAL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{path}: damaged, its runtime does not finish loading it") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1][:300] if lines and done.returncode > 0 else "its runtime crashes on it"
        raise UserError(f"{path}: damaged, or not a file of this format ({reason})")
