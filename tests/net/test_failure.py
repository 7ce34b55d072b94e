"""What breaks, mends by itself, and is said clearly when it does not."""
import socket
import threading
import time

import pytest

import overlay
import programs
from lab import FULL, wait_for
from overlay import FORWARD_PORT, PORT
from programs import TcpServer


@pytest.mark.parametrize("outage", [0.2, 6])
def test_peer_killed_and_restarted(duo, outage):
    """The forward works again by itself within 5 s of the peer's return."""
    old = duo.bob.connect()
    old.sendall(b"P")
    assert old.recv(1) == b"p"
    duo.alice.proc.kill()
    time.sleep(outage)
    duo.alice.start()
    back = time.monotonic()
    wait_for(lambda: duo.ping(timeout=1), 5, lambda: f"the forward: {duo.bob.forward(duo.load_forward)['status']}")
    print(f"back after {time.monotonic() - back:.2f} s")
    old.settimeout(20)
    try:
        assert old.recv(1) == b""  # the old connection ended; it does not hang
    except ConnectionError:
        pass
    old.close()


def test_own_agent_killed_and_restarted(duo):
    """Forwards are state: they are there again."""
    duo.bob.restart(kill=True)
    wait_for(lambda: duo.ping(timeout=1), 5, "the forward")
    assert [f["listen"] for f in duo.bob.api.items("/v1/forwards")] == [f"127.0.0.1:{FORWARD_PORT}"]


def test_network_down_and_up(duo, pair):
    pair.wan.command("down")
    time.sleep(3)
    pair.wan.command("up")
    wait_for(lambda: duo.ping(timeout=2), 15, "the forward")


@pytest.mark.limit(90)
def test_round_trip_grows_a_hundredfold_under_a_live_session(agents, load_server, pair):
    """BBR believes in the shortest round trip of the last 10 s: after that, loss and all, the path is used again."""
    agents.duo("quic")
    pair.wan.set(delay=25, loss=1, rate=1000, queue=100)
    began = time.monotonic()
    seen = []

    def fast():
        seen.append(agents.load("recv", 1, 3)["gbit_s"])
        return seen[-1] > 0.1
    wait_for(fast, 30, lambda: f"more than 0.1 Gbit/s; seen, 3 s each: {seen}")
    print(f"fast after {time.monotonic() - began:.0f} s: {seen}")


@pytest.mark.limit(90)
def test_client_address_changes_mid_transfer(agents, load_server, pair, lab):
    """QUIC migrates: the transfer goes on, over the same connection."""
    agents.duo("quic")
    pair.wan.set(rate=200, delay=5)
    total, got = 60 << 20, 0
    n = pair.bob.ip6.rsplit("::", 1)[0]
    device = pair.wan.dev
    with agents.bob.connect(timeout=30) as conn:
        conn.sendall(b"R" + total.to_bytes(8, "big"))
        moved = False
        started = time.monotonic()
        try:
            while got < total:
                piece = conn.recv(1 << 18)
                assert piece, f"ended after {got} of {total} bytes ({'after' if moved else 'before'} the change)"
                got += len(piece)
                if not moved and got > total // 4:
                    pair.bob.ip("addr", "add", f"{n}::77/64", "dev", device, "nodad")
                    pair.bob.ip("addr", "del", f"{n}::2/64", "dev", device)
                    moved = time.monotonic()
            print(f"{got} bytes, {time.monotonic() - moved:.2f} s after the change, {moved - started:.2f} s before")
        finally:
            pair.bob.ip("addr", "replace", f"{n}::2/64", "dev", device, "nodad")
            if moved:
                pair.bob.ip("addr", "del", f"{n}::77/64", "dev", device)
    assert moved and got == total


@pytest.mark.parametrize("how", ["udp-blocked", "tcp-only-listener"])
def test_auto_falls_back_to_tcp_and_says_so(agents, load_server, pair, how):
    if how == "udp-blocked":
        pair.wan.command("block-udp")
    started = time.monotonic()
    agents.duo("auto", alice_transport="tcp" if how == "tcp-only-listener" else "auto")
    status = agents.bob.wait_peers()[0]["status"]
    assert status["transport"] == "tcp", status
    assert status["race"] and "tcp" in status["race"], status
    assert time.monotonic() - started < 8
    assert agents.load("ttfb", 50)["failed"] == 0


def test_auto_prefers_quic(agents, load_server):
    agents.duo("auto")
    status = agents.bob.wait_peers()[0]["status"]
    assert status["transport"] == "quic" and status["race"], status


def refused(duo, port, within):
    """A connection through a forward that must be closed without a byte; returns how long that took."""
    started = time.monotonic()
    try:
        with duo.bob.connect(port, timeout=within) as conn:
            conn.sendall(b"hello?")
            assert conn.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        pass  # the reset may be quicker than connect()
    return time.monotonic() - started


def nowhere(pair):
    """An address of the same network where nobody is."""
    return f"[{pair.alice.ip6.rsplit('::', 1)[0]}::99]:{PORT}"


CASES = {  # name: (the forward, the error, seconds a client may have to wait)
    "dead target": (lambda d: {"to": "alice.dead"}, "target_unreachable", 3),
    "unknown service": (lambda d: {"to": "alice.nothing"}, "service_unknown", 3),
    "unknown service by address": (lambda d: {"address": d.alice.address, "service": "nothing"}, "service_unknown", 3),
    "refused access": (lambda d: {"to": "alice.closed"}, "access_refused", 3),
    "refused access by address": (lambda d: {"address": d.alice.address, "service": "closed"}, "access_refused", 3),
    "nobody listens": (lambda d: {"address": f"[{d.pair.alice.ip6}]:4999", "service": "load"}, "peer_unreachable", 8),
    "nobody is there": (lambda d: {"address": nowhere(d.pair), "service": "load"}, "peer_unreachable", 12),
    "unknown node": (lambda d: {"to": "nobody.load"}, "peer_unknown", 3),
}


