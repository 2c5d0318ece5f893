"""The result of comparing a model with PyTorch: the content of `parity.json`, and its table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Differences of one part of the model on one input."""

    input: str
    part: str
    max_difference: float
    mean_difference: float
    scale: float
    """Largest magnitude of the reference."""
    argmax_flips: int
    """Frames whose best token differs though the reference's margin is over twice the tolerance."""
    frames: int
    allowed: float | None
    """Largest difference that passes; None for what is only reported."""

    @property
    def passes(self) -> bool:
        """Whether the difference is allowed and no token differs."""
        if self.allowed is None:
            return True
        return self.max_difference <= self.allowed and self.argmax_flips == 0


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What identifies a comparison, and the recording that it is made with."""

    family: str
    """The config's `model_type`."""
    head: str
    """Suffix of the transformers class, such as `ForCTC`."""
    target_lang: str | None
    """The language, of MMS models."""
    inputs: tuple[dict[str, str | int], ...]
    """Descriptions of the inputs (`Utterance.description`)."""
    sha256: dict[str, str]
    """SHA-256 of each file of weights of the checkpoint, by its name."""
    versions: dict[str, str]
    """Versions of the packages that computed the outputs."""


@dataclass(frozen=True, kw_only=True)
class Certificate(Identity):
    """The result of `verify`, and the content of `parity.json`."""

    source: str
    kind: str
    """What was compared: a Keras model or a SavedModel."""
    equal: bool
    tolerance: float
    max_difference: float
    """That of the logits, or of the last hidden state where there is no head."""
    comparisons: tuple[Comparison, ...]
    half_precision: dict[str, tuple[Comparison, ...]]
    """By type, differences from float32 in this library, which are only reported."""
    notes: tuple[str, ...]


def table(certificate: Certificate) -> str:
    """Returns the comparisons as text, one line each, and the notes."""
    lines = [
        f"{'input':28} {'part':26} {'max |Δ|':>9} {'mean |Δ|':>9} {'of at most':>10} "
        f"{'flips':>5} {'frames':>6}"
    ]
    rows = [(c.input, c) for c in certificate.comparisons]
    for dtype, comparisons in certificate.half_precision.items():
        rows += [(f"{dtype}: {c.input}", c) for c in comparisons]
    for name, c in rows:
        mark = "" if c.passes else "  ← beyond tolerance"
        lines.append(
            f"{name:28} {c.part:26} {c.max_difference:9.2e} {c.mean_difference:9.2e} "
            f"{c.scale:10.3g} {c.argmax_flips:5} {c.frames:6}{mark}"
        )
    return "\n".join([*lines, *certificate.notes])
