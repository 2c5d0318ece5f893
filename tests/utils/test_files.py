"""Files and folders that appear whole or not at all, through links, on devices, after kills."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wav2vec2_tf.utils import files
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import (
    hidden_name,
    locked,
    parse_json,
    parse_yaml,
    read_json,
    remove_leftovers,
    require_writable,
    whole_file,
    whole_folder,
    write_whole,
)
from wav2vec2_tf.utils.journal import Journal

KILLED = """
import os, signal, sys
from pathlib import Path
from wav2vec2_tf.utils import files
kind, moment, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if moment == "begin":
    files.exclusive = kill
if moment == "between":
    rename = Path.rename
    Path.rename = lambda self, to: kill() if to == path else rename(self, to)
with getattr(files, kind)(path, **({"replace": True} if kind == "whole_folder" else {})) as beside:
    if kind == "whole_folder":
        (beside / "config.json").write_text("new")
    else:
        beside.write_text("new")
    if moment == "middle":
        kill()
"""


def killed(kind: str, moment: str, path: Path) -> None:
    """Writes a file or a folder in a process that is killed meanwhile."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, kind, moment, str(path)], capture_output=True, text=True
    )
    assert done.returncode == -9, done.stderr


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def file_as_the_process_sees_it(path: Path) -> Iterator[Path]:
    with whole_file(path) as beside:
        beside.write_text("new")
        yield beside


def made_model(path: Path, content: str = "old") -> Path:
    path.mkdir()
    (path / "config.json").write_text(content)
    return path


# Whole or not at all


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.txt"
    with pytest.raises(ZeroDivisionError), file_as_the_process_sees_it(path):
        assert not path.exists()
        raise ZeroDivisionError
    assert names(tmp_path) == []
    with file_as_the_process_sees_it(path) as beside:
        assert beside.name == path.name  # some writers look at the ending
        assert stat.S_IMODE(beside.parent.stat().st_mode) == 0o700
    assert path.read_text() == "new"
    with pytest.raises(UserError, match=r"new: is a folder: name a file"):
        write_whole(path.parent, "")
    assert names(path.parent) == ["out.txt"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_file_keeps_its_mode_and_a_new_one_has_the_usual(tmp_path: Path, mode: int) -> None:
    path, plain = tmp_path / "out", tmp_path / "plain"
    before = os.umask(0o027)
    try:
        write_whole(path, "old")
        plain.touch()
        with whole_file(tmp_path / "private") as beside:
            beside.touch(0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o640
    path.chmod(mode)
    write_whole(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)


def test_a_protected_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `open` would, although renaming needs no right to the file; root may do all."""
    path = tmp_path / "out"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda name, _: Path(name) != path)
    with pytest.raises(PermissionError, match=str(path)):
        write_whole(path, "new")
    assert path.read_text() == "old"


def test_places_that_cannot_be_written_to_are_found_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("file", "protected", "free/file"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "denied").mkdir()
    (tmp_path / "denied" / "link").symlink_to(tmp_path / "free" / "out")
    denied = [tmp_path / "denied", tmp_path / "protected"]
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) not in denied)
    for good in ("free", "free/file", "new/folder/out", "denied/link", "/dev/null", "/dev/stdout"):
        require_writable(tmp_path / good)
    for bad, fault in {
        "protected": "protected may not be written to",
        "denied": "denied may not be written to",
        "denied/new/out": "denied may not be written to",
        "file/out": "file is not a folder",
        "file/new/out": "file is not a folder",
    }.items():
        with pytest.raises(UserError, match=f"{bad}: .*{fault}; name another place"):
            require_writable(tmp_path / bad)
    assert names(tmp_path) == ["denied", "file", "free", "protected"]


def test_a_mounted_file_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers mount single files, which cannot be replaced."""
    path = tmp_path / "out"
    path.write_text("old, and longer")
    node = path.stat().st_ino

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(Path, "replace", busy)
    write_whole(path, "new")
    assert (path.read_text(), path.stat().st_ino, names(tmp_path)) == ("new", node, ["out"])


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "語" * 85, "\udcff" * 255])
def test_names_may_have_as_many_bytes_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"
    with whole_folder(tmp_path / "in" / name) as beside:
        (beside / "a").touch()
    with locked(tmp_path / name):
        Journal(tmp_path / hidden_name(name, "partial"), {}).add(1, 2)
    hidden = {hidden_name(name, "part"), hidden_name(name[:-1], "part")}
    assert len(hidden) == 2
    assert all(len(os.fsencode(one)) <= 255 for one in hidden)
    for one in hidden - {hidden_name(name, "part")} if name.isprintable() else ():
        one.encode()  # cut between characters


