"""How each system is loaded and called.

A loader runs in a process of its own (`worker.py`). It returns a function of (batch, samples)
speech and (batch,) lengths or None that returns (batch, frames, vocabulary) logits in NumPy, so
that the result is complete when the clock stops. Every runtime is set up for latency as its
documentation recommends.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import workloads
from .systems import System
from .workloads import CORPUS, TRAINING, Work

if TYPE_CHECKING:
    import numpy as np

    from .workloads import Recognize


def load(system: System, work: Work, file: Path, threads: int) -> Callable[..., Any]:
    """Loads a system and returns the function that is timed.

    Its arguments are speech and lengths, or the utterances of a corpus, or speech and labels and
    whether to train.
    """
    if work.kind == TRAINING:
        from . import training_steps

        return training_steps.load(system.loader, file, threads, system.options)
    run = globals()[system.loader](file, work.shape, threads, **system.options)
    if work.kind != CORPUS:
        return run
    extra = {"length": work.length} if system.way == "published" else {}
    return lambda utterances: workloads.WAYS[system.way](utterances, run, **extra)


# PyTorch


def pytorch(
    folder: Path,
    shape: tuple[int, int] | None,
    threads: int,
    *,
    attention: str,
    compiled: bool = False,
    backend: str = "inductor",
) -> Recognize:
    """Loads transformers' model in PyTorch."""
    import torch
    import transformers

    torch_threads(threads)
    model = transformers.AutoModelForCTC.from_pretrained(folder, attn_implementation=attention)
    model.eval()
    forward = torch.compile(model, dynamic=shape is None, backend=backend) if compiled else model

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        with torch.inference_mode():
            return forward(torch.from_numpy(speech)).logits.numpy()

    return run


def torch_threads(threads: int) -> None:
    """Sets PyTorch's threads."""
    import torch

    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() != 1:  # can be set only once
        torch.set_num_interop_threads(1)


# ONNX Runtime and OpenVINO, for transformers' export and for ours


def onnxruntime(file: Path, shape: tuple[int, int] | None, threads: int) -> Recognize:
    """Loads an ONNX file in ONNX Runtime."""
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    for name, size in zip(("batch", "samples"), shape or (), strict=False):
        options.add_free_dimension_override_by_name(name, size)
    session = runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    takes_lengths = len(session.get_inputs()) == 2

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        return session.run(None, named(speech, lengths, takes_lengths))[0]

    return run


def openvino(file: Path, shape: tuple[int, int] | None, threads: int) -> Recognize:
    """Loads an ONNX file or OpenVINO IR in OpenVINO."""
    import openvino as runtime

    core = runtime.Core()
    model = core.read_model(file)
    takes_lengths = len(model.inputs) == 2
    batch, samples = shape or (-1, -1)
    shapes = {"speech": [batch, samples]} | ({"lengths": [batch]} if takes_lengths else {})
    model.reshape(shapes)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # the default may be bfloat16
    }
    compiled = core.compile_model(model, "CPU", settings)

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        return compiled(named(speech, lengths, takes_lengths))[0]

    return run


def named(
    speech: np.ndarray, lengths: np.ndarray | None, takes_lengths: bool
) -> dict[str, np.ndarray]:
    """Returns the inputs of transformers' export, or of ours, which takes lengths as well."""
    if not takes_lengths:
        return {"speech": speech}
    return {"speech": speech, "lengths": full_lengths(speech) if lengths is None else lengths}


def full_lengths(speech: np.ndarray) -> np.ndarray:
    """Returns (batch,) lengths of rows without padding."""
    import numpy as np

    return np.full(speech.shape[0], speech.shape[1], np.int32)


# Ours


def saved_model(
    folder: Path, shape: tuple[int, int] | None, threads: int, *, jit_compile: bool = False
) -> Recognize:
    """Loads a SavedModel of ours in TensorFlow."""
    import tensorflow as tf

    tensorflow_threads(threads)
    loaded = tf.saved_model.load(folder)
    call = loaded
    if jit_compile:  # reduce_retracing: one trace, which XLA compiles for each shape
        call = tf.function(loaded, jit_compile=True, reduce_retracing=True, autograph=False)

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        inputs = tf.constant(speech)
        if lengths is None:
            return call(inputs).numpy()
        return call({"speech": inputs, "lengths": tf.constant(lengths)}).numpy()

    return run


def tensorflow_threads(threads: int) -> None:
    """Sets TensorFlow's threads."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != threads:  # can be set only once
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def litert(file: Path, shape: tuple[int, int] | None, threads: int) -> Recognize:
    """Loads a .tflite file in LiteRT."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(file), num_threads=threads).get_signature_runner()
    (output,) = runner.get_output_details()
    rows = int(runner.get_input_details()["speech"]["shape_signature"][0])  # -1: any number

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        lengths = full_lengths(speech) if lengths is None else lengths
        step = rows if rows > 0 else len(speech)
        parts = [
            runner(speech=speech[start : start + step], lengths=lengths[start : start + step])
            for start in range(0, len(speech), step)
        ]
        return np.concatenate([part[output] for part in parts])

    return run


# The limit

PRODUCTS = ((768, 768, 3072), (768, 3072, 768), (2048, 2048, 2048))
"""(m, k, n) of matrix products: a feed-forward layer's two at the published length, a large one."""
PRODUCT_REPETITIONS = 3


def gemm_rates(multiply: Callable[[np.ndarray, np.ndarray], Callable[[], object]]) -> list[float]:
    """Measures the FLOP/s of each of `PRODUCTS`, the best of a few runs."""
    import time

    import numpy as np

    random, rates = np.random.default_rng(0), []
    for m, k, n in PRODUCTS:
        left = random.normal(size=(m, k)).astype(np.float32)
        product = multiply(left, random.normal(size=(k, n)).astype(np.float32))
        times = []
        for _ in range(PRODUCT_REPETITIONS):
            began = time.perf_counter()
            product()
            times.append(time.perf_counter() - began)
        rates.append(2 * m * k * n / min(times))
    return rates


def gemm(library: str, threads: int) -> Callable[[], list[float]]:
    """Returns a function that measures the rates of a library's matrix product."""
    if library == "gemm-torch":
        import torch

        torch_threads(threads)

        def multiply(left: np.ndarray, right: np.ndarray) -> Callable[[], object]:
            one, other = torch.from_numpy(left), torch.from_numpy(right)
            return lambda: one @ other

    elif library == "gemm-tensorflow":
        import tensorflow as tf

        tensorflow_threads(threads)

        def multiply(left: np.ndarray, right: np.ndarray) -> Callable[[], object]:
            one, other = tf.constant(left), tf.constant(right)
            return lambda: tf.matmul(one, other).numpy()

    else:

        def multiply(left: np.ndarray, right: np.ndarray) -> Callable[[], object]:
            return lambda: left @ right

    return lambda: gemm_rates(multiply)
