"""Real programs through 1, 2 and 3 relays; which way a connection takes, and that it moves; who is not told what."""
import hashlib
import os
import time

import pytest

import programs
from lab import wait_for
from overlay import ApiError, program
from relays import RelayNet

BASE = {"ssh": 9100, "web": 9200, "pg": 9300}
HOPS = (1, 2, 3)


@pytest.fixture(scope="module")
def net(lab):
    made = RelayNet(lab)
    try:
        made.start()
        for name, port in (("ssh", programs.SSH_PORT), ("web", programs.HTTP_PORT), ("pg", programs.PG_PORT)):
            made.alice.add_service(name, f"127.0.0.1:{port}")
            for hops in HOPS:
                made.forward(BASE[name] + hops, name, via="relay", hops=hops)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def ssh(lab, net):
    return programs.Ssh(lab, net.alice.host)


@pytest.fixture(scope="module")
def nginx(lab, net):
    return programs.Nginx(lab, net.alice.host)


@pytest.fixture(scope="module")
def postgres(lab, net):
    return programs.Postgres(lab, net.alice.host)


def fetch(net, port, path="index.html", out="/dev/null", timeout=30, check=True):
    """curl on bob's host; (its exit status, what it printed)."""
    done = net.bob.host.run([programs.need("curl"), "-sS", "--fail", "-m", timeout, "-o", out,
                             f"http://127.0.0.1:{port}/{path}"], timeout=timeout + 5, check=check)
    return done.returncode, done.stderr


@pytest.mark.parametrize("hops", HOPS)
def test_ssh_through_relays(net, ssh, hops):
    data = programs.pattern(1 << 19)
    done = net.bob.host.run(ssh.argv(BASE["ssh"] + hops, "sha256sum"), text=False, input=data)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("hops", HOPS)
def test_psql_through_relays(net, postgres, hops):
    at = ["-h", "127.0.0.1", "-p", BASE["pg"] + hops, "-U", "vx6"]
    rows = net.bob.host.run([postgres.psql, *at, "-Atc", "select sum(x) from generate_series(1,100000) x", "postgres"]).stdout
    assert rows.strip() == "5000050000"


@pytest.mark.limit(240)
@pytest.mark.parametrize("hops", HOPS)
def test_curl_through_relays_and_what_is_said_of_it(net, nginx, hops):
    out = nginx.dir / f"fetched{hops}"
    begun = time.monotonic()
    fetch(net, BASE["web"] + hops, "blob", out, timeout=200)
    took = time.monotonic() - begun
    with open(out, "rb") as f:
        assert hashlib.file_digest(f, "sha256").hexdigest() == nginx.blob_sha256
    os.unlink(out)
    print(f"{hops} relays: {nginx.blob_bytes / took / 125e3:.0f} Mbit/s")
    mine = [c for c in net.circuits(state="open", purpose="route") if len(c["hops"]) == hops + 1 and not c["anonymous"]]
    used = max(mine, key=lambda c: c["bytes"]["rx"])
    assert used["bytes"]["rx"] >= nginx.blob_bytes and used["cells"]["rx"] >= nginx.blob_bytes // 1024
    path = net.path(used)
    assert path[-1] is net.alice and len(set(path)) == hops + 1
    assert net.bob not in path
    assert all(h["reason"] for h in used["hops"][:-1]), used["hops"]
    # what is measured of a hop is what the lines to it take, and what a busy machine adds
    wait_for(lambda: all(h["rtt_ms"] for h in net.bob.api.get(f"/v1/circuits/{used['id']}")["hops"]), 10, "a round trip of each hop")
    for n, hop in enumerate(net.bob.api.get(f"/v1/circuits/{used['id']}")["hops"]):
        assert hop["rtt_ms"] >= net.rtt_ms(net.bob, *path[:n + 1]) - 0.5, hop
    assert net.decisions(circuit=used["id"])
    text = net.bob.api.request("GET", "/v1/metrics")[2].decode()
    series = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    label = f'circuit="{used["id"]}",purpose="route"'
    assert float(series[f'vx6_circuit_bytes_total{{{label},direction="rx"}}']) >= nginx.blob_bytes
    assert float(series[f'vx6_circuit_hop_rtt_seconds{{{label},hop="{hops + 1}"}}']) > 0
    relayed = path[0].api.request("GET", "/v1/metrics")[2].decode()
    assert float(dict(line.rsplit(" ", 1) for line in relayed.splitlines())["vx6_relay_bytes_total"]) >= nginx.blob_bytes


LATE_MS = 150  # what a busy machine may add to the round trip of a line that carries nothing else


