"""A download that is slow enough to be disturbed: when something came, whether all of it is right, and how long it paused."""
import contextlib
import hashlib
import json
import pathlib
import statistics
import struct
import threading
import time

from lab import ROOT, wait_for
from programs import TcpServer

RATE = 24e6  # bits/s: slow enough for the deaths to fall into the transfer
EVERY = 3    # seconds between them
WORST = 10   # seconds that a pause may take on a busy machine
BLOCK = 1 << 14
PORT, FORWARD = 7400, 9500
RESULTS = {}


def piece(n):
    return struct.pack("!Q", n) + bytes((n + i) & 0xFF for i in range(256)) * (BLOCK // 256 - 1) + bytes(248)


class Stream:
    """A paced download through a forward of bob's, of so many blocks at least; when something came, and whether all of it is right."""
    rate = RATE

    def __init__(self, net, blocks=0, **route):
        self.net, self.blocks, self.sent = net, blocks, 0
        self.want = hashlib.sha256()
        self.digest, self.arrivals, self.got, self.error = hashlib.sha256(), [], 0, None
        self.route, self.enough = route, threading.Event()

    def serve(self, conn):
        begun = time.monotonic()
        while self.sent < self.blocks or not self.enough.is_set():
            block = piece(self.sent)
            self.want.update(block)
            conn.sendall(block)
            self.sent += 1
            time.sleep(max(0, self.sent * BLOCK * 8 / self.rate - (time.monotonic() - begun)))

    def _read(self):
        try:
            with self.net.bob.connect(FORWARD, timeout=60) as conn:
                while got := conn.recv(1 << 16):
                    self.arrivals.append(time.monotonic())
                    self.digest.update(got)
                    self.got += len(got)
        except Exception as e:  # told by the test's own thread
            self.error = e

    def offer(self):
        with contextlib.suppress(Exception):
            self.net.alice.add_service("paced", f"127.0.0.1:{PORT}")

    def open_forward(self):
        return self.net.forward(FORWARD, "paced", **self.route)

    @contextlib.contextmanager
    def running(self):
        with TcpServer(self.net.alice.host, PORT, self.serve):
            self.offer()
            ident = self.open_forward()
            self.thread = threading.Thread(target=self._read, daemon=True)
            self.thread.start()
            try:
                wait_for(lambda: self.got or self.error, 20, "the first bytes")
                yield self
                self.finish()
            finally:
                self.enough.set()
                self.net.bob.api.call("DELETE", f"/v1/forwards/{ident}")

    def finish(self):
        self.enough.set()
        self.thread.join(120)
        assert not self.thread.is_alive(), f"{self.got} bytes, then nothing"
        if self.error:
            raise self.error
        assert self.got == self.sent * BLOCK and self.sent >= self.blocks
        assert self.digest.digest() == self.want.digest()

    def pause_at(self, moment, until=EVERY * 0.9):
        """The longest gap between arrivals of which a part lies in so many seconds behind a moment."""
        wait_for(lambda: self.arrivals[-1] > moment + until or not self.thread.is_alive(), WORST + EVERY, "bytes after it")
        times = [a for a in list(self.arrivals) if a > moment - 0.5]
        return max((b - a for a, b in zip(times, times[1:]) if b > moment and a < moment + until), default=0)


def tell(file, name, pauses):
    """Prints pauses, and adds them to what build/test has of this run."""
    p95 = sorted(pauses)[min(len(pauses) - 1, int(len(pauses) * 0.95))]
    results = RESULTS.setdefault(file, {})
    results[name] = {"n": len(pauses), "p50_s": statistics.median(pauses), "p95_s": p95, "max_s": max(pauses), "all_s": pauses}
    print(f"{name}: pauses of {', '.join(f'{p:.2f}' for p in pauses)} s; p50 {statistics.median(pauses):.2f}, p95 {p95:.2f}, max {max(pauses):.2f}")
    out = pathlib.Path(ROOT) / "build" / "test"
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{file}.json").write_text(json.dumps(results, indent=1) + "\n")
    assert max(pauses) < WORST
