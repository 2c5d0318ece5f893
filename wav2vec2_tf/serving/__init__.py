"""An HTTP server of transcription: OpenAI's audio API, and text while the speech arrives.

    from wav2vec2_tf.serving import ServeOptions, serve

    serve(ServeOptions(models=("facebook/wav2vec2-base-960h",), port=9000))

`create_app(options)` returns the ASGI application alone, for another server to run. FastAPI,
h11 and websockets (extra: `serve`) are imported when one of the two is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from wav2vec2_tf.serving.app import create_app
    from wav2vec2_tf.serving.models import SpeechModel
    from wav2vec2_tf.serving.server import serve

__all__ = ["ServeOptions", "SpeechModel", "create_app", "serve"]

_MODULES = {"SpeechModel": "models", "create_app": "app", "serve": "server"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        raise UserError(f"serving needs {error.name}: pip install 'wav2vec2-tf[serve]'") from None
    return getattr(module, name)