def test_an_error_of_writing_names_the_output(tmp_path: Path) -> None:
    """That of a full disk has no name of its own; others keep theirs."""
    for number, name in ((errno.ENOSPC, None), (errno.ENOENT, "input")):
        for writes in (whole_file, whole_folder):
            with pytest.raises(OSError, match=".") as caught, writes(tmp_path / "out"):
                raise OSError(number, os.strerror(number), name)
            assert caught.value.filename == (name or str(tmp_path / "out"))
    assert names(tmp_path) == []


# Links, devices and pipes


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name, content in (("there/out", "old"), ("there/other", "old")):
        (tmp_path / name).write_text(content)
    links = {"link": "there/out", "second": "link", "dangling": "there/none"}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
        write_whole(tmp_path / name, name)
        assert os.readlink(tmp_path / name) == target
    assert (tmp_path / "there" / "out").read_text() == "second"
    assert (tmp_path / "there" / "none").read_text() == "dangling"
    assert names(tmp_path / "there") == ["none", "other", "out"]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="loop: a link that leads to itself"):
        write_whole(tmp_path / "loop", "")


def test_a_link_to_a_folder_stays(tmp_path: Path) -> None:
    made_model(tmp_path / "model")
    (tmp_path / "link").symlink_to("model")
    with whole_folder(tmp_path / "link", replace=True) as beside:
        (beside / "config.json").write_text("new")
    assert os.readlink(tmp_path / "link") == "model"
    assert (tmp_path / "model" / "config.json").read_text() == "new"
    assert names(tmp_path) == ["link", "model"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "text")
    reader.join()
    assert read == ["text"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


@pytest.mark.parametrize("device", ["/dev/null", "LINK"])
def test_a_device_stays_a_device(tmp_path: Path, device: str) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    path = tmp_path / "link" if device == "LINK" else Path(device)
    write_whole(path, "text")
    assert stat.S_ISCHR(Path("/dev/null").lstat().st_mode)
    assert names(tmp_path) == ["link"]
    with pytest.raises(OSError, match="No space left"):
        write_whole(Path("/dev/full"), "text")


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "LINK"])
@pytest.mark.parametrize("mode", ["w", "a"])
def test_standard_output_gets_the_text_in_its_place(tmp_path: Path, name: str, mode: str) -> None:
    """Redirected to a file, /dev/stdout is that file; what else is printed there is kept."""
    path, link = tmp_path / "log", tmp_path / "link"
    path.write_text("before\n")
    link.symlink_to("/dev/stdout")
    code = (
        "import sys; from pathlib import Path; from wav2vec2_tf.utils.files import write_whole\n"
        "print('first'); write_whole(Path(sys.argv[1]), 'text\\n'); print('last')"
    )
    with path.open(mode) as out:
        name = str(link) if name == "LINK" else name
        subprocess.run([sys.executable, "-c", code, name], stdout=out, check=True)
    before = "before\n" if mode == "a" else ""
    assert path.read_text() == before + "first\ntext\nlast\n"
    assert names(tmp_path) == ["link", "log"]


def test_another_open_file_gets_the_text_in_its_place(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        print("first", file=file, flush=True)
        write_whole(Path(f"/dev/fd/{file.fileno()}"), "text\n")
        print("last", file=file)
    assert (tmp_path / "log").read_text() == "first\ntext\nlast\n"


@pytest.mark.parametrize("place", ["usual", "random"])
@pytest.mark.parametrize("plant", ["file", "folder", "dangling"])
def test_a_planted_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: str, place: str
) -> None:
    """Whoever may write to the folder knows the names of hidden files."""
    victim = tmp_path / "victim"
    if plant != "dangling":
        victim.write_text("mine") if plant == "file" else made_model(victim, "mine")
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "a.txt"
    (output.parent / hidden_name("a.txt", "part")).symlink_to(victim)
    if place == "random":
        monkeypatch.setattr("tempfile._get_candidate_names", lambda: iter(["planted", "free"]))
        (output.parent / f"{hidden_name('a.txt', 'planted')}.part").symlink_to(victim)
    write_whole(output, "text")
    assert output.read_text() == "text"
    for ending in ("lock", "partial"):
        (output.parent / hidden_name("a.txt", ending)).symlink_to(victim)
    with pytest.raises(OSError, match="a.txt.lock"), locked(output):
        pytest.fail("followed")
    with pytest.raises(OSError, match=r"a\.txt\.partial"):
        Journal(output.parent / hidden_name("a.txt", "partial"), {}, replace=True).add(1, 1)
    if plant == "file":
        assert victim.read_text() == "mine"
    elif plant == "folder":
        assert names(victim) == ["config.json"]
    else:
        assert not victim.exists()


