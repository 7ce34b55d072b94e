"""A relay with more on its hands than it may hold: it stays within what its operator gave it, ends what waits longest, and everybody else goes on.

The flood is a second implementation of a client (onion.py) that builds many circuits, asks for an endless transfer on each and never
gives credit. `VX6_NET_FULL=1`: a thousand circuits.
"""
import contextlib
import os
import threading
import time

import pytest

import lab as lab_module
from lab import wait_for
from onion import CODES, Attended, Circuit, Hop, HopRefused, hello_over_link
from overlay import PORT, Agent, settle
from programs import TcpServer, recv_exact
from rogue import Identity, connect
from star import Star

CIRCUITS = 1000 if lab_module.FULL else 200
MEMORY_MB = 16
RATE_MBIT = 8
FLAGS = ["--lan", "off"]
ECHO_PORT, FLOOD_PORT, FORWARD_PORT = 7400, 7401, 9400
MB = 1 << 20


def echo(conn):
    while data := conn.recv(65536):
        conn.sendall(data)


def flood(conn):
    while True:
        conn.sendall(bytes(65536))


class Net:
    def __init__(self, lab):
        self.star = Star(lab, suffix="-load")
        self.relay = self.agent("relay", "--relay-memory", MEMORY_MB)
        self.alice = self.agent("alice")
        self.mallory = self.star.host("mallory")
        self.servers = [TcpServer(self.alice.host, ECHO_PORT, echo), TcpServer(self.alice.host, FLOOD_PORT, flood)]
        self.alice.add_service("echo", f"127.0.0.1:{ECHO_PORT}")
        self.alice.add_service("flood", f"127.0.0.1:{FLOOD_PORT}")

    def agent(self, name, *flags):
        peers = [] if name == "relay" else [self.relay.address]
        return Agent(self.star.host(name), name, peers=peers, flags=[*FLAGS, *flags]).start()

    def hop(self, agent):
        return Hop.met(self.mallory, (agent.host.ip6, PORT))

    def forward(self, bob, relay):
        """bob's way to alice's echo through that relay, once it works."""
        bob.add_forward(f"127.0.0.1:{FORWARD_PORT}", to="alice.echo", route={"via": "relay", "nodes": [relay.node_id()]})

        def works():
            with contextlib.suppress(OSError), bob.connect(FORWARD_PORT, timeout=5) as s:
                s.sendall(b"x")
                return s.recv(1) == b"x"

        wait_for(works, 20, "bob to reach alice", interval=0.2)

    def link(self, agent, who=None):
        return connect(self.mallory, (agent.host.ip6, PORT), who, hello=hello_over_link(who))


@pytest.fixture(scope="module")
def net(lab):
    made = Net(lab)
    yield made
    for server in made.servers:
        server.close()
    for agent in (made.relay, made.alice):
        assert agent.alive(), f"{agent.name} did not survive"
        agent.stop()


def status(agent):
    return agent.api.get("/v1/node")["status"]["relay"]


class Steady:
    """Somebody else's transfer: 64 KiB there and back, again and again, over one connection."""

    def __init__(self, agent):
        self.conn, self.rounds, self.failed = agent.connect(FORWARD_PORT, timeout=30), 0, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        data = os.urandom(65536)
        try:
            while not self.over.is_set():
                self.conn.sendall(data)
                assert recv_exact(self.conn, len(data)) == data
                self.rounds += 1
        except BaseException as e:  # noqa: BLE001
            self.failed = e

    def goes_on(self):
        before = self.rounds
        wait_for(lambda: self.rounds > before + 2 or self.failed, 20, "the other transfer to go on")
        assert not self.failed, self.failed

    def close(self):
        self.over.set()
        self.thread.join(30)
        self.conn.close()


def build_flood(net, mux):
    """Circuits that end at alice, each with a session, and nothing asked for yet."""
    hops, found = [net.hop(net.relay), net.hop(net.alice)], []
    for _ in range(CIRCUITS):
        c = Circuit(mux).build(*hops)
        found.append(c.session())
    return found


