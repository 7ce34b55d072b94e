"""Registry, names, DHT, lookups, operations and catalogs over the API: two agents that know each other, and one that is alone."""
import base64
import os
import tempfile
import threading
import time

import pytest

from conftest import Agent

HEX = "0123456789abcdef" * 4


def until(what, seconds=15):
	end = time.monotonic() + seconds
	while not (value := what()):
		assert time.monotonic() < end, "it does not happen"
		time.sleep(0.05)
	return value


def listen_address(agent):
	return next(a["address"] for a in agent.raw("GET", "/v1/node").json["listen"])


def node_id(agent):
	return agent.raw("GET", "/v1/node").json["node_id"]


def pages(agent, path, limit):
	items, cursor = [], None
	while True:
		page = agent.call("GET", f"{path}{'&' if '?' in path else '?'}limit={limit}" + (f"&cursor={cursor}" if cursor else "")).json
		assert len(page["items"]) <= limit
		items += page["items"]
		cursor = page["next_cursor"]
		if not cursor:
			return items


def lookup(agent, body, wait=20):
	"""The finished operation."""
	answer = agent.call("POST", "/v1/dht/lookups", body, {"Prefer": f"wait={wait}"})
	assert answer.status == 200, answer
	assert answer.json["state"] != "running"
	return answer.json


@pytest.fixture(scope="module")
def pair(folder):
	"""alice with services web and hidden (private); bob, who is her peer."""
	alice = Agent(tempfile.mkdtemp(prefix="alice-", dir=folder), "alice").start("--dht", "server")
	alice.call("POST", "/v1/services", {"name": "web", "target": "127.0.0.1:1"})
	alice.call("POST", "/v1/services", {"name": "hidden", "target": "127.0.0.1:2", "visibility": "private"})
	bob = Agent(tempfile.mkdtemp(prefix="bob-", dir=folder), "bob").start("--peer", listen_address(alice), "--dht", "server")
	until(lambda: [s for s in bob.call("GET", "/v1/registry/services").json["items"] if s["name"] == "web"])
	yield alice, bob
	for agent in (bob, alice):
		assert agent.process.poll() is None, "the agent died: " + agent.log()
		assert agent.stop() == 0, agent.log()


@pytest.fixture(scope="module")
def lone(folder):
	agent = Agent(tempfile.mkdtemp(prefix="lone-", dir=folder), "lone").start("--dht", "off")
	yield agent
	assert agent.stop() == 0, agent.log()


# ---- registry ----

def test_nodes_that_are_known(pair):
	alice, bob = pair
	known = {n["name"]: n for n in bob.call("GET", "/v1/registry/nodes").json["items"]}
	a = known["alice"]
	assert a["node_id"] == node_id(alice) and a["state"] == "valid" and a["source"] == "session" and a["connected"]
	assert a["addresses"] and a["services"] == ["web"] and a["last_met"] and not a["conflict"] and a["revocation"] is None
	assert bob.call("GET", f"/v1/registry/nodes/{a['id']}").json["id"] == a["id"]
	assert bob.call("GET", "/v1/registry/nodes/name:alice").json["id"] == a["id"]
	assert set(bob.raw("GET", "/v1/registry/nodes/name:alice?fields=name,state").json) == {"name", "state"}
	assert bob.call("GET", "/v1/registry/nodes/name:nobody").status == 404
	assert bob.call("GET", "/v1/registry/nodes/vx1zzz").status == 404
	assert [n["name"] for n in bob.call("GET", "/v1/registry/nodes?q=ali").json["items"]] == ["alice"]
	assert bob.call("GET", "/v1/registry/nodes?q=nobody").json["items"] == []
	assert [n["name"] for n in bob.call("GET", f"/v1/registry/nodes?node={a['id']}").json["items"]] == ["alice"]
	assert bob.call("GET", "/v1/registry/nodes?node=" + "vx1" + "q" * 59).code == "invalid_parameter"
	everybody = pages(bob, "/v1/registry/nodes", 1)
	assert [n["id"] for n in everybody] == [n["id"] for n in bob.call("GET", "/v1/registry/nodes").json["items"]]


