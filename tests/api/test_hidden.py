"""Hidden services over the API and on the command line, as far as it goes without relays: what is set, who may come in, and what is never said again."""
import contextlib
import json
import os
import pty
import re
import stat
import subprocess
import time
import tty

import pytest

from conftest import BIN, ROOT
from fake_api import FakeApi

TARGET = {"target": "127.0.0.1:8080"}
SETTINGS = {"alias": "ghost", "profile": "standard", "open": False, "rate": 25, "burst": 200, "proof_of_work": "auto", "force": True,
	"publish_alias": False}
VECTORS = json.loads((ROOT / "schemas/vectors/hidden_invites.json").read_text())["vectors"]
KEY = next(v["text"] for v in VECTORS if v["name"] == "key")
KEY_AND_SECRET = next(v["text"] for v in VECTORS if v["name"] == "key and secret")
SECRET = KEY_AND_SECRET.split("+")[1]
ENV = {k: v for k, v in os.environ.items() if not k.startswith("VX6_")} | {"NO_COLOR": "1"}


def until(what, seconds=10):
	end = time.monotonic() + seconds
	while not (value := what()):
		assert time.monotonic() < end, "it does not happen"
		time.sleep(0.02)
	return value


def body(name, **hidden):
	return {"name": name, **TARGET, "visibility": "hidden", "hidden": {"force": True, **hidden}}


def hide(agent, name, **hidden):
	made = agent.call("POST", "/v1/services", body(name, **hidden))
	assert made.status == 201, made
	until(lambda: seen(agent, made.json["id"])["key"])
	return made.json


def seen(agent, service):
	return agent.call("GET", f"/v1/services/{service}/hidden").json


@contextlib.contextmanager
def hidden(agent, name, **settings):
	made = hide(agent, name, **settings)
	try:
		yield made
	finally:
		agent.call("DELETE", f"/v1/services/{made['id']}")


def files_of(agent):
	return {p.name: p for p in (agent.dir / "hidden").iterdir()}


# What its owner sets


def test_a_hidden_service_has_settings_and_no_name_for_peers(agent):
	with hidden(agent, "web", alias="ghost") as made:
		assert made["visibility"] == "hidden" and made["hidden"] == SETTINGS
		assert made["full_name"] is None and made["status"]["published"] is None
		got = agent.call("GET", f"/v1/services/{made['id']}").json
		assert re.fullmatch("vxh1[a-z0-9]{59}", got["status"]["hidden"]["key"])
		assert got["status"]["hidden"]["state"] == "starting" and got["status"]["hidden"]["ready_at"] is None
		assert any("relays are known" in w for w in got["status"]["hidden"]["warnings"])
		assert not [r for r in agent.call("GET", "/v1/dht/replicas").json["items"] if r["name"] == "web"]


def test_settings_change_one_by_one_and_back_to_their_defaults(agent):
	with hidden(agent, "web") as made:
		path = f"/v1/services/{made['id']}"
		assert made["hidden"]["alias"] == "web", "it is called as the service where nothing is said"
		changed = agent.call("PATCH", path, {"hidden": {"rate": 50, "open": True, "profile": "fast", "proof_of_work": "off"}})
		assert changed.status == 200
		assert changed.json["hidden"] == {**SETTINGS, "alias": "web", "rate": 50, "open": True, "profile": "fast", "proof_of_work": "off"}
		back = agent.call("PATCH", path, {"hidden": {"rate": None, "open": None, "profile": None, "proof_of_work": None}})
		assert back.json["hidden"] == {**SETTINGS, "alias": "web"}
		key = seen(agent, "web")["key"]
		assert agent.call("PATCH", path, {"name": "www"}).json["hidden"]["alias"] == "web", "who was invited knows it so"
		assert seen(agent, "web")["key"] == key


def test_it_is_found_by_alias_by_id_and_by_name(agent):
	with hidden(agent, "web", alias="ghost") as made:
		by = [seen(agent, text) for text in ("ghost", made["id"], "name:web")]
		assert len({b["key"] for b in by}) == 1 and by[0]["service"] == made["id"] and by[0]["alias"] == "ghost"
		assert agent.call("GET", "/v1/services/web/hidden").code == "not_found", "its name is no alias"
		assert agent.raw("GET", "/v1/services/ghost/hidden?fields=key,state").json.keys() == {"key", "state"}
		public = agent.call("POST", "/v1/services", {"name": "plain", **TARGET}).json
		assert agent.call("GET", f"/v1/services/{public['id']}/hidden").code == "not_found"
		agent.call("DELETE", f"/v1/services/{public['id']}")


@pytest.mark.parametrize("change, fault", [
	({"visibility": "public"}, ("/hidden", "visibility")),
	({"visibility": "private", "hidden": {}}, ("/hidden", "visibility")),
	({"access": {"default": "none"}}, ("/access", "invalid")),
	({"hidden": {"alias": "No.Label"}}, ("/hidden/alias", "pattern")),
	({"hidden": {"profile": "slow"}}, ("/hidden/profile", "enum")),
	({"hidden": {"rate": 0}}, ("/hidden/rate", "minimum")),
	({"hidden": {"burst": 1.5}}, ("/hidden/burst", "type")),
	({"hidden": {"key": "mine"}}, ("/hidden/key", "unknown_field")),
])
def test_what_makes_no_sense_is_refused(agent, change, fault):
	answer = agent.call("POST", "/v1/services", {**body("odd"), **change})
	assert answer.status == 422 and answer.code == "invalid_body", answer
	assert {p for p, _ in answer.faults} == {fault[0]}, answer.faults


