#!/usr/bin/env python3
"""Hidden services measured beside Tor's: ./dev bench hidden

A private Tor network (three authorities, nine relays, an onion service, a client) and VX6's of as many nodes, on the same hosts, for the same
program behind the service. Tor meets over 3+3 relays, the rendezvous among them; VX6 over 3+X+3 (standard), one more, and 3+X+2, as many: a fast
service, whose visitor keeps three of its own. Goals are for that one.

  first      on one loopback: how long a look-up of the descriptor takes (resolve); the first byte of a connection that needs a rendezvous, its
             descriptor known (meet) and unknown (cold), and over one that there is (live)
  far        the same with 25 ms a link, beside the floor: the links that have to be crossed one after the other
  bulk       one stream and eight, on one loopback, and CPU-seconds of all nodes together for a GB
  kills      a transfer while each relay of its path is killed: how long it pauses, or, where it ends, how long until another one begins

Every round takes all of them in turn. Tor is given quick acknowledgements and the Vanilla scheduler, without which it is many times slower here.
Writes build/bench/hidden.json and prints a table. `--check` makes a missed goal a failure.
"""
import argparse
import contextlib
import pathlib
import socket
import statistics
import sys
import threading
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "net"))
from direct import machine, main, say  # noqa: E402
from hiddennet import PREBUILT_S, PROFILES, Tor, Vx6, Vx6Net, Watched, hosts_of  # noqa: E402
from lab import Lab, wait_for  # noqa: E402

LINK_MS = 25
PARTS = ("first", "far", "bulk", "kills")
SUBJECTS = ("tor", "tcp", "quic")
CATEGORIES = ("resolve", "meet", "cold", "live")
CALM_S = 8      # that a transfer is watched for after a kill
TRY_S = 10      # after which a client tries anew
AGAIN_S = 90    # that is waited for a connection after that
WARM_S = 1      # of a bulk run that are not counted


def spread(values):
    """What of so many values lies where; of all that are asked for, with how many there are."""
    if len(values) < 2:
        return {"n": len(values), "p5": values[0] if values else None, "p50": values[0] if values else None, "p95": values[0] if values else None}
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return {"n": len(values), "p5": round(cuts[0], 3), "p50": round(statistics.median(values), 3), "p95": round(cuts[-1], 3)}


# ---- first bytes ----

def measure_first(subjects, options, link_ms):
    samples = {s.name: {c: [] for c in CATEGORIES} for s in subjects}
    for turn in range(options.rounds):
        for category in CATEGORIES:
            for s in subjects:
                for _ in range(options.lives if category == "live" else 1):
                    ms = getattr(s, category)()
                    if ms is not None:
                        samples[s.name][category].append(round(ms, 2))
        for s in subjects:
            last = ", ".join(f"{c} {v[-1]:.1f}" for c, v in samples[s.name].items() if v)
            say(f"  {link_ms:2} ms a link {turn + 1}/{options.rounds} {s.name:14} {last} ms")
    return {s.name: {"relays": s.relays, **{c: {**spread(v), "floor": s.links.of(c) * link_ms, "ms": v} for c, v in samples[s.name].items() if v}}
            for s in subjects}


# ---- how much, and at what cost ----

def receive(subject, counts, n, over):
    with subject.connect(b"R" + (1 << 50).to_bytes(8, "big")) as s:
        room = bytearray(1 << 20)
        while not over.is_set():
            got = s.recv_into(room, len(room), socket.MSG_TRUNC)
            if not got:
                return
            counts[n] += got


def bulk(subject, streams, seconds):
    counts, over = [0] * streams, threading.Event()
    threads = [threading.Thread(target=receive, args=(subject, counts, n, over), daemon=True) for n in range(streams)]
    for t in threads:
        t.start()
    wait_for(lambda: all(counts), 30, f"{streams} streams of {subject.name}")
    time.sleep(WARM_S)
    began, cpu, before = time.monotonic(), subject.cpu(), sum(counts)
    time.sleep(seconds)
    took, used, got = time.monotonic() - began, subject.cpu() - cpu, sum(counts) - before
    over.set()
    for t in threads:
        t.join(20)
    return {"mb_s": round(got / took / 1e6, 2), "cpu_s_per_gb": round(used / (got / 1e9), 2), "cores": round(used / took, 2)}


def measure_bulk(subjects, options):
    samples = {s.name: {"x1": [], "x8": []} for s in subjects}
    for turn in range(options.repeat):
        for s in subjects:
            for streams in (1, 8):
                row = bulk(s, streams, options.seconds)
                samples[s.name][f"x{streams}"].append(row)
                say(f"  bulk {turn + 1}/{options.repeat} {s.name:14} {streams} streams {row['mb_s']:7.1f} MB/s {row['cpu_s_per_gb']:6.1f} CPU-s/GB")
                time.sleep(1)
    return {name: {n: {k: spread([r[k] for r in rows]) for k in ("mb_s", "cpu_s_per_gb")} for n, rows in of.items()} for name, of in samples.items()}


