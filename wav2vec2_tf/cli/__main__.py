"""`python -m wav2vec2_tf.cli` is `wav2vec2-tf`."""

import sys

from wav2vec2_tf.cli.main import main

sys.exit(main())
