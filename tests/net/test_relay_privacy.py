"""What relays come to know: their logs, memory, disks and lines are searched while a transfer goes through them, and afterwards.

bob -- r1 -- r2 -- r3 -- alice. What nodes publish of themselves anybody may know, relays too; what must not come together anywhere is *these two*.
So that it shows, nothing of alice and bob is public here: nobody's DHT, no beacon, no peers; alice's service is unlisted; bob got all records
by hand. Then whatever names one of them came with the circuit. Searched for are ids (raw, hex, text, and cut short as logs do), names, addresses
(raw, IPv4 mapped too, and text), the service's name, and a marker that the transfer consists of.

    r1: nothing of alice. r3: nothing of bob. r2: nothing of either. None: the service, the payload.
    bob anonymous: nor his id and name at r1 and alice, nor his address at alice.

bob is a real agent where he is anonymous. Where he says who he is, it is onion.py: of what an agent's registry holds it would offer r1 the
rest, alice among it, as to any peer.
"""
import contextlib
import json
import os
import socket
import threading
import time

import pytest

import spy
from lab import ROOT, wait_for
from onion import Attended, Circuit, Hop, hello_over_link
from overlay import PORT, Agent
from programs import TcpServer, recv_exact
from rogue import Identity, connect, vx
from star import Star

ECHO_PORT, FORWARD_PORT = 7400, 9400
FLAGS = ["--lan", "off", "--dht", "off"]
RELAYS = ("r1", "r2", "r3")


def echo(conn):
    while data := conn.recv(65536):
        conn.sendall(data)


