"""Random bytes, frames and silences against the WebSocket of a server process.

`python -m tests.tools.fuzz_websocket SECONDS [SEED]`

Run by hand. After each round, the server must answer, hold no more memory than bounded buffers
need, have logged at most one line a connection and no traceback, and be without open streams and
temporary files; at the end, it must stop in time. What fails ends the run, with the seed of its
round.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from eval.service.server import Server, serving, wait_until
from tests.support.raw_http import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    frame,
    upgrade,
    websocket_to,
)

CLIENTS = 24  # at once, in each round
SECONDS_A_CLIENT = 4.0
MAX_GROWTH_BYTES = 200e6  # since the first round
STOP_SECONDS = 15.0
STARTS = (
    b'{"sample_rate": 16000, "encoding": "pcm_s16le"}',
    b'{"sample_rate": 384000, "encoding": "pcm_f32le"}',
    b'{"sample_rate": 1000, "encoding": "pcm_f32le", "model": "bundled"}',
    b'{"sample_rate": 16000, "encoding": "pcm_s16le", "api_key": "\xc3\xa9"}',
)
END = b'{"type": "end"}'

Act = Callable[[random.Random], bytes]


def random_message(rng: random.Random) -> bytes:
    """A message of speech, often whole samples."""
    size = rng.choice((0, 1, 2, 4, 125, 126, 1000, 2**16 - 1, 2**16, 2**20, 2**20 + 1))
    opcode = rng.choice((BINARY, BINARY, BINARY, TEXT))
    return frame(opcode, rng.randbytes(size))


def fragments(rng: random.Random) -> bytes:
    """A message in pieces, with pings between them; sometimes without an end."""
    pieces = [rng.randbytes(2 * rng.randrange(500)) for _ in range(rng.randrange(1, 200))]
    frames = [frame(rng.choice((BINARY, TEXT)), pieces[0], final=False)]
    for piece in pieces[1:]:
        frames.append(frame(CONTINUATION, piece, final=False))
        if rng.random() < 0.1:
            frames.append(frame(PING, piece[:100]))
    if rng.random() < 0.7:
        frames.append(frame(CONTINUATION, b"", final=True))
    return b"".join(frames)


def small_frames(rng: random.Random) -> bytes:
    """Very many frames without content, or nearly."""
    opcode = rng.choice((BINARY, PING, TEXT, 10))
    return frame(opcode, bytes(rng.randrange(3))) * rng.randrange(20_000)


def damaged(rng: random.Random) -> bytes:
    """A valid sequence with some bytes changed."""
    content = bytearray(fragments(rng)[:4000])
    for _ in range(rng.randrange(1, 8)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def odd_header(rng: random.Random) -> bytes:
    """A frame with any opcode, reserved bits and length."""
    head = frame(rng.randrange(16), b"", final=rng.random() < 0.8, length=rng.getrandbits(40))
    return bytes([head[0] | rng.randrange(8) << 4]) + head[1:] + rng.randbytes(rng.randrange(2000))


def close(rng: random.Random) -> bytes:
    """A close with any content, and something after it."""
    code = rng.randrange(6000).to_bytes(2, "big")
    return frame(CLOSE, (code + rng.randbytes(200))[: rng.randrange(126)]) + random_message(rng)


def text(rng: random.Random) -> bytes:
    """A text message: a valid one, deep JSON, or no UTF-8."""
    choices = (
        END,
        rng.choice(STARTS),
        b"[" * rng.randrange(100_000),
        rng.randbytes(50),
        json.dumps({"type": "end", "n": rng.random()}).encode(),
    )
    return frame(TEXT, rng.choice(choices))


ACTS: tuple[Act, ...] = (
    *(random_message, fragments, small_frames, damaged, odd_header, close, text),
    lambda rng: rng.randbytes(rng.randrange(10_000)),
)


def client(url: str, seed: int, outcomes: Counter[str]) -> None:
    """Connects, and does something of each kind until it is disconnected or its time is over."""
    rng = random.Random(seed)
    end = time.monotonic() + SECONDS_A_CLIENT * rng.random()
    buffer = rng.choice((None, 2**14))
    try:
        with websocket_to(url, receive_buffer=buffer) as connection:
            connection.settimeout(1.0)
            if rng.random() < 0.8:
                connection.sendall(frame(TEXT, rng.choice(STARTS)))
            reads = rng.random() < 0.6
            act = rng.choice(ACTS)
            while time.monotonic() < end:
                connection.sendall(act(rng))
                if rng.random() < 0.3:
                    act = rng.choice(ACTS)
                if reads:
                    connection.settimeout(0.01)
                    with suppress(TimeoutError):
                        if not connection.recv(2**16):
                            outcomes["closed"] += 1
                            return
                    connection.settimeout(1.0)
            if rng.random() < 0.3:
                time.sleep(rng.random())
        outcomes["left"] += 1
    except TimeoutError:
        outcomes["blocked"] += 1
    except (OSError, AssertionError):
        outcomes["reset or refused"] += 1


def damaged_handshake(url: str, rng: random.Random) -> None:
    """Sends a request for a WebSocket with some bytes changed."""
    content = bytearray(upgrade())
    for _ in range(rng.randrange(1, 6)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    address = url.rpartition("//")[2].split(":")
    with suppress(OSError), socket.create_connection((address[0], int(address[1])), 5) as raw:
        raw.sendall(content)
        raw.recv(2**16)


def run_round(server: Server, seed: int, outcomes: Counter[str]) -> None:
    """Runs clients at once, and checks the server after them."""
    url = f"http://127.0.0.1:{server.port}"
    lines = len(server.log)
    threads = [
        threading.Thread(target=client, args=(url, seed + number, outcomes), daemon=True)
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    damaged_handshake(url, random.Random(seed))
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a client does not end"
    server.require_alive()
    with server.connect() as connection:
        assert connection.get("/health").status == 200
    names = [f"wav2vec2_tf_{name}" for name in ("streams", "recordings", "queue_rows")]

    def idle() -> bool:
        metrics = server.metrics()
        return not any(metrics[name] for name in names) and not server.temporary_files

    assert wait_until(idle, 60), "streams are left"
    added = server.log[lines:]
    assert len(added) <= CLIENTS + 1, added
    assert not any("Traceback" in line for line in added), added


def main(arguments: list[str]) -> None:
    """Runs rounds for as many seconds as the first argument says."""
    seconds = float(arguments[0])
    seed = int(arguments[1]) if len(arguments) > 1 else random.randrange(2**32)
    outcomes: Counter[str] = Counter()
    with serving(("--idle-seconds", "3", "--max-seconds", "60", "--streams", "16")) as (server,):
        end, first, rounds, most = time.monotonic() + seconds, 0, 0, 0
        while time.monotonic() < end:
            try:
                run_round(server, seed, outcomes)
                memory = server.memory_bytes
                first, most = first or memory, max(most, memory)
                assert memory - first < MAX_GROWTH_BYTES, f"{memory / 1e6:.0f} MB"
            except AssertionError as error:
                sys.exit(f"round of seed {seed} failed: {error}")
            seed, rounds = seed + CLIENTS, rounds + 1
        start = time.monotonic()
        status = server.stop()
        took = time.monotonic() - start
    print(f"{rounds} rounds, {rounds * CLIENTS} clients: {dict(outcomes)}")
    print(f"memory {first / 1e6:.0f} MB after the first round, at most {most / 1e6:.0f} MB")
    print(f"stopped in {took:.1f} s with status {status}")
    if status != 0 or took > STOP_SECONDS:
        sys.exit("the server did not stop as it should")


if __name__ == "__main__":
    main(sys.argv[1:])
