"""Starts a program so that an interrupt ends it with one line or none from the first import on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def start(make_parser: Callable[[], argparse.ArgumentParser], argv: list[str] | None) -> int:
    """Returns the exit status of a program; see `cli.programs.run_program`.

    The modules that call this import little else, so that little is imported before.
    """
    try:
        from wav2vec2_tf.cli.programs import run_program

        return run_program(make_parser, argv)
    except KeyboardInterrupt:
        return 130
    finally:
        if argv is None:  # the process ends: from now on an interrupt ends it without a traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)
