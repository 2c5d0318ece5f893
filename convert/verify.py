"""PyTorch on SOURCE beside this library on OUT: the same numbers, part by part.

Prints a table, writes OUT/parity.json, and exits with 1 where the tolerance is passed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.config import PUBLISHED_LENGTH, SAMPLE_RATE
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.hub_options import add_hub_options, hub_options

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 1e-4
PARITY_FILE = "parity.json"
PARTS = ("feature_encoder", "feature_projection", "pos_conv_embed", "layers_0", "last_hidden_state")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="the PyTorch checkpoint: folder or Hugging Face id")
    parser.add_argument("out", help="what `convert torch` made of it")
    parser.add_argument("--json", type=Path, help=f"by default OUT/{PARITY_FILE}")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="default: %(default)s")
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    parity = verify(args.source, args.out, tolerance=args.tolerance, **hub_options(args))
    print(table(parity))
    path = args.json or Path(args.out) / PARITY_FILE
    from wav2vec2_tf.files import whole_file

    with whole_file(path) as beside:
        beside.write_text(json.dumps(asdict(parity), indent=2) + "\n", encoding="utf-8")
    if not parity.equal:
        print(f"error: {args.out} differs from {args.source}; see {path}", file=sys.stderr)
        return 1
    print(f"equal within {parity.tolerance:g}; {path}")
    return 0


@dataclass(frozen=True)
class Comparison:
    """One part of the model on one input."""

    input: str
    part: str
    max_difference: float
    mean_difference: float
    scale: float
    """Largest magnitude of the reference."""
    argmax_flips: int
    """Frames whose best token differs though the reference's margin is over twice the tolerance."""
    frames: int

    def within(self, tolerance: float) -> bool:
        # Logits are held to the tolerance itself; inner states, which no one reads and whose
        # magnitude is the checkpoint's own, to the tolerance of their scale.
        allowed = tolerance if self.part == "logits" else tolerance * max(1.0, self.scale)
        return self.max_difference <= allowed and self.argmax_flips == 0


@dataclass(frozen=True)
class Parity:
    source: str
    equal: bool
    tolerance: float
    max_difference: float
    """Of the logits, or of the last hidden state where there is no head."""
    comparisons: tuple[Comparison, ...]
    versions: dict[str, str]
    sha256: dict[str, str]


def verify(source: str, out: str, *, tolerance: float = TOLERANCE, **hub: Any) -> Parity:
    """Run both and compare; raises `UserError` where one of them does not load."""
    try:
        import torch
        import transformers
    except ImportError:
        raise UserError(
            "PyTorch and transformers are the reference: pip install 'wav2vec2-tf[convert]'"
        ) from None
    import numpy as np
    import tensorflow as tf

    from wav2vec2_tf.auto import AutoModel, AutoModelForCTC
    from wav2vec2_tf.checkpoint.readers import open_checkpoint
    from wav2vec2_tf.provenance import hashes
    from wav2vec2_tf.sources import resolve

    from .source import has_ctc_head

    folder, converted = resolve(source, **hub), resolve(out)
    has_head = has_ctc_head(converted)
    ours = (AutoModelForCTC if has_head else AutoModel).from_pretrained(converted)
    checkpoint = open_checkpoint(folder)  # a damaged one is named here, in one line
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    kind = transformers.AutoModelForCTC if has_head else transformers.AutoModel
    try:
        theirs = kind.from_pretrained(
            folder, attn_implementation="eager", dtype=torch.float32, local_files_only=True
        ).eval()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise UserError(f"{source}: transformers does not load it: {error}") from None
    their_base = theirs.base_model
    our_base = ours.wav2vec2 if has_head else ours

    comparisons = []
    for name, speech in inputs():
        with torch.inference_mode():
            reference = _reference_parts(their_base, torch.from_numpy(speech[np.newaxis]))
            if has_head:
                last = torch.from_numpy(reference["last_hidden_state"])
                reference["logits"] = theirs.lm_head(last).numpy()
        got = our_parts(our_base, tf.constant(speech[np.newaxis]))
        if has_head:
            got["logits"] = ours(speech[np.newaxis]).numpy()
        comparisons += [compare(name, p, reference[p], got[p], tolerance) for p in reference]
    comparisons += list(_padded(ours, has_head, tolerance))
    final = "logits" if has_head else "last_hidden_state"
    return Parity(
        source=str(source),
        equal=all(c.within(tolerance) for c in comparisons),
        tolerance=tolerance,
        max_difference=max(c.max_difference for c in comparisons if c.part == final),
        comparisons=tuple(comparisons),
        versions={m.__name__: m.__version__ for m in (torch, transformers, tf, np)},
        sha256=hashes(checkpoint.files),
    )


