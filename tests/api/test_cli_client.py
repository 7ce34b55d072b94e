"""The command line as a client, beside a scripted API: every exit status, what goes out, what is shown."""
import hashlib
import json
import os
import pathlib
import re
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
    "protocol": "tcp", "enabled": True, "visibility": "public", "access": {"default": "any", "node_ids": []}, "labels": {}, "full_name": "alice.web",
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
    assert f"({code})" in text and "request id: req_0123456789abcdef" in text
    # what is not there says by itself which command lists what there is
    assert ("hint: " in text) == (code != "not_found")
    assert done.stdout == b""


def test_exit_statuses_are_those_of_the_reference():
    page = (ROOT / "docs" / "reference" / "cli.md").read_text().split("## Exit status")[1]
    told = {int(word) for word in re.findall(r"^\| (\d+) \|", page, re.M)}
    program = (ROOT / "api" / "cli" / "cli.h").read_text()
    assert told == {int(word) for word in re.findall(r"VX6_EXIT_\w+ = (\d+)", program)}
    assert {exit for _, _, exit in EXITS} <= told


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
    assert lines[0].split() == ["NAME", "FULL", "NAME", "TARGET", "STATE", "ALLOW", "VISIBILITY", "OPEN", "TOTAL", "RX", "TX"]
    assert lines[1].split() == ["web", "alice.web", "127.0.0.1:8080", "ready", "any", "public", "2", "91", "88.2", "kB", "912", "kB"]
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


# ---- lookups ----

NODE = "vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh"
ADDRESS = {"address": "[2001:db8::1]:4242", "transports": ["quic", "tcp"]}
STEP = {"about": "name", "event": "answered", "at_ms": 31, "path": 2, "node_id": NODE, "address": ADDRESS, "warm": True, "bits": 7, "rtt_ms": 30,
        "nodes": 20, "closer": 6, "values": 1, "error": None}
CLAIM = {"node_id": NODE, "claimed_at": None, "median_age_s": 86400, "holders": 6, "prefixes": 5, "work_bits": 21, "direct": True, "configured": False,
         "introduced_by": None, "record_hash": "ab" * 32}
RESULT = {"found": True, "node_id": NODE, "node_name": "alice", "service": "web", "resolved_by": "pin", "addresses": [ADDRESS], "from_registry": False,
          "age_s": 40, "expires_at": "2126-01-31T12:00:00.000Z", "conflict": None, "successor": None, "key": None, "values": [], "closest": [], "queries": 9,
          "answers": 8, "timeouts": 1, "bytes": {"rx": 9120, "tx": 2210}, "took_ms": 93, "steps": []}


def operation(state="done", error=None, **result):
    return {"id": "op_01J9Z3K4M5N6P7Q8R9S0T1V2W3", "kind": "dht.lookup", "state": state, "target": "alice.web",
            "progress": {"done": 9, "total": None, "unit": "query", "message": "asking"}, "error": error, "result": RESULT | result if state != "running" else None,
            "started_at": "2026-01-31T12:00:00.000Z", "finished_at": None, "cancelable": state == "running", "managed_by": "cli"}


def failed(code, **result):
    return operation("failed", {"code": code, "detail": f"{code} it is", "at": "2026-01-31T12:00:00.000Z"}, found=False, **result)


def test_lookup_shows_what_it_found(api):
    server = api((200, operation()))
    done = server.run("lookup", "alice.web")
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    for part in (NODE, "alice", "web", "pinned when the name was first used", "[2001:db8::1]:4242 quic+tcp", "40s", "the network", "9 asked, 8 answered, 1 timed out"):
        assert part in text, part
    assert server.run("lookup", "alice.web", "-o", "name").stdout.decode() == NODE + "\n"
    assert json.loads(server.run("lookup", "alice.web", "--json").stdout)["result"]["node_id"] == NODE
    assert server.requests[0].headers["prefer"] == "wait=1"


@pytest.mark.parametrize("argv,body", [
    (["lookup", "alice.web"], {"service": "alice.web"}),
    (["lookup", "alice"], {"name": "alice"}),
    (["lookup", NODE], {"node_id": NODE}),
    (["lookup", NODE + ".web", "--fresh"], {"service": NODE + ".web", "fresh": True}),
    (["lookup", "alice", "--trace"], {"name": "alice", "trace": True}),
    (["dht", "trace", "alice.web"], {"service": "alice.web", "trace": True, "fresh": True}),
    (["dht", "get", "ab" * 32], {"key": "ab" * 32}),
])
def test_lookup_asks_for_what_the_word_is(api, argv, body):
    server = api((200, operation()))
    assert server.run(*argv).returncode == 0
    assert (server.requests[0].method, server.requests[0].path) == ("POST", "/v1/dht/lookups")
    assert json.loads(server.requests[0].body) == body


