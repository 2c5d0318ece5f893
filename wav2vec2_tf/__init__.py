"""wav2vec 2.0 for TensorFlow and Keras 3.

    from wav2vec2_tf import AutoModelForCTC, AutoProcessor

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2vec2_tf.export.keras_layer import SavedModelLayer
    from wav2vec2_tf.models.auto import (
        AutoModel,
        AutoModelForAudioClassification,
        AutoModelForAudioFrameClassification,
        AutoModelForAudioXVector,
        AutoModelForCTC,
        AutoModelForPreTraining,
        AutoProcessor,
    )
    from wav2vec2_tf.models.base import Wav2Vec2ForCTC, Wav2Vec2Model
    from wav2vec2_tf.models.config import (
        Data2VecAudioConfig,
        HubertConfig,
        UniSpeechConfig,
        UniSpeechSatConfig,
        Wav2Vec2BertConfig,
        Wav2Vec2Config,
        Wav2Vec2ConformerConfig,
        WavLMConfig,
    )
    from wav2vec2_tf.models.heads import (
        Wav2Vec2ForAudioFrameClassification,
        Wav2Vec2ForPreTraining,
        Wav2Vec2ForSequenceClassification,
        Wav2Vec2ForXVector,
    )
    from wav2vec2_tf.models.processor import Processor
    from wav2vec2_tf.text.tokenizer import CTCTokenizer
    from wav2vec2_tf.training.ctc_loss import CTCLoss
    from wav2vec2_tf.transcription.recognizer import Recognizer
    from wav2vec2_tf.utils.errors import UserError

__version__ = "0.1.0"
_MODULES = {
    "AutoModel": "models.auto",
    "AutoModelForAudioClassification": "models.auto",
    "AutoModelForAudioFrameClassification": "models.auto",
    "AutoModelForAudioXVector": "models.auto",
    "AutoModelForCTC": "models.auto",
    "AutoModelForPreTraining": "models.auto",
    "AutoProcessor": "models.auto",
    "CTCLoss": "training.ctc_loss",
    "CTCTokenizer": "text.tokenizer",
    "Data2VecAudioConfig": "models.config",
    "HubertConfig": "models.config",
    "Processor": "models.processor",
    "Recognizer": "transcription.recognizer",
    "SavedModelLayer": "export.keras_layer",
    "UniSpeechConfig": "models.config",
    "UniSpeechSatConfig": "models.config",
    "UserError": "utils.errors",
    "WavLMConfig": "models.config",
    "Wav2Vec2BertConfig": "models.config",
    "Wav2Vec2Config": "models.config",
    "Wav2Vec2ConformerConfig": "models.config",
    "Wav2Vec2ForAudioFrameClassification": "models.heads",
    "Wav2Vec2ForCTC": "models.base",
    "Wav2Vec2ForPreTraining": "models.heads",
    "Wav2Vec2ForSequenceClassification": "models.heads",
    "Wav2Vec2ForXVector": "models.heads",
    "Wav2Vec2Model": "models.base",
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
