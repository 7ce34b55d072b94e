"""Creating, reading, changing, listing: the rules that hold for every kind of object."""
import threading

import pytest

KINDS = {
	"services": ({"name": "{}", "target": "127.0.0.1:8080"}, "target", "127.0.0.1:8081", "svc_"),
	"forwards": ({"name": "{}", "listen": "127.0.0.1:0", "to": "bob.web"}, "to", "bob.ssh", "fwd_"),
	"peers": ({"name": "{}", "addresses": ["192.0.2.1:4242"]}, "addresses", ["192.0.2.2:4242"], "peer_"),
}


def body_of(kind, name):
	return {**KINDS[kind][0], "name": name}


@pytest.mark.parametrize("kind", KINDS)
def test_life_of_an_object(agent, kind):
	_, field, other, prefix = KINDS[kind]
	made = agent.call("POST", f"/v1/{kind}", {**body_of(kind, "life"), "labels": {"site": "paris"}})
	assert made.status == 201 and made.json["id"].startswith(prefix) and made.json["generation"] == 1
	path = made.headers["Location"]
	assert path == f"/v1/{kind}/{made.json['id']}"

	got = agent.call("GET", path)
	assert got.status == 200 and got.json["name"] == "life" and got.json["labels"] == {"site": "paris"}
	assert agent.call("GET", f"/v1/{kind}/name:life").json["id"] == made.json["id"]

	changed = agent.call("PATCH", path, {field: other, "labels": {"site": None, "tier": "1"}})
	assert changed.status == 200 and changed.json[field] == other and changed.json["generation"] == 2
	assert changed.json["labels"] == {"tier": "1"} and changed.json["created_at"] == made.json["created_at"]

	replaced = agent.call("PUT", path, body_of(kind, "life"))
	assert replaced.status == 200 and replaced.json[field] == made.json[field] and replaced.json["labels"] == {}

	assert agent.call("DELETE", path).status == 204
	assert agent.call("GET", path).code == "not_found"
	assert agent.call("DELETE", path).code == "not_found"


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_get_shows_can_be_put_back(agent, kind):
	made = agent.call("POST", f"/v1/{kind}", body_of(kind, "round")).json
	schema = agent.contract.doc["components"]["schemas"][kind[:-1].capitalize() + "Input"]
	again = agent.call("PUT", f"/v1/{kind}/{made['id']}", {k: made[k] for k in schema["properties"]})
	assert again.status == 200
	assert {k: again.json[k] for k in schema["properties"]} == {k: made[k] for k in schema["properties"]}
	agent.call("DELETE", f"/v1/{kind}/{made['id']}")


@pytest.mark.parametrize("kind", KINDS)
def test_conditions(agent, kind):
	made = agent.call("POST", f"/v1/{kind}", body_of(kind, "cond"))
	path, etag = made.headers["Location"], made.headers["ETag"]
	for value in (etag, '"1"', "*", f'"7", {etag}'):
		assert agent.call("PATCH", path, {}, {"If-Match": value}).status == 200
		etag = agent.call("GET", path).headers["ETag"]
		if agent.call("GET", path).json["generation"] != 1:
			agent.call("DELETE", path)
			path = agent.call("POST", f"/v1/{kind}", body_of(kind, "cond")).headers["Location"]
			etag = agent.call("GET", path).headers["ETag"]
	agent.call("PATCH", path, {"labels": {"a": "b"}})
	for method, content in (("PATCH", {"labels": {}}), ("PUT", body_of(kind, "cond")), ("DELETE", None)):
		for value in ('"1"', 'W/"2"', "nonsense", '"'):
			answer = agent.call(method, path, content, {"If-Match": value})
			assert answer.status == 412 and answer.code == "precondition_failed", (method, value)
	assert agent.call("DELETE", path, headers={"If-Match": '"2"'}).status == 204


def test_none_match_answers_304_until_something_changes(agent):
	made = agent.call("POST", "/v1/services", body_of("services", "cached"))
	path, etag = made.headers["Location"], agent.call("GET", made.headers["Location"]).headers["ETag"]
	answer = agent.call("GET", path, headers={"If-None-Match": etag})
	assert answer.status == 304 and answer.headers["ETag"] == etag and not answer.body
	agent.call("PATCH", path, {"enabled": False})
	assert agent.call("GET", path, headers={"If-None-Match": etag}).status == 200
	agent.call("DELETE", path)


def test_concurrent_patches_lose_nothing(agent):
	path = agent.call("POST", "/v1/services", body_of("services", "race")).headers["Location"]
	answers = []

	def patch(n):
		answers.append(agent.call("PATCH", path, {"labels": {f"k{n}": "v"}}))

	threads = [threading.Thread(target=patch, args=(n,)) for n in range(4)]
	for t in threads:
		t.start()
	for t in threads:
		t.join()
	good = sum(a.status == 200 for a in answers)
	assert {a.status for a in answers} <= {200, 412} and good >= 2
	assert len(agent.call("GET", path).json["labels"]) == good
	agent.call("DELETE", path)


