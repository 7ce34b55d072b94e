"""The settings of a running agent: where each came from, a check of others, and reading the file again."""
import json
import os
import signal
import subprocess
import time

from conftest import BIN


def settings(agent):
	return {s["name"]: s for s in agent.call("GET", "/v1/config").json["items"]}


def vx6(agent, *args):
	return subprocess.run([str(BIN), *map(str, args)], capture_output=True, text=True, timeout=30, env={**os.environ, "VX6_SOCKET": agent.socket})


def write(agent, text):
	(agent.dir / "agent.yaml").write_text(text)


def test_every_setting_has_a_value_and_a_source(make_agent):
	agent = make_agent()
	agent.stop()
	write(agent, "log_level: warn\nrelay_family: family of ours\npeer: ['[2001:db8::1]:4242']\n")
	agent.start("--dht", "client")
	all_of = settings(agent)
	assert {"state_dir", "name", "listen", "log_level", "peer", "relay_family", "passphrase_file"} <= set(all_of)

	def has(name, values, source):
		assert (all_of[name]["values"], all_of[name]["source"]) == (values, source), all_of[name]

	has("log_level", ["warn"], "file")
	has("peer", ["[2001:db8::1]:4242"], "file")
	has("dht", ["client"], "flag")
	has("name", ["alice"], "flag")
	has("transport", ["auto"], "default")
	has("lan", ["off"], "environment")
	has("passphrase_file", [], "default")
	has("relay_family", [], "file")
	assert all_of["relay_family"]["secret"] and not all_of["log_level"]["needs_restart"] and all_of["peer"]["needs_restart"]
	assert "family of ours" not in agent.raw("GET", "/v1/config").body.decode()
	assert not any(s["pending"] for s in all_of.values())
	shown = vx6(agent, "config")
	assert shown.returncode == 0 and "log_level" in shown.stdout and "family of ours" not in shown.stdout
	assert str(agent.dir / "agent.yaml") in shown.stderr


def test_a_file_is_read_again(make_agent):
	agent = make_agent()
	write(agent, "log_level: debug\ndiversity: 'off'\nname: other\n")
	answer = agent.call("POST", "/v1/config:reload")
	assert answer.json["condition"] == {"type": "loaded", "status": True, "message": None}
	all_of = settings(agent)
	assert all_of["log_level"]["values"] == ["debug"] and all_of["log_level"]["source"] == "file" and not all_of["log_level"]["pending"]
	assert all_of["diversity"]["values"] == ["auto"] and all_of["diversity"]["pending"]
	assert all_of["name"]["values"] == ["alice"] and not all_of["name"]["pending"]  # the command line wins
	assert "diversity is another now; that needs a restart" in agent.log()


def test_a_bad_file_changes_nothing(make_agent):
	agent = make_agent()
	write(agent, "log_level: debug\n")
	assert vx6(agent, "config", "reload").returncode == 0
	for bad in ("log_level: loud\n", "nonsense: 1\n", "log_level: [\n", "log_level: trace\ndht: maybe\n"):
		write(agent, bad)
		condition = agent.call("POST", "/v1/config:reload").json["condition"]
		assert condition["status"] is False and condition["message"]
		assert settings(agent)["log_level"]["values"] == ["debug"]
		assert "those in force stay" in agent.log()
	done = vx6(agent, "config", "reload")
	assert done.returncode == 8 and "dht" in done.stderr
	write(agent, "log_level: error\n")
	assert agent.call("POST", "/v1/config:reload").json["condition"]["status"] is True


def test_sighup_reads_the_file_too(make_agent):
	agent = make_agent()
	write(agent, "log_level: debug\n")
	for _ in range(20):
		agent.process.send_signal(signal.SIGHUP)
	for _ in range(100):
		if settings(agent)["log_level"]["values"] == ["debug"]:
			break
		time.sleep(0.05)
	assert settings(agent)["log_level"]["values"] == ["debug"]
	agent.process.send_signal(signal.SIGHUP)
	assert agent.stop() == 0


def test_a_check_names_every_fault(make_agent, tmp_path):
	agent = make_agent()

	def check(body):
		return agent.call("POST", "/v1/config:validate", body)

	assert check({"settings": {"listen": ["[::]:4242"], "relay_rate": 100, "hidden_keep_roles": True}}).json == {"valid": True}
	assert check({"yaml": "name: alice\npeer:\n  - '[::1]:4242'\n"}).json == {"valid": True}
	answer = check({"settings": {"listen": "nowhere", "log_level": "loud", "dht": "maybe", "relay_rate": -1}})
	assert answer.status == 422
	assert {p for p, _ in answer.faults} == {"/settings/listen", "/settings/log_level", "/settings/dht", "/settings/relay_rate"}
	assert {p for p, _ in check({"settings": {"nonsense": 1, "name": ["a", "b"], "peer": {"a": 1}}}).faults} == {"/settings/nonsense", "/settings/name", "/settings/peer"}
	assert [e for e in check({"yaml": "name: alice\nwrong: 1\n"}).json["errors"] if e["pointer"] == "/yaml" and "line 2" in e["detail"]]
	for body in ({}, {"yaml": "", "settings": {}}, {"yaml": 1}, {"settings": []}, {"settings": {"A B": 1}}):
		assert check(body).status == 422, body
	assert check({"yaml": "a" * 200001}).status == 422
	good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
	good.write_text("name: alice\n")
	bad.write_text("transport: pigeon\n")
	assert vx6(agent, "config", "validate", good).returncode == 0
	done = vx6(agent, "config", "validate", bad)
	assert done.returncode == 9 and "pigeon" in done.stderr
	assert settings(agent)["transport"]["values"] == ["auto"]
	assert json.loads(vx6(agent, "config", "validate", good, "--json").stdout) == {"valid": True}