def test_services_that_are_known(pair):
	alice, bob = pair
	items = bob.call("GET", "/v1/registry/services").json["items"]
	assert [s["full_name"] for s in items if s["node_id"] == node_id(alice)] == ["alice.web"], "a private service is heard of"
	web = next(s for s in items if s["full_name"] == "alice.web")
	assert web["id"] == node_id(alice) + ".web" and web["state"] == "valid" and web["node_name"] == "alice"
	for name in ("a", "b", "c", "d"):
		assert alice.call("POST", "/v1/services", {"name": f"more-{name}", "target": "127.0.0.1:1"}).status == 201
	until(lambda: len(bob.call("GET", "/v1/registry/services?q=more-").json["items"]) == 4)
	assert [s["name"] for s in pages(bob, f"/v1/registry/services?node={node_id(alice)}", 2)] == ["more-a", "more-b", "more-c", "more-d", "web"]
	assert bob.call("GET", f"/v1/registry/services?node={node_id(bob)}&q=more").json["items"] == []
	for name in ("a", "b", "c", "d"):
		alice.call("DELETE", f"/v1/services/name:more-{name}")
	until(lambda: not bob.call("GET", "/v1/registry/services?q=more-").json["items"])


def test_visibility_of_a_service(pair):
	alice, bob = pair
	hidden = alice.call("GET", "/v1/services/name:hidden").json
	assert hidden["visibility"] == "private" and hidden["status"]["published"] is None
	assert alice.call("POST", "/v1/services", {"name": "x", "target": "127.0.0.1:1", "visibility": "secret"}).status == 422
	alice.call("PATCH", "/v1/services/name:hidden", {"visibility": "public"})
	until(lambda: bob.call("GET", "/v1/registry/services?q=hidden").json["items"])
	alice.call("PATCH", "/v1/services/name:hidden", {"visibility": "private"})
	until(lambda: not bob.call("GET", "/v1/registry/services?q=hidden").json["items"])


# ---- names ----

def test_petnames_and_pins(lone):
	one, two = "vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh", node_id(lone)
	made = lone.call("PUT", "/v1/names/petname:laptop", {"node_id": one})
	assert made.status == 201 and made.headers["Location"] == "/v1/names/petname:laptop"
	assert made.json["kind"] == "petname" and made.json["node_id"] == one
	changed = lone.call("PUT", "/v1/names/petname:laptop", {"node_id": two})
	assert changed.status == 200 and changed.json["node_id"] == two
	assert lone.call("GET", "/v1/names/petname:laptop").json == changed.json
	for name in ("alpha", "beta", "gamma"):
		assert lone.call("PUT", f"/v1/names/pin:{name}", {"node_id": one}).status == 201
	ids = [b["id"] for b in lone.call("GET", "/v1/names").json["items"]]
	assert sorted(ids) == ["petname:laptop", "pin:alpha", "pin:beta", "pin:gamma"]
	assert [b["id"] for b in pages(lone, "/v1/names", 1)] == ids
	assert [b["name"] for b in pages(lone, "/v1/names?kind=pin", 2)] == ["alpha", "beta", "gamma"]
	assert [b["id"] for b in lone.call("GET", f"/v1/names?node={two}").json["items"]] == ["petname:laptop"]
	assert [b["id"] for b in lone.call("GET", "/v1/names?q=bet").json["items"]] == ["pin:beta"]
	assert lone.call("GET", "/v1/names?kind=nickname").code == "invalid_parameter"
	for bad in ("pin:Upper", "pin:", "nick:alice", "pin:vx1x", "alice"):
		assert lone.call("PUT", f"/v1/names/{bad}", {"node_id": one}).status == 404, bad
	assert lone.call("PUT", "/v1/names/pin:delta", {"node_id": "vx1" + "q" * 59}).faults == {("/node_id", "checksum")}
	assert lone.call("GET", "/v1/names/pin:delta").status == 404
	for name in ids:
		assert lone.call("DELETE", f"/v1/names/{name}").status == 204
		assert lone.call("DELETE", f"/v1/names/{name}").status == 404
	assert lone.call("GET", "/v1/names").json["items"] == []
	types = [e["type"] for e in lone.call("GET", "/v1/events?since=0&types=name.*&limit=100").json["items"]]
	assert types.count("name.created") == 4 and types.count("name.updated") == 1 and types.count("name.removed") == 4