def test_lists_come_in_pages(make_agent):
	agent = make_agent()
	for i in range(25):
		assert agent.call("POST", "/v1/services", {"name": f"s{i:02}", "target": "127.0.0.1:1", "labels": {"odd": str(i % 2)}}).status == 201
	seen, cursor, pages = [], None, 0
	while True:
		page = agent.call("GET", "/v1/services?limit=10" + (f"&cursor={cursor}" if cursor else "")).json
		seen += [s["name"] for s in page["items"]]
		pages, cursor = pages + 1, page["next_cursor"]
		if not cursor:
			break
	assert pages == 3 and sorted(seen) == [f"s{i:02}" for i in range(25)] and len(seen) == 25
	assert len(agent.call("GET", "/v1/services?limit=100000").json["items"]) == 25
	assert len(agent.call("GET", "/v1/services?label=odd:1").json["items"]) == 12
	assert len(agent.call("GET", "/v1/services?label=odd").json["items"]) == 25
	assert len(agent.call("GET", "/v1/services?label=even").json["items"]) == 0
	assert [s["name"] for s in agent.call("GET", "/v1/services?q=s07").json["items"]] == ["s07"]
	first = agent.call("GET", "/v1/services?limit=10").json["next_cursor"]
	assert agent.call("GET", f"/v1/peers?cursor={first}").code == "invalid_cursor"
	assert agent.call("GET", f"/v1/services?cursor={first[:-1]}{'0' if first[-1] != '0' else '1'}").code == "invalid_cursor"


def test_fields_cut_objects_down(agent):
	path = agent.call("POST", "/v1/services", body_of("services", "cut")).headers["Location"]
	assert list(agent.raw("GET", path + "?fields=name,status").json) == ["name", "status"]
	assert set(agent.raw("GET", "/v1/services?fields=id").json["items"][0]) == {"id"}
	assert list(agent.raw("GET", "/v1/node?fields=name").json) == ["name"]
	answer = agent.call("GET", path + "?fields=name,nonsense")
	assert answer.code == "invalid_parameter" and "nonsense" in answer.body.decode()
	agent.call("DELETE", path)


def test_all_faults_are_told_at_once(agent):
	answer = agent.call("POST", "/v1/services", {"name": "UPPER", "enabled": "yes", "nonsense": 1, "generation": 5,
		"access": {"default": "some"}, "labels": {"ok": 1}})
	assert answer.status == 422
	assert {("/name", "pattern"), ("/target", "required"), ("/enabled", "type"), ("/nonsense", "additionalProperties"),
		("/generation", "readOnly"), ("/access/default", "enum"), ("/labels/ok", "type")} <= answer.faults


def test_what_a_schema_cannot_say_is_checked_too(agent):
	for body, pointer in (({"listen": "127.0.0.1:0"}, "/to"), ({"listen": "127.0.0.1:0", "to": "a.b", "address": "[::1]:1"}, "/to"),
			({"listen": "127.0.0.1:0", "address": "[::1]:1"}, "/service"), ({"listen": "300.0.0.1:1", "to": "a.b"}, "/listen"),
			({"listen": "127.0.0.1:99999", "to": "a.b"}, "/listen"), ({"listen": "192.0.2.1:1", "to": "a.b"}, "/listen")):
		answer = agent.call("POST", "/v1/forwards", body)
		assert answer.status == 422 and pointer in {p for p, _ in answer.faults}, (body, answer)
	for target in ("192.0.2.1:80", "[2001:db8::1]:80", "127.0.0.1:0"):
		answer = agent.call("POST", "/v1/services", {"name": "x", "target": target})
		assert answer.status == 422 and "/target" in {p for p, _ in answer.faults}, answer
	bad_id = "vx1" + "q" * 59
	answer = agent.call("POST", "/v1/services", {"name": "x", "target": "127.0.0.1:1", "access": {"default": "none", "node_ids": [bad_id]}})
	assert answer.status == 422 and ("/access/node_ids", "checksum") in answer.faults, answer


def test_forwards_get_a_name_from_their_destination(agent):
	made = [agent.call("POST", "/v1/forwards", {"listen": "127.0.0.1:0", "to": "carol.web"}).json for _ in range(3)]
	assert [f["name"] for f in made] == ["carol.web", "carol.web-2", "carol.web-3"]
	assert len({f["status"]["bound"] for f in made}) == 3 and made[0]["listen"] == "127.0.0.1:0"
	direct = agent.call("POST", "/v1/forwards", {"listen": "[::1]:0", "address": "[::1]:9", "service": "pg"}).json
	assert direct["name"] == "pg" and direct["to"] is None and direct["address"] == "[::1]:9"
	for f in made + [direct]:
		assert agent.call("DELETE", f"/v1/forwards/{f['id']}").status == 204


