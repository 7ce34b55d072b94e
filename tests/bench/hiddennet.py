"""What ./dev bench hidden measures on: Tor and VX6 side by side on the same hosts, each a network of twelve relays, an owner with a service that is
hidden, and a client."""
import contextlib
import itertools
import socket
import threading
import time

import hidden as surface
import programs
from lab import cpu_seconds, wait_for
from overlay import Agent
from star import Star
from torlab import NEWNYM_S, TorLab, quick_acks

FLAGS = ["--lan", "off"]
RECOVER_S = 330
PREBUILT_S = 3    # after which both have built again what they build ahead
PROFILES = {"standard": 3, "fast": 2}  # relays between the owner and the rendezvous
OURS = 3  # and between the client and it: a fast service's visitors keep three, unless they say otherwise
SETTLE_S = 1      # for the answers to what was begun in the place of circuits that were closed
BLOCK, RATE = 4096, 4e6  # of a transfer that is watched: bytes, bits/s each way
AHEAD = 16        # blocks that may be on their way


def hosts_of(lab, line_ms):
    """Of every node by its name: all are one without a delay, else each is behind a line of its own."""
    if line_ms:
        star = Star(lab, "hub", suffix="-far")
        found = {n: star.host(n, delay=line_ms) for n in TorLab.NAMES}
    else:
        found = dict.fromkeys(TorLab.NAMES, lab.host("loop"))
    for host in set(found.values()):
        quick_acks(host)
    programs.load_server(lab, found["owner"])
    return found


class Subject:
    """Something that leads from the client to the service. What it counts of links is for the floor, see Links."""

    def connect(self, early=b"", timeout=20):
        raise NotImplementedError

    def first_ms(self, **how):
        """From the beginning of a connection to the first byte of the answer."""
        began = time.monotonic()
        with self.connect(b"P", **how) as s:
            assert s.recv(1) == b"p"
        return (time.monotonic() - began) * 1e3

    def live(self):
        """Over a rendezvous that there is."""
        return self.first_ms()

    def again(self, timeout):
        """A client whose connection has ended tries once more."""
        return self.first_ms(timeout=timeout)

    def works(self):
        with contextlib.suppress(OSError, AssertionError):
            return self.again(10) is not None

    def recover(self):
        """Until nothing is left of what was done to it."""
        wait_for(self.works, RECOVER_S, f"{self.name} to recover", interval=0.5)


def roles(path, at):
    """(role, node) of a path from the client to the owner, with the place of the rendezvous. Either side counts from its own end: r1 r2 X r4 r3."""
    return [("X" if n == at else f"r{n + 1 if n < at else at + len(path) - n}", node) for n, node in enumerate(path)]


class Links:
    """Links that have to be crossed one after the other: to look a descriptor up, from the client to the introduction point, on to the owner, to
    the rendezvous, back to the client; and between the two ends, one way."""

    def __init__(self, resolve, meet, path):
        self.resolve, self.meet, self.path = resolve, meet, path

    def of(self, category):
        first = 2 * self.path
        return {"resolve": self.resolve, "meet": self.meet + first, "cold": self.resolve + self.meet + first, "live": first}[category]


class Tor(Subject):
    name = "tor"

    def __init__(self, lab, hosts):
        self.net = TorLab(lab, hosts, [programs.LOAD_PORT])
        self.setup_s = self.net.up()
        self.forgot = 0
        self.first_ms()
        ours, theirs = (self._relays(who, what) for who, what in (("client", "HS_CLIENT_REND"), ("owner", "HS_SERVICE_REND")))
        control = self._relays("owner", "HS_SERVICE_INTRO")
        # the client's circuit to an introduction point, and to a holder, is as long as the owner's when both have vanguards
        self.links = Links(2 * control, control + control + theirs + ours, ours + theirs)
        self.relays = ours + theirs - 1

    def _relays(self, who, purpose):
        return len(self.net.circuits(who, purpose)[-1]["path"])

    def connect(self, early=b"", **how):
        return self.net.connect(programs.LOAD_PORT, early, **how)

    def resolve(self):
        return self.net.fetch_ms()

    def meet(self):
        return self.first_ms(apart=True)

    def cold(self):
        time.sleep(max(0, self.forgot + NEWNYM_S + 1 - time.monotonic()))
        self.net.forget()
        self.forgot = time.monotonic()
        time.sleep(PREBUILT_S)
        return self.first_ms(apart=True)

    def again(self, timeout):
        return self.first_ms(timeout=timeout, apart=True)  # over the old rendezvous it may wait for long

    def renew(self):
        """The next connection is over a rendezvous of its own."""
        self.net.fresh += 1

    def recover(self):
        """An owner makes a few introduction points in five minutes and no more, however many were killed; and a client goes on to leave out what
        failed, and not to ask again, for as long. So it begins anew."""
        wait_for(self.net.is_introduced, RECOVER_S, "Tor's introduction points", interval=0.5)
        self.net.kill("client")
        self.net.start("client")
        super().recover()

    def path(self):
        """(role, node) from the client to the owner."""
        path, meeting = wait_for(lambda: self.net.path() if self.net.path()[0] else None, 10, "a rendezvous of Tor's")
        return roles(path, path.index(meeting))

    def kill(self, node):
        self.net.kill(node)

    def revive(self, node):
        self.net.start(node)
        wait_for(lambda: "Bootstrapped 100%" in self._log_since(node), 60, f"{node} to be back")

    def _log_since(self, node):
        with contextlib.suppress(OSError):
            return (self.net.dir / node / "log").read_text().rsplit("opening log file", 1)[-1]
        return ""

    def cpu(self):
        return self.net.cpu()

    def stop(self):
        self.net.stop()