def test_refresh_asks_for_one_subject(api):
    server = api((200, operation()))
    for argv, body in ((["alice.web"], {"name": "alice.web"}), ([NODE], {"node_id": NODE})):
        assert server.run("registry", "refresh", *argv).returncode == 0
        assert server.requests[-1].path == "/v1/registry:refresh" and json.loads(server.requests[-1].body) == body


@pytest.mark.parametrize("code,exit", [("peer_unknown", 5), ("service_unknown", 5), ("not_found", 5), ("ambiguous_name", 6), ("pin_mismatch", 6),
                                       ("node_revoked", 6), ("timeout", 7), ("peer_unreachable", 8), ("something_new", 8)])
def test_lookup_that_fails_has_the_exit_status_of_its_problem(api, code, exit):
    done = api((200, failed(code))).run("lookup", "alice.web")
    assert done.returncode == exit and f"({code})" in done.stderr.decode() and "alice.web" in done.stderr.decode()


def test_lookup_lists_who_claims_a_name(api):
    conflict = {"id": "alice", "kind": "name_conflict", "name": "alice", "ours": False, "pinned_to": None, "first_seen": "2026-01-31T12:00:00.000Z",
                "last_seen": "2026-01-31T12:00:00.000Z", "claims": [CLAIM, CLAIM | {"node_id": "vx1other", "direct": False, "record_hash": None}], "more": 0}
    server = api((200, failed("ambiguous_name", conflict=conflict, node_id=None, addresses=[])))
    done = server.run("lookup", "alice")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 6 and lines[0].split() == ["NODE", "ID", "AGE", "HOLDERS", "PREFIXES", "WORK", "IN", "TOUCH", "PEER", "EVIDENCE"]
    assert lines[1].split() == [NODE, "1d", "0h", "6", "5", "21", "yes", "no", "ab" * 32] and "vx1other" in lines[2]
    assert "name pin" in done.stderr.decode()
    whole = server.run("lookup", "alice", "--json")
    assert whole.returncode == 6 and len(json.loads(whole.stdout)["result"]["conflict"]["claims"]) == 2
    assert json.loads(whole.stderr)["code"] == "ambiguous_name"


def test_trace_is_a_table_that_is_aligned(api):
    steps = [STEP | {"event": "asked", "rtt_ms": None, "at_ms": 1}, STEP, STEP | {"event": "failed", "error": "timeout", "at_ms": 2001, "rtt_ms": None, "node_id": None, "address": None}]
    lines = api((200, operation(steps=steps))).run("lookup", "alice.web", "--trace").stdout.decode().splitlines()
    assert lines[0].split() == ["AT", "FOR", "PATH", "STEP", "ADDRESS", "RTT", "BITS", "NODES", "CLOSER", "VALUES", "NODE", "ID"]
    assert len({line.index(NODE) for line in lines[1:3]} | {lines[0].index("NODE ID")}) == 1
    assert "30 ms" in lines[2] and "failed: timeout" in lines[3] and "2001 ms" in lines[3]


def test_lookup_waits_for_its_end(api):
    left = [2]

    def answer(request):
        left[0] -= request.method == "GET"
        return (202 if request.method == "POST" else 200), operation() if left[0] <= 0 else operation("running")

    server = api(answer)
    done = server.run("lookup", "alice.web")
    assert done.returncode == 0 and NODE in done.stdout.decode()
    assert [r.path for r in server.requests[1:]] == ["/v1/operations/op_01J9Z3K4M5N6P7Q8R9S0T1V2W3?wait=1000ms"] * 2
    left[0] = 1
    watched = server.run("op", "watch", "op_01J9Z3K4M5N6P7Q8R9S0T1V2W3")
    assert watched.returncode == 0 and NODE in watched.stdout.decode()