def test_nothing_becomes_hidden_nor_ceases_to_be(agent):
	public = agent.call("POST", "/v1/services", {"name": "plain", **TARGET}).json
	with hidden(agent, "web") as made:
		for ident, visibility in ((made["id"], "public"), (made["id"], "private"), (public["id"], "hidden")):
			change = {"visibility": visibility} | ({"hidden": None} if visibility != "hidden" else {})
			answer = agent.call("PATCH", f"/v1/services/{ident}", change)
			assert answer.status == 422 and answer.faults == {("/visibility", "invalid")}, answer
	agent.call("DELETE", f"/v1/services/{public['id']}")


def test_an_alias_is_used_once(agent):
	with hidden(agent, "web", alias="ghost"), hidden(agent, "other") as other:
		answer = agent.call("POST", "/v1/services", body("third", alias="ghost"))
		assert answer.code == "name_taken" and answer.faults == {("/hidden/alias", "exists")}
		answer = agent.call("PATCH", f"/v1/services/{other['id']}", {"hidden": {"alias": "ghost"}})
		assert answer.code == "name_taken"
		# the name of one that has no alias counts as its alias
		assert agent.call("POST", "/v1/services", body("fourth", alias="other")).code == "name_taken"


def test_without_relays_it_is_made_by_force_only(agent):
	for hidden_part in ({}, {"force": False}):
		answer = agent.call("POST", "/v1/services", {**body("lonely"), "hidden": hidden_part})
		assert answer.status == 409 and answer.code == "too_few_relays", answer
	assert not agent.call("GET", "/v1/services?q=lonely").json["items"]


def test_it_is_switched_off_and_on_under_the_same_key(agent):
	with hidden(agent, "web") as made:
		path, key = f"/v1/services/{made['id']}", seen(agent, "web")["key"]
		off = agent.call("PATCH", path, {"enabled": False}).json
		assert off["status"]["phase"] == "disabled" and off["status"]["hidden"]["state"] == "off"
		assert agent.call("POST", "/v1/hidden-invites", {"service": "web"}).code == "unavailable"
		agent.call("PATCH", path, {"enabled": True})
		assert until(lambda: seen(agent, "web")["key"]) == key


def test_one_that_is_made_switched_off_waits(agent):
	made = agent.call("POST", "/v1/services", {**body("later"), "enabled": False})
	assert made.status == 201 and until(lambda: f"{made.json['id']}.hosted" in files_of(agent))
	assert seen(agent, "later")["state"] == "off" and seen(agent, "later")["key"] is None
	agent.call("PATCH", made.headers["Location"], {"enabled": True})
	until(lambda: seen(agent, "later")["state"] == "starting")
	agent.call("DELETE", made.headers["Location"])


# Its alias, where it alone is to lead to it


def claim(agent, service):
	return seen(agent, service)["alias_claim"]


def test_an_alias_is_claimed_when_that_is_wanted_and_not_before(agent):
	with hidden(agent, "web", alias="ghost") as made:
		path = f"/v1/services/{made['id']}"
		assert claim(agent, "ghost") is None
		on = agent.call("PATCH", path, {"hidden": {"publish_alias": True}})
		assert on.status == 200 and on.json["hidden"] == {**SETTINGS, "publish_alias": True}
		assert until(lambda: claim(agent, "ghost"))["state"] in ("working", "publishing")
		until(lambda: claim(agent, "ghost")["state"] == "publishing")  # as far as it goes without relays
		assert claim(agent, "ghost") == {"state": "publishing", "published_at": None, "replicas": {"wanted": 0, "stored": 0, "proved": 0}, "others": []}
		agent.call("PATCH", path, {"hidden": {"alias": "shade"}})
		assert claim(agent, "shade")["state"] in ("working", "publishing")
		agent.call("PATCH", path, {"enabled": False})
		assert claim(agent, "shade")["state"] == "waiting"
		off = agent.call("PATCH", path, {"hidden": {"publish_alias": None}})
		assert not off.json["hidden"]["publish_alias"] and claim(agent, "shade") is None


def test_that_an_alias_is_claimed_outlives_a_restart(make_agent):
	agent = make_agent()
	hide(agent, "web", alias="ghost", publish_alias=True)
	assert agent.stop() == 0
	agent.start()
	assert until(lambda: claim(agent, "ghost"))["state"] in ("waiting", "working", "publishing")
	until(lambda: claim(agent, "ghost")["state"] == "publishing")


def test_who_claims_an_alias_is_asked_over_circuits_or_not_at_all(agent):
	answer = agent.call("POST", "/v1/hidden-aliases:find", {"alias": "ghost"})
	assert answer.status == 503 and answer.code == "no_relays", answer
	for body, fault in (({"alias": "No.Label"}, ("/alias", "pattern")), ({}, ("/alias", "required")), ({"alias": "a", "key": "b"}, ("/key", "additionalProperties"))):
		answer = agent.call("POST", "/v1/hidden-aliases:find", body)
		assert answer.code == "invalid_body" and answer.faults == {fault}, answer