# ---- relays that die ----

def again_s(subject, moment):
    """From a moment to the first byte of a new connection; None: there was none for long."""
    while time.monotonic() < moment + AGAIN_S:
        with contextlib.suppress(OSError, AssertionError):
            subject.again(TRY_S)
            return round(time.monotonic() - moment, 3)
        time.sleep(0.05)
    return None


def kill_one(subject, n):
    """The n-th relay of the path in use dies. What became of the transfer, and of a new one."""
    subject.recover()
    subject.renew()
    watched = Watched(subject)
    time.sleep(PREBUILT_S)
    role, node = subject.path()[n]
    moment = time.monotonic()
    subject.kill(node)
    pause = watched.pause_s(moment, CALM_S)
    row = {"role": role, "node": node, "lived": pause is not None, "pause_s": round(pause, 3) if pause is not None else None}
    if pause is None:
        row |= {"ended_s": round(watched.error[0] - moment, 3), "again_s": again_s(subject, moment)}
    row["whole"] = watched.close()
    subject.revive(node)
    return row


def measure_kills(subjects, options):
    found = {s.name: [] for s in subjects}
    for turn in range(options.kills):
        for s in subjects:
            for n in range(s.relays):
                row = kill_one(s, n)
                found[s.name].append(row)
                fate = f"a pause of {row['pause_s']:.2f} s" if row["lived"] else f"ended after {row['ended_s']:.2f} s, again after {row['again_s']} s"
                say(f"  kill {turn + 1}/{options.kills} {s.name:14} {row['role']:3} {fate}")
    return {name: {"kills": len(rows), "lived": sum(r["lived"] and r["whole"] for r in rows),
                   "pause_s": spread([r["pause_s"] for r in rows if r["lived"]]),
                   "again_s": spread([r["again_s"] for r in rows if not r["lived"] and r["again_s"] is not None]),
                   "never": sum(not r["lived"] and r["again_s"] is None for r in rows), "rows": rows} for name, rows in found.items()}


# ---- what is said of it ----

def goals(result):
    found = []

    def add(what, value, bound, sense="max"):
        found.append({"goal": what, "value": value, "bound": bound, "sense": sense, "pass": value <= bound if sense == "max" else value >= bound})

    def ratio(what, ours, theirs, bound, sense="max"):
        if ours and theirs:
            add(f"{what}, of Tor's", round(ours["p50"] / theirs["p50"], 3), bound, sense)

    def as_many(rows):
        """Those that go over as many relays as Tor."""
        return [n for n in rows if n.endswith(" fast") and "tor" in rows]

    for part, bounds in (("first", {"meet": 1.0, "cold": 1.0, "live": 0.7}), ("far", {"meet": 0.6, "cold": 0.6})):
        rows = result.get(part, {})
        for name in as_many(rows):
            for category, bound in bounds.items():
                ratio(f"{name}: {category}{f' with {LINK_MS} ms a link' if part == 'far' else ''}", rows[name].get(category), rows["tor"].get(category), bound)
    rows = result.get("bulk", {})
    for name in as_many(rows):
        ratio(f"{name}: MB/s of one stream", rows[name]["x1"]["mb_s"], rows["tor"]["x1"]["mb_s"], 3.0, "min")
        ratio(f"{name}: CPU-seconds a GB", rows[name]["x1"]["cpu_s_per_gb"], rows["tor"]["x1"]["cpu_s_per_gb"], 0.25)
    for name, row in result.get("kills", {}).items():
        if name != "tor":
            add(f"{name}: transfers that lived through the death of a relay", row["lived"] / row["kills"], 1.0, "min")
            add(f"{name}: pause, p50 s", row["pause_s"]["p50"], 1.5)
            add(f"{name}: pause, p95 s", row["pause_s"]["p95"], 3.0)
    return found


def cells(values, form):
    form = ".0f" if (values.get("p50") or 0) >= 100 else form
    return "/".join("-" if values.get(k) is None else format(values[k], form) for k in ("p5", "p50", "p95"))


def first_lines(rows, title):
    yield f"{title + ', ms: p5/p50/p95':32}" + "".join(f"{c + '  (floor)':>28}" for c in CATEGORIES)
    for name, row in rows.items():
        yield f"  {name:14} over {row['relays']} relays  " + "".join(
            f"{cells(row[c], '.1f') + ' ' + format('(' + format(row[c]['floor'], 'g') + ')', '>6'):>28}" if c in row else f"{'-':>28}" for c in CATEGORIES)


