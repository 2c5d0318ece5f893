"""Logits to text and text to ids: tokenizer, CTC decoding, beam search, alignment, subtitles."""
