"""What ./dev bench relay measures on: agents and relays on one cable, behind a slow line, or each behind a line of its own; and stunnel."""
import contextlib
import json
import socket
import subprocess
import time

import programs
from lab import cpu_seconds, tool, wait_for
from overlay import PORT, Agent, ApiError
from star import Star

FLAGS = ["--lan", "off"]
DIRECT_PORT, ROUTE_PORT, STUNNEL_PORT, TLS_PORT = 7300, 7310, 7320, 7330
HOPS = (1, 2, 3)


def load(host, port, what, *args, timeout=120):
    """What vx6-load says of connections from a host to its own loopback."""
    argv = [tool("vx6-load"), what, "127.0.0.1", port, *args]
    return json.loads(host.run(argv, timeout=timeout).stdout)


def bulk(host, port, streams, seconds, procs=()):
    """Bytes to the host; CPU-seconds that each of the processes used for them, by GB."""
    before = [cpu_seconds([p.pid]) for p in procs]
    result = load(host, port, "recv", streams, seconds)
    used = [cpu_seconds([p.pid]) - b for p, b in zip(procs, before)]
    gb = result["bytes"] / 1e9
    if result["failed"] or not gb:
        raise RuntimeError(f"{result['failed']} of {streams} streams failed")
    return {"gbit_s": result["gbit_s"], "gb": gb, "cpu_s_per_gb": [u / gb for u in used]}


class Overlay:
    """Relays, alice who serves, bob who asks, in networks of a caller's making."""

    def __init__(self, relays, alice, bobs, transport):
        def agent(host, *flags):
            peers = [self.relays[0].address] if self.relays else []
            return Agent(host, host.name, transport=transport, peers=peers, flags=[*FLAGS, *flags])

        self.relays = []
        for host in relays:
            self.relays.append(agent(host))
        self.alice, self.bobs = agent(alice, "--relay", "off"), [agent(b, "--relay", "off") for b in bobs]
        self.agents = [*self.relays, self.alice, *self.bobs]

    def start(self):
        for a in self.agents:
            a.start()
        self.ids = {a: a.node_id() for a in self.agents}
        self.alice.add_service("load", f"127.0.0.1:{programs.LOAD_PORT}")
        for bob in self.bobs:
            wait_for(lambda bob=bob: self.knows_all(bob), 60, f"{bob.name} to know the relays")
            bob.add_forward(f"127.0.0.1:{DIRECT_PORT}", to=f"{self.alice.name}.load", route={"via": "direct"})
            for n in HOPS:
                bob.add_forward(f"127.0.0.1:{ROUTE_PORT + n}", to=f"{self.alice.name}.load",
                                route={"via": "relay", "nodes": self.path(n)})
            for port in (DIRECT_PORT, *(ROUTE_PORT + n for n in HOPS)):
                wait_for(lambda bob=bob, port=port: answers(bob, port), 30, f"{bob.name} to reach alice on port {port}")
        return self

    def knows_all(self, bob):
        usable = [r for r in bob.api.items("/v1/relays") if r["standing"] != "unusable" and "middle" in r["policy"]]
        return len(usable) >= len(self.relays)

    def quiet(self):
        """Until nothing runs any more: what a client leaves behind is in the way of the next one."""
        wait_for(lambda: all(x["status"]["sessions"]["active"] == 0 for x in self.alice.api.items("/v1/services")), 20, "connections to end")

    def path(self, n):
        return [self.ids[r] for r in self.relays[:n]]

    def stop(self):
        for a in self.agents:
            if a.proc:
                a.stop()


def answers(agent, port):
    return first_byte_ms(agent, port, timeout=5) is not None


