"""What nodes come to know of a hidden service that they are on the way to: their logs, memory, disks and lines are searched during a transfer, and
afterwards.

Nothing of alice, who hides a service, and bob, who uses it, is public here: both got the records of all relays by hand, and show themselves to nobody. Then
whatever names one of them anywhere came with the service. Searched for are ids (raw, hex, text, and cut short as logs do), names, addresses (raw, IPv4
mapped too, and text), the service's name, alias and key, and a marker that the transfer consists of.

    alice's address: at her first relays. bob's: at his. Their ids and names, what is carried, the service: nowhere.
    alice knows nothing of bob, bob of alice but the service's key.
"""
import contextlib
import os
import socket
import threading
import time

import pytest

import hidden
import spy
from lab import FULL, wait_for
from onion import Attended, Hop
from overlay import PORT, Agent
from programs import TcpServer, recv_exact
from relays import RelayNet
from rogue import Identity, connect, vx

ECHO_PORT, FORWARD_PORT = 7400, 9400
QUIET = ["--lan", "off", "--dht", "off", "--relay", "off"]
RELAYS = 14


def echo(conn):
    while data := conn.recv(65536):
        conn.sendall(data)


def key_bytes(text):
    """What the text of a key says: after the version, before the checksum."""
    five = [vx.CHARSET.index(c) for c in text[text.rindex("1") + 1:-6]]
    bits = "".join(f"{n:05b}" for n in five)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits) - 7, 8))[1:]


