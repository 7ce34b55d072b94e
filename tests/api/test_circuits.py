"""Routes of forwards and connections, relays, circuits, and the node's part as a relay, as far as one agent alone shows them; and what the
command line makes of those that a scripted API tells of."""
import json
import os
import subprocess
import tempfile

import pytest

from conftest import BIN, ROOT, Agent
from fake_api import FakeApi

ALICE = "vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh"
BOB = "vx1q9l90ztnnwnn2js5slnqh87dguptf36phr2ydnupufc4sfuge523kz7d9pf"
USUAL = {"via": "auto", "hops": None, "nodes": [], "anonymous": False}
AS_BUILT_IN = {"mode": "public", "circuits": None, "memory_mb": None, "rate_mbit": None}
GHOST = "vxh1qxsxk52c02yszk7eq436zxs4d4xguwvm44pp843hm0s5u9s9qeyrs8lpty4"
NOBODY = "cir_" + "0" * 26


@pytest.fixture(scope="module")
def lone(folder):
	agent = Agent(tempfile.mkdtemp(prefix="lone-", dir=folder), "lone").start("--dht", "off")
	yield agent
	assert agent.process.poll() is None, "the agent died: " + agent.log()
	assert agent.stop() == 0, agent.log()


def node_id(agent):
	return agent.call("GET", "/v1/node").json["node_id"]


def forward(agent, route, **more):
	return agent.call("POST", "/v1/forwards", {"listen": "127.0.0.1:0", "to": "alice.web", "route": route, **more})


# ---- routes ----

def test_a_forward_without_a_route_takes_any(lone):
	made = lone.call("POST", "/v1/forwards", {"name": "any", "listen": "127.0.0.1:0", "to": "alice.web"})
	assert made.status == 201 and made.json["route"] == USUAL
	assert lone.call("GET", "/v1/forwards/name:any").json["route"] == USUAL
	assert lone.call("GET", "/v1/forwards/name:any").json["status"]["path"] is None


@pytest.mark.parametrize("given,whole", [
	({}, USUAL),
	({"via": "direct"}, {**USUAL, "via": "direct"}),
	({"hops": 2}, {**USUAL, "hops": 2}),
	({"via": "relay"}, {**USUAL, "via": "relay"}),
	({"via": "relay", "hops": 8, "anonymous": True}, {"via": "relay", "hops": 8, "nodes": [], "anonymous": True}),
	({"via": "relay", "nodes": [BOB, ALICE]}, {**USUAL, "via": "relay", "nodes": [BOB, ALICE]}),
	({"via": "relay", "hops": 1, "nodes": [BOB]}, {"via": "relay", "hops": 1, "nodes": [BOB], "anonymous": False}),
])
def test_routes_are_kept_as_given(lone, given, whole):
	made = forward(lone, given)
	assert made.status == 201, made
	assert made.json["route"] == whole
	assert lone.call("DELETE", f"/v1/forwards/{made.json['id']}").status == 204


@pytest.mark.parametrize("route,fault", [
	({"via": "pigeon"}, ("/route/via", "enum")),
	({"hops": 0}, ("/route/hops", "minimum")),
	({"hops": 9}, ("/route/hops", "maximum")),
	({"hops": 1.5}, ("/route/hops", "type")),
	({"nodes": ["alice"]}, ("/route/nodes/0", "pattern")),
	({"nodes": ALICE}, ("/route/nodes", "type")),
	({"nodes": [BOB, BOB], "via": "relay"}, ("/route/nodes", "uniqueItems")),
	({"nodes": [BOB, "vx1" + "q" * 59], "via": "relay"}, ("/route/nodes/1", "checksum")),
	({"colour": "red"}, ("/route/colour", "additionalProperties")),
	({"via": "direct", "hops": 1}, ("/route", "route")),
	({"via": "direct", "anonymous": True}, ("/route", "route")),
	({"anonymous": True}, ("/route", "route")),
	({"via": "relay", "hops": 2, "nodes": [BOB]}, ("/route", "route")),
])
def test_routes_that_make_no_sense_are_refused(lone, route, fault):
	answer = forward(lone, route)
	assert answer.code == "invalid_body" and fault in answer.faults, answer