# Its key


def test_its_key_is_a_file_of_its_own_and_goes_with_it(agent):
	with hidden(agent, "web") as made:
		file = files_of(agent)[f"{made['id']}.hosted"]
		assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
	until(lambda: f"{made['id']}.hosted" not in files_of(agent))


def test_key_and_clients_outlive_a_restart(make_agent):
	agent = make_agent()
	made = hide(agent, "web", alias="ghost")
	invite = agent.call("POST", "/v1/hidden-invites", {"service": "ghost", "name": "bob", "max_uses": 3}).json
	key = seen(agent, "ghost")["key"]
	agent.call("POST", "/v1/hidden-aliases", {"invite": KEY_AND_SECRET, "alias": "theirs", "strict": True})
	assert agent.stop() == 0
	agent.start()
	assert until(lambda: seen(agent, "ghost")["key"]) == key
	again = agent.call("GET", f"/v1/hidden-invites/{invite['id']}").json
	assert again == {k: invite[k] for k in again} and again["service"] == made["id"]
	alias = agent.call("GET", "/v1/hidden-aliases/theirs").json
	assert alias["key"] == KEY and alias["strict"] and not alias["enrolled"]


def test_a_key_that_is_lost_is_not_made_up_for(make_agent):
	agent = make_agent()
	made = hide(agent, "web")
	agent.stop()
	files_of(agent)[f"{made['id']}.hosted"].unlink()
	agent.start()
	now = seen(agent, "web")
	assert now["state"] == "off" and now["key"] is None
	assert any("key cannot be read" in w for w in now["warnings"])
	assert agent.call("POST", "/v1/hidden-invites", {"service": "web"}).code == "unavailable"


def test_rotation_needs_to_be_meant_where_it_ends_all_invites(agent):
	with hidden(agent, "web", alias="ghost"):
		agent.call("POST", "/v1/hidden-invites", {"service": "ghost"})
		key = seen(agent, "ghost")["key"]
		path = "/v1/services/ghost/hidden:rotate"
		assert agent.call("POST", path, {}).status == 204 and seen(agent, "ghost")["key"] == key
		for confirm in ({}, {"confirm": "web"}):
			answer = agent.call("POST", path, {"what": "key", **confirm})
			assert answer.status == 422 and answer.faults == {("/confirm", "invalid")}, answer
		assert agent.call("POST", "/v1/services/nobody/hidden:rotate", {"what": "key"}).code == "not_found"
		assert agent.call("POST", path, {"what": "key", "confirm": "ghost"}).status == 204
		assert until(lambda: seen(agent, "ghost")["key"]) != key
		assert not agent.call("GET", "/v1/hidden-invites?service=ghost").json["items"]


# Invites and clients


def test_an_invite_is_shown_once(agent):
	with hidden(agent, "web", alias="ghost") as made:
		answer = agent.call("POST", "/v1/hidden-invites", {"service": "ghost", "name": "bob", "max_uses": 2})
		assert answer.status == 201 and answer.headers["Location"] == f"/v1/hidden-invites/{answer.json['id']}"
		invite = answer.json
		key, secret = invite["invite"].split("+")
		assert key == invite["key"] == seen(agent, "ghost")["key"] and secret.startswith("vxs1")
		assert invite["uri"] == f"vx6://hidden/ghost?key={key}&secret={secret}"
		assert (invite["service"], invite["state"], invite["uses"], invite["max_uses"], invite["expires_at"]) == (made["id"], "open", 0, 2, None)
		texts = [agent.call("GET", p).body for p in (f"/v1/hidden-invites/{invite['id']}", "/v1/hidden-invites", "/v1/hidden-clients", "/v1/services",
			"/v1/services/ghost/hidden", "/v1/events?since=0&limit=500", "/v1/metrics", "/v1/logs?since=0&limit=500&addresses=true")]
		texts += [p.read_bytes() for p in agent.dir.rglob("*") if p.is_file()] + [agent.log().encode()]
		assert not [t for t in texts if secret.encode() in t]
		assert agent.call("GET", f"/v1/hidden-invites/{invite['id']}").json.keys() == invite.keys() - {"invite", "uri", "key", "shown_once"}


def test_an_invite_that_ends_says_when(agent):
	with hidden(agent, "web", alias="ghost"):
		at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3600))
		made = agent.call("POST", "/v1/hidden-invites", {"service": "name:web", "expires_at": at + "+01:00"})
		assert made.status == 422 and made.faults == {("/expires_at", "range")}, "an hour from now there is now here"
		made = agent.call("POST", "/v1/hidden-invites", {"service": "name:web", "expires_at": at + ".5Z"})
		assert made.status == 201 and made.json["expires_at"] == at + ".000Z"
		assert made.json["invite"] == made.json["uri"] and "&expires=" in made.json["uri"], "there is more to say than key and secret"
		soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
		short = agent.call("POST", "/v1/hidden-invites", {"service": "ghost", "expires_at": soon}).json
		until(lambda: agent.call("GET", f"/v1/hidden-invites/{short['id']}").json["state"] == "expired")


