"""The systems that are timed: a row each, and how each is loaded and called.

A loader runs in a process of its own (`worker.py`) and gives a function of (batch, samples) speech
and (batch,) lengths or None that gives (batch, frames, vocabulary) logits in NumPy: what comes out
is there when the clock stops. Every runtime is set up as its makers advise for latency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import workloads
from .workloads import BATCH, COLD_START, CORPUS, TRAINING, Work

if TYPE_CHECKING:
    import numpy as np

    from .workloads import Recognise

PYTORCH, ONNX_RUNTIME, OPENVINO = ("torch", "transformers"), ("onnxruntime",), ("openvino",)
TENSORFLOW, LITERT = ("tensorflow",), ("ai_edge_litert",)
FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
REFERENCE = "pytorch-eager"
"""Whose results the others' are compared with."""


@dataclass(frozen=True)
class System:
    key: str
    label: str
    ours: bool
    packages: tuple[str, ...]
    """What it needs to be installed."""
    loader: str
    """A function of this module."""
    artefact: str
    """A recipe of `artefacts.py`."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of the loader."""
    quick_options: dict[str, Any] = field(default_factory=dict)
    """Besides, where nothing but the way is to be tried."""
    precision: str = FLOAT32
    kinds: tuple[str, ...] = (BATCH,)
    """Of work that it does."""
    way: str = "alone"
    """Through a corpus, of `workloads.WAYS`."""
    environment: dict[str, str] = field(default_factory=dict)
    """Of its process."""

    @property
    def exact(self) -> bool:
        return self.way != "published"

    def does(self, work: Work) -> bool:
        """Reduced precision and half-size formats are timed at the first work alone."""
        return work.kind in self.kinds and (self.precision == FLOAT32 or work.key == "a")


EVERY = (BATCH, CORPUS)
SYSTEMS = {
    system.key: system
    for system in (
        System(
            REFERENCE, "PyTorch, eager attention", False, PYTORCH, "pytorch", "model",
            {"attention": "eager"}, kinds=(*EVERY, TRAINING),
        ),
        System(
            "pytorch-sdpa", "PyTorch, SDPA", False, PYTORCH, "pytorch", "model",
            {"attention": "sdpa"}, kinds=(*EVERY, TRAINING),
        ),
        System(
            "pytorch-compile", "PyTorch, torch.compile", False, PYTORCH, "pytorch", "model",
            {"attention": "sdpa", "compiled": True},
            {"backend": "eager"},  # without half a minute of C++ for every shape
            kinds=(*EVERY, TRAINING),
        ),
        System(
            "onnxruntime", "ONNX Runtime", False, ONNX_RUNTIME, "onnxruntime", "transformers.onnx",
            kinds=EVERY,
        ),
        System(
            "openvino", "OpenVINO", False, OPENVINO, "openvino", "transformers.onnx",
            kinds=EVERY,
        ),
        System(
            "onnxruntime-int8", "ONNX Runtime int8 (dynamic)", False, ONNX_RUNTIME, "onnxruntime",
            "transformers-int8.onnx", precision=INT8,
        ),
        System(
            "openvino-int8", "OpenVINO int8 (post-training)", False, OPENVINO, "openvino",
            "transformers-int8.xml", precision=INT8,
        ),
        System(
            "savedmodel", "SavedModel", True, TENSORFLOW, "saved_model", "saved-model",
            kinds=EVERY, way="near_equal",
        ),
        System(
            "savedmodel-frozen", "SavedModel, weights kept packed", True, TENSORFLOW,
            "saved_model", "saved-model",
            environment={"TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"},
        ),
        System(
            "savedmodel-xla", "SavedModel, XLA", True, TENSORFLOW, "saved_model", "saved-model",
            {"jit_compile": True}, kinds=EVERY, way="bucketed",
        ),
        System(
            "savedmodel-alone", "SavedModel, one by one", True, TENSORFLOW, "saved_model",
            "saved-model", kinds=(CORPUS,),
        ),
        System(
            "savedmodel-padded", "SavedModel, padded to the published length", True, TENSORFLOW,
            "saved_model", "saved-model", kinds=(CORPUS,), way="published",
        ),
        System("litert", "LiteRT", True, LITERT, "litert", "litert"),
        System(
            "litert-fp16", "LiteRT float16", True, LITERT, "litert", "litert-fp16",
            precision=FLOAT16,
        ),
        System(
            "litert-int8", "LiteRT int8 (dynamic range)", True, LITERT, "litert", "litert-int8",
            precision=INT8,
        ),
        System(
            "litert-int8-static", "LiteRT int8 (static)", True, LITERT, "litert",
            "litert-int8-static", precision=INT8,
        ),
        System(
            "our-onnx", "our ONNX in ONNX Runtime", True, ONNX_RUNTIME, "onnxruntime", "onnx",
        ),
        System(
            "our-onnx-int8", "our ONNX int8 in ONNX Runtime", True, ONNX_RUNTIME, "onnxruntime",
            "onnx-int8", precision=INT8,
        ),
        System("our-openvino", "our OpenVINO IR", True, OPENVINO, "openvino", "openvino"),
        System(
            "our-openvino-fp16", "our OpenVINO IR float16", True, OPENVINO, "openvino",
            "openvino-fp16", precision=FLOAT16,
        ),
        System(
            "our-openvino-int8", "our OpenVINO IR int8", True, OPENVINO, "openvino",
            "openvino-int8", precision=INT8,
        ),
        System(
            "finetune", "wav2vec2-tf finetune", True, TENSORFLOW, "finetune", "model",
            kinds=(TRAINING,),
        ),
        System(
            "finetune-xla", "wav2vec2-tf finetune, XLA", True, TENSORFLOW, "finetune", "model",
            {"jit_compile": True}, kinds=(TRAINING,),
        ),
        System(
            "pipeline", "transformers pipeline", False, PYTORCH, "", "model", kinds=(COLD_START,)
        ),
        System(
            "transcribe", "wav2vec2-tf transcribe", True, TENSORFLOW, "", "model",
            kinds=(COLD_START,),
        ),
    )
}  # fmt: skip

