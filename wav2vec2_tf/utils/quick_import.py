"""TensorFlow for programs that a person waits for."""

from __future__ import annotations

import sys
from typing import Any

NOT_NEEDED = ("matplotlib", "pandas", "sklearn")


def import_tensorflow() -> Any:
    """TensorFlow, imported while what Keras takes only because it is installed is hidden.

    Its plots, data frames and wrappers for scikit-learn have no part in inference, and the packages
    behind them are a third of the time of the import. Who imports them afterwards gets them.
    """
    hidden = [name for name in NOT_NEEDED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: there is no such
    try:
        import tensorflow
    finally:
        for name in hidden:
            del sys.modules[name]
    return tensorflow
