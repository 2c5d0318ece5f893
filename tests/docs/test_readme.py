"""Every command and every program of the README and of pages of docs runs, as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from wav2vec2_tf.cli.main import main

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    "README.md": 10,
    "docs/training.md": 5,
    "docs/exports.md": 6,
    "docs/transcription.md": 2,
    "docs/decoding.md": 3,
    "docs/alignment.md": 2,
    "docs/serving.md": 5,
    "docs/coming-from-transformers.md": 3,
}
"""Pages whose programs run, and how many there are at least."""
LONG, SHORT = "new_voice/finetune.yaml\n", "new_voice/finetune.yaml --epochs 1\n"
"""A command as it stands, and with one epoch in place of ten, which take five minutes."""
OFFLINE = "# with internet\n"
PORT = re.compile(r"(--port |127\.0\.0\.1:)\d+")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the checkout, but where `build` is our own."""
    for name in ("wav2vec2_tf", "convert", "eval", "tests", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def blocks(page: str) -> list[tuple[str, str]]:
    """The language and the text of each program on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_bash_and_python_blocks_run_in_order(checkout: Path, page: str, tmp_path: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    if "\ncurl " in text and shutil.which("curl") is None:
        pytest.skip("needs curl: apt install curl")
    commands = Path(sys.executable).parent
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"}
    port, ran = "", 0
    for language, block in blocks(page):
        if "--port " in block:
            port = free_port()  # in place of the page's, which something else may have
        block = PORT.sub(rf"\g<1>{port}", block)
        if language == "python":
            legacy = {"TF_USE_LEGACY_KERAS": "1"} if "TF_USE_LEGACY_KERAS=1" in block else {}
            call, given = [sys.executable, "-"], block
        elif language == "bash" and not block.startswith(OFFLINE):
            script = tmp_path / "block.sh"
            script.write_text(block.replace(LONG, SHORT), encoding="utf-8")
            legacy, call, given = {}, ["bash", "-eu", str(script)], ""
        else:
            continue
        done = subprocess.run(
            call,
            cwd=checkout,
            env=environment | legacy,
            input=given,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), block
        ran += 1
    assert ran >= PAGES[page]


def test_commands_for_the_internet_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot run here has at least the right words: an option misspelt would exit with 2."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    commands = [
        shlex.split(line)[1:]
        for language, block in blocks("README.md")
        if language == "bash" and block.startswith(OFFLINE)
        for line in block.removeprefix(OFFLINE).splitlines()
    ]
    assert len(commands) >= 5
    for command in commands:
        assert main(command) == 1  # not a usage error: the model is not there


def test_every_published_checkpoint_has_its_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each asks for its model, which is not there, and for nothing that the program lacks."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^\|.*\| `wav2vec2-tf (convert torch .*)` \|$", README, re.MULTILINE)
    assert len(commands) > 30
    for command in commands:
        assert main(shlex.split(command)) == 1
    assert list(tmp_path.iterdir()) == []


def test_targets_of_the_makefile_are_those_the_readme_names() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"^make ([\w-]+)", README, re.MULTILINE))
    assert {"demo", "test", "verify", "check"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_makefile_runs_what_ci_runs() -> None:
    commands = (ROOT / ".ci" / "run").read_text()
    for target in ("check", "test", "test-slow"):
        assert re.search(rf"^run {target}\b", commands, re.MULTILINE), target
