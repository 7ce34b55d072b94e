"""Support bundles: what is in them, and what must not be."""
import io
import json
import os
import re
import subprocess
import tarfile

from conftest import BIN

PASS = "correct horse battery"
PARTS = {"version.json", "settings.json", "health.json", "node.json", "metrics.txt", "peers.json", "services.json", "forwards.json", "dht.json",
	"relays.json", "circuits.json", "decisions.json", "operations.json", "events.json"}


def furnish(agent):
	(agent.dir / "agent.yaml").write_text("relay_family: family of ours\n")
	agent.call("POST", "/v1/config:reload")
	agent.call("POST", "/v1/services", {"name": "web", "target": "127.0.0.1:8080"})
	agent.call("POST", "/v1/services", {"name": "hid", "target": "127.0.0.1:8081", "visibility": "hidden", "hidden": {"alias": "ghost", "force": True}})
	agent.call("POST", "/v1/peers", {"name": "far", "addresses": ["192.0.2.77:4242", "[2001:db8::77]:4242"]})
	agent.call("POST", "/v1/catalogs", {"name": "friends"})
	agent.call("POST", "/v1/identity:export", {"passphrase": PASS})


def secrets(agent):
	"""Every secret there is on disk, as bytes and as the texts in which it might be written."""
	invite = re.findall(r"vxs1\w+", json.dumps(agent.call("POST", "/v1/catalogs/name:friends:invite").json))
	assert invite
	texts = {agent.token, PASS, "family of ours", *invite}
	for path in [*(agent.dir / "identity").iterdir(), *(agent.dir / "hidden").iterdir(), *(agent.dir / "catalogs").iterdir()]:
		data = path.read_bytes()
		texts |= {data[i:i + 32].hex() for i in range(len(data) - 31)} - {"00" * 32}
	return texts


def unpack(data):
	with tarfile.open(fileobj=io.BytesIO(data)) as tar:
		return {m.name.removeprefix("vx6-support/"): tar.extractfile(m).read().decode() for m in tar.getmembers()}


def public(agent):
	"""What those files hold that is public."""
	identity = agent.call("GET", "/v1/identity").json
	return {identity["public_key"], identity["subkey"]["public_key"]}


def test_a_bundle_has_everything_but_who_and_where(make_agent):
	agent = make_agent()
	furnish(agent)
	answer = agent.call("POST", "/v1/support-bundles", {})
	files = unpack(answer.body)
	assert set(files) == PARTS and all(files.values())
	assert all(json.loads(text) for name, text in files.items() if name.endswith(".json"))
	assert json.loads(files["version.json"])["version"] and json.loads(files["health.json"])["status"] == "ok"
	assert "web" in files["services.json"] and "vx6_build_info" in files["metrics.txt"]
	assert [e for e in json.loads(files["events.json"])["items"] if e["type"] == "service.created"]
	whole = "\n".join(files.values())
	node_id = agent.call("GET", "/v1/identity").json["node_id"]
	for text in (node_id, "192.0.2.77", "2001:db8::77", *public(agent), "vxh1"):
		assert text not in whole, text
	assert "[address " in files["peers.json"] and "[id " in files["node.json"]


def test_a_full_bundle_says_who_and_where(make_agent):
	agent = make_agent()
	furnish(agent)
	files = unpack(agent.call("POST", "/v1/support-bundles", {"full": True}).body)
	assert "192.0.2.77:4242" in files["peers.json"] and agent.call("GET", "/v1/identity").json["node_id"] in files["node.json"]
	assert json.loads(files["node.json"])["node_id"] == agent.call("GET", "/v1/node").json["node_id"]


def test_no_secret_is_in_either(make_agent):
	agent = make_agent()
	furnish(agent)
	known = secrets(agent)
	assert len(known) > 100
	for full in (False, True):
		data = agent.call("POST", "/v1/support-bundles", {"full": full}).body.decode("latin-1")
		words = set(re.findall(r"[0-9a-f]{64}", data)) - public(agent)
		assert not words & known
		assert not [s for s in known if not re.fullmatch(r"[0-9a-f]{64}", s) and s in data]


def test_the_command_writes_it_once(make_agent, tmp_path):
	agent = make_agent()
	file = tmp_path / "alice.tar"

	def run(*more):
		return subprocess.run([str(BIN), "support", file, *more], capture_output=True, text=True, timeout=60, env={**os.environ, "VX6_SOCKET": agent.socket})

	assert run().returncode == 0
	assert file.stat().st_mode & 0o777 == 0o600 and tarfile.open(file).getnames()[0] == "vx6-support/version.json"
	assert run().returncode == 6
	file.unlink()
	done = run("--full")
	assert done.returncode == 0 and "where they are" in done.stderr
	listed = subprocess.run(["tar", "-tf", file], capture_output=True, text=True)
	assert listed.returncode == 0 and len(listed.stdout.splitlines()) == len(PARTS)


def test_an_event_stream_is_not_what_a_part_becomes(make_agent):
	agent = make_agent()
	answer = agent.call("POST", "/v1/support-bundles", {}, {"Accept": "text/event-stream", "If-None-Match": "*"})
	assert set(unpack(answer.body)) == PARTS
