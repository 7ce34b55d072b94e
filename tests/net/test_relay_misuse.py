"""Clients of circuits that ask for what they must not get, and say what must not be said: refused as the wire pages say, and nobody else is harmed.

The client is onion.py. A refusal leaves the circuit as it was (HopRefused, or a status); a violation ends it (Ended). Both are
counted where `GET /v1/node` shows them.
"""
import contextlib
import os
import socket
import struct
import time

import pytest

import rogue
from lab import wait_for
from onion import (Attended, CELL, CODES, CREATE, CREATED, DATA_MAX, DRAIN, EXTEND, EXTENDED, PAD, PADDING, PING_HOP, PONG_HOP, REFUSED, RELAY, STREAMS, Circuit,
                   Ended, Handshake, Hop, HopRefused, extend_data, hello_over_link)
from overlay import PORT, Agent
from programs import TcpServer, recv_exact
from rogue import DATA, FIN, OPEN, Identity, Mux, Refused, connect, vx
from star import Star

FLAGS = ["--lan", "off"]
ECHO_PORT, SECRET_PORT = 7400, 7401
PUBLIC = "2a01:4f8:6::1"


def echo(conn):
    while data := conn.recv(65536):
        conn.sendall(data)


class Net:
    """Three relays and alice, who publishes "echo" to all and "vip" to a stranger; mallory and a black hole."""

    def __init__(self, lab):
        self.star = Star(lab, suffix="-misuse")
        self.agents = {}
        for name in ("r1", "r2", "r3", "alice"):
            peers = [self.agents["r1"].address] if self.agents else []
            self.agents[name] = Agent(self.star.host(name), name, peers=peers, flags=FLAGS).start()
        self.r1, self.r2, self.r3, self.alice = self.agents.values()
        self.echo = TcpServer(self.alice.host, ECHO_PORT, echo)
        self.loopback = {a.name: TcpServer(a.host, SECRET_PORT, echo, address="::1") for a in self.agents.values()}
        self.alice.add_service("echo", f"127.0.0.1:{ECHO_PORT}")
        self.alice.add_service("vip", f"127.0.0.1:{ECHO_PORT}", allow=[Identity().text])
        self.mallory = self.star.host("mallory")
        self.hole = self.star.host("hole")
        self.star.line["hole"].command("down")
        self.hops = {n: Hop.met(self.mallory, self.at(a)) for n, a in self.agents.items()}
        for other in (self.r2, self.r3, self.alice):
            wait_for(lambda a=other: self.knows(self.r1, a), 10, f"r1 to know {other.name}")

    @staticmethod
    def at(agent):
        return agent.host.ip6, PORT

    @staticmethod
    def knows(agent, other):
        return any(n["node_id"] == other.node_id() for n in agent.api.items("/v1/registry/nodes"))

    def link(self, agent=None, who=None, host=None, **kw):
        """A session for circuits; who=None: an anonymous one."""
        return connect(host or self.mallory, self.at(agent or self.r1), who, hello=hello_over_link(who), **kw)

    def circuit(self, *names, who=None):
        names = names or ("r1",)
        return Circuit(self.link(self.agents[names[0]], who)).build(*(self.hops[n] for n in names))

    def relay(self, agent=None):
        return (agent or self.r1).api.get("/v1/node")["status"]["relay"]

    def works(self):
        """An honest client is served over three relays."""
        c = self.circuit("r1", "r2", "r3", "alice")
        with c.mux.tls:
            assert echoes(c.session())
        return True


def echoes(inner, name="echo", said=b"hello there"):
    stream = inner.open(name, said)
    if inner.status(stream) != 0:
        return False
    while len(inner.streams[stream]) < 2 + len(said):
        inner.read_frame()
    return inner.streams[stream][2:] == said


@pytest.fixture(scope="module")
def net(lab):
    made = Net(lab)
    yield made
    for agent in made.agents.values():
        assert agent.alive(), f"{agent.name} did not survive"
        agent.stop()


def counters(status):
    return {**status["refused"], "protocol_errors": status["protocol_errors"]}


@contextlib.contextmanager
def counted(net, what, agent=None, by=1):
    """The counter goes up by that much, and no other one does."""
    before = counters(net.relay(agent))
    yield
    expected = {k: v + (by if k == what else 0) for k, v in before.items()}
    wait_for(lambda: counters(net.relay(agent)) == expected, 5, lambda: f"{what} to be counted: {before}, {counters(net.relay(agent))}")


