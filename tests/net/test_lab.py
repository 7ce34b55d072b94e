"""The laboratory cleans up after itself, and after dead runs."""
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import lab as lab_module
import programs
from lab import NETNS_DIR, RUN_DIR, Lab, start_time, wait_for


def test_a_lan_joins_hosts_over_both_families():
    with Lab() as lab:
        hosts = [lab.host(n) for n in "abc"]
        lab.lan(*hosts)
        for family, address in ((socket.AF_INET6, hosts[2].ip6), (socket.AF_INET, hosts[2].ip4)):
            with hosts[2].enter():
                server = socket.create_server((address, 9000), family=family)
            for host in hosts[:2]:
                with host.enter():
                    socket.create_connection((address, 9000), timeout=3).close()
            server.close()


def test_nothing_is_left_behind():
    with Lab() as lab:
        a, b = lab.host("a"), lab.host("b")
        lab.wan(a, b)
        proc = lab.spawn(a, ["sleep", "1000"])
        stubborn = lab.spawn(a, ["sh", "-c", "trap '' TERM; setsid sleep 1000 & while :; do sleep 1; done"])
        names, pids, directory = [a.netns, b.netns], [proc.pid, stubborn.pid], lab.dir
        assert all((NETNS_DIR / n).exists() for n in names)
    assert not any((NETNS_DIR / n).exists() for n in names)
    assert all(start_time(p) is None for p in pids)
    assert not directory.exists()


CRASHING_RUN = """
import sys, time; sys.path.insert(0, {here!r})
from lab import Lab
lab = Lab()
a, b = lab.host("a"), lab.host("b")
lab.wan(a, b)
lab.spawn(a, ["setsid", "--fork", "sleep", "1000"]).popen.wait()
print(lab.prefix, flush=True)
time.sleep(60)
"""


def test_leftovers_of_a_killed_run_are_removed():
    here = os.path.dirname(lab_module.__file__)
    run = subprocess.Popen([sys.executable, "-c", CRASHING_RUN.format(here=here)], stdout=subprocess.PIPE, text=True)
    prefix = run.stdout.readline().strip()
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert (NETNS_DIR / f"{prefix}-a").exists()
    inhabitants = subprocess.run(["ip", "netns", "pids", f"{prefix}-a"], capture_output=True, text=True).stdout.split()
    assert inhabitants, "the orphan should still be there"
    with Lab() as lab:
        assert not (NETNS_DIR / f"{prefix}-a").exists() and not (RUN_DIR / prefix).exists()
        wait_for(lambda: all(start_time(int(p)) is None for p in inhabitants), 3, "the orphan to go")
        other = lab.dir
        time.sleep(0.1)
        with Lab() as second:  # a live lab is never taken for a leftover
            assert other.exists() and second.dir.exists()


def test_the_programs_answer_on_their_own_loopback(lab):
    """Without the overlay: what fails here is not VX6."""
    host = lab.host("solo")
    ssh, web, pg = programs.Ssh(lab, host), programs.Nginx(lab, host), programs.Postgres(lab, host)
    ws, load = programs.WebSocketServer(host), programs.load_server(lab, host)
    try:
        assert host.run(ssh.argv(programs.SSH_PORT, "echo $((6 * 7))")).stdout == "42\n"
        fetched = host.run([programs.need("curl"), "-sS", f"http://127.0.0.1:{programs.HTTP_PORT}/blob"], text=False).stdout
        assert hashlib.sha256(fetched).hexdigest() == web.blob_sha256
        host.run([pg.pgbench, "-h", "127.0.0.1", "-p", programs.PG_PORT, "-U", "vx6", "-i", "-q", "postgres"])
        with host.enter():
            conn = socket.create_connection(("127.0.0.1", programs.WS_PORT))
        with programs.ws_connect(conn):
            assert programs.ws_read(conn) == b"tick 0"
        for what in (["ttfb", "50"], ["send", "2", "0.2"], ["recv", "2", "0.2"], ["churn", "500"], ["hold", "100"]):
            out = host.run([lab_module.tool("vx6-load"), what[0], "127.0.0.1", programs.LOAD_PORT, *what[1:]], stdin=subprocess.DEVNULL)
            assert json.loads(out.stdout)["failed"] == 0, out.stdout
        wait_for(lambda: load.fds() < 20, 5, lambda: f"descriptors to close: {load.fds()}")
        assert load.rss() > 0 and load.cpu_seconds() > 0
    finally:
        ws.close()
