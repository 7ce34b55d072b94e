"""The command line's tools: raw requests, every form of output of every command, doctor, top."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import BIN
from fake_api import FakeApi, problem

ENV = {k: v for k, v in os.environ.items() if not k.startswith("VX6_")} | {"NO_COLOR": "1"}


def run(*argv, env=None, **more):
    return subprocess.run([BIN, *map(str, argv)], capture_output=True, text=True, env=ENV | (env or {}), timeout=60, **more)


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


# ---- raw requests ----

def test_method_is_what_the_data_say(api):
    server = api((200, {}))
    for argv, method in ((["/v1/node"], "GET"), (["/v1/x", "-d", "{}"], "POST"), (["PUT", "/v1/x", "-d", "{}"], "PUT")):
        assert server.run("api", *argv).returncode == 0
        assert server.requests[-1].method == method


def test_headers_go_out_in_place_of_ours(api):
    server = api((200, {}))
    assert server.run("api", "/v1/x", "-H", "Prefer: wait=3", "-H", "accept: text/plain", "-H", 'If-None-Match: "3"').returncode == 0
    sent = server.requests[-1].headers
    assert (sent["prefer"], sent["accept"], sent["if-none-match"]) == ("wait=3", "text/plain", '"3"')
    for bad in ("Prefer", ": x", "A: b\r\nC: d", "A b: c", "A:"):
        assert server.run("api", "/v1/x", "-H", bad).returncode == 2, bad
    assert len(server.requests) == 1


def test_raw_answers_take_the_forms_of_all_others(api):
    page = {"items": [{"name": "a", "status": {"phase": "ready", "more": 1}}, {"name": "b", "status": {"phase": "off"}}], "next_cursor": None}
    server = api((200, page))
    assert server.run("api", "/v1/services", "-o", "name").stdout == "a\nb\n"
    assert server.run("api", "/v1/services", "--fields", "name,status.phase", "--no-headers").stdout == "a  ready\nb  off\n"
    lines = server.run("api", "/v1/services", "-o", "jsonl", "--fields", "status.phase").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"status": {"phase": "ready"}}, {"status": {"phase": "off"}}]
    assert json.loads(server.run("api", "/v1/services", "--json").stdout) == page
    text = api((200, "# HELP x\n"))
    assert text.run("api", "/v1/metrics", "--json").stdout == "# HELP x\n\n"


@pytest.mark.parametrize("code,status,exit", [("forbidden", 403, 4), ("not_found", 404, 5), ("precondition_failed", 412, 6), ("timeout", 504, 7),
                                              ("peer_unreachable", 502, 8), ("invalid_body", 422, 9), ("internal", 500, 1)])
def test_raw_requests_have_the_exit_statuses_of_all_others(api, code, status, exit):
    done = api(problem(code, status)).run("api", "/v1/x")
    assert done.returncode == exit and f"({code})" in done.stderr and done.stdout == ""


def test_raw_requests_reach_every_route(agent):
    for e in agent.call("GET", "/v1/endpoints").json["items"]:
        if e["method"] == "GET" and "{" not in e["path"] and e["operation_id"] != "connect_open":
            done = run("--socket", agent.socket, "api", e["path"] + ("?metric=sessions" if e["operation_id"] == "stats_series_get" else ""))
            assert done.returncode == 0 and done.stdout, (e, done.stderr)


# ---- every form of every command ----

READS = [["status"], ["identity"], ["version"], ["health"], ["events"], ["peer", "list"], ["service", "list"], ["forward", "list"], ["name", "list"],
         ["name", "conflicts"], ["registry", "nodes"], ["registry", "services"], ["dht", "status"], ["dht", "contacts"], ["dht", "replicas"],
         ["catalog", "list"], ["op", "list"], ["relay", "list"], ["relay", "status"], ["circuit", "list"], ["circuit", "why"], ["hidden", "status"],
         ["hidden", "invites"], ["hidden", "clients"], ["hidden", "aliases"], ["hidden", "connects"], ["top", "--once"], ["doctor"],
         ["service", "show", "web"], ["catalog", "show", "friends"], ["forward", "show", "one"]]


@pytest.fixture(scope="module")
def filled(agent):
    agent.call("POST", "/v1/services", {"name": "web", "target": "127.0.0.1:1"})
    agent.call("POST", "/v1/catalogs", {"name": "friends"})
    agent.call("POST", "/v1/forwards", {"name": "one", "listen": "127.0.0.1:0", "to": "a.b"})
    agent.call("POST", "/v1/peers", {"name": "nobody", "addresses": ["192.0.2.1:1"]})
    return agent


@pytest.mark.parametrize("argv", READS, ids=" ".join)
def test_every_reading_command_has_every_form(filled, argv):
    def out(*more):
        done = run("--socket", filled.socket, *argv, *more)
        assert done.returncode in ((0, 1) if argv == ["doctor"] else (0,)), done.stderr
        assert "\x1b" not in done.stdout
        return done.stdout

    whole = json.loads(out("--json"))
    assert isinstance(whole, dict)
    assert json.loads(out("-o", "json")).keys() == whole.keys()
    for line in out("-o", "jsonl").splitlines():
        assert isinstance(json.loads(line), dict)
    assert all(" " not in line for line in out("-o", "name").splitlines())
    table, bare = out(), out("--no-headers")
    assert len(bare.splitlines()) <= len(table.splitlines())
    field = next(iter((whole["items"][0] if whole.get("items") else whole)))
    if "items" not in whole:
        assert json.loads(out("--json", "--fields", field)).keys() == {field}
    elif whole["items"]:
        assert {k for item in json.loads(out("--json", "--fields", field))["items"] for k in item} == {field}
        if argv[0] not in ("events",):
            assert out("--fields", field).splitlines()[0].strip() == field
    if argv != ["doctor"]:
        assert run("--socket", filled.socket, "-q", *argv).stderr == ""


def test_a_port_that_is_opened_is_told_in_the_form_asked_for(agent):
    child = subprocess.Popen([BIN, "--socket", agent.socket, "connect", "a.b", "--listen", "0", "-o", "jsonl"], env=ENV, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
    assert json.loads(child.stdout.readline())["listen"].startswith("127.0.0.1:")
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    child.stdout.close()


# ---- doctor ----

def checks(done):
    return {c["name"]: c for c in json.loads(done.stdout)["checks"]}


def test_doctor_of_an_agent_that_is_well(agent):
    done = run("--socket", agent.socket, "doctor", "--json")
    found = checks(done)
    assert {"agent", "state_dir", "disk_space", "clock", "open_files", "udp_buffers", "ipv6", "dns", "ports", "firewall", "udp", "peers",
            "relays"} == set(found)
    for name in ("agent", "state_dir", "ports", "open_files"):
        assert found[name]["status"] == "ok", found[name]
    assert str(agent.dir) in found["state_dir"]["detail"]
    failed = [c for c in found.values() if c["status"] == "fail"]
    assert done.returncode == (1 if failed else 0)
    assert all(c["advice"] for c in found.values() if c["status"] in ("warn", "fail"))
    text = run("--socket", agent.socket, "doctor")
    assert text.stdout.splitlines()[0].split()[:2] == ["STATUS", "CHECK"] and "→ " in text.stdout
    quiet = run("--socket", agent.socket, "doctor", "-q")
    assert not re.search(r"^ok ", quiet.stdout, re.M)


def test_doctor_sees_what_is_broken(make_agent, tmp_path):
    agent = make_agent()
    (agent.dir / "admin.token").chmod(0o644)
    done = run("--socket", agent.socket, "doctor", "--json")
    assert done.returncode == 1
    assert checks(done)["state_dir"] == {"name": "state_dir", "status": "fail", "detail": f"others may look into {agent.dir}/admin.token (mode 0644)",
                                         "advice": f"chmod 600 {agent.dir}/admin.token"}
    assert "state_dir" in run("--socket", agent.socket, "doctor", "-o", "name").stdout.split()
    agent.stop()
    gone = run("--socket", agent.socket, "doctor", "--json")
    assert gone.returncode == 1 and checks(gone)["agent"]["status"] == "fail" and checks(gone)["peers"]["status"] == "unknown"
    assert json.loads(gone.stderr)["code"] == "agent_unreachable"
    none = run("--socket", tmp_path / "none.sock", "doctor", "--json", "--state-dir", tmp_path / "none")
    assert none.returncode == 1 and checks(none)["state_dir"]["status"] == "warn"
    assert run("--socket", "x", "--url", "http://127.0.0.1:1", "doctor").returncode == 2


def test_doctor_knows_another_version(api):
    server = api(lambda r: (200, {"version": "9.9", "contract": "9.0.0"}) if r.path == "/v1/version" else problem("internal", 500))
    found = checks(server.run("doctor", "--json"))
    assert found["agent"]["status"] == "warn" and "9.9" in found["agent"]["detail"]


RULES = "table inet filter {{\n chain input {{\n type filter hook input priority 0; policy drop; ct state established,related accept; {}\n }}\n}}\n"


@pytest.mark.parametrize("rule,status", [("", "warn"), ("udp dport 4242 counter accept;", "ok"), ("udp dport 4241 accept;", "warn"),
                                         ("meta l4proto { tcp, udp } th dport { 22, 4000-5000 } accept;", "ok")])
def test_doctor_reads_the_rules_of_a_real_firewall(api, rule, status):
    if os.geteuid() != 0:
        pytest.skip("needs root to have a firewall of its own")
    node = {"listen": [{"transport": "quic", "address": "[::]:4242"}], "status": {"peers": {"up": 0, "total": 0}}}
    server = api(lambda r: (200, node if r.path == "/v1/node" else {"items": []}))
    done = subprocess.run(["unshare", "-n", "sh", "-c", 'nft -f - && exec "$@"', "sh", BIN, "--socket", server.path, "doctor", "--json"],
                          input=RULES.format(rule), capture_output=True, text=True, env=ENV, timeout=60)
    assert done.stdout, done.stderr
    assert checks(done)["firewall"]["status"] == status, checks(done)["firewall"]


# ---- top ----

class Terminal:
    """The program on a terminal of its own, 30 rows of 100."""

    def __init__(self, *argv, term="xterm"):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(BIN, [str(BIN), *map(str, argv)], {k: v for k, v in ENV.items() if k != "NO_COLOR"} | {"TERM": term})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.seen, self.status = b"", None

    def until(self, what, seconds=10):
        """Reads until the pattern has come; what was read before it is forgotten."""
        end = time.monotonic() + seconds
        while not (match := re.search(what, self.seen, re.S)):
            assert time.monotonic() < end, (what, self.seen[-3000:])
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 65536)
                except OSError:
                    raise AssertionError(f"it ended before {what!r}: {self.seen[-3000:]!r}") from None
        self.seen = self.seen[match.end():]
        return match

    def type(self, text):
        os.write(self.fd, text)

    def modes(self):
        return termios.tcgetattr(self.fd)[3] & (termios.ICANON | termios.ECHO)

    def end(self):
        try:
            while True:
                self.seen += os.read(self.fd, 65536)
        except OSError:
            pass
        _, self.status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(self.status)


LEAVE = b"\x1b[?7h\x1b[?25h\x1b[?1049l"


def test_top_once_is_one_picture(filled):
    text = run("--socket", filled.socket, "top", "--once").stdout
    assert text.startswith("alice  vx1") and "\x1b" not in text
    for part in ("Peers 1\nNAME", "Circuits 0\n", "Services ", "Forwards 1\nNAME", "nobody"):
        assert part in text, part
    picture = json.loads(run("--socket", filled.socket, "top", "--once", "--json").stdout)
    assert picture.keys() == {"node", "peers", "circuits", "services", "forwards"}
    assert picture["node"]["name"] == "alice" and picture["services"][0]["name"] == "web"


def test_top_needs_a_terminal_that_can_be_drawn_on(agent):
    done = run("--socket", agent.socket, "top")
    assert done.returncode == 2 and "--once" in done.stderr
    t = Terminal("--socket", agent.socket, "top", term="dumb")
    assert t.end() == 2 and b"\x1b" not in t.seen


def test_top_is_drawn_again_and_keys_choose_a_table(filled):
    t = Terminal("--socket", filled.socket, "top")
    t.until(rb"\x1b\[\?1049h.*alice.*\x1b\[7mPeers 1\x1b\[0m.*nobody.*q quits")
    assert t.modes() == 0
    t.until(rb"rx .*B/s")  # the second picture
    for typed, table in ((b"\x1b[C", b"Circuits"), (b"\t", b"Services"), (b"\x1b[D", b"Circuits"), (b"4", b"Forwards")):
        t.type(typed)
        t.until(rb"\x1b\[7m" + table)
    t.until(rb"one ")
    t.type(b"q")
    assert t.end() == 0 and t.seen.endswith(LEAVE)


@pytest.mark.parametrize("sig,exit", [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP),
                                      (signal.SIGQUIT, -signal.SIGQUIT), (signal.SIGABRT, -signal.SIGABRT)])
def test_top_puts_the_terminal_back_whatever_ends_it(agent, sig, exit):
    t = Terminal("--socket", agent.socket, "top")
    t.until(rb"q quits")
    os.kill(t.pid, sig)
    t.until(re.escape(LEAVE))
    assert t.end() == exit


def test_top_stops_and_goes_on(agent):
    t = Terminal("--socket", agent.socket, "top")
    t.until(rb"q quits")
    os.kill(t.pid, signal.SIGTSTP)
    t.until(re.escape(LEAVE))
    assert os.waitpid(t.pid, os.WUNTRACED)[1] & 0xff == 0x7f
    assert t.modes() == termios.ICANON | termios.ECHO
    os.kill(t.pid, signal.SIGCONT)
    t.until(rb"\x1b\[\?1049h.*q quits")
    t.type(b"q")
    assert t.end() == 0


def test_top_outlives_its_agent(make_agent):
    agent = make_agent()
    t = Terminal("--socket", agent.socket, "top")
    t.until(rb"ready.*q quits")
    agent.stop()
    t.until(rb"does not answer")
    agent.start()
    t.until(rb"\x1b\[32mready")
    t.type(b"q")
    assert t.end() == 0
    gone = run("--socket", agent.dir / "none.sock", "top", "--once")
    assert gone.returncode == 3
