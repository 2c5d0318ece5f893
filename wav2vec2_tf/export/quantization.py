"""Types of weights and activations in exported files, and the layers that keep floating point."""

from __future__ import annotations

FLOAT32, FLOAT16, INT8, INT8_STATIC = "float32", "fp16", "int8", "int8-static"
QUANTIZATIONS = (FLOAT32, FLOAT16, INT8, INT8_STATIC)
"""`fp16` and `int8` store weights in half and a quarter of the bytes; `int8-static` also stores
activations in int8, with scales that are measured on speech (calibration)."""
FEATURE_ENCODER = "feature_encoder"
"""Part of the names of the feature encoder's nodes. Its values range so widely that one scale for
all frames costs 6 to 10 points of WER: it keeps floating point in runtimes without a scale for each
frame."""
STATISTICS = "conv_layers_0"
"""Part of the names of the nodes of the first convolution, which keeps floating point: its group
norm computes statistics over all frames."""