@pytest.mark.parametrize("change, code", [
	({"service": "nobody"}, "not_found"),
	({"max_uses": 0}, "invalid_body"),
	({"max_uses": 1.5}, "invalid_body"),
	({"expires_at": "2020-01-01T00:00:00Z"}, "invalid_body"),
	({"expires_at": "tomorrow"}, "invalid_body"),
	({"name": "Not A Label"}, "invalid_body"),
	({"secret": SECRET}, "invalid_body"),
])
def test_invites_that_cannot_be(agent, change, code):
	with hidden(agent, "web", alias="ghost"):
		assert agent.call("POST", "/v1/hidden-invites", {"service": "ghost", **change}).code == code


def test_invites_are_listed_by_service_and_revoked(agent):
	with hidden(agent, "web", alias="ghost"), hidden(agent, "other"):
		made = [agent.call("POST", "/v1/hidden-invites", {"service": s, "name": n}).json for s, n in (("ghost", "bob"), ("ghost", "carol"), ("other", "bob"))]
		assert {i["id"] for i in agent.call("GET", "/v1/hidden-invites?service=ghost").json["items"]} == {i["id"] for i in made[:2]}
		assert {i["id"] for i in agent.call("GET", "/v1/hidden-invites?q=bob").json["items"]} == {made[0]["id"], made[2]["id"]}
		first = agent.call("GET", "/v1/hidden-invites?limit=2").json
		rest = agent.call("GET", f"/v1/hidden-invites?limit=2&cursor={first['next_cursor']}").json
		assert {i["id"] for i in first["items"] + rest["items"]} == {i["id"] for i in made} and not rest["next_cursor"]
		assert agent.call("GET", "/v1/hidden-clients").json["items"] == []
		path = f"/v1/hidden-invites/{made[0]['id']}"
		assert agent.call("DELETE", path).status == 204
		assert agent.call("GET", path).json["state"] == "revoked"
		counts = seen(agent, "ghost")
		assert (counts["clients"], counts["invites"], counts["revoked"]) == (0, 1, 1)
		assert agent.call("DELETE", "/v1/hidden-invites/inv_0000000000000000").code == "not_found"
		assert agent.call("DELETE", "/v1/hidden-clients/hcl_0000000000000000").code == "not_found"
		assert agent.call("GET", path.replace("inv_", "hcl_").replace("invites", "clients")).code == "not_found"


def test_there_is_room_for_so_many_invites(agent):
	with hidden(agent, "web"):
		answers = [agent.call("POST", "/v1/hidden-invites", {"service": "web"}) for _ in range(32)]
		assert [a.status for a in answers] == [201] * 31 + [409] and answers[-1].code == "limit_reached"
		agent.call("DELETE", f"/v1/hidden-invites/{answers[0].json['id']}")
		assert agent.call("POST", "/v1/hidden-invites", {"service": "web"}).status == 201


# Those that are visited


@contextlib.contextmanager
def visited(agent, invite, **more):
	made = agent.call("POST", "/v1/hidden-aliases", {"invite": invite, **more})
	assert made.status == 201, made
	try:
		yield made.json
	finally:
		agent.call("DELETE", made.headers["Location"])


def test_an_invite_is_accepted_under_an_alias_and_not_told_again(agent):
	with visited(agent, KEY_AND_SECRET, alias="theirs") as made:
		assert (made["alias"], made["key"], made["profile"], made["strict"], made["enrolled"]) == ("theirs", KEY, "standard", False, False)
		assert made["status"]["descriptor"] is None and made["status"]["last_error"] is None
		path = "/v1/hidden-aliases/theirs"
		changed = agent.call("PATCH", path, {"strict": True, "profile": "fast"}).json
		assert changed["strict"] and changed["profile"] == "fast"
		assert agent.call("PATCH", path, {}).json["strict"]
		assert not agent.call("PATCH", path, {"strict": None}).json["strict"]
		assert [a["alias"] for a in agent.call("GET", "/v1/hidden-aliases").json["items"]] == ["theirs"]
		assert stat.S_IMODE(files_of(agent)["theirs.visit"].stat().st_mode) == 0o600
		texts = [agent.call("GET", p).body for p in (path, "/v1/hidden-aliases", "/v1/hidden-connects", "/v1/events?since=0&limit=500",
			"/v1/logs?since=0&limit=500&addresses=true")]
		assert not [t for t in [*texts, agent.log().encode()] if SECRET.encode() in t]
	assert agent.call("GET", path).code == "not_found" and "theirs.visit" not in files_of(agent)


def test_the_alias_comes_from_the_link_where_nothing_is_said(agent):
	with visited(agent, f"vx6://hidden/ghost?key={KEY}") as made:
		assert made["alias"] == "ghost"
	with visited(agent, f"vx6://hidden/ghost?key={KEY}&secret={SECRET}", alias="mine") as made:
		assert made["alias"] == "mine"
	with visited(agent, KEY_AND_SECRET.replace("+", " "), alias="mine"):
		pass
	answer = agent.call("POST", "/v1/hidden-aliases", {"invite": KEY_AND_SECRET})
	assert answer.status == 422 and answer.faults == {("/alias", "invalid")}


