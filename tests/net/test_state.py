"""What was acknowledged is kept; what cannot be kept is not acknowledged; what cannot be read is left alone."""
import contextlib
import hashlib
import http.client
import os
import random
import sqlite3
import subprocess
import threading
import time

import pytest

from lab import FULL, wait_for
from overlay import ApiError

KB = 1024


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refuses_to_start(agent, *words, seconds=8):
    """The agent ends by itself, with an error that says one of the words. Returns what it said."""
    agent.spawn()
    status = agent.proc.popen.wait(seconds)
    text = agent.log()
    assert status not in (0, None) and status > 0, f"ended with {status}"
    assert any(w in text.lower() for w in words), text
    return text


@pytest.mark.limit(90)
def test_what_was_acknowledged_survives_kill_9(agents, pair):
    """Writers at full speed, killed at a random moment, again and again."""
    alice = agents.make(pair.alice, "alice")
    kept, gone, unsure, lock = {}, set(), set(), threading.Lock()
    for turn in range(60 if FULL else 6):
        alice.start()
        stop = threading.Event()

        def write(worker):
            for n in range(10000):
                if stop.is_set():
                    return
                name, port = f"s{turn}-{worker}-{n}", 1000 + n % 60000
                try:
                    with lock:
                        unsure.add(name)
                    made = alice.add_service(name, f"127.0.0.1:{port}")
                    with lock:
                        kept[name] = (made["id"], f"127.0.0.1:{port}")
                        unsure.discard(name)
                    if n % 3 == 1:
                        with lock:
                            unsure.add(name)
                            kept.pop(name)
                        alice.api.call("DELETE", f"/v1/services/{made['id']}")
                        with lock:
                            unsure.discard(name)
                            gone.add(name)
                    elif n % 3 == 2:
                        with lock:
                            unsure.add(name)
                            kept.pop(name)
                        alice.api.call("PATCH", f"/v1/services/{made['id']}", {"target": "127.0.0.1:1"})
                        with lock:
                            unsure.discard(name)
                            kept[name] = (made["id"], "127.0.0.1:1")
                except (OSError, http.client.HTTPException, ValueError):
                    return

        writers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
        for w in writers:
            w.start()
        time.sleep(0.2 + random.random() * 0.5)
        alice.proc.kill()
        stop.set()
        for w in writers:
            w.join()
    alice.start()
    found, cursor = {}, ""
    while cursor is not None:
        page = alice.api.get("/v1/services?limit=500" + (f"&cursor={cursor}" if cursor else ""))
        found.update({s["name"]: (s["id"], s["target"]) for s in page["items"]})
        cursor = page["next_cursor"]
    assert len(kept) > 20, f"only {len(kept)} writes were acknowledged"
    assert {k: v for k, v in kept.items() if found.get(k) != v} == {}
    assert gone & set(found) == set()
    assert set(found) <= set(kept) | unsure
    created = {e["subject"]["id"] for e in _all_events(alice, "service.created")}
    assert {v[0] for v in kept.values()} <= created, "a change without its event"
    print(f"{len(kept)} kept, {len(gone)} deleted, {len(unsure)} not acknowledged")


def _all_events(agent, kind):
    since, found = 0, []
    while page := agent.api.get(f"/v1/events?since={since}&wait=0s&limit=500")["items"]:
        found += [e for e in page if e["type"] == kind]
        since = page[-1]["seq"]
    return found


@pytest.fixture
def small_disk(lab):
    """A file system of 4 MB."""
    path = lab.dir / f"disk{time.monotonic_ns()}"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    with open(path / "ballast", "ab", buffering=0) as f:
        for block in (64 * KB, 4 * KB, 1):
            with contextlib.suppress(OSError):
                while True:
                    f.write(b"x" * block)


def test_full_disk_is_said_and_loses_nothing(small_disk, agents, pair):
    alice = agents.make(pair.alice, "alice", state=small_disk / "state").start()
    kept = []
    for n in range(10):
        alice.add_service(f"early{n}", "127.0.0.1:80")
        kept.append(f"early{n}")
    fill(small_disk)
    refusal = None
    for n in range(400):
        try:
            alice.add_service(f"late{n}", "127.0.0.1:80")
            kept.append(f"late{n}")
        except ApiError as e:
            refusal = e
            break
    assert refusal is not None and refusal.status == 507 and refusal.code == "storage_full", refusal
    assert alice.alive(), "the agent goes on without its disk"
    alice.proc.kill()
    (small_disk / "ballast").unlink()
    alice.start()
    assert {s["name"] for s in alice.api.items("/v1/services")} == set(kept)

    fill(small_disk)
    with pytest.raises(ApiError):
        for n in range(400):
            alice.add_service(f"later{n}", "127.0.0.1:80")
            kept.append(f"later{n}")
    (small_disk / "ballast").unlink()
    alice.add_service("again", "127.0.0.1:80")  # room again, no restart needed
    alice.restart()
    assert {s["name"] for s in alice.api.items("/v1/services")} == {*kept, "again"}


