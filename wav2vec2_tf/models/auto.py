"""Models by task, for any family: `AutoModelForCTC.from_pretrained(source)`."""

from __future__ import annotations

from wav2vec2_tf.models.base import Wav2Vec2ForCTC, Wav2Vec2Model
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.heads import (
    Wav2Vec2ForAudioFrameClassification,
    Wav2Vec2ForPreTraining,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2ForXVector,
)
from wav2vec2_tf.models.processor import Processor

AutoConfig = Config
AutoModel = Wav2Vec2Model
AutoModelForCTC = Wav2Vec2ForCTC
AutoModelForPreTraining = Wav2Vec2ForPreTraining
AutoModelForAudioClassification = Wav2Vec2ForSequenceClassification
AutoModelForAudioFrameClassification = Wav2Vec2ForAudioFrameClassification
AutoModelForAudioXVector = Wav2Vec2ForXVector
AutoProcessor = Processor

MODELS = {
    model.head: model
    for model in (
        *(Wav2Vec2Model, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining),
        *(Wav2Vec2ForSequenceClassification, Wav2Vec2ForAudioFrameClassification),
        Wav2Vec2ForXVector,
    )
}
"""Head → class; heads are the ends of transformers' class names."""