LIMITS = {"gemm-torch": ("torch",), "gemm-tensorflow": ("tensorflow",), "gemm-numpy": ("numpy",)}
"""Loaders of matrix products, the best of which is the limit, and what they need."""


def load(system: System, work: Work, file: Path, threads: int) -> Callable[..., Any]:
    """What a worker calls: of speech and lengths, of a whole corpus, or of speech and labels."""
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
) -> Recognise:
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
    import torch

    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() != 1:  # may be set once
        torch.set_num_interop_threads(1)


# ONNX Runtime and OpenVINO, of transformers' export and of ours


def onnxruntime(file: Path, shape: tuple[int, int] | None, threads: int) -> Recognise:
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


def openvino(file: Path, shape: tuple[int, int] | None, threads: int) -> Recognise:
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
        "INFERENCE_PRECISION_HINT": "f32",  # bfloat16 is its default where there is hardware for it
    }
    compiled = core.compile_model(model, "CPU", settings)

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        return compiled(named(speech, lengths, takes_lengths))[0]

    return run


def named(
    speech: np.ndarray, lengths: np.ndarray | None, takes_lengths: bool
) -> dict[str, np.ndarray]:
    """Inputs of transformers' export, and of ours, which takes lengths as well."""
    if not takes_lengths:
        return {"speech": speech}
    return {"speech": speech, "lengths": full_lengths(speech) if lengths is None else lengths}


def full_lengths(speech: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.full(speech.shape[0], speech.shape[1], np.int32)


# Ours


def saved_model(
    folder: Path, shape: tuple[int, int] | None, threads: int, *, jit_compile: bool = False
) -> Recognise:
    import tensorflow as tf

    tensorflow_threads(threads)
    loaded = tf.saved_model.load(folder)
    call = loaded
    if jit_compile:  # reduce_retracing: one trace, of which XLA compiles each shape
        call = tf.function(loaded, jit_compile=True, reduce_retracing=True, autograph=False)

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        inputs = tf.constant(speech)
        if lengths is None:
            return call(inputs).numpy()
        return call({"speech": inputs, "lengths": tf.constant(lengths)}).numpy()

    return run


def tensorflow_threads(threads: int) -> None:
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != threads:  # may be set once
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def litert(file: Path, shape: tuple[int, int] | None, threads: int) -> Recognise:
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
"""(m, k, n): a feed-forward layer's two at the published length, and a large one."""
PRODUCT_REPETITIONS = 3


def gemm_rates(multiply: Callable[[np.ndarray, np.ndarray], Callable[[], object]]) -> list[float]:
    """FLOP/s of each of `PRODUCTS`, the best of a few."""
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
    """What gives the rates of a library's matrix product."""
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