class Path:
    def __init__(self, lab, level, anonymous):
        self.anonymous, secret = anonymous, os.urandom(5).hex()
        self.service, self.marker = f"svc-{secret}", f"[payload {os.urandom(12).hex()}]".encode()
        self.star = Star(lab, suffix="-" + secret[:5])
        self.agents = {n: Agent(self.star.host(n), f"{n}-{secret}", flags=[*FLAGS, "--log-level", level]).start() for n in (*RELAYS, "alice")}
        self.alice, self.relays = self.agents["alice"], {n: self.agents[n] for n in RELAYS}
        self.courier, self.bob_host = self.star.host("courier"), self.star.host("bob")
        self.server = TcpServer(self.alice.host, ECHO_PORT, echo)
        self.alice.api.call("POST", "/v1/services", {"name": self.service, "target": f"127.0.0.1:{ECHO_PORT}", "visibility": "private"})
        self.hops = {n: Hop.met(self.courier, (a.host.ip6, PORT)) for n, a in self.agents.items()}
        self.lines = {n: spy.Line(a.host, self.star.line[n].dev) for n, a in self.agents.items()}
        alice = spy.of_agent("alice", self.alice) + [("alice: onion key", self.hops["alice"].onion)]
        self.secrets = [("service", self.service.encode()), ("payload", self.marker)]
        self.bob = self.friends = None
        bob = self.begin_agent() if anonymous else self.begin_client(secret)
        knows_bob = [n for n in bob if "address" not in n[0]]
        self.needles = {"r1": alice + self.secrets + (knows_bob if anonymous else []), "r2": alice + bob + self.secrets, "r3": bob + self.secrets}
        if anonymous:
            self.needles["alice"] = bob
        self.known = {"r1": [n for n in bob if anonymous and "address" in n[0] or not anonymous and "name" not in n[0]], "r3": [n for n in alice if "onion" not in n[0]]}

    # bob

    def begin_client(self, secret):
        """onion.py, which says who it is."""
        self.identity = Identity("bob-" + secret)
        self.circuit = Circuit(connect(self.bob_host, (self.agents["r1"].host.ip6, PORT), self.identity, hello=hello_over_link(self.identity)))
        self.circuit.build(*(self.hops[n] for n in (*RELAYS, "alice")))
        self.inner = self.circuit.session(self.identity)
        return spy.of_node("bob", self.identity.text, self.identity.node, self.identity.name) + spy.of_host("bob", self.bob_host)

    def begin_agent(self):
        """An agent that knows what the courier brought, and a forward of it."""
        self.bob = Agent(self.bob_host, "bob-" + self.service[4:], flags=FLAGS).start()
        # as many sessions as a node wants to have: it makes none of its own accord, which would tell those whom it meets who it is
        friends = [connect(self.courier, (self.bob_host.ip6, PORT), who, hello=who.hello()) for who in (Identity(f"f{i}") for i in range(4))]
        self.friends = Attended(friends)
        records = [r for h in self.hops.values() for r in (h.record, h.relay_info)]
        tags = [(int.from_bytes(vx.blake2b("VX6-have", r[4:5] + bytes(8) + r[8:40])[:8], "big"), int.from_bytes(r[40:48], "big")) for r in records]
        who = Identity("courier")
        mux = connect(self.courier, (self.bob_host.ip6, PORT), who, hello=who.hello(features=1 | 2 | 8))
        with mux.tls:
            mux.have(tags)
            mux.await_control(8)
            mux.records(*records)
            mux.ping()
        self.bob.add_forward(f"127.0.0.1:{FORWARD_PORT}", to=f"{self.alice.node_id()}.{self.service}",
                             route={"via": "relay", "anonymous": True, "nodes": [a.node_id() for a in self.relays.values()]})
        return spy.of_agent("bob", self.bob)

    @contextlib.contextmanager
    def transfer(self):
        """There and back, without end, until the block is left. At least some of it went through then."""
        over, rounds, failed = threading.Event(), [0], []
        data = self.marker * (20000 // len(self.marker))

        def client():
            stream = self.inner.open(self.service)
            assert self.inner.status(stream) == 0
            while not over.is_set():
                before = len(self.inner.streams[stream])
                for at in range(0, len(data), 900):
                    self.inner.send(0, 0, stream, data[at:at + 900])
                while len(self.inner.streams[stream]) - before < len(data):
                    self.inner.read_frame()
                assert self.inner.streams.pop(stream)[-len(data):] == data
                self.inner.streams[stream] = b""
                rounds[0] += 1
                self.inner.send(1, 0, stream, (len(data)).to_bytes(4, "big"))
                self.inner.send(1, 0, 0, (len(data)).to_bytes(4, "big"))

        def agent():
            with self.bob.connect(FORWARD_PORT) as s:
                while not over.is_set():
                    s.sendall(data)
                    assert recv_exact(s, len(data)) == data
                    rounds[0] += 1

        def run():
            try:
                (agent if self.bob else client)()
            except BaseException as e:  # noqa: BLE001
                failed.append(e)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            wait_for(lambda: rounds[0] >= 3 or failed, 20, "bytes to come back")
            assert not failed, failed
            yield
        finally:
            over.set()
            thread.join(20)
        assert not failed and not thread.is_alive(), failed

    def close(self):
        self.server.close()
        if self.friends:
            self.friends.close()
        for line in self.lines.values():
            if not line.over.is_set():
                line.stop()
        for agent in [*self.agents.values(), *([self.bob] if self.bob else [])]:
            if agent.proc.running():
                agent.stop()


@pytest.fixture(params=[("info", False), ("debug", False), ("info", True), ("debug", True)], ids=["named-info", "named-debug", "anonymous-info", "anonymous-debug"])
def path(lab, request):
    made = Path(lab, *request.param)
    yield made
    made.close()


def test_no_relay_has_both_ends_nor_what_is_carried(path):
    watched = path.needles
    with path.transfer():
        for _ in range(3):  # at different moments of it
            for name, needles in watched.items():
                known = path.known.get(name, [])
                has, sees = spy.in_memory(path.agents[name].pid, needles, known)
                assert not has, f"memory of {name}"
                # the scan does see what is there to be seen
                assert sees == {w for w, _ in known}, f"memory of {name}"
            time.sleep(0.05)
    for name, needles in watched.items():
        assert spy.in_memory(path.agents[name].pid, needles) == [set()], f"memory of {name}, afterwards"
    if path.bob:
        path.bob.stop()
    else:
        path.circuit.mux.tls.close()
    for name in RELAYS:
        wait_for(lambda n=name: path.agents[n].api.get("/v1/node")["status"]["relay"]["circuits"] == 0, 10, f"circuits of {name} to end")
    for name, needles in watched.items():
        agent = path.agents[name]
        assert spy.in_memory(agent.pid, needles) == [set()], f"memory of {name}, when the circuit is over"
        agent.stop()  # what it wants to keep is on disk now
        assert not spy.found(needles, spy.disk(agent.state)), f"disk of {name}"
        assert not spy.found(needles, agent.proc.log.read_bytes()), f"log of {name}"
        line = path.lines[name].stop()
        assert path.lines[name].packets > 100
        assert not spy.found(needles, line), f"line of {name}"
    # nothing of a circuit is kept when it is over, not even where it led
    gone = [n for n in path.known["r3"] if "address" not in n[0]]
    assert not spy.found(gone, spy.disk(path.agents["r3"].state)), "disk of r3"
    assert not spy.found(gone, path.agents["r3"].proc.log.read_bytes()), "log of r3"


def shown_by(agent):
    """All that its API tells who asks it for everything."""
    paths = json.loads((ROOT / "schemas" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    heap, told = [], 0
    for route in (r for r, how in paths.items() if "get" in how and "{" not in r):
        status, _, value = agent.api.request("GET", route + ("?since=0&wait=0s" if route == "/v1/events" else ""))
        told += status == 200
        heap.append(f"{route} {json.dumps(value) if not isinstance(value, (str, bytes)) else value}")
    assert told > 20, heap
    return "\n".join(heap).encode()


@pytest.mark.parametrize("anonymous", [True, False], ids=["anonymous", "named"])
def test_what_the_target_shows_of_a_client(lab, anonymous):
    """Peers, services, circuits, events, log: nothing of an anonymous one, also when it is refused; the id, and still no address, of one that says who
    it is."""
    path = Path(lab, "debug", anonymous)
    alice, bob = path.alice, path.bob
    known = spy.of_agent("bob", bob) if anonymous else \
        spy.of_node("bob", path.identity.text, path.identity.node, path.identity.name) + spy.of_host("bob", path.bob_host)
    try:
        with path.transfer():
            during = shown_by(alice)
        if not anonymous:
            path.circuit.mux.tls.close()
        service = alice.api.items("/v1/services")[0]
        wait_for(lambda: alice.api.items("/v1/services")[0]["status"]["sessions"]["active"] == 0, 10, "the connection to end")
        alice.api.call("PATCH", f"/v1/services/{service['id']}", {"access": {"default": "none", "node_ids": [alice.node_id()]}})
        if anonymous:
            with bob.connect(FORWARD_PORT) as s, contextlib.suppress(ConnectionError):
                assert s.recv(1) == b""
        else:
            known += path.begin_client("anew")
            assert path.inner.status(path.inner.open(path.service)) != 0
        wait_for(lambda: alice.events("service.refused"), 10, "the refusal")
        for what, heap in (("during", during), ("afterwards", shown_by(alice)), ("log", alice.proc.log.read_bytes())):
            given_away = spy.found(known, heap)
            assert not given_away if anonymous else given_away <= {"bob: id"}, f"{what}: {given_away}"
        # whom the connection came from, as far as alice may know it, is to be seen, and so is a client that is not anonymous
        assert "r3: address" in spy.found(spy.of_agent("r3", path.relays["r3"]), during)
        assert anonymous or "bob: id" in spy.found(known, shown_by(alice))
    finally:
        path.close()


def test_each_scanner_finds_what_is_planted(lab):
    """The same needles, the same scanners, and a relay that is given what it must not have."""
    path = Path(lab, "debug", False)
    try:
        r2, needles = path.agents["r2"], path.needles["r2"]
        with path.transfer():
            assert spy.in_memory(r2.pid, needles) == [set()]
        # the payload, by a service of the relay's own under that name: in memory, and on disk
        local = TcpServer(r2.host, ECHO_PORT, echo)
        r2.add_service(path.service, f"127.0.0.1:{ECHO_PORT}")
        who = Identity("planter")
        mux = connect(path.courier, (r2.host.ip6, PORT), who, hello=who.hello())
        with mux.tls:
            stream = mux.open(path.service, path.marker * 200)
            while len(mux.streams.get(stream, b"")) < 2 + 200 * len(path.marker):
                mux.read_frame()
            assert spy.in_memory(r2.pid, path.secrets) == [{"service", "payload"}]
        local.close()
        assert "service" in spy.found(needles, spy.disk(r2.state))
        # both ends, by what its operator looks up: in memory
        with contextlib.suppress(Exception):
            r2.api.call("POST", "/v1/peers", {"addresses": [f"[{path.alice.host.ip6}]:{PORT}"]})
        wait_for(lambda: {"alice: id", "alice: name", "alice: address"} <= spy.in_memory(r2.pid, needles)[0], 10, "alice in the memory of r2")
        wait_for(lambda: "alice: address" in spy.found(needles, r2.proc.log.read_bytes()) or "alice: id" in spy.found(needles, r2.proc.log.read_bytes()), 10,
                 "alice in the log of r2")
        # a packet that nobody encrypted
        with r2.host.enter(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.sendto(b"GET " + path.service.encode() + path.marker, (path.agents["r1"].host.ip6, 9))
        time.sleep(0.3)
        line = spy.found(needles, path.lines["r2"].stop())
        assert {"service", "payload", "alice: address"} <= line
        # and each needle by itself
        for what, needle in needles:
            assert what in spy.found([(what, needle)], b"x" * 1000 + needle + b"\n"), what
    finally:
        path.close()


def test_needles_do_not_see_what_is_not_there():
    assert not spy.found([("address", b"fd00:6:1::1")], b"fd00:6:1::12")
    assert spy.found([("address", b"fd00:6:1::1")], b"[fd00:6:1::1]:4242") == {"address"}