def test_more_than_eight_relays_are_refused(lone):
	assert ("/route/nodes", "maxItems") in forward(lone, {"via": "relay", "nodes": [ALICE, BOB] * 5}).faults


def test_a_route_does_not_lead_through_its_ends(lone):
	me = node_id(lone)
	assert forward(lone, {"via": "relay", "nodes": [BOB, me]}).faults == {("/route/nodes", "invalid")}
	assert forward(lone, {"via": "relay", "nodes": [BOB]}, to=f"{BOB}.web").faults == {("/route/nodes", "invalid")}


def test_an_address_is_asked_directly(lone):
	body = {"listen": "127.0.0.1:0", "address": "[fd00::1]:4242", "service": "pg"}
	assert lone.call("POST", "/v1/forwards", {**body, "route": {"via": "relay"}}).faults == {("/route/via", "route")}
	for via in ("auto", "direct"):
		made = lone.call("POST", "/v1/forwards", {**body, "route": {"via": via}})
		assert made.status == 201 and made.json["route"]["via"] == via


def test_a_patch_changes_one_thing_of_a_route(lone):
	made = forward(lone, {"via": "relay", "hops": 2, "anonymous": True}, name="patched")
	path = f"/v1/forwards/{made.json['id']}"
	assert lone.call("PATCH", path, {"route": {"hops": 4}}).json["route"] == {"via": "relay", "hops": 4, "nodes": [], "anonymous": True}
	assert lone.call("PATCH", path, {"route": {"hops": None, "nodes": [BOB]}}).json["route"]["nodes"] == [BOB]
	assert lone.call("PATCH", path, {"route": {"via": "direct"}}).faults == {("/route", "route")}
	assert lone.call("PATCH", path, {"enabled": False}).json["route"]["nodes"] == [BOB]
	assert lone.call("PATCH", path, {"route": None}).json["route"] == USUAL
	put = lone.call("GET", path).json
	assert lone.call("PUT", path, {k: put[k] for k in ("name", "listen", "to", "route")}).json["route"] == USUAL


def test_a_route_survives_a_kill(make_agent):
	agent = make_agent()
	route = {"via": "relay", "hops": None, "nodes": [BOB, ALICE], "anonymous": True}
	assert forward(agent, route, name="kept").status == 201
	agent.process.kill()
	agent.process.wait()
	agent.start()
	assert agent.call("GET", "/v1/forwards/name:kept").json["route"] == route


# ---- connect ----

def connect(agent, query):
	return agent.call("GET", f"/v1/connect?{query}", headers={"Connection": "Upgrade", "Upgrade": "vx6-stream"})


@pytest.mark.parametrize("query,fault", [
	("via=pigeon", ("?via", "enum")),
	("hops=9", ("?hops", "maximum")),
	("hops=x", ("?hops", "type")),
	("through=alice", ("?through", "minLength")),
	("through=" + "vx1" + "q" * 59, ("?through", "checksum")),
	("anonymous=yes", ("?anonymous", "enum")),
	("anonymous=true", ("?via", "route")),
	("via=direct&hops=1", ("?via", "route")),
	(f"via=relay&through={BOB},{BOB}", ("?via", "route")),
	(f"via=relay&hops=2&through={BOB}", ("?via", "route")),
])
def test_connect_checks_its_route(lone, query, fault):
	answer = connect(lone, "to=alice.ssh&" + query)
	assert answer.code == "invalid_parameter" and fault in answer.faults, answer


def test_connect_by_address_goes_directly(lone):
	answer = connect(lone, "address=[::1]:1&service=x&via=relay")
	assert answer.code == "invalid_parameter" and answer.faults == {("?via", "route")}
	assert connect(lone, "address=[::1]:1&service=x&via=direct").code == "peer_unreachable"


