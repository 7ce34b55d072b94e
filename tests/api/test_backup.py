"""Backups: out of a running agent, into another directory, and what happens when something goes wrong on the way."""
import json
import os
import random
import signal
import subprocess
import time

import pytest

from conftest import BIN, ROOT, Agent

PASS = "correct horse battery"
FAR = next(v for v in json.loads((ROOT / "schemas/vectors/keys.json").read_text())["vectors"])["node"]


def vx6(*args, socket=None, **more):
	env = {**os.environ, **({"VX6_SOCKET": socket} if socket else {})}
	return subprocess.run([str(BIN), *map(str, args)], capture_output=True, text=True, timeout=60, env=env, **more)


@pytest.fixture
def secret(tmp_path):
	path = tmp_path / "pass.txt"
	path.write_text(PASS + "\n")
	path.chmod(0o600)
	return path


def furnish(agent):
	agent.call("POST", "/v1/services", {"name": "web", "target": "127.0.0.1:8080"})
	made = agent.call("POST", "/v1/services", {"name": "secret", "target": "127.0.0.1:8081", "visibility": "hidden", "hidden": {"alias": "ghost", "force": True}})
	assert made.status == 201, made
	agent.call("POST", "/v1/catalogs", {"name": "friends"})
	assert agent.call("PUT", "/v1/names/petname:bob", {"node_id": FAR}).status == 201
	(agent.dir / "agent.yaml").write_text("log_level: info\n")


def hidden_key(agent):
	for _ in range(200):
		key = agent.call("GET", "/v1/services/ghost/hidden").json["key"]
		if key:
			return key
		time.sleep(0.05)
	raise AssertionError("the hidden service has no key")


def names(agent, path):
	return sorted(item["name"] for item in agent.call("GET", path).json["items"])


def facts(agent):
	"""What a restored node must have kept."""
	return (agent.call("GET", "/v1/identity").json["node_id"], hidden_key(agent), names(agent, "/v1/services"), names(agent, "/v1/catalogs"),
		names(agent, "/v1/names"))


def make(agent, path, secret):
	done = vx6("backup", "create", path, "--passphrase-file", secret, socket=agent.socket)
	assert done.returncode == 0, done.stderr


def at(folder, name="alice"):
	"""An agent over a directory that is there already."""
	return Agent(folder, name)


def test_a_restored_node_is_the_node(make_agent, tmp_path, secret):
	agent = make_agent()
	furnish(agent)
	before, seq = facts(agent), agent.call("GET", "/v1/identity").json["subkey"]["sequence"]
	file = tmp_path / "alice.vx6backup"
	make(agent, file, secret)
	assert file.stat().st_mode & 0o777 == 0o600 and not (agent.dir / "state.db.copy").exists()
	assert "node.backed_up" in [e["type"] for e in agent.call("GET", "/v1/events?since=0").json["items"]]
	assert agent.stop() == 0
	done = vx6("backup", "restore", file, "--state-dir", tmp_path / "new", "--passphrase-file", secret, "--json")
	assert done.returncode == 0, done.stderr
	assert json.loads(done.stdout)["node_id"] == before[0] and json.loads(done.stdout)["new_online_key"]
	assert {p.name for p in tmp_path.iterdir()} == {"pass.txt", "alice.vx6backup", "new"}
	assert all(p.stat().st_mode & 0o077 == 0 for p in [tmp_path / "new", *(tmp_path / "new").rglob("*")])
	again = at(tmp_path / "new").start()
	try:
		assert facts(again) == before
		assert again.call("GET", "/v1/identity").json["subkey"]["sequence"] > seq
		assert (again.dir / "agent.yaml").read_text() == "log_level: info\n"
	finally:
		assert again.stop() == 0


def test_show_tells_what_it_can(make_agent, tmp_path, secret):
	agent = make_agent()
	furnish(agent)
	file = tmp_path / "b"
	make(agent, file, secret)
	node_id = agent.call("GET", "/v1/identity").json["node_id"]
	shut = json.loads(vx6("backup", "show", file, "--json").stdout)
	assert shut["schema"] >= 4 and shut["bytes"] == file.stat().st_size and "node_id" not in shut
	data = file.read_bytes()
	for text in (node_id.encode(), b"alice", b"ghost", b"SQLite", b"web"):
		assert text not in data
	whole = json.loads(vx6("backup", "show", file, "--passphrase-file", secret, "--json").stdout)
	names = [p["name"] for p in whole["parts"]]
	assert whole["node_id"] == node_id and whole["name"] == "alice"
	assert {"state.db", "agent.yaml", "identity/master.key", "identity/subkey.key", "identity/revocation.key"} <= set(names)
	assert any(n.startswith("hidden/") for n in names) and any(n.startswith("catalogs/") for n in names)
	assert not {"admin.token", "registry.db", "api.sock"} & set(names)
	assert all(len(p["blake2b"]) == 64 for p in whole["parts"])


