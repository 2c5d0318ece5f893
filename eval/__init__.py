"""Measures models: programs (`python -m eval …`, installed `wav2vec2-tf eval …`) and functions.

    from wav2vec2_tf.eval import EvaluateOptions, evaluate

    evaluation = evaluate("facebook/wav2vec2-base-960h", "test-clean.tar.gz")
    print(evaluation.modes["variable"].counts.wer)

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .wer.evaluate import evaluate
    from .wer.options import EvaluateOptions, PoolOptions
    from .wer.results import Evaluation

_MODULES = {
    "PoolOptions": "wer.options",
    "EvaluateOptions": "wer.options",
    "Evaluation": "wer.results",
    "evaluate": "wer.evaluate",
}
__all__ = ["EvaluateOptions", "Evaluation", "PoolOptions", "evaluate"]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