@pytest.mark.parametrize("hops", HOPS)
def test_the_round_trip_to_each_hop_is_what_the_lines_to_it_take(net, hops):
    """Of new circuits that carry nothing: never less; and not much more, at the best of three."""
    seen = []
    for _ in range(3):
        made = net.bob.api.call("POST", "/v1/circuits", {"to": "alice", "route": {"via": "relay", "hops": hops}})

        def measured(made=made):
            row = net.bob.api.get(f"/v1/circuits/{made['id']}")
            return row if row["state"] == "open" and all(h["rtt_ms"] for h in row["hops"]) else None

        row = wait_for(measured, 15, "a round trip of each hop")
        path = net.path(row)
        late = [h["rtt_ms"] - net.rtt_ms(net.bob, *path[:n + 1]) for n, h in enumerate(row["hops"])]
        assert len(late) == hops + 1 and min(late) >= -0.5, row["hops"]
        net.bob.api.call("DELETE", f"/v1/circuits/{made['id']}")
        seen.append(late)
    print("later than the lines, ms:", [[round(x, 1) for x in late] for late in seen])
    assert min(max(late) for late in seen) <= LATE_MS, seen


def test_explicit_nodes_are_taken_in_their_order(net, nginx):
    through = [net.relays[3], net.relays[1]]
    net.forward(9401, "web", via="relay", nodes=[r.node_id() for r in through])
    fetch(net, 9401)
    used = [c for c in net.circuits(state="open", purpose="route") if net.path(c)[:-1] == through]
    assert used and net.path(used[0])[-1] is net.alice
    with pytest.raises(ApiError) as refused:
        net.forward(9402, "web", via="relay", nodes=[net.bob.node_id()])
    assert refused.value.status == 422


@pytest.mark.parametrize("single_pass", [True, False])
def test_a_circuit_by_hand_is_built_in_one_pass_or_hop_by_hop(net, single_pass):
    through = net.relays[1:4]
    made = net.bob.api.call("POST", "/v1/circuits", {"route": {"nodes": [r.node_id() for r in through]}, "single_pass": single_pass})
    done = wait_for(lambda: next((c for c in net.circuits(state="open") if c["id"] == made["id"]), None), 10, "the circuit")
    net.bob.api.call("DELETE", f"/v1/circuits/{made['id']}")
    assert done["single_pass"] == single_pass and net.path(done) == through
    farther = [net.rtt_ms(net.bob, *through[:n + 1]) for n in range(len(through))]
    assert done["build_ms"] >= (farther[-1] if single_pass else sum(farther)) - 0.5, (done, farther)


def test_a_first_byte_waits_for_the_circuit_and_one_round_trip(lab, net):
    through = [net.relays[2], net.relays[4]]
    programs.load_server(lab, net.alice.host)
    net.alice.add_service("load", f"127.0.0.1:{programs.LOAD_PORT}")
    net.forward(9471, "load", via="relay", nodes=[r.node_id() for r in through])

    def none_is_left():
        left = [c for c in net.circuits() if c["state"] != "closed" and net.path(c) == [*through, net.alice]]
        for c in left:
            if not c["streams"]:
                net.bob.api.call("DELETE", f"/v1/circuits/{c['id']}")
        return not left

    def cold_ms():
        wait_for(none_is_left, 10, "its circuits to be closed", interval=0.1)
        begun = time.monotonic()
        with net.bob.connect(9471) as s:
            s.sendall(b"P")
            assert s.recv(1) == b"p"
        return (time.monotonic() - begun) * 1e3

    took = [cold_ms() for _ in range(5)][1:]  # links between the relays may have had to be made for the first
    path_ms = net.rtt_ms(net.bob, *through, net.alice)
    print(f"first bytes after {[round(ms) for ms in took]} ms, round trip {path_ms:.0f} ms")
    assert min(took) <= 2.5 * path_ms + 5, (took, path_ms)


def test_connect_through_relays(net, nginx):
    done = net.bob.host.run([program(), "--socket", net.bob.state / "api.sock", "connect", "alice.web", "--via", "relay", "--hops", "1"],
                            input="GET /index.html HTTP/1.0\r\n\r\n")
    assert "hello from alice" in done.stdout


@pytest.fixture(scope="module")
def tiny(lab):
    """Two relays, and one that relays for its peers alone, which bob is."""
    made = RelayNet(lab, count=3)
    made.bob.argv += ["--peer", made.relays[2].address]
    made.relays[2].argv += ["--relay", "private", "--peer", made.bob.address]
    try:
        made.start(want=2)
        made.alice.add_service("ssh", f"127.0.0.1:{programs.SSH_PORT}")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def tiny_ssh(lab, tiny):
    return programs.Ssh(lab, tiny.alice.host)


def test_too_few_relays_is_said(tiny):
    for hops in (3, 8):
        ident = tiny.forward(9403 + hops, "ssh", via="relay", hops=hops)
        fetch(tiny, 9403 + hops, check=False, timeout=5)
        wait_for(lambda ident=ident: tiny.bob.last_error(ident) == "no_relays", 10, lambda: f"{tiny.bob.forward(ident)['status']['last_error']}")


