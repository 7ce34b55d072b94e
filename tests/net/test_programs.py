"""Real programs through the overlay: ssh, curl, psql and pgbench, a WebSocket, on good and bad networks."""
import hashlib
import os
import pathlib
import re
import time

import pytest

import overlay
import programs

SSH, WEB, PG, WS = 9022, 9080, 9432, 9765
CONDITIONS = {
    "clean": {},
    "50ms-1%loss": {"delay": 25, "loss": 1, "rate": 1000, "queue": 100},
    "mtu1280": {"mtu": 1280},
}


@pytest.fixture(scope="module", params=[(t, c) for t in ("quic", "tcp") for c in CONDITIONS], ids=lambda p: "-".join(p))
def world(request, pair, load_server):
    """alice publishes every program; bob has a forward to each; all of it set up under the condition of the path."""
    agents = overlay.Agents(pair)
    agents.transport, agents.condition = request.param
    model = dict(CONDITIONS[agents.condition])
    pair.wan.reset()
    try:
        pair.wan.set_mtu(model.pop("mtu", 1500))
        pair.wan.set(**model)
        agents.duo(agents.transport, timeout=15)
        for name, target, port in (("ssh", programs.SSH_PORT, SSH), ("web", programs.HTTP_PORT, WEB),
                                   ("pg", programs.PG_PORT, PG), ("ws", programs.WS_PORT, WS)):
            agents.alice.add_service(name, f"127.0.0.1:{target}")
            agents.bob.add_forward(f"127.0.0.1:{port}", to=f"alice.{name}")
        yield agents
    finally:
        pair.wan.reset()
        agents.stop()


@pytest.fixture(scope="module")
def nginx(lab, pair):
    return programs.Nginx(lab, pair.alice)


@pytest.fixture(scope="module")
def postgres(lab, pair):
    server = programs.Postgres(lab, pair.alice)
    pair.alice.run([server.pgbench, "-h", "127.0.0.1", "-p", programs.PG_PORT, "-U", "vx6", "-i", "-q", "postgres"])
    return server


@pytest.fixture(scope="module")
def websocket(pair):
    server = programs.WebSocketServer(pair.alice)
    yield server
    server.close()


def test_ssh_runs_a_command(world, sshd):
    data = programs.pattern(1 << 20)
    done = world.pair.bob.run(sshd.argv(SSH, "cat >/dev/null; echo $SSH_CONNECTION; exit 7"), check=False, text=False, input=data)
    assert done.returncode == 7, done.stderr
    assert done.stdout.split()[0] == b"127.0.0.1"  # sshd saw a neighbour of its own loopback
    done = world.pair.bob.run(sshd.argv(SSH, "sha256sum"), text=False, input=data)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


@pytest.mark.limit(180)
def test_curl_fetches_100_mb_unharmed(world, nginx):
    bbr = "bbr" in pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text()
    short = world.condition == "50ms-1%loss" and world.transport == "tcp" and not bbr  # 2 Mbit/s with CUBIC
    want, size, only = nginx.blob_sha256, nginx.blob_bytes, []
    if short:
        size, only = 5 << 20, ["-r", f"0-{(5 << 20) - 1}"]
        with open(nginx.dir / "www" / "blob", "rb") as f:
            want = hashlib.sha256(f.read(size)).hexdigest()
    out = nginx.dir / "fetched"
    started = time.monotonic()
    world.pair.bob.run([programs.need("curl"), "-sS", "--fail", "-g", *only, "-o", out, f"http://127.0.0.1:{WEB}/blob"], timeout=170)
    took = time.monotonic() - started
    with open(out, "rb") as f:
        assert hashlib.file_digest(f, "sha256").hexdigest() == want
    assert os.path.getsize(out) == size
    print(f"{size / took / 125e3:.0f} Mbit/s")


def test_pgbench_and_psql(world, postgres):
    bob, at = world.pair.bob, ["-h", "127.0.0.1", "-p", PG, "-U", "vx6"]
    before = int(bob.run([postgres.psql, *at, "-Atc", "select count(*) from pgbench_history", "postgres"]).stdout)
    done = bob.run([postgres.pgbench, *at, "-n", "-c", 8, "-j", 2, "-t", 10, "postgres"])
    assert re.search(r"actually processed: 80/80", done.stdout), done.stdout
    after = int(bob.run([postgres.psql, *at, "-Atc", "select count(*) from pgbench_history", "postgres"]).stdout)
    assert after - before == 80
    rows = bob.run([postgres.psql, *at, "-Atc", "select sum(x) from generate_series(1,100000) x", "postgres"]).stdout
    assert rows.strip() == "5000050000"


def test_websocket_stays_open(world, websocket):
    """Nothing but its own ticks for a while, then an echo, all in order."""
    quiet = 3
    with world.bob.connect(WS) as conn:
        programs.ws_connect(conn)
        end, ticks = time.monotonic() + quiet, []
        while time.monotonic() < end:
            ticks.append(programs.ws_read(conn))
        assert ticks == [f"tick {n}".encode() for n in range(len(ticks))]
        assert len(ticks) >= quiet / 0.2 * 0.6, len(ticks)
        conn.sendall(programs.ws_frame(b"are you there", mask=True))
        assert b"echo are you there" in [programs.ws_read(conn) for _ in range(8)]