def bulk_lines(rows):
    yield "one loopback, p5/p50/p95           MB/s            CPU-s/GB, all nodes     8 streams: the same"
    for name, of in rows.items():
        yield f"  {name:14}" + "".join(f"{cells(of[n]['mb_s'], '.1f'):>24}{cells(of[n]['cpu_s_per_gb'], '.1f'):>24}" for n in ("x1", "x8"))


def kill_lines(rows):
    yield "a relay of the path dies      lived    pause, s: p5/p50/p95    again, s: p5/p50/p95   never"
    for name, row in rows.items():
        yield f"  {name:14} {row['lived']:10} of {row['kills']:2} {cells(row['pause_s'], '.2f'):>23} {cells(row['again_s'], '.2f'):>23} {row['never']:7}"


def table(result):
    lines = []
    for part, make in (("first", lambda r: first_lines(r, "one loopback")), ("far", lambda r: first_lines(r, f"{LINK_MS} ms a link")),
                       ("bulk", bulk_lines), ("kills", kill_lines)):
        if part in result:
            lines += [*make(result[part]), ""]
    for where, setups in result["setup_s"].items():
        lines += [f"{where}: {name} set up, s: {', '.join(f'{k} {v}' for k, v in at.items())}" for name, at in setups.items()]
    for g in result["goals"]:
        lines.append(f"{'PASS' if g['pass'] else 'MISS'}  {g['goal']:62} {g['value']!s:>7}   at {'most' if g['sense'] == 'max' else 'least'} {g['bound']:g}")
    lines += [f"left out: {name}: {why}" for name, why in result["absent"].items()]
    return "\n".join(lines)


# ---- running ----

def parse(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--quick", action="store_true", help="one short repeat")
    p.add_argument("--rounds", type=int, default=12, help="of first bytes")
    p.add_argument("--repeat", type=int, default=5, help="rounds of bulk")
    p.add_argument("--seconds", type=float, default=4, help="of each bulk run")
    p.add_argument("--kills", type=int, default=3, help="of each relay of a path")
    p.add_argument("--only", default=",".join(PARTS), help=f"parts: {','.join(PARTS)}")
    p.add_argument("--subjects", default=",".join(SUBJECTS), help="tor, and VX6 over tcp and quic")
    p.add_argument("--out", default=str(ROOT / "build" / "bench" / "hidden.json"))
    p.add_argument("--check", action="store_true", help="fail when a goal is missed")
    options = p.parse_args(argv)
    options.only = [part for part in PARTS if part in options.only.split(",")]
    options.subjects = [s for s in SUBJECTS if s in options.subjects.split(",")]
    options.lives = 10
    if options.quick:
        options.rounds, options.repeat, options.seconds, options.kills = 3, 1, 2, 1
    return options


def start(lab, options, line_ms, result):
    """(subjects, what is to be stopped) on hosts of their own. What cannot be had here is left out and named."""
    hosts, subjects, nets, setups = hosts_of(lab, line_ms), [], [], {}
    if "tor" in options.subjects:
        try:
            subjects.append(Tor(lab, hosts))
            nets.append(subjects[-1])
            setups["Tor"] = subjects[-1].setup_s
        except Exception as why:  # not installed, or it cannot start here
            result["absent"]["tor"] = str(why).splitlines()[0]
    for transport in (t for t in options.subjects if t != "tor"):
        net = Vx6Net(lab, hosts, transport)
        nets.append(net)
        try:
            net.start()
        except FileNotFoundError as why:
            result["absent"][transport] = str(why).splitlines()[0]
            nets.pop().stop()
            continue
        subjects += [Vx6(net, profile) for profile in PROFILES]
        setups[f"VX6 over {transport}"] = net.setup_s
    result["setup_s"]["loopback" if not line_ms else f"{LINK_MS} ms a link"] = setups
    return subjects, nets


def run(options):
    result = {"machine": machine(), "options": vars(options), "absent": {}, "setup_s": {}}
    with Lab() as lab:
        if {"first", "bulk", "kills"} & set(options.only):
            subjects, nets = start(lab, options, 0, result)
            if "first" in options.only:
                result["first"] = measure_first(subjects, options, 0)
            if "bulk" in options.only:
                result["bulk"] = measure_bulk(subjects, options)
            if "kills" in options.only:
                result["kills"] = measure_kills(subjects, options)
            for net in nets:
                net.stop()
        if "far" in options.only:
            subjects, nets = start(lab, options, LINK_MS / 2, result)
            result["far"] = measure_first(subjects, options, LINK_MS)
            for net in nets:
                net.stop()
    result["goals"] = goals(result)
    return result


if __name__ == "__main__":
    sys.exit(main(parse, run, table))
