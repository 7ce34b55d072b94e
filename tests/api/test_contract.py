"""The contract against itself, against the routes that the agent serves, and each route against every problem it lists."""
import json
import os
import pathlib

import jsonschema
import pytest

from conftest import ROOT

# Problems that only a fault of the machine, or a moment that a test cannot hold, would bring about.
NOT_PROVOKED = {"internal", "unavailable", "timeout", "storage_full"}
# Those that have tests of their own: they need a second agent, a full table, another user, or a flood.
ELSEWHERE = {"managed_elsewhere", "forbidden", "rate_limited", "limit_reached", "ambiguous_name", "service_unknown", "access_refused", "wrong_peer",
	"target_unreachable", "peer_unreachable", "no_relays", "pin_mismatch", "node_revoked", "dht_off", "operation_finished", "not_owner", "master_key_needed",
	"too_few_relays", "invite_expired", "invite_used_up", "client_refused", "hidden_unreachable", "no_quorum"}
# The same for one operation: what it needs to be there first.
ELSEWHERE_OF = {("catalog_join", "name_taken"), ("catalog_add", "name_taken"), ("circuit_create", "peer_unknown"), ("circuit_rebuild", "peer_unknown"),
	("hidden_alias_create", "name_taken")}


def test_routes_and_openapi_agree_both_ways(agent):
	served = {(e["method"], e["path"], e["operation_id"], e["role"]) for e in agent.call("GET", "/v1/endpoints").json["items"]}
	described = {(m, p, op["operationId"], op["x-vx6-role"]) for m, p, op in agent.contract.operations()}
	assert served == described
	source = json.loads((ROOT / "schemas" / "openapi.json").read_text())
	assert {(m.upper(), p) for p, item in source["paths"].items() for m in item} == {(m, p) for m, p, _, _ in described}


def test_every_described_route_exists_and_no_other(agent):
	for method, path, op in agent.contract.operations():
		answer = agent.raw(method, agent.contract.absent(path, op))
		assert answer.code not in ("route_unknown", "method_not_allowed"), (method, path, answer)
	paths = {p: {m for m, q, _ in agent.contract.operations() if q == p} for _, p, _ in agent.contract.operations()}
	ops = {p: op for _, p, op in agent.contract.operations()}
	for path, methods in paths.items():
		op = ops[path]
		for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - methods:
			answer = agent.raw(method, agent.contract.absent(path, op))
			assert answer.status == 405 and answer.code == "method_not_allowed", (method, path, answer)
			assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == methods


def test_every_schema_is_valid_and_every_example_matches(agent):
	checked = 0
	for name, schema in agent.contract.doc["components"]["schemas"].items():
		jsonschema.Draft202012Validator.check_schema(schema)
		for example in schema.get("examples", []):
			agent.contract.validate(name, example)
			checked += 1
		if not name.endswith("List"):
			assert schema.get("examples"), f"{name} has no example"
	assert checked >= 40


def test_every_schema_is_served(agent):
	names = set(agent.contract.doc["components"]["schemas"])
	assert {p.stem for p in (ROOT / "schemas" / "api").glob("*.json")} <= names
	for name in names:
		answer = agent.call("GET", f"/v1/schemas/{name}")
		assert answer.json["$id"] == f"urn:vx6:schema:{name}"
		jsonschema.Draft202012Validator.check_schema(answer.json)


def test_every_problem_of_the_registry_is_used(agent):
	listed = {c for _, _, op in agent.contract.operations() for c in op["x-vx6-problems"]} | {"route_unknown", "method_not_allowed"}
	registry = {p["code"] for p in json.loads((ROOT / "schemas" / "problems.json").read_text())["problems"]}
	assert registry == listed


def test_examples_of_requests_are_accepted(make_agent):
	agent = make_agent()
	agent.call("POST", "/v1/catalogs", {"name": "examples"})
	agent.call("POST", "/v1/services", {"name": "web", "target": "127.0.0.1:1"})
	made = 0
	for method, path, op in agent.contract.operations():
		for media, content in op.get("requestBody", {}).get("content", {}).items():
			name = content["schema"]["$ref"].rsplit("/", 1)[-1]
			for example in agent.contract.doc["components"]["schemas"][name]["examples"]:
				if method != "POST":
					continue
				if op["operationId"] == "service_create":
					made += 1
					example = {**example, "name": f"example-{made}"}
				# the hidden one of the examples, once it has a key
				of = "ghost" if path.startswith("/v1/services/") else "name:examples"
				answer = agent.call(method, path.replace("{id}", of), example)
				if op["operationId"] in ("circuit_create", "hidden_alias_find"):  # this agent knows nobody
					assert answer.code in ("no_relays", "peer_unknown"), answer
				elif op["operationId"] == "identity_revoke":  # its example must not work
					assert answer.status == 422 and answer.faults == {("/confirm", "invalid")}, answer
				else:
					assert str(answer.status) in op["responses"] and answer.status < 300, (path, example, answer)


def send(agent, method, path, op, **change):
	"""A request to the route that would be good but for the change."""
	body = None
	headers = {"Authorization": f"Bearer {agent.token}"}
	for media, content in op.get("requestBody", {}).get("content", {}).items():
		name = content["schema"]["$ref"].rsplit("/", 1)[-1]
		body = json.dumps(agent.contract.doc["components"]["schemas"][name]["examples"][0])
		headers["Content-Type"] = media
	headers.update(change.get("headers", {}))
	for name in change.get("without", ()):
		headers.pop(name, None)
	target = agent.contract.absent(path, op) + change.get("query", "")
	answer = agent.raw(method, target, change.get("body", body), headers, tcp=True)
	agent.contract.check(method, target, answer)
	return answer


