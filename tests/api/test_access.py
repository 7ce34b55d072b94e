"""Who may do what: tokens, roles, scopes, and the audit of it all."""
import contextlib
import json
import os
import pwd
import re
import sqlite3
import subprocess
import time

import pytest

from conftest import BIN, Agent

ROLES = ("viewer", "operator", "admin")
RANK = {"public": 0, "viewer": 1, "operator": 2, "admin": 3}
NO = (401, 429)  # who comes with what opens nothing is slowed down, too


def make(agent, name, **settings):
	made = agent.call("POST", "/v1/tokens", {"name": name, **settings})
	assert made.status == 201, made
	return made.json


def bearer(token):
	return {"Authorization": f"Bearer {token['secret']}"}


def by(agent, token, method, path, body=None, headers=None):
	headers = {**bearer(token), **(headers or {})}
	if body is not None:
		headers.setdefault("Content-Type", "application/merge-patch+json" if method == "PATCH" else "application/json")
		body = json.dumps(body)
	return agent.raw(method, path, body, headers, tcp=True)


@pytest.fixture
def token(agent):
	"""Makes tokens that go with the test."""
	made = []

	def new(name, **settings):
		made.append(make(agent, name, **settings))
		return made[-1]

	yield new
	for t in made:
		agent.call("DELETE", f"/v1/tokens/{t['id']}")


def test_the_text_is_shown_once_and_kept_nowhere(agent, token):
	t = token("once", role="operator", labels={"team": "ops"})
	assert re.fullmatch(r"vx6_[a-z2-7]{12}_[a-z2-7]{52}_[a-z2-7]{6}", t["secret"])
	shown = agent.call("GET", f"/v1/tokens/{t['id']}")
	assert shown.json == t["token"] and t["secret"] not in shown.body.decode()
	assert t["secret"] not in agent.call("GET", "/v1/tokens").body.decode() + agent.log()
	secret = t["secret"].split("_")[2].encode()
	for path in agent.dir.rglob("*"):
		if path.is_file() and path.name != "admin.token":
			assert secret not in path.read_bytes(), path
	events = agent.call("GET", "/v1/events?since=0&types=token.*&limit=500").json["items"]
	assert {e["type"] for e in events} >= {"token.created"} and t["secret"] not in json.dumps(events)


def test_it_can_be_changed_but_not_its_text(agent, token):
	t = token("plain")
	assert t["token"]["role"] == "viewer" and by(agent, t, "GET", "/v1/node").status == 200
	path = f"/v1/tokens/{t['id']}"
	assert by(agent, t, "POST", "/v1/services", {"name": "w", "target": "127.0.0.1:1"}).status == 403
	assert agent.call("PATCH", path, {"role": "operator"}).json["role"] == "operator"
	assert by(agent, t, "POST", "/v1/services", {"name": "w", "target": "127.0.0.1:1"}).status == 201
	assert agent.call("PUT", path, {"name": "plain2"}).json["role"] == "viewer"
	assert by(agent, t, "DELETE", "/v1/services/name:w").status == 403
	assert by(agent, t, "GET", "/v1/node").status == 200, "its text stays"
	assert agent.call("GET", path).json["status"]["last_used_at"]
	agent.call("DELETE", "/v1/services/name:w")
	assert agent.call("POST", "/v1/tokens", {"name": "plain2"}).code == "name_taken"


def test_a_removed_one_opens_nothing_from_then_on(agent):
	for n in range(6):
		t = make(agent, f"gone{n}")
		assert by(agent, t, "GET", "/v1/node").status == 200
		assert agent.call("DELETE", f"/v1/tokens/{t['id']}").status == 204
		assert by(agent, t, "GET", "/v1/node").status in NO


def test_time_and_place(agent, token):
	soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
	t = token("short", expires_at=soon)
	assert by(agent, t, "GET", "/v1/node").status == 200
	here, elsewhere, socket = token("here", allow_from=["127.0.0.0/8"]), token("there", allow_from=["192.0.2.0/24", "::1"]), token("sock", allow_from=["unix"])
	assert by(agent, here, "GET", "/v1/node").status == 200
	assert by(agent, elsewhere, "GET", "/v1/node").status in NO
	assert by(agent, socket, "GET", "/v1/node").status in NO
	time.sleep(3)
	assert by(agent, t, "GET", "/v1/node").status in NO
	assert agent.call("GET", f"/v1/tokens/{t['id']}").json["status"]["expired"]