def test_connect_does_not_lead_through_its_ends(lone):
	assert connect(lone, f"to=alice.ssh&via=relay&through={node_id(lone)}").faults == {("?through", "route")}
	assert connect(lone, f"to={BOB}.ssh&via=relay&through={BOB}").faults == {("?through", "route")}


# ---- lists ----

@pytest.mark.parametrize("path", ["/v1/relays", "/v1/circuits", "/v1/circuits/decisions"])
def test_lists_of_an_agent_that_knows_nobody(lone, path):
	page = lone.call("GET", path)
	assert page.status == 200 and page.json["items"] == [] and page.json["next_cursor"] is None
	assert lone.call("GET", path + "?limit=0").code == "invalid_parameter"
	assert lone.call("GET", path + "?cursor=forged").code == "invalid_cursor"
	assert lone.call("GET", path + "?colour=red").faults == {("?colour", "unknown")}
	assert lone.call("PUT", path).code == "method_not_allowed"


def test_conditions_of_lists(lone):
	for standing in ("candidate", "young", "failing", "draining", "unusable"):
		assert lone.call("GET", f"/v1/relays?standing={standing}&q=bob").status == 200
	for state in ("building", "open", "draining", "closed"):
		assert lone.call("GET", f"/v1/circuits?state={state}&target=bob").status == 200
	assert lone.call("GET", "/v1/relays?standing=good").faults == {("?standing", "enum")}
	assert lone.call("GET", "/v1/circuits?state=running").faults == {("?state", "enum")}
	for target in ("bob", BOB, "ghost", GHOST):
		assert lone.call("GET", f"/v1/circuits/decisions?target={target}&circuit={NOBODY}").status == 200
	for bad in ("target=Bob", "target=a.b", "circuit=alice", "circuit=cir_"):
		assert lone.call("GET", f"/v1/circuits/decisions?{bad}").code == "invalid_parameter", bad


def test_single_ones_that_are_not_there(lone):
	for path in (f"/v1/relays/{BOB}", "/v1/relays/name:nobody", "/v1/relays/x", f"/v1/circuits/{NOBODY}", "/v1/circuits/x", "/v1/circuits/name:x"):
		assert lone.call("GET", path).code == "not_found", path
	assert lone.call("DELETE", f"/v1/circuits/{NOBODY}").code == "not_found"
	assert lone.call("DELETE", "/v1/circuits/" + "c" * 60).code == "not_found"
	assert lone.call("POST", f"/v1/circuits/{NOBODY}:rebuild").code == "not_found"
	assert lone.call("POST", "/v1/circuits/decisions:rebuild").status in (404, 405)
	assert lone.call("DELETE", "/v1/circuits/decisions").code == "method_not_allowed"


# ---- circuits by hand ----

def test_a_circuit_without_relays_cannot_be_built(lone):
	for body in ({}, {"single_pass": False}, {"route": {"hops": 1}}, {"to": None, "route": {"via": "relay"}}, {"route": {"via": "relay", "anonymous": True}}):
		answer = lone.call("POST", "/v1/circuits", body)
		assert answer.code == "no_relays" and answer.json["retryable"], (body, answer)
	assert lone.call("POST", "/v1/circuits", {"to": "nobody"}).code == "peer_unknown"


@pytest.mark.parametrize("body,fault", [
	({"to": ""}, ("/to", "minLength")),
	({"to": "alice.web"}, ("/to", "pattern")),
	({"to": 7}, ("/to", "type")),
	({"via": "relay"}, ("/via", "additionalProperties")),
	({"route": {"via": "direct"}}, ("/route/via", "route")),
	({"route": {"via": "auto"}}, ("/route/via", "route")),
	({"single_pass": 0}, ("/single_pass", "type")),
	({"route": {"single_pass": False}}, ("/route/single_pass", "additionalProperties")),
	({"route": {"hops": 9}}, ("/route/hops", "maximum")),
	({"route": {"hops": 3, "nodes": [BOB]}}, ("/route", "route")),
	({"to": BOB, "route": {"nodes": [BOB]}}, ("/route/nodes", "invalid")),
])
def test_circuits_that_make_no_sense_are_refused(lone, body, fault):
	answer = lone.call("POST", "/v1/circuits", body)
	assert answer.code == "invalid_body" and fault in answer.faults, answer


