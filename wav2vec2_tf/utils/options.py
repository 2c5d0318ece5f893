"""Options as frozen dataclasses: each field carries its help text and the values it allows.

    @dataclass(frozen=True, kw_only=True)
    class CutOptions:
        window: float = option(15.4, help="seconds of each window", above=0)

        def __post_init__(self) -> None:
            check(self)

`cli.flags` makes command-line flags of such a class, and `from_values` an instance of plain values,
as a YAML file has them.
"""

from __future__ import annotations

import math
import string
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

from wav2vec2_tf.utils.errors import UserError, did_you_mean

Options = TypeVar("Options")


class OptionError(UserError):
    """Options that are wrong or that contradict each other.

    Args:
        message: what is wrong; `{name}` stands for a field, which the command line shows as its
            flag: `OptionError("{lm_weight} needs {lm}")` reads "--lm-weight needs --lm" there.
        values: what `{…}` in `message` that is not a field stands for.
    """

    def __init__(self, message: str, **values: Any) -> None:
        self._message, self._values = message, values
        super().__init__(self.named(lambda name: name))

    def named(self, shown: Callable[[str], str]) -> str:
        """Returns the message with each field `name` as `shown(name)`."""
        names = {name for _, name, _, _ in string.Formatter().parse(self._message) if name}
        fields = {name: shown(name) for name in names}
        return self._message.format(**{**fields, **self._values})


KIND_NAMES = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}


def option(
    default: Any = MISSING,
    *,
    help: str,
    default_factory: Callable[[], Any] | None = None,
    choices: tuple[str, ...] | None = None,
    above: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    metavar: str | None = None,
    flag: str | None = None,
    repeated: bool = False,
    separator: str | None = None,
) -> Any:
    """A field of an options dataclass.

    Args:
        default: its value if it is not given; required without one and without `default_factory`.
        help: what it means, as `--help` and the API reference show it.
        default_factory: makes the default, where that is mutable.
        choices: the only values allowed.
        above: the value must be greater than this.
        minimum: the least value allowed.
        maximum: the greatest value allowed.
        metavar: what `--help` calls its value.
        flag: the name of its flag, without dashes, where that is not the field's.
        repeated: of a tuple, that its flag takes one value and is given once for each.
        separator: of a tuple, that its flag takes one text with distinct values between these.
    """
    metadata = {
        **{"help": help, "choices": choices, "metavar": metavar},
        **{"above": above, "minimum": minimum, "maximum": maximum},
        **{"flag": flag, "repeated": repeated, "separator": separator},
    }
    if default_factory is not None:
        return field(default_factory=default_factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def check(options: Any) -> None:
    """Raises `UserError` if a field of `options` has a value that its `option` does not allow.

    None is allowed wherever the type of the field has it.
    """
    kinds = typing.get_type_hints(type(options))
    for entry in fields(options):
        value = getattr(options, entry.name)
        if isinstance(value, str) and typing.get_origin(kinds[entry.name]) is tuple:
            raise OptionError("{" + entry.name + "} must be a tuple, got {value!r}", value=value)
        for one in value if isinstance(value, tuple) else (value,):
            _check_value(entry, kinds[entry.name], one)


def from_values(cls: type[Options], values: Mapping[str, Any]) -> Options:
    """Makes options of plain values, as YAML or JSON has them.

    `1` is accepted for a float, and a single value for a tuple of them.

    Raises:
        UserError: a field is unknown (the message names the nearest), missing or of another type.
    """
    kinds = typing.get_type_hints(cls)
    entries = {entry.name: entry for entry in fields(cls)}  # type: ignore[arg-type]
    for name in values:
        if name not in entries:
            raise UserError(f"unknown setting {name!r}" + did_you_mean(str(name), entries))
    missing = [name for name, entry in entries.items() if name not in values and required(entry)]
    if missing:
        raise UserError(f"{' and '.join(missing)} must be given")
    return cls(**{name: _converted(name, value, kinds[name]) for name, value in values.items()})


def required(entry: Field[Any]) -> bool:
    """Whether a field has no default."""
    return entry.default is MISSING and entry.default_factory is MISSING


def default_of(entry: Field[Any]) -> Any:
    """Returns the default of a field, None if it is required."""
    if entry.default_factory is not MISSING:
        return entry.default_factory()
    return None if entry.default is MISSING else entry.default


def without_none(kind: Any) -> Any:
    """Returns the type `T` of `T | None`, and any other type as it is."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        (kind,) = (one for one in typing.get_args(kind) if one is not type(None))
    return kind


def bounds(entry: Field[Any]) -> str:
    """Describes the numbers that a field allows: "above 0", "from 1 to 100"; "" for any."""
    above, minimum, maximum = (entry.metadata.get(key) for key in ("above", "minimum", "maximum"))
    if minimum is not None and maximum is not None:
        return f"from {minimum} to {maximum}"
    if above is not None:
        return f"above {above}" + (f" and at most {maximum}" if maximum is not None else "")
    if minimum is not None:
        return f"{minimum} or more"
    return f"at most {maximum}" if maximum is not None else ""


def _check_value(entry: Field[Any], kind: Any, value: Any) -> None:
    name, kind = entry.name, without_none(kind)
    if value is None or "help" not in entry.metadata:
        return
    if typing.get_origin(kind) is tuple:
        kind = typing.get_args(kind)[0]
    choices = entry.metadata.get("choices")
    if choices is not None and value not in choices:
        raise OptionError(
            "{" + name + "} must be one of {choices}, got {value!r}{near}",
            choices=", ".join(choices),
            value=value,
            near=did_you_mean(str(value), choices),
        )
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            it = KIND_NAMES[kind]
            raise OptionError("{" + name + "} must be {it}, got {value!r}", it=it, value=value)
        if not within_bounds(entry, value):
            wanted = bounds(entry) if math.isfinite(value) else "finite"
            raise OptionError("{" + name + "} must be {it}, got {value}", it=wanted, value=value)


def within_bounds(entry: Field[Any], value: float) -> bool:
    """Whether a number is finite and within the bounds of a field."""
    above, minimum, maximum = (entry.metadata.get(key) for key in ("above", "minimum", "maximum"))
    return (
        math.isfinite(value)
        and (above is None or value > above)
        and (minimum is None or value >= minimum)
        and (maximum is None or value <= maximum)
    )


def _converted(name: str, value: Any, kind: Any) -> Any:
    if value is None and without_none(kind) is not kind:
        return None
    kind = without_none(kind)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_converted(name, one, inner) for one in values)
    if typing.get_origin(kind) is Mapping:
        if not isinstance(value, dict):
            raise UserError(f"{name} must be a mapping of names to values, got {value!r}")
        return value
    if kind is float and type(value) in (int, str):
        try:
            value = float(value)  # YAML takes 1e-4, which has no point, for text
        except (ValueError, OverflowError):
            raise UserError(f"{name} must be a number, got {value!r}") from None
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise UserError(f"{name} must be {KIND_NAMES.get(kind, kind)}, got {value!r}")
    return value
