"""Programs that measure a model: `python -m eval wer …` (installed: `wav2vec2-tf eval wer …`)."""
