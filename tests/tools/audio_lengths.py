"""Compares the lengths of the audio files in folders with what ffmpeg decodes.

`python -m tests.tools.audio_lengths FOLDER …`

Run by hand; needs ffmpeg. Prints a line for each file where the number of samples that
`audio.count_samples` gives, that `audio.load` reads and that ffmpeg decodes differ, or that only
one of the two can read; then a count. The exit status is 1 if there was any.

Numbers are at 16 kHz. Lossless files must be equal. A lossy stream may differ by `LOSSY_SECONDS`:
ffmpeg keeps the encoder's padding between streams that follow each other. A file that ffmpeg
reads with complaints may be refused.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wav2vec2_tf import audio
from wav2vec2_tf.audio.discover import audio_below
from wav2vec2_tf.audio.ffmpeg import AU_HEADER
from wav2vec2_tf.audio.resampling import samples_at_16_khz
from wav2vec2_tf.utils.errors import UserError

LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "tta", "ape", "tak")
LOSSY_SECONDS = 0.03
BLOCK_BYTES = 2**20


def decoded_by_ffmpeg(path: str) -> tuple[int, str]:
    """Returns the number of samples that ffmpeg decodes, and what it says about errors."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{path}", "-map", "0:a:0"]
    command += ["-ac", "1", "-c:a", "pcm_s16be", "-f", "au", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(process.stderr.read)
            header = process.stdout.read(AU_HEADER.size)
            size = 0
            while block := process.stdout.read(BLOCK_BYTES):
                size += len(block)
            complaint = said.result().decode(errors="replace").strip()
    if len(header) < AU_HEADER.size:
        return 0, complaint or "no audio track"
    _, offset, _, _, rate, _ = AU_HEADER.unpack(header)
    return samples_at_16_khz([(rate, (size - offset + AU_HEADER.size) // 2)]), complaint


def is_lossless(path: str) -> bool:
    """Whether ffprobe names a codec that loses nothing."""
    command = ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries"]
    command += ["stream=codec_name", "-of", "csv=p=0", f"file:{path}"]
    codec = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return codec.startswith(LOSSLESS)


def disagreement(path: str) -> str | None:
    """Returns what differs, in one line; None if nothing does."""
    try:
        read, counted = len(audio.load(path)), audio.count_samples(path)
    except UserError as error:
        samples, complaint = decoded_by_ffmpeg(path)
        return None if complaint or not samples else f"{error} (ffmpeg decodes {samples} samples)"
    if read != counted:
        return f"{path}: {counted} samples counted, {read} read"
    samples, _ = decoded_by_ffmpeg(path)
    allowed = 0 if is_lossless(path) else LOSSY_SECONDS * audio.SAMPLE_RATE
    if abs(samples - read) > allowed:
        return f"{path}: {read} samples read, {samples} by ffmpeg"
    return None


def main() -> None:
    """Compares all files; see the module."""
    if shutil.which("ffmpeg") is None:
        sys.exit("needs ffmpeg: apt install ffmpeg")
    paths: list[str] = []
    for name in sys.argv[1:]:
        paths += audio_below(name) if Path(name).is_dir() else [name]
    with ThreadPoolExecutor() as pool:
        lines = [line for line in pool.map(disagreement, paths) if line]
    print("\n".join([*lines, f"{len(lines)} of {len(paths)} files disagree"]))
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
