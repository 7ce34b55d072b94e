"""`./dev run` from outside: the page comes through, and nothing stays behind."""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo" / "two-agents.sh"


def children_of_group(group):
    """Pids of the processes that are still in the process group."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def wait_gone(group, seconds=10):
    end = time.monotonic() + seconds
    while children_of_group(group):
        assert time.monotonic() < end, f"still running: {children_of_group(group)}"
        time.sleep(0.05)


@pytest.fixture
def scratch(tmp_path):
    return {**os.environ, "TMPDIR": str(tmp_path)}, tmp_path


def test_once__fetches_the_page_and_leaves_nothing(scratch):
    env, tmp = scratch
    run = subprocess.Popen([DEMO, "--once"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           start_new_session=True)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert "The page came through" in output
    assert "Hello from alice" in output
    wait_gone(run.pid)
    assert list(tmp.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted__stops_everything(scratch, how):
    env, tmp = scratch
    # what was started in the background ignores SIGINT, and hands that down: a terminal would not
    run = subprocess.Popen([DEMO], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    seen = ""
    try:
        for line in run.stdout:
            seen += line
            if "until Ctrl-C" in line:
                break
        port = re.search(r"http://127\.0\.0\.1:(\d+)/ +bob's local port", seen)
        assert port, seen
        page = subprocess.run(["curl", "-fsS", f"http://127.0.0.1:{port[1]}/"], capture_output=True, text=True, timeout=10)
        assert "Hello from alice" in page.stdout
    finally:
        # as a terminal does: to the whole group for Ctrl-C
        if how == signal.SIGINT:
            os.killpg(run.pid, how)
        else:
            os.kill(run.pid, how)
    seen += run.communicate(timeout=30)[0]
    assert "Stopped." in seen
    wait_gone(run.pid)
    assert list(tmp.iterdir()) == []


def test_no_program__says_what_to_do(scratch):
    env, tmp = scratch
    run = subprocess.run([DEMO], env={**env, "VX6_BIN": str(tmp / "none")}, capture_output=True, text=True, timeout=10)
    assert run.returncode == 1
    assert "./dev build" in run.stderr
    assert list(tmp.iterdir()) == []