def test_lookup_gives_up_and_cancels(api):
    server = api(lambda request: time.sleep(0.1) or ((202 if request.method == "POST" else 200), operation("running")))
    done = server.run("--timeout", "300ms", "lookup", "alice.web")
    assert done.returncode == 7 and "(timeout)" in done.stderr.decode()
    assert (server.requests[-1].method, server.requests[-1].path) == ("POST", "/v1/operations/op_01J9Z3K4M5N6P7Q8R9S0T1V2W3:cancel")


def test_progress_shows_on_a_terminal_only(api):
    left = [3]

    def answer(request):
        left[0] -= request.method == "GET"
        return (202 if request.method == "POST" else 200), operation() if left[0] <= 0 else operation("running")

    server = api(answer)
    master, slave = os.openpty()
    done = subprocess.run([PROGRAM, "--socket", server.path, "lookup", "alice.web"], stdout=subprocess.PIPE, stderr=slave, env=ENV | {"TERM": "xterm"}, timeout=20)
    os.close(slave)
    shown = os.read(master, 65536)
    os.close(master)
    assert done.returncode == 0 and b"alice.web: asking, 9 asked" in shown and shown.endswith(b"\r\x1b[K")
    left[0] = 3
    assert server.run("lookup", "alice.web").stderr == b""


def test_values_of_a_key(api):
    values = [{"type": "service", "node_id": NODE, "sequence": 1769860800123, "bytes": 301, "holders": 6, "prefixes": 6, "paths": 3, "median_age_s": 3600, "expires_at": None}]
    result = {"key": "ab" * 32, "values": values, "closest": [{"node_id": NODE, "address": ADDRESS}], "node_id": None}
    lines = api((200, operation(**result))).run("dht", "get", "ab" * 32).stdout.decode().splitlines()
    assert lines[1].split()[:4] == ["service", NODE, "1769860800123", "301"]
    assert lines[2].split() == ["CLOSEST", "ADDRESS"] and lines[3].split() == [NODE, "[2001:db8::1]:4242"]
    assert api((200, operation())).run("dht", "get", "xyz").returncode in (0, 9)  # the API judges keys


# ---- names, catalogs, identity ----

BINDING = {"id": "pin:alice", "kind": "pin", "name": "alice", "node_id": NODE, "since": "2026-01-31T12:00:00.000Z"}


@pytest.mark.parametrize("argv,method,path,body", [
    (["name", "pin", "alice", NODE], "PUT", "/v1/names/pin:alice", {"node_id": NODE}),
    (["name", "unpin", "alice"], "DELETE", "/v1/names/pin:alice", None),
    (["name", "petname", "laptop", NODE], "PUT", "/v1/names/petname:laptop", {"node_id": NODE}),
    (["name", "petname", "laptop", "--remove"], "DELETE", "/v1/names/petname:laptop", None),
    (["name", "show", "petname:laptop"], "GET", "/v1/names/petname:laptop", None),
    (["name", "list", "--kind", "pin"], "GET", "/v1/names?kind=pin&limit=500", None),
    (["registry"], "GET", "/v1/registry/nodes?limit=500", None),
    (["registry", "show", NODE], "GET", f"/v1/registry/nodes/{NODE}", None),
    (["registry", "show", "alice"], "GET", "/v1/registry/nodes/name:alice", None),
    (["registry", "services", "--node", NODE], "GET", f"/v1/registry/services?node={NODE}&limit=500", None),
    (["dht"], "GET", "/v1/dht", None),
    (["dht", "replicas", "--type", "service"], "GET", "/v1/dht/replicas?type=service&limit=500", None),
    (["catalog", "create", "friends"], "POST", "/v1/catalogs", {"name": "friends"}),
    (["catalog", "add", "friends", "web", "--name", "wiki"], "POST", "/v1/catalogs/name:friends:add", {"service": "web", "name": "wiki"}),
    (["catalog", "remove", "friends", "web"], "POST", "/v1/catalogs/name:friends:remove", {"service": "web"}),
    (["op", "list", "--state", "running"], "GET", "/v1/operations?state=running&limit=500", None),
    (["op", "cancel", "op_1"], "POST", "/v1/operations/op_1:cancel", None),
])
def test_commands_become_requests(api, argv, method, path, body):
    server = api(lambda r: (204, None) if r.method == "DELETE" else (200, BINDING | {"items": [], "next_cursor": None}))
    done = server.run(*argv)
    assert done.returncode == 0, done.stderr
    sent = server.requests[0]
    assert (sent.method, sent.path) == (method, path)
    assert (json.loads(sent.body) if sent.body else None) == body


