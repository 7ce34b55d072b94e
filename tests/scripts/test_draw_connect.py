"""The picture of how a hidden service is met is drawn from a trace, and the one in the documents is that of the trace beside it."""
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "demo/draw-connect.py"
TRACE = ROOT / "docs/images/hidden-connect.json"
SVG = "{http://www.w3.org/2000/svg}"


def draw(path):
    return subprocess.run([sys.executable, SCRIPT, "draw", path], capture_output=True, text=True, check=True, timeout=20).stdout


def parts(svg, kind):
    return list(xml.etree.ElementTree.fromstring(svg).iter(SVG + kind))


def texts(svg):
    return [t.text for t in parts(svg, "text")]


def test_the_picture_in_the_documents_is_that_of_its_trace():
    assert (TRACE.with_suffix(".svg")).read_text() == draw(TRACE), "demo/draw-connect.py draw docs/images/hidden-connect.json > docs/images/hidden-connect.svg"


def test_every_step_is_an_arrow_with_its_time_in_order():
    trace, svg = json.loads(TRACE.read_text()), draw(TRACE)
    times = [int(t[:-3]) for t in texts(svg) if t.endswith(" ms")]
    assert times == sorted(times) and {s["at_ms"] for s in trace["steps"]} <= set(times)
    arrows = [line for line in parts(svg, "line") if line.get("marker-end")]
    # what the owner adds: that it was introduced, went to X, and has a session
    assert len(arrows) == len(trace["steps"]) + 3 == len(times)
    for name in ("client", "owner", "DHT", *trace["there"], trace["meeting"], *trace["back"]):
        assert name in texts(svg), name
    last = arrows[-1]
    through = [c for c in parts(svg, "circle") if c.get("cy") == last.get("y1")]
    assert len(through) == len(trace["there"]) + 1 + len(trace["back"]), "the session leads through all relays"


def test_names_are_text(tmp_path):
    trace = json.loads(TRACE.read_text())
    trace["there"][0] = '<script x="&">'
    (tmp_path / "trace.json").write_text(json.dumps(trace))
    svg = draw(tmp_path / "trace.json")
    assert '<script x="&">' in texts(svg) and "<script" not in svg


def test_a_trace_that_led_nowhere_has_the_steps_it_has(tmp_path):
    trace = json.loads(TRACE.read_text())
    trace["steps"] = [s for s in trace["steps"] if s["step"] != "met"]
    (tmp_path / "trace.json").write_text(json.dumps(trace))
    assert len([t for t in texts(draw(tmp_path / "trace.json")) if t.endswith(" ms")]) == len(trace["steps"]) + 3


def test_a_trace_says_nothing_that_admits_anybody():
    said = TRACE.read_text()
    assert "vxs1" not in said and "vxh1" not in said


@pytest.mark.parametrize("argv", [[], ["draw"], ["read", "a"], ["sing"]])
def test_it_says_how_it_is_used(argv):
    done = subprocess.run([sys.executable, SCRIPT, *argv], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "draw-connect.py read GUEST_SOCKET OWNER_SOCKET ALIAS" in done.stderr
