"""Packages a SavedModel as `NAME.tar.gz`, as TensorFlow Hub takes it, with a card `NAME.md`.

The module card states what the SavedModel holds, and the results of `convert verify` and `eval wer`
that are given.
"""

from __future__ import annotations

import argparse
import gzip
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.models.saved_model_folder import SAVED_MODEL_PARTS, named_saved_model
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import OptionError, check, option

from .options import show_example

EXAMPLE = (
    "wav2vec2-tf convert package build/saved-model base-960h.tar.gz "
    "--parity build/base-960h/parity.json"
)


ENDING = ".tar.gz"


@dataclass(frozen=True, kw_only=True)
class PackageOptions:
    """What a module card states, and whether the archive may replace what is there."""

    name: str | None = option(None, help="publisher/model/version for the card's title")
    language: str | None = option(
        None, help="by default the one that the model was converted for, or en"
    )
    parity: Path | None = option(None, metavar="FILE", help="parity.json of `convert verify`")
    wer: Path | None = option(None, metavar="FILE", help="JSON of `eval wer`")
    url: str | None = option(
        None, help="address that the archive will be published at, https://…/NAME.tar.gz"
    )
    force: bool = option(False, help="replace OUT if it exists")

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)
        url = self.url
        if url is not None and not url.startswith(("https://", "http://", "gs://")):
            raise OptionError(
                "{url} must be the archive's address, https://…, got {value}", value=url
            )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `convert package`."""
    show_example(parser, EXAMPLE)
    parser.add_argument("model", type=Path, help="SavedModel that `convert saved-model` made")
    parser.add_argument("out", type=Path, help="NAME.tar.gz to write; NAME.md goes beside it")
    add_flags(parser, PackageOptions)


def run(args: argparse.Namespace) -> int:
    """Runs `convert package`."""
    card = package(args.model, args.out, options_from(PackageOptions, args))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB\n{card}: the module card")
    return 0


def package(model: Path, out: Path, options: PackageOptions | None = None) -> Path:
    """Writes an archive of a SavedModel and its module card; both whole, or neither.

        from wav2vec2_tf.convert.package import PackageOptions, package

        options = PackageOptions(language="de")
        card = package(Path("build/saved-model"), Path("base.tar.gz"), options)

    Args:
        model: the SavedModel's folder; `FOLDER/saved_model.pb` if a checkpoint is in it, too.
        out: the archive to write, NAME.tar.gz.
        options: see `PackageOptions`.

    Returns:
        The path of the module card, NAME.md.

    Raises:
        UserError: the model is not a SavedModel, a file exists, or a report is of another model.
    """
    from wav2vec2_tf.utils.files import encodable, whole_file

    options = options or PackageOptions()
    parity, wer = options.parity, options.wer
    model = named_saved_model(model)
    if not out.name.removesuffix(ENDING) or not out.name.endswith(ENDING):
        raise UserError(
            f"{out}: the archive's name must be NAME{ENDING}, as TensorFlow Hub needs it"
        )
    if out.resolve().is_relative_to(model.resolve()):
        raise UserError(f"{out} must not be in the SavedModel: name a place outside")
    card = out.with_name(out.name.removesuffix(ENDING) + ".md")
    for path in (out, card):
        if path.exists() and not options.force:
            raise UserError(f"{path} exists already: name another, or replace it with --force")
    from .module_card import module_card  # and TensorFlow, once the arguments are valid

    try:
        text = module_card(
            model,
            options.name or f"{out.name.removesuffix(ENDING)}/1",
            options.language,
            _read_report(parity, "comparisons", "convert verify") if parity else None,
            _read_report(wer, "modes", "eval wer") if wer else None,
            out.name,
            options.url,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        reports = " and ".join(str(path) for path in (parity, wer) if path)
        raise UserError(
            f"{reports}: not a report of `convert verify` or `eval wer` ({error!r})"
        ) from None
    if not encodable(text):
        raise UserError(
            f"{card}: the card's text would not be valid Unicode: name the archive in UTF-8, and "
            "give options in UTF-8"
        )
    with whole_file(out) as beside, whole_file(card) as card_beside:
        _archive(model, beside)
        card_beside.write_text(text, encoding="utf-8")
    return card


def _read_report(path: Path, key: str, program: str) -> dict[str, Any]:
    """Reads a report; raises `UserError` if it lacks the key that a program's reports have."""
    from wav2vec2_tf.utils.files import read_json

    values = read_json(path)
    if key not in values:
        raise UserError(f"{path}: has no {key!r}; give the JSON that `{program}` writes")
    return values


def _archive(model: Path, out: Path) -> None:
    """Writes the SavedModel's files to the archive's root; the same bytes for the same model.

    What else is in the folder stays out: a checkpoint, for example.
    """

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    with (
        out.open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", dereference=True) as archive,
    ):
        for path in sorted(model.rglob("*")):
            name = path.relative_to(model)
            if name.parts[0] in SAVED_MODEL_PARTS:
                archive.add(path, name.as_posix(), recursive=False, filter=plain)
