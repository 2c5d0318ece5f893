"""What is measured of each system at each work, and how its output is compared."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from .workloads import CORPUS, TRAINING, Work

TOLERANCE = 1e-3
"""Largest |Δ| allowed for the logits of a float32 system."""


@dataclass
class SystemResult:
    """One system at one work."""

    system: str
    label: str
    ours: bool
    precision: str
    exact: bool = True
    reason: str = ""
    """Why there are no figures."""
    seconds: list[float] = field(default_factory=list)
    """Time of each timed call."""
    load_seconds: float | None = None
    """From the start of its process until it could be called, imports included."""
    first_seconds: float | None = None
    """Time of the first call, which is not among `seconds`: it includes tracing and compiling."""
    peak_bytes: int | None = None
    """Largest resident memory of its process from start to end."""
    difference: float | None = None
    """Largest |Δ| of logits (for training: of the loss) from the reference's."""
    agreement: float | None = None
    """Share of frames with the reference's best token; for a cold start, of its characters."""

    @property
    def median(self) -> float | None:
        """Median of the timed calls."""
        return statistics.median(self.seconds) if self.seconds else None

    def compare(self, output: Any, reference: Any, work: Work) -> None:
        """Updates `difference` and `agreement` with the output of a call."""
        import numpy as np

        if not self.exact:
            return
        if work.kind == TRAINING:
            self.difference = abs(float(output) - float(reference))
            return
        pairs = list(zip(output, reference, strict=True))
        if work.kind == CORPUS:
            pairs = [(ours[: len(theirs)], theirs) for ours, theirs in pairs]
        if any(ours.shape != theirs.shape for ours, theirs in pairs):
            self.difference = float("inf")
            return
        difference = float(max(np.abs(ours - theirs).max() for ours, theirs in pairs))
        same = np.concatenate([(a.argmax(-1) == b.argmax(-1)).ravel() for a, b in pairs])
        # in this order of arguments a NaN stays
        self.difference = float(np.maximum(difference, self.difference or 0.0))
        self.agreement = min(float(same.mean()), 1.0 if self.agreement is None else self.agreement)

    def fail(self, reason: str) -> None:
        """Drops the times: the system cannot be used."""
        self.reason, self.seconds = reason, []


@dataclass
class WorkResult:
    """All systems at one work."""

    work: Work
    audio_seconds: float
    flops: int | None
    """Operations of the model on this work, unpadded; None for a cold start."""
    rows: list[SystemResult] = field(default_factory=list)
    gemm_flops: dict[str, float] = field(default_factory=dict)
    """Library → FLOP/s of its best matrix product in the same repetitions."""
    idle_share: float = 0.0
    """Processors that the waiting processes used while another was timed, at the worst call."""
    other_share: float = 0.0
    """Processors that all but the timed process used, on average."""

    @property
    def limit_seconds(self) -> float | None:
        """Time in float32 if every operation ran at the rate of the best matrix product."""
        if not self.gemm_flops or self.flops is None:
            return None
        return self.flops / max(self.gemm_flops.values())