def inputs() -> Iterator[tuple[str, np.ndarray]]:
    """Normalised (samples,) inputs: real speech, and noise of one frame to the published length."""
    import numpy as np

    from wav2vec2_tf import audio
    from wav2vec2_tf.files import BUNDLED_SPEECH

    speech = audio.load(BUNDLED_SPEECH)
    yield f"speech {len(speech) / SAMPLE_RATE:.1f} s", audio.normalize(speech)
    random = np.random.default_rng(0)
    for samples in (400, 16_000, PUBLISHED_LENGTH):
        noise = random.normal(0, 0.1, samples).astype(np.float32)
        yield f"noise {samples} samples", audio.normalize(noise)


def _padded(ours: Any, has_head: bool, tolerance: float) -> Iterator[Comparison]:
    """A ragged batch with lengths against each utterance alone: padding has no influence."""
    import numpy as np
    import tensorflow as tf

    speeches = [speech for _, speech in inputs()][:3]
    lengths = np.array([len(speech) for speech in speeches], np.int32)
    batch = np.full((len(speeches), lengths.max() + 16_000), np.nan, np.float32)
    for row, speech in zip(batch, speeches, strict=True):
        row[: len(speech)] = speech
    together = ours(tf.constant(batch), tf.constant(lengths)).numpy()
    for row, speech in zip(together, speeches, strict=True):
        alone = ours(tf.constant(speech[np.newaxis])).numpy()
        part = "logits" if has_head else "last_hidden_state"
        name = f"padded from {len(speech)}"
        yield compare(name, part, alone, row[np.newaxis, : alone.shape[1]], tolerance)


def _reference_parts(base: Any, speech: Any) -> dict[str, np.ndarray]:
    """Each part's output in PyTorch, by hooks on one forward pass."""
    modules = {
        "feature_encoder": base.feature_extractor,
        "feature_projection": base.feature_projection,
        "pos_conv_embed": base.encoder.pos_conv_embed,
        "layers_0": base.encoder.layers[0],
    }
    seen: dict[str, np.ndarray] = {}

    def keep(part: str) -> Any:
        def hook(module: Any, arguments: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            # The encoder adds to its tensors in place: take a copy.
            seen[part] = (
                first.transpose(1, 2).numpy() if part == "feature_encoder" else first.numpy()
            )
            seen[part] = seen[part].copy()

        return hook

    handles = [module.register_forward_hook(keep(part)) for part, module in modules.items()]
    try:
        seen["last_hidden_state"] = base(speech).last_hidden_state.numpy()
    finally:
        for handle in handles:
            handle.remove()
    return {part: seen[part] for part in PARTS}


def our_parts(base: Any, speech: Any) -> dict[str, np.ndarray]:
    """Each part's output here, part after part."""
    features = base.feature_encoder(speech)
    projected = base.feature_projection(features)
    states = base(speech, output_hidden_states=True)
    parts = {
        "feature_encoder": features,
        "feature_projection": projected,
        "pos_conv_embed": base.encoder.pos_conv_embed(projected),
        "layers_0": states.hidden_states[1],
        "last_hidden_state": states.last_hidden_state,
    }
    return {part: value.numpy() for part, value in parts.items()}


def compare(
    name: str, part: str, reference: np.ndarray, got: np.ndarray, tolerance: float
) -> Comparison:
    """Differences of two (1, frames, channels) arrays."""
    import numpy as np

    if reference.shape != got.shape:
        raise UserError(f"{part} on {name}: PyTorch gives {reference.shape}, this {got.shape}")
    difference = np.abs(reference.astype(np.float64) - got)
    flips = 0
    if part == "logits":
        second, best = np.sort(reference, axis=-1)[..., -2:].transpose(2, 0, 1)
        differs = reference.argmax(-1) != got.argmax(-1)
        flips = int((differs & (best - second > 2 * tolerance)).sum())
    return Comparison(
        input=name,
        part=part,
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        scale=float(np.abs(reference).max()),
        argmax_flips=flips,
        frames=reference.shape[1],
    )


def table(parity: Parity) -> str:
    """One line a comparison."""
    lines = [f"{'input':26} {'part':20} {'max |Δ|':>9} {'mean |Δ|':>9} {'flips':>5} {'frames':>6}"]
    for c in parity.comparisons:
        mark = "" if c.within(parity.tolerance) else "  ← beyond tolerance"
        lines.append(
            f"{c.input:26} {c.part:20} {c.max_difference:9.2e} {c.mean_difference:9.2e} "
            f"{c.argmax_flips:5} {c.frames:6}{mark}"
        )
    return "\n".join(lines)
