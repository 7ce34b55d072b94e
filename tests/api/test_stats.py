"""Numbers: the last day of an agent, what it tells Prometheus, and the dashboard and rules that read it."""
import json
import os
import pty
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from conftest import BIN, ROOT, Agent

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.fixture(scope="module")
def looked(folder):
	"""An agent that has looked at itself twice."""
	a = Agent(tempfile.mkdtemp(prefix="stats-", dir=folder)).start()
	for _ in range(300):
		if a.call("GET", "/v1/stats").json["samples"] >= 2:
			break
		time.sleep(0.1)
	yield a
	assert a.stop() == 0


def run(agent, *words, ok=True):
	done = subprocess.run([BIN, "--socket", agent.socket, *map(str, words)], capture_output=True, text=True, timeout=20)
	assert not ok or done.returncode == 0, done.stderr
	return done


# ---- stats ----


def test_numbers_are_those_of_the_process(looked):
	stats = looked.call("GET", "/v1/stats").json
	assert stats["step_ms"] == 10000 and stats["samples"] >= 2 and stats["at"]
	by = {s["name"]: s for s in stats["items"]}
	assert abs(by["rss_bytes"]["value"] / 1024 - looked.memory_kib()) < 8 * 1024
	assert by["api_requests"]["kind"] == "counter" and by["api_requests"]["value"] > 0 and by["api_requests"]["per_second"] > 0
	assert by["sessions"]["value"] == 0 and by["sessions"]["per_second"] is None
	assert by["cpu_ms"]["value"] > 0


def test_series_of_each_number(looked):
	for s in looked.call("GET", "/v1/stats").json["items"]:
		series = looked.call("GET", f"/v1/stats/series?metric={s['name']}&step=10s").json
		assert (series["metric"], series["kind"], series["unit"]) == (s["name"], s["kind"], s["unit"])
		assert series["step_ms"] == 10000 and 360 <= len(series["values"]) <= 362
		there = [v for v in series["values"] if v is not None]
		assert len(there) >= (1 if s["kind"] == "counter" else 2), s["name"]
	day = looked.call("GET", "/v1/stats/series?metric=rss_bytes&from=2020-01-01T00:00:00Z&step=1s").json
	assert day["step_ms"] == 10000 and 8640 <= len(day["values"]) <= 8642
	assert len(looked.call("GET", "/v1/stats/series?metric=rss_bytes&from=2020-01-01T00:00:00Z").json["values"]) <= 242
	assert len(looked.call("GET", "/v1/stats/series?metric=rss_bytes&from=2090-01-01T00:00:00Z").json["values"]) == 1
	assert looked.call("GET", "/v1/stats/series?metric=rss_bytes&step=99999s").json["step_ms"] == 86400000


def test_series_that_cannot_be_are_refused(looked):
	for query in ("", "?metric=nothing", "?metric=rss_bytes&step=10m", "?metric=rss_bytes&from=yesterday", "?metric=A"):
		assert looked.call("GET", f"/v1/stats/series{query}").code == "invalid_parameter", query


def test_command(looked):
	assert re.search(r"^rss_bytes +\d+ +byte ", run(looked, "stats").stdout, re.M)
	rows = run(looked, "stats", "rss_bytes", "--since", "10m").stdout.splitlines()
	assert rows[0].split() == ["TIME", "VALUE"] and len(rows) >= 2 and float(rows[1].split()[1]) > 1e6
	assert json.loads(run(looked, "stats", "rss_bytes", "--json").stdout)["metric"] == "rss_bytes"
	assert len(json.loads(run(looked, "stats", "--json").stdout)["items"]) == 10
	assert run(looked, "stats", "--since", "1h", ok=False).returncode == 2
	assert run(looked, "stats", "rss_bytes", "--since", "soon", ok=False).returncode == 2
	main, other = pty.openpty()
	child = subprocess.Popen([BIN, "--socket", looked.socket, "stats", "rss_bytes"], stdout=other)
	os.close(other)
	assert child.wait(10) == 0
	shown = os.read(main, 4096).decode()
	os.close(main)
	assert re.fullmatch(r" *[▁▂▃▄▅▆▇█]+ *  at most [\d.]+ MB, now [\d.]+ MB\r\n", shown), shown


def until(check, seconds=30):
	end = time.monotonic() + seconds
	while not (found := check()) and time.monotonic() < end:
		time.sleep(0.5)
	assert found
	return found


def test_links_are_counted_and_stay_counted(make_agent):
	alice, bob = make_agent(), make_agent("bob")

	def now(name):
		return next((s["value"] for s in bob.call("GET", "/v1/stats").json["items"] if s["name"] == name), 0)

	at = alice.call("GET", "/v1/node").json["listen"][0]["address"]
	bob.call("POST", "/v1/peers", {"name": "alice", "addresses": [at]})
	until(lambda: now("sessions") == 1)
	rx = now("rx_bytes")
	assert rx > 100 and now("tx_bytes") > 100
	alice.stop()
	until(lambda: now("sessions") == 0)
	assert now("rx_bytes") >= rx


# ---- metrics ----


