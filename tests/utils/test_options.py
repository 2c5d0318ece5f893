from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import check, from_values, option


@dataclass(frozen=True, kw_only=True)
class Options:
    model: str = option(help="the model")
    window: float = option(15.4, help="seconds of a window", above=0)
    most: int | None = option(None, help="at most", minimum=1, maximum=9)
    words: tuple[str, ...] = option((), help="words")
    style: str = option("plain", help="style", choices=("plain", "fancy"))
    rest: Mapping[str, Any] = option(help="more", default_factory=dict)

    def __post_init__(self) -> None:
        check(self)


def test_values_are_converted_to_the_types_of_the_fields() -> None:
    options = from_values(Options, {"model": "m", "window": "1e1", "words": "a", "rest": {"b": 1}})
    assert options == Options(model="m", window=10.0, words=("a",), rest={"b": 1})
    assert from_values(Options, {"model": "m", "most": None}).most is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "model must be given"),
        ({"model": "m", "windw": 1}, "unknown setting 'windw'; did you mean window"),
        ({"model": 3}, "model must be text, got 3"),
        ({"model": "m", "window": 0}, "window must be above 0, got 0.0"),
        ({"model": "m", "window": "x"}, "window must be a number, got 'x'"),
        ({"model": "m", "window": float("nan")}, "window must be a number, got nan"),
        ({"model": "m", "window": None}, "window must be a number, got None"),
        ({"model": "m", "most": True}, "most must be a whole number, got True"),
        ({"model": "m", "most": 1.0}, "most must be a whole number, got 1.0"),
        ({"model": "m", "most": 10}, "most must be from 1 to 9, got 10"),
        ({"model": "m", "words": ["a", 1]}, "words must be text, got 1"),
        ({"model": "m", "style": "fanci"}, "style must be one of plain, fancy, got 'fanci'; did"),
        ({"model": "m", "rest": [1]}, "rest must be a mapping of names to values, got [1]"),
    ],
)
def test_wrong_values_are_refused_with_what_is_allowed(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        from_values(Options, values)
    assert message in str(caught.value)


def test_options_made_in_python_are_checked_too() -> None:
    with pytest.raises(UserError, match="window must be finite, got inf"):
        Options(model="m", window=float("inf"))
    with pytest.raises(UserError, match="most must be a whole number, got 'x'"):
        Options(model="m", most="x")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="words must be a tuple, got 'one'"):
        Options(model="m", words="one")  # type: ignore[arg-type]


def test_check_ignores_fields_made_otherwise() -> None:
    @dataclass(frozen=True)
    class Plain:
        size: int = -1

    check(Plain())