def test_node_settings(agent):
	before = agent.call("GET", "/v1/node").json
	after = agent.call("PATCH", "/v1/node", {"name": "other"}, {"If-Match": f'"{before["generation"]}"'})
	assert after.status == 200 and after.json["name"] == "other" and after.json["generation"] == before["generation"] + 1
	assert agent.call("PATCH", "/v1/node", {"name": "x"}, {"If-Match": f'"{before["generation"]}"'}).status == 412
	assert agent.call("PATCH", "/v1/node", {"name": None}).status == 422
	assert agent.call("PATCH", "/v1/node", {"listen": []}).status == 422
	agent.call("PATCH", "/v1/node", {"name": before["name"]})


def test_changes_survive_a_kill(make_agent):
	import signal
	agent = make_agent()
	agent.call("POST", "/v1/services", body_of("services", "kept"))
	agent.call("POST", "/v1/forwards", body_of("forwards", "kept"))
	agent.stop(signal.SIGKILL)
	agent.start()
	assert agent.call("GET", "/v1/services/name:kept").status == 200
	assert agent.call("GET", "/v1/forwards/name:kept").json["status"]["phase"] == "listening"


def test_head_is_get_without_a_body(agent):
	got, head = agent.call("GET", "/v1/version"), agent.call("HEAD", "/v1/version")
	assert head.status == 200 and not head.body and head.headers["Content-Length"] == str(len(got.body))


def test_request_ids(agent):
	assert agent.call("GET", "/v1/node", headers={"X-Request-Id": "abc-1.2_3"}).headers["X-Request-Id"] == "abc-1.2_3"
	for bad in ("a b", "x" * 65, "a\"b"):
		assert agent.call("GET", "/v1/node", headers={"X-Request-Id": bad}).headers["X-Request-Id"].startswith("req_")


def test_peers_of_the_configuration_are_changed_there(make_agent):
	agent = make_agent("alice", "--peer", "192.0.2.1:4242")
	peer = agent.call("GET", "/v1/peers").json["items"][0]
	assert peer["managed_by"] == "config"
	for method, body in (("PATCH", {"name": "x"}), ("PUT", {"addresses": ["192.0.2.2:1"]}), ("DELETE", None)):
		answer = agent.call(method, f"/v1/peers/{peer['id']}", body)
		assert (answer.status, answer.code) == (409, "managed_elsewhere")


def test_there_is_a_limit_on_objects(make_agent):
	agent = make_agent()
	connection = agent.connection()
	made = 0
	while made < 1100:
		connection.request("POST", "/v1/forwards", '{"name":"s%d","listen":"127.0.0.1:0","to":"a.b","enabled":false}' % made, {"Content-Type": "application/json"})
		answer = connection.getresponse()
		text = answer.read()
		if answer.status != 201:
			break
		made += 1
	connection.close()
	assert made == 1024 and answer.status == 409 and b"limit_reached" in text
	more = {"name": "more", "listen": "127.0.0.1:0", "to": "a.b", "enabled": False}
	assert agent.call("POST", "/v1/forwards", more).code == "limit_reached"
	assert len(agent.call("GET", "/v1/forwards?limit=500").json["items"]) == 500
	assert agent.call("DELETE", "/v1/forwards/name:s0").status == 204
	assert agent.call("POST", "/v1/forwards", more).status == 201


def test_ten_thousand_services_in_pages(make_agent):
	agent = make_agent()
	connection, n = agent.connection(), 10000
	for i in range(n):
		labels = '{"site":"%s"}' % ("paris" if i % 1000 == 0 else "rome")
		connection.request("POST", "/v1/services", '{"name":"s%d","target":"127.0.0.1:1","visibility":"private","labels":%s}' % (i, labels),
			{"Content-Type": "application/json"})
		answer = connection.getresponse()
		answer.read()
		assert answer.status == 201
	connection.close()

	def pages(query):
		names, cursor = [], ""
		while cursor is not None:
			page = agent.raw("GET", f"/v1/services?{query}&fields=name{cursor}").json
			names += [o["name"] for o in page["items"]]
			cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
		return names

	assert pages("limit=500") == [f"s{i}" for i in range(n)]
	assert pages("limit=500&q=s77") == [f"s{i}" for i in range(n) if f"s{i}".startswith("s77")]
	assert pages("limit=500&label=site:paris") == [f"s{i}" for i in range(0, n, 1000)]
	assert pages("limit=7&label=country") == []
	assert agent.call("GET", "/v1/node").json["status"]["services"] == n
	agent.call("DELETE", "/v1/services/name:s7777")
	assert agent.call("GET", "/v1/services/name:s7777").code == "not_found"
	assert agent.call("GET", "/v1/services/name:s7778").json["labels"] == {"site": "rome"}
