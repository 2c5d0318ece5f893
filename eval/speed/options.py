"""The options of `eval speed`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wav2vec2_tf.utils.options import check, option

from .systems import SYSTEMS
from .workloads import WORKS


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """What is timed, and how."""

    work: tuple[str, ...] | None = option(
        None,
        choices=tuple(WORKS),
        metavar="WORK,…",
        separator=",",
        help="work to time, of a,b,c,d,training,cold (default: all)",
    )
    systems: tuple[str, ...] | None = option(
        None,
        choices=tuple(SYSTEMS),
        metavar="SYSTEM,…",
        separator=",",
        help="systems to time (default: all; --list shows them)",
    )
    model: Path | None = option(
        None,
        metavar="FOLDER",
        help="CTC model that transformers loads, too (default: a random one of base's size)",
    )
    threads: int | None = option(
        None,
        above=0,
        metavar="N",
        help="threads of every system, pinned to as many cores (default: all)",
    )
    repetitions: int | None = option(
        None, above=0, metavar="N", help="timed calls of each system (default: 7)"
    )
    quick: bool = option(False, help="the bundled small model and short inputs, to try the program")
    keep: Path | None = option(
        None,
        metavar="FOLDER",
        help="keep the model and what is made of it here, for the next run (1 to 7 GB)",
    )

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)