def code_name(code):
    return next((n for n, c in CODES.items() if c == code), hex(code))


# What is asked for and not given. The circuit stays.


def stranger(at=None, **kw):
    """Somebody with a record of his own making."""
    who = Identity("stranger")
    return Hop(who.node, rogue.public(os.urandom(32)), who.endpoint(at=at, **kw)) if at else Hop(who.node, rogue.public(os.urandom(32)), b"")


def onion_key():
    return Handshake(bytes(32), VALID_KEY).pk


VALID_KEY = bytes([9]) + bytes(31)  # the base point: a public key that nobody needs to own


def hop_of(record, node=None):
    return Hop(node or record[8:40], VALID_KEY, record)


def flipped(record, at=100):
    return record[:at] + bytes([record[at] ^ 1]) + record[at + 1:]


def made_up(at, **kw):
    return hop_of(Identity("stranger").endpoint(at=at, **kw))


def with_subject_of(net, name):
    """A record about that node, signed by somebody else."""
    who = Identity("thief")
    return hop_of(who.record(1, [vx.tlv(3, vx.u64(3))], subject=net.hops[name].node))


def old():
    return int(time.time()) - 7200


EXTENDS = {
    "the relay itself": ("policy", "CIRC_POLICY", lambda n: n.hops["r1"]),
    "a changed address": ("format", "SIG", lambda n: hop_of(flipped(n.hops["r2"].record))),
    "a changed signature": ("format", "SIG", lambda n: hop_of(flipped(n.hops["r2"].record, -1 + len(n.hops["r2"].record)))),
    "a record by somebody else": ("format", "WRONG_PEER", lambda n: with_subject_of(n, "r2")),
    "the record of another node": ("format", "WRONG_PEER", lambda n: hop_of(n.hops["r3"].record, n.hops["r2"].node)),
    "an expired record": ("format", None, lambda n: made_up((n.r2.host.ip6, PORT), issued=old(), lifetime=3600)),
    "a record of tomorrow": ("format", None, lambda n: made_up((n.r2.host.ip6, PORT), issued=int(time.time()) + 86400)),
    "a record of another kind": ("format", None, lambda n: hop_of(Identity().service("web"))),
    "no record of an unknown node": ("unreachable", "NOT_FOUND", lambda n: Hop(Identity().node, VALID_KEY, b"")),
    "a record without address": ("policy", "CIRC_POLICY", lambda n: hop_of(Identity().endpoint())),
    "the relay's loopback": ("policy", "CIRC_POLICY", lambda n: made_up(("::1", SECRET_PORT))),
    "the relay's loopback, IPv4": ("policy", "CIRC_POLICY", lambda n: made_up(("::ffff:127.0.0.1", SECRET_PORT))),
    "a link-local address": ("policy", "CIRC_POLICY", lambda n: made_up(("fe80::1", PORT))),
    "nobody at home": ("unreachable", "CIRC_UNREACHABLE", lambda n: made_up((n.mallory.ip6, PORT))),
    "another node at that address": ("unreachable", "CIRC_UNREACHABLE", lambda n: made_up((n.r3.host.ip6, PORT))),
}


@pytest.mark.parametrize("what", EXTENDS)
def test_next_hops_that_are_refused(net, what):
    counter, code, make = EXTENDS[what]
    c = net.circuit()
    with c.mux.tls, counted(net, counter):
        with pytest.raises(HopRefused) as why:
            c.extend(make(net))
        assert code is None or code_name(why.value.code) == code
        assert why.value.code not in (CODES["CIRC_PROTO"], 0)
        assert c.ping(), "the circuit is not what it was"
        c.extend(net.hops["r2"])  # a sound one is led on
    assert all(server.accepted == 0 for server in net.loopback.values())


def test_no_way_back_to_where_it_came_from(net):
    c = net.circuit("r1", "r2")
    with c.mux.tls, counted(net, "policy", net.r2):
        with pytest.raises(HopRefused) as why:
            c.extend(net.hops["r1"])
        assert code_name(why.value.code) == "CIRC_POLICY"
    who = Identity("boomerang")
    c = net.circuit("r1", who=who)
    with c.mux.tls, counted(net, "policy"):
        with pytest.raises(HopRefused) as why:
            c.extend(hop_of(who.endpoint(at=(net.mallory.ip6, PORT))))
        assert code_name(why.value.code) == "CIRC_POLICY"


