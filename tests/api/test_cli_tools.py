"""The command line's tools: raw requests, and every form of output of every command."""
import json
import os
import signal
import subprocess

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
            done = run("--socket", agent.socket, "api", e["path"])
            assert done.returncode == 0 and done.stdout, (e, done.stderr)


# ---- every form of every command ----

READS = [["status"], ["identity"], ["version"], ["health"], ["events"], ["peer", "list"], ["service", "list"], ["forward", "list"], ["name", "list"],
         ["name", "conflicts"], ["registry", "nodes"], ["registry", "services"], ["dht", "status"], ["dht", "contacts"], ["dht", "replicas"],
         ["catalog", "list"], ["op", "list"], ["relay", "list"], ["relay", "status"], ["circuit", "list"], ["circuit", "why"], ["hidden", "status"],
         ["hidden", "invites"], ["hidden", "clients"], ["hidden", "aliases"], ["hidden", "connects"],
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
        assert done.returncode == 0, done.stderr
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
    assert run("--socket", filled.socket, "-q", *argv).stderr == ""


def test_a_port_that_is_opened_is_told_in_the_form_asked_for(agent):
    child = subprocess.Popen([BIN, "--socket", agent.socket, "connect", "a.b", "--listen", "0", "-o", "jsonl"], env=ENV, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
    assert json.loads(child.stdout.readline())["listen"].startswith("127.0.0.1:")
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    child.stdout.close()
