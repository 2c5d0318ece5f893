"""Command-line flags made from options dataclasses (`utils.options`), and options from flags."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields
from functools import partial
from typing import Any, TypeVar

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import parse_yaml
from wav2vec2_tf.utils.options import (
    OptionError,
    bounds,
    default_of,
    required,
    within_bounds,
    without_none,
)

Options = TypeVar("Options")
Value = TypeVar("Value")


def add_flags(
    parser: argparse._ActionsContainer,
    options: type,
    *,
    without: Collection[str] = (),
    only: Collection[str] | None = None,
    from_file: bool = False,
) -> None:
    """Adds a flag for each field of an options dataclass; `options_from` reads them.

    A field `batch_seconds` is the flag `--batch-seconds`. A bool is a switch, with its negation
    unless the default is False; a tuple takes any number of values and may be given again, or one
    text if it has a `separator`; a mapping takes `NAME=VALUE`. Values are checked while the command
    line is parsed, so that wrong ones are usage errors.

    Args:
        parser: a parser or a group of one.
        options: a dataclass whose fields are made by `utils.options.option`.
        without: fields that get no flag.
        only: the only fields that get one.
        from_file: a file sets fields as well and flags override it: no flag is required, and every
            switch has its negation.
    """
    kinds = typing.get_type_hints(options)
    for entry in fields(options):
        if entry.name in without or (only is not None and entry.name not in only):
            continue
        if "help" not in entry.metadata:  # nested options, which have a group of their own
            continue
        _add_flag(parser, entry, without_none(kinds[entry.name]), from_file)


def options_from(options: type[Options], args: argparse.Namespace, **more: Any) -> Options:
    """Makes options of the flags that were given; fields in `more` come first."""
    try:
        return options(**{**given(options, args), **more})
    except OptionError as error:
        raise UserError(error.named(partial(_shown, options))) from None


def given(options: type, args: argparse.Namespace) -> dict[str, Any]:
    """Returns the fields of `options` for which a flag was given."""
    return {e.name: getattr(args, e.name) for e in fields(options) if e.name in args}


def _flag(entry: Field[Any]) -> str:
    return "--" + (entry.metadata["flag"] or entry.name).replace("_", "-")


def _shown(options: type, name: str) -> str:
    """Returns the flag of a field, and any other name as it is."""
    return next((_flag(entry) for entry in fields(options) if entry.name == name), name)


def _add_flag(
    parser: argparse._ActionsContainer, entry: Field[Any], kind: Any, from_file: bool
) -> None:
    default, metadata = default_of(entry), entry.metadata
    help = metadata["help"]
    if default not in (None, (), {}, "") and default is not False:
        shown = str(default)
        if isinstance(default, tuple):
            shown = (metadata["separator"] or " ").join(map(str, default))
        help += f" (default: {shown})"
    settings: dict[str, Any] = {
        "dest": entry.name,
        "default": argparse.SUPPRESS,
        "help": help.replace("%", "%%"),
    }
    if required(entry) and not from_file:
        settings["required"] = True
    metavar = metadata["metavar"] or entry.name.upper()
    if kind is bool:
        settings["action"] = (
            "store_true" if default is False and not from_file else argparse.BooleanOptionalAction
        )
    elif typing.get_origin(kind) is tuple:
        type_of = _parser_of(entry, typing.get_args(kind)[0])
        settings["metavar"] = metavar
        if metadata["separator"]:
            settings["type"] = separated(type_of, metadata["separator"])
        else:
            settings |= {"nargs": "*", "action": _Extend, "type": type_of}
            if metadata["repeated"]:
                settings["nargs"] = 1
    elif typing.get_origin(kind) is Mapping:
        settings |= {"nargs": "*", "action": _Pairs, "metavar": "NAME=VALUE"}
    else:
        settings |= {"type": _parser_of(entry, kind)}
        if metadata["choices"]:
            settings["choices"] = metadata["choices"]
        if metadata["metavar"] or not metadata["choices"]:
            settings["metavar"] = metavar
    parser.add_argument(_flag(entry), **settings)


def _parser_of(entry: Field[Any], kind: Any) -> Callable[[str], Any]:
    if kind not in (int, float):
        return typing.cast(Callable[[str], Any], kind)
    wanted = {int: "a whole number", float: "a number"}[kind]
    wanted = f"{wanted} {bounds(entry)}".strip()

    def parsed(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not text.isascii() or "_" in text or not within_bounds(entry, value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return parsed


def separated(parse: Callable[[str], Value], separator: str) -> Callable[[str], tuple[Value, ...]]:
    """Returns a type for argparse: distinct values in one text, each read by `parse`."""

    def parsed(text: str) -> tuple[Value, ...]:
        return tuple(dict.fromkeys(parse(part.strip()) for part in text.split(separator)))

    return parsed


class _Extend(argparse.Action):
    """Collects values in a tuple: `--hotword a b --hotword c` gives three."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        before = getattr(namespace, self.dest, ())
        setattr(namespace, self.dest, (*before, *values))


class _Pairs(argparse.Action):
    """`NAME=VALUE …` as a dict; values are numbers, true, false and null where they look so."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        pairs = dict(getattr(namespace, self.dest, {}))
        for pair in values:
            name, separator, value = pair.partition("=")
            if not separator:
                parser.error(f"{option}: expected NAME=VALUE, got {pair!r}")
            try:
                parsed = parse_yaml(value)
            except ValueError as error:
                parser.error(f"{option}: {name} must be a YAML value ({error})")
            pairs[name] = value if parsed is None and value != "null" else parsed
        setattr(namespace, self.dest, pairs)