class Vx6Net:
    """The agents; each profile is a service of the owner's and a forward of the client's."""

    PORTS = itertools.count(4300)
    FORWARDS = itertools.count(7340)

    def __init__(self, lab, hosts, transport):
        self.transport, self.agents = transport, {}
        shared = len(set(hosts.values())) == 1
        for name, host in hosts.items():
            port = next(self.PORTS)
            # a network of its own for each, or no two of them would be on one path
            ip6 = f"fd00:7:{port:x}::1" if shared else host.ip6
            if shared:
                host.ip("addr", "add", f"{ip6}/64", "dev", "lo")
            address = f"[{ip6}]:{port}"
            peers = [self.entry] if self.agents else []
            self.entry = self.entry if self.agents else address
            relay = [] if name not in ("owner", "client") else ["--relay", "off"]
            self.agents[name] = Agent(host, f"{name}-{transport}", transport, peers, address if shared else f"[::]:{port}", flags=[*FLAGS, *relay])
        self.owner, self.client = self.agents["owner"], self.agents["client"]
        self.ports, self.keys, self.setup_s = {}, {}, {}

    def start(self):
        began = time.monotonic()
        for agent in self.agents.values():
            agent.start()
        reason = surface.why_not(self.owner)
        if reason:
            raise FileNotFoundError(reason)
        self.by_id = {a.node_id(): n for n, a in self.agents.items()}
        self.wait_relays(60)
        self.setup_s["relays known"] = round(time.monotonic() - began, 2)
        for profile in PROFILES:
            alias = f"{profile}-{self.transport}"
            surface.publish(self.owner, alias, f"127.0.0.1:{programs.LOAD_PORT}", alias, "--profile", profile, "--open", "--force")
            self.setup_s[f"{profile}: published and reached"] = round(time.monotonic() - began, 2)
            self.ports[profile] = next(self.FORWARDS)
            self.keys[profile] = surface.status(self.owner, alias)["key"]  # open, as Tor's is: who is introduced by an invite is written down first
            surface.accept(self.client, alias, self.keys[profile])
            surface.visit(self.client, alias, f"127.0.0.1:{self.ports[profile]}", alias)
        return self

    def forget(self, profile):
        """The client knows no more of the service than its key."""
        alias = f"{profile}-{self.transport}"
        surface.vx6(self.client, "hidden", "forget", alias)
        surface.accept(self.client, alias, self.keys[profile])

    def wait_relays(self, timeout=30):
        """Until the client knows the relays."""
        def known():
            usable = [r for r in self.client.api.items("/v1/relays") if r["standing"] != "unusable" and "middle" in r["policy"]]
            return len(usable) >= len(TorLab.NAMES) - 2

        wait_for(known, timeout, "the client to know the relays")

    def wait_ready(self, timeout=30):
        """And until it has built ahead, which it does once it leads somewhere by relays."""
        self.wait_relays(timeout)
        wait_for(lambda: [c for c in self.circuits(self.client) if c["purpose"] == "pool" and c["state"] == "open"], timeout,
                 lambda: f"the client to have a pool: {[(c['purpose'], c['state']) for c in self.circuits(self.client)]}")

    @staticmethod
    def circuits(agent):
        return agent.api.items("/v1/circuits")

    def stop(self):
        for agent in self.agents.values():
            agent.stop()


