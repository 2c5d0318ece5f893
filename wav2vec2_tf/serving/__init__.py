"""Transcription over HTTP: OpenAI's audio API, and a WebSocket for speech as it comes."""