def test_an_innocent_program_gets_the_beginning_of_a_handshake_and_no_more(net):
    """A made-up node's record may name any address. What is dialled for it proves its key or learns nothing."""
    heard = []

    def listen(conn):
        conn.settimeout(1)
        try:
            while data := conn.recv(65536):
                heard.append(data)
        except TimeoutError:
            pass

    with contextlib.closing(TcpServer(net.mallory, 8000, listen, address="::")):
        c = net.circuit()
        with c.mux.tls:
            with pytest.raises(HopRefused):
                c.extend(made_up((net.mallory.ip6, 8000)))
    data = b"".join(heard)
    assert data[:2] == b"\x16\x03" and data[5] == 1 and len(data) == 5 + struct.unpack("!H", data[3:5])[0], data[:16]


def test_a_relay_of_the_public_network_leads_nobody_into_the_private_ones_beside_it(net):
    gate = Agent(net.star.host("gate"), "gate", flags=[*FLAGS, "--dht", "off"])
    gate.host.ip("addr", "add", f"{PUBLIC}/128", "dev", net.star.line["gate"].dev)
    gate.start()
    inside = TcpServer(gate.host, 8001, echo, address=gate.host.ip6)
    hop = Hop.met(net.mallory, net.at(gate))
    try:
        for at in ((gate.host.ip6, 8001), ("::ffff:" + gate.host.ip4, 8001), (net.r2.host.ip6, PORT)):
            mux = net.link(gate)
            with mux.tls, counted(net, "policy", gate):
                c = Circuit(mux).build(hop)
                with pytest.raises(HopRefused) as why:
                    c.extend(made_up(at))
                assert code_name(why.value.code) == "CIRC_POLICY"
        assert inside.accepted == 0
    finally:
        inside.close()
        gate.stop()


INSIDE = {
    "no such service": (b"\1\1\0\4nope", 0x64),
    "a service for others": (b"\1\1\0\3vip", 0x65),
    "an address for a name": (b"\1\1\0\x0e127.0.0.1:7401", None),
    "a circuit inside of it": (b"\1\4\0\0", "CIRC_POLICY"),
    "a question to the DHT": (b"\1\2\0\0\1\0\0" + bytes(32), "UNSUPPORTED"),
    "another kind": (b"\1\x09\0\0", "BAD_FORMAT"),
}


@pytest.mark.parametrize("what", INSIDE)
def test_an_end_gives_its_published_services_and_nothing_else(net, what):
    said, code = INSIDE[what]
    c = net.circuit("r1", "alice")
    with c.mux.tls:
        inner = c.session()
        got = inner.status(inner.open(None, raw=said))
        assert got != 0
        if code is not None:
            assert code_name(got) == (code_name(code) if isinstance(code, int) else code)
        assert echoes(inner), "the session is not what it was"
    assert all(server.accepted == 0 for server in net.loopback.values())


def test_a_proof_of_another_circuit_is_no_proof(net):
    """HELLO over a circuit is signed with what only its two ends share."""
    who = Identity("honest")
    first, second = net.circuit("r1", "alice"), net.circuit("r1", "alice")
    with first.mux.tls, second.mux.tls:
        with pytest.raises((Ended, Refused)):
            inner = second.inner()
            inner.say_hello(first.hello(who))
            inner.ping()
        assert echoes(first.session(who))


# What ends a circuit, or keeps one from being.


def fill(said):
    return said + os.urandom(CELL - len(said))


def bare(hop, **bent):
    """A CREATE cell with one thing wrong."""
    hs = Handshake(hop.node, hop.onion)
    key, body = hs.create()[3:11], hs.hs
    said = vx.u8(bent.get("version", 1)) + vx.u16(bent.get("length", len(body))) + bent.get("key", key) + bent.get("body", lambda b: b)(body)
    return fill(bytes([bent.get("command", CREATE)]) + said)


