"""The agent's log over the API: lines from memory, followers, levels, formats, and who sees addresses."""
import json
import os
import re
import subprocess
import threading
import time

from conftest import BIN


def lines(agent, query=""):
	return agent.call("GET", f"/v1/logs{query}").json


def talk(agent, n):
	"""Makes the agent write @p n lines: the change of levels is one."""
	for _ in range(n):
		assert agent.call("PUT", "/v1/log-levels", {"default": "info"}).status == 200


def test_first_lines_are_there_and_numbers_have_no_gap(agent):
	page = lines(agent, "?since=0&limit=500")
	assert [e["seq"] for e in page["items"]] == list(range(1, len(page["items"]) + 1))
	assert any("API on" in e["text"] and e["layer"] == "agent" for e in page["items"])
	assert page["missed"] == 0 and page["reset"] is False and page["next_since"] == page["items"][-1]["seq"]


def test_pages_tail_and_filters(agent):
	talk(agent, 12)
	newest = lines(agent, "?limit=500")["next_since"]
	assert [e["seq"] for e in lines(agent, "?limit=3")["items"]] == [newest - 2, newest - 1, newest]
	seen, since = [], 0
	while since < newest:
		page = lines(agent, f"?since={since}&limit=5")
		assert 0 < len(page["items"]) <= 5
		since = page["next_since"]
		seen += [e["seq"] for e in page["items"]]
	assert seen == list(range(1, newest + 1))
	assert {e["layer"] for e in lines(agent, "?since=0&layer=api,node")["items"]} <= {"api", "node"}
	assert {e["level"] for e in lines(agent, "?since=0&level=warn")["items"]} <= {"warn", "error"}
	assert all("levels of the log" in e["text"] for e in lines(agent, "?q=levels+of+the+log")["items"])
	assert lines(agent, "?q=nobody-writes-this")["items"] == []


def test_unknown_layer_and_bad_parameters_are_refused(agent):
	for query in ("?layer=nowhere", "?level=loud", "?since=-1", "?wait=1h", "?addresses=yes"):
		assert agent.call("GET", f"/v1/logs{query}").code == "invalid_parameter", query


def test_number_of_another_run_is_a_reset(agent):
	page = lines(agent, "?since=999999999")
	assert page["reset"] is True and page["items"][0]["seq"] == 1


def test_lines_that_are_gone_are_counted(make_agent):
	agent = make_agent()
	talk(agent, 1100)
	page = lines(agent, "?since=10&limit=500")
	assert page["missed"] > 0 and page["items"][0]["seq"] == 11 + page["missed"]
	first = page["items"][0]["seq"]
	rest = lines(agent, f"?since={page['next_since']}&limit=500")
	assert rest["missed"] == 0
	newest = lines(agent, "?limit=1")["items"][0]["seq"]
	assert newest - first + 1 == 1024


def test_follower_waits_for_the_next_line(agent):
	since = lines(agent)["next_since"]
	begun = time.monotonic()
	page = lines(agent, f"?since={since}&wait=700ms")
	assert page["items"] == [] and page["next_since"] == since and 0.6 < time.monotonic() - begun < 4
	threading.Timer(0.3, talk, (agent, 1)).start()
	begun = time.monotonic()
	page = lines(agent, f"?since={since}&wait=20s")
	assert [e["layer"] for e in page["items"]] == ["api"] and time.monotonic() - begun < 5
	begun = time.monotonic()
	assert lines(agent, f"?since={page['next_since']}&wait=1s&level=error")["items"] == []
	assert time.monotonic() - begun > 0.9


def test_followers_are_bounded_and_end_with_the_agent(make_agent):
	agent, answers = make_agent(), []
	since = lines(agent)["next_since"]
	polls = [threading.Thread(target=lambda: answers.append(agent.raw("GET", f"/v1/logs?since={since}&wait=60s&level=error"))) for _ in range(34)]
	for poll in polls:
		poll.start()
	for _ in range(100):
		if len(answers) == 2:
			break
		time.sleep(0.05)
	assert [a.code for a in answers] == ["rate_limited"] * 2
	begun = time.monotonic()
	assert agent.stop() == 0
	for poll in polls:
		poll.join(10)
	assert len(answers) == 34 and time.monotonic() - begun < 10


