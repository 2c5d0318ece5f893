"""Programs that make artefacts: `python -m convert …`, once installed `wav2vec2-tf convert …`.

Each program is one function that Python can call as well: `checkpoint.convert`,
`saved_model.convert`, `runtime_file.convert`, `verify.verify` and `package.package`.
"""
