"""The machine that measurements run on: its hardware, and how busy it and its processes are."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

BUSY = 0.1
"""Processors used by other programs, from which on reports mention it."""
PACKAGES = (
    *("wav2vec2-tf", "tensorflow", "keras", "numpy", "torch", "transformers", "onnxruntime"),
    *("openvino", "nncf", "ai-edge-litert"),
)
"""Packages whose versions are reported with times."""


def machine_facts() -> dict[str, Any]:
    """Returns processor, cores, memory and system; nothing that identifies the machine."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": memory_bytes("MemTotal"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def memory_bytes(kind: str) -> int:
    """Returns an entry of /proc/meminfo, such as `MemAvailable`; 0 if there is none."""
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{kind}:"):
            return 1024 * int(line.split()[1])
    return 0


def busy_seconds() -> float:
    """Returns the processor time of all programs since the machine started."""
    user, nice, system, _, _, *interrupts = map(
        int, Path("/proc/stat").read_text(encoding="utf-8").partition("\n")[0].split()[1:8]
    )
    return (user + nice + system + sum(interrupts[:2])) / os.sysconf("SC_CLK_TCK")


def process_busy_seconds(process: int) -> float:
    """Returns the processor time of all threads of a process; raises `OSError` if it has ended."""
    stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def process_status(process: int, name: str) -> int:
    """Returns a number of /proc/PID/status, such as `Threads`; sizes are in kB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
