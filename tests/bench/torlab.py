"""A private Tor network in a laboratory: three authorities (relays, too), nine relays, an onion service in front of local ports, and a client.

    tor = TorLab(lab, {name: host for name in TorLab.NAMES}, [7000])
    seconds = tor.up()
    with tor.connect(7000) as s: ...
    tor.kill("relay4")

Nodes that share a host meet on its loopback. Tor is given its best condition: the Vanilla scheduler, and hosts that acknowledge at once.
With KIST and delayed acknowledgements, on links without delay, it takes twenty times as long to connect and carries a fifth. Nor does it learn how long
building takes: that is 10 ms here, and a circuit that takes longer on a busy machine would be given up.
"""
import contextlib
import re
import socket
import struct
import subprocess
import time

import programs
from lab import cpu_seconds, wait_for

AUTHORITIES, RELAYS, EXITS = 3, 9, 3
TESTING = ["TestingTorNetwork 1", "CookieAuthentication 0", "ShutdownWaitLength 0", "Schedulers Vanilla", "LearnCircuitBuildTimeout 0",
           "CircuitBuildTimeout 10"]
AUTHORITY = ["AuthoritativeDirectory 1", "V3AuthoritativeDirectory 1", "TestingV3AuthInitialVotingInterval 20", "TestingV3AuthInitialVoteDelay 4",
             "TestingV3AuthInitialDistDelay 4", "V3AuthVotingInterval 60", "V3AuthVoteDelay 8", "V3AuthDistDelay 8", "TestingDirAuthVoteGuard *",
             "TestingDirAuthVoteHSDir *", "TestingDirAuthVoteExit *", "TestingMinExitFlagThreshold 0"]
READY_S = 240
NEWNYM_S = 10  # Tor takes one such signal in this time