def test_no_circuit_to_or_through_oneself(lone):
	assert lone.call("POST", "/v1/circuits", {"to": node_id(lone)}).faults == {("/to", "invalid")}
	assert lone.call("POST", "/v1/circuits", {"route": {"nodes": [node_id(lone)]}}).faults == {("/route/nodes", "invalid")}


# ---- this node as a relay ----

def test_relaying_is_on_when_nothing_is_said(lone):
	node = lone.call("GET", "/v1/node").json
	status = node["status"]["relay"]
	assert node["relay"] == AS_BUILT_IN
	assert status["mode"] == "public" and status["limits"]["circuits"] > 0 and status["limits"]["memory_mb"] > 0
	assert status["limits"]["rate_mbit"] is None and status["circuits"] == 0 and not status["draining"]


def test_the_budget_is_set_part_by_part(make_agent):
	agent = make_agent()
	before = agent.call("GET", "/v1/node").json
	node = agent.call("PATCH", "/v1/node", {"relay": {"mode": "private", "rate_mbit": 20}}).json
	assert node["relay"] == {"mode": "private", "circuits": None, "memory_mb": None, "rate_mbit": 20}
	assert node["generation"] == before["generation"] + 1 and node["name"] == before["name"]
	assert node["status"]["relay"]["mode"] == "private" and node["status"]["relay"]["limits"]["rate_mbit"] == 20
	node = agent.call("PATCH", "/v1/node", {"name": "other", "relay": {"circuits": 7, "memory_mb": 16}}).json
	assert node["name"] == "other" and node["relay"] == {"mode": "private", "circuits": 7, "memory_mb": 16, "rate_mbit": 20}
	assert node["status"]["relay"]["limits"] == {"circuits": 7, "memory_mb": 16, "rate_mbit": 20}
	assert agent.call("PATCH", "/v1/node", {"relay": {"rate_mbit": None}}).json["relay"]["rate_mbit"] is None
	events = [e["type"] for e in agent.call("GET", "/v1/events?since=0&types=node.updated").json["items"]]
	assert events.count("node.updated") == 3
	agent.process.kill()
	agent.process.wait()
	agent.start()
	assert agent.call("GET", "/v1/node").json["relay"] == {"mode": "private", "circuits": 7, "memory_mb": 16, "rate_mbit": None}
	assert agent.call("PATCH", "/v1/node", {"relay": None}).json["relay"] == AS_BUILT_IN


def test_what_is_said_at_the_start_wins_and_is_stored(make_agent):
	agent = make_agent("alice", "--relay", "off", "--relay-circuits", "9", "--relay-memory", "8", "--relay-rate", "3")
	assert agent.call("GET", "/v1/node").json["relay"] == {"mode": "off", "circuits": 9, "memory_mb": 8, "rate_mbit": 3}
	assert agent.call("PATCH", "/v1/node", {"relay": {"mode": "public", "circuits": 10}}).status == 200
	agent.stop()
	agent.start("--relay-rate", "0")
	assert agent.call("GET", "/v1/node").json["relay"] == {"mode": "public", "circuits": 10, "memory_mb": 8, "rate_mbit": None}
	agent.stop()
	agent.start("--relay", "private")
	assert agent.call("GET", "/v1/node").json["relay"]["mode"] == "private"
	agent.stop()
	agent.start()
	assert agent.call("GET", "/v1/node").json["relay"]["mode"] == "private"