class Veiled:
    """Relays that know each other, and two that know the relays and are known to none."""

    def __init__(self, lab, level):
        self.secret = os.urandom(5).hex()
        self.service, self.marker = f"svc-{self.secret}", f"[payload {os.urandom(12).hex()}]".encode()
        self.net = RelayNet(lab, count=RELAYS, delays=(1, 4), relay=["--log-level", level])
        self.net.entry.start()
        for r in self.net.relays[1:]:
            r.start()
        self.relays = self.net.relays
        self.by_id = {r.node_id(): r for r in self.relays}
        star = self.net.star
        self.courier = star.host(f"courier-{self.secret}")
        hops = [Hop.met(self.courier, (r.host.ip6, PORT)) for r in self.relays]
        self.records = [x for h in hops for x in (h.record, h.relay_info)]
        self.crowds = []
        self.alice, self.bob = (self.begin(star, n, level) for n in ("alice", "bob"))
        self.lines = {a: spy.Line(a.host, star.line[a.host.name.removesuffix(star.suffix)].dev) for a in (*self.relays, self.alice, self.bob)}
        self.server = TcpServer(self.alice.host, ECHO_PORT, echo)
        hidden.publish(self.alice, self.service, f"127.0.0.1:{ECHO_PORT}", self.service, "--force")
        self.invite = hidden.invite(self.alice, self.service)
        self.key = hidden.status(self.alice, self.service)["key"]
        hidden.accept(self.bob, self.service, self.invite)
        hidden.visit(self.bob, self.service, f"127.0.0.1:{FORWARD_PORT}", self.service)
        self.of_alice, self.of_bob = spy.of_agent("alice", self.alice), spy.of_agent("bob", self.bob)
        raw = key_bytes(self.key)
        self.of_service = [("service", self.service.encode()), ("service: key", raw), ("service: key", raw.hex().encode()),
                           ("service: key", self.key.encode()), ("service: key", self.key[:12].encode())]
        self.payload = [("payload", self.marker)]
        self.guards = {self.alice: set(), self.bob: set()}

    def begin(self, star, name, level):
        """An agent that knows what the courier brought. It has as many sessions as a node wants to have, all with ghosts: it makes none of its own
        accord, which would tell those whom it meets who it is."""
        host = star.host(f"{name}-{self.secret}", delay=2)
        agent = Agent(host, f"{name}-{self.secret}", flags=[*QUIET, "--log-level", level]).start()
        friends = [connect(self.courier, (host.ip6, PORT), who, hello=who.hello()) for who in (Identity(f"f{i}") for i in range(4))]
        self.crowds.append(Attended(friends))
        tags = [(int.from_bytes(vx.blake2b("VX6-have", r[4:5] + bytes(8) + r[8:40])[:8], "big"), int.from_bytes(r[40:48], "big")) for r in self.records]
        who = Identity("courier")
        mux = connect(self.courier, (host.ip6, PORT), who, hello=who.hello(features=1 | 2 | 8))
        with mux.tls:
            mux.have(tags)
            mux.await_control(8)
            mux.records(*self.records)
            mux.ping()
        return agent

    def look_at_guards(self):
        for who, seen in self.guards.items():
            seen |= {self.by_id[c["hops"][0]["node_id"]] for c in who.api.items("/v1/circuits") if c["hops"]}

    def remembered(self, agent):
        """What is in its memory and must not be. Whoever became a guard only just now is one."""
        found = spy.in_memory(agent.pid, self.needles(agent))
        if found == [set()]:
            return found
        self.look_at_guards()
        allowed = {n[0] for n in (*self.of_alice, *self.of_bob)} - {n[0] for n in self.needles(agent)}
        return [labels - allowed for labels in found]

    def needles(self, agent):
        """What must not be at a node."""
        if agent is self.alice:
            return self.of_bob
        if agent is self.bob:
            return self.of_alice
        found = [*self.of_service, *self.payload]
        for who, names in ((self.alice, self.of_alice), (self.bob, self.of_bob)):
            found += [n for n in names if "address" not in n[0] or agent not in self.guards[who]]
        return found

    @contextlib.contextmanager
    def transfer(self):
        over, rounds, failed = threading.Event(), [0], []
        data = self.marker * (20000 // len(self.marker))

        def run():
            try:
                with self.bob.connect(FORWARD_PORT, timeout=60) as s:
                    while not over.is_set():
                        s.sendall(data)
                        assert recv_exact(s, len(data)) == data
                        rounds[0] += 1
            except BaseException as e:  # noqa: BLE001
                failed.append(e)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            wait_for(lambda: rounds[0] >= 3 or failed, 60, "bytes to come back")
            assert not failed, failed
            yield
        finally:
            over.set()
            thread.join(30)
        assert not failed and not thread.is_alive(), failed

    @property
    def agents(self):
        return [*self.relays, self.alice, self.bob]

    def close(self):
        self.server.close()
        for crowd in self.crowds:
            crowd.close()
        for line in self.lines.values():
            if not line.over.is_set():
                line.stop()
        for agent in self.agents:
            if agent.proc.running():
                agent.proc.kill()


@pytest.fixture(params=["info", "debug"] if FULL else ["debug"])
def veiled(lab, request):
    made = Veiled(lab, request.param)
    yield made
    made.close()


@pytest.mark.limit(240)
def test_nobody_has_both_ends_nor_the_service(veiled):
    with veiled.transfer():
        for _ in range(2):  # at different moments of it
            veiled.look_at_guards()
            for agent in veiled.agents:
                assert veiled.remembered(agent) == [set()], f"memory of {agent.name}"
        # the scan sees what is there to be seen
        for who, names in ((veiled.alice, veiled.of_alice), (veiled.bob, veiled.of_bob)):
            using = {veiled.by_id[c["hops"][0]["node_id"]] for c in who.api.items("/v1/circuits") if c["state"] == "open" and c["hops"]}
            for guard in using:
                assert spy.in_memory(guard.pid, [n for n in names if "address" in n[0]]) != [set()], f"{guard.name} does not know {who.name}"
        assert spy.in_memory(veiled.bob.pid, veiled.of_service) != [set()]
    veiled.look_at_guards()
    # both ends first: without their guards they would look for others
    for agent in reversed(veiled.agents):
        agent.stop()  # what it wants to keep is on disk now
        assert not spy.found(veiled.needles(agent), spy.disk(agent.state)), f"disk of {agent.name}"
        assert not spy.found(veiled.needles(agent), agent.proc.log.read_bytes()), f"log of {agent.name}"
        line = veiled.lines[agent].stop()
        assert not spy.found(veiled.needles(agent), line), f"line of {agent.name}"


@pytest.mark.limit(240)
def test_each_scanner_finds_what_is_planted(lab):
    """The same needles, the same scanners, and a relay that is given what it must not have."""
    veiled = Veiled(lab, "debug")
    try:
        with veiled.transfer():
            veiled.look_at_guards()
            outside = next(r for r in veiled.relays if r not in veiled.guards[veiled.alice] | veiled.guards[veiled.bob])
            needles = veiled.needles(outside)
            assert spy.in_memory(outside.pid, needles) == [set()]
            # it is invited itself: the service, in memory and on disk
            hidden.accept(outside, veiled.service, veiled.invite)
            assert {"service", "service: key"} <= spy.in_memory(outside.pid, needles)[0]
            assert "service" in spy.found(needles, spy.disk(outside.state))
            # its operator looks alice up: who she is, in memory and log
            with contextlib.suppress(Exception):
                outside.api.call("POST", "/v1/peers", {"addresses": [f"[{veiled.alice.host.ip6}]:{PORT}"]})
            wait_for(lambda: {"alice: id", "alice: address"} <= spy.in_memory(outside.pid, needles)[0], 15, "alice in its memory")
            wait_for(lambda: {"alice: id", "alice: address"} & spy.found(needles, outside.proc.log.read_bytes()), 10, "alice in its log")
            # a packet that nobody encrypted
            with outside.host.enter(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                to = next(r for r in veiled.relays if r is not outside)
                s.sendto(b"GET " + veiled.service.encode() + veiled.marker, (to.host.ip6, 9))
            time.sleep(0.5)
            assert {"service", "payload", "alice: address"} <= spy.found(needles, veiled.lines[outside].stop())
    finally:
        veiled.close()
