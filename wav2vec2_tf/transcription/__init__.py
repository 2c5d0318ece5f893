"""Audio to text with a model: one batch, long recordings, many files."""
