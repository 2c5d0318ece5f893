"""Runs every command and every program of the README and of the documentation."""

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

import wav2vec2_tf
from tests.support.paths import ROOT
from wav2vec2_tf.cli.main import main

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHECKPOINTS = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
PAGES = {
    "README.md": 8,
    "docs/index.md": 1,
    "docs/transcription.md": 3,
    "docs/decoding.md": 3,
    "docs/alignment.md": 2,
    "docs/conversion.md": 2,
    "docs/saved-models.md": 4,
    "docs/exports.md": 6,
    "docs/training.md": 5,
    "docs/corpora.md": 1,
    "docs/serving.md": 5,
    "docs/evaluation.md": 2,
    "docs/coming-from-transformers.md": 3,
}
"""Pages with programs that run, and the least number of them."""
LONG, SHORT = "new_voice/finetune.yaml\n", "new_voice/finetune.yaml --epochs 1\n"
"""A command of the pages, and the same with one epoch instead of ten, which take five minutes."""
OFFLINE = "# with internet\n"
PORT = re.compile(r"(--port |127\.0\.0\.1:)\d+")


def test_every_public_name_is_in_the_api_reference() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs/reference").glob("*.md")]
    named = set(re.findall(r"\w+", "\n".join(pages)))
    assert set(wav2vec2_tf.__all__) <= named


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder of links to the checkout, with its own `build`."""
    for name in ("wav2vec2_tf", "convert", "eval", "tests", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def blocks(page: str) -> list[tuple[str, str]]:
    """Returns the language and the text of each program on a page."""
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
            port = free_port()  # the page's port may be in use
        if block.startswith(OFFLINE):
            continue
        block = PORT.sub(rf"\g<1>{port}", block)
        if language == "python":
            legacy = {"TF_USE_LEGACY_KERAS": "1"} if "TF_USE_LEGACY_KERAS=1" in block else {}
            call, given = [sys.executable, "-"], block
        elif language == "bash":
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


def test_every_page_with_programs_is_run() -> None:
    pages = ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
    with_programs = {
        page
        for page in pages
        for language, block in blocks(page)
        if language in ("bash", "python") and not block.startswith(OFFLINE)
    }
    assert with_programs == set(PAGES)


def test_commands_that_need_the_internet_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown option would exit with status 2; 1 means that the model cannot be downloaded."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = [
        (language, block.removeprefix(OFFLINE))
        for page in PAGES | {"docs/families.md": 0}
        for language, block in blocks(page)
        if block.startswith(OFFLINE)
    ]
    commands = [
        shlex.split(line)[1:]
        for language, block in found
        if language == "bash"
        for line in block.splitlines()
    ]
    assert len(commands) >= 5
    for command in commands:
        assert main(command) == 1
    for language, block in found:
        if language == "python":
            compile(block, "page", "exec")


def test_every_published_checkpoint_can_be_converted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each command parses and fails only because its model cannot be downloaded."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    rows = re.findall(r"^\| [^|]+ \| `(\S+)` \|([^\n]*)", CHECKPOINTS, re.MULTILINE)
    assert len(rows) == 38
    for checkpoint, rest in rows:
        flags = re.findall(r"`(--[^`]+)`", rest)
        assert main(["convert", "torch", checkpoint, "out", *shlex.split(" ".join(flags))]) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 180


def test_targets_of_the_makefile_are_those_the_readme_names() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"^make ([\w-]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_makefile_runs_what_ci_runs() -> None:
    commands = (ROOT / ".ci" / "run").read_text()
    for target in ("check", "docs", "test", "test-slow"):
        assert re.search(rf"^run {target}\b", commands, re.MULTILINE), target