def test_petname_wants_a_node_or_to_go(api):
    server = api((200, BINDING))
    assert server.run("name", "petname", "laptop").returncode == 2
    assert server.run("name", "petname", "laptop", NODE, "--remove").returncode == 2
    assert server.requests == []


CATALOG = {"id": "cat_1", "kind": "catalog", "name": "friends", "title": None, "key": "vxc1q", "role": "owner", "created_at": "2026-01-31T12:00:00.000Z",
           "updated_at": "2026-01-31T12:00:00.000Z", "entries": [{"node_id": NODE, "service": "web", "name": "wiki"}],
           "status": {"published": {"wanted": 8, "stored": 8, "proved": 7}, "sequence": 3, "fetched_at": None, "expires_at": None, "last_error": None}}


def test_catalogs_are_shown_with_their_entries(api):
    server = api((200, CATALOG))
    text = server.run("catalog", "show", "friends").stdout.decode()
    assert "7 of 8" in text and text.splitlines()[-1].split() == ["wiki", "web", NODE]
    assert json.loads(server.run("catalog", "show", "friends", "--json").stdout)["entries"] == CATALOG["entries"]


def test_invites_stay_off_the_command_line(api):
    server = api(lambda r: (201, CATALOG | {"role": "member"}))
    done = server.run("catalog", "join", "friends", data=b"  vxc1q.vxs1q \n".lstrip())
    assert done.returncode == 0, done.stderr
    assert server.requests[0].path == "/v1/catalogs:join" and json.loads(server.requests[0].body) == {"name": "friends", "invite": "vxc1q.vxs1q"}
    assert server.run("catalog", "join", "friends", data=b"").returncode == 9
    server.run("catalog", "join", "friends", "vxc1a.vxs1a")
    assert json.loads(server.requests[-1].body)["invite"] == "vxc1a.vxs1a"
    invite = api((200, {"catalog": "cat_1", "invite": "vxc1q.vxs1q", "shown_once": True}))
    assert invite.run("catalog", "invite", "friends").stdout == b"vxc1q.vxs1q\n"


def test_what_is_owned_is_deleted_and_what_was_joined_is_left(api):
    def of(role):
        return lambda r: (204, None) if r.method == "DELETE" else (200, CATALOG | {"role": role})

    for role, right, wrong in (("owner", "delete", "leave"), ("member", "leave", "delete")):
        server = api(of(role))
        assert server.run("catalog", wrong, "friends").returncode == 6
        assert [r.method for r in server.requests] == ["GET"]
        assert server.run("catalog", right, "friends").returncode == 0
        assert server.requests[-1].method == "DELETE"


def test_export_writes_a_private_file_once(api, tmp_path):
    server = api((200, {"node_id": NODE, "filename": "alice.vx6id", "file": "VlhJRAE="}))
    secret, out = tmp_path / "pass", tmp_path / "alice.vx6id"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    done = server.run("identity", "export", out, "--passphrase-file", secret)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == b"VXID\x01" and out.stat().st_mode & 0o777 == 0o600
    assert json.loads(server.requests[0].body) == {"passphrase": "correct horse battery"}
    assert server.run("identity", "export", out, "--passphrase-file", secret).returncode == 6
    secret.chmod(0o644)
    assert server.run("identity", "export", tmp_path / "b", "--passphrase-file", secret).returncode == 1
    assert len(server.requests) == 1


def test_import_refuses_what_is_no_export(tmp_path):
    secret, file = tmp_path / "pass", tmp_path / "x.vx6id"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    for data in (b"", b"nonsense", b"\0" * 5000):
        file.write_bytes(data)
        done = run("identity", "import", file, "--state-dir", tmp_path / "state", "--passphrase-file", secret)
        assert done.returncode == 1 and b"cannot import" in done.stderr, done
    assert run("identity", "import", tmp_path / "none", "--state-dir", tmp_path / "s", "--passphrase-file", secret).returncode == 1


def test_revocation_is_meant(api):
    server = api((200, {"node_id": NODE}))
    assert server.run("identity", "revoke").returncode == 2
    assert server.run("identity", "revoke", "--confirm", "alice", "--reason", "bored").returncode == 2
    assert server.run("identity", "revoke", "--confirm", "alice").returncode == 0
    assert json.loads(server.requests[0].body) == {"confirm": "alice"}


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
            "completion", "lookup", "name", "registry", "dht", "catalog", "op"} <= set(nouns)
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
