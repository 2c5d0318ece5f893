"""wav2vec 2.0 for TensorFlow and Keras 3.

    from wav2vec2_tf import Transcriber

    print(Transcriber("facebook/wav2vec2-base-960h").transcribe("talk.mp3").text)

Names are imported when they are first used, so `import wav2vec2_tf` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.utils.version import __version__ as __version__

_EXPORTS = {
    "audio": ("load_audio",),
    "checkpoint.hub": ("HubOptions",),
    "export.keras_layer": ("SavedModelLayer",),
    "models.auto": (
        "AutoConfig",
        "AutoModel",
        "AutoModelForAudioClassification",
        "AutoModelForAudioFrameClassification",
        "AutoModelForAudioXVector",
        "AutoModelForCTC",
        "AutoModelForPreTraining",
        "AutoProcessor",
    ),
    "models.base": ("Wav2Vec2ForCTC", "Wav2Vec2Model"),
    "models.config": (
        "Data2VecAudioConfig",
        "HubertConfig",
        "UniSpeechConfig",
        "UniSpeechSatConfig",
        "Wav2Vec2BertConfig",
        "Wav2Vec2Config",
        "Wav2Vec2ConformerConfig",
        "WavLMConfig",
    ),
    "models.heads": (
        "Wav2Vec2ForAudioFrameClassification",
        "Wav2Vec2ForPreTraining",
        "Wav2Vec2ForSequenceClassification",
        "Wav2Vec2ForXVector",
    ),
    "models.processor": ("Processor",),
    "text.decoding": ("BeamSearchOptions",),
    "text.tokenizer": ("CTCTokenizer",),
    "text.transcript": ("Transcript",),
    "training.ctc_loss": ("CTCLoss",),
    "training.finetune": ("finetune",),
    "training.pretrain": ("pretrain",),
    "training.settings": ("FinetuneOptions", "PretrainOptions"),
    "transcription.align": ("align",),
    "transcription.options": ("TranscribeOptions",),
    "transcription.recognizer": ("Recognizer",),
    "transcription.result": ("Transcription",),
    "transcription.transcriber": ("Transcriber",),
    "utils.errors": ("UserError",),
}
"""Module → the names that it exports here. The imports below repeat them for type checkers."""

# isort: off
if TYPE_CHECKING:
    from wav2vec2_tf.audio import load_audio as load_audio
    from wav2vec2_tf.checkpoint.hub import HubOptions as HubOptions
    from wav2vec2_tf.export.keras_layer import SavedModelLayer as SavedModelLayer
    from wav2vec2_tf.models.auto import (
        AutoConfig as AutoConfig,
        AutoModel as AutoModel,
        AutoModelForAudioClassification as AutoModelForAudioClassification,
        AutoModelForAudioFrameClassification as AutoModelForAudioFrameClassification,
        AutoModelForAudioXVector as AutoModelForAudioXVector,
        AutoModelForCTC as AutoModelForCTC,
        AutoModelForPreTraining as AutoModelForPreTraining,
        AutoProcessor as AutoProcessor,
    )
    from wav2vec2_tf.models.base import (
        Wav2Vec2ForCTC as Wav2Vec2ForCTC,
        Wav2Vec2Model as Wav2Vec2Model,
    )
    from wav2vec2_tf.models.config import (
        Data2VecAudioConfig as Data2VecAudioConfig,
        HubertConfig as HubertConfig,
        UniSpeechConfig as UniSpeechConfig,
        UniSpeechSatConfig as UniSpeechSatConfig,
        Wav2Vec2BertConfig as Wav2Vec2BertConfig,
        Wav2Vec2Config as Wav2Vec2Config,
        Wav2Vec2ConformerConfig as Wav2Vec2ConformerConfig,
        WavLMConfig as WavLMConfig,
    )
    from wav2vec2_tf.models.heads import (
        Wav2Vec2ForAudioFrameClassification as Wav2Vec2ForAudioFrameClassification,
        Wav2Vec2ForPreTraining as Wav2Vec2ForPreTraining,
        Wav2Vec2ForSequenceClassification as Wav2Vec2ForSequenceClassification,
        Wav2Vec2ForXVector as Wav2Vec2ForXVector,
    )
    from wav2vec2_tf.models.processor import Processor as Processor
    from wav2vec2_tf.text.decoding import BeamSearchOptions as BeamSearchOptions
    from wav2vec2_tf.text.tokenizer import CTCTokenizer as CTCTokenizer
    from wav2vec2_tf.text.transcript import Transcript as Transcript
    from wav2vec2_tf.training.ctc_loss import CTCLoss as CTCLoss
    from wav2vec2_tf.training.finetune import finetune as finetune
    from wav2vec2_tf.training.pretrain import pretrain as pretrain
    from wav2vec2_tf.training.settings import (
        FinetuneOptions as FinetuneOptions,
        PretrainOptions as PretrainOptions,
    )
    from wav2vec2_tf.transcription.align import align as align
    from wav2vec2_tf.transcription.options import TranscribeOptions as TranscribeOptions
    from wav2vec2_tf.transcription.recognizer import Recognizer as Recognizer
    from wav2vec2_tf.transcription.result import Transcription as Transcription
    from wav2vec2_tf.transcription.transcriber import Transcriber as Transcriber
    from wav2vec2_tf.utils.errors import UserError as UserError
# isort: on

_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
