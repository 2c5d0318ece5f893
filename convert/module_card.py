"""The module card of a packaged SavedModel, Markdown in the form of those on TensorFlow Hub."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.export.loading import (
    head_of_export,
    load_saved_model,
    saved_model_config,
    speech_spec_of,
)
from wav2vec2_tf.export.provenance import UNKNOWN, Provenance
from wav2vec2_tf.export.saved_model import OF_UTTERANCES
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.families import family_of
from wav2vec2_tf.models.preprocessor_files import PREPROCESSOR_FILE
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.models.saved_model_folder import SAVED_MODEL_FACTS
from wav2vec2_tf.utils.errors import UserError

SIGNATURES = {
    "serving_default": "speech → outputs; all of it counts",
    "with_lengths": "the same; beyond its length (in samples) a row has no influence",
    "from_features": "the same of log-mel features; lengths are in frames",
    "transcribe": "raw 16 kHz waveforms → text, and words with start and end in seconds and "
    "confidence, of which each row's first `count` are valid",
}
URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"
"""What an address may have beside letters and digits of ASCII; the rest is escaped."""
LOAD_ARCHIVE = """\
```python
import tarfile

import tensorflow as tf
import tensorflow_hub as hub

with tarfile.open({archive}) as archive:
    archive.extractall({folder}, filter="data")

model = hub.KerasLayer({folder})
model = tf.function(model, jit_compile=True)
```"""
LOAD_ADDRESS = """\
```python
import tensorflow as tf
import tensorflow_hub as hub

model = hub.KerasLayer({url})
model = tf.function(model, jit_compile=True)
```"""


class Head(NamedTuple):
    """How a module card describes a head."""

    title: str
    """Title; the name of the family replaces `{}`."""
    task: str
    """One of the tasks in TensorFlow Hub's `tags/task.yaml`."""


CARDS = {
    "Model": Head("Speech representations: {} without a head, to fine-tune", "audio-embedding"),
    "ForCTC": Head("Speech recognition: {} with a CTC head over characters", "audio-stt"),
    "ForPreTraining": Head(
        "Speech representations: {} with the head it is pre-trained with", "audio-embedding"
    ),
    "ForSequenceClassification": Head(
        "Classification of utterances: {} and the mean of its frames", "audio-event-classification"
    ),
    "ForAudioFrameClassification": Head(
        "Classification of frames: {} with a linear head", "audio-event-classification"
    ),
    "ForXVector": Head("Speaker embeddings: {} with an x-vector head", "audio-embedding"),
}


def module_card(
    model: Path,
    name: str,
    language: str | None,
    parity: dict[str, Any] | None,
    wer: dict[str, Any] | None,
    archive: str,
    url: str | None = None,
) -> str:
    """Returns a module card, Markdown in the form of those on TensorFlow Hub.

    Args:
        model: the SavedModel's folder.
        name: publisher/model/version.
        language: of the speech; None for the one that the model was converted for, or "en".
        parity: the report of `convert verify`.
        wer: the report of `eval wer`.
        archive: name of the archive, NAME.tar.gz.
        url: the address that the archive will be published at, if it is known.

    Raises:
        UserError: the certificate is of another model, or found a difference.
    """
    url = url and quote(url, safe=URL_CHARACTERS)
    facts = model / SAVED_MODEL_FACTS
    config, origin = saved_model_config(model), Provenance.load(facts)
    head_name = head_of_export(model, config)
    if parity is not None:
        _check_certificate(parity, config.model_type, head_name, origin.sha256)
    head, paper = CARDS[head_name], family_of(config).paper
    with_files = (facts / PREPROCESSOR_FILE).exists()
    processor = Processor.from_pretrained(facts) if with_files else None
    loaded = load_saved_model(model)
    signatures, fixed = loaded.signatures, speech_spec_of(loaded).shape[1]
    length = f"{fixed} samples ({fixed / SAMPLE_RATE:.3g} s)" if fixed else "any length"
    frame = 1000 * config.stride / SAMPLE_RATE
    lang = processor.tokenizer.target_lang if processor and processor.tokenizer else None
    licence = origin.licence
    terms = _code(licence) if licence != UNKNOWN else "unknown: ask whoever trained the checkpoint"
    lines = [
        f"# Module {' '.join(name.split())}",
        "",
        head.title.format(paper.name),
        "",
        f"<!-- asset-path: {url or archive} -->",
        f"<!-- task: {head.task} -->",
        f"<!-- network-architecture: {config.model_type} -->",
        "<!-- format: saved_model_2 -->",
        "<!-- fine-tunable: true -->",
        f"<!-- license: {licence} -->",
        f"<!-- language: {language or lang or 'en'} -->",
        "",
        "## Overview",
        "",
        f"The weights are those of the PyTorch checkpoint {_code(origin.source)}"
        + (f" at revision {_code(origin.revision)}" if origin.revision not in ("", UNKNOWN) else "")
        + f", converted by wav2vec2-tf. The checkpoint's licence: {terms}.",
        "",
        *([f"Its own card says: {origin.description}", ""] if origin.description else []),
        *(f"- {_code(file)}: SHA-256 `{digest}`" for file, digest in origin.sha256.items()),
        *(f"- {_code(key)} is not in the checkpoint: newly initialized" for key in origin.seeded),
        f"- {_layers(config)}",
        f"- input: 16 kHz mono speech of {length}, {_scale(config, processor)}"
        + (f"; one frame of output in {frame:g} ms" if head_name not in OF_UTTERANCES else ""),
        *([f"- the adapter and the tokens are those of {_code(lang)}"] if lang else []),
        "",
        "## Signatures",
        "",
        "| signature | what it does | inputs | outputs |",
        "|---|---|---|---|",
        *(_signature_row(key, signatures[key]) for key in sorted(signatures)),
        "",
        "`__call__(inputs, training=False)` takes `speech`, `(speech, attention_mask)`, "
        "`(speech, lengths)` and dicts of these names"
        + (
            "; and `input_features` in place of speech, with a mask or lengths of frames"
            if "from_features" in signatures
            else ""
        )
        + ". A mask is 1 for speech and then 0 for padding, in any type of numbers. Given lengths "
        "or a mask, padding has no influence on the result. The weights are trainable variables.",
        "",
        *_use_lines(archive, url),
        *_parity_lines(parity),
        *_wer_lines(wer),
        "## References",
        "",
        f"[1] [{paper.title}](https://arxiv.org/abs/{paper.number}).",
    ]
    return "\n".join(lines) + "\n"


