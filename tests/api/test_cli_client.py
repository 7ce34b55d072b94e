"""The command line as a client, beside a scripted API: every exit status, what goes out, what is shown."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from fake_api import FakeApi, echo, problem, swallow_then_answer, upgraded  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("VX6_BIN") or ROOT / "build" / "vx6")
ENV = {k: v for k, v in os.environ.items() if not k.startswith("VX6_")} | {"NO_COLOR": "1"}

pytestmark = pytest.mark.skipif(not PROGRAM.is_file(), reason=f"no program at {PROGRAM}: ./dev build")

SERVICE = {
    "id": "svc_01J9Z3K4M5N6P7Q8R9S0T1V2W3", "kind": "service", "generation": 3, "name": "web", "target": "127.0.0.1:8080",
    "protocol": "tcp", "enabled": True, "access": {"default": "any", "node_ids": []}, "labels": {}, "full_name": "alice.web",
    "status": {"phase": "ready", "sessions": {"active": 2, "total": 91}, "bytes": {"rx": 88213, "tx": 912233}, "last_error": None},
}


def run(*argv, data=None, env=None, timeout=20):
    return subprocess.run([PROGRAM, *map(str, argv)], input=data, capture_output=True, env=ENV | (env or {}), timeout=timeout)


@pytest.fixture
def api(tmp_path):
    """api(answer) -> a server with .run(*argv)."""
    servers = []

    def start(answer):
        path = tmp_path / f"api{len(servers)}.sock"
        server = FakeApi(path, answer if callable(answer) else lambda _: answer)
        server.path = path
        server.run = lambda *argv, **more: run("--socket", path, *argv, **more)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


# ---- exit status ----

EXITS = [("unauthenticated", 401, 4), ("forbidden", 403, 4), ("access_refused", 403, 4), ("not_found", 404, 5),
         ("service_unknown", 404, 5), ("name_taken", 409, 6), ("precondition_failed", 412, 6), ("timeout", 504, 7),
         ("peer_unreachable", 502, 8), ("wrong_peer", 502, 8), ("target_unreachable", 502, 8), ("invalid_body", 422, 9),
         ("invalid_json", 400, 9), ("payload_too_large", 413, 9), ("internal", 500, 1), ("unavailable", 503, 1), ("storage_full", 507, 1)]


@pytest.mark.parametrize("code,status,exit", EXITS)
def test_problem_becomes_exit_status_message_and_hint(api, code, status, exit):
    done = api(problem(code, status)).run("service", "show", "web")
    assert done.returncode == exit
    text = done.stderr.decode()
    assert f"({code})" in text and "hint: " in text and "request id: req_0123456789abcdef" in text
    assert done.stdout == b""


@pytest.mark.parametrize("code,status,exit", EXITS)
def test_connect_refused_has_the_same_exit_status(api, code, status, exit):
    done = api(problem(code, status)).run("connect", "alice.ssh", data=b"")
    assert (done.returncode, done.stdout) == (exit, b"")
    assert f"({code})" in done.stderr.decode()


def test_faults_of_a_body_are_listed(api):
    faults = [{"pointer": "/name", "code": "pattern", "detail": "must match x"}, {"pointer": "/target", "code": "type", "detail": "y"}]
    done = api(problem("invalid_body", 422, errors=faults)).run("service", "add", "W", "-t", "1")
    assert done.returncode == 9
    assert "  /name: must match x\n  /target: y\n" in done.stderr.decode()


def test_problem_is_json_when_json_is_asked_for(api):
    done = api(problem("not_found", 404)).run("--json", "peer", "show", "x")
    assert done.returncode == 5
    assert json.loads(done.stderr)["code"] == "not_found"


def test_control_bytes_of_an_answer_do_not_reach_the_terminal(api):
    done = api(problem("not_found", 404, detail="\u001b[2Jgone\u009b")).run("peer", "show", "x")
    assert b"\x1b" not in done.stderr and b"\xc2\x9b" not in done.stderr
    server = api((200, {"items": [{"name": "a\u001b]0;x\u0007b"}], "next_cursor": None}))
    done = server.run("service", "list", "--fields", "name")
    assert b"\x1b" not in done.stdout and b"\x07" not in done.stdout


def test_no_agent_says_how_to_start_one(tmp_path):
    for argv in (["status"], ["connect", "a.b"]):
        done = run("--socket", tmp_path / "none.sock", *argv, data=b"")
        assert done.returncode == 3
        assert "vx6 agent" in done.stderr.decode() and "agent_unreachable" in done.stderr.decode()
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    assert run("--url", f"http://127.0.0.1:{port}", "status").returncode == 3


def test_socket_of_another_user_is_denied(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    path = pathlib.Path("/tmp") / f"vx6-cli-{os.getpid()}.sock"
    program = shutil.copy(PROGRAM, path.with_suffix(".program"))  # somebody else may not reach our tree
    server = FakeApi(path, lambda _: (200, {}))
    try:
        path.chmod(0o600)
        done = subprocess.run([program, "--socket", path, "status"], capture_output=True, env=ENV, timeout=20, user=65534, group=65534)
        assert done.returncode == 4, done.stderr
    finally:
        server.close()
        path.unlink()
        os.unlink(program)


def test_silence_times_out(api):
    server = api(lambda _: lambda conn: time.sleep(3))
    for argv in (["status"], ["connect", "a.b"]):
        begin = time.monotonic()
        done = server.run("--timeout", "300ms", *argv, data=b"")
        assert done.returncode == 7, done.stderr
        assert 0.2 < time.monotonic() - begin < 2


def test_connection_that_ends_without_an_answer(api):
    server = api(lambda _: lambda conn: None)
    assert server.run("status").returncode == 3
    assert server.run("connect", "a.b", data=b"").returncode == 3


def test_answers_that_are_no_api(api):
    assert api((200, "<html>")).run("status").returncode == 1
    assert api((404, "<html>")).run("status").returncode == 5
    assert api((200, '{"a":1,"a":2}')).run("status").returncode == 1
    assert api((200, "x" * (9 << 20))).run("status").returncode == 1


def test_usage_is_2():
    for argv in ([], ["nosuch"], ["service"], ["service", "add"], ["status", "--nosuch"], ["--timeout", "x", "status"],
                 ["--socket", "a", "--url", "http://127.0.0.1:1", "status"], ["--url", "ftp://x", "status"], ["peer", "update", "x"],
                 ["--socket", "x" * 200, "status"], ["api", "GET", "v1"]):
        assert run(*argv).returncode == 2, argv


def test_interrupt_is_130(api):
    server = api(lambda _: lambda conn: time.sleep(20))
    child = subprocess.Popen([PROGRAM, "--socket", server.path, "status"], env=ENV, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 10
    while not server.requests and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    child.stderr.close()


def test_closed_output_is_a_failure(api):
    server = api((200, {"items": [SERVICE] * 400, "next_cursor": None}))
    child = subprocess.Popen([PROGRAM, "--socket", server.path, "service", "list", "--json"], env=ENV, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    child.stdout.close()
    assert child.wait(10) == 1
    with open("/dev/full", "w") as full:
        assert subprocess.run([PROGRAM, "version", "--client"], env=ENV, stdout=full, timeout=10).returncode == 1


# ---- where the agent is ----

def test_environment_and_flags(api, tmp_path):
    one, two = api((200, {"name": "one"})), api((200, {"name": "two"}))
    show = ["status", "--fields", "name", "--no-headers"]
    assert run(*show, env={"VX6_SOCKET": str(one.path)}).stdout == b"one\n"
    assert two.run(*show, env={"VX6_SOCKET": str(one.path)}).stdout == b"two\n"
    (tmp_path / "vx6").mkdir()
    (tmp_path / "vx6" / "api.sock").symlink_to(two.path)
    assert run(*show, env={"XDG_RUNTIME_DIR": str(tmp_path)}).stdout == b"two\n"


def test_token_goes_with_an_address_only(tmp_path):
    token = tmp_path / "token"
    token.write_text("vx6_abc_secret\n")
    token.chmod(0o600)
    server = FakeApi(("127.0.0.1", 0), lambda r: (200, {"name": "alice"}) if "connect" not in r.path else upgraded(echo)(r))
    url = f"http://127.0.0.1:{server.port}"
    try:
        done = run("--url", url, "--token-file", token, "status")
        assert done.returncode == 0, done.stderr
        assert server.requests[-1].headers["authorization"] == "Bearer vx6_abc_secret"
        assert server.requests[-1].headers["host"] == f"127.0.0.1:{server.port}"
        done = run("connect", "a.b", env={"VX6_URL": url, "VX6_TOKEN_FILE": str(token), "http_proxy": "http://127.0.0.1:9"}, data=b"hi")
        assert (done.returncode, done.stdout) == (0, b"hi"), done.stderr
        assert server.requests[-1].headers["authorization"] == "Bearer vx6_abc_secret"
        done = run("status", env={"VX6_URL": url, "VX6_TOKEN_FILE": str(token), "http_proxy": "http://127.0.0.1:9"})
        assert done.returncode == 0, "a proxy must not see the token"
        token.chmod(0o644)
        assert b"can be read by others" in run("--url", url, "--token-file", token, "status").stderr
        far = run("--url", "http://192.0.2.1:4866", "--token-file", token, "--timeout", "1s", "status")
        assert far.returncode == 2 and b"unencrypted" in far.stderr
        assert run("--url", url, "--token-file", tmp_path / "none", "status").returncode == 1
        token.write_text("two words\n")
        assert run("--url", url, "--token-file", token, "status").returncode == 1
    finally:
        server.close()


# ---- requests and output ----

def test_service_add_sends_the_body_and_shows_the_row(api):
    server = api((201, SERVICE))
    done = server.run("service", "add", "web", "--target", "8080", "--label", "site=paris")
    sent = server.requests[0]
    assert (sent.method, sent.path, sent.headers["content-type"]) == ("POST", "/v1/services", "application/json")
    assert json.loads(sent.body) == {"name": "web", "target": "127.0.0.1:8080", "labels": {"site": "paris"}}
    assert done.returncode == 0 and done.stderr == b"Added service web\n"
    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == ["NAME", "FULL", "NAME", "TARGET", "STATE", "ALLOW", "OPEN", "TOTAL", "RX", "TX"]
    assert lines[1].split() == ["web", "alice.web", "127.0.0.1:8080", "ready", "any", "2", "91", "88.2", "kB", "912", "kB"]
    quiet = server.run("-q", "-o", "name", "service", "add", "web", "--target", "8080")
    assert (quiet.stdout, quiet.stderr) == (b"web\n", b"")


def test_update_is_a_merge_patch_and_remove_has_no_body(api):
    server = api(lambda r: (200, SERVICE) if r.method == "PATCH" else (204, None))
    assert server.run("service", "update", "web", "--disable", "--if-match", '"3"').returncode == 0
    sent = server.requests[0]
    assert (sent.method, sent.path) == ("PATCH", "/v1/services/name:web")
    assert sent.headers["content-type"] == "application/merge-patch+json" and sent.headers["if-match"] == '"3"'
    assert json.loads(sent.body) == {"enabled": False}
    done = server.run("service", "remove", "web")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"Removed service web\n")
    assert server.requests[1].method == "DELETE" and "content-type" not in server.requests[1].headers


def test_lists_follow_their_pages(api):
    def answer(request):
        n = int(request.path.partition("cursor=c")[2] or 0)
        return 200, {"items": [SERVICE | {"name": f"s{n}{i}"} for i in range(2)], "next_cursor": f"c{n + 1}" if n < 2 else None,
                     "index": 40 + n}

    server = api(answer)
    assert server.run("service", "list", "-o", "name").stdout.decode().split() == ["s00", "s01", "s10", "s11", "s20", "s21"]
    assert [r.path for r in server.requests] == ["/v1/services?limit=500", "/v1/services?limit=500&cursor=c1", "/v1/services?limit=500&cursor=c2"]
    whole = json.loads(server.run("service", "list", "--json").stdout)
    assert (len(whole["items"]), whole["next_cursor"], whole["index"]) == (6, None, 42)
    lines = server.run("service", "list", "-o", "jsonl", "--fields", "name").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"name": f"s{n}{i}"} for n in range(3) for i in range(2)]
    del server.requests[:]
    server.run("service", "list", "--limit", "3")
    assert [r.path for r in server.requests] == ["/v1/services?limit=3", "/v1/services?limit=1&cursor=c1"]


def test_empty_list_keeps_stdout_empty(api):
    done = api((200, {"items": [], "next_cursor": None})).run("forward", "list")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"There are none.\n")


def test_colour_only_on_a_terminal(api):
    server = api((200, {"items": [SERVICE], "next_cursor": None}))
    argv = [PROGRAM, "--socket", server.path, "service", "list"]
    coloured = ENV | {"TERM": "xterm"}
    del coloured["NO_COLOR"]

    def on_terminal(env):
        master, slave = os.openpty()
        subprocess.run(argv, stdout=slave, env=env, timeout=20)
        os.close(slave)
        out = b""
        try:
            while more := os.read(master, 65536):
                out += more
        except OSError:
            pass
        os.close(master)
        return out

    assert b"\x1b[32mready" in on_terminal(coloured)
    assert b"\x1b" not in on_terminal(coloured | {"NO_COLOR": "1"})
    assert b"\x1b" not in on_terminal(coloured | {"TERM": "dumb"})
    assert b"\x1b" not in subprocess.run(argv, capture_output=True, env=coloured, timeout=20).stdout


def test_health_is_0_or_1(api, tmp_path):
    well = api((200, {"status": "ok", "checks": [{"name": "database", "status": "ok"}]}))
    ill = api((503, {"status": "fail", "checks": [{"name": "database", "status": "fail"}]}))
    done = well.run("health")
    assert (done.returncode, done.stdout) == (0, b"ok\n  database ok\n")
    assert well.requests[0].path == "/v1/health/ready"
    well.run("health", "--check", "live")
    assert well.requests[1].path == "/v1/health/live"
    done = ill.run("health", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["status"] == "fail"
    assert run("--socket", tmp_path / "none", "health").returncode == 1
    assert run("health", "--check", "pulse").returncode == 2


def test_version_of_both_ends(api):
    server = api((200, {"version": "9.9", "contract": "1.0.0", "protocol": "vx6/1", "features": []}))
    assert "agent 9.9, contract 1.0.0, protocol vx6/1" in server.run("version").stdout.decode()
    assert json.loads(server.run("version", "--json").stdout)["agent"]["version"] == "9.9"
    assert set(json.loads(run("version", "--client", "--json").stdout)) == {"client"}
    assert run("--version").stdout.startswith(b"vx6 ")


def test_raw_api(api, tmp_path):
    server = api(lambda r: (200, {"method": r.method, "body": r.body}) if r.path != "/missing" else problem("not_found", 404))
    body = tmp_path / "body.json"
    body.write_text('{"a": 1}')
    for data, given in (('{"b":2}', None), (f"@{body}", None), ("@-", b'{"c":3}')):
        done = server.run("api", "POST", "/v1/x", "-d", data, data=given)
        assert done.returncode == 0, done.stderr
    assert [r.body for r in server.requests] == ['{"b":2}', '{"a": 1}', '{"c":3}']
    assert json.loads(done.stdout)["method"] == "POST"
    server.run("api", "PATCH", "/v1/x", "-d", "{}")
    assert server.requests[-1].headers["content-type"] == "application/merge-patch+json"
    assert server.run("api", "GET", "/v1/x", "-i").stdout.startswith(b'status: 200\netag: "3"\n')
    assert server.run("api", "GET", "/missing").returncode == 5


def event(seq):
    return {"seq": seq, "time": "2026-01-31T12:00:00.123Z", "type": "peer.up", "subject": {"kind": "peer", "id": "peer_1"},
            "data": {"transport": "quic"}}


def test_events_kept_and_followed(api):
    def answer(request):
        query = dict(q.split("=") for q in request.path.partition("?")[2].split("&"))
        since = int(query.get("since", 5))
        if since >= 4 and "wait" in query:
            if since > 6:
                time.sleep(20)
            return 200, {"items": [event(since + 1)], "next_since": since + 1, "reset": False}
        items = [event(n) for n in range(since + 1, min(since + 3, 5))]
        return 200, {"items": items, "next_since": items[-1]["seq"] if items else since, "reset": since == 0}

    server = api(answer)
    done = server.run("events", "-o", "jsonl", "--types", "peer.*")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [1, 2, 3, 4]
    assert b"no longer kept" in done.stderr
    assert "types=peer.*" in server.requests[0].path
    child = subprocess.Popen([PROGRAM, "--socket", server.path, "events", "-f", "-o", "jsonl"], env=ENV, stdout=subprocess.PIPE)
    assert [json.loads(child.stdout.readline())["seq"] for _ in range(2)] == [6, 7]
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    child.stdout.close()
    assert b"peer.up  peer peer_1" in server.run("events", "--since", "3").stdout


# ---- connect ----

MEGABYTES = bytes(os.urandom(1 << 20)) * 10


def test_connect_echoes_ten_megabytes_both_ways(api):
    done = api(upgraded(echo)).run("connect", "alice.echo", data=MEGABYTES, timeout=60)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(MEGABYTES).digest()


def test_connect_passes_each_end_on_by_itself(api):
    got = bytearray()
    done = api(upgraded(swallow_then_answer(10 << 20, got))).run("connect", "alice.x", data=MEGABYTES, timeout=60)
    assert done.returncode == 0 and bytes(got) == MEGABYTES
    assert done.stdout == bytes(range(256)) * (10 << 12)


def test_connect_keeps_sending_after_the_far_end_has_finished(api):
    got = bytearray()
    ended = threading.Event()

    def handle(conn):
        conn.sendall(b"greeting")
        conn.shutdown(socket.SHUT_WR)
        while data := conn.recv(65536):
            got.extend(data)
        ended.set()

    server = api(upgraded(handle))
    child = subprocess.Popen([PROGRAM, "--socket", server.path, "connect", "alice.x"], env=ENV, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    assert child.stdout.read() == b"greeting"  # its end arrives while the program still runs
    assert child.poll() is None
    child.stdin.write(MEGABYTES)
    child.stdin.close()
    assert child.wait(30) == 0 and ended.wait(10)
    assert bytes(got) == MEGABYTES
    child.stdout.close()


def test_connect_ends_when_the_far_end_is_gone(api):
    server = api(upgraded(lambda conn: conn.sendall(b"bye")))
    child = subprocess.Popen([PROGRAM, "--socket", server.path, "connect", "alice.x"], env=ENV, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    assert child.stdout.read() == b"bye"
    assert child.wait(10) == 0  # stdin is still open
    child.stdin.close()
    child.stdout.close()


def test_connect_does_not_lose_what_comes_with_the_answer(api):
    done = api(upgraded(echo, early=b"SSH-2.0-x\r\n")).run("connect", "alice.ssh", data=b"y")
    assert done.stdout == b"SSH-2.0-x\r\ny"


def test_connect_asks_for_the_upgrade(api):
    server = api(upgraded(echo))
    server.run("connect", "--address", "[fd00::1]:4242", "--service", "ssh", "--node-id", "vx1abc", data=b"")
    sent = server.requests[0]
    assert sent.path == "/v1/connect?address=%5Bfd00::1%5D:4242&service=ssh&node_id=vx1abc"
    assert sent.headers["upgrade"] == "vx6-stream" and sent.headers["connection"].lower() == "upgrade"


def test_connect_refuses_hostile_answers(api):
    def raw(data):
        return lambda _: lambda conn: conn.sendall(data)

    for data in (b"HTTP/1.1 101\r\n" + b"a: b\r\n" * 4000, b"\x00" * 20000, b"HTTP/1.1 xyz OK\r\n\r\n", b"\r\n\r\n",
                 b"HTTP/1.1 404 X\r\nContent-Length: 99999999999999999999\r\n\r\n{}"):
        done = api(raw(data)).run("connect", "a.b", data=b"", timeout=10)
        assert done.returncode in (1, 3, 5), (data[:20], done.returncode, done.stderr)
        assert done.stdout == b""


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_connect_listens(api, tmp_path, kind):
    server = api(upgraded(echo))
    listen = "0" if kind == "tcp" else f"unix:{tmp_path}/port.sock"
    child = subprocess.Popen([PROGRAM, "--socket", server.path, "connect", "alice.echo", "--listen", listen], env=ENV,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        address = child.stdout.readline().decode().strip()

        def dial():
            if kind == "unix":
                s = socket.socket(socket.AF_UNIX)
                s.connect(address.removeprefix("unix:"))
                return s
            return socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))

        conns = [dial() for _ in range(20)]
        for n, conn in enumerate(conns):
            conn.settimeout(10)
            conn.sendall(b"%d" % n * 1000)
            conn.shutdown(socket.SHUT_WR)
        for n, conn in enumerate(conns):
            data = b""
            while more := conn.recv(65536):
                data += more
            assert data == b"%d" % n * 1000
            conn.close()
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 130
        child.stdout.close()
        child.stderr.close()
    assert not (tmp_path / "port.sock").exists()


def test_connect_listens_and_keeps_nothing_of_broken_connections(api):
    count = iter(range(1000))

    def handle(conn):
        conn.sendall(b"%d." % next(count))  # and is gone, whatever the client still sends

    server = api(upgraded(handle))
    child = subprocess.Popen([PROGRAM, "--socket", server.path, "connect", "alice.x", "--listen", "0"], env=ENV,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    fds = pathlib.Path(f"/proc/{child.pid}/fd")
    try:
        port = int(child.stdout.readline().rpartition(b":")[2])
        before, seen = len(list(fds.iterdir())), []
        for _ in range(20):
            conns = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(10)]
            for conn in conns:
                data = b""
                try:
                    conn.sendall(b"x" * 1000)
                    while more := conn.recv(100):
                        data += more
                except ConnectionError:
                    pass
                assert data.count(b".") <= 1, "bytes of another connection"
                seen.append(data)
                conn.close()
        assert len(set(seen) - {b""}) > 150
        end = time.monotonic() + 5
        while len(list(fds.iterdir())) != before:
            assert time.monotonic() < end, "descriptors stay open"
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 130
        child.stdout.close()


def test_connect_listens_on_this_machine_only(api):
    server = api(upgraded(echo))
    assert server.run("connect", "a.b", "--listen", "0.0.0.0:0").returncode == 9
    assert server.run("connect", "a.b", "--listen", "nonsense").returncode == 9
    with socket.create_server(("127.0.0.1", 0)) as s:
        assert server.run("connect", "a.b", "--listen", str(s.getsockname()[1])).returncode == 6


# ---- help, completion, manual, init ----

def test_every_command_has_help():
    nouns = [line.split("\t")[0] for line in run("__complete", "").stdout.decode().splitlines()]
    assert {"agent", "init", "status", "identity", "peer", "service", "forward", "connect", "events", "health", "api", "version",
            "completion"} <= set(nouns)
    for noun in nouns:
        verbs = [line.split("\t")[0] for line in run("__complete", noun, "").stdout.decode().splitlines()]
        done = run(noun, "--help")
        assert done.returncode == 0 and b"Usage: vx6 " in done.stdout, noun
        if b"COMMAND\n" in done.stdout.splitlines(True)[0]:
            for verb in verbs:
                done = run(noun, verb, "--help")
                assert done.returncode == 0 and b"Examples:" in done.stdout, (noun, verb)


def test_bash_completion_completes_live_values(api, tmp_path):
    server = api((200, {"items": [SERVICE, SERVICE | {"name": "wiki"}], "next_cursor": None}))
    script = tmp_path / "vx6.bash"
    script.write_bytes(run("completion", "bash").stdout)
    (tmp_path / "vx6").symlink_to(PROGRAM)
    test = f"""
        source {script}
        COMP_WORDS=(vx6 service show w) COMP_CWORD=3 COMP_LINE="vx6 service show w" COMP_POINT=18
        _vx6; echo "${{COMPREPLY[*]}}"
        COMP_WORDS=(vx6 forw) COMP_CWORD=1; _vx6; echo "${{COMPREPLY[*]}}"
        cd {tmp_path}; touch only-file; COMP_WORDS=(vx6 init --passphrase-file on) COMP_CWORD=3; _vx6; echo "${{COMPREPLY[*]}}"
    """
    env = ENV | {"VX6_SOCKET": str(server.path), "PATH": f"{tmp_path}:{ENV['PATH']}"}
    done = subprocess.run(["bash", "-c", test], capture_output=True, env=env, timeout=20)
    assert done.stdout.decode().splitlines() == ["web wiki", "forward", "only-file"], done.stderr
    for shell in ("zsh", "fish"):
        assert b"__complete" in run("completion", shell).stdout


def test_completion_without_an_agent_is_silent(tmp_path):
    done = run("__complete", "--socket", tmp_path / "none", "peer", "show", "")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_init_makes_an_identity_once(tmp_path):
    state, secret = tmp_path / "a" / "state", tmp_path / "pass"
    secret.write_text("correct horse\n")
    assert run("init", "--state-dir", state, "--passphrase-file", secret).returncode == 1, "others can read it"
    secret.chmod(0o600)
    done = run("init", "--state-dir", state, "--name", "alice", "--json", "--passphrase-file", secret)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["node_id"].startswith("vx1") and made["passphrase"] is True
    assert oct((state / "identity").stat().st_mode & 0o777) == "0o700"
    assert all(f.stat().st_mode & 0o077 == 0 for f in (state / "identity").iterdir())
    assert (state / "agent.yaml").read_text() == "name: alice\n"
    again = run("init", "--state-dir", state)
    assert again.returncode == 6 and b"(exists)" in again.stderr
    assert run("init", "--state-dir", tmp_path / "b", "--name", "Not A Name").returncode == 9
    assert not (tmp_path / "b").exists()
    assert run("init", "--state-dir", tmp_path / "b", "--passphrase-file", tmp_path / "none").returncode == 1
    secret.write_text("\n")
    assert run("init", "--state-dir", tmp_path / "b", "--passphrase-file", secret).returncode == 9