@pytest.mark.parametrize("body, pointer", [
	({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
	({"scopes": ["nothing:read"]}, "/scopes"),
	({"scopes": ["services:delete"]}, "/scopes/0"),
	({"allow_from": ["10.0.0.0/33"]}, "/allow_from"),
	({"allow_from": ["example.org"]}, "/allow_from/0"),
	({"role": "root"}, "/role"),
	({"hash": "00"}, "/hash"),
])
def test_what_is_no_token(agent, body, pointer):
	answer = agent.call("POST", "/v1/tokens", {"name": "bad", **body})
	assert answer.status == 422 and pointer in {p for p, _ in answer.faults}, answer


def test_scopes(agent, token):
	reads, writes, all_reads = (token(n, role="operator", scopes=s) for n, s in (("r", ["services:read"]), ("w", ["services:write", "metrics:read"]), ("a", ["*:read"])))
	new = {"name": "scoped", "target": "127.0.0.1:1"}
	assert by(agent, reads, "GET", "/v1/services").status == 200
	assert by(agent, reads, "GET", "/v1/peers").status == 403
	refused = by(agent, reads, "POST", "/v1/services", new)
	assert refused.status == 403 and "scope" in refused.json["detail"]
	assert by(agent, writes, "POST", "/v1/services", new).status == 201
	assert by(agent, writes, "GET", "/v1/services/name:scoped").status == 200, "who may write may look at it"
	assert by(agent, writes, "GET", "/v1/metrics").status == 200
	assert by(agent, writes, "GET", "/v1/forwards").status == 403
	assert by(agent, all_reads, "GET", "/v1/forwards").status == 200
	assert by(agent, all_reads, "DELETE", "/v1/services/name:scoped").status == 403
	assert by(agent, writes, "DELETE", "/v1/services/name:scoped").status == 204
	# a scope gives nothing that the role does not have
	assert by(agent, token("low", scopes=["services:write"]), "POST", "/v1/services", new).status == 403


def path_of(agent, route):
	"""The path of a route with the contract's own example in it."""
	doc = agent.contract.doc
	params = [doc["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p
		for p in doc["paths"][route["path"]][route["method"].lower()].get("parameters", [])]
	example = {name: e["value"] for p in params if p["in"] == "path" for name, e in p["examples"].items()}
	return re.sub(r"\{([^}]*)\}", lambda m: example[m[1]], route["path"])


def test_every_role_on_every_route(agent, token):
	"""Whoever may not is told so before anything of the request is looked at; whoever may gets further."""
	tokens = {role: token(f"as-{role}", role=role) for role in ROLES}
	routes = agent.call("GET", "/v1/endpoints").json["items"]
	assert len(routes) > 60
	tried = 0
	for route in routes:
		path = path_of(agent, route)
		for role, t in tokens.items():
			if route["operation_id"] in ("event_list", "connect_open") and RANK[role] >= RANK[route["role"]]:
				continue  # they wait
			# a body of a type that no route takes: the request ends there
			headers = {"Content-Type": "text/plain", "Content-Length": "1"} if route["method"] != "GET" else {}
			answer = agent.raw(route["method"], path, "x" if headers else None, {**bearer(t), **headers}, tcp=True)
			if RANK[role] < RANK[route["role"]]:
				assert answer.status == 403 and answer.code == "forbidden", (route, role, answer)
			else:
				assert answer.status not in (401, 403), (route, role, answer)
			tried += 1
	assert tried > 200
	for route in routes:
		answer = agent.raw(route["method"], path_of(agent, route), headers={}, tcp=True)
		assert (answer.status == 401) == (route["role"] != "public"), (route, answer)


def test_guessing_is_slowed_down(agent):
	time.sleep(4)  # it forgets what was before
	bad = "vx6_" + "a" * 12 + "_" + "b" * 52 + "_" + "c" * 6
	seen = [agent.raw("GET", "/v1/node", headers={"Authorization": f"Bearer {bad}"}, tcp=True).status for _ in range(40)]
	assert set(seen) == {401, 429} and seen.count(401) <= 15
	assert agent.call("GET", "/v1/node", tcp=True).status == 200, "who has a good one is not held up"


@pytest.mark.parametrize("column, text", [("scopes", "{"), ("scopes", "[7]"), ("scopes", '["services"]'), ("allow_from", "nonsense"), ("allow_from", '["x"]')])
def test_a_limit_that_cannot_be_read_lets_nothing_pass(tmp_path, column, text):
	agent = Agent(tmp_path / "state").start()
	try:
		t = make(agent, "bent", role="admin")
		assert by(agent, t, "GET", "/v1/services").status == 200
		agent.stop()
		with contextlib.closing(sqlite3.connect(agent.dir / "state.db")) as db, db:
			db.execute(f"UPDATE tokens SET {column} = ?", (text,))
		agent.start()
		assert by(agent, t, "GET", "/v1/services").status in (401, 403)
	finally:
		agent.stop()


# ---- the audit ----

def entries(agent, **query):
	found, cursor = [], None
	while True:
		at = "&".join([f"{k}={v}" for k, v in query.items()] + ([f"cursor={cursor}"] if cursor else []) + ["limit=50"])
		page = agent.call("GET", f"/v1/audit?{at}").json
		found += page["items"]
		cursor = page["next_cursor"]
		if not cursor:
			return found


def last_seq(agent):
	head = agent.call("GET", "/v1/audit?limit=1").json["head"]
	return head["seq"] if head else 0


def test_what_was_done_is_written_down(agent, token):
	t = token("doer", role="operator")
	since = last_seq(agent)
	by(agent, t, "POST", "/v1/services", {"name": "seen", "target": "127.0.0.1:1"}, {"X-Request-Id": "mine"})
	by(agent, t, "PATCH", "/v1/services/name:seen", {"enabled": False})
	by(agent, t, "DELETE", "/v1/services/name:seen")
	by(agent, t, "DELETE", "/v1/services/name:seen")
	by(agent, t, "POST", "/v1/services", {"name": "BAD"})
	by(agent, t, "DELETE", "/v1/tokens/name:doer")
	by(agent, t, "PUT", "/v1/names/petname:seen", {"node_id": agent.call("GET", "/v1/identity").json["node_id"]})
	by(agent, t, "GET", "/v1/services")
	agent.call("DELETE", "/v1/names/petname:seen")
	said = [(e["actor"], e["operation"], e["target"], e["outcome"]) for e in entries(agent, since=since)]
	who, uid = f"token:{t['id']}", f"uid:{os.geteuid()}"
	assert said == [
		(who, "service_create", "/v1/services", "ok"),
		(who, "service_update", "/v1/services/name:seen", "ok"),
		(who, "service_delete", "/v1/services/name:seen", "ok"),
		(who, "service_delete", "/v1/services/name:seen", "not_found"),
		(who, "service_create", "/v1/services", "invalid_body"),
		(who, "token_delete", "/v1/tokens/name:doer", "forbidden"),
		(who, "name_put", "/v1/names/petname:seen", "ok"),
		(uid, "name_delete", "/v1/names/petname:seen", "ok"),
	]
	first = entries(agent, since=since)[0]
	assert first["request_id"] == "mine" and first["origin"].startswith("127.0.0.1:")
	assert entries(agent, since=since, actor=uid)[-1]["origin"] == "unix"
	assert [e["operation"] for e in entries(agent, since=since, operation="name_put")] == ["name_put"]


def test_it_holds_no_secrets(agent, token):
	t = token("quiet", role="admin")
	by(agent, t, "POST", "/v1/identity:export", {"passphrase": "correct horse battery"})
	agent.raw("POST", "/v1/services", "{}", {"Authorization": "Bearer " + "s3cr3t" * 5, "Content-Type": "application/json"}, tcp=True)
	text = json.dumps(entries(agent)) + agent.log()
	for secret in ("correct horse", "s3cr3t", t["secret"], agent.token):
		assert secret not in text


def test_strangers_do_not_fill_it(agent):
	since = last_seq(agent)
	for _ in range(400):
		agent.raw("DELETE", "/v1/services/name:x", tcp=True)
	assert len(entries(agent, since=since)) < 250


def test_a_change_of_it_shows(tmp_path):
	agent = Agent(tmp_path / "state").start()
	try:
		for n in range(5):
			agent.call("POST", "/v1/services", {"name": f"s{n}", "target": "127.0.0.1:1"})
		check = agent.call("GET", "/v1/audit/check").json
		assert check["intact"] and check["checked"] == 5 and check["head"]["seq"] == 5
		agent.stop()
		with contextlib.closing(sqlite3.connect(agent.dir / "state.db")) as db, db:
			db.execute("UPDATE audit SET actor = 'uid:4711' WHERE seq = 3")
		agent.start()
		check = agent.call("GET", "/v1/audit/check").json
		assert not check["intact"] and check["broken_at"] == 3
	finally:
		agent.stop()


def test_nothing_acknowledged_is_missing_after_a_kill(tmp_path):
	agent = Agent(tmp_path / "state").start()
	done = 0
	try:
		for _ in range(3):
			for _ in range(20):
				agent.call("PUT", f"/v1/names/petname:n{done}", {"node_id": "vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh"})
				done += 1
				agent.call("POST", "/v1/services", {"name": f"s{done}", "target": "127.0.0.1:1"})
			agent.process.kill()
			agent.process.wait()
			agent.start()
		assert len(entries(agent, operation="name_put")) == len(entries(agent, operation="service_create")) == done == 60
		assert agent.call("GET", "/v1/audit/check").json["intact"]
	finally:
		agent.stop()


# ---- the socket ----

def as_nobody(agent, *argv):
	"""What the command says to a user that is neither root nor the agent's. The socket is opened to all for that."""
	os.chmod(agent.dir.parent, 0o755)
	os.chmod(agent.dir, 0o755)
	os.chmod(agent.socket, 0o666)
	nobody = pwd.getpwnam("nobody")

	def drop():
		os.setgroups([])
		os.setgid(nobody.pw_gid)
		os.setuid(nobody.pw_uid)

	return subprocess.run([str(BIN), *argv], preexec_fn=drop, capture_output=True, text=True, env={"VX6_SOCKET": agent.socket, "PATH": os.environ["PATH"]}, timeout=20)


def reachable(path):
	"""Whether everybody may go down to a folder: that of the tests may be closed."""
	return all(p.stat().st_mode & 0o001 for p in path.parents if p.exists()) and os.access(BIN, os.X_OK) and all(p.stat().st_mode & 0o001 for p in BIN.parents)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("settings, may_read, may_write", [([], False, False), (["--api-others", "viewer"], True, False), (["--api-operators", "nogroup"], True, True)])
def test_who_calls_on_the_socket(settings, may_read, may_write):
	import tempfile
	with tempfile.TemporaryDirectory(prefix="vx6-others-", dir="/tmp") as folder:
		os.chmod(folder, 0o755)
		import pathlib
		agent = Agent(pathlib.Path(folder) / "state").start(*settings)
		try:
			if not reachable(agent.dir):
				pytest.skip("the folders on the way to the program are closed to others")
			assert (as_nobody(agent, "peer", "list").returncode == 0) == may_read
			added = as_nobody(agent, "service", "add", "w", "--target", "127.0.0.1:1")
			assert (added.returncode == 0) == may_write, added
			assert as_nobody(agent, "token", "list").returncode == 4
		finally:
			agent.stop()


def test_a_group_that_is_none_is_said(tmp_path):
	done = subprocess.run([str(BIN), "agent", "--state-dir", str(tmp_path / "s"), "--api-operators", "no-such-group"], capture_output=True, text=True, timeout=10)
	assert done.returncode != 0 and "no such group" in done.stderr
