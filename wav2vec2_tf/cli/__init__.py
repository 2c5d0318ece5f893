"""The command line: `wav2vec2-tf`."""
