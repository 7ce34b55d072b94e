"""Streams: half-close, reset, thousands at once, one that stands still, tens of thousands in a row."""
import asyncio
import os
import random
import socket
import struct
import threading
import time

import pytest

import overlay
import programs
from lab import tool, wait_for
from overlay import FORWARD_PORT, settle
from programs import TcpServer, pattern, recv_exact

MB = 1 << 20
STALL = float(os.environ.get("VX6_NET_STALL", "30"))
CHURN = int(os.environ.get("VX6_NET_CHURN", "20000"))


def read_all(conn):
    data = bytearray()
    while got := conn.recv(1 << 16):
        data += got
    return bytes(data)


def serve_on(duo, serve, port=7100, listen=9100):
    """A server of alice's, published and forwarded."""
    server = TcpServer(duo.pair.alice, port, serve)
    duo.alice.add_service("extra", f"127.0.0.1:{port}")
    duo.extra = duo.bob.add_forward(f"127.0.0.1:{listen}", to="alice.extra")
    return server


def test_half_close_keeps_every_byte_upwards(duo):
    question, answer = pattern(MB, 1), pattern(MB, 2)
    seen = []

    def serve(conn):
        seen.append(read_all(conn))
        conn.sendall(answer)

    with serve_on(duo, serve):
        for _ in range(3):
            with duo.bob.connect(9100) as conn:
                conn.sendall(question)
                conn.shutdown(socket.SHUT_WR)
                assert read_all(conn) == answer
        assert seen == [question] * 3


def test_half_close_keeps_every_byte_downwards(duo):
    question, answer = pattern(MB, 3), pattern(MB, 4)
    seen, done = [], threading.Event()

    def serve(conn):
        conn.sendall(question)
        conn.shutdown(socket.SHUT_WR)
        seen.append(read_all(conn))
        done.set()

    with serve_on(duo, serve):
        with duo.bob.connect(9100) as conn:
            assert read_all(conn) == question
            time.sleep(0.3)  # the other half stays open as long as it is wanted
            conn.sendall(answer)
        assert done.wait(10) and seen == [answer]


