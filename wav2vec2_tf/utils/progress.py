"""Shows how far a long program is: a bar on a terminal, elsewhere lines of text.

A line looks like `training: 120 of 1200 steps (10 %), 3 min 20 s, about 30 min left, loss 2.314`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

QUIET_SECONDS = 30.0
"""No line sooner after the start or after another line: short runs write none."""
LONGEST_SECONDS = 300.0
"""A line is due after this time even if little has been done."""


class ProgressBar:
    """A bar of tqdm where standard error is a terminal; elsewhere plain lines.

    A line is written when a further tenth of the work is done or `LONGEST_SECONDS` have passed
    since the last line, and not within `QUIET_SECONDS` of it.

    Args:
        name: what is done; a line begins with it.
        total: the amount of work.
        unit: what is counted, in the singular; without it only the percentage is shown.
        done: the amount that an earlier run has done.
        shown: False for neither bar nor lines.
        clock: returns seconds.
        terminal: further arguments of tqdm.
    """

    def __init__(
        self,
        name: str,
        total: float,
        unit: str = "",
        *,
        done: float = 0,
        shown: bool = True,
        clock: Callable[[], float] = time.monotonic,
        **terminal: Any,
    ) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._before = self._done = done
        self._shown, self._clock, self._stream = shown, clock, sys.stderr
        self._began = self._last_line = self._last_milestone = clock()
        self._tenths = self._tenths_done()
        self._note = ""
        self._bar = None
        if shown and self._stream.isatty():
            from tqdm import tqdm

            counted = {"unit": unit} if unit else {}
            self._bar = tqdm(total=total, initial=done, **counted, **terminal)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def on_terminal(self) -> bool:
        """Whether a bar is drawn: standard error is a terminal."""
        return self._bar is not None

    def update(self, amount: float = 1, note: str | Mapping[str, str] | None = None) -> None:
        """Adds to the work that is done.

        Args:
            amount: the work done since the last call, in units of the total.
            note: shown from now on behind the figures, such as `{"loss": "2.314"}`.
        """
        self._done += amount
        if note is not None:
            self._note = _text(note)
        if self._bar is not None:
            self._bar.update(amount)
            self._annotate(note)
            return
        since, tenths = self._clock() - self._last_line, self._tenths_done()
        if since >= QUIET_SECONDS and (since >= LONGEST_SECONDS or tenths > self._tenths):
            self._write_line()

    def move_to(self, done: float, note: str | Mapping[str, str] | None = None) -> None:
        """Sets the work that is done; see `update`."""
        self.update(done - self._done, note)

    def milestone(self, note: str | Mapping[str, str]) -> None:
        """Shows a note that deserves a line of its own, such as the figures of an epoch.

        Only `QUIET_SECONDS` after the start and between two milestones hold a line back.
        """
        self._note = _text(note)
        if self._bar is not None:
            self._annotate(note)
        elif (now := self._clock()) - self._last_milestone >= QUIET_SECONDS:
            self._last_milestone = now
            self._write_line()

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()

    def _annotate(self, note: str | Mapping[str, str] | None) -> None:
        assert self._bar is not None
        if isinstance(note, str):
            self._bar.set_postfix_str(note)  # draws it, however soon after another
        elif note is not None:
            self._bar.set_postfix(note)

    def _share(self) -> float:
        return min(1.0, self._done / self._total) if self._total else 1.0

    def _tenths_done(self) -> int:
        return int(10 * self._share() + 1e-9)

    def _write_line(self) -> None:
        self._last_line, self._tenths = self._clock(), self._tenths_done()
        if not self._shown:
            return
        spent, share = self._last_line - self._began, self._share()
        place = f"{int(100 * share + 1e-9)} %"
        if self._unit:
            units = self._unit if self._unit == "s" else f"{self._unit}s"
            place = f"{self._done:.0f} of {self._total:.0f} {units} ({place})"
        parts = [place, duration(spent)]
        if self._before < self._done < self._total:
            left = spent * (self._total - self._done) / (self._done - self._before)
            parts.append(f"about {duration(left, rounded=True)} left")
        line = ", ".join([*parts, *filter(None, [self._note])])
        write(f"{self._name}: {line}\n", self._stream)


def write(text: str, stream: TextIO) -> None:
    """Writes to standard output or standard error and leaves bars there whole."""
    from tqdm import tqdm

    tqdm.write(text, file=stream, end="")
    stream.flush()


def duration(seconds: float, *, rounded: bool = False) -> str:
    """Returns a time such as "45 s", "3 min 20 s" or "2 h 5 min".

    Args:
        seconds: the time.
        rounded: to whole minutes, from one minute on.
    """
    whole = round(seconds)
    if rounded and whole >= 60:
        whole = 60 * round(whole / 60)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    parts = {"h": hours, "min": minutes} if hours else {"min": minutes, "s": rest}
    return " ".join(f"{count} {unit}" for unit, count in parts.items() if count) or "0 s"


def _text(note: str | Mapping[str, str]) -> str:
    if isinstance(note, str):
        return note
    return ", ".join(f"{name} {value}" for name, value in note.items())
