"""The systems that are timed, as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .workloads import BATCH, COLD_START, CORPUS, TRAINING, Work

PYTORCH, ONNX_RUNTIME, OPENVINO = ("torch", "transformers"), ("onnxruntime",), ("openvino",)
TENSORFLOW, LITERT = ("tensorflow",), ("ai_edge_litert",)
FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
REFERENCE = "pytorch-eager"
"""The system whose results all others are compared with."""


@dataclass(frozen=True)
class System:
    """A runtime with a model in one format."""

    key: str
    label: str
    ours: bool
    packages: tuple[str, ...]
    """Modules that must be installed."""
    loader: str
    """A function of `loaders.py`, or of `training_steps.py` for training."""
    artefact: str
    """A file or folder that `artefacts.py` makes."""
    options: dict[str, Any] = field(default_factory=dict)
    """Arguments of the loader."""
    quick_options: dict[str, Any] = field(default_factory=dict)
    """Further arguments for a quick run, which tries the program and not the system."""
    precision: str = FLOAT32
    kinds: tuple[str, ...] = (BATCH,)
    """Kinds of work that the system is timed on."""
    way: str = "alone"
    """How a corpus is batched: a function of `workloads.WAYS`."""
    environment: dict[str, str] = field(default_factory=dict)
    """Environment variables of the process."""

    @property
    def exact(self) -> bool:
        """Whether padding has no influence on the results."""
        return self.way != "published"

    def does(self, work: Work) -> bool:
        """Whether the system is timed on `work`; reduced precisions are on the first work only."""
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
            "savedmodel-inference", "SavedModel, --inference", True, TENSORFLOW, "saved_model",
            "saved-model-inference",
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
        System(
            "transcribe-savedmodel", "wav2vec2-tf transcribe, SavedModel", True, TENSORFLOW, "",
            "saved-model-inference", kinds=(COLD_START,),
        ),
    )
}  # fmt: skip

LIMITS = {"gemm-torch": ("torch",), "gemm-tensorflow": ("tensorflow",), "gemm-numpy": ("numpy",)}
"""Libraries whose best matrix product is the limit → modules that must be installed."""