class TorLab:
    NAMES = [*(f"auth{i}" for i in range(AUTHORITIES)), *(f"relay{i}" for i in range(RELAYS)), "owner", "client"]

    def __init__(self, lab, hosts, ports):
        self.tor, self.gencert = programs.need("tor", "tor-gencert")
        self.lab, self.hosts, self.ports, self.procs = lab, hosts, ports, {}
        self.dir = lab.dir / f"tor-{hosts['client'].name}"
        self.dir.mkdir()
        self.fresh = 0

    def port(self, name, kind):
        return {"or": 5000, "dir": 7000 + 100, "socks": 9000 + 100}[kind] + self.NAMES.index(name)

    def address(self, name):
        alone = sum(h is self.hosts[name] for h in self.hosts.values()) == 1
        return self.hosts[name].ip4 if alone else "127.0.0.1"

    @property
    def onion(self):
        return (self.dir / "owner" / "onion" / "hostname").read_text().strip()

    # starting

    def _authority_line(self, name):
        d, at = self.dir / name, f"{self.address(name)}:{self.port(name, 'dir')}"
        keys = d / "keys"
        subprocess.run([self.gencert, "--create-identity-key", "-m", "12", "-a", at, "-i", keys / "authority_identity_key", "-s",
                        keys / "authority_signing_key", "-c", keys / "authority_certificate", "--passphrase-fd", "0"],
                       input=b"x\n", check=True, capture_output=True)
        v3 = re.search(r"fingerprint (\w+)", (keys / "authority_certificate").read_text())[1]
        (d / "fp.rc").write_text(f"ORPort 127.0.0.1:1\nNickname {name}\nAddress 127.0.0.1\nDataDirectory {d}\nSocksPort 0\n")
        said = subprocess.run([self.tor, "-f", d / "fp.rc", "--quiet", "--list-fingerprint"], check=True, capture_output=True, text=True).stdout
        fingerprint = said.strip().splitlines()[-1].split(" ", 1)[1].replace(" ", "")
        return f"DirAuthority {name} orport={self.port(name, 'or')} no-bridge v3ident={v3} {at} {fingerprint}"

    def _torrc(self, name, authorities):
        d, address = self.dir / name, self.address(name)
        rc = [*TESTING, f"DataDirectory {d}", f"Log notice file {d}/log", f"ControlSocket {d}/control", *authorities]
        if name.startswith(("auth", "relay")):
            rc += [f"Nickname {name}", f"Address {address}", f"ORPort {address}:{self.port(name, 'or')} IPv4Only", "AssumeReachable 1", "SocksPort 0"]
            # without any exit tor builds internal paths only, and is ready far later
            exits = name in [f"relay{i}" for i in range(EXITS)]
            rc += ["ExitRelay 1", "ExitPolicy accept *:*", "ExitPolicyRejectPrivate 0"] if exits else ["ExitPolicy reject *:*"]
        if name.startswith("auth"):
            rc += [f"DirPort {address}:{self.port(name, 'dir')}", *AUTHORITY]
        if name == "owner":
            rc += ["SocksPort 0", f"HiddenServiceDir {d}/onion", *(f"HiddenServicePort {p} 127.0.0.1:{p}" for p in self.ports)]
        if name == "client":
            rc += [f"SocksPort 127.0.0.1:{self.port(name, 'socks')}"]
        (d / "torrc").write_text("\n".join(rc) + "\n")

    def start(self, name):
        self.procs[name] = self.lab.spawn(self.hosts[name], [self.tor, "-f", self.dir / name / "torrc", "--quiet"], f"tor-{name}")

    def kill(self, name):
        self.procs[name].kill()

    def up(self):
        """Starts everything. Returns seconds: to a consensus of all relays, to three introduction points, to the first byte of an answer."""
        for name in self.NAMES:
            (self.dir / name / "keys").mkdir(parents=True, mode=0o700)
            (self.dir / name).chmod(0o700)
        authorities = [self._authority_line(n) for n in self.NAMES[:AUTHORITIES]]
        for name in self.NAMES:
            self._torrc(name, authorities)
        began, at = time.monotonic(), {}
        for what, names, done in (("consensus", self.NAMES[:-2], self._has_consensus), ("introduced", self.NAMES[-2:], self.is_introduced),
                                  ("reached", (), self._is_reached)):
            for name in names:
                self.start(name)
            wait_for(done, READY_S, f"Tor: {what}", interval=0.25)
            at[what] = round(time.monotonic() - began, 2)
        return at

    def _has_consensus(self):
        with contextlib.suppress(OSError):
            return (self.dir / "relay0" / "cached-microdesc-consensus").read_text().count("\nr ") >= AUTHORITIES + RELAYS

    def is_introduced(self):
        with contextlib.suppress(OSError):
            return len([c for c in self.circuits("owner", "HS_SERVICE_INTRO") if c["state"] == "BUILT"]) >= 3

    def _is_reached(self):
        with contextlib.suppress(OSError), self.connect(self.ports[0], b"P", timeout=10) as s:
            return s.recv(1) == b"p"

    # using

    def connect(self, port, early=b"", timeout=20, apart=False):
        """A connection through the client's SOCKS port, and what is said on it without waiting for its answer. `apart`: over a rendezvous of its
        own, as SOCKS credentials of its own ask for."""
        self.fresh += bool(apart)
        with self.hosts["client"].enter():
            s = socket.socket()
        try:
            s.settimeout(timeout)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.connect(("127.0.0.1", self.port("client", "socks")))
            socks(s, self.onion, port, f"u{self.fresh}".encode(), early)
        except BaseException:
            s.close()
            raise
        return s

    def control(self, name, *commands):
        """The lines that a node answers to commands on its control socket."""
        with Control(self.dir / name / "control") as c:
            return [line for command in commands for line in c.ask(command)]

    def circuits(self, name, purpose):
        """Circuits whose purpose begins so, the youngest last: number, state, names of relays on the path."""
        rows = [re.match(r"(\d+) (\w+) (\S+) .*PURPOSE=(\S+)", line) for line in self.control(name, "GETINFO circuit-status")]
        found = [{"id": int(m[1]), "state": m[2], "path": [h.split("~")[-1] for h in m[3].split(",")]} for m in rows if m and m[4].startswith(purpose)]
        return sorted(found, key=lambda c: c["id"])

    def forget(self):
        """The client knows no descriptor afterwards, and uses no rendezvous that there is."""
        self.control("client", "SIGNAL NEWNYM")

    def fetch_ms(self):
        """Of a descriptor, from one holder, whatever the client knows; None: it did not come."""
        address = self.onion.removesuffix(".onion")
        with Control(self.dir / "client" / "control") as c:
            c.ask("SETEVENTS HS_DESC")
            began = time.monotonic()
            c.ask(f"HSFETCH {address}")
            while line := c.line():
                if "HS_DESC RECEIVED" in line:
                    return (time.monotonic() - began) * 1e3
                if "HS_DESC FAILED" in line:
                    return None

    def path(self):
        """The relays between the client and the service over the youngest rendezvous, from the client on, and which of them it is at."""
        for ours in reversed(self.circuits("client", "HS_CLIENT_REND")):
            if ours["state"] != "BUILT":
                continue
            meeting = ours["path"][-1]
            theirs = [c for c in self.circuits("owner", "HS_SERVICE_REND") if c["state"] == "BUILT" and c["path"][-1] == meeting]
            if theirs:
                return ours["path"] + theirs[-1]["path"][-2::-1], meeting
        return [], None

    def cpu(self):
        return cpu_seconds([p.pid for p in self.procs.values() if p.running()])

    def stop(self):
        for proc in self.procs.values():
            proc.stop(timeout=5)


class Control:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(path))
        self.lines = self.sock.makefile("r", encoding="utf-8", errors="replace", newline="\n")
        self.ask("AUTHENTICATE")

    def line(self):
        return self.lines.readline().rstrip()

    def ask(self, command):
        """The lines of an answer. What Tor tells unasked meanwhile is not among them."""
        self.sock.sendall(command.encode() + b"\r\n")
        said = []
        while True:
            line = self.line()
            if line.startswith("250+"):
                said += iter(self.line, ".")
            elif not line.startswith("650"):
                said.append(line)
                if line[3:4] != "-":
                    return said

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.lines.close()
        self.sock.close()


def socks(s, name, port, user, early=b""):
    """RFC 1928 and 1929: asks for a name on a connection to a SOCKS server. `early`: behind the request."""
    for said, answer in ((b"\5\1\2", b"\5\2"), (bytes([1, len(user)]) + user + b"\1x", b"\1\0")):
        s.sendall(said)  # Tor takes one after the other
        assert programs.recv_exact(s, 2) == answer, "SOCKS: no authentication by name"
    s.sendall(bytes([5, 1, 0, 3, len(name)]) + name.encode() + struct.pack("!H", port) + early)
    answer = programs.recv_exact(s, 10)
    if answer[1]:
        raise OSError(f"SOCKS: {answer[1]:#x}")


def quick_acks(host):
    """What a host receives is acknowledged at once, on its loopback and on its lines."""
    routes = [f"local {dst} dev lo table local scope host" for dst in ("127.0.0.0/8", "127.0.0.1")] + host.ip("route", "show").splitlines()
    for route in routes:
        host.ip("route", "replace", *route.split(), "quickack", "1")
