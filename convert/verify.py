"""Compares PyTorch on SOURCE with this library on OUT, part by part.

SOURCE is the PyTorch checkpoint; OUT is what `convert torch` made of it, or a SavedModel of that.
Prints a table, writes the certificate OUT/parity.json, and exits with 1 beyond the tolerance.
With --reference, PyTorch is not needed: its outputs are read from a file that --record wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.checkpoint.hub import HubOptions
from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.cli.shared import add_hub_flags, hub_options
from wav2vec2_tf.data.bundled import BUNDLED_MODEL, BUNDLED_REFERENCE
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import OptionError, check, option

from .certificate import Certificate, Comparison, Identity, table
from .options import HEADS, ConvertOptions, show_example

if TYPE_CHECKING:
    from wav2vec2_tf.checkpoint.readers import Checkpoint
    from wav2vec2_tf.models.config import Config

    from .parity_inputs import Utterance
    from .parity_models import KerasModel, Reference, SavedModel, TorchModel

TOLERANCE = 2e-4
"""Largest |Δ| of the last hidden state and the logits, in float32."""
PARITY_FILE = "parity.json"
PROVEN = (
    "The names of fairseq's tensors are proven on files that fairseq itself wrote, with what it "
    "computes from them (tests/checkpoint/test_fairseq.py)."
)
UNPROVEN = (
    "The names of fairseq's tensors are taken from transformers' conversion and unproven: no file "
    "that fairseq wrote of this family was at hand. Both sides have them from the same table."
)
EXAMPLE = f"""\
wav2vec2-tf convert torch {BUNDLED_MODEL} model
  wav2vec2-tf convert verify {BUNDLED_MODEL} model --reference {BUNDLED_REFERENCE}"""


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """How a model is compared with PyTorch."""

    record: Path | None = option(
        None, metavar="FILE", help="also write PyTorch's outputs, for --reference"
    )
    reference: Path | None = option(
        None,
        metavar="FILE",
        help="compare with the outputs in FILE, which --record wrote, without PyTorch",
    )
    tolerance: float = option(
        TOLERANCE, minimum=0, help="largest |Δ| of the last hidden state and the logits"
    )
    dtypes: tuple[str, ...] = option(
        (),
        choices=("bfloat16", "float16"),
        metavar="TYPE",
        help="also report how far inference in bfloat16 or float16 is from float32",
    )
    target_lang: str | None = option(
        None, metavar="LANG", help="the language of OUT, of MMS models"
    )
    hub: HubOptions = field(default_factory=HubOptions)
    """How SOURCE is fetched from the Hugging Face Hub."""

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed, or options that exclude others."""
        check(self)
        if self.record is not None and self.reference is not None:
            raise OptionError("{record} and {reference} exclude each other: leave one out")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `convert verify`."""
    show_example(parser, EXAMPLE)
    parser.add_argument(
        "source", help="the PyTorch checkpoint: folder, Hugging Face id, or fairseq's .pt file"
    )
    parser.add_argument("out", help="what `convert torch` made of it, or a SavedModel of that")
    exclusive = ("record", "reference")
    add_flags(parser.add_mutually_exclusive_group(), VerifyOptions, only=exclusive)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help=f"the certificate; by default OUT/{PARITY_FILE}"
    )
    add_flags(parser, VerifyOptions, without=exclusive)
    add_hub_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `convert verify`."""
    from wav2vec2_tf.utils.files import whole_file
    from wav2vec2_tf.utils.special_files import is_special

    options = options_from(VerifyOptions, args, hub=hub_options(args))
    path = args.json or Path(args.out) / PARITY_FILE
    for name, file in {"record": options.record, "reference": options.reference}.items():
        if file and file.resolve() == path.resolve():
            raise UserError(f"{path}: --json and --{name} name the same file: name another")
    if not is_special(path):  # an earlier certificate does not hold for what is in OUT now
        path.resolve().unlink(missing_ok=True)
    certificate = verify(args.source, args.out, options)
    print(table(certificate))
    # JSON has no NaN
    content = json.loads(json.dumps(asdict(certificate)), parse_constant=lambda _: None)
    with whole_file(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if not certificate.equal:
        print(f"error: {args.out} differs from {args.source}; see {path}", file=sys.stderr)
        return 1
    print(f"equal within {certificate.tolerance:g}; {path}")
    return 0


def verify(source: str, out: str, options: VerifyOptions | None = None) -> Certificate:
    """Compares the outputs of `out` with those of PyTorch on `source`, live or recorded.

        from wav2vec2_tf.convert.verify import VerifyOptions, verify

        certificate = verify("facebook/wav2vec2-base-960h", "build/base-960h")
        assert certificate.equal, certificate.max_difference

    Args:
        source: a folder, an id on the Hugging Face Hub or fairseq's `.pt` file.
        out: folder of a Keras model or a SavedModel.
        options: see `VerifyOptions`. PyTorch is not imported if they name a reference.

    Raises:
        UserError: one of them does not load, they are not of one family, or the reference was not
            recorded from `source` with the same head, language and inputs.
    """
    options = options or VerifyOptions()
    # before TensorFlow, and before work that would be lost
    versions = _pytorch_versions() if options.reference is None else {}
    from .recorded import FRAMES, Recorded, check_replaceable

    recorded = Recorded.load(options.reference) if options.reference else None
    if options.record is not None:
        check_replaceable(options.record)
    import numpy as np
    import tensorflow as tf

    import wav2vec2_tf
    from wav2vec2_tf.export.provenance import hashes

    from . import parity, parity_inputs

    made, config, head, checkpoint = _open_both(source, out, options)
    model = _open_out(made, head, options)
    inputs = parity_inputs.utterances(config, head, model.length)
    identity = Identity(
        family=config.model_type,
        head=head,
        target_lang=options.target_lang,
        inputs=tuple(utterance.description for utterance in inputs),
        sha256=hashes(checkpoint.files),
        versions=recorded.identity.versions if recorded else versions,
    )
    notes = _notes(checkpoint)
    reference: Reference
    if recorded is not None:
        _check_same(str(options.reference), recorded.identity, identity, source, out)
        reference = recorded
        notes.append(
            f"PyTorch's outputs were recorded before ({options.reference}): logits at every frame, "
            f"other parts at {FRAMES} frames at most."
        )
    else:
        reference = _pytorch_outputs(source, config, identity, inputs, options)
    compared = tuple(
        parity.compare_models(reference, model, config, head, inputs, options.tolerance)
    )
    here = {module.__name__: module.__version__ for module in (tf, np, wav2vec2_tf)}
    return Certificate(
        **{**vars(identity), "versions": identity.versions | here},
        source=str(source),
        kind=_kind(model),
        equal=all(c.passes for c in compared),
        tolerance=options.tolerance,
        max_difference=parity.largest(compared, head),
        comparisons=compared,
        half_precision={
            dtype: tuple(_compare_half(model, made, dtype, inputs[0])) for dtype in options.dtypes
        },
        notes=tuple(notes),
    )


def _open_both(
    source: str, out: str, options: VerifyOptions
) -> tuple[Path, Config, str, Checkpoint]:
    """Returns the folder of `out`, its config and head, and the checkpoint of `source`.

    Raises:
        UserError: they are of different families or languages, or one of them is not a model.
    """
    from wav2vec2_tf.checkpoint.hub import resolve
    from wav2vec2_tf.export.loading import head_of_export, saved_model_config
    from wav2vec2_tf.models.pretrained import open_model, read_config
    from wav2vec2_tf.models.saved_model_folder import SAVED_MODEL_FACTS, saved_model_folder

    from .source import head_of

    made = Path(out).expanduser()
    saved_model = saved_model_folder(made)
    if saved_model is None and not made.is_dir():
        raise UserError(f"{out}: no such folder; give what `convert torch` or `saved-model` made")
    description = made if saved_model is None else saved_model / SAVED_MODEL_FACTS
    config = read_config(made) if saved_model is None else saved_model_config(saved_model)
    language = _language(description)
    hub, target_lang = options.hub.keywords(), options.target_lang
    if language not in (None, target_lang or _language(resolve(source, **hub))):
        raise UserError(f"{out} is of the language {language!r}: pass --target-lang {language}")
    source_config, checkpoint = open_model(source, target_lang=target_lang, **hub)
    if source_config.model_type != config.model_type:
        raise UserError(
            f"{out} is of the family {config.model_type}, and {source} of "
            f"{source_config.model_type}: name the checkpoint that it was made of"
        )
    head = head_of(made) if saved_model is None else head_of_export(made, config)
    return made, config, head, checkpoint


def _open_out(made: Path, head: str, options: VerifyOptions) -> KerasModel | SavedModel:
    from wav2vec2_tf.export.loading import is_saved_model
    from wav2vec2_tf.models.auto import MODELS

    from .parity_models import KerasModel, SavedModel

    if not is_saved_model(made):
        return KerasModel(MODELS[head].from_pretrained(made))
    if options.dtypes:
        raise UserError(f"{made}: a SavedModel has one type; --dtypes is for Keras models")
    return SavedModel(made)


def _compare_half(
    model: KerasModel | SavedModel, made: Path, dtype: str, utterance: Utterance
) -> list[Comparison]:
    """Compares a model in float32 with itself in half precision."""
    from wav2vec2_tf.models.auto import MODELS

    from .parity import compare_half
    from .parity_models import KerasModel

    assert isinstance(model, KerasModel)  # `_open_out` refuses types for SavedModels
    half = KerasModel(MODELS[model.model.head].from_pretrained(made, dtype=dtype))
    return list(compare_half(model, half, utterance))


def _pytorch_versions() -> dict[str, str]:
    """Imports the reference's packages and returns their versions.

    The process crashes if TensorFlow is imported before Triton, which PyTorch's CUDA build has and
    transformers imports late: each has its own LLVM.

    Raises:
        UserError: they are not installed.
    """
    with suppress(ImportError):
        import triton  # noqa: F401
    try:
        import torch
        import transformers
    except ImportError:
        raise UserError(
            "PyTorch and transformers are the reference: pip install 'wav2vec2-tf[convert]', or "
            "compare with outputs that were recorded before: --reference FILE"
        ) from None
    return {module.__name__: module.__version__ for module in (torch, transformers)}


def _pytorch_outputs(
    source: str,
    config: Config,
    identity: Identity,
    inputs: list[Utterance],
    options: VerifyOptions,
) -> Reference:
    """Returns transformers' model of a checkpoint, or its outputs if they are to be recorded."""
    from .parity_models import inner_parts
    from .recorded import Recorded

    model = _torch_model(source, config, identity.head, options)
    if options.record is None:
        return model
    recorded = Recorded.of(model, identity, inputs, inner_parts(config, identity.head))
    recorded.save(options.record)
    return recorded


def _torch_model(source: str, config: Config, head: str, options: VerifyOptions) -> TorchModel:
    """Loads transformers' model of a checkpoint; one file is converted to a folder first."""
    from wav2vec2_tf.checkpoint.hub import resolve
    from wav2vec2_tf.models.families import family_of

    from .checkpoint import convert
    from .parity_models import TorchModel

    folder = resolve(source, **options.hub.keywords())
    with ExitStack() as stack:
        if not folder.is_dir():  # transformers does not read it
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "converted"
            names = {suffix: name for name, suffix in HEADS.items()}
            convert(source, folder, ConvertOptions(head=names[head]))
        return TorchModel.load(folder, family_of(config).architecture(head), options.target_lang)


def _check_same(file: str, found: Identity, wanted: Identity, source: str, out: str) -> None:
    """Raises `UserError` unless a file was recorded from `source` for what `out` is."""
    if (found.family, found.head) != (wanted.family, wanted.head):
        raise UserError(
            f"{file} was recorded from a {found.family} {found.head}, and {out} is a "
            f"{wanted.family} {wanted.head}: record a file for {out} with `convert verify --record`"
        )
    if found.target_lang != wanted.target_lang:
        raise UserError(
            f"{file} was recorded with the language {found.target_lang!r}, and --target-lang is "
            f"{wanted.target_lang!r}: name the file of this language"
        )
    if sorted(found.sha256.values()) != sorted(wanted.sha256.values()):
        raise UserError(
            f"{file} was recorded from other weights than those of {source} (by their SHA-256): "
            "name the checkpoint that it was recorded from"
        )
    if found.inputs != wanted.inputs:
        there, here = (
            ", ".join(f"{given['name']} ({str(given['sha256'])[:8]})" for given in identity.inputs)
            for identity in (found, wanted)
        )
        raise UserError(
            f"{file} was recorded with other inputs than {out} is compared on: {there}; here "
            f"{here}: record a file for {out} with `convert verify --record` on this machine"
        )


def _language(folder: Path) -> str | None:
    """Returns the language that a model's folder is set to, of MMS models."""
    from wav2vec2_tf.text.tokenizer_files import CONFIG_FILE
    from wav2vec2_tf.utils.files import read_json

    path = folder / CONFIG_FILE
    return read_json(path).get("target_lang") if path.is_file() else None


def _kind(model: KerasModel | SavedModel) -> str:
    from .parity_models import SavedModel

    if not isinstance(model, SavedModel):
        return "Keras model"
    return f"SavedModel, {f'{model.length} samples' if model.length else 'any length'}"


def _notes(checkpoint: Any) -> list[str]:
    notes = [
        "The reference is transformers' PyTorch model in float32, one utterance at a time.",
        "Inner states are held to the tolerance times their own magnitude, where that is over 1.",
    ]
    if checkpoint.settings is not None:
        notes.append(PROVEN if checkpoint.settings.proven else UNPROVEN)
    elif checkpoint.path.is_file():
        notes.append("SOURCE is one file: transformers was given a copy that this library wrote.")
    return notes