@pytest.mark.parametrize("invite, code, pointer", [
	(KEY[:-1] + ("q" if KEY[-1] != "q" else "p"), "invalid_body", "/invite"),
	(KEY_AND_SECRET[:-4], "invalid_body", "/invite"),
	(f"vx6://hidden/ghost?key={KEY}&colour=red", "invalid_body", "/invite"),
	("vx6://other/ghost", "invalid_body", "/invite"),
	("hello there", "invalid_body", "/invite"),
	(f"vx6://hidden/ghost?key={KEY}&secret={SECRET}&expires=1500000000", "invite_expired", None),
])
def test_invites_that_are_none(agent, invite, code, pointer):
	answer = agent.call("POST", "/v1/hidden-aliases", {"invite": invite, "alias": "bad"})
	assert answer.code == code, answer
	assert SECRET.encode() not in answer.body and SECRET not in agent.log()
	if pointer:
		assert {p for p, _ in answer.faults} == {pointer}
	assert not agent.call("GET", "/v1/hidden-aliases").json["items"]


def test_aliases_and_services_are_known_once(agent):
	with visited(agent, KEY_AND_SECRET, alias="theirs"):
		again = agent.call("POST", "/v1/hidden-aliases", {"invite": KEY, "alias": "also"})
		assert again.code == "name_taken" and again.faults == {("/invite", "exists")} and "theirs" in again.json["errors"][0]["detail"]
		with hidden(agent, "web"):
			key = seen(agent, "web")["key"]
			taken = agent.call("POST", "/v1/hidden-aliases", {"invite": key, "alias": "theirs"})
			assert taken.code == "name_taken" and taken.faults == {("/alias", "exists")}


# Ways there


def test_forwards_lead_to_an_alias_or_a_key(agent):
	for to in ("ghost", KEY):
		made = agent.call("POST", "/v1/forwards", {"listen": "127.0.0.1:0", "to": to})
		assert made.status == 201 and made.json["to"] == to and made.json["node_id"] is None and made.json["service"] is None
		assert made.json["name"] == ("ghost" if to == "ghost" else "hidden")
		again = agent.call("PATCH", made.headers["Location"], {"labels": {"a": "b"}})
		assert again.status == 200 and again.json["to"] == to
		agent.call("DELETE", made.headers["Location"])
	bob = "vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh"
	for change, pointer in (({"route": {"via": "direct"}}, "/route/via"), ({"node_id": bob}, "/node_id"), ({"to": KEY_AND_SECRET}, "/to"),
			({"to": f"vx6://hidden/ghost?key={KEY}"}, "/to"), ({"to": KEY + ".web"}, "/to"), ({"to": KEY[:-1] + "b"}, "/to")):
		answer = agent.call("POST", "/v1/forwards", {"listen": "127.0.0.1:0", "to": "ghost", **change})
		assert answer.status == 422 and {p for p, _ in answer.faults} == {pointer}, (change, answer)


def test_forwards_to_an_alias_that_is_forgotten_say_so_at_once(agent):
	with visited(agent, KEY_AND_SECRET, alias="theirs"):
		made = [agent.call("POST", "/v1/forwards", {"listen": "127.0.0.1:0", "to": to, "name": f"f{n}"}).headers["Location"]
			for n, to in enumerate(("theirs", "others"))]
		assert [agent.call("GET", f).json["status"]["last_error"] for f in made] == [None, None]
	there, elsewhere = (agent.call("GET", f).json["status"] for f in made)
	assert there["last_error"]["code"] == "peer_unknown" and "theirs was forgotten" in there["last_error"]["detail"], there
	assert elsewhere["last_error"] is None
	for f in made:
		agent.call("DELETE", f)


def connect(agent, to):
	return agent.raw("GET", f"/v1/connect?to={to}", headers={"Connection": "Upgrade", "Upgrade": "vx6-stream"})


def test_connections_tell_an_unknown_alias_from_one_that_cannot_be_reached(agent):
	assert connect(agent, "nobody").code == "peer_unknown"
	with visited(agent, KEY_AND_SECRET, alias="theirs"):
		for to in ("theirs", KEY):
			answer = connect(agent, to)
			assert answer.code in ("no_relays", "hidden_unreachable"), answer
		# and no circuit is ever built to it by hand, as if it were a node
		assert agent.call("POST", "/v1/circuits", {"to": "theirs"}).code == "peer_unknown"
		assert agent.call("GET", "/v1/circuits?target=theirs").status == agent.call("GET", f"/v1/circuits?target={KEY}").status == 200
	assert agent.call("GET", "/v1/hidden-connects?alias=theirs").json["items"] == []


def test_one_that_keeps_its_roles_is_warned(make_agent):
	agent = make_agent("keeper", "--hidden-keep-roles")
	hide(agent, "web")
	assert any("serves strangers" in w for w in seen(agent, "web")["warnings"])