def test_bindings_survive_a_kill(make_agent):
	import signal
	agent = make_agent("kept", "--dht", "off")
	agent.call("PUT", "/v1/names/petname:laptop", {"node_id": node_id(agent)})
	agent.stop(signal.SIGKILL)
	agent.start("--dht", "off")
	assert agent.call("GET", "/v1/names/petname:laptop").json["node_id"] == node_id(agent)


def test_conflicts_come_as_a_list(pair, lone):
	assert lone.call("GET", "/v1/names/conflicts").json["items"] == []
	assert pair[1].call("GET", "/v1/names/conflicts?q=alice&limit=1").json["next_cursor"] is None


# ---- DHT ----

def test_state_of_the_dht(pair, lone):
	alice, bob = pair
	off = lone.call("GET", "/v1/dht").json
	assert off["mode"] == "off" and not off["serving"] and off["position"] is None and off["contacts"] == 0
	on = until(lambda: (d := bob.call("GET", "/v1/dht").json)["contacts"] and d)
	assert on["mode"] == "server" and on["serving"] and len(on["position"]) == 64 and on["diversity"] == {"configured": "auto", "in_force": "off", "asn_map": False}
	assert bob.call("GET", "/v1/node").json["status"]["dht"]["contacts"] == on["contacts"]
	assert lone.call("GET", "/v1/dht/contacts").json["items"] == [] and lone.call("GET", "/v1/dht/replicas").json["items"] == []


def test_contacts_of_the_dht(pair):
	alice, bob = pair
	contacts = until(lambda: bob.call("GET", "/v1/dht/contacts").json["items"])
	assert [c["node_id"] for c in contacts] == [node_id(alice)]
	assert contacts[0]["address"]["address"] == listen_address(alice) and len(contacts[0]["position"]) == 64
	assert bob.call("GET", "/v1/dht/contacts?q=zzz").json["items"] == []


def test_replicas_are_proved(pair):
	alice, bob = pair

	def proved():
		rows = {(r["type"], r["name"]): r for r in alice.call("GET", "/v1/dht/replicas").json["items"]}
		web = rows.get(("service", "web"))
		return web if web and web["proved"] == web["wanted"] > 0 else None

	web = until(proved, 30)
	assert [h["state"] for h in web["holders"]] == ["proved"] and web["holders"][0]["node_id"] == node_id(bob)
	assert web["proved_at"] and web["last_error"] is None
	status = until(lambda: alice.call("GET", "/v1/services/name:web").json["status"]["published"])
	assert status == {"wanted": 1, "stored": 1, "proved": 1}
	assert {r["type"] for r in alice.call("GET", "/v1/dht/replicas?type=service").json["items"]} == {"service"}
	assert alice.call("GET", "/v1/dht/replicas?type=nonsense").code == "invalid_parameter"
	found = lookup(bob, {"key": web["key"], "trace": True})
	assert found["state"] == "done" and found["result"]["values"][0]["node_id"] == node_id(alice), found


# ---- lookups and operations ----

def test_lookups_find_by_name_id_and_service(pair):
	alice, bob = pair
	for body in ({"name": "alice"}, {"service": "alice.web"}, {"node_id": node_id(alice)}, {"service": node_id(alice) + ".web"}):
		done = lookup(bob, body)
		r = done["result"]
		assert done["state"] == "done" and r["found"] and r["node_id"] == node_id(alice) and r["addresses"], (body, done)
		assert done["target"] == next(iter(body.values())) and not done["cancelable"] and done["finished_at"]
	assert lookup(bob, {"service": "alice.web"})["result"]["service"] == "web"


