"""Settings of a training run: a YAML file, of which every field is also a flag.

A program's settings are a frozen dataclass: a field's type says what it takes, its default what it
is when left out, the string below it what it means, here and in `--help`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from wav2vec2_tf.cli.hub_options import add_hub_options, hub_options
from wav2vec2_tf.utils.errors import UserError, did_you_mean

SCHEDULES = ("tri-stage", "linear", "cosine")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
STRATEGIES = ("one", "mirrored", "multi-worker", "tpu")
FIRST_RATE, LAST_RATE = 0.01, 0.05  # of the peak, in a tri-stage schedule: fairseq's


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What fine-tuning and pre-training share."""

    model: str
    """folder, Hugging Face id or fairseq checkpoint to start from"""
    output: str
    """folder for all that the run writes; started again, the run goes on where it stopped"""
    train: tuple[str, ...]
    """corpora to learn from: folders in LibriSpeech's or OpenSLR's layout, manifests (.tsv, .csv,
    .jsonl), shards, parquet files, ids of data sets"""
    dev: tuple[str, ...] = ()
    """corpora to measure on after each epoch"""
    train_split: str | None = None
    """part of a data set, such as train.100"""
    dev_split: str | None = None
    """part of a data set, such as validation"""

    longest_seconds: float = 20.0
    """leave out longer utterances"""
    shortest_seconds: float = 0.0
    """leave out shorter utterances"""
    batch_seconds: float = 160.0
    """audio in a batch, with its padding"""
    most_rows: int | None = None
    """utterances in a batch at most"""
    accumulate: int = 1
    """batches whose gradients are added up for a step"""

    epochs: float = 30.0
    """how often to go through the corpora"""
    steps: int | None = None
    """steps to train for, instead of epochs"""
    rate: float = 1e-4
    """learning rate at its peak"""
    schedule: str = "tri-stage"
    """of the learning rate: tri-stage, linear or cosine"""
    warm_up: float = 0.1
    """part of the steps in which the rate rises"""
    hold: float = 0.4
    """part of the steps after that in which it stays at its peak (tri-stage)"""
    betas: tuple[float, ...] = (0.9, 0.98)
    """of AdamW: decay of the first and of the second moment"""
    epsilon: float = 1e-8
    """of AdamW"""
    weight_decay: float = 0.01
    """of AdamW; biases, norms and embeddings are left out"""
    clip_norm: float = 1.0
    """largest norm of all gradients together; 0 for any"""

    freeze: tuple[str, ...] = ("feature_encoder",)
    """parts not to train, by their names in variables' paths: feature_encoder, encoder/layers_0"""
    train_only: tuple[str, ...] = ()
    """the only parts to train, such as adapter_layer and lm_head (MMS)"""
    model_config: Mapping[str, Any] = field(default_factory=dict)
    """fields of the model's config to change, such as mask_time_prob or layerdrop"""

    precision: str = "float32"
    """float32, mixed_bfloat16 or mixed_float16"""
    jit_compile: bool = False
    """compile with XLA, anew for each shape of batch"""
    gradient_checkpointing: bool = False
    """compute layers again for their gradients: less memory, a third more work"""
    strategy: str = "one"
    """devices: one, mirrored (all of this machine), multi-worker (TF_CONFIG says which) or tpu"""
    seed: int = 0
    """of the order of utterances and all that is drawn"""
    save_every: int = 500
    """steps between checkpoints; there is one after each epoch too"""
    patience: int | None = None
    """stop after so many epochs without a better result on dev"""

    def __post_init__(self) -> None:
        for name in ("train", "dev", "freeze", "train_only"):
            if not all(isinstance(value, str) for value in getattr(self, name)):
                raise UserError(f"{name} must be a list of names")
        for name, choices in self.choices().items():
            if getattr(self, name) not in choices:
                known = ", ".join(map(str, choices))
                raise UserError(f"{name} {getattr(self, name)!r} is unknown; known: {known}")
        for name in self.positive():
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"{name} must be above 0, got {value}")
        for name in ("weight_decay", "clip_norm", "shortest_seconds", "seed"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.warm_up + self.hold <= 1 or min(self.warm_up, self.hold) < 0:
            raise UserError("warm_up and hold are parts of the steps: from 0 to 1 together")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise UserError(f"betas must be two numbers from 0 to below 1, got {self.betas}")
        if self.train_only and self.freeze != type(self).default("freeze"):
            raise UserError("train_only says all: leave freeze out")
        if not self.train:
            raise UserError("train names no corpus")

    def choices(self) -> dict[str, tuple[str, ...]]:
        return {"schedule": SCHEDULES, "precision": PRECISIONS, "strategy": STRATEGIES}

    def positive(self) -> tuple[str, ...]:
        return (
            *("longest_seconds", "batch_seconds", "most_rows", "accumulate", "epochs", "steps"),
            *("rate", "epsilon", "save_every", "patience"),
        )

    @classmethod
    def default(cls, name: str) -> Any:
        """The value of a field that is left out; None where it may not be."""
        (found,) = (field for field in fields(cls) if field.name == name)
        if found.default_factory is not MISSING:
            return found.default_factory()
        return None if found.default is MISSING else found.default

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Of plain values, as YAML has them.

        Raises `UserError` for a field that is unknown (the nearest is named), missing or of
        another kind.
        """
        kinds = typing.get_type_hints(cls)
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise UserError(f"{name} is no setting" + did_you_mean(str(name), names))
        missing = [
            field.name
            for field in fields(cls)
            if field.name not in values
            and field.default is MISSING
            and field.default_factory is MISSING
        ]
        if missing:
            raise UserError(f"{' and '.join(missing)} must be given")
        return cls(**{name: _checked(name, value, kinds[name]) for name, value in values.items()})

    @classmethod
    def read(cls, path: Path | None, flags: Mapping[str, Any]) -> Self:
        """Of a YAML file, and of flags, which count more. Paths are relative to where one is."""
        import yaml

        values: Any = {}
        try:
            if path is not None:
                values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(f"{path}: not YAML ({error})") from None
        if not isinstance(values, dict):
            raise UserError(f"{path}: settings are wanted, a line each, as in `rate: 1e-4`")
        try:
            return cls.of({**values, **flags})
        except UserError as error:
            raise UserError(f"{path}: {error}" if path else str(error)) from None

    def to_yaml(self) -> str:
        import yaml

        values = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
        text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        return text

    def learning_rate(self, step: int, steps: int) -> float:
        """Of the step with this number, from 0, of so many.

        Tri-stage is fairseq's: a straight rise from a hundredth of the peak, the peak held, an
        exponential fall to a twentieth. The others rise from 0 and fall towards 0.
        """
        rise = max(1.0, self.warm_up * steps)
        if step < rise:
            first = FIRST_RATE if self.schedule == "tri-stage" else 0.0
            return self.rate * (first + (1 - first) * (step + 1) / math.ceil(rise))
        held = self.hold * steps if self.schedule == "tri-stage" else 0.0
        left = min(1.0, max(0.0, (step - rise - held) / max(1.0, steps - rise - held)))
        if self.schedule == "tri-stage":
            return self.rate * LAST_RATE**left
        if self.schedule == "linear":
            return self.rate * (1 - left)
        return self.rate * 0.5 * (1 + math.cos(math.pi * left))


def add_flags(parser: argparse.ArgumentParser, settings: type[Settings]) -> None:
    """The file, and a flag for each field; those not given are not in the namespace."""
    parser.add_argument(
        "config", type=Path, nargs="?", help="YAML file of settings; flags count more"
    )
    kinds, help_of = typing.get_type_hints(settings), _descriptions(settings)
    for entry in fields(settings):
        name, kind = entry.name, kinds[entry.name]
        default = settings.default(name)
        shown = "" if default in (None, (), {}) else f" [{_shown(default)}]"
        options: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS}
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(kind) is tuple:
            options |= {"nargs": "*", "type": _scalar(typing.get_args(kind)[0])}
            options["metavar"] = name.upper()
        elif typing.get_origin(kind) is Mapping:
            options |= {"nargs": "*", "action": _Pairs, "metavar": "NAME=VALUE"}
        else:
            options |= {"type": _scalar(kind), "metavar": name.upper()}
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, help=(help_of[name] + shown).replace("%", "%%"), **options)


def add_training_flags(parser: argparse.ArgumentParser, settings: type[Settings]) -> None:
    """Of a program that trains: its settings, and how to get at what is there."""
    add_flags(parser, settings)
    parser.add_argument("--restart", action="store_true", help="drop what the output holds")
    add_hub_options(parser)


def run_training(
    args: argparse.Namespace, settings: type[Settings], train: Callable[..., object]
) -> int:
    """Read the settings and train, by computations that come out the same each time."""
    import tensorflow as tf

    read = settings.read(args.config, given_flags(args, settings))
    tf.config.experimental.enable_op_determinism()
    train(read, restart=args.restart, **hub_options(args))
    return 0


def given_flags(args: argparse.Namespace, settings: type[Settings]) -> dict[str, Any]:
    names = [entry.name for entry in fields(settings)]
    return {name: getattr(args, name) for name in names if name in args}


class _Pairs(argparse.Action):
    """`NAME=VALUE …` as a dict; values are numbers, true, false and null where they look so."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        import yaml

        pairs = {}
        for pair in values:
            name, separator, value = pair.partition("=")
            if not separator:
                parser.error(f"{option}: NAME=VALUE is wanted, not {pair!r}")
            parsed = yaml.safe_load(value)
            pairs[name] = value if parsed is None and value != "null" else parsed
        setattr(namespace, self.dest, pairs)


def _scalar(kind: Any) -> Callable[[str], Any]:
    inner = [one for one in typing.get_args(kind) if one is not type(None)] or [kind]
    kind_of: Callable[[str], Any] = inner[0]
    return kind_of


def _shown(default: Any) -> str:
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _checked(name: str, value: Any, kind: Any) -> Any:
    """A value that is of the kind, where need be made so: `1` is a float, a word a list of one."""
    if typing.get_origin(kind) is types.UnionType:
        if value is None:
            return None
        kind = _scalar(kind)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_checked(name, one, inner) for one in values)
    if typing.get_origin(kind) is Mapping:
        if not isinstance(value, dict):
            raise UserError(f"{name} must be names with values, got {value!r}")
        return value
    if kind is float and type(value) in (int, str):
        try:
            value = float(value)  # YAML takes 1e-4, which has no point, for text
        except (ValueError, OverflowError):
            raise UserError(f"{name} must be a number, got {value!r}") from None
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        wanted = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
        raise UserError(f"{name} must be {wanted[kind]}, got {value!r}")
    return value


def _descriptions(settings: type) -> dict[str, str]:
    """Field → the string below it, of the class and those it comes from."""
    found: dict[str, str] = {}
    for owner in reversed(settings.__mro__[:-1]):
        (tree,) = ast.parse(inspect.cleandoc(inspect.getsource(owner))).body
        assert isinstance(tree, ast.ClassDef)
        for entry, after in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(entry, ast.AnnAssign) and isinstance(after, ast.Expr):
                assert isinstance(entry.target, ast.Name)
                found[entry.target.id] = " ".join(ast.literal_eval(after.value).split())
    return found
