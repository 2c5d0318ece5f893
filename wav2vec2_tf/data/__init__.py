"""Corpora of transcribed speech (folders, manifests, data sets, shards) and the bundled model."""
