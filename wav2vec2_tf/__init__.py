"""wav2vec 2.0 for TensorFlow and Keras 3.

    from wav2vec2_tf import AutoModelForCTC, AutoProcessor

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2vec2_tf.auto import (
        AutoModel,
        AutoModelForAudioClassification,
        AutoModelForAudioFrameClassification,
        AutoModelForAudioXVector,
        AutoModelForCTC,
        AutoModelForPreTraining,
        AutoProcessor,
    )
    from wav2vec2_tf.config import (
        Data2VecAudioConfig,
        HubertConfig,
        UniSpeechConfig,
        UniSpeechSatConfig,
        Wav2Vec2BertConfig,
        Wav2Vec2Config,
        Wav2Vec2ConformerConfig,
        WavLMConfig,
    )
    from wav2vec2_tf.ctc_loss import CTCLoss
    from wav2vec2_tf.errors import UserError
    from wav2vec2_tf.heads import (
        Wav2Vec2ForAudioFrameClassification,
        Wav2Vec2ForPreTraining,
        Wav2Vec2ForSequenceClassification,
        Wav2Vec2ForXVector,
    )
    from wav2vec2_tf.models import Wav2Vec2ForCTC, Wav2Vec2Model
    from wav2vec2_tf.processor import Processor
    from wav2vec2_tf.saved_model_layer import SavedModelLayer
    from wav2vec2_tf.tokenizer import CTCTokenizer
    from wav2vec2_tf.transcribe import Recognizer

__version__ = "0.1.0"
_MODULES = {
    "AutoModel": "auto",
    "AutoModelForAudioClassification": "auto",
    "AutoModelForAudioFrameClassification": "auto",
    "AutoModelForAudioXVector": "auto",
    "AutoModelForCTC": "auto",
    "AutoModelForPreTraining": "auto",
    "AutoProcessor": "auto",
    "CTCLoss": "ctc_loss",
    "CTCTokenizer": "tokenizer",
    "Data2VecAudioConfig": "config",
    "HubertConfig": "config",
    "Processor": "processor",
    "Recognizer": "transcribe",
    "SavedModelLayer": "saved_model_layer",
    "UniSpeechConfig": "config",
    "UniSpeechSatConfig": "config",
    "UserError": "errors",
    "WavLMConfig": "config",
    "Wav2Vec2BertConfig": "config",
    "Wav2Vec2Config": "config",
    "Wav2Vec2ConformerConfig": "config",
    "Wav2Vec2ForAudioFrameClassification": "heads",
    "Wav2Vec2ForCTC": "models",
    "Wav2Vec2ForPreTraining": "heads",
    "Wav2Vec2ForSequenceClassification": "heads",
    "Wav2Vec2ForXVector": "heads",
    "Wav2Vec2Model": "models",
}
__all__ = [
    "AutoModel",
    "AutoModelForAudioClassification",
    "AutoModelForAudioFrameClassification",
    "AutoModelForAudioXVector",
    "AutoModelForCTC",
    "AutoModelForPreTraining",
    "AutoProcessor",
    "CTCLoss",
    "CTCTokenizer",
    "Data2VecAudioConfig",
    "HubertConfig",
    "Processor",
    "Recognizer",
    "SavedModelLayer",
    "UniSpeechConfig",
    "UniSpeechSatConfig",
    "UserError",
    "Wav2Vec2BertConfig",
    "Wav2Vec2Config",
    "Wav2Vec2ConformerConfig",
    "Wav2Vec2ForAudioFrameClassification",
    "Wav2Vec2ForCTC",
    "Wav2Vec2ForPreTraining",
    "Wav2Vec2ForSequenceClassification",
    "Wav2Vec2ForXVector",
    "Wav2Vec2Model",
    "WavLMConfig",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
