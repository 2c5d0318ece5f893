"""Reading published checkpoints without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor
    from wav2vec2_tf.checkpoint.readers import Checkpoint, open_checkpoint

__all__ = ["Checkpoint", "LazyTensor", "open_checkpoint"]


def __getattr__(name: str) -> Any:
    if name == "LazyTensor":
        from wav2vec2_tf.checkpoint import lazy_tensor

        return lazy_tensor.LazyTensor
    if name in __all__:
        from wav2vec2_tf.checkpoint import readers

        return getattr(readers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
