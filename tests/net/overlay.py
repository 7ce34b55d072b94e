"""Agents in a laboratory, and their API over the unix socket."""
import http.client
import itertools
import json
import os
import pathlib
import socket
import time

import lab as lab_module
from lab import wait_for

PORT = 4242
LOAD_PORT = 7000
FORWARD_PORT = 9000


def program():
    """$VX6_BIN, else build/vx6; never a guess about another build."""
    path = pathlib.Path(os.environ.get("VX6_BIN") or lab_module.ROOT / "build" / "vx6").resolve()
    if not path.is_file():
        raise FileNotFoundError(f"no program at {path}: run ./dev build, or set VX6_BIN")
    return path


class ApiError(Exception):
    def __init__(self, status, problem):
        super().__init__(f"{status} {problem}")
        self.status, self.problem = status, problem
        self.code = problem.get("code") if isinstance(problem, dict) else None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    def __init__(self, path):
        self.path = str(path)

    def request(self, method, route, body=None, timeout=10, headers=None):
        """(status, headers, JSON or text) of one request on a connection of its own."""
        conn = _UnixConnection(self.path, timeout)
        try:
            send = dict(headers or {})
            data = None
            if body is not None:
                data = json.dumps(body)
                send.setdefault("Content-Type", "application/merge-patch+json" if method == "PATCH" else "application/json")
            conn.request(method, route, body=data, headers=send)
            answer = conn.getresponse()
            text = answer.read()
            if "json" in answer.headers.get("Content-Type", ""):
                text = json.loads(text)
            return answer.status, answer.headers, text
        finally:
            conn.close()

    def call(self, method, route, body=None, timeout=10):
        status, _, value = self.request(method, route, body, timeout)
        if status >= 400:
            raise ApiError(status, value)
        return value

    def get(self, route, timeout=10):
        return self.call("GET", route, timeout=timeout)

    def items(self, route):
        return self.get(route + ("&" if "?" in route else "?") + "limit=500")["items"]


class Agent:
    """One `vx6 agent`. The state directory outlives restarts."""

    def __init__(self, host, name, transport="auto", peers=(), listen=f"[::]:{PORT}", state=None, flags=(), rogue=False):
        self.host, self.name = host, name
        self.state = pathlib.Path(state) if state else host.lab.dir / f"state-{name}-{next(_serial)}"
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.orders = self.state / "orders" if rogue else None
        if rogue:
            self.order("pass")
        self.argv = [lab_module.rogue_relay() if rogue else program(), "agent", "--state-dir", self.state, "--name", name, "--listen", listen,
                     "--transport", transport, "--api-listen", "none", *flags]
        for peer in peers:
            self.argv += ["--peer", peer]
        self.api = Api(self.state / "api.sock")
        self.proc = None

    def spawn(self):
        env = {"VX6_ROGUE": str(self.orders)} if self.orders else None
        self.proc = self.host.lab.spawn(self.host, self.argv, f"vx6-{self.name}", env=env)
        return self

    def order(self, text):
        """What a rogue relay does to circuits from now on: vx6-rogue/rogue.c has the list."""
        self.orders.write_text(text)

    def start(self, timeout=10):
        self.spawn()
        wait_for(self.is_ready, timeout, lambda: f"agent {self.name} to be ready:\n{self.proc.text()[-2000:]}")
        return self

    def is_ready(self):
        if not self.proc.running():
            raise RuntimeError(f"agent {self.name} ended with {self.proc.popen.returncode}:\n{self.proc.text()[-2000:]}")
        try:
            return self.api.request("GET", "/v1/health/ready")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        return self.proc.stop() if self.proc else None

    def restart(self, kill=True):
        self.proc.kill() if kill else self.proc.stop()
        return self.start()

    @property
    def pid(self):
        return self.proc.pid

    @property
    def address(self):
        return f"[{self.host.ip6}]:{PORT}"

    def node_id(self):
        return self.api.get("/v1/identity")["node_id"]

    def log(self):
        return self.proc.text()

    def alive(self):
        return self.proc.running() and self.is_ready()

    # Objects

    def add_service(self, name, target, allow=None):
        """allow: None for any node, else the list of admitted node ids."""
        body = {"name": name, "target": target}
        if allow is not None:
            body["access"] = {"default": "none", "node_ids": list(allow)}
        return self.api.call("POST", "/v1/services", body)

    def add_peer(self, address, node_id=None):
        return self.api.call("POST", "/v1/peers", {"addresses": [address], **({"node_id": node_id} if node_id else {})})

    def add_forward(self, listen, to=None, **how):
        """to="alice.web", or address=, service= and perhaps node_id=. Returns once it listens."""
        made = self.api.call("POST", "/v1/forwards", {"listen": listen, **({"to": to} if to else {}), **how})
        wait_for(lambda: self.forward(made["id"])["status"]["phase"] == "listening", 5, f"forward {listen} to listen")
        return made["id"]

    def forward(self, ident):
        return self.api.get(f"/v1/forwards/{ident}")

    def last_error(self, ident):
        """The code of a forward's last error, or None."""
        return (self.forward(ident)["status"]["last_error"] or {}).get("code")

    def peers_up(self):
        return [p for p in self.api.items("/v1/peers") if p["status"]["state"] == "up"]

    def wait_peers(self, count=1, timeout=10):
        def say():
            return f"{count} peers of {self.name}: {[p['status'] for p in self.api.items('/v1/peers')]}"

        wait_for(lambda: len(self.peers_up()) >= count, timeout, say)
        return self.peers_up()

    def events(self, *types):
        return [e for e in self.api.items("/v1/events?since=0&wait=0s") if not types or e["type"] in types]

    def connect(self, port=FORWARD_PORT, timeout=20):
        """A connection from this agent's host to its own loopback, as an application makes it."""
        with self.host.enter():
            s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s