def test_what_is_not_good_is_not_restored(make_agent, tmp_path, secret):
	agent = make_agent()
	file, other, target = tmp_path / "b", tmp_path / "other", tmp_path / "new"
	make(agent, file, secret)
	other.write_text("another passphrase\n")
	other.chmod(0o600)
	done = vx6("backup", "restore", file, "--state-dir", target, "--passphrase-file", other)
	assert done.returncode == 4 and "passphrase" in done.stderr
	data = file.read_bytes()
	for name, bad in (("cut", data[:len(data) // 2]), ("empty", b""), ("changed", data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]),
			("other", b"x" * 5000), ("newer", data[:4] + b"\x09" + data[5:])):
		(tmp_path / name).write_bytes(bad)
		done = vx6("backup", "restore", tmp_path / name, "--state-dir", target, "--passphrase-file", secret)
		assert done.returncode == 1 and "no backup that can be used" in done.stderr, (name, done)
		assert vx6("backup", "show", tmp_path / name).returncode == 1
	assert not target.exists() and not (tmp_path / "new.restoring").exists()


def test_a_directory_with_something_in_it_is_left_alone(make_agent, tmp_path, secret):
	agent = make_agent()
	file, target = tmp_path / "b", tmp_path / "new"
	make(agent, file, secret)
	done = vx6("backup", "restore", file, "--state-dir", agent.dir, "--passphrase-file", secret)
	assert done.returncode == 6 and "an agent runs in" in done.stderr
	target.mkdir()
	(target / "mine").write_text("x")
	done = vx6("backup", "restore", file, "--state-dir", target, "--passphrase-file", secret)
	assert done.returncode == 6 and "not empty" in done.stderr
	assert [p.name for p in target.iterdir()] == ["mine"]
	(target / "mine").unlink()
	assert vx6("backup", "restore", file, "--state-dir", target, "--passphrase-file", secret).returncode == 0
	assert vx6("backup", "create", file, "--passphrase-file", secret, socket=agent.socket).returncode == 6


def test_a_locked_master_key_stays_locked(folder, tmp_path, secret):
	master = tmp_path / "master.txt"
	master.write_text("the master's own\n")
	master.chmod(0o600)
	state = tmp_path / "state"
	assert vx6("init", "--state-dir", state, "--passphrase-file", master).returncode == 0
	agent = at(state).start()
	file = tmp_path / "b"
	make(agent, file, secret)
	assert agent.stop() == 0
	done = vx6("backup", "restore", file, "--state-dir", tmp_path / "one", "--passphrase-file", secret, "--json")
	assert done.returncode == 0 and not json.loads(done.stdout)["new_online_key"] and "master key" in done.stderr
	done = vx6("backup", "restore", file, "--state-dir", tmp_path / "two", "--passphrase-file", secret, "--master-passphrase-file", secret)
	assert done.returncode == 4 and not (tmp_path / "two").exists()
	done = vx6("backup", "restore", file, "--state-dir", tmp_path / "two", "--passphrase-file", secret, "--master-passphrase-file", master, "--json")
	assert done.returncode == 0 and json.loads(done.stdout)["new_online_key"], done.stderr


def test_killed_while_restoring_there_is_all_or_nothing(make_agent, tmp_path, secret):
	agent = make_agent()
	furnish(agent)
	file = tmp_path / "b"
	make(agent, file, secret)
	before = facts(agent)
	agent.stop()
	began = time.monotonic()
	assert vx6("backup", "restore", file, "--state-dir", tmp_path / "timed", "--passphrase-file", secret).returncode == 0
	takes, unfinished = time.monotonic() - began, 0
	for i in range(12):
		target = tmp_path / f"new{i}"
		run = subprocess.Popen([str(BIN), "backup", "restore", file, "--state-dir", target, "--passphrase-file", secret],
			stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
		time.sleep(takes * random.uniform(0.5, 1.1))
		run.kill()
		run.wait()
		if not target.exists():
			unfinished += 1
			assert vx6("backup", "restore", file, "--state-dir", target, "--passphrase-file", secret).returncode == 0
		assert not (tmp_path / f"new{i}.restoring").exists()
		names = {str(p.relative_to(target)) for p in target.rglob("*")}
		assert {"state.db", "agent.yaml", "identity/master.key", "identity/subkey.key"} <= names
	assert unfinished > 0
	again = at(tmp_path / "new0").start()
	try:
		assert facts(again) == before
	finally:
		again.stop()


def test_killed_while_a_backup_is_made(make_agent, tmp_path, secret):
	agent = make_agent()
	furnish(agent)
	before = facts(agent)
	for i in range(8):
		file = tmp_path / f"b{i}"
		run = subprocess.Popen([str(BIN), "backup", "create", file, "--passphrase-file", secret], stdout=subprocess.DEVNULL,
			stderr=subprocess.DEVNULL, env={**os.environ, "VX6_SOCKET": agent.socket})
		time.sleep(random.uniform(0, 0.6))
		if i % 2:
			agent.stop(signal.SIGKILL)
			run.wait(20)
		else:
			run.kill()
			run.wait()
		assert not file.exists() or vx6("backup", "show", file, "--passphrase-file", secret).returncode == 0
		if i % 2:
			agent.start()
			assert not (agent.dir / "state.db.copy").exists()
	assert facts(agent) == before
	make(agent, tmp_path / "last", secret)


def test_the_passphrase_is_in_no_log(make_agent, tmp_path, secret):
	agent = make_agent("alice", "--log-level", "trace")
	make(agent, tmp_path / "b", secret)
	assert agent.call("POST", "/v1/backups", {"passphrase": "short"}).status == 422
	answer = agent.call("POST", "/v1/backups", {"passphrase": PASS}, tcp=True)
	assert answer.status == 200 and answer.headers["Content-Type"] == "application/octet-stream" and answer.body[:4] == b"VX6B"
	assert PASS not in agent.log()
	events = json.dumps(agent.call("GET", "/v1/events?since=0").json)
	assert PASS not in events