def test_one_that_gives_up_being_a_relay_is_told_that_it_shows(make_agent):
	relay = make_agent("relay", "--dht", "off")
	assert relay.call("GET", "/v1/node").json["status"]["relay"]["announced"]
	said = told(relay, "service", "add", "web", "--target", "8080", "--visibility", "hidden", "--force")
	assert "Warning: this node was a public relay" in said and "vx6 relay set --mode off" in said, said
	assert not relay.call("GET", "/v1/node").json["status"]["relay"]["announced"]
	assert any("was a public relay" in w for w in seen(relay, "web")["warnings"])
	none = make_agent("none", "--dht", "off", "--relay", "off")
	assert "public relay" not in told(none, "service", "add", "web", "--target", "8080", "--visibility", "hidden", "--force")


# Who may do what, what is told


def test_what_is_told(agent):
	since = agent.call("GET", "/v1/services").json["index"]
	with hidden(agent, "web", alias="ghost") as made, visited(agent, KEY_AND_SECRET, alias="theirs"):
		invite = agent.call("POST", "/v1/hidden-invites", {"service": "ghost"}).json
		agent.call("DELETE", f"/v1/hidden-invites/{invite['id']}")
	events = agent.call("GET", f"/v1/events?since={since}&types=hidden.*").json["items"]
	assert [(e["type"], e["subject"]["kind"], e["subject"]["id"]) for e in events] == [
		("hidden.alias_added", "hidden", "theirs"), ("hidden.invited", "service", made["id"]), ("hidden.revoked", "service", made["id"]),
		("hidden.alias_removed", "hidden", "theirs")]
	known = {e["type"] for e in json.loads((ROOT / "schemas/events.json").read_text())["events"]}
	source = "".join(p.read_text() for p in (ROOT / "agent/node").glob("hidden*.c"))
	assert set(re.findall(r'"(hidden\.[a-z_]+)"', source)) <= known


def test_numbers_name_no_service_by_alias_or_key(agent):
	with hidden(agent, "web", alias="ghost") as made:
		text = agent.call("GET", "/v1/metrics").body.decode()
		assert f'vx6_hidden_ready{{service="{made["id"]}"}} 0' in text
		assert f'vx6_hidden_refused_total{{service="{made["id"]}",reason="replay"}} 0' in text
		assert "ghost" not in text and seen(agent, "ghost")["key"] not in text


# The command line


def vx6(agent, *argv, data="", code=0):
	done = subprocess.run([BIN, "--socket", agent.socket, *argv], input=data, capture_output=True, text=True, env=ENV, timeout=30)
	assert done.returncode == code, done
	return done.stdout if code == 0 else done.stderr


def told(agent, *argv):
	"""What is said beside the result."""
	return subprocess.run([BIN, "--socket", agent.socket, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=ENV, timeout=30, check=True).stderr


def candidates(agent, *words):
	return [line.split("\t")[0] for line in vx6(agent, "__complete", *words).splitlines()]


def test_what_can_be_named_is_completed(agent):
	with hidden(agent, "web", alias="ghost"), hidden(agent, "other"), visited(agent, KEY_AND_SECRET, alias="theirs"):
		bob, carol = (json.loads(vx6(agent, "hidden", "invite", "ghost", "--name", n, "--no-wait", "--json"))["id"] for n in ("bob", "carol"))
		vx6(agent, "hidden", "revoke", carol)
		assert candidates(agent, "hidden", "revoke", "") == [bob], "one that is revoked is not offered again"
		assert vx6(agent, "__complete", "hidden", "revoke", "inv_") == f"{bob}\tbob\n" and candidates(agent, "hidden", "revoke", "hcl_") == []
		for verb in ("status", "invite", "invites", "clients", "rotate"):
			assert sorted(candidates(agent, "hidden", verb, "")) == ["ghost", "other"], verb
		assert "ghost" in candidates(agent, "hidden", "rotate", "ghost", "--key", "--confirm", "")
		for verb in ("set", "forget", "connects"):
			assert candidates(agent, "hidden", verb, "") == ["theirs"], verb


@pytest.mark.parametrize("argv, code, says", [
	(("status", "nobody"), 5, "vx6 hidden status"),
	(("invite", "nobody"), 5, "vx6 hidden status"),
	(("rotate", "nobody"), 5, "vx6 hidden status"),
	(("forget", "nobody"), 5, "vx6 hidden aliases"),
	(("set", "nobody", "--strict", "on"), 5, "vx6 hidden aliases"),
	(("revoke", "hcl_0123456789abcdef"), 5, "vx6 hidden clients"),
	(("revoke", "bob"), 2, "vx6 hidden clients"),
	(("invite",), 2, "--help"),
	(("invite", "ghost", "--qr", "--json"), 2, "--qr is for people"),
	(("accept", "x", "--invite", "hello there"), 9, "not copied whole"),
	(("set", "theirs"), 2, "give an option"),
])
def test_what_is_wrong_says_what_to_do(agent, argv, code, says):
	said = vx6(agent, "hidden", *argv, code=code)
	assert says in said and "There is no such object" not in said, said


def test_each_command_has_examples(agent):
	listed = candidates(agent, "hidden", "")
	assert {"status", "invite", "invites", "clients", "revoke", "rotate", "accept", "find", "aliases", "set", "forget", "connects"} == set(listed)
	for verb in listed:
		said = vx6(agent, "hidden", verb, "--help")
		assert f"Examples:\n  vx6 hidden {verb}" in said and f"Usage: vx6 hidden {verb}" in said


# What a camera would see: two pixels of each character, one over the other. Filled is light.
HALVES = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}