BAD_BEGINNINGS = {
    "RELAY": ("protocol_errors", "CIRC_PROTO", lambda h: fill(bytes([RELAY]))),
    "CREATED": ("protocol_errors", "CIRC_PROTO", lambda h: bare(h, command=CREATED)),
    "an unknown command": ("protocol_errors", "CIRC_PROTO", lambda h: bare(h, command=9)),
    "command 0": ("protocol_errors", "CIRC_PROTO", lambda h: bytes(CELL)),
    "another version": ("format", "CIRC_PROTO", lambda h: bare(h, version=2)),
    "a handshake that is too short": ("format", "CIRC_PROTO", lambda h: bare(h, length=63)),
    "a handshake longer than its cell": ("format", "CIRC_PROTO", lambda h: bare(h, length=1013)),
    "a handshake that says 65535": ("format", "CIRC_PROTO", lambda h: bare(h, length=0xffff)),
    "a key that it has not": ("key", "STALE", lambda h: bare(h, key=os.urandom(8))),
    "a handshake for another node": ("format", "CIRC_PROTO", lambda h: Circuit(None).create_cell(Hop(bytes(32), h.onion, b""))),
    "a changed handshake": ("format", "CIRC_PROTO", lambda h: bare(h, body=lambda b: flipped(b, 40))),
    "a point of small order": ("format", "CIRC_PROTO", lambda h: bare(h, body=lambda b: bytes(32) + b[32:])),
    "noise for a message": ("format", "CIRC_PROTO", lambda h: Circuit(None).create_cell(h, os.urandom(90))),
    "an unknown critical message": ("format", "CIRC_PROTO", lambda h: Circuit(None).create_cell(h, vx.tlv(0x90, b"x"))),
    "NEXT that is cut off": ("format", "CIRC_PROTO", lambda h: Circuit(None).create_cell(h, vx.tlv(1, bytes(40)))),
}


@pytest.mark.parametrize("what", BAD_BEGINNINGS)
def test_bad_beginnings(net, what):
    counter, code, make = BAD_BEGINNINGS[what]
    mux = net.link()
    with mux.tls:
        before = net.relay()["creates"]
        with counted(net, counter):
            assert code_name(Circuit(mux).open_with(make(net.hops["r1"])).end()) == code
        assert net.relay()["creates"] == before
        assert Circuit(mux).build(net.hops["r1"]).ping(), "the session is not what it was"


def test_a_create_is_good_once_and_for_one_relay(net):
    mux, other = net.link(), net.link(net.r2)
    with mux.tls, other.tls:
        c = Circuit(mux)
        cell = c.create_cell(net.hops["r1"])
        c.open_with(cell)
        c.created(net.hops["r1"])
        with counted(net, "replay"):
            assert code_name(Circuit(mux).open_with(cell).end()) == "CIRC_REPLAY"
        with counted(net, "replay"):  # fill is not what it is known by
            assert code_name(Circuit(mux).open_with(cell[:500] + os.urandom(524)).end()) == "CIRC_REPLAY"
        with counted(net, "key", net.r2):
            assert code_name(Circuit(other).open_with(cell).end()) == "STALE"
        with counted(net, "format", net.r2):
            there = Handshake(net.hops["r2"].node, net.hops["r2"].onion).create()[3:11]
            assert code_name(Circuit(other).open_with(cell[:4] + there + cell[12:]).end()) == "CIRC_PROTO"
        assert c.ping()


def garbage(c):
    c.write(bytes([RELAY]) + os.urandom(CELL - 1))


def say(kind, data=b""):
    return lambda c: c.send(kind, data)


def extend_twice(c, hop):
    c.ask_extend(hop)
    c.ask_extend(hop)


def in_streams(*frames):
    """The circuit's session is begun first, so that nothing but this is wrong."""
    def do(c):
        c.session()
        for frame in frames:
            c.send(STREAMS, frame)
    return do


