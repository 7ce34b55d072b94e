"""A service that is hidden: real programs through it, who may use it, what is refused, and small networks.

alice hides, bob and carol visit, 37 relays, 5 to 60 ms from any to any other.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

import hidden
import programs
from hidden import HiddenNet
from lab import FULL, wait_for
from overlay import Agent
from test_circuits import fetch

PORTS = {"ssh": (programs.SSH_PORT, 9600), "web": (programs.HTTP_PORT, 9610), "pg": (programs.PG_PORT, 9620)}


@pytest.fixture(scope="module")
def net(lab):
    made = HiddenNet(lab)
    try:
        made.start(timeout=90)
        for who in (made.alice, made.carol):
            made.wait_known(who=who, timeout=60)
        for name, (target, port) in PORTS.items():
            made.hide(name, target)
            hidden.visit(made.bob, name, f"127.0.0.1:{port}", name)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def nginx(lab, net):
    return programs.Nginx(lab, net.alice.host)


# Programs


@pytest.mark.limit(300)
def test_ssh(lab, net):
    ssh = programs.Ssh(lab, net.alice.host)
    data = programs.pattern(1 << 19)
    done = net.bob.host.run(ssh.argv(PORTS["ssh"][1], "sha256sum"), text=False, input=data)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


@pytest.mark.limit(120)
def test_psql(lab, net):
    postgres = programs.Postgres(lab, net.alice.host)
    at = ["-h", "127.0.0.1", "-p", PORTS["pg"][1], "-U", "vx6"]
    rows = net.bob.host.run([postgres.psql, *at, "-Atc", "select sum(x) from generate_series(1,100000) x", "postgres"]).stdout
    assert rows.strip() == "5000050000"


@pytest.mark.limit(300)
def test_curl_and_which_way_it_took(net, nginx):
    out = nginx.dir / "fetched"
    begun = time.monotonic()
    fetch(net, PORTS["web"][1], "blob", out, timeout=250)
    print(f"{nginx.blob_bytes / (time.monotonic() - begun) / 125e3:.0f} Mbit/s")
    with open(out, "rb") as f:
        assert hashlib.file_digest(f, "sha256").hexdigest() == nginx.blob_sha256
    os.unlink(out)
    leg = net.legs(net.bob, "web")[-1]
    there, meeting, back = net.there(leg), net.meeting(leg), net.back(leg)
    assert len(there) == 3 and len(back) == 3, (there, back)
    assert meeting not in there + back and net.alice not in there and net.bob not in back
    assert leg["anonymous"] and leg["target"] != net.alice.node_id()
    assert leg["target"] == net.service("web")["key"]


def test_what_its_owner_sees(net):
    def settled():
        """An introduction point that was lost is replaced within seconds, and by way of a third first relay if one of the two is suspected."""
        seen = net.service("web")
        states = sorted(p["state"] for p in seen["introduction_points"])
        return seen if states == ["active"] * 3 + ["standby"] * 2 and len(seen["vanguards"]) == 4 else None

    seen = wait_for(settled, 30, lambda: f"three introduction points and two in reserve: {net.service('web')}")
    assert seen["state"] == "ready" and seen["ready_at"]
    assert len({p["node_id"] for p in seen["introduction_points"]}) == 5
    assert len(seen["guards"]) in (2, 3), seen["guards"]
    assert seen["descriptor"]["bytes"] == 4096 and seen["descriptor"]["replicas"]["proved"] >= 4, seen["descriptor"]
    assert net.alice.api.get("/v1/node")["status"]["relay"]["announced"] is False, "an owner is a relay"


def test_steps_of_a_connection_are_told(net):
    steps = [s["step"] for s in hidden.connects(net.bob, "web")[-1]["steps"]]
    assert steps, steps
    at = [s["at_ms"] for s in hidden.connects(net.bob, "web")[-1]["steps"]]
    assert at == sorted(at)


def test_both_ends_together_make_a_picture(net, nginx, tmp_path):
    script = pathlib.Path(__file__).resolve().parents[2] / "demo/draw-connect.py"

    def run(*argv):
        return subprocess.run([sys.executable, script, *argv], capture_output=True, text=True, check=True, timeout=20).stdout

    with net.bob.connect(PORTS["web"][1], timeout=30) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert s.recv(4) == b"HTTP"
        trace = run("read", net.bob.state / "api.sock", net.alice.state / "api.sock", "web")
    (tmp_path / "trace.json").write_text(trace)
    said = json.loads(trace)
    assert len(said["there"]) == 3 == len(said["back"]) and said["meeting"] not in said["there"] + said["back"], said
    assert run("draw", tmp_path / "trace.json").endswith("</svg>\n")


# What was found on the prototype


def refused(agent, address, service, node_id=None):
    """The error of a connection to a service at an address, and how long it took."""
    port = refused.port = refused.port + 1
    ident = agent.add_forward(f"127.0.0.1:{port}", address=address, service=service, **({"node_id": node_id} if node_id else {}))
    begun = time.monotonic()
    with contextlib.suppress(OSError), agent.connect(port) as s:
        s.sendall(b"x")
        assert s.recv(1) == b"", "something answered"
    took = time.monotonic() - begun
    code = wait_for(lambda: agent.last_error(ident), 5, "the error")
    agent.api.call("DELETE", f"/v1/forwards/{ident}")
    return code, took


refused.port = 9700


@pytest.mark.parametrize("service", ["web", "hidden"])
def test_the_owners_own_port_does_not_know_it(net, service):
    """Under its name, under what it is called on its own sessions, as any name that nobody uses; nor is it slower or quicker to say so."""
    unknown = [refused(net.carol, net.alice.address, "no-such-thing") for _ in range(5)]
    known = [refused(net.carol, net.alice.address, service, net.alice.node_id()) for _ in range(5)]
    assert {c for c, _ in known} == {c for c, _ in unknown} == {"service_unknown"}
    median = [sorted(t for _, t in rows)[2] for rows in (unknown, known)]
    assert abs(median[0] - median[1]) < 0.05, median


def test_it_is_in_no_list(net):
    """Neither the registry nor the DHT has it by name, of alice's services or of anybody's."""
    for who in (net.bob, net.carol, *net.relays[:3]):
        assert not [s for s in who.api.items("/v1/registry/services") if s["name"] in PORTS], who.name
    ident = net.carol.add_forward("127.0.0.1:9799", to="alice.web")
    with contextlib.suppress(OSError), net.carol.connect(9799) as s:
        assert s.recv(1) == b""
    assert wait_for(lambda: net.carol.last_error(ident), 5, "the error") == "service_unknown"


@pytest.mark.limit(120)
def test_a_connection_that_says_nothing_lives(net):
    """The prototype cut it after eight seconds."""
    with programs.TcpServer(net.alice.host, 7411, lambda c: [c.sendall(d) for d in iter(lambda: c.recv(100), b"")]):
        net.hide("quiet", 7411, guests=[net.bob])
        hidden.visit(net.bob, "quiet", "127.0.0.1:9630", "quiet")
        with net.bob.connect(9630, timeout=30) as s:
            s.sendall(b"a")
            assert s.recv(1) == b"a"
            time.sleep(45 if FULL else 12)
            s.sendall(b"b")
            assert s.recv(1) == b"b"


# Who may, and what it is told


class Guest:
    """One more that visits, for a test of its own."""

    def __init__(self, net, name):
        self.agent = Agent(net.star.host(f"{name}-{net.tag}", delay=5), name, flags=["--lan", "off", "--relay", "off", "--peer", net.relays[2].address])
        self.agent.start()
        net.wait_known(who=self.agent, timeout=60)

    def comes(self, alias, port):
        """The error of a connection, or None."""
        ident = next((f["id"] for f in self.agent.api.items("/v1/forwards") if f["listen"].endswith(f":{port}")), None)
        if not ident:
            hidden.visit(self.agent, f"{alias}-{port}", f"127.0.0.1:{port}", alias)
            ident = next(f["id"] for f in self.agent.api.items("/v1/forwards") if f["listen"].endswith(f":{port}"))
        with contextlib.suppress(OSError), self.agent.connect(port, timeout=40) as s:
            s.sendall(b"P")
            if s.recv(1) == b"p":
                return None
        return wait_for(lambda: self.agent.last_error(ident), 5, "the error")


@pytest.fixture
def guest(net, request):
    made = Guest(net, f"guest{len(net.lab.hosts)}")
    yield made
    made.agent.stop()


@pytest.fixture(scope="module")
def echo(lab, net):
    proc = programs.load_server(lab, net.alice.host)
    net.hide("echo", programs.LOAD_PORT)
    yield proc


@pytest.mark.limit(120)
def test_an_invite_is_used_up(net, echo, guest):
    text = hidden.invite(net.alice, "echo", "--uses", "1")
    hidden.accept(guest.agent, "echo", text)
    assert guest.comes("echo", 9640) is None
    late = Guest(net, "late")
    hidden.accept(late.agent, "echo", text)
    assert late.comes("echo", 9640) == "invite_used_up"
    assert guest.comes("echo", 9640) is None, "who used it is still in"
    late.agent.stop()


@pytest.mark.limit(120)
def test_an_invite_expires(net, echo, guest):
    hidden.accept(guest.agent, "echo", hidden.invite(net.alice, "echo", "--expires", "8s"))
    time.sleep(8)
    assert guest.comes("echo", 9641) == "invite_expired"


@pytest.mark.limit(180)
def test_a_client_is_revoked_and_the_others_are_not(net, echo, guest):
    hidden.accept(guest.agent, "echo", hidden.invite(net.alice, "echo", "--name", "victim"))
    assert guest.comes("echo", 9642) is None
    victim = next(c for c in net.alice.api.items("/v1/hidden-clients") if c["name"] == "victim")
    hidden.vx6(net.alice, "hidden", "revoke", victim["id"])
    wait_for(lambda: guest.comes("echo", 9642) == "client_refused", 60, "the revocation to be in force", interval=1)
    hidden.visit(net.carol, "echo", "127.0.0.1:9643", "echo")
    with net.carol.connect(9643, timeout=40) as s:
        s.sendall(b"P")
        assert s.recv(1) == b"p"


@pytest.mark.limit(120)
def test_who_knows_only_the_key_is_refused(net, echo, guest):
    hidden.accept(guest.agent, "echo", net.service("echo")["key"])
    assert guest.comes("echo", 9644) == "client_refused"


@pytest.mark.limit(120)
def test_an_owner_that_restarts_is_back(net, echo):
    hidden.visit(net.bob, "echo", "127.0.0.1:9645", "echo")
    net.alice.proc.kill()
    net.alice.spawn()
    begun = time.monotonic()

    def answers():
        with contextlib.suppress(OSError), net.bob.connect(9645, timeout=10) as s:
            s.sendall(b"P")
            return s.recv(1) == b"p"

    wait_for(answers, 60, "the service to be back")
    took = time.monotonic() - begun
    print(f"back after {took:.1f} s")
    assert took < (10 if FULL else 30)  # seen: 5 to 8; how busy the machine is says the rest


# Small networks


def rss_of(net):
    return {a.name: round(a.proc.rss() / (1 << 20), 1) for a in (net.alice, net.bob, net.relays[0])}


STREAM_S = int(os.environ.get("VX6_NET_STREAM_S", "60" if FULL else "5"))  # hours: 10800


@pytest.mark.limit(180 + STREAM_S)
@pytest.mark.parametrize("nodes", [8, 12] if FULL else [8])
def test_a_small_network_is_enough_and_says_that_it_is_small(lab, nodes):
    """Of 12 nodes the prototype could not serve anything, and ended what it served after 8 s. Here a stream lives for as long as it is asked to."""
    small = HiddenNet(lab, count=nodes - 3, delays=(2.5, 10))
    try:
        small.start(timeout=60)
        small.wait_known(who=small.alice)
        programs.load_server(lab, small.alice.host)
        small.hide("ghost", programs.LOAD_PORT, "--profile", "fast", guests=[small.bob])
        assert small.service("ghost")["warnings"], "nothing is said of so few relays"
        hidden.visit(small.bob, "ghost", "127.0.0.1:9650", "ghost")
        with small.bob.connect(9650, timeout=40) as s:
            s.sendall(b"P")
            assert s.recv(1) == b"p"
            began, worst, rss = time.monotonic(), 0, {}
            while time.monotonic() < began + STREAM_S:
                time.sleep(1)
                asked, said = time.monotonic(), os.urandom(1)
                s.sendall(said)
                assert s.recv(1) == said
                worst = max(worst, time.monotonic() - asked)
                if time.monotonic() > began + STREAM_S / 10:
                    rss = rss or rss_of(small)
            grown = {name: mb - rss[name] for name, mb in rss_of(small).items()}
            print(f"{STREAM_S} s: the slowest answer took {worst:.2f} s; in MB, and so much more than after a tenth: {rss_of(small)}, {grown}")
            assert max(grown.values()) < 4, (rss, grown)
    finally:
        small.stop()
