from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from wav2vec2_tf.cli.flags import add_flags, given, options_from
from wav2vec2_tf.utils.options import option


@dataclass(frozen=True, kw_only=True)
class Options:
    window: float = option(15.4, help="seconds, 100% of them", above=0, metavar="SECONDS")
    most: int | None = option(None, help="at most", minimum=1, maximum=100)
    words: tuple[str, ...] = option((), help="words")
    style: str = option("plain", help="style", choices=("plain", "fancy"))
    vad: bool = option(False, help="detect voice")
    mask: bool = option(True, help="mask padding")
    rest: Mapping[str, Any] = option(help="more", default_factory=dict)
    seed: int = option(0, help="seed")
    drop: str = option("", help="characters")
    weights: tuple[float, ...] = option((1.0, 2.0), help="weights", minimum=-3, separator=",")


def parsed(line: str, **more: Any) -> Options:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_flags(parser, Options)
    return options_from(Options, parser.parse_args(line.split()), **more)


def test_flags_become_fields_and_the_others_keep_their_defaults() -> None:
    assert parsed("") == Options()
    assert parsed("--window 3 --most 7 --words a b --words c --style fancy --vad --no-mask") == (
        Options(window=3.0, most=7, words=("a", "b", "c"), style="fancy", vad=True, mask=False)
    )
    assert parsed("--rest a=1 b=x c=null d=1e-4").rest == {"a": 1, "b": "x", "c": None, "d": "1e-4"}
    assert parsed("--window 3", window=4.0).window == 4.0
    assert parsed("--weights=-1,.5,-1").weights == (-1.0, 0.5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--window 0", "'0' is not a number above 0"),
        ("--window inf", "'inf' is not a number above 0"),
        ("--window x", "'x' is not a number above 0"),
        ("--most 1.5", "'1.5' is not a whole number from 1 to 100"),
        ("--most 1_0", "'1_0' is not a whole number from 1 to 100"),
        ("--most ٣", "'٣' is not a whole number from 1 to 100"),
        ("--style odd", "invalid choice: 'odd'"),
        ("--weights 1,much", "'much' is not a number -3 or more"),
    ],
)
def test_wrong_values_are_usage_errors(line: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentError) as caught:
        parsed(line)
    assert message in str(caught.value)


def test_only_some_fields_get_flags() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, Options, only=("window", "vad"), without=("vad",))
    args = parser.parse_args(["--window", "2"])
    assert given(Options, args) == {"window": 2.0}
    with pytest.raises(SystemExit):
        parser.parse_args(["--vad"])


def test_help_has_the_defaults() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, Options)
    help = " ".join(parser.format_help().split())
    assert "--window SECONDS seconds, 100% of them (default: 15.4)" in help
    assert "--mask, --no-mask mask padding (default: True)" in help
    assert "--vad detect voice --mask" in help
    assert "--seed SEED seed (default: 0) --drop DROP characters" in help
    assert "--drop DROP characters --weights" in help
    assert help.endswith("weights (default: 1.0,2.0)")


def test_flags_that_override_a_file_are_never_required_and_switches_have_a_negation() -> None:
    @dataclass(frozen=True)
    class Run:
        model: str = option(help="the model")
        vad: bool = option(False, help="detect voice")

    parser = argparse.ArgumentParser()
    add_flags(parser, Run, from_file=True)
    assert given(Run, parser.parse_args([])) == {}
    assert given(Run, parser.parse_args(["--no-vad"])) == {"vad": False}
