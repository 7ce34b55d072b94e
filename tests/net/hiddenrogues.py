"""A hidden service among relays that misbehave when they are told to, and somebody who speaks with them as whoever he likes."""
import contextlib
import itertools
import time
from collections import Counter, namedtuple

import hidden
from hidden import HiddenNet
from lab import wait_for
from onion import Circuit, Ended, Hop, hello_over_link
from overlay import PORT, Agent
from programs import TcpServer, recv_exact
from rogue import Identity, connect
from test_hidden_privacy import key_bytes
import ref_hs  # isort: skip

Heard = namedtuple("Heard", "relay circuit way type data")
RELAYS, ECHO_PORT = 11, 7420
GET, PUT = 3, 4
DHT_FEATURES = 1 | 2 | 4 | 8


def echo(conn):
    while data := conn.recv(65536):
        conn.sendall(data)


class Near(Agent):
    """One of many on a host."""

    ports = itertools.count(PORT)

    def __init__(self, host, name, **how):
        self.port = next(self.ports)
        super().__init__(host, name, listen=f"[::1]:{self.port}", **how)

    @property
    def address(self):
        return f"[::1]:{self.port}"


class RogueNet(HiddenNet):
    """alice hides "echo", which bob and carol may use; few relays, all rogues, near to each other.
    `delays` of (0, 0): all on one host, without emulated lines, which cost more than what is sent over them."""

    def __init__(self, lab, count=RELAYS, delays=(1, 3)):
        self.loop = None if any(delays) else lab.host(f"loop{RogueNet.made}")
        super().__init__(lab, count, delays, rogues=True)
        self.echo = TcpServer(self.alice.host, ECHO_PORT, echo)
        self.ports = iter(range(9800, 9999))

    def _agent(self, name, delays, flags, rogue=False):
        if not self.loop:
            return super()._agent(name, delays, flags, rogue)
        return Near(self.loop, name, transport=self.transport, flags=["--lan", "off", *flags], rogue=rogue)

    def at(self, relay):
        """(host to come from, where it listens)"""
        return (self.loop, ("::1", relay.port)) if self.loop else super().at(relay)

    def start(self, *options, guests=None, **how):
        super().start(**how)
        for who in (self.alice, self.carol):
            self.wait_known(who=who, timeout=60)
        self.hops = {r: Hop.met(*self.at(r)) for r in self.relays}
        self.hide("echo", ECHO_PORT, *options, guests=guests)
        return self

    # what rogues heard, and are told

    def heard(self, *types, way=None, relays=None):
        """Messages of hidden services that relays were told and said, in the order of each."""
        found = []
        for r in relays or self.relays:
            path = r.orders.with_suffix(".heard")
            for line in path.read_text().splitlines() if path.exists() else []:
                circuit, said, kind, data = (line + " ").split(" ")[:4]
                if (not types or int(kind) in types) and way in (None, said):
                    found.append(Heard(r, int(circuit), said, int(kind), bytes.fromhex(data)))
        return found

    def tell(self, relay, text):
        """An order, once the relay has seen it: it looks when a cell comes."""
        relay.order(text)
        with self.circuit(relay).mux.tls:
            pass

    def said(self, relay, kind, data, circuit=0):
        """Has a relay say that on a circuit of its own, or to all owners that are introduced there; to how many it did."""
        before = relay.log().count("rogue: say")
        self.tell(relay, f"say {kind} {circuit} {data.hex()}")
        wait_for(lambda: relay.log().count("rogue: say") > before, 5, "the relay to say it")
        self.tell(relay, "pass")
        return int(relay.log().rsplit(f"rogue: say {kind} to ", 1)[1].split()[0])

    # the courier's circuits

    def circuit(self, relay):
        """One that ends at a relay, of somebody whom it does not know."""
        mux = connect(*self.at(relay), None, hello=hello_over_link())
        circuit = Circuit(mux).build(self.hops[relay])
        assert circuit.ping()
        return circuit

    def answer(self, relay, kind, data):
        """What a relay answers to a message of the courier's: (type, data), or the code that the circuit ends with."""
        circuit = self.circuit(relay)
        with circuit.mux.tls:
            circuit.send(kind, data)
            try:
                return circuit.read()[1:]
            except Ended as e:
                return e.code

    # the service

    def refused(self, alias="echo"):
        """How often its owner refused what, so far; only what there was."""
        return Counter({k: n for k, n in self.service(alias)["refused"].items() if n})

    def counted(self, before, **more):
        """Waits until the owner has refused just that since then."""
        want = before + Counter(more)
        wait_for(lambda: self.refused() == want, 5, lambda: f"{more} to be refused: {self.refused() - before}")

    def door(self, guest, alias="echo"):
        """The port of a forward of a guest's to it."""
        port = next(self.ports)
        hidden.visit(guest, f"{alias}-{port}", f"127.0.0.1:{port}", alias)
        return port

    @staticmethod
    def answers(guest, port, said=b"hello", timeout=20):
        """Whether the service gives back what is said to it, over a connection of its own."""
        try:
            with guest.connect(port, timeout=timeout) as s:
                s.sendall(said)
                return recv_exact(s, len(said)) == said
        except OSError:
            return False

    def comes_anew(self, guest, port, alias="echo", timeout=20):
        """The same over a rendezvous of its own."""
        for leg in self.legs(guest, alias):
            with contextlib.suppress(Exception):
                guest.api.call("DELETE", f"/v1/circuits/{leg['id']}")
        return self.answers(guest, port, timeout=timeout)


class Shelf:
    """Where a service's descriptor lies, and who holds it."""

    def __init__(self, net, alias="echo"):
        self.net, self.key = net, key_bytes(net.service(alias)["key"])
        self.period = int(time.time()) // ref_hs.PERIOD
        self.blinded = ref_hs.names(self.key, self.period)[0]
        self.places = [ref_hs.index(self.blinded, i, self.period) for i in (1, 2)]
        self.who = Identity("courier")
        self.muxes = {r: connect(*net.at(r), self.who, hello=self.who.hello(features=DHT_FEATURES)) for r in net.relays}

    def get(self, relay, place):
        """(token, descriptors) there."""
        _, token, _, records = self.muxes[relay].ask_dht(GET, place, limit=1)
        return token, records

    def put(self, relay, place, record):
        answer = self.muxes[relay].ask_dht(PUT, place, self.get(relay, place)[0] + record)
        return answer if isinstance(answer, int) else answer[0]

    def held(self, place):
        """{relay: (sequence, descriptor)}"""
        found = {}
        for r in self.net.relays:
            for record in self.get(r, place)[1]:
                found[r] = int.from_bytes(record[40:48], "big"), record
        return found

    def newest(self, place):
        """Who has the newest one, and that."""
        held = self.held(place)
        newest = max(held.values())
        return [r for r, h in held.items() if h == newest], newest[1]

    def holders(self):
        """All that have one."""
        return {r for place in self.places for r in self.held(place)}

    def close(self):
        for mux in self.muxes.values():
            mux.tls.close()
