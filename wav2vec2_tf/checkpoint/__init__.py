"""Reading published checkpoints without torch."""

from __future__ import annotations

from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor
from wav2vec2_tf.checkpoint.readers import Checkpoint, open_checkpoint

__all__ = ["Checkpoint", "LazyTensor", "open_checkpoint"]
