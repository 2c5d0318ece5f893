"""The factor of the loss in float16: it keeps small gradients from becoming zero."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_SCALE = 2.0**15
STEADY_STEPS = 2000
"""Steps without an overflow after which the scale is doubled."""


@dataclass(frozen=True)
class LossScale:
    """A dynamic scale of the loss (arXiv:1710.03740, section 3.2); 1 where none is needed."""

    value: float = 1.0
    steady: int = 0
    """Steps since the scale changed."""

    @property
    def can_fall(self) -> bool:
        """Whether a lower scale may avoid an overflow."""
        return self.value > 1

    def after(self, finite: bool) -> LossScale:
        """Returns the scale of the next step: lower after gradients that are not finite.

        Raises `ValueError` for such gradients where the scale cannot fall.
        """
        if not finite:
            if not self.can_fall:
                raise ValueError(f"a scale of {self.value:g} cannot fall")
            return LossScale(self.value / 2)
        if self.can_fall and self.steady + 1 == STEADY_STEPS:
            return LossScale(self.value * 2)
        return LossScale(self.value, self.steady + 1)