def test_lookups_say_why_not(pair, lone):
	alice, bob = pair
	for body, code in (({"name": "nobody"}, "peer_unknown"), ({"service": "alice.nothing"}, "service_unknown"), ({"key": HEX}, "not_found")):
		done = lookup(bob, body)
		assert done["state"] == "failed" and done["error"]["code"] == code and not done["result"]["found"], done
	assert lookup(lone, {"name": "nobody"})["state"] == "failed"
	for body in ({"key": HEX}, {"name": "alice", "fresh": True}):
		answer = lone.call("POST", "/v1/dht/lookups", body)
		assert (answer.status, answer.code) == (409, "dht_off")
	assert lone.call("POST", "/v1/registry:refresh", {"name": "alice"}).code == "dht_off"


def test_lookups_that_ask_for_nothing_or_too_much(lone):
	for body in ({}, {"name": "a", "service": "a.b"}, {"trace": True}, {"name": "a.b"}, {"service": "a"}, {"key": "abc"}, {"node_id": "alice"}, {"name": "-a"}):
		answer = lone.call("POST", "/v1/dht/lookups", body)
		assert answer.status == 422, (body, answer)
	assert lone.call("POST", "/v1/dht/lookups", {"node_id": "vx1" + "q" * 59}).faults == {("/node_id", "checksum")}
	assert lone.call("POST", "/v1/registry:refresh", {}).status == 422


def test_a_trace_shows_steps(pair):
	alice, bob = pair
	done = lookup(bob, {"service": "alice.web", "fresh": True, "trace": True})
	assert done["state"] == "done", done
	steps = done["result"]["steps"]
	assert {s["event"] for s in steps} >= {"asked", "answered"} and done["progress"]["done"] > 0
	assert {s["node_id"] for s in steps if s["node_id"]} == {node_id(alice)}
	assert not lookup(bob, {"service": "alice.web", "fresh": True})["result"]["steps"]


def test_operations_are_listed_waited_for_and_cancelled(pair):
	alice, bob = pair
	begun = bob.call("POST", "/v1/dht/lookups", {"name": "nobody-at-all"})
	assert begun.status == 202 and begun.headers["Location"] == f"/v1/operations/{begun.json['id']}"
	done = bob.call("GET", begun.headers["Location"] + "?wait=20s").json
	assert done["state"] == "failed" and done["id"] == begun.json["id"]
	assert bob.call("GET", f"/v1/dht/lookups/{done['id']}").json == done
	assert done["id"] in [o["id"] for o in pages(bob, "/v1/operations", 1)]
	assert {o["state"] for o in bob.call("GET", "/v1/operations?state=failed").json["items"]} == {"failed"}
	assert done["id"] in [o["id"] for o in bob.call("GET", "/v1/dht/lookups?state=failed").json["items"]]
	answer = bob.call("POST", f"/v1/operations/{done['id']}:cancel")
	assert (answer.status, answer.code) == (409, "operation_finished")
	unknown = "op_" + "0" * 26
	assert bob.call("GET", f"/v1/operations/{unknown}").status == 404
	assert bob.call("POST", f"/v1/operations/{unknown}:cancel").status == 404
	assert bob.call("GET", f"/v1/operations/{unknown}?wait=10s").status == 404
	until(lambda: "operation.finished" in [e["type"] for e in bob.call("GET", "/v1/events?since=0&types=operation.*&limit=100").json["items"]])


def test_refresh_is_an_operation(pair):
	alice, bob = pair
	answer = bob.call("POST", "/v1/registry:refresh", {"name": "alice"}, {"Prefer": "respond-async, wait=20"})
	assert answer.status == 200 and answer.json["kind"] == "registry.refresh" and answer.json["state"] == "done", answer


def test_old_operations_make_room(lone):
	first = lone.call("POST", "/v1/dht/lookups", {"name": "nobody"}, {"Prefer": "wait=5"}).json["id"]
	for _ in range(260):
		assert lone.raw("POST", "/v1/dht/lookups", b'{"name":"nobody"}', {"Content-Type": "application/json", "Prefer": "wait=5"}).status == 200
	assert lone.call("GET", f"/v1/operations/{first}").status == 404
	assert len(pages(lone, "/v1/operations", 100)) == 256


