"""From samples to frames and back: the frame-length formula, the only one in the project.

Everything counts with integers alone, so it works on Python numbers and on integer tensors.
"""

from __future__ import annotations

from typing import Any

MEL_WINDOW, MEL_HOP = 400, 160  # samples of a window of log-mel features (25 ms) and of its step
MEL_STACK = 2  # windows in a frame; the last of an odd number is dropped


def convolved_length(length: Any, kernel: int, stride: int) -> Any:
    """Returns the steps of an unpadded convolution over `length` steps."""
    return (length - kernel) // stride + 1


def mel_windows(samples: Any) -> Any:
    """Returns the windows of log-mel features in a number (or integer tensor) of samples."""
    return _positive(convolved_length(samples, MEL_WINDOW, MEL_HOP))


def _positive(length: Any) -> Any:
    """Returns max(0, length) of a number or an integer tensor."""
    return (length + abs(length)) // 2


class FrameCounts:
    """The frame counts of a config; see `config.Config` for the fields they depend on."""

    add_adapter: bool
    adapter_kernel_size: int
    adapter_stride: int
    num_adapter_layers: int

    @property
    def adapter_padding(self) -> int:
        """Zero frames before and after the input of each convolution of the adapter."""
        return 1

    def layer_lengths(self, length: Any) -> list[Any]:
        """Returns the steps after each layer of the front end.

        Args:
            length: samples, a number or an integer tensor.

        Returns:
            The steps after each layer; 0 or less where there are too few samples for one.
        """
        raise NotImplementedError

    def samples_of(self, frames: int) -> int:
        """Returns the fewest samples that give the encoder `frames` frames, 1 or more."""
        raise NotImplementedError

    def encoder_frames(self, samples: Any) -> Any:
        """Returns the encoder's frames for a number (or int tensor) of samples; 0 if too few."""
        return _positive(self.layer_lengths(samples)[-1])

    def adapted_once(self, frames: Any) -> Any:
        """Returns the frames after one layer of the adapter, of a number or int tensor."""
        some = 1 - _positive(1 - frames)  # 0 or 1: padding alone gives no frame
        padded = frames + 2 * self.adapter_padding
        return some * _positive(
            convolved_length(padded, self.adapter_kernel_size, self.adapter_stride)
        )

    def adapted_frames(self, frames: Any) -> Any:
        """Returns the frames after the adapter, if any, for a number of the encoder's frames."""
        for _ in range(self.num_adapter_layers if self.add_adapter else 0):
            frames = self.adapted_once(frames)
        return frames

    def frame_length(self, samples: Any) -> Any:
        """Returns the frames of output for `samples` samples; 0 where there are too few for one."""
        return self.adapted_frames(self.encoder_frames(samples))

    @property
    def fewest_frames(self) -> int:
        """The fewest frames of the encoder from which the adapter makes one."""
        frames = 1
        for _ in range(self.num_adapter_layers if self.add_adapter else 0):
            seen = (frames - 1) * self.adapter_stride + self.adapter_kernel_size
            frames = max(1, seen - 2 * self.adapter_padding)
        return frames

    @property
    def stride(self) -> int:
        """Samples from one frame of output to the next; 320 (20 ms) for the published models."""
        stride = self.samples_of(2) - self.samples_of(1)
        return stride * self.adapter_stride**self.num_adapter_layers if self.add_adapter else stride
