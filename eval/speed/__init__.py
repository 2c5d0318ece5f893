"""Times this library against other runtimes: `eval speed`, and `eval profile` of a SavedModel."""