def test_many_may_wait_and_go_away(pair):
	alice, bob = pair
	started = bob.call("POST", "/v1/dht/lookups", {"name": "nobody-there"}).json["id"]
	sockets = []
	for _ in range(100):
		s = bob.unix_socket()
		s.sendall(f"GET /v1/operations/{started}?wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
		sockets.append(s)
	for s in sockets[::2]:
		s.close()
	for s in sockets[1::2]:
		assert s.recv(12) == b"HTTP/1.1 200"
		s.close()
	assert bob.call("GET", "/v1/node").status == 200


# ---- identity ----

def test_rotation_keeps_the_node(make_agent):
	agent = make_agent("rotating", "--dht", "off")
	before = agent.call("GET", "/v1/identity").json
	after = agent.call("POST", "/v1/identity:rotate", {})
	assert after.status == 200 and after.json["node_id"] == before["node_id"]
	assert after.json["subkey"]["public_key"] != before["subkey"]["public_key"] and after.json["subkey"]["sequence"] > before["subkey"]["sequence"]
	until(lambda: "identity.rotated" in [e["type"] for e in agent.call("GET", "/v1/events?since=0").json["items"]])


def test_identity_changes_need_the_master_key(make_agent):
	agent = make_agent("bare", "--dht", "off")
	(agent.dir / "identity" / "master.key").rename(agent.dir / "master.key")
	answer = agent.call("POST", "/v1/identity:rotate", {})
	assert (answer.status, answer.code) == (409, "master_key_needed")
	(agent.dir / "master.key").rename(agent.dir / "identity" / "master.key")
	assert agent.call("POST", "/v1/identity:rotate", {}).status == 200


def test_identity_leaves_encrypted(make_agent):
	agent = make_agent("exported", "--dht", "off")
	assert agent.call("POST", "/v1/identity:export", {"passphrase": "short"}).status == 422
	answer = agent.call("POST", "/v1/identity:export", {"passphrase": "correct horse battery"})
	assert answer.status == 200 and answer.json["filename"] == "exported.vx6id"
	file = base64.b64decode(answer.json["file"], validate=True)
	assert len(file) > 200 and b"correct" not in file
	assert "correct horse" not in agent.log()


def test_revocation_wants_the_name_and_ends_the_identity(make_agent):
	agent = make_agent("ended", "--dht", "off")
	for body in ({"confirm": "other"}, {"confirm": "ended", "reason": "bored"}, {}):
		assert agent.call("POST", "/v1/identity:revoke", body).status == 422
	assert not agent.call("GET", "/v1/identity").json["revoked"]
	answer = agent.call("POST", "/v1/identity:revoke", {"confirm": "ended"})
	assert answer.status == 200 and answer.json["revoked"], answer
	assert agent.stop() == 0
	agent.start("--dht", "off")
	assert agent.call("GET", "/v1/identity").json["revoked"]


# ---- catalogs ----

def test_catalogs_from_making_to_leaving(pair):
	alice, bob = pair
	made = alice.call("POST", "/v1/catalogs", {"name": "friends"})
	assert made.status == 201 and made.json["role"] == "owner" and made.json["entries"] == []
	path = made.headers["Location"]
	assert alice.call("POST", "/v1/catalogs", {"name": "friends"}).code == "name_taken"
	added = alice.call("POST", f"{path}:add", {"service": "hidden", "name": "wiki"})
	assert added.status == 200 and added.json["entries"] == [{"node_id": node_id(alice), "service": "hidden", "name": "wiki"}]
	assert alice.call("POST", f"{path}:add", {"service": "web", "name": "wiki"}).code == "name_taken"
	assert alice.call("POST", "/v1/catalogs/name:friends:add", {"service": "nothing-here"}).status == 422
	invite = alice.call("POST", "/v1/catalogs/name:friends:invite").json
	assert invite["shown_once"] and invite["invite"].startswith("vxc1") and ".vxs1" in invite["invite"]
	assert invite["invite"].split(".")[1] not in alice.log()
	joined = bob.call("POST", "/v1/catalogs:join", {"name": "hers", "invite": invite["invite"]})
	assert joined.status == 201 and joined.json["role"] == "member" and joined.json["key"] == made.json["key"]
	assert bob.call("POST", "/v1/catalogs:join", {"name": "again", "invite": invite["invite"]}).status == 409
	seen = until(lambda: bob.call("GET", "/v1/catalogs/name:hers").json["entries"], 30)
	assert seen == [{"node_id": node_id(alice), "service": "hidden", "name": "wiki"}]
	answer = bob.call("POST", "/v1/catalogs/name:hers:add", {"service": "web"})
	assert (answer.status, answer.code) == (409, "not_owner")
	removed = alice.call("POST", f"{path}:remove", {"service": "wiki"})
	assert removed.status == 200 and removed.json["entries"] == []
	assert alice.call("POST", f"{path}:remove", {"service": "wiki"}).status == 404
	assert bob.call("DELETE", "/v1/catalogs/name:hers").status == 204
	assert alice.call("DELETE", path).status == 204 and alice.call("GET", path).status == 404
	types = until(lambda: (t := [e["type"] for e in alice.call("GET", "/v1/events?since=0&types=catalog.*").json["items"]])[-1:] == ["catalog.removed"] and t)
	assert types[0] == "catalog.created" and "catalog.updated" in types


def test_invites_that_are_none(lone):
	good = "vxc1" + "q" * 58 + ".vxs1" + "q" * 59
	for invite in (good, good.replace(".", ""), "vxc1x.vxs1", "x" * 300):
		answer = lone.call("POST", "/v1/catalogs:join", {"name": "x", "invite": invite})
		assert answer.status == 422 and "/invite" in {p for p, _ in answer.faults}, (invite, answer)
	assert lone.call("GET", "/v1/catalogs").json["items"] == []


def test_a_catalog_may_be_called_like_a_verb(lone):
	assert lone.call("POST", "/v1/catalogs", {"name": "invite"}).status == 201
	assert lone.call("GET", "/v1/catalogs/name:invite").json["name"] == "invite"
	assert lone.call("POST", "/v1/catalogs/name:invite:invite").json["shown_once"]
	assert lone.call("DELETE", "/v1/catalogs/name:invite").status == 204


# ---- two of one name ----

@pytest.fixture(scope="module")
def rivals(folder):
	"""hub, and two nodes that call themselves the same and know only the hub."""
	made = [Agent(tempfile.mkdtemp(prefix="hub-", dir=folder), "hub").start("--dht", "server")]
	for _ in range(2):
		made.append(Agent(tempfile.mkdtemp(prefix="same-", dir=folder), "same").start("--peer", listen_address(made[0]), "--dht", "server"))
		until(lambda: len(made[0].call("GET", "/v1/registry/nodes?q=same").json["items"]) == len(made) - 1)
	yield made
	for agent in reversed(made):
		assert agent.process.poll() is None, "the agent died: " + agent.log()
		assert agent.stop() == 0, agent.log()


def test_a_name_that_two_claim_is_never_picked(rivals):
	hub, one, two = rivals
	done = until(lambda: (d := lookup(hub, {"name": "same"}))["state"] == "failed" and d["error"]["code"] == "ambiguous_name" and d, 30)
	conflict = done["result"]["conflict"]
	assert {c["node_id"] for c in conflict["claims"]} == {node_id(one), node_id(two)} and conflict["pinned_to"] is None
	assert all(c["direct"] for c in conflict["claims"])
	listed = hub.call("GET", "/v1/names/conflicts").json["items"]
	assert [c["name"] for c in listed] == ["same"] and {c["node_id"] for c in listed[0]["claims"]} == {node_id(one), node_id(two)}
	assert {n["conflict"] for n in hub.call("GET", "/v1/registry/nodes?q=same").json["items"]} == {True}
	assert until(lambda: "name.conflict" in [e["type"] for e in hub.call("GET", "/v1/events?since=0&limit=500").json["items"]])


def test_connecting_to_such_a_name_is_refused(rivals):
	answer = rivals[0].call("GET", "/v1/connect?to=same.web", headers={"Connection": "Upgrade", "Upgrade": "vx6-stream"})
	assert (answer.status, answer.code) == (409, "ambiguous_name")


def test_a_pin_decides_and_holds(rivals):
	hub, one, two = rivals
	assert hub.call("PUT", "/v1/names/pin:same", {"node_id": node_id(two)}).status == 201
	for _ in range(3):
		done = lookup(hub, {"name": "same", "fresh": True})
		assert done["state"] == "done" and done["result"]["node_id"] == node_id(two) and done["result"]["resolved_by"] == "pin", done
	assert hub.call("GET", "/v1/names/conflicts").json["items"][0]["pinned_to"] == node_id(two)
	hub.call("PUT", "/v1/names/petname:same", {"node_id": node_id(one)})
	assert lookup(hub, {"name": "same"})["result"]["node_id"] == node_id(one)
	hub.call("DELETE", "/v1/names/petname:same")


def test_both_owners_hear_of_it(rivals):
	for agent in rivals[1:]:
		until(lambda: "name.clash" in [e["type"] for e in agent.call("GET", "/v1/events?since=0&limit=500").json["items"]], 40)


def test_the_command_line_says_so_too(rivals):
	import subprocess

	from conftest import BIN
	hub = rivals[0]
	hub.call("DELETE", "/v1/names/pin:same")
	env = {k: v for k, v in os.environ.items() if not k.startswith("VX6_")} | {"NO_COLOR": "1"}
	run = lambda *argv: subprocess.run([BIN, "--socket", hub.socket, *argv], capture_output=True, env=env, timeout=60, text=True)
	done = run("lookup", "same")
	assert done.returncode == 6 and "(ambiguous_name)" in done.stderr, done
	for agent in rivals[1:]:
		assert node_id(agent) in done.stdout
	assert run("lookup", "nobody").returncode == 5
	assert run("name", "pin", "same", node_id(rivals[1])).returncode == 0
	assert node_id(rivals[1]) in run("lookup", "same", "--trace", "--fresh").stdout
	table = run("name", "conflicts").stdout.splitlines()
	assert table[0].split()[0] == "NAME" and table[1].split()[0] == "same"
	assert run("registry").stdout.count("same") == 2
	for argv in (["registry", "services"], ["dht"], ["dht", "contacts"], ["dht", "replicas"], ["name", "list"], ["op", "list"], ["catalog", "list"]):
		done = run(*argv)
		assert done.returncode == 0, (argv, done)


def test_a_stop_answers_who_waits(pair, make_agent):
	"""Lookups, identity changes, backups, bundles and catalogs under way when the agent ends: nobody hangs, nothing is torn."""
	agent = make_agent("leaving", "--peer", listen_address(pair[0]), "--dht", "server")
	until(lambda: agent.call("GET", "/v1/dht/contacts").json["items"])
	answers = []

	def ask(method, path, body, headers):
		try:
			answers.append(agent.raw(method, path, body, {"Content-Type": "application/json", **headers}).status)
		except OSError:
			answers.append(0)

	threads = [threading.Thread(target=ask, args=a) for n in range(8) for a in (
		("POST", "/v1/dht/lookups", b'{"name":"nobody-%d","fresh":true,"trace":true}' % n, {"Prefer": "wait=60"}),
		("POST", "/v1/identity:export", b'{"passphrase":"correct horse"}', {}),
		("POST", "/v1/backups", b'{"passphrase":"correct horse"}', {}),
		("POST", "/v1/support-bundles", b'{}', {}),
		("POST", "/v1/catalogs", b'{"name":"c%d"}' % n, {}),
		("PUT", "/v1/names/pin:p%d" % n, b'{"node_id":"%s"}' % node_id(agent).encode(), {}))]
	for t in threads:
		t.start()
	assert agent.stop() == 0, agent.log()
	for t in threads:
		t.join(20)
		assert not t.is_alive()
	assert len(answers) == 48 and set(answers) <= {0, 200, 201, 202, 503}, answers