def abort(conn):
    """What is closed after this says RST instead of FIN."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_reset_is_passed_on(duo):
    outcome, got = [], threading.Event()

    def serve(conn):
        conn.sendall(b"go")
        try:
            outcome.append(conn.recv(1))
        except OSError as e:
            outcome.append(type(e))
        if outcome[-1] == b"!":
            abort(conn)
        got.set()

    with serve_on(duo, serve):
        conn = duo.bob.connect(9100)
        assert recv_exact(conn, 2) == b"go"
        abort(conn)
        conn.close()
        assert got.wait(5) and outcome == [ConnectionResetError]
        with duo.bob.connect(9100) as conn:
            assert recv_exact(conn, 2) == b"go"
            conn.sendall(b"!")
            with pytest.raises(ConnectionResetError):
                conn.recv(1)


def test_both_directions_at_once(duo):
    """8 MB each way through one stream, sent while received."""
    data = pattern(8 * MB, 5)

    def serve(conn):
        while got := conn.recv(1 << 16):
            conn.sendall(got)

    with serve_on(duo, serve), duo.bob.connect(9100) as conn:
        threading.Thread(target=lambda: (conn.sendall(data), conn.shutdown(socket.SHUT_WR)), daemon=True).start()
        assert read_all(conn) == data


async def _crowd(host, port, count, body):
    """count connections, opened 200 at a time, that all exist before any of them ends."""
    gate, everyone, up = asyncio.Semaphore(200), asyncio.Event(), 0
    loop = asyncio.get_running_loop()

    async def one(n):
        nonlocal up
        async with gate:
            with host.enter():
                s = socket.socket()
            s.setblocking(False)
            await loop.sock_connect(s, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=s)
            writer.write(b"P")
            assert await asyncio.wait_for(reader.readexactly(1), 20) == b"p"
        up += 1
        if up == count:
            everyone.set()
        await asyncio.wait_for(everyone.wait(), 40)
        try:
            return await body(n, reader, writer)
        finally:
            writer.close()

    return await asyncio.gather(*(one(n) for n in range(count)))


@pytest.mark.limit(90)
def test_2000_connections_at_once(duo):
    """Every one of them carries its own bytes while all are open."""
    async def body(n, reader, writer):
        rng = random.Random(n)
        for _ in range(3):
            data = rng.randbytes(rng.randrange(1, 6000))
            writer.write(data)
            await writer.drain()
            assert await asyncio.wait_for(reader.readexactly(len(data)), 30) == data
        return True

    wait_for(duo.ping, 5, "the forward")
    assert asyncio.run(_crowd(duo.pair.bob, FORWARD_PORT, 2000, body)) == [True] * 2000
    assert duo.alice.alive() and duo.bob.alive()
    status = duo.bob.forward(duo.load_forward)["status"]
    assert status["connections"]["total"] >= 2000 and status["last_error"] is None, status


@pytest.mark.limit(120)
def test_a_stopped_reader_stalls_nobody(duo):
    total = 64 * MB
    before = duo.alice.proc.rss() + duo.bob.proc.rss()
    with duo.bob.connect() as stopped:
        stopped.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        stopped.sendall(b"R" + struct.pack("!Q", total))
        got = len(recv_exact(stopped, 300000))
        end, rounds = time.monotonic() + STALL, 0
        while time.monotonic() < end or rounds < 2:
            bulk = duo.load("recv", 4, 1)
            assert bulk["failed"] == 0 and bulk["gbit_s"] > 0.2, bulk
            assert duo.p99_ms(200) < 50
            rounds += 1
        grown = duo.alice.proc.rss() + duo.bob.proc.rss() - before
        assert grown < 80 * MB, f"{grown / MB:.1f} MB held for one stopped reader and four busy ones"
        while got < total:
            n = len(stopped.recv(1 << 18))
            assert n, f"ended after {got} of {total}"
            got += n
        assert stopped.recv(1) == b"" and got == total


@pytest.mark.limit(120)
def test_20000_connections_leave_nothing_behind(duo):
    agents = (duo.alice, duo.bob)

    def sizes():
        return [settle(a.proc.fds, 0, 15) for a in agents], [a.proc.rss() for a in agents]

    assert duo.load("churn", 3000, 64)["failed"] == 0  # warm up: arenas, tables
    # where both have dialled, one of the two links is given up after 2 s
    settle(lambda: sum(a.proc.fds() for a in agents), 0, 15, 0.75)
    fds, rss = sizes()
    result = duo.load("churn", CHURN, 64, timeout=100)
    assert result["ok"] == CHURN and result["failed"] == 0, result
    wait_for(lambda: duo.bob.forward(duo.load_forward)["status"]["connections"]["active"] == 0, 10, "connections to end")
    fds_after, rss_after = sizes()
    assert fds_after == fds
    for agent, a, b in zip(agents, rss, rss_after):
        assert b - a < 1 * MB, f"{agent.name}: {a / MB:.2f} MB -> {b / MB:.2f} MB"
    print(f"{CHURN / result['seconds']:.0f} connections/s, rss {[x / MB for x in rss]} -> {[x / MB for x in rss_after]}")


@pytest.mark.limit(90)
def test_silent_connections_starve_nobody(duo, agents):
    """500 through the forward, 500 at the listener itself, and a link that never opens a stream."""
    carol = agents.make(duo.pair.bob, "carol", duo.made[0].argv[duo.made[0].argv.index("--transport") + 1],
                        peers=[duo.alice.address], listen="[::]:4244").start()
    carol.wait_peers()
    silent = []
    try:
        for _ in range(500):
            silent.append(duo.bob.connect())
        with duo.pair.bob.enter():
            for _ in range(500):
                s = socket.socket(socket.AF_INET6)
                s.setblocking(False)
                s.connect_ex((duo.pair.alice.ip6, overlay.PORT))
                silent.append(s)
        assert duo.p99_ms(500) < 50
        bulk = duo.load("recv", 2, 1)
        assert bulk["failed"] == 0 and bulk["gbit_s"] > 0.2, bulk
        dave = agents.make(duo.pair.bob, "dave", "tcp", peers=[duo.alice.address], listen="[::]:4245").start()
        if duo.made[0].argv[duo.made[0].argv.index("--transport") + 1] == "tcp":
            dave.wait_peers(timeout=8)  # a newcomer still gets in between the silent ones
        assert carol.peers_up() and duo.ping()
    finally:
        for s in silent:
            s.close()
    assert duo.ping() and duo.alice.alive()
