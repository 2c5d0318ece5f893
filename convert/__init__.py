"""Programs that make artefacts: `python -m convert …`, once installed `wav2vec2-tf convert …`."""
