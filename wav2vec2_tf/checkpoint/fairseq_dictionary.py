"""Reads fairseq's dictionaries (`dict.ltr.txt`) as the vocabularies of Hugging Face."""

from __future__ import annotations

import re
from pathlib import Path

from wav2vec2_tf.checkpoint.lazy_tensor import quoted
from wav2vec2_tf.utils.errors import UserError

SPECIAL_SYMBOLS = ("<pad>", "<s>", "</s>", "<unk>")
"""The symbols before the first of a dictionary, as Hugging Face calls them. fairseq's names are
`<s>`, `<pad>`, `</s>` and `<unk>`."""
MAX_DICTIONARY_LENGTH = 16 * 2**20  # characters


def vocabulary(file: str | Path) -> dict[str, int]:
    """Returns the content of Hugging Face's `vocab.json` from a fairseq dictionary.

    A line is a symbol, a space and a count. Four symbols come before the first: fairseq's `<s>`
    (0), its blank of CTC, is called `<pad>` as in Hugging Face, and its `<pad>` (1) is called
    `<s>`; `</s>` and `<unk>` follow.

    Args:
        file: the dictionary, such as `dict.ltr.txt`.

    Returns:
        The index of each symbol.

    Raises:
        UserError: the file cannot be read, or a line is malformed or repeats a symbol.
    """
    path = Path(file)
    remedy = "give the model's own dict.ltr.txt, lines of a symbol, a space and a count"
    try:
        with path.open(encoding="utf-8-sig") as file_:
            content = file_.read(MAX_DICTIONARY_LENGTH + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {remedy}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not text in UTF-8; {remedy}") from error
    if not content or len(content) > MAX_DICTIONARY_LENGTH:
        raise UserError(f"{path}: is {'too large' if content else 'empty'}; {remedy}")

    result = {symbol: index for index, symbol in enumerate(SPECIAL_SYMBOLS)}
    for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1):
        symbol, space, count = line.rstrip().rpartition(" ")
        if not (symbol and space and re.fullmatch("-?[0-9]+", count)):
            raise UserError(f"{path}: line {number} is {quoted(line)}; {remedy}")
        if symbol in result:
            raise UserError(f"{path}: line {number} gives {quoted(symbol)} again; {remedy}")
        result[symbol] = len(result)
    return result