def test_first_start_on_a_full_disk(small_disk, agents, pair):
    fill(small_disk)
    refuses_to_start(agents.make(pair.alice, "alice", state=small_disk / "state"), "no space", "full", "storage", "disk")


@pytest.fixture
def stopped(agents, pair):
    """An agent with state, stopped in good order."""
    alice = agents.make(pair.alice, "alice").start()
    for n in range(50):
        alice.add_service(f"s{n}", "127.0.0.1:80")
    assert alice.stop() == 0
    return alice


def scramble(data):
    return os.urandom(200) + data[200:]


@pytest.mark.parametrize("damage", [
    pytest.param(scramble, id="header"),
    pytest.param(lambda d: d[:len(d) // 2], id="cut in half"),
    pytest.param(lambda d: b"this is not a database\n" * 300, id="text"),
    pytest.param(lambda d: d[:4096] + os.urandom(len(d) - 4096), id="pages"),
])
def test_corrupt_database_is_refused_and_never_overwritten(stopped, damage):
    db = stopped.state / "state.db"
    for extra in ("-wal", "-shm"):
        (stopped.state / f"state.db{extra}").unlink(missing_ok=True)
    db.write_bytes(damage(db.read_bytes()))
    before = digest(db)
    text = refuses_to_start(stopped, "corrupt", "not a database", "malformed", "damaged")
    assert "state.db" in text, text
    assert digest(db) == before


def test_newer_database_is_refused_and_never_overwritten(stopped):
    db = stopped.state / "state.db"
    with contextlib.closing(sqlite3.connect(db)) as con:
        con.execute("pragma user_version = 9999")
        con.execute("pragma wal_checkpoint(truncate)")
        con.commit()
    before = digest(db)
    text = refuses_to_start(stopped, "newer")
    assert "state.db" in text or "database" in text, text
    assert digest(db) == before
    with contextlib.closing(sqlite3.connect(db)) as con:
        con.execute("select count(*) from services").fetchone()
        con.execute("pragma user_version = 1")


def test_second_agent_on_the_same_state_is_refused(agents, pair):
    alice = agents.make(pair.alice, "alice").start()
    second = agents.make(pair.alice, "alice", listen="[::]:4243", state=alice.state)
    refuses_to_start(second, "in use", "lock", "running", "another")
    assert alice.alive()
    alice.add_service("still", "127.0.0.1:80")


def test_loose_key_permissions_are_refused(stopped):
    keys = [p for p in (stopped.state / "identity").iterdir() if p.is_file()]
    assert keys and all(p.stat().st_mode & 0o777 == 0o600 for p in keys if "pub" not in p.name), [oct(p.stat().st_mode) for p in keys]
    for key in keys:
        key.chmod(0o644)
    refuses_to_start(stopped, "permission", "mode", "0600", "readable")
    for key in keys:
        key.chmod(0o600)
    stopped.start()


def test_identity_and_objects_survive_a_restart(stopped):
    stopped.start()
    ident = stopped.node_id()
    services = stopped.api.items("/v1/services")
    assert len(services) == 50
    stopped.restart(kill=True)
    assert stopped.node_id() == ident
    after = stopped.api.items("/v1/services")
    assert [(s["id"], s["name"], s["generation"]) for s in after] == [(s["id"], s["name"], s["generation"]) for s in services]


def test_log_never_holds_a_secret(stopped):
    stopped.start()
    token = (stopped.state / "admin.token").read_text().strip()
    assert (stopped.state / "admin.token").stat().st_mode & 0o777 == 0o600
    wait_for(stopped.alive, 3, "the agent")
    assert token and token not in stopped.log()


@pytest.mark.parametrize("damage", [
    pytest.param(scramble, id="header"),
    pytest.param(lambda d: d[:len(d) // 2], id="cut in half"),
    pytest.param(lambda d: d[:4096] + bytes(b ^ 4 for b in d[4096:]), id="every row"),
])
def test_damaged_registry_is_set_aside_and_the_agent_goes_on(agents, pair, damage):
    alice = agents.make(pair.alice, "alice").start()
    bob = agents.make(pair.bob, "bob", peers=[alice.address]).start()
    bob.wait_peers()
    ident = bob.node_id()
    wait_for(lambda: alice.api.items(f"/v1/registry/nodes?q={ident}"), 5, "bob to be known")
    time.sleep(1.5)  # written within a second
    alice.proc.kill()
    bob.proc.kill()
    alice.start()
    assert alice.api.items(f"/v1/registry/nodes?q={ident}"), "known from before the kill"
    alice.proc.kill()
    db = alice.state / "registry.db"
    with contextlib.closing(sqlite3.connect(db)) as con:
        con.execute("pragma wal_checkpoint(truncate)")
    db.write_bytes(damage(db.read_bytes()))
    alice.start()
    assert alice.events("registry.damaged")
    bob.start().wait_peers()
    wait_for(lambda: alice.api.items(f"/v1/registry/nodes?q={ident}"), 5, "bob to be known again")