def conflict(agent, method, path, op):
	kind = path.split("/")[2]
	body = {"services": {"name": "one", "target": "127.0.0.1:1"}, "forwards": {"name": "one", "listen": "127.0.0.1:0", "to": "a.b"},
		"peers": {"name": "one", "addresses": ["192.0.2.1:1"]}, "catalogs": {"name": "one"}, "tokens": {"name": "one"}}.get(kind, {})
	if kind != "node" and not agent.call("GET", f"/v1/{kind}?q=one").json["items"]:
		assert agent.call("POST", f"/v1/{kind}", body).status == 201
		assert agent.call("POST", f"/v1/{kind}", {**body, "name": "two"}).status == 201
	return kind, body


def provoke(agent, method, path, op, code):
	"""Makes the route answer with the problem."""
	change = {
		"bad_request": {"query": "?a=%00"},
		"origin_refused": {"headers": {"Origin": "https://evil.example"}},
		"host_refused": {"headers": {"Host": f"evil.example:{agent.port}"}},
		"uri_too_long": {"query": "?" + "a" * 3000},
		"headers_too_large": {"headers": {"X-Long": "a" * 20000}},
		"unauthenticated": {"without": ["Authorization"]},
		"invalid_parameter": {"query": "?nonsense=1"},
		"payload_too_large": {"headers": {"Content-Length": "300000"}, "body": b""},
		"length_required": {"headers": {"Transfer-Encoding": "chunked"}, "body": b"0\r\n\r\n"},
		"media_type_unsupported": {"headers": {"Content-Type": "text/plain"}},
		"invalid_json": {"body": b'{"a":1,"a":2}'},
		"invalid_body": {"body": b'{"nonsense":true}'},
		"not_found": {},
		"upgrade_required": {},
		"peer_unknown": {"query": "?to=nobody.web", "headers": {"Connection": "Upgrade", "Upgrade": "vx6-stream"}},
		"invalid_cursor": {"query": "?cursor=forged"},
	}
	if code in change:
		return send(agent, method, path, op, **change[code])
	kind, body = conflict(agent, method, path, op)
	target = path.replace("{id}", "name:one")
	if code == "precondition_failed":
		patch = {"name": "alice"} if kind == "node" else {}
		return agent.call(method, target, {"PUT": body, "PATCH": patch}.get(method), {"If-Match": '"999"'})
	assert code == "name_taken"
	return agent.call(method, target, {"POST": body, "PUT": {**body, "name": "two"}, "PATCH": {"name": "two"}}[method])


def test_every_listed_problem_is_produced(agent):
	produced = 0
	for method, path, op in agent.contract.operations():
		for code in op["x-vx6-problems"]:
			if code in NOT_PROVOKED | ELSEWHERE or (op["operationId"], code) in ELSEWHERE_OF:
				continue
			answer = provoke(agent, method, path, op, code)
			assert answer.code == code, (method, path, code, answer)
			produced += 1
	assert produced > 250


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_user_is_refused_by_role(make_agent):
	agent = make_agent()
	os.chmod(agent.dir.parent, 0o711)
	os.chmod(agent.dir, 0o711)
	os.chmod(agent.socket, 0o666)
	for method, path, op in agent.contract.operations():
		target = agent.contract.absent(path, op).replace("NoSuch", "Service")
		read, write = os.pipe()
		child = os.fork()
		if child == 0:
			try:
				os.setgid(65534)
				os.setuid(65534)
				answer = agent.raw(method, target)
				os.write(write, json.dumps([answer.status, answer.code]).encode())
			except OSError as e:
				os.write(write, json.dumps([0, str(e)]).encode())
			finally:
				os._exit(0)  # never on into the rest of the tests
		os.close(write)
		text = os.read(read, 1000)
		os.close(read)
		os.waitpid(child, 0)
		status, code = json.loads(text)
		if op["x-vx6-role"] == "public":
			assert status == 200, target
		else:
			assert (status, code) == (403, "forbidden"), target


def test_role_matrix_of_tcp_callers(agent):
	for method, path, op in agent.contract.operations():
		target = agent.contract.absent(path, op).replace("NoSuch", "Service")
		anonymous = agent.raw(method, target, tcp=True)
		if op["x-vx6-role"] == "public":
			assert anonymous.status == 200
			continue
		assert anonymous.status == 401 and anonymous.headers["WWW-Authenticate"].startswith("Bearer")
		admin = agent.raw(method, target, headers={"Authorization": f"Bearer {agent.token}"}, tcp=True)
		assert admin.status not in (401, 403), (target, admin)


def test_wrong_tokens_are_refused_then_slowed(make_agent):
	agent = make_agent()
	good = agent.token
	wrong = [good[:-1] + ("a" if good[-1] != "a" else "b"), good[:20] + "a" + good[21:], "", "x", good.upper(), good + " ", "vx6_" + "a" * 72]
	codes = set()
	for i in range(40):
		codes.add(agent.call("GET", "/v1/node", headers={"Authorization": f"Bearer {wrong[i % len(wrong)]}"}, tcp=True).code)
	codes.discard(None)
	assert codes == {"unauthenticated", "rate_limited"}
	assert agent.call("GET", "/v1/node", tcp=True).status == 200  # the right one is not locked out
	assert agent.raw("GET", "/v1/node", headers={"Authorization": f"Basic {good}"}, tcp=True).status in (401, 429)


def test_token_file_is_private_and_kept(make_agent):
	agent = make_agent()
	path = pathlib.Path(agent.dir / "admin.token")
	token = agent.token
	assert path.stat().st_mode & 0o777 == 0o600
	assert os.stat(agent.socket).st_mode & 0o007 == 0
	assert token not in agent.log()
	agent.stop()
	agent.start()
	assert agent.token == token