F = Mux.frame
VIOLATIONS = {  # at a hop that is the last one
    "CREATE again": lambda c: c.write(c.create_cell(c.hops[0])),
    "CREATED": lambda c: c.write(fill(bytes([CREATED]))),
    "an unknown command": lambda c: c.write(fill(b"\x7f")),
    "a cell that is not for it": garbage,
    "an unknown message": say(77, b"x"),
    "message 0": say(0),
    "a length beyond the cell": lambda c: c.send_payload(struct.pack("!BH", PADDING, DATA_MAX + 1) + bytes(DATA_MAX)),
    "EXTENDED": say(EXTENDED, vx.created(bytes(64))),
    "REFUSED": say(REFUSED, vx.u16(5)),
    "PONG": say(PONG_HOP, bytes(8)),
    "DRAIN": say(DRAIN, vx.u16(7)),
    "PING that is short": say(PING_HOP, bytes(7)),
    "PING that is long": say(PING_HOP, bytes(9)),
    "EXTEND of nothing": say(EXTEND),
    "EXTEND that is cut off": lambda c: c.send(EXTEND, extend_data(c.hops[0], Handshake(c.hops[0].node, VALID_KEY).create())[:-1]),
    "EXTEND with bytes behind": lambda c: c.send(EXTEND, extend_data(c.hops[0], Handshake(c.hops[0].node, VALID_KEY).create()) + b"x"),
    "EXTEND with a record that is too big": lambda c: c.send(EXTEND, extend_data(c.hops[0], Handshake(c.hops[0].node, VALID_KEY).create(), bytes(641))),
    "EXTEND whose CREATE is none": lambda c: c.send(EXTEND, extend_data(c.hops[0], bytes(200))),
    "STREAMS of nothing": say(STREAMS),
    "half a frame": say(STREAMS, F(DATA, OPEN, 1, b"x" * 100)[:50]),
    "a frame longer than its payload": say(STREAMS, F(DATA, OPEN, 1, b"x" * 100, length=2000)),
    "an unknown frame": in_streams(F(99, 0, 3, b"x")),
    "unknown flags": in_streams(F(DATA, 0xF0, 3, b"x")),
    "a stream that never was": in_streams(F(DATA, 0, 4001, b"x")),
    "a stream of the other side's": in_streams(F(DATA, OPEN, 2, b"\1\1\0\4echo")),
    "a window beyond reason": in_streams(*[F(rogue.WINDOW, 0, 0, b"\xff\xff\xff\xff")] * 3),
    "a window of nothing": in_streams(F(rogue.WINDOW, 0, 1, bytes(4))),
    "EXTEND after STREAMS": lambda c: (c.session(), c.send(EXTEND, extend_data(c.hops[0], Handshake(c.hops[0].node, VALID_KEY).create()))),
}


@pytest.mark.parametrize("what", VIOLATIONS)
def test_violations_end_the_circuit(net, what):
    c = net.circuit()
    beside = Circuit(c.mux).build(net.hops["r1"])
    with c.mux.tls, counted(net, "protocol_errors"):
        VIOLATIONS[what](c)
        assert code_name(c.end()) == "CIRC_PROTO"
        assert beside.ping(), "another circuit of the same link was harmed"


def test_what_the_order_of_extending_forbids(net):
    c = net.circuit()
    with c.mux.tls, counted(net, "protocol_errors"):  # twice before an answer
        hole = made_up((net.hole.ip6, PORT))
        c.ask_extend(hole)
        c.ask_extend(hole)
        assert code_name(c.end()) == "CIRC_PROTO"
    for kind, data in ((EXTEND, extend_data(net.hops["r3"], Handshake(net.hops["r3"].node, net.hops["r3"].onion).create())),
                       (STREAMS, F(DATA, OPEN, 1, b"x"))):  # at a hop that was extended
        c = net.circuit("r1", "r2")
        with c.mux.tls, counted(net, "protocol_errors"):
            c.send(kind, data, hop=0)
            assert code_name(c.end()) == "CIRC_PROTO"


def test_the_ninth_extend_is_one_too_many(net):
    c = net.circuit()
    with c.mux.tls:
        for _ in range(8):
            with pytest.raises(HopRefused):
                c.extend(net.hops["r1"])
        with counted(net, "protocol_errors"):
            c.ask_extend(net.hops["r2"])
            assert code_name(c.end()) == "CIRC_PROTO"


def test_an_end_seen_from_behind_a_relay_says_nothing_of_its_cause(net):
    c = net.circuit("r1", "r2", "r3")
    with c.mux.tls, counted(net, "protocol_errors", net.r3):
        garbage(c)
        assert code_name(c.end()) == "CIRC_DESTROYED"


