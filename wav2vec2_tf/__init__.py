"""wav2vec 2.0 for TensorFlow and Keras 3.

    from wav2vec2_tf import AutoModelForCTC, AutoProcessor

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2vec2_tf.auto import AutoModel, AutoModelForCTC, AutoProcessor
    from wav2vec2_tf.config import Wav2Vec2Config
    from wav2vec2_tf.errors import UserError
    from wav2vec2_tf.models import Wav2Vec2ForCTC, Wav2Vec2Model
    from wav2vec2_tf.processor import Processor
    from wav2vec2_tf.tokenizer import CTCTokenizer
    from wav2vec2_tf.transcribe import Recognizer

__version__ = "0.1.0"
__all__ = [
    "AutoModel",
    "AutoModelForCTC",
    "AutoProcessor",
    "CTCTokenizer",
    "Processor",
    "Recognizer",
    "UserError",
    "Wav2Vec2Config",
    "Wav2Vec2ForCTC",
    "Wav2Vec2Model",
]

_MODULES = {
    "AutoModel": "auto",
    "AutoModelForCTC": "auto",
    "AutoProcessor": "auto",
    "CTCTokenizer": "tokenizer",
    "Processor": "processor",
    "Recognizer": "transcribe",
    "UserError": "errors",
    "Wav2Vec2Config": "config",
    "Wav2Vec2ForCTC": "models",
    "Wav2Vec2Model": "models",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
