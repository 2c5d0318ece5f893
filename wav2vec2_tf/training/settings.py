"""Options of a training run, read from a YAML file and from command-line flags.

A run writes its options to `settings.yaml`, one line for each field; the same file starts the run
again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from wav2vec2_tf.checkpoint.hub import ProcessorOption
from wav2vec2_tf.data.bad_recordings import SKIP_BAD_HELP
from wav2vec2_tf.data.columns import SPLIT_HELP, Columns
from wav2vec2_tf.text.normalize import LETTER_CASES, UNICODE_FORMS, TextRules
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import parse_yaml
from wav2vec2_tf.utils.options import OptionError, check, default_of, from_values, option

SCHEDULES = ("tri-stage", "linear", "cosine")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
STRATEGIES = ("one", "mirrored", "multi-worker", "tpu")
UNKNOWN_CHARACTERS = ("refuse", "map", "drop")
FIRST_RATE, LAST_RATE = 0.01, 0.05
"""Parts of the peak rate at which a tri-stage schedule starts and ends, as in fairseq."""
FREEZE_HELP = (
    "parts of the model not to train, by the names in their variables' paths, such as "
    "feature_encoder or encoder/layers_0"
)
SCHEDULE_HELP = "schedule of the learning rate"


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(Columns, ProcessorOption):
    """Options that fine-tuning and pre-training share.

    Raises:
        UserError: if a value is out of range, or if options contradict each other.
    """

    model: str = option(help="folder, Hugging Face id or fairseq checkpoint to start from")
    output: str = option(
        help="folder for everything that the run writes; with the same folder, an interrupted run "
        "resumes from its last checkpoint"
    )
    train: tuple[str, ...] = option(
        help="corpora to train on: folders of LibriSpeech, OpenSLR, Common Voice, Kaldi, "
        "AudioFolder or shards, manifests (.tsv, .csv, .jsonl, NeMo's .json, fairseq's .tsv), "
        "parquet files, ids of Hugging Face datasets"
    )
    dev: tuple[str, ...] = option((), help="corpora to evaluate on after each epoch")
    train_split: str | None = option(None, help=SPLIT_HELP)
    dev_split: str | None = option(None, help=SPLIT_HELP)

    skip_bad: bool = option(False, help=SKIP_BAD_HELP)
    longest_seconds: float = option(20.0, above=0, help="drop longer utterances")
    shortest_seconds: float = option(0.0, minimum=0, help="drop shorter utterances")
    batch_seconds: float = option(
        160.0, above=0, help="seconds of audio in a batch, padding included"
    )
    most_rows: int | None = option(None, minimum=1, help="largest number of utterances in a batch")
    accumulate: int = option(
        1, minimum=1, help="batches whose gradients are added up for one optimizer step"
    )

    epochs: float = option(30.0, above=0, help="number of passes over the corpora")
    steps: int | None = option(None, minimum=1, help="number of optimizer steps, overrides epochs")
    rate: float = option(1e-4, above=0, help="peak learning rate")
    schedule: str = option("tri-stage", choices=SCHEDULES, help=SCHEDULE_HELP)
    warm_up: float = option(
        0.1, minimum=0, maximum=1, help="part of the steps in which the learning rate rises"
    )
    hold: float = option(
        0.4,
        minimum=0,
        maximum=1,
        help="part of the steps after warm_up in which the rate stays at its peak (tri-stage)",
    )
    betas: tuple[float, ...] = option(
        (0.9, 0.98), minimum=0, help="AdamW's decay rates of the first and second moment"
    )
    epsilon: float = option(1e-8, above=0, help="AdamW's epsilon")
    weight_decay: float = option(
        0.01, minimum=0, help="AdamW's weight decay; biases, norms and embeddings do not decay"
    )
    clip_norm: float = option(
        1.0, minimum=0, help="largest global norm of the gradients; 0 for no clipping"
    )

    freeze: tuple[str, ...] = option(("feature_encoder",), help=FREEZE_HELP)
    train_only: tuple[str, ...] = option(
        (), help="the only parts to train, such as adapter_layer and lm_head (MMS)"
    )
    model_config: Mapping[str, Any] = option(
        default_factory=dict,
        help="fields of the model's config to change, such as mask_time_prob or layerdrop",
    )

    precision: str = option("float32", choices=PRECISIONS, help="Keras dtype policy of the model")
    jit_compile: bool = option(
        False, help="compile steps with XLA; each new shape of a batch is compiled once"
    )
    gradient_checkpointing: bool = option(
        False,
        help="compute the layers' activations again in the backward pass: less memory, a third "
        "more work",
    )
    strategy: str = option(
        "one",
        choices=STRATEGIES,
        help="devices: one, mirrored (all of this machine), multi-worker (the cluster in "
        "TF_CONFIG) or tpu",
    )
    seed: int = option(0, minimum=0, help="seed of the order of utterances and all random draws")
    save_every: int = option(
        500, minimum=1, help="steps between checkpoints; every epoch ends with one as well"
    )
    patience: int | None = option(
        None, minimum=1, help="stop after this many epochs without a better result on dev"
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.train:
            raise OptionError("{train} must name at least one corpus")
        if self.warm_up + self.hold > 1:
            raise OptionError(
                "{warm_up} and {hold} must add up to at most 1, got {total:g}",
                total=self.warm_up + self.hold,
            )
        if len(self.betas) != 2 or not all(beta < 1 for beta in self.betas):
            raise OptionError(
                "{betas} must be two numbers from 0 to below 1, got {value}", value=self.betas
            )
        if self.train_only and self.freeze != _default(type(self), "freeze"):
            raise OptionError("{freeze} and {train_only} exclude each other: give one of them")

    @classmethod
    def read(cls, path: Path | None, overrides: Mapping[str, Any]) -> Self:
        """Returns the options in a YAML file.

        Args:
            path: the file; None for the overrides alone. Paths in it are relative to the current
                directory.
            overrides: fields that replace those of the file, such as flags.

        Raises:
            UserError: if the file cannot be read, or if a field is unknown (the message names the
                nearest), missing, of another type or out of range.
        """
        values = _read_yaml(path) if path is not None else {}
        try:
            return from_values(cls, {**values, **overrides})
        except UserError as error:
            raise UserError(f"{path}: {error}" if path else str(error)) from None

    def to_yaml(self) -> str:
        """Returns the options as YAML, one line or block for each field."""
        import yaml

        values = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
        text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        return text

    def learning_rate(self, step: int, steps: int) -> float:
        """Returns the learning rate of step `step` (0-based) out of `steps`.

        The tri-stage schedule is fairseq's: a linear rise from a hundredth of the peak, the peak
        held, and an exponential decay to a twentieth. The other schedules rise from 0 and decay
        towards 0.
        """
        rise = max(1.0, self.warm_up * steps)
        if step < rise:
            first = FIRST_RATE if self.schedule == "tri-stage" else 0.0
            return self.rate * (first + (1 - first) * (step + 1) / math.ceil(rise))
        held = self.hold * steps if self.schedule == "tri-stage" else 0.0
        decayed = min(1.0, max(0.0, (step - rise - held) / max(1.0, steps - rise - held)))
        if self.schedule == "tri-stage":
            return self.rate * LAST_RATE**decayed
        if self.schedule == "linear":
            return self.rate * (1 - decayed)
        return self.rate * 0.5 * (1 + math.cos(math.pi * decayed))


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions(TrainingOptions):
    """Options of fine-tuning with CTC."""

    vocabulary: str = option(
        "keep",
        help="keep (the model's own), transcripts (every character in them), or a folder with a "
        "vocab.json",
    )
    target_lang: str | None = option(
        None, help="language whose adapters and head to start from (MMS)"
    )
    unknown: str = option(
        "refuse",
        choices=UNKNOWN_CHARACTERS,
        help="characters outside the vocabulary: refuse them, map them to the unknown token, or "
        "drop their utterances",
    )
    unicode_form: str | None = option(
        "NFC", choices=UNICODE_FORMS, help="Unicode normalization form of transcripts"
    )
    letter_case: str = option("keep", choices=LETTER_CASES, help="letter case of transcripts")
    replace: Mapping[str, Any] = option(
        default_factory=dict, help="replacements in transcripts: text to its replacement"
    )
    remove: str = option("", help="characters to remove from transcripts")
    head_only_steps: int = option(
        0, minimum=0, help="steps at the start in which only the head is trained"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.text_rules  # raises an error for invalid rules before any data is read

    @property
    def text_rules(self) -> TextRules:
        """The rules that normalize transcripts."""
        return TextRules(self.unicode_form, self.letter_case, dict(self.replace), self.remove)


@dataclass(frozen=True, kw_only=True)
class PretrainOptions(TrainingOptions):
    """Options of pre-training; defaults of base models (arXiv:2006.11477, section 4.2)."""

    from_scratch: bool = option(
        False, help="start from random weights; only the config of the model is used"
    )
    longest_seconds: float = option(15.6, above=0, help="drop longer utterances")
    shortest_seconds: float = option(2.0, minimum=0, help="drop shorter utterances")
    rate: float = option(5e-4, above=0, help="peak learning rate")
    schedule: str = option("linear", choices=SCHEDULES, help=SCHEDULE_HELP)
    warm_up: float = option(
        0.08, minimum=0, maximum=1, help="part of the steps in which the learning rate rises"
    )
    epsilon: float = option(1e-6, above=0, help="AdamW's epsilon")
    freeze: tuple[str, ...] = option((), help=FREEZE_HELP)

    mask_time_prob: float = option(
        0.65,
        above=0,
        maximum=1,
        help="part of the frames in masked spans if no spans overlapped; the field of the model's "
        "config is for fine-tuning",
    )
    mask_time_length: int = option(10, minimum=1, help="frames in a masked span")
    mask_time_min_masks: int = option(
        2, minimum=0, help="smallest number of masked spans in an utterance"
    )
    start_temperature: float = option(
        2.0, above=0, help="temperature of the Gumbel softmax over codebook entries at the start"
    )
    end_temperature: float = option(
        0.5, above=0, help="lowest Gumbel temperature; 0.1 for large models"
    )
    temperature_decay: float = option(
        0.999995, above=0, maximum=1, help="factor of the Gumbel temperature at each step"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.end_temperature > self.start_temperature:
            raise OptionError(
                "{end_temperature} must be at most {start_temperature}, got {end} and {start}",
                end=self.end_temperature,
                start=self.start_temperature,
            )


def _default(options: type[TrainingOptions], name: str) -> Any:
    (entry,) = (entry for entry in fields(options) if entry.name == name)
    return default_of(entry)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{path}: not YAML ({error})") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: must be a YAML mapping of settings, such as `rate: 1e-4`")
    return values