class Vx6(Subject):
    def __init__(self, net, profile):
        self.net, self.profile, relays = net, profile, PROFILES[profile]
        self.name = f"{net.transport} {profile}"
        self.setup_s = net.setup_s
        self.relays = OURS + 1 + relays
        # a look-up goes by three relays to one that asks a holder
        self.links = Links(8, 3 * (relays + 1) + OURS + 1, relays + 1 + OURS + 1)

    def connect(self, early=b"", timeout=20):
        with self.net.client.host.enter():
            s = socket.create_connection(("127.0.0.1", self.net.ports[self.profile]), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(early)
        return s

    def resolve(self):
        """Of the last connection that had to look it up: until enough sources agreed."""
        for connect in surface.connects(self.net.client, f"{self.profile}-{self.net.transport}"):
            at = {s["step"]: s["at_ms"] for s in connect["steps"]}
            if "fetch" in at and "descriptor" in at:
                return at["descriptor"] - at["fetch"]
        return None

    def meet(self):
        self.renew()
        return self.first_ms()

    def cold(self):
        """Nothing is known of the service; what is built ahead is there."""
        self.renew()
        self.net.forget(self.profile)
        time.sleep(PREBUILT_S)
        self.net.wait_ready()
        return self.first_ms()

    def renew(self):
        """Closes what leads to services, once nothing uses it."""
        def gone():
            found = [c for c in self.net.circuits(self.net.client) if (c["target"] or "").startswith("vxh1") and c["state"] != "closed"]
            for c in found:
                if not c["streams"]:
                    with contextlib.suppress(Exception):
                        self.net.client.api.call("DELETE", f"/v1/circuits/{c['id']}")
            return not found

        wait_for(gone, 20, "circuits to be closed", interval=0.1)
        time.sleep(SETTLE_S)

    def path(self):
        """(role, node) from the client to the owner, of the circuit that carries a stream."""
        def found():
            for ours in self.net.circuits(self.net.client):
                if not ours["streams"] or not (ours["target"] or "").startswith("vxh1"):
                    continue
                there = [h["node_id"] for h in ours["hops"]][:-1]
                for c in self.net.circuits(self.net.owner):
                    back = [h["node_id"] for h in c["hops"]][:-1]
                    # where they meet may be on the way of another circuit, too
                    if c["purpose"] == "rendezvous" and c["state"] == "open" and back and back[-1] == there[-1]:
                        return roles([self.net.by_id[i] for i in [*there, *reversed(back[:-1])]], len(there) - 1)
            return None

        def seen():
            return [[(c["purpose"], c["state"], c["streams"], [self.net.by_id.get(h["node_id"]) for h in c["hops"]]) for c in self.net.circuits(who)]
                    for who in (self.net.client, self.net.owner)]

        return wait_for(found, 10, lambda: f"both halves of a path with a stream: {seen()}")

    def kill(self, node):
        self.net.agents[node].proc.kill()

    def revive(self, node):
        self.net.agents[node].start()

    def cpu(self):
        return cpu_seconds([a.pid for a in self.net.agents.values()])


class Watched:
    """A transfer there and back, by an echo: when something arrived, whether it is what was sent, and what ended it."""

    def __init__(self, subject):
        self.subject, self.arrivals, self.error, self.sent, self.got = subject, [], None, 0, 0
        self.over, self.room = threading.Event(), threading.Semaphore(AHEAD)
        self.conn = subject.connect(b"P")
        assert self.conn.recv(1) == b"p"
        self.threads = [threading.Thread(target=self._run, args=(f,), daemon=True) for f in (self._send, self._receive)]
        for t in self.threads:
            t.start()
        wait_for(lambda: len(self.arrivals) > 20, 20, "a transfer to begin")

    def _run(self, what):
        try:
            what()
        except (OSError, AssertionError) as e:
            self.error = self.error or (time.monotonic(), e)

    @staticmethod
    def block(n):
        return n.to_bytes(8, "big") * (BLOCK // 8)

    def _send(self):
        began = time.monotonic()
        while not self.over.is_set():
            if not self.room.acquire(timeout=0.2):
                continue
            self.conn.sendall(self.block(self.sent))
            self.sent += 1
            time.sleep(max(0, began + self.sent * BLOCK * 8 / RATE - time.monotonic()))

    def _receive(self):
        while not (self.over.is_set() and self.got == self.sent):
            assert programs.recv_exact(self.conn, BLOCK) == self.block(self.got), "not what was sent"
            self.got += 1
            self.arrivals.append(time.monotonic())
            self.room.release()

    def pause_s(self, moment, seconds):
        """The longest time without an arrival, of those that some of the seconds behind a moment are part of; None: the transfer ended."""
        wait_for(lambda: self.error or self.arrivals[-1] > moment + seconds, 60, "bytes after it")
        if self.error:
            return None
        times = [a for a in list(self.arrivals) if a > moment - 0.5]
        return max(b - a for a, b in zip(times, times[1:]) if b > moment)

    def close(self):
        """@return whether all that was sent came back, as it was sent"""
        self.over.set()
        self.threads[0].join(20)
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: self.error or self.got == self.sent, 20, "the rest")
        whole = self.error is None and self.got == self.sent
        with contextlib.suppress(OSError):
            self.conn.shutdown(socket.SHUT_RDWR)  # the receiver waits for a block that nobody sends any more
        self.threads[1].join(20)
        self.conn.close()
        return whole