def scan(rows, folder):
	"""What is in a picture of pixels, 1 for light ones."""
	scale, rim = 6, [1] * (len(rows[0]) + 8)
	rows = [rim] * 4 + [[1] * 4 + row + [1] * 4 for row in rows] + [rim] * 4
	pixels = b"".join(bytes(255 * p for p in row for _ in range(scale)) * scale for row in rows)
	(folder / "code.pgm").write_bytes(b"P5 %d %d 255\n" % (len(rim) * scale, len(rows) * scale) + pixels)
	return subprocess.run(["zbarimg", "-q", "--raw", folder / "code.pgm"], capture_output=True, text=True, check=True).stdout.strip()


def picture(lines):
	pairs = [[HALVES[c] for c in line] for line in lines]
	return [[pair[half] for pair in row] for row in pairs for half in (0, 1)]


def in_colours(text):
	"""Lines as a terminal shows them: its own colours count for nothing where each character has its own."""
	lines = []
	for line in text.splitlines():
		assert "\033[40;37;1m" in line or not line.strip("\r"), "a line in the colours of the terminal"
		lines.append(re.sub("\033\\[[0-9;]*m|\r", "", line))
	return [line for line in lines if line]


def test_an_invite_is_drawn_for_a_camera(agent, tmp_path):
	with hidden(agent, "web", alias="ghost"):
		out = vx6(agent, "hidden", "invite", "ghost", "--name", "bob", "--expires", "7d", "--no-wait", "--qr").splitlines()
		assert out[0].startswith("vx6://hidden/ghost?") and scan(picture(out[1:]), tmp_path) == out[0]
		# on a terminal it is white on black, whatever that has
		us, its = pty.openpty()
		tty.setraw(its)
		run = subprocess.Popen([BIN, "--socket", agent.socket, "hidden", "invite", "ghost", "--no-wait", "--qr", "--quiet"], stdin=subprocess.DEVNULL,
			stdout=its, stderr=subprocess.DEVNULL, env={**ENV, "TERM": "xterm"})
		os.close(its)
		shown = b""
		with contextlib.suppress(OSError):
			while part := os.read(us, 65536):
				shown += part
		os.close(us)
		assert run.wait(timeout=10) == 0
		link, code = shown.decode().split("\n", 1)
		assert scan(picture(in_colours(code)), tmp_path) == link.strip()


def test_without_the_program_that_draws_the_invite_is_shown_all_the_same(agent, tmp_path):
	with hidden(agent, "web", alias="ghost"):
		done = subprocess.run([BIN, "--socket", agent.socket, "hidden", "invite", "ghost", "--no-wait", "--qr"], capture_output=True, text=True, timeout=30,
			stdin=subprocess.DEVNULL, env={**ENV, "PATH": str(tmp_path)})
		assert done.returncode == 1 and done.stdout.startswith("vx6://hidden/ghost?") and "apt install qrencode" in done.stderr, done