def test_a_private_relay_is_named_by_its_peer_and_drawn_by_nobody(tiny, tiny_ssh):
    public, private = tiny.relays[0], tiny.relays[2]
    for port, through in ((9421, [private]), (9422, [private, public])):
        tiny.forward(port, "ssh", via="relay", nodes=[r.node_id() for r in through])
        done = tiny.bob.host.run(tiny_ssh.argv(port, "echo there"), timeout=40)
        assert done.stdout.strip() == "there"
        assert [c for c in tiny.circuits(state="open", purpose="route") if tiny.path(c)[:-1] == through]
    named = {tuple(h["node_id"] for h in c["hops"][:-1]) for c in tiny.circuits() if any(h["node_id"] == private.node_id() for h in c["hops"])}
    assert all(nodes[0] == private.node_id() for nodes in named), named  # as named, and in no other place
    # alice is no peer of it
    ident = tiny.alice.add_forward("127.0.0.1:9423", to=f"{tiny.bob.node_id()}.ssh",
                                   route={"via": "relay", "nodes": [private.node_id()]})
    tiny.alice.host.run([programs.need("curl"), "-sS", "-m", 10, "http://127.0.0.1:9423/"], timeout=15, check=False)
    wait_for(lambda: tiny.alice.last_error(ident), 15, "why alice cannot")


def test_an_unpublished_service_is_refused_by_the_far_end_alone(net):
    ident = net.forward(9404, "nothing", via="relay", hops=1)
    status, _ = fetch(net, 9404, check=False)
    assert status != 0
    assert net.bob.last_error(ident) == "service_unknown"


def test_auto_goes_direct_while_it_can(net, nginx):
    ident = net.forward(9405, "web")
    fetch(net, 9405)
    assert net.bob.forward(ident)["status"]["path"]["transport"] in ("quic", "tcp")


class Blackhole:
    """No packet passes between two hosts, whatever else they reach: a route on each that leads nowhere."""

    def __init__(self, a, b):
        self.pairs = [(a.host, b.host), (b.host, a.host)]

    def _each(self, what):
        for host, other in self.pairs:
            host.ip("-6", "route", what, "blackhole", f"{other.ip6}/128")
            host.ip("route", what, "blackhole", f"{other.ip4}/32")

    def __enter__(self):
        self._each("add")
        return self

    def __exit__(self, *_):
        self._each("del")


@pytest.mark.limit(120)
def test_auto_takes_a_relay_when_there_is_no_direct_way_and_moves_when_there_is(net):
    """A slow stream that begins over a relay, and goes on without it."""
    stop = []

    def serve(conn):
        while not stop:
            conn.sendall(b"tick\n")
            time.sleep(0.05)

    with programs.TcpServer(net.alice.host, 7300, serve):
        net.alice.add_service("ticks", "127.0.0.1:7300")
        with Blackhole(net.alice, net.bob):
            for peer in net.bob.peers_up():
                if peer["status"].get("node_id") == net.alice.node_id():
                    wait_for(lambda: net.alice.node_id() not in {p["status"].get("node_id") for p in net.bob.peers_up()}, 90,
                             "the direct session to be given up")
            ident = net.forward(9406, "ticks")
            conn = net.bob.connect(9406, timeout=30)
            assert conn.recv(5) == b"tick\n"
            path = net.bob.forward(ident)["status"]["path"]
            assert path["transport"] == "circuit" and path["hops"] == 1, path
            wait_for(net.carrying, 5, "the circuit to say so")
        # nobody connects anew: bob tries the direct way of his own accord, first after 5 s, and what runs moves there
        begun = time.monotonic()
        wait_for(lambda: not net.carrying(), 60, lambda: f"the stream to leave the relay: {net.decisions()[:4]}", interval=0.25)
        print(f"moved to the direct way {time.monotonic() - begun:.1f} s after it was there again")
        assert net.alice.node_id() in {p["status"].get("node_id") for p in net.bob.peers_up()}
        end, got = time.monotonic() + 1, b""
        while time.monotonic() < end:
            got += conn.recv(4096)
        assert got and set(got.split(b"\n")) <= {b"tick", b"", *(b"tick"[:n] for n in range(5)), *(b"tick"[n:] for n in range(5))}
        stop.append(True)
        conn.close()


def test_anonymous_use_tells_nobody_who_it_is(net, nginx):
    net.alice.add_service("mine", f"127.0.0.1:{programs.HTTP_PORT}", allow=[net.bob.node_id()])
    net.forward(9407, "web", via="relay", hops=2, anonymous=True)
    refused = net.forward(9408, "mine", via="relay", hops=2, anonymous=True)
    known = net.forward(9409, "mine", via="relay", hops=2)
    fetch(net, 9407)
    fetch(net, 9409)
    assert net.bob.forward(known)["status"]["path"]["transport"] == "circuit"
    status, _ = fetch(net, 9408, check=False)
    assert status != 0 and net.bob.last_error(refused) == "access_refused"
    used = [c for c in net.circuits(anonymous=True) if c["state"] == "open" and c["purpose"] == "route"]
    assert used and all(c["hops"][0]["role"] == "guard" for c in used), [c["hops"][0] for c in used]