def test_levels_change_at_once(make_agent):
	agent = make_agent()
	levels = agent.call("GET", "/v1/log-levels").json
	assert levels["default"] == "info" and set(levels["layers"].values()) == {"info"} and "session" in levels["layers"]
	after = agent.call("PUT", "/v1/log-levels", {"default": "info", "layers": {"session": "debug"}}).json
	assert after["layers"]["session"] == "debug" and after["layers"]["node"] == "info"
	assert agent.call("GET", "/v1/log-levels").json == after
	agent.call("PUT", "/v1/log-levels", {"default": "error"})
	since = lines(agent)["next_since"]
	agent.call("PUT", "/v1/log-levels", {"default": "error"})
	assert lines(agent, f"?since={since}")["items"] == []
	refused = agent.call("PUT", "/v1/log-levels", {"default": "info", "layers": {"nowhere": "info"}})
	assert refused.status == 422 and refused.faults == {("/layers/nowhere", "unknown")}
	assert set(agent.call("GET", "/v1/log-levels").json["layers"].values()) == {"error"}
	agent.stop()
	assert agent.start().call("GET", "/v1/log-levels").json["default"] == "info"


def test_addresses_of_peers_are_hidden_unless_asked_for(make_agent):
	"""An address that nothing answers at: the complaint about it holds it in both forms, at debug level."""
	agent = make_agent()
	agent.call("POST", "/v1/peers", {"name": "far", "addresses": ["192.0.2.77:9"]})
	until = time.monotonic() + 40
	while not lines(agent, "?q=peer+far")["items"] and time.monotonic() < until:
		time.sleep(0.2)
	assert lines(agent, "?q=peer+far")["items"] and "192.0.2.77" not in json.dumps(lines(agent, "?since=0&limit=500&addresses=true"))
	agent.call("PUT", "/v1/log-levels", {"default": "debug"})
	until = time.monotonic() + 40
	while time.monotonic() < until:
		shown = json.dumps(lines(agent, "?since=0&limit=500&addresses=true"))
		if "192.0.2.77" in shown:
			break
		time.sleep(0.5)
	assert "192.0.2.77" in shown
	assert "192.0.2.77" not in json.dumps(lines(agent, "?since=0&limit=500"))
	assert lines(agent, "?since=0&q=192.0.2.77")["items"] == []


def run(agent, *words, ok=True):
	done = subprocess.run([BIN, "--socket", agent.socket, *map(str, words)], capture_output=True, text=True, timeout=20)
	assert not ok or done.returncode == 0, done.stderr
	return done


def test_commands_show_follow_and_change(make_agent):
	agent = make_agent()
	talk(agent, 3)
	text = run(agent, "logs", "-n", 2).stdout
	assert re.fullmatch(r"TIME +LEVEL +LAYER +TEXT\n(\S+Z +info +api +the levels of the log were changed\n){2}", text), text
	assert [json.loads(s)["layer"] for s in run(agent, "logs", "--layer", "api", "-n", 3, "-o", "jsonl").stdout.splitlines()] == ["api"] * 3
	child = subprocess.Popen([BIN, "--socket", agent.socket, "logs", "-f", "-n", "1", "-o", "jsonl"], stdout=subprocess.PIPE, text=True)
	first = json.loads(child.stdout.readline())
	done = run(agent, "log", "level", "session", "debug")
	assert "session writes: debug" in done.stderr
	assert json.loads(child.stdout.readline())["seq"] == first["seq"] + 1
	child.terminate()
	child.wait()
	assert re.search(r"layers.session +debug\n", run(agent, "log", "level").stdout)
	assert json.loads(run(agent, "log", "--json").stdout)["layers"]["session"] == "debug"
	run(agent, "log", "level", "all", "warn")
	assert set(agent.call("GET", "/v1/log-levels").json["layers"].values()) == {"warn"}
	assert run(agent, "log", "level", "nowhere", "info", ok=False).returncode == 9
	assert run(agent, "log", "level", "session", ok=False).returncode == 2


def test_formats_on_standard_error(make_agent):
	agent = make_agent("alice", "--log-format", "json")
	written = [json.loads(line) for line in agent.log().splitlines()]
	assert written and all(set(w) == {"time", "level", "layer", "msg"} for w in written)
	agent = make_agent("alice", "--log-format", "logfmt")
	assert all(re.fullmatch(r'time=\S+Z level=(info|warn) layer=[a-z]+ msg="([^"\\]|\\["\\])*"', line) for line in agent.log().splitlines())


def test_without_a_journal_the_log_is_on_standard_error(make_agent):
	if os.path.exists("/run/systemd/journal/socket"):
		return
	assert "the journal does not listen on" in make_agent("alice", "--log-format", "journald").log()
