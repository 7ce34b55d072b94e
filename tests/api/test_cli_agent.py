"""The command line with real agents: every command, what they answer each other, ssh through `vx6 connect`."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from conftest import BIN, Agent, free_port

ENV = {k: v for k, v in os.environ.items() if not k.startswith("VX6_")} | {"NO_COLOR": "1"}
DATA = os.urandom(1 << 20) * 10


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Cli:
    """A node: its agent, and the command line that asks it."""

    def __init__(self, agent):
        self.agent = agent

    def run(self, *argv, data=b"", timeout=60):
        argv = [BIN, "--socket", self.agent.socket, *map(str, argv)]
        return subprocess.run(argv, input=data, capture_output=True, env=ENV, timeout=timeout)

    def ok(self, *argv, **more):
        done = self.run(*argv, **more)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def json(self, *argv):
        return json.loads(self.ok("--json", *argv))

    def fails(self, exit, code, *argv):
        done = self.run(*argv)
        assert (done.returncode, f"({code})" in done.stderr.decode()) == (exit, True), done
        assert done.stdout == b""
        return done.stderr.decode()


def until(what, seconds=10):
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)
    return value


class Server:
    """A program on this machine: handle(conn) in a thread for each connection."""

    def __init__(self, handle):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.handle = handle
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn:
            try:
                self.handle(conn)
            except OSError:
                pass


def echo(conn):
    while data := conn.recv(65536):
        conn.sendall(data)
    conn.shutdown(socket.SHUT_WR)


def digest(conn):
    """Takes everything, and only then answers: its SHA-256, and as many bytes as came."""
    data = b""
    while more := conn.recv(65536):
        data += more
    conn.sendall(sha(data).encode() + data)
    conn.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def pair(folder):
    """alice with services echo, digest and dead; bob, who knows her."""
    alice = Agent(tempfile.mkdtemp(prefix="alice-", dir=folder), "alice").start()
    address = next(a["address"] for a in alice.raw("GET", "/v1/node").json["listen"])
    bob = Agent(tempfile.mkdtemp(prefix="bob-", dir=folder), "bob").start("--peer", address)
    a, b = Cli(alice), Cli(bob)
    a.address = address
    a.node_id = a.json("identity")["node_id"]
    b.node_id = b.json("identity")["node_id"]
    a.echo, a.digest = Server(echo), Server(digest)
    a.ok("service", "add", "echo", "--target", a.echo.address)
    a.ok("service", "add", "digest", "--target", a.digest.address)
    a.ok("service", "add", "dead", "--target", free_port())
    until(lambda: b"up" in b.ok("peer", "list", "--fields", "status.state", "--no-headers"))
    until(lambda: b.run("connect", "alice.echo").returncode == 0)
    yield a, b
    a.echo.listener.close()
    a.digest.listener.close()
    for node in (bob, alice):
        assert node.stop() == 0, node.log()


# ---- every command ----

def test_looking_at_the_agent(pair):
    alice, bob = pair
    assert b"alice" in alice.ok("status") and b"Ready" in alice.ok("status")
    assert alice.json("status")["name"] == "alice"
    assert alice.ok("identity", "--fields", "node_id", "--no-headers").decode().strip() == alice.node_id
    for check in ("live", "ready", "startup"):
        assert alice.ok("health", "--check", check).startswith(b"ok\n")
    assert b"protocol vx6/1" in alice.ok("version")
    types = [json.loads(line)["type"] for line in alice.ok("events", "-o", "jsonl").splitlines()]
    assert types[0] == "node.started" and "service.created" in types
    assert b"service.created" in alice.ok("events", "--types", "service.*", "--since", 1)
    assert json.loads(alice.ok("api", "GET", "/v1/services?limit=1"))["next_cursor"]


def test_service_from_beginning_to_end(pair):
    alice, _ = pair
    assert b"alice.wiki" in alice.ok("service", "add", "wiki", "--target", "unix:/run/wiki.sock", "--label", "site=paris")
    assert alice.ok("service", "list", "--label", "site:paris", "-o", "name") == b"wiki\n"
    assert alice.ok("service", "list", "--search", "wik", "-o", "name") == b"wiki\n"
    shown = alice.json("service", "show", "wiki")
    assert shown["target"] == "unix:/run/wiki.sock" and shown["labels"] == {"site": "paris"}
    assert alice.json("service", "show", shown["id"]) == shown
    alice.ok("service", "update", "wiki", "--target", 8081, "--disable", "--allow", pair[1].node_id, "--label", "site=", "--label", "a=b")
    changed = alice.json("service", "show", "wiki")
    assert (changed["target"], changed["enabled"], changed["labels"]) == ("127.0.0.1:8081", False, {"a": "b"})
    assert changed["access"] == {"default": "none", "node_ids": [pair[1].node_id]}
    alice.fails(6, "precondition_failed", "service", "remove", "wiki", "--if-match", '"999"')
    alice.ok("service", "remove", "wiki")
    alice.fails(5, "not_found", "service", "show", "wiki")


def test_forward_from_beginning_to_end(pair):
    alice, bob = pair
    row = bob.ok("forward", "add", "way", "--listen", 0, "--to", "alice.echo", "--no-headers", "--fields", "status.bound").decode().strip()
    host, _, port = row.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(b"through")
        assert s.recv(100) == b"through"
    bob.ok("forward", "update", "way", "--address", alice.address, "--service", "digest", "--node-id", alice.node_id)
    changed = bob.json("forward", "show", "way")
    assert (changed["to"], changed["service"], changed["node_id"]) == (None, "digest", alice.node_id)
    assert f"digest@{alice.address}".encode() in bob.ok("forward", "list")
    bob.fails(6, "name_taken", "forward", "add", "way", "--listen", 0, "--to", "alice.echo")
    bob.ok("forward", "update", "way", "--to", "alice.echo", "--disable")
    assert bob.json("forward", "show", "way")["status"]["phase"] == "disabled"
    bob.ok("forward", "remove", "way")
    assert b"way" not in bob.ok("forward", "list", "-o", "name")


def test_peer_from_beginning_to_end(pair):
    alice, bob = pair
    spare = f"[::1]:{free_port()}"
    bob.ok("peer", "add", spare, "--name", "carol", "--disable")
    assert bob.json("peer", "show", "carol")["addresses"] == [spare]
    bob.ok("peer", "update", "carol", "--node-id", alice.node_id, "--address", spare, "--address", f"[::1]:{free_port()}", "--enable")
    changed = bob.json("peer", "show", "carol")
    assert (changed["node_id"], len(changed["addresses"]), changed["enabled"]) == (alice.node_id, 2, True)
    bob.ok("peer", "update", "carol", "--node-id", "")
    assert bob.json("peer", "show", "carol")["node_id"] is None
    bob.ok("peer", "remove", "carol")
    bob.fails(5, "not_found", "peer", "show", "carol")


def test_completion_knows_what_there_is(pair):
    alice, bob = pair

    def complete(cli, *words):
        return {line.split("\t")[0] for line in cli.ok("__complete", "--socket", cli.agent.socket, *words).decode().splitlines()}

    assert complete(alice, "service", "show", "") == {"dead", "digest", "echo"}
    assert "alice.echo" in until(lambda: complete(bob, "connect", "alice."))
    assert alice.node_id in complete(bob, "service", "add", "x", "--allow", "vx1")


def test_agent_takes_what_init_made(folder):
    state = folder / "prepared"
    secret = folder / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    done = subprocess.run([BIN, "init", "--state-dir", state, "--name", "erin", "--passphrase-file", secret, "--json"], capture_output=True,
                          env=ENV, timeout=30)
    assert done.returncode == 0, done.stderr
    agent = Agent(state, "-")
    # its own name and no passphrase: the file of init has the one, the short-lived key needs no other
    child = subprocess.Popen([BIN, "agent", "--state-dir", state, "--listen", "[::1]:0", "--api-listen", "none"], env=ENV,
                             stderr=subprocess.PIPE)
    try:
        cli = Cli(agent)
        until(lambda: cli.run("health").returncode == 0)
        assert cli.json("status")["name"] == "erin"
        identity = cli.json("identity")
        assert (identity["node_id"], identity["passphrase"]) == (json.loads(done.stdout)["node_id"], True)
    finally:
        child.terminate()
        assert child.wait(15) == 0, child.stderr.read()
        child.stderr.close()


# ---- exit status, with causes ----

def test_refusals_of_the_agent(pair):
    alice, bob = pair
    text = alice.fails(9, "invalid_body", "service", "add", "No_Good", "--target", "127.0.0.1:1")
    assert "/name: " in text and "request id: req_" in text
    alice.fails(6, "name_taken", "service", "add", "echo", "--target", "1")
    alice.fails(5, "route_unknown", "api", "GET", "/v1/nosuch")
    alice.fails(9, "invalid_body", "api", "POST", "/v1/services", "-d", '{"name":1,"wrong":2}')
    alice.fails(9, "invalid_json", "api", "POST", "/v1/services", "-d", '{"name":"a","name":"b"}')


def test_token_over_tcp(pair, tmp_path):
    alice, _ = pair
    url = ["--url", f"http://127.0.0.1:{alice.agent.port}"]

    def run(*argv):
        return subprocess.run([BIN, *url, *map(str, argv)], input=b"", capture_output=True, env=ENV, timeout=20)

    token = alice.agent.dir / "admin.token"
    assert json.loads(run("--token-file", token, "--json", "status").stdout)["name"] == "alice"
    assert run("status").returncode == 4
    wrong = tmp_path / "wrong"
    wrong.write_text(token.read_text()[:-3] + "xyz\n")
    wrong.chmod(0o600)
    assert run("--token-file", wrong, "status").returncode == 4
    assert run("--token-file", wrong, "connect", "alice.echo").returncode == 4
    assert run("health").returncode == 0  # needs none


def test_agent_that_was_killed_is_unreachable(make_agent):
    agent = make_agent("dora")
    cli = Cli(agent)
    cli.ok("status")
    agent.process.send_signal(signal.SIGKILL)
    agent.process.wait(10)
    assert pathlib.Path(agent.socket).exists()
    text = cli.fails(3, "agent_unreachable", "status")
    assert "vx6 agent" in text
    assert cli.run("connect", "a.b").returncode == 3


# ---- connect ----

@pytest.mark.parametrize("how", ["name", "address", "pinned"])
def test_connect_carries_ten_megabytes_both_ways(pair, how):
    alice, bob = pair
    argv = {"name": ["alice.echo"], "address": ["--address", alice.address, "--service", "echo"],
            "pinned": ["--address", alice.address, "--service", "echo", "--node-id", alice.node_id]}[how]
    assert sha(bob.ok("connect", *argv, data=DATA)) == sha(DATA)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 10 << 20])
def test_connect_passes_the_end_on_and_still_hears_the_answer(pair, size):
    data = DATA[:size]
    assert pair[1].ok("connect", "alice.digest", data=data) == sha(data).encode() + data


def test_connect_says_what_is_wrong(pair):
    alice, bob = pair
    bob.fails(5, "service_unknown", "connect", "alice.nosuch")
    bob.fails(5, "peer_unknown", "connect", "nobody.echo")
    bob.fails(8, "target_unreachable", "connect", "alice.dead")
    bob.fails(8, "peer_unreachable", "connect", "--address", f"[::1]:{free_port()}", "--service", "echo")
    bob.fails(8, "wrong_peer", "connect", "--address", alice.address, "--service", "echo", "--node-id", bob.node_id)
    alice.ok("service", "update", "echo", "--allow", "none")
    try:
        bob.fails(4, "access_refused", "connect", "alice.echo")
    finally:
        alice.ok("service", "update", "echo", "--allow", "any")
    assert bob.ok("connect", "alice.echo", data=b"again") == b"again"


def test_connect_listens_for_many(pair):
    _, bob = pair
    child = subprocess.Popen([BIN, "--socket", bob.agent.socket, "connect", "alice.echo", "--listen", "0"], env=ENV, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    try:
        port = int(child.stdout.readline().rpartition(b":")[2])
        conns = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(20)]
        for n, conn in enumerate(conns):
            conn.sendall(bytes([n]) * 100000)
            conn.shutdown(socket.SHUT_WR)
        for n, conn in enumerate(conns):
            data = b""
            while more := conn.recv(65536):
                data += more
            assert data == bytes([n]) * 100000
            conn.close()
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 130, child.stderr.read()
        child.stdout.close()
        child.stderr.close()


@pytest.fixture
def sshd(tmp_path):
    """An sshd on 127.0.0.1 that admits one key."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    if not program or not shutil.which("ssh"):
        pytest.skip("needs ssh and sshd")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    if os.geteuid() == 0:
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    config = tmp_path / "sshd_config"
    config.write_text(f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\n"
                      f"UsePAM no\nPasswordAuthentication no\nPidFile {tmp_path}/pid\nPermitRootLogin yes\n")
    child = subprocess.Popen([program, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
    until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    yield port, tmp_path / "user"
    child.terminate()
    child.wait(10)


def test_ssh_through_proxy_command(pair, sshd):
    alice, bob = pair
    port, key = sshd
    alice.ok("service", "add", "ssh", "--target", port)
    until(lambda: b"ssh" in bob.ok("peer", "list", "--fields", "status.services"))
    proxy = f"{BIN} --socket {bob.agent.socket} connect alice.ssh"
    ssh = ["ssh", "-F", "none", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
           "-o", f"ProxyCommand={proxy}", "alice"]
    try:
        done = subprocess.run([*ssh, "echo $((6*7))"], capture_output=True, timeout=30, env=ENV)
        assert (done.returncode, done.stdout) == (0, b"42\n"), done.stderr
        done = subprocess.run([*ssh, "cat"], input=DATA, capture_output=True, timeout=60, env=ENV)
        assert sha(done.stdout) == sha(DATA), done.stderr
        assert subprocess.run([*ssh, "exit 7"], capture_output=True, timeout=30, env=ENV).returncode == 7
    finally:
        alice.ok("service", "remove", "ssh")