_serial = itertools.count(1)


class Pair:
    def __init__(self, lab, alice, bob, wan):
        self.lab, self.alice, self.bob, self.wan = lab, alice, bob, wan


class Agents:
    """Agents of one test."""

    def __init__(self, pair):
        self.pair, self.made = pair, []
        self.alice = self.bob = None

    def make(self, host, name, *args, **kw):
        agent = Agent(host, name, *args, **kw)
        self.made.append(agent)
        return agent

    def stop(self):
        bad = [a.name for a in reversed(self.made) if a.proc and a.proc.running() and a.stop() is None]
        assert not bad, f"agents that had to be killed: {bad}"

    def duo(self, transport="auto", alice_transport=None, bob_flags=(), alice_flags=(), timeout=10):
        """alice and bob, connected; alice publishes "load", bob forwards port 9000 to it."""
        self.alice = self.make(self.pair.alice, "alice", alice_transport or transport, flags=alice_flags).start()
        self.alice.add_service("load", f"127.0.0.1:{LOAD_PORT}")
        self.bob = self.make(self.pair.bob, "bob", transport, peers=[self.alice.address], flags=bob_flags).start()
        self.bob.wait_peers(timeout=timeout)
        self.load_forward = self.bob.add_forward(f"127.0.0.1:{FORWARD_PORT}", to="alice.load")
        wait_for(self.ping, 10, lambda: f"alice.load through the overlay: {self.bob.forward(self.load_forward)['status']}")
        return self

    def ping(self, port=FORWARD_PORT, timeout=5):
        """One byte there and one back over a new connection."""
        try:
            with self.bob.connect(port, timeout=timeout) as s:
                s.sendall(b"P")
                return s.recv(1) == b"p"
        except OSError:
            return False

    def load(self, *args, timeout=60):
        """Runs vx6-load in bob's namespace against the forward; returns its JSON line."""
        what, *rest = map(str, args)
        argv = [lab_module.tool("vx6-load"), what, "127.0.0.1", str(FORWARD_PORT), *rest]
        return json.loads(self.pair.bob.run(argv, timeout=timeout).stdout)

    def p99_ms(self, count, rounds=3):
        """The time to the first byte that 99 % of new connections stay under, in the middle one of several rounds: on a busy
        machine another program may take the processor in one of them. Every connection must be answered, and within 2 s."""
        seen = []
        for _ in range(rounds):
            quick = self.load("ttfb", count)
            assert quick["failed"] == 0 and quick["max_ms"] < 2000, quick
            seen.append(quick["p99_ms"])
        return sorted(seen)[rounds // 2]


def settle(value, tolerance, timeout, interval=0.25):
    """Waits until value() has stayed within tolerance for a second; returns the last value."""
    end, seen = time.monotonic() + timeout, []
    while time.monotonic() < end:
        seen = (seen + [value()])[-5:]
        if len(seen) == 5 and max(seen) - min(seen) <= tolerance:
            break
        time.sleep(interval)
    return seen[-1]