def first_byte_ms(agent, port, timeout=20):
    """From connect() on the loopback of the agent's host to the first byte of the answer; None: it failed."""
    with agent.host.enter():
        s = socket.socket()
    with s, contextlib.suppress(OSError):
        s.settimeout(timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.monotonic()
        s.connect(("127.0.0.1", port))
        s.sendall(b"P")
        if s.recv(1) == b"p":
            return (time.monotonic() - began) * 1e3
    return None


class Cable:
    """All on one virtual cable, without delay; carol, the second client, behind a slow line and a router."""

    def __init__(self, lab, transport):
        tag = f"-{transport}"
        self.hosts = {n: lab.host(n + tag) for n in ("bob", "relay1", "relay2", "relay3", "alice", "router", "carol")}
        router, carol = self.hosts["router"], self.hosts["carol"]
        self.wired = [h for n, h in self.hosts.items() if n != "carol"]
        lab.lan(*self.wired)
        gate = router.ip6, router.ip4
        self.line = lab.wan(carol, router, queue=1000)
        self.route(carol, router, gate)
        programs.load_server(lab, self.hosts["alice"])
        self.overlay = Overlay([self.hosts[f"relay{i}"] for i in HOPS], self.hosts["alice"], [self.hosts["bob"], carol], transport).start()
        self.bob, self.carol = self.overlay.bobs

    def route(self, carol, router, gate):
        with router.enter():
            for family in ("ipv4", "ipv6"):
                with open(f"/proc/sys/net/{family}/conf/all/forwarding", "w", encoding="ascii") as f:
                    f.write("1")
        for host in self.wired:
            if host is not router:
                host.ip("-6", "route", "add", "default", "via", gate[0])
                host.ip("route", "add", "default", "via", gate[1])
        carol.ip("-6", "route", "add", "default", "dev", self.line.dev)
        carol.ip("route", "add", "default", "dev", self.line.dev)

    def slow_down(self, rtt_ms):
        """The line of carol, who begins anew: what congestion control has learned of another line would hold for a while."""
        self.line.set(delay=rtt_ms / 2)
        self.carol.restart()

    def procs(self, hops):
        return [r.proc for r in self.overlay.relays[:hops]]


class Lines:
    """Everybody behind a line of his own: any two are one link apart, of the same round trip."""

    def __init__(self, lab, transport, rtt_ms, relays=6):
        self.rtt_ms, star = rtt_ms, Star(lab, f"hub-{transport}", suffix=f"-far-{transport}")
        host = {n: star.host(n, delay=rtt_ms / 4) for n in ("bob", "alice", *(f"relay{i}" for i in range(1, relays + 1)))}
        programs.load_server(lab, host["alice"])
        self.overlay = Overlay([h for n, h in host.items() if n.startswith("relay")], host["alice"], [host["bob"]], transport).start()
        self.bob = self.overlay.bobs[0]

    # circuits by hand

    def circuits(self, **which):
        return [c for c in self.bob.api.items("/v1/circuits") if all(c[k] == v for k, v in which.items())]

    def build(self, route, single_pass=True):
        """A circuit that leads nowhere yet, once it is there."""
        made = self.bob.api.call("POST", "/v1/circuits", {"route": route, "single_pass": single_pass})["id"]

        def done():
            c = self.bob.api.get(f"/v1/circuits/{made}")
            if c["state"] == "closed":
                raise RuntimeError(f"the circuit was not built: {c['reason']}")
            return c if c["state"] == "open" else None

        return wait_for(done, 20, "a circuit to be built", interval=0.005)

    def close(self, *circuits):
        for c in circuits:
            self.bob.api.call("DELETE", f"/v1/circuits/{c['id']}")

    def leave(self):
        """Closes what leads to alice, once nothing uses it: the next connection finds no circuit, but those of the pool."""
        def left():
            found = [c for c in self.circuits() if c["state"] != "closed" and c["target"]]
            with contextlib.suppress(ApiError):
                self.close(*(c for c in found if not c["streams"]))
            return not found

        wait_for(left, 20, lambda: f"circuits to be closed: {self.circuits()}", interval=0.1)

    def from_pool(self):
        """Whether the circuit to alice that was made last came from the pool."""
        said = [d for d in self.bob.api.get("/v1/circuits/decisions?limit=20")["items"] if d["what"] == "build" and d["target"]]
        return any(d["circuit"] == said[0]["circuit"] and d["reason"].startswith("from the pool") for d in said)


class Stunnel:
    """Back to back: TLS comes in, TLS goes out, and bytes in between over the loopback, as nothing else is offered there. On a Cable's hosts:
    client -> bob's stunnel -> TLS -> relay1's two -> TLS -> alice's stunnel -> the load server."""

    def __init__(self, lab, cable):
        self.lab, h = lab, cable.hosts
        self.dir = lab.dir / f"stunnel-{h['bob'].name}"
        self.dir.mkdir()
        self.exe, openssl = programs.need("stunnel", "openssl")
        for who in ("client", "server"):
            subprocess.run([openssl, "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", f"/CN={who}",
                            "-keyout", self.dir / f"{who}.key", "-out", self.dir / f"{who}.pem"], check=True, capture_output=True)
        self.client = h["bob"]
        self.ends = [
            self.spawn(h["alice"], "server", f"{h['alice'].ip6}:{TLS_PORT}", f"127.0.0.1:{programs.LOAD_PORT}"),
            self.spawn(h["bob"], "client", f"127.0.0.1:{STUNNEL_PORT}", f"{h['relay1'].ip6}:{TLS_PORT}")]
        self.middle = [
            self.spawn(h["relay1"], "server", f"{h['relay1'].ip6}:{TLS_PORT}", f"127.0.0.1:{STUNNEL_PORT}"),
            self.spawn(h["relay1"], "client", f"127.0.0.1:{STUNNEL_PORT}", f"{h['alice'].ip6}:{TLS_PORT}")]
        wait_for(self.works, 10, "stunnel to carry a byte")

    def spawn(self, host, role, accept, connect):
        other = {"client": "server", "server": "client"}[role]
        conf = self.dir / f"{host.name}-{role}.conf"
        conf.write_text(f"foreground = yes\ndebug = 3\npid =\nsslVersion = TLSv1.3\nciphersuites = TLS_AES_128_GCM_SHA256\nverifyPeer = yes\n"
                        f"socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n[load]\nclient = {'yes' if role == 'client' else 'no'}\n"
                        f"accept = {accept}\nconnect = {connect}\ncert = {self.dir}/{role}.pem\nkey = {self.dir}/{role}.key\n"
                        f"CAfile = {self.dir}/{other}.pem\n")
        return self.lab.spawn(host, [self.exe, conf], f"stunnel-{role}")

    def works(self):
        with contextlib.suppress(RuntimeError, ValueError):
            return load(self.client, STUNNEL_PORT, "ttfb", 1, timeout=10).get("failed") == 0
        return False

    def bulk(self, streams, seconds):
        return bulk(self.client, STUNNEL_PORT, streams, seconds, self.middle)

    def stop(self):
        for proc in (*self.ends, *self.middle):
            proc.stop()
