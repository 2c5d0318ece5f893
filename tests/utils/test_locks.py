"""Locks of outputs: one holder, none after a kill, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import locked

HOLDER = """
import sys
from pathlib import Path
from wav2vec2_tf.utils.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""
COUNTER = """
import sys
from pathlib import Path
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import locked
counter, rounds = Path(sys.argv[1]), 0
while rounds < 200:
    try:
        with locked(counter):
            counter.write_text(str(int(counter.read_text()) + 1))
    except UserError:
        continue
    rounds += 1
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("kind", ["file", "folder", "link", "new"])
def test_one_holder_at_a_time_and_none_after_a_kill(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "output"
    if kind == "folder":
        target.mkdir()
    elif kind != "new":
        target.write_text("old")
    output = tmp_path / "link" if kind == "link" else target
    if kind == "link":
        output.symlink_to(target)
    before = sorted(tmp_path.rglob("*"))
    with python(HOLDER, target) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="output: another run is writing it"), locked(output):
            pytest.fail("two holders")
        holder.kill()
    assert sorted(tmp_path.rglob("*")) != before  # the lock of the killed process
    with locked(output), pytest.raises(UserError, match="another run"), locked(target):
        pytest.fail("two holders in one process")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_lock_that_is_removed_while_another_waits_is_worth_nothing(tmp_path: Path) -> None:
    """Three processes count: an update is lost if two ever hold the lock."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [python(COUNTER, counter) for _ in range(3)]
    for process in processes:
        assert process.communicate()[1] == ""
    assert counter.read_text() == "600"
    assert list(tmp_path.iterdir()) == [counter]


def test_folders_are_made_and_devices_are_not_locked(tmp_path: Path) -> None:
    with locked(tmp_path / "new" / "out.txt"):
        assert [path.name for path in (tmp_path / "new").iterdir()] == [".out.txt.lock"]
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "other" / "out.txt"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    os.mkfifo(tmp_path / "pipe")
    for special in (Path(os.devnull), tmp_path / "pipe"):
        with locked(special), locked(special):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "pipe"]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "\udcff" * 255])
def test_names_may_be_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    with locked(tmp_path / name):
        (lock,) = tmp_path.iterdir()
        assert len(os.fsencode(lock.name)) <= 255
        with locked(tmp_path / (name[:-1] + "y")):
            pass
