"""Measures a running server: `eval load` and `eval soak`."""
