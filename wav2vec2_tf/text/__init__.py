"""Logits to text, text to ids: tokenizer, CTC decoding, beam search, alignment, subtitles."""