@pytest.mark.limit(120)
def test_a_thousand_stopped_readers_cost_what_the_relay_was_given_and_hurt_nobody_else(net):
    bob = net.agent("bob")
    net.forward(bob, net.relay)
    steady, crowd = Steady(bob), None
    try:
        steady.goes_on()
        mux = net.link(net.relay, Identity("flood"))
        inners = build_flood(net, mux)
        assert status(net.relay)["circuits"] >= CIRCUITS
        crowd = Attended([mux])  # takes what comes, answers probes, gives no credit
        idle = settle(net.relay.proc.rss, MB, 3)
        for inner in inners:
            with crowd.lock:
                inner.open("flood")
        worst = 0
        wait_for(lambda: status(net.relay)["closed_for_memory"] > 0, 30, lambda: f"circuits to be ended for memory: {status(net.relay)}")
        for _ in range(8):
            steady.goes_on()
            now = status(net.relay)
            worst = max(worst, net.relay.proc.rss() - idle)
            assert now["memory"]["peak"] <= MEMORY_MB * MB, now
            time.sleep(0.2)
        # those that wait are bounded by the budget; on top of it comes what links and streams keep for themselves
        print(f"{CIRCUITS} circuits: {worst / MB:.1f} MB more resident, peak of cells {now['memory']['peak'] / MB:.1f} MB, ended {now['closed_for_memory']}")
        assert worst <= 2 * MB * CIRCUITS and worst <= 3 * MEMORY_MB * MB, worst / MB
        told = list(wait_for(lambda: net.relay.events("relay.budget"), 12, "the event"))
        assert sum(e["data"]["closed"] for e in told) > 0
        with crowd.lock:
            codes = [mux.ended.get(i.circuit.stream) for i in inners]
        assert codes.count(CODES["CIRC_OOM"]) > 0 and set(codes) <= {None, CODES["CIRC_OOM"]}, set(codes)
        assert net.relay.alive() and net.alice.alive()
    finally:
        if crowd:
            crowd.close()
        steady.close()
        bob.stop()
    assert not steady.failed, steady.failed
    wait_for(lambda: status(net.relay)["circuits"] == 0 and status(net.relay)["memory"]["bytes"] == 0, 15, lambda: f"all to be given back: {status(net.relay)}")


def test_what_is_relayed_keeps_to_the_rate(net):
    slow = net.agent("slow", "--relay-rate", RATE_MBIT)
    bob = net.agent("bob2")
    try:
        net.forward(bob, slow)
        data = os.urandom(MB)
        with bob.connect(FORWARD_PORT) as conn:
            conn.sendall(b"x")
            assert recv_exact(conn, 1) == b"x"
            before, began = status(slow)["bytes"], time.monotonic()
            thread = threading.Thread(target=conn.sendall, args=(data,))
            thread.start()
            assert recv_exact(conn, len(data)) == data
            took = time.monotonic() - began
            thread.join()
        carried = status(slow)["bytes"] - before
        assert carried >= 2 * MB  # both directions count
        assert carried * 8 / took <= RATE_MBIT * 1.15e6, f"{carried * 8 / took / 1e6:.1f} Mbit/s"  # 100 ms may be saved up
    finally:
        bob.stop()
        slow.stop()


@pytest.mark.parametrize("mode", ["off", "private"])
def test_who_does_not_relay_is_still_reached(net, mode):
    shy = net.agent(f"shy-{mode}", "--relay", mode)
    server = TcpServer(shy.host, ECHO_PORT, echo)
    shy.add_service("echo", f"127.0.0.1:{ECHO_PORT}")
    hops = {a.name: net.hop(a) for a in (net.relay, net.alice, shy)}
    here = hops[shy.name]
    try:
        mux = net.link(net.relay)
        with mux.tls:  # a circuit that ends there
            inner = Circuit(mux).build(hops["relay"], here).session()
            stream = inner.open("echo", b"hello")
            assert inner.status(stream) == 0
            while inner.streams[stream][2:] != b"hello":
                inner.read_frame()
        before = status(shy)["refused"]["policy"]
        for links, path in ((shy, [here]), (net.relay, [hops["relay"], here])):
            mux = net.link(links, Identity("stranger") if links is shy else None)
            with mux.tls:
                c = Circuit(mux).build(*path)
                if mode == "private" and links is net.relay:  # a configured peer hands it on
                    c.extend(hops["alice"])
                    assert c.ping()
                    continue
                with pytest.raises(HopRefused) as why:
                    c.extend(hops["alice"])
                assert why.value.code == CODES["CIRC_POLICY"]
                assert c.ping(), "the circuit is not what it was"
        assert status(shy)["refused"]["policy"] == before + (2 if mode == "off" else 1)
        assert not status(shy)["announced"]
    finally:
        server.close()
        shy.stop()
