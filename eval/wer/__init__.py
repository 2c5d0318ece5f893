"""Word and character error rates by padding mode: `eval wer`, and `evaluate` from Python."""
