"""Converting a model of n bytes takes at most 1.3 n of memory beyond the interpreter's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support import reference
from wav2vec2_tf.checkpoint import loader
from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor
from wav2vec2_tf.checkpoint.writer import write_safetensors
from wav2vec2_tf.models import families
from wav2vec2_tf.models.auto import MODELS

pytestmark = pytest.mark.full_size

CONVERSION = """
import re, sys
from pathlib import Path
import convert.source  # TensorFlow, Keras and their dependencies
from convert.checkpoint import ConvertOptions, convert

def kilobytes(of):
    return int(re.search(of + r":\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

before = kilobytes("VmRSS")
convert(sys.argv[1], Path(sys.argv[2]), ConvertOptions(head="none"))
print(1024 * (kilobytes("VmHWM") - before))  # the peak, mapped files included
"""


def checkpoint(name: str, folder: Path) -> int:
    """Writes a random base model of a published size; returns its size in bytes."""
    theirs = reference.published_config(name)
    config = families.config_of(theirs.to_dict())
    random = np.random.default_rng(0)
    tensors = {}
    for key, tensor in loader.tensors(MODELS["Model"].skeleton(config), "").items():

        def read(shape: tuple[int, ...] = tensor.shape) -> np.ndarray:
            return random.random(shape, np.float32)

        tensors[key] = LazyTensor(tensor.shape, tensor.dtype, read)
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", tensors)
    theirs.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": True})
    )
    return (folder / "model.safetensors").stat().st_size


@pytest.mark.parametrize("name", ["xls-r-300m", "xls-r-1b"])
@pytest.mark.parametrize("container", ["safetensors", "zip"])
def test_conversion_is_lazy(
    name: str, container: str, tmp_path: Path, record: Callable[..., None]
) -> None:
    size = checkpoint(name, tmp_path / "from")
    weights = tmp_path / "from" / "model.safetensors"
    if container == "zip":
        import torch
        from safetensors.torch import load_file

        torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
        weights.unlink()
    command = [sys.executable, "-c", CONVERSION, str(tmp_path / "from"), str(tmp_path / "to")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    taken = int(done.stdout.splitlines()[-1])
    record(table="memory", checkpoint=name, container=container, taken=taken, size=size)
    assert taken <= 1.3 * size
    for path in sorted(tmp_path.rglob("*.*")):
        if path.is_file():
            path.unlink()
