"""Transcribing what is too much for one process: on all cores of a machine, or on many machines."""