# After kills


@pytest.mark.parametrize("moment", ["begin", "middle"])
def test_what_killed_processes_leave_of_a_file_is_removed(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    for _ in range(2):
        killed("whole_file", moment, path)
    assert len(names(tmp_path)) == 2
    assert path.read_text() == "old"
    write_whole(path, "newer")
    assert (names(tmp_path), path.read_text()) == (["out.txt"], "newer")


@pytest.mark.parametrize("moment", ["begin", "middle", "between"])
def test_what_killed_processes_leave_of_a_folder_is_removed(tmp_path: Path, moment: str) -> None:
    """The folder that was about to be replaced comes back, though nothing was in its place."""
    path = made_model(tmp_path / "model")
    for _ in range(2):
        killed("whole_folder", moment, path)
    assert path.exists() == (moment != "between")
    with pytest.raises(UserError, match="exists already"), whole_folder(path):
        pytest.fail("replaced")
    assert (path / "config.json").read_text() == "old"
    assert names(tmp_path) == ["model"]
    with whole_folder(path, replace=True) as beside:
        (beside / "config.json").write_text("new")
    assert (path / "config.json").read_text() == "new"
    assert names(tmp_path) == ["model"]


def test_what_living_processes_write_stays(tmp_path: Path) -> None:
    path, folder = tmp_path / "out", tmp_path / "model"
    killed("whole_file", "middle", tmp_path / "other")
    with file_as_the_process_sees_it(path), whole_folder(folder):
        write_whole(path, "another's")
        remove_leftovers(tmp_path)
        assert names(tmp_path) == [".model.part", ".out.part", "out"]
        with whole_folder(folder) as beside:
            (beside / "config.json").touch()
        folder.rename(tmp_path / "moved")
    assert names(tmp_path) == ["model", "moved", "out"]
    assert path.read_text() == "new"


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "out"
    with (
        pytest.raises(UserError, match="not a model folder" if replace else "exists already"),
        whole_folder(path, replace=replace) as beside,
    ):
        (beside / "config.json").touch()
        path.mkdir()
        (path / "notes").write_text("mine")
    assert (names(tmp_path), names(path)) == (["out"], ["notes"])


def test_folders_of_others_that_look_like_leftovers_stay(tmp_path: Path) -> None:
    (tmp_path / ".mine.part").mkdir()
    (tmp_path / ".mine.part" / "notes").touch()
    (tmp_path / ".file.part").touch()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".file.part", ".mine.part"]
    write_whole(tmp_path / "mine", "text")
    assert names(tmp_path) == [".file.part", ".mine.part", "mine"]


def test_what_replaces_something_is_on_disk_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash of the machine leaves the old or the new, never an empty file."""
    done: list[str] = []

    def log(function, name):  # type: ignore[no-untyped-def]
        def logged(first, *rest):  # type: ignore[no-untyped-def]
            done.append(f"{name} {Path(first).name}")
            return function(first, *rest)

        return logged

    monkeypatch.setattr(files, "_flush", log(files._flush, "flush"))
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, log(getattr(Path, name), "rename"))

    def steps() -> list[str]:
        result = done.copy()
        done.clear()
        return result

    write_whole(tmp_path / "out", "old")
    assert steps() == ["rename out"]
    write_whole(tmp_path / "out", "new")
    here = f"flush {tmp_path.name}"
    assert steps() == ["flush out", "rename out", here]
    with whole_file(tmp_path / "first", durable=True) as beside:
        beside.touch()
    assert steps() == ["flush first", "rename first", here]
    for _ in range(2):
        with whole_folder(tmp_path / "model", replace=True) as beside:
            (beside / "config.json").touch()
    first, *second, _ = steps()
    assert first == "rename model"
    wanted = ["flush config.json", "flush model", "rename model", "rename model", here]
    assert second == wanted


# Reading


@pytest.mark.parametrize("content", ["[" * 10**5, '{"a":' * 10**5, "9" * 5000, "{", "\ufeff{}"])
def test_json_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_json(content)
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=r"a\.json: not readable as JSON") as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        *("2026-06-31", "!!int x", "!!float x", "!!bool maybe", "!!timestamp x", "0b_", "a: b: c"),
        *("[" * 10**4, "&a [*a", "? [a]\n: b", "!!python/object/apply:os.system [ls]", "\x00"),
        *(
            "9" * 5000,
            "!!binary é",
            "<<: 3",
            "*none",
            "2026-01-01 25:00:00",
            "2026-01-01 01:01:01+99:99",
        ),
    ],
)
def test_yaml_that_cannot_be_read(content: str) -> None:
    with pytest.raises(ValueError, match="^[^\n]+$"):
        parse_yaml(content)