@pytest.mark.parametrize("relay,fault", [
	({"mode": "on"}, ("/relay/mode", "enum")),
	({"circuits": 0}, ("/relay/circuits", "minimum")),
	({"circuits": 65537}, ("/relay/circuits", "maximum")),
	({"memory_mb": 3}, ("/relay/memory_mb", "minimum")),
	({"memory_mb": "64"}, ("/relay/memory_mb", "type")),
	({"rate_mbit": -1}, ("/relay/rate_mbit", "minimum")),
	({"colour": 1}, ("/relay/colour", "additionalProperties")),
	("public", ("/relay", "type")),
])
def test_budgets_that_make_no_sense_are_refused(lone, relay, fault):
	answer = lone.call("PATCH", "/v1/node", {"relay": relay})
	assert answer.code == "invalid_body" and fault in answer.faults, answer
	assert lone.call("GET", "/v1/node").json["relay"] == AS_BUILT_IN


def test_the_budget_is_changed_at_the_generation_that_was_read(lone):
	assert lone.call("PATCH", "/v1/node", {"relay": {"mode": "off"}}, {"If-Match": '"999"'}).code == "precondition_failed"
	generation = lone.call("GET", "/v1/node").json["generation"]
	same = lone.call("PATCH", "/v1/node", {"relay": {"mode": "public"}}, {"If-Match": f'"{generation}"'})
	assert same.status == 200 and same.json["relay"] == AS_BUILT_IN


# ---- the contract ----

def test_roles_and_version(lone):
	roles = {e["operation_id"]: e["role"] for e in lone.call("GET", "/v1/endpoints").json["items"]}
	for op in ("relay_list", "relay_get", "circuit_list", "circuit_get", "circuit_decision_list"):
		assert roles[op] == "viewer", op
	for op in ("circuit_create", "circuit_rebuild", "circuit_delete"):
		assert roles[op] == "operator", op
	assert roles["node_update"] == "admin"
	major, minor, _ = lone.call("GET", "/v1/version").json["contract"].split(".")
	assert major == "1" and int(minor) >= 2


def test_metrics_of_relaying_and_of_circuits(lone):
	answer = lone.call("GET", "/v1/metrics")
	assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
	text = answer.body.decode()
	helped, typed, values = set(), {}, {}
	for line in text.splitlines():
		if line.startswith("# HELP "):
			helped.add(line.split()[2])
		elif line.startswith("# TYPE "):
			typed[line.split()[2]] = line.split()[3]
		else:
			series, value = line.rsplit(" ", 1)
			assert series not in values
			values[series] = float(value)
	parts = {name + s for name, kind in typed.items() if kind == "histogram" for s in ("_bucket", "_sum", "_count")}
	assert helped == set(typed) and {s.split("{")[0] for s in values} <= helped | parts
	assert all(name.endswith("_total") == (kind == "counter") for name, kind in typed.items())
	status = lone.call("GET", "/v1/node").json["status"]["relay"]
	assert values["vx6_relay_circuits"] == status["circuits"] and values["vx6_circuits"] == 0
	assert values["vx6_relay_memory_limit_bytes"] == status["limits"]["memory_mb"] << 20
	assert {r: values[f'vx6_relay_refused_total{{reason="{r}"}}'] for r in status["refused"]} == status["refused"]


def test_events_of_circuits_are_described():
	described = {e["type"]: e["subject"] for e in json.loads((ROOT / "schemas" / "events.json").read_text())["events"]}
	for event in ("built", "failed", "closed", "moved"):
		assert described[f"circuit.{event}"] == "circuit"
	assert described["relay.budget"] == described["relay.draining"] == "relay" and described["guard.changed"] == "guard"


# ---- the command line ----

def example(name, **more):
	return {**json.loads((ROOT / "schemas" / "api" / f"{name}.json").read_text())["examples"][0], **more}


