"""Settings of all tests, and models that many tests share."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches a model hub
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"  # where tests have their servers

import hypothesis
import numpy as np
import pytest

from tests.support.paths import AUDIO

hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one is slow
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option `--forbid-skips`."""
    parser.addoption(
        "--forbid-skips", action="store_true", help="a skipped test fails the run, as in CI"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips tests of bfloat16 where TensorFlow's matrix products crash the process.

    TensorFlow uses the processor's bfloat16 units even if ONEDNN_MAX_CPU_ISA excludes them.
    """
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA")
    marked = [item for item in items if item.get_closest_marker("bfloat16")]
    if not marked or isa is None or bfloat16_product_ends():
        return
    reason = f"TensorFlow crashes in bfloat16 with ONEDNN_MAX_CPU_ISA={isa}: unset it"
    for item in marked:
        item.add_marker(pytest.mark.skip(reason=reason))


def bfloat16_product_ends() -> bool:
    """Returns whether a child process survives a matrix product in bfloat16."""
    program = "import tensorflow as tf; x = tf.ones([8, 8], tf.bfloat16); print(tf.matmul(x, x))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    return done.returncode == 0


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run with skipped tests and names them, if --forbid-skips is given."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not session.config.getoption("--forbid-skips"):
        return
    for report in reporter.stats.get("skipped", []):
        reporter.write_line(f"skipped, which --forbid-skips does not allow: {report.nodeid}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def no_progress_lines() -> Iterator[None]:
    """Disables lines of progress, which slow machines would print."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wav2vec2_tf.utils.progress.QUIET_SECONDS", math.inf)
        yield


@pytest.fixture(scope="session")
def audio_folder() -> Path:
    """The folder of real speech: `librispeech_sample.flac` and `jfk.flac`."""
    return AUDIO


@pytest.fixture(scope="session")
def real_speech() -> np.ndarray:
    """One LibriSpeech utterance, (samples,) float32 at 16 kHz, normalized."""
    import soundfile

    speech, rate = soundfile.read(AUDIO / "librispeech_sample.flac", dtype="float32")
    assert rate == 16_000
    return (speech - speech.mean()) / np.sqrt(speech.var() + 1e-7)


@pytest.fixture(scope="session")
def tiny_folders(
    tmp_path_factory: pytest.TempPathFactory, real_speech: np.ndarray
) -> dict[str, Path]:
    """Folders of a small CTC checkpoint of each norm style, written by transformers."""
    from tests.support import reference

    folders = {}
    for style in reference.STYLES:
        folder = tmp_path_factory.mktemp(f"tiny-{style}")
        model = reference.perturbed_model(reference.tiny_config(style))
        # The word delimiter becomes the best token of every third frame, to get words with times.
        delimiter = reference.TOKENS.index("|")
        logits = reference.run(model, real_speech[np.newaxis])[0]
        behind = np.delete(logits, delimiter, axis=-1).max(axis=-1) - logits[:, delimiter]
        model.lm_head.bias.data[delimiter] += float(np.quantile(behind, 1 / 3))
        reference.save_checkpoint(model, folder)
        folders[style] = folder
    return folders


@pytest.fixture(scope="session", params=["group", "layer"])
def style(request: pytest.FixtureRequest) -> str:
    """The norm style: "group" with post-norm blocks (base), "layer" with pre-norm (large-lv60)."""
    return request.param


@pytest.fixture(scope="session")
def folder(tiny_folders: dict[str, Path], style: str) -> Path:
    """The small CTC checkpoint of the norm style."""
    return tiny_folders[style]


@pytest.fixture(scope="session")
def torch_models(tiny_folders: dict[str, Path]) -> dict[str, object]:
    """transformers' models of `tiny_folders`."""
    from tests.support import reference

    return {style: reference.torch_model(folder) for style, folder in tiny_folders.items()}


@pytest.fixture(scope="session")
def tf_models(tiny_folders: dict[str, Path]) -> dict[str, object]:
    """Our models of `tiny_folders`. Tests do not change their weights."""
    from wav2vec2_tf import AutoModelForCTC

    return {
        style: AutoModelForCTC.from_pretrained(folder) for style, folder in tiny_folders.items()
    }


@pytest.fixture
def theirs(torch_models: dict[str, object], style: str) -> object:
    """transformers' model of `folder`."""
    return torch_models[style]


@pytest.fixture
def ours(tf_models: dict[str, object], style: str) -> object:
    """Our model of `folder`."""
    return tf_models[style]


@pytest.fixture(scope="session")
def bundled_recognizer() -> object:
    """The bundled model as a `Recognizer`. Tests do not change it."""
    from wav2vec2_tf import Recognizer
    from wav2vec2_tf.data.bundled import BUNDLED_MODEL

    return Recognizer.load(BUNDLED_MODEL)
