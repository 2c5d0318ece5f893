"""Exports of models: SavedModel, LiteRT, ONNX and OpenVINO; one module writes each format."""