def parse(text):
	"""Text format 0.0.4 -> types by name, values by series; every rule of the format that matters to us."""
	helped, types, values, current = set(), {}, {}, None
	for line in text.splitlines():
		if line.startswith("# HELP "):
			current = line.split()[2]
			assert current not in helped
			helped.add(current)
		elif line.startswith("# TYPE "):
			assert line.split()[2] == current
			types[current] = line.split()[3]
		else:
			m = re.fullmatch(r'([a-z_][a-z0-9_]*)(\{[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*\})? (\S+)', line)
			assert m, line
			family = re.sub(r"_(bucket|sum|count)$", "", m[1]) if types[current] == "histogram" else m[1]
			assert family == current and m[1] + (m[2] or "") not in values, line
			values[m[1] + (m[2] or "")] = float(m[3])
	assert helped == set(types)
	return types, values


def metrics(agent):
	return parse(agent.call("GET", "/v1/metrics").body.decode())


def test_requests_are_counted_by_operation_and_class(make_agent):
	agent = make_agent()
	for _ in range(3):
		agent.call("GET", "/v1/version")
	agent.call("GET", "/v1/services/name:none")
	agent.raw("GET", "/nowhere/at-all")
	agent.call("GET", "/v1/logs?since=99999&wait=100ms")
	_, values = metrics(agent)
	name = "vx6_api_requests_total"
	assert values[name + '{operation="version_get",status="2xx"}'] == 3
	assert values[name + '{operation="service_get",status="4xx"}'] == 1
	assert values[name + '{operation="unknown",status="4xx"}'] == 1
	assert not any("nowhere" in s for s in values)
	timed = "vx6_api_request_duration_seconds"
	assert values[timed + '_count{operation="version_get"}'] == 3
	assert 0 < values[timed + '_sum{operation="version_get"}'] < 3
	buckets = [v for s, v in values.items() if s.startswith(timed + '_bucket{operation="version_get"')]
	assert buckets == sorted(buckets) and buckets[-1] == 3
	assert not any("log_list" in s for s in values if s.startswith(timed))  # who waits is not slow


def test_numbers_of_the_process(looked):
	types, values = metrics(looked)
	assert types["process_cpu_seconds_total"] == "counter" and values["process_cpu_seconds_total"] > 0
	assert abs(values["process_start_time_seconds"] - time.time()) < 600
	assert values["process_resident_memory_bytes"] > 1e6
	assert values["vx6_sessions"] == 0 and {'vx6_link_bytes_total{direction="rx"}', 'vx6_link_bytes_total{direction="tx"}'} <= set(values)


def test_openmetrics_when_asked_for(looked):
	plain = looked.call("GET", "/v1/metrics", headers={"Accept": "*/*"})
	assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
	answer = looked.call("GET", "/v1/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
	assert answer.headers["Content-Type"] == OPEN
	text = answer.body.decode()
	assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1
	types, families = {}, []
	for line in text.splitlines()[:-1]:
		if line.startswith("# TYPE "):
			_, _, name, kind = line.split()
			assert name not in types and not (kind == "counter" and name.endswith("_total"))
			types[name] = kind
			families.append(name)
		elif not line.startswith("#"):
			name = re.match(r"[a-z0-9_]+", line)[0]
			kind = types[families[-1]]
			wanted = {"counter": {families[-1] + "_total"}, "histogram": {families[-1] + s for s in ("_bucket", "_sum", "_count")}}
			assert name in wanted.get(kind, {families[-1]}), line
	assert types["vx6_api_requests"] == "counter" and types["vx6_relay_circuits_total"] == "unknown"


# ---- dashboard and rules ----

OBSERVABILITY = ROOT / "docs" / "observability"
NAME = re.compile(r"\b((?:vx6|process)_[a-z0-9_]+)\b")


def expressions():
	board = json.loads((OBSERVABILITY / "grafana-vx6.json").read_text())
	for panel in board["panels"]:
		for target in panel.get("targets", []):
			yield f"panel {panel['title']}", target["expr"]
	for line in (OBSERVABILITY / "vx6.rules.yml").read_text().splitlines():
		if m := re.match(r"\s+expr: (.*)", line):
			yield "rules", m[1]


def test_dashboard_and_rules_name_metrics_that_there_are(looked):
	types, _ = metrics(looked)
	known = set(types)
	known |= {n + s for n, kind in types.items() if kind == "histogram" for s in ("_bucket", "_sum", "_count")}
	found = list(expressions())
	assert len(found) >= 15 and "rules" in {where for where, _ in found}
	for where, expr in found:
		names = set(NAME.findall(expr))
		assert names <= known, f"{where}: {names - known}"


def test_every_metric_is_in_the_reference(looked):
	types, _ = metrics(looked)
	page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
	assert dict(re.findall(r"^\| `([a-z0-9_]+)` \| (\w+) \|", page, re.M)) == types


def promtool():
	return os.environ.get("VX6_PROMTOOL") or shutil.which("promtool")


@pytest.mark.skipif(not promtool(), reason="the package prometheus is not installed")
def test_promtool_agrees(looked):
	done = subprocess.run([promtool(), "check", "rules", OBSERVABILITY / "vx6.rules.yml"], capture_output=True, text=True)
	assert done.returncode == 0, done.stdout + done.stderr
	done = subprocess.run([promtool(), "check", "metrics"], input=looked.call("GET", "/v1/metrics").body, capture_output=True)
	assert done.returncode == 0, done.stdout + done.stderr
