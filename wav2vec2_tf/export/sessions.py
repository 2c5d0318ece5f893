"""Opens exported files in their runtimes: shapes of the inputs, and how the output is computed.

Nothing here imports TensorFlow, so that `seal` can try a file out in a process that starts quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wav2vec2_tf.export.contract import LENGTHS, NamedArrays

SIGNATURE = "serving_default"
"""The signature of a LiteRT file."""
TRIED_SAMPLES, TRIED_FRAMES = 4000, 100


@dataclass(frozen=True)
class Session:
    """A file that its runtime has opened."""

    shapes: Mapping[str, Sequence[int | None]]
    """The shape of each input by name; a size is None where it may vary."""
    compute: Callable[[NamedArrays], np.ndarray]
    """Inputs by name → the output."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The metadata of an ONNX file; empty for others."""

    def try_out(self) -> None:
        """Computes short silence, if the inputs are those of a model of speech."""
        first = [shape for name, shape in self.shapes.items() if name != LENGTHS]
        if len(first) != 1 or len(first[0]) < 2:
            return
        rows, length, *rest = first[0]
        rows = rows or 1
        length = length or (TRIED_FRAMES if rest else TRIED_SAMPLES)
        silence = np.zeros((rows, length, *(size or 1 for size in rest)), np.float32)
        lengths = np.full(rows, length, np.int32)
        self.compute({name: lengths if name == LENGTHS else silence for name in self.shapes})


def litert(path: str | Path, threads: int) -> Session:
    """Opens a LiteRT file; damage can raise `ValueError`, `RuntimeError` and others, or crash."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path), num_threads=threads).get_signature_runner(SIGNATURE)
    shapes = {
        name: [None if size < 0 else int(size) for size in detail["shape_signature"]]
        for name, detail in runner.get_input_details().items()
    }
    (output,) = runner.get_output_details()

    def compute(named: NamedArrays) -> np.ndarray:
        result: np.ndarray = runner(**named)[output]
        return result

    return Session(shapes, compute)


def onnx(path: str | Path, threads: int) -> Session:
    """Opens an ONNX file; damage can raise the runtime's own exceptions, or crash."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    shapes = {
        each.name: [size if isinstance(size, int) else None for size in each.shape]
        for each in session.get_inputs()
    }

    def compute(named: NamedArrays) -> np.ndarray:
        result: np.ndarray = session.run(None, named)[0]
        return result

    return Session(shapes, compute, session.get_modelmeta().custom_metadata_map)


def openvino(path: str | Path, threads: int) -> Session:
    """Opens an OpenVINO IR; damage can raise `RuntimeError`, or crash."""
    from openvino import Core

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = Core().compile_model(str(path), "CPU", settings)
    shapes = {
        port.any_name: [
            size.get_length() if size.is_static else None for size in port.partial_shape
        ]
        for port in compiled.inputs
    }

    def compute(named: NamedArrays) -> np.ndarray:
        result: np.ndarray = compiled(named)[0].copy()  # the next call overwrites it
        return result

    return Session(shapes, compute)