def test_each_failure_has_its_own_error(duo):
    """At the API, in the log, and by a prompt close to the client."""
    duo.alice.add_service("dead", "127.0.0.1:1")
    duo.alice.add_service("closed", "127.0.0.1:7000", allow=[])
    seen = {}
    for n, (name, (how, code, within)) in enumerate(CASES.items()):
        ident = duo.bob.add_forward(f"127.0.0.1:{9200 + n}", **how(duo))
        took = refused(duo, 9200 + n, within)
        wait_for(lambda: duo.bob.last_error(ident), 3, f"an error of {name}")
        seen[name] = (duo.bob.last_error(ident), code, round(took, 2))
        assert code in duo.bob.log(), f"{name}: {code} is not in the log"
    print(seen)
    assert {k: v[0] for k, v in seen.items()} == {k: v[1] for k, v in seen.items()}
    assert duo.ping()  # and nothing else suffered
    failed = [e for e in duo.bob.events("forward.failed")]
    assert failed, "failures are events"


def test_dead_target_recovers_by_itself(duo):
    duo.alice.add_service("later", "127.0.0.1:7200")
    ident = duo.bob.add_forward("127.0.0.1:9250", to="alice.later")
    refused(duo, 9250, 3)
    wait_for(lambda: duo.bob.last_error(ident) == "target_unreachable", 3, "the error")
    with TcpServer(duo.pair.alice, 7200, lambda c: c.sendall(b"here")):
        with duo.bob.connect(9250) as conn:
            assert programs.recv_exact(conn, 4) == b"here"


def test_mesh_of_five_on_a_lan(lab, request):
    """Everybody publishes, everybody reaches everybody, over both families."""
    hosts = [lab.host(f"m{i}") for i in range(5)]
    lab.lan(*hosts)
    servers = [TcpServer(h, 7000, lambda c, n=i: c.sendall(f"I am {n}".encode())) for i, h in enumerate(hosts)]
    nodes = []
    try:
        for i, host in enumerate(hosts):
            known = [f"[{h.ip6}]:{PORT}" if j % 2 else f"{h.ip4}:{PORT}" for j, h in enumerate(hosts[:i])]
            nodes.append(overlay.Agent(host, f"n{i}", peers=known).start())
            nodes[-1].add_service("who", "127.0.0.1:7000")
        for i, node in enumerate(nodes):
            node.wait_peers(len(nodes) - 1 if i else 4, timeout=10)
            for j in range(len(nodes)):
                if j != i:
                    node.add_forward(f"127.0.0.1:{9000 + j}", to=f"n{j}.who")
                    def ask():
                        with node.connect(9000 + j) as conn:
                            return conn.recv(20) == f"I am {j}".encode()
                    wait_for(ask, 5, f"n{i} -> n{j}")
    finally:
        for node in nodes:
            node.stop()
        for server in servers:
            server.close()


def test_clean_stop_is_quick_and_leaves_no_socket(duo):
    conn = duo.bob.connect()
    started = time.monotonic()
    assert duo.bob.stop() == 0
    assert time.monotonic() - started < 5
    assert not (duo.bob.state / "api.sock").exists()
    conn.close()
    # The peer notices at once, not by its idle timer.
    wait_for(lambda: not duo.alice.peers_up() and True, 5, "alice to see bob leave")


@pytest.mark.limit(90)
def test_path_mtu_shrinks_under_a_live_session(duo, pair):
    """Packets of the old size vanish. A transfer goes on or ends, it does not hang; a new one works."""
    assert duo.load("recv", 1, 0.5)["failed"] == 0  # the session has found out what the path takes
    with duo.bob.connect(timeout=45) as conn:
        conn.sendall(b"R" + (400 << 20).to_bytes(8, "big"))
        programs.recv_exact(conn, 1 << 20)
        pair.wan.set_mtu(1280)
        try:
            while conn.recv(1 << 18):
                pass
        except ConnectionResetError:
            pass
    wait_for(lambda: duo.ping(timeout=2), 10, "the forward")
    assert duo.load("recv", 1, 1)["gbit_s"] > 0.05
    assert duo.load("send", 1, 1)["gbit_s"] > 0.05


if FULL:  # half a minute of silence

    @pytest.mark.limit(120)
    def test_path_swallows_large_packets(agents, load_server, pair):
        """The same far away, where no error tells: the link ends once the peer is heard and nothing gets through."""
        agents.duo("quic")
        assert agents.load("recv", 1, 0.5)["failed"] == 0
        with agents.bob.connect(timeout=80) as conn:
            conn.sendall(b"R" + (400 << 20).to_bytes(8, "big"))
            programs.recv_exact(conn, 1 << 20)
            pair.wan.set(size=1300)
            started = time.monotonic()
            try:
                while conn.recv(1 << 18):
                    pass
            except ConnectionResetError:
                pass
            print(f"ended after {time.monotonic() - started:.1f} s")
        wait_for(lambda: agents.ping(timeout=2), 10, "the forward")
        assert agents.load("recv", 1, 1)["gbit_s"] > 0.05
