"""The emulator itself: delay, loss, rate, filters and damage are what was asked for."""
import socket
import struct
import subprocess
import threading
import time

import pytest

from programs import close_socket


@pytest.fixture(scope="module")
def path(lab):
    a, b = lab.host("wa"), lab.host("wb")
    return lab.wan(a, b, seed=7)


@pytest.fixture
def wan(path):
    path.reset()
    yield path
    path.reset()


class Echo:
    """A UDP echo on b, and a prober on a."""

    def __init__(self, wan, family=socket.AF_INET6):
        address = wan.b.ip6 if family == socket.AF_INET6 else wan.b.ip4
        with wan.b.enter():
            self.server = socket.socket(family, socket.SOCK_DGRAM)
            self.server.bind((address, 9000))
        with wan.a.enter():
            self.client = socket.socket(family, socket.SOCK_DGRAM)
            self.client.connect((address, 9000))
        for s in (self.client, self.server):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        threading.Thread(target=self._echo, daemon=True).start()

    def _echo(self):
        while True:
            try:
                data, who = self.server.recvfrom(65536)
                if not who:
                    return
                self.server.sendto(data, who)
            except OSError:
                return

    def probe(self, count, gap=0.001, wait=0.5, size=100):
        """Round-trip times in ms of the answers, and the answers that were damaged on the way."""
        rtts, damaged = [], 0

        def receive():
            nonlocal damaged
            self.client.settimeout(wait)
            try:
                while len(rtts) + damaged < count:
                    data = self.client.recv(65536)
                    if data[8:] == b"x" * (size - 8) and 0 < time.monotonic_ns() - struct.unpack("q", data[:8])[0] < 10**10:
                        rtts.append((time.monotonic_ns() - struct.unpack("q", data[:8])[0]) / 1e6)
                    else:
                        damaged += 1
            except TimeoutError:
                pass

        thread = threading.Thread(target=receive)
        thread.start()
        for _ in range(count):
            self.client.send(struct.pack("q", time.monotonic_ns()) + b"x" * (size - 8))
            time.sleep(gap)
        thread.join()
        return sorted(rtts), damaged

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        close_socket(self.server)
        self.client.close()


@pytest.mark.parametrize("family", [socket.AF_INET6, socket.AF_INET])
def test_delay_is_twice_one_way(wan, family):
    with Echo(wan, family) as echo:
        base, _ = echo.probe(200)
        wan.set(delay=25)
        slow, _ = echo.probe(300)
    assert len(base) == 200 and len(slow) == 300
    assert base[100] < 3, base[100]  # ms; an idle machine shows about 0.1
    assert 50 <= slow[0] < 52, slow[0]
    assert slow[150] < 55, slow[150]


def test_loss_is_the_share_asked_for(wan):
    wan.set(loss=10)
    before = wan.stats()["ab"]
    with Echo(wan) as echo:
        rtts, _ = echo.probe(3000, gap=0.0003)
    after = wan.stats()["ab"]
    sent, lost = (after[k] - before[k] for k in ("in", "lost"))
    assert 0.08 < lost / sent < 0.12, (sent, lost)
    assert 0.76 < len(rtts) / 3000 < 0.86, len(rtts)  # 0.9 * 0.9 both ways


def test_losses_come_in_bursts_of_the_mean_length(wan):
    wan.set(loss=10, burst=5)
    with Echo(wan) as echo:
        seen = [len(echo.probe(1, gap=0, wait=0.004)[0]) for _ in range(1500)]
    runs = [len(r) for r in "".join(map(str, seen)).split("1") if r]
    assert 3 < sum(runs) / len(runs) < 11, runs  # either way may lose: a bit longer than 5


def test_rate_limits_tcp(wan):
    wan.set(rate=100, delay=5)
    got = 0
    with wan.b.enter():
        server = socket.create_server((wan.b.ip6, 9001), family=socket.AF_INET6)
    with wan.a.enter():
        client = socket.create_connection((wan.b.ip6, 9001))
    conn, _ = server.accept()

    def send():
        try:
            while True:
                client.sendall(b"x" * 65536)
        except OSError:
            pass

    threading.Thread(target=send, daemon=True).start()
    end, first = time.monotonic() + 3, None
    while time.monotonic() < end:
        got += len(conn.recv(1 << 20))
        if first is None and time.monotonic() > end - 2:
            first, got = time.monotonic(), 0
    rate = got * 8 / (time.monotonic() - first) / 1e6
    for s in (client, conn, server):
        s.close()
    assert 60 < rate < 101, rate


def test_blocked_udp_leaves_tcp_alone(wan):
    with wan.b.enter():
        server = socket.create_server((wan.b.ip6, 9002), family=socket.AF_INET6)
    with Echo(wan) as echo, server:
        wan.command("block-udp")
        rtts, _ = echo.probe(20, wait=0.3)
        assert rtts == []
        with wan.a.enter():
            socket.create_connection((wan.b.ip6, 9002), timeout=2).close()
        wan.command("unblock")
        rtts, _ = echo.probe(20)
        assert len(rtts) == 20


def test_damage_reaches_the_program(wan):
    wan.set(corrupt=50)
    with Echo(wan) as echo:
        rtts, damaged = echo.probe(400)
    assert len(rtts) + damaged == 400  # the checksum was repaired, so the kernel dropped nothing
    assert 200 < damaged < 400, damaged


def test_down_and_up(wan):
    with Echo(wan) as echo:
        wan.command("down")
        assert echo.probe(10, wait=0.2)[0] == []
        wan.command("up")
        assert len(echo.probe(10)[0]) == 10


def test_mtu_is_enforced(wan):
    wan.set_mtu(1280)
    with Echo(wan) as echo:
        assert len(echo.probe(10, size=1200)[0]) == 10
        echo.client.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER, PMTUDISC_DO
        with pytest.raises(OSError):
            echo.client.send(b"x" * 1300)


def test_wrong_usage_is_said(lab):
    from lab import tool
    for argv in (["-a", "x"], ["-a", ",d", "-b", "e"], ["-a", "n,d", "-b", "n,e", "-d", "-1"], ["-m", "10"]):
        done = subprocess.run([tool("wanem"), *argv], capture_output=True, text=True)
        assert done.returncode == 1 and "wanem:" in done.stderr, (argv, done)