def _use_lines(archive: str, url: str | None) -> list[str]:
    """Returns the code that loads the archive, and that for its address if it is known."""
    folder = _quoted(archive.removesuffix(".tar.gz"))
    lines = ["## Use", "", "A SavedModel is a program: load it if you trust who published it.", ""]
    lines += [LOAD_ARCHIVE.format(archive=_quoted(archive), folder=folder), ""]
    address = "`hub.KerasLayer` also takes the address at which the archive is published"
    if url is None:
        return [*lines, f"{address}.", ""]
    return [*lines, f"{address}:", "", LOAD_ADDRESS.format(url=_quoted(url)), ""]


def _quoted(text: str) -> str:
    """Returns text as a literal of Python, in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def _code(text: str) -> str:
    """Returns text as code in Markdown, on one line, whatever characters it has."""
    text = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def _layers(config: Config) -> str:
    """Returns the sizes of the model, in words."""
    block = family_of(config).block
    words = f"{config.num_hidden_layers} {block} layers of {config.hidden_size}"
    if config.feat_extract_norm is not None:
        words += f", {config.feat_extract_norm} norm in the feature encoder"
    if config.add_adapter:
        words += f", and an adapter that strides {config.adapter_stride**config.num_adapter_layers}"
    return words


def _scale(config: Config, processor: Processor | None) -> str:
    """Returns how the waveform is to be scaled, in words."""
    if config.log_mel_input:
        return "full scale ±1 (its log-mel features are made inside)"
    if processor is None:
        return "scaled as the checkpoint asks for"
    return "zero mean and unit variance" if processor.normalizes else "full scale ±1"


def _signature_row(name: str, function: Any) -> str:
    def described(specs: dict[str, Any]) -> str:
        return ", ".join(
            f"`{key}` {spec.dtype.name} {_shape(spec.shape)}" for key, spec in sorted(specs.items())
        )

    inputs = described(function.structured_input_signature[1])
    outputs = described(function.structured_outputs)
    return f"| `{name}` | {SIGNATURES[name]} | {inputs} | {outputs} |"


def _shape(shape: Any) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"


def _parity_lines(parity: dict[str, Any] | None) -> list[str]:
    if parity is None:
        return ["## Parity", "", "Not compared with PyTorch.", ""]
    versions = ", ".join(f"{name} {version}" for name, version in parity["versions"].items())
    lines = [
        *("## Parity", ""),
        f"Against PyTorch in float32, largest and mean difference; at most {parity['tolerance']:g} "
        f"passes. Compared: {parity['kind']}, with {versions}.",
        "",
        *(
            f"- {given['name']}: {', '.join(f'{k} {v}' for k, v in given.items() if k != 'name')}"
            for given in parity["inputs"]
        ),
        "",
    ]
    lines += [
        "| input | part | max \\|Δ\\| | mean \\|Δ\\| | argmax flips | frames |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {c['input']} | {c['part']} | {c['max_difference']:.2e} | {c['mean_difference']:.2e} | "
        f"{c['argmax_flips']} | {c['frames']} |"
        for c in parity["comparisons"]
    ]
    half = [
        f"| {dtype} | {c['part']} | {c['max_difference']:.2e} | {c['argmax_flips']} |"
        for dtype, comparisons in parity.get("half_precision", {}).items()
        for c in comparisons
    ]
    if half:
        lines += ["", "| half precision | part | max \\|Δ\\| | argmax flips |", "|---|---|---|---|"]
    return [*lines, *half, "", *(f"- {note}" for note in parity.get("notes", ())), ""]


def _wer_lines(wer: dict[str, Any] | None) -> list[str]:
    if wer is None:
        return ["## Word error rate", "", "Not evaluated.", ""]
    lines = ["## Word error rate", "", f"On {_code(Path(str(wer['data'])).name)}:", ""]
    lines += ["| mode | WER | CER | utterances |", "|---|---|---|---|"]
    lines += [
        f"| {mode} | {100 * m['wer']:.2f} % | {100 * m['cer']:.2f} % | {m['utterances']} |"
        for mode, m in wer["modes"].items()
    ]
    return [*lines, ""]


def _check_certificate(
    parity: dict[str, Any], family: str, head: str, sha256: dict[str, str]
) -> None:
    """Raises `UserError` if a certificate states a difference or is of another model."""
    if not parity.get("equal"):
        raise UserError("the certificate says that the model differs: convert and verify it again")
    verified = parity.get("family"), parity.get("head")
    if verified != (family, head):
        raise UserError(
            f"the certificate is of {verified}, and the SavedModel of {(family, head)}: verify "
            "what the SavedModel was made of"
        )
    hashes = parity.get("sha256")
    if sha256 and (not isinstance(hashes, dict) or set(hashes.values()) != set(sha256.values())):
        raise UserError(
            "the certificate is of another checkpoint, or another language of it, than the "
            "SavedModel: verify what the SavedModel was made of"
        )