@pytest.fixture
def told(tmp_path):
	"""told(argv) -> what the command prints when the API answers with the examples of the contract."""
	answers = {"/v1/relays": "Relay", "/v1/circuits/decisions": "CircuitDecision", "/v1/circuits": "Circuit"}

	def answer(request):
		path = request.path.split("?")[0]
		if path in answers and request.method == "GET":
			return 200, {"items": [example(answers[path])], "next_cursor": None, "index": 1}
		kind = next(v for k, v in answers.items() if path.startswith(k))
		if request.method == "DELETE":
			return 204, None
		return (200 if request.method == "GET" else 202), example(kind)

	server = FakeApi(tmp_path / "api.sock", answer)
	env = {k: v for k, v in os.environ.items() if not k.startswith("VX6_")} | {"NO_COLOR": "1"}

	def run(*argv):
		done = subprocess.run([BIN, "--socket", tmp_path / "api.sock", *argv], capture_output=True, text=True, env=env, timeout=20)
		assert done.returncode == 0, done.stderr
		return done.stdout

	run.server = server
	yield run
	server.close()


def test_relays_as_tables(told):
	head, row = told("relay", "list").splitlines()
	assert head.split()[:5] == ["NAME", "STANDING", "GUARD", "STATE", "SHARE"]
	assert row.split()[:6] == ["alice", "candidate", "1", "up", "2.1", "%"] and ALICE in row
	assert "capacity_bytes_per_s" in told("relay", "show", ALICE)
	assert json.loads(told("relay", "list", "--json"))["items"][0] == example("Relay")


def test_circuits_as_tables(told):
	head, row = told("circuit", "list", "--state", "open").splitlines()
	assert head.startswith("ID ") and "me ▸ bob 12 ms ▸ alice 30 ms" in row
	assert told.server.requests[-1].path.startswith("/v1/circuits?state=open")
	shown = told("circuit", "show", NOBODY)
	lines, hops = shown.split("\n\n")
	assert "Path            me ▸ bob 12 ms ▸ alice 30 ms" in lines and "Anonymous       no" in lines
	assert [h.split()[:2] for h in hops.splitlines()[1:]] == [["bob", "guard"], ["alice", "target"]]
	assert json.loads(told("circuit", "show", NOBODY, "--json")) == example("Circuit")
	assert told("circuit", "show", NOBODY, "--fields", "state", "--no-headers") == "open\n"


def test_a_circuit_to_a_hidden_service_as_tables(told):
	relays = [(role, f"r{i}", BOB) for i, role in enumerate(("guard", "vanguard", "relay", "rendezvous"))]
	hops = [dict(example("Circuit")["hops"][0], role=role, name=name, node_id=node)
		for role, name, node in [*relays, ("service", None, GHOST)]]
	told.server.answer = lambda request: (200, dict(example("Circuit"), hidden=True, target=GHOST, target_name="ghost", hops=hops))
	lines, table = told("circuit", "show", NOBODY).split("\n\n")
	assert "▸ r3 [rendezvous] 12 ms ▸ vxh1qxsxk5… 12 ms" in lines and "ghost" in lines
	assert [h.split()[1] for h in table.splitlines()[1:]] == ["guard", "vanguard", "relay", "rendezvous", "service"]
	assert GHOST in table.splitlines()[-1]


def test_why(told):
	assert "the relay bob no longer answers" in told("circuit", "why", "alice.ssh")
	assert told.server.requests[-1].path.startswith("/v1/circuits/decisions?target=alice&")
	told("circuit", "why", NOBODY, "--limit", "1")
	assert f"circuit={NOBODY}" in told.server.requests[-1].path and "limit=1" in told.server.requests[-1].path


def test_circuits_by_hand_from_the_command_line(told):
	assert "me ▸ bob" in told("circuit", "build", "--to", "alice", "--hops", "2")
	assert json.loads(told.server.requests[-1].body) == {"to": "alice", "route": {"hops": 2}}
	told("circuit", "build", "--through", f"{ALICE},{BOB}", "--telescope")
	assert json.loads(told.server.requests[-1].body) == {"route": {"nodes": [ALICE, BOB]}, "single_pass": False}
	told("circuit", "rebuild", NOBODY)
	assert (told.server.requests[-1].method, told.server.requests[-1].path) == ("POST", f"/v1/circuits/{NOBODY}:rebuild")
	told("circuit", "close", NOBODY)
	assert told.server.requests[-1].method == "DELETE"