def test_a_stream_of_cells_is_never_finished(net):
    for last in (b"", os.urandom(100)):
        c = net.circuit()
        with c.mux.tls, counted(net, "protocol_errors"):
            c.mux.send(DATA, FIN, c.stream, last)
            assert code_name(c.end()) == "CIRC_PROTO"
    mux = net.link()
    with mux.tls:  # before there is a circuit
        c = Circuit(mux)
        c.stream = mux.next
        mux.next += 2
        mux.send(DATA, OPEN | FIN, c.stream, b"\1\4\0\0" + c.create_cell(net.hops["r1"])[:500])
        assert code_name(c.end()) == "CIRC_PROTO"


def test_padding_is_nothing(net):
    c = net.circuit("r1", "r2")
    with c.mux.tls:
        c.write(fill(bytes([PAD])))
        for hop in (0, 1):
            c.send(PADDING, os.urandom(500), hop=hop)
            assert c.ping(hop)


def test_a_flood_of_pings_is_answered_by_as_many_as_fit(net):
    """Nothing is read meanwhile: answers that found no room share one."""
    c = net.circuit("r1", "r2")
    with c.mux.tls:
        before = net.r1.proc.rss(), net.r2.proc.rss()
        for _ in range(230):  # as many cells as a stream's first window holds
            c.send(PING_HOP, os.urandom(8))
        token = os.urandom(8)
        c.send(PING_HOP, token)
        while c.expect(PONG_HOP)[2] != token:
            pass
        assert all(a.proc.rss() - b < 4 << 20 for a, b in zip((net.r1, net.r2), before))
    assert net.works()


# Many that do nothing


def crowd_of(net, n):
    """Hosts in networks of their own, each with a session to r1 in which it says who it is."""
    found = []
    for i in range(n):
        host = net.star.host(f"crowd{i}")
        found.append(net.link(who=Identity(f"c{i}"), host=host))
    return found


def goes_on(conn):
    said = os.urandom(16)
    conn.sendall(said)
    assert recv_exact(conn, len(said)) == said


@pytest.mark.limit(90)
def test_idle_and_half_built_circuits_keep_no_honest_one_out(net):
    crowd = Attended(crowd_of(net, 4))
    bob = Agent(net.star.host("bob"), "bob", peers=[net.r1.address], flags=[*FLAGS, "--relay", "off"]).start()
    idle = []
    try:
        bob.add_forward("127.0.0.1:9400", to="alice.echo", route={"via": "relay", "nodes": [net.r1.node_id(), net.r2.node_id()]})
        with bob.connect(9400) as steady:
            goes_on(steady)
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                for i in range(100):  # connections that never begin a handshake
                    with net.mallory.enter():
                        idle.append(stack.enter_context(socket.create_connection(net.at(net.r1), timeout=5)))
                stack.pop_all()
            hole = made_up((net.hole.ip6, PORT))
            for i in range(50):  # led on to a black hole
                with crowd.lock:
                    for mux in crowd.muxes:
                        Circuit(mux).build(net.hops["r1"]).ask_extend(hole)
                if i % 10 == 0:
                    goes_on(steady)
            for i in range(200):  # CREATE never comes
                with crowd.lock:
                    for mux in crowd.muxes:
                        Circuit(mux).open_with(b"")
                if i % 50 == 0:
                    time.sleep(0.8)  # a network may open 256 a second
                    goes_on(steady)
            assert len(crowd.muxes) == 4
            wait_for(lambda: net.relay()["half_built"] > 500, 5, lambda: f"half-built circuits: {net.relay()}")
            built = bob.api.call("POST", "/v1/circuits", {"to": "alice", "route": {"via": "relay", "nodes": [net.r1.node_id(), net.r3.node_id()]}})

            def is_open():
                return bob.api.get(f"/v1/circuits/{built['id']}")["state"] == "open"

            wait_for(is_open, 10, lambda: f"bob's circuit: {bob.api.get('/v1/circuits/' + built['id'])}")
            with bob.connect(9400) as s:  # a connection of its own, as big as a window
                data = os.urandom(1 << 20)
                s.sendall(data)
                assert recv_exact(s, len(data)) == data
            goes_on(steady)
    finally:
        for s in idle:
            s.close()
        crowd.close()
        bob.stop()
    wait_for(lambda: net.relay()["half_built"] == 0, 15, lambda: f"half-built circuits to go: {net.relay()}")
    assert net.works()