def test_the_command_line_hides_and_invites(agent):
	made = json.loads(vx6(agent, "service", "add", "web", "--target", "8080", "--visibility", "hidden", "--alias", "ghost", "--profile", "fast", "--force",
		"--json"))
	assert made["hidden"] == {**SETTINGS, "profile": "fast"}
	until(lambda: seen(agent, "ghost")["key"])
	assert "ghost" in vx6(agent, "hidden") and "no" in vx6(agent, "hidden", "status")
	assert [s["name"] for s in json.loads(vx6(agent, "hidden", "status", "--json"))["items"]] == ["web"]
	assert json.loads(vx6(agent, "hidden", "status", "ghost", "--json"))["alias"] == "ghost"
	assert "INTRODUCTION POINT" in vx6(agent, "hidden", "status", "ghost")
	invite = json.loads(vx6(agent, "hidden", "invite", "ghost", "--name", "bob", "--uses", "1", "--expires", "7d", "--no-wait", "--json"))
	left = time.mktime(time.strptime(invite["expires_at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.gmtime())
	assert (invite["name"], invite["max_uses"]) == ("bob", 1) and abs(left - 7 * 86400) < 30
	assert vx6(agent, "hidden", "invite", "ghost", "--no-wait").startswith("vx6://hidden/ghost?key=vxh1")
	assert "bob" in vx6(agent, "hidden", "invites", "ghost") and vx6(agent, "hidden", "clients") == ""
	assert "however many" in told(agent, "hidden", "invite", "ghost", "--no-wait") and "and nobody after" in told(
		agent, "hidden", "invite", "ghost", "--no-wait", "--uses", "1")
	vx6(agent, "hidden", "revoke", invite["id"])
	vx6(agent, "hidden", "revoke", invite["id"].replace("inv_", "hcl_x"), code=5)
	assert "neither a client" in vx6(agent, "hidden", "revoke", "bob", code=2)
	assert "7d" in vx6(agent, "hidden", "invite", "ghost", "--expires", "soon", code=2)
	vx6(agent, "service", "update", "web", "--open", "on", "--rate", "30")
	assert seen(agent, "ghost")["open"]
	vx6(agent, "hidden", "rotate", "ghost")
	assert "/confirm" in vx6(agent, "hidden", "rotate", "ghost", "--key", code=9)
	vx6(agent, "hidden", "rotate", "ghost", "--key", "--confirm", "ghost")
	assert "--wait is for" in vx6(agent, "service", "add", "plain", "--target", "1", "--wait", code=2)
	assert "too_few_relays" in vx6(agent, "service", "add", "few", "--target", "1", "--visibility", "hidden", code=6)
	assert "not ready yet" in vx6(agent, "service", "add", "slow", "--target", "1", "--visibility", "hidden", "--force", "--wait", "--timeout", "1s", code=7)
	for name in ("web", "slow"):
		vx6(agent, "service", "remove", name)


def test_the_command_line_publishes_an_alias_and_says_what_that_costs(agent):
	made = json.loads(vx6(agent, "service", "add", "web", "--target", "8080", "--visibility", "hidden", "--alias", "ghost", "--publish-alias", "--force", "--json"))
	assert made["hidden"]["publish_alias"]
	until(lambda: claim(agent, "ghost"))
	assert "Claim to the alias" in vx6(agent, "hidden", "status", "ghost")
	vx6(agent, "service", "update", "web", "--publish-alias", "off")
	assert claim(agent, "ghost") is None
	for verb in ("add", "update"):
		said = " ".join(vx6(agent, "help", "service", verb).split())
		assert "whoever knows or guesses the alias finds its key" in said and "can watch when it is up" in said
	assert "no_relays" in vx6(agent, "hidden", "find", "ghost", code=8)
	assert "--find is for" in vx6(agent, "hidden", "accept", "--find", code=2)
	assert "--find is for" in vx6(agent, "hidden", "accept", "ghost", "--find", "--invite", KEY, code=2)
	vx6(agent, "service", "remove", "web")


OTHER = "vxh1" + "q" * 59
CLAIM = {"median_age_s": 90000, "holders": 8, "prefixes": 7, "work_bits": 21, "record_hash": "0" * 64}


@pytest.mark.parametrize("outcome, claims, code, says", [
	("one", [KEY], 0, None), ("none", [], 5, "no hidden service claims it"), ("weak", [KEY], 6, "fewer sources"),
	("several", [KEY, OTHER], 6, "more than one"), ("mismatch", [OTHER], 6, "another service claims it")])
def test_the_command_line_takes_one_service_or_none(tmp_path, outcome, claims, code, says):
	found = {"kind": "hidden_alias_found", "alias": "ghost", "outcome": outcome, "key": claims[0] if len(claims) == 1 else None, "known_as": None,
		"claims": [{"key": k, **CLAIM} for k in claims], "more": 0, "holders_asked": 20, "queries": 9, "took_ms": 5}
	made = {"id": "ghost", "alias": "ghost", "key": KEY}
	api = FakeApi(tmp_path / "api.sock", lambda r: (200, found) if r.path.endswith(":find") else (201, made))
	for argv in (("find", "ghost"), ("accept", "ghost", "--find")):
		done = subprocess.run([BIN, "--socket", tmp_path / "api.sock", "hidden", *argv], capture_output=True, text=True, env=ENV, timeout=30)
		assert done.returncode == code, done
		assert not says or says in done.stderr, done
		if argv[0] == "find" or code:
			assert all(k in done.stdout for k in claims), done
	api.close()
	asked = [(r.path, json.loads(r.body)) for r in api.requests]
	assert asked[:2] == [("/v1/hidden-aliases:find", {"alias": "ghost"})] * 2
	assert asked[2:] == ([] if code else [("/v1/hidden-aliases", {"invite": KEY, "alias": "ghost"})])


def test_the_command_line_accepts_and_forgets(agent):
	assert "there is no invite" in vx6(agent, "hidden", "accept", "theirs", code=9)
	assert "theirs" in vx6(agent, "hidden", "accept", "theirs", data=KEY_AND_SECRET.replace("+", " ") + "\n")
	assert "theirs" in vx6(agent, "hidden", "aliases")
	vx6(agent, "hidden", "set", "theirs", "--strict", "on", "--profile", "fast")
	assert agent.call("GET", "/v1/hidden-aliases/theirs").json["strict"]
	vx6(agent, "forward", "add", "there", "--listen", "0", "--to", "theirs")
	assert vx6(agent, "hidden", "connects", "theirs") == ""
	assert "theirs" in vx6(agent, "__complete", "connect", "th") and "theirs" in vx6(agent, "__complete", "hidden", "forget", "")
	vx6(agent, "hidden", "forget", "theirs")
	assert "not_found" in vx6(agent, "hidden", "forget", "theirs", code=5)
	# where a name is expected an invite is accepted
	link = f"vx6://hidden/ghost?key={KEY}&secret={SECRET}"
	for _ in range(2):
		made = json.loads(vx6(agent, "forward", "add", "--listen", "0", "--to", link, "--json"))
		assert made["to"] == "ghost"
	vx6(agent, "connect", link[:-3], code=9)
	vx6(agent, "hidden", "forget", "ghost")
	for forward in agent.call("GET", "/v1/forwards").json["items"]:
		agent.call("DELETE", f"/v1/forwards/{forward['id']}")
