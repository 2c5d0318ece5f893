"""Every notebook, as committed, executed completely on the bundled data."""

from __future__ import annotations

import ast
import json
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement

from tests.support.paths import ROOT
from wav2vec2_tf.data.bundled import BUNDLED_MODEL

CORPUS = ROOT / "tests" / "data" / "corpus"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SPOKEN = CORPUS / "1003" / "1" / "1003-1-0012.flac"
# Warnings of Jupyter's packages in this process; notebooks run in processes of their own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def read(name: str) -> Any:
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def parameters_cell(notebook: Any) -> int:
    (place,) = (
        place
        for place, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", ())
    )
    return place


def assigned(source: str) -> set[str]:
    names = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


Run = Callable[..., tuple[Any, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a notebook with other parameters; returns its output and the value of an expression."""
    folders = ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
    for name in (*folders, "MPLCONFIGDIR"):  # not those of the person who runs the tests
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def execute(name: str, wanted: str, **parameters: Any) -> tuple[str, Any]:
        notebook = read(name)
        place = parameters_cell(notebook)
        assert parameters.keys() <= assigned(notebook.cells[place].source)
        values = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(values))
        probe = f"import json\n\nprint(json.dumps({wanted}))"
        notebook.cells.append(nbformat.v4.new_code_cell(probe))
        work = tmp_path / "work"
        work.mkdir()
        client = NotebookClient(
            notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": work}}
        )
        client.execute()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
        printed = {"stdout": "", "stderr": ""}
        for output in outputs:
            if output.output_type == "stream":
                printed[output.name] += output.text
        assert "Warning" not in printed["stderr"], printed["stderr"]
        execute.figures = sum("image/png" in output.get("data", ()) for output in outputs)
        return printed["stdout"], json.loads(printed["stdout"].splitlines()[-1])

    return execute


def test_there_are_five() -> None:
    assert [notebook.stem for notebook in NOTEBOOKS] == [
        *("evaluation", "export", "fine_tuning_hub", "fine_tuning_keras3", "inference")
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_as_committed(path: Path) -> None:
    notebook = read(path.stem)
    nbformat.validate(notebook)
    content = json.loads(path.read_text(encoding="utf-8"))
    written = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    assert path.read_text(encoding="utf-8") == written
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in codes:
        assert cell.outputs == []
        assert cell.execution_count is None

    title = notebook.cells[0].source
    assert title.startswith("# ")
    repository = "wav2vec2-tf/wav2vec2-tf"
    address = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks"
    assert (
        f"(https://colab.research.google.com/assets/colab-badge.svg)]({address}/{path.name})"
        in (title)
    )
    install = codes[0].source
    assert 'if "google.colab" in sys.modules:\n    %pip install' in install
    assert f"wav2vec2-tf[notebooks] @ git+https://github.com/{repository}" in install
    assert notebook.cells[2] == notebook.cells[parameters_cell(notebook)]


def all_of(extras: dict[str, list[str]], name: str) -> list[str]:
    """Returns the requirements of an extra, and of the extras it includes."""
    found: list[str] = []
    for each in map(Requirement, extras[name]):
        if each.name == "wav2vec2-tf":
            found += [other for inner in each.extras for other in all_of(extras, inner)]
        else:
            found.append(str(each))
    return found


def test_the_extra_they_install_has_what_they_import() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    listed = project["dependencies"] + all_of(extras, "notebooks")
    packages = {Requirement(each).name.replace("-", "_").lower() for each in listed}
    imported = set()
    for path in NOTEBOOKS:
        for cell in read(path.stem).cells[2:]:
            if cell.cell_type == "code":
                for node in ast.walk(ast.parse(cell.source)):
                    names = [alias.name for alias in getattr(node, "names", ())]
                    if isinstance(node, ast.ImportFrom):
                        names = [node.module or ""]
                    imported |= {name.split(".")[0].lower() for name in names}
    ours = {"wav2vec2_tf", "ipython", "google"}  # IPython comes with ipykernel
    assert imported - sys.stdlib_module_names - ours <= packages
    assert "jiwer" in imported
    assert set(all_of(extras, "notebooks")) <= set(all_of(extras, "dev"))


@pytest.mark.slow
def test_inference(run: Run, tmp_path: Path) -> None:
    """A stand-in for Colab provides a microphone that records half of the recording."""
    (tmp_path / "google" / "colab").mkdir(parents=True)
    (tmp_path / "google" / "colab" / "output.py").write_text(
        "import base64, soundfile\n\n\n"
        "def eval_js(script):\n"
        "    assert script.strip().endswith('})(3)'), script\n"
        f"    speech, _ = soundfile.read({str(SPOKEN)!r}, dtype='int16')\n"
        "    return base64.b64encode(speech.tobytes()).decode()\n"
    )
    files = [str(path) for path in sorted(CORPUS.glob("1001/1/*.flac"))[:3]]
    printed, found = run(
        "inference",
        "[[t.text for t in transcripts], recorded_transcript.text,"
        " [w.text for w in transcript.words]]",
        MODEL=str(BUNDLED_MODEL),
        RECORDING=str(SPOKEN),
        SECONDS=3,
        BATCH=files,
    )
    texts, transcribed, words = found
    transcripts = dict(
        line.split(" ", 1)
        for file in CORPUS.rglob("*.trans.txt")
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    assert transcribed == printed.splitlines()[0]
    assert transcribed.split()[0] == transcripts[SPOKEN.stem].split()[0]
    assert len(texts) == 3
    assert words == texts[-1].split()
    assert "The same as alone: True" in printed
    assert run.figures == 2


@pytest.mark.slow
def test_inference_without_a_microphone(run: Run) -> None:
    printed, same = run(
        "inference", "bool((recorded == speech).all())", MODEL=str(BUNDLED_MODEL), SECONDS=1
    )
    assert same
    assert "The same as alone: True" in printed


@pytest.mark.slow
def test_evaluation(run: Run) -> None:
    _, found = run(
        "evaluation",
        "[wer, fitting, {mode: [float(v) for v in values] for mode, values in moved.items()}]",
        MODEL=str(BUNDLED_MODEL),
        DATA=str(CORPUS),
        SPLIT=None,
        UTTERANCES=16,
        LENGTH=160_000,
        BATCH=4,
    )
    wer, fitting, moved = found
    assert fitting["masked"] == fitting["variable"] < 0.15
    assert wer["padded"] > 1.2 * wer["variable"]
    assert max(moved["masked"]) < 1e-3 < 0.1 < min(moved["padded"])
    assert run.figures == 3


@pytest.mark.slow
def test_export(run: Run) -> None:
    printed, found = run(
        "export",
        "[text, float(np.abs(with_lengths - alone).max()), float(np.abs(masked - alone).max()),"
        " float(np.abs(without - alone).max()), sizes, latencies]",
        MODEL=str(BUNDLED_MODEL),
        RECORDING=str(SPOKEN),
        LENGTH=64_000,
        DURATIONS=[1],
        REPEATS=1,
    )
    text, with_lengths, masked, without, sizes, latencies = found
    assert text.split()
    assert max(with_lengths, masked) < 1e-3 < 0.1 < without
    parameters = 4 * 2.14e6  # the bundled model's, in bytes
    for size in sizes.values():
        assert size["weights"] == pytest.approx(parameters, rel=0.01)
    assert len(latencies) == 4
    assert all(np.array(values).min() > 0 for values in latencies.values())
    for name in ("serving_default", "with_lengths", "transcribe"):
        assert f"\n{name}\n" in printed
    assert run.figures == 1


FINE_TUNING = {
    "MODEL": str(BUNDLED_MODEL),
    "DATA": str(CORPUS),
    "SAMPLES": 48_000,
    "LABELS": 64,
    "TRAIN": 28,
    "TEST": 10,
    "BATCH": 5,
    "HEAD_EPOCHS": 3,
    "HEAD_RATE": 0.01,
    "EPOCHS": 3,
    "RATE": 3e-4,
    "JIT_COMPILE": False,
}


@pytest.mark.slow
def test_fine_tuning_through_the_hub(run: Run) -> None:
    printed, results = run("fine_tuning_hub", "results", **FINE_TUNING)
    print(results, file=sys.stderr)
    assert results["new head"] > 0.9
    assert results["head alone"] < 0.9
    assert results["all of it"] < min(0.3, 0.8 * results["head alone"])
    assert "The same transcripts: True" in printed


@pytest.mark.slow
def test_fine_tuning_in_keras_3(run: Run) -> None:
    """The transcripts in lower case stand for another language."""
    printed, results = run("fine_tuning_keras3", "results", SPLIT=None, **FINE_TUNING)
    print(results, file=sys.stderr)
    for before, head, after in results.values():
        assert before > 0.9
        assert head < 0.9
        assert after < min(0.3, 0.8 * head)
    assert "The same transcripts: True" in printed
