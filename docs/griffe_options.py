"""Shows the options of dataclasses (`wav2vec2_tf.utils.options`) in the API reference.

mkdocstrings takes the text of a field from the string below it; options have theirs in
`option(…, help=…)`.
"""

from __future__ import annotations

import ast
import importlib
from dataclasses import fields
from typing import Any

import griffe

from wav2vec2_tf.utils.options import default_of, required


class Options(griffe.Extension):
    """Gives each field made by `option` its help text as docstring, and its default as value."""

    def on_attribute_instance(self, *, node: Any, attr: griffe.Attribute, **kwargs: Any) -> None:
        """Called for each attribute that is read."""
        call, owner = getattr(node, "value", None), attr.parent
        if not isinstance(call, ast.Call) or not isinstance(owner, griffe.Class):
            return
        is_dataclass = any("dataclass" in str(decorator.value) for decorator in owner.decorators)
        if not is_dataclass or ast.unparse(call.func) == "field":
            return
        options = getattr(importlib.import_module(attr.module.path), owner.name)
        (entry,) = (entry for entry in fields(options) if entry.name == attr.name)
        if "help" not in entry.metadata:
            return
        help, choices = entry.metadata["help"], entry.metadata["choices"]
        if choices:
            help += f" (one of {', '.join(map(repr, choices))})"
        attr.docstring = griffe.Docstring(help, parent=attr)
        attr.value = None if required(entry) else repr(default_of(entry))
