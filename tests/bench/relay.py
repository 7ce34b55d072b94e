#!/usr/bin/env python3
"""Circuits measured: ./dev bench relay

  build      circuits of 1, 2 and 3 relays, all links up, hop by hop ("telescoped") and in one pass, beside the floor: the links that have to be
             crossed one after the other, 2 + 4 + ... + 2n hop by hop and 2n in one pass, at the round trip of the emulated lines
  first      the first byte of an answer through 0 to 3 relays, in round trips of the whole path: over a circuit that is there (live), from the
             pool, and when a circuit has to be built (cold; links are up)
  bulk       one stream and eight through 0 to 3 relays, TCP and QUIC, everything on this machine and without delay; CPU-seconds that each relay
             used for a GB, from /proc, beside a pair of stunnels back to back, which pass on TLS to TLS on the same hosts in the same rounds
  far        one stream through 1 and 3 relays when the client's line has a round trip of 80 or 160 ms
  cipher     what a core does with cells, beside libsodium's AEADs and AES-GCM (vx6-cipher)

Writes build/bench/relay.json and prints a table. `--check` makes a missed goal a failure.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "net"))
from direct import machine, main, say  # noqa: E402
from lab import Lab, wait_for  # noqa: E402
from relaynet import DIRECT_PORT, HOPS, ROUTE_PORT, Cable, Lines, Stunnel, bulk, first_byte_ms, load  # noqa: E402

LINK_RTT_MS = 20
FAR_RTTS_MS = (80, 160)
PARTS = ("build", "first", "bulk", "far", "cipher")
POOL_PORT = ROUTE_PORT + 10


def median(values):
    return statistics.median(values) if values else None


def middle(rows, key):
    return median([r[key] for r in rows])


# ---- how long it takes ----

def build_floor_ms(hops, single_pass):
    return LINK_RTT_MS * (hops if single_pass else hops * (hops + 1) / 2)


def measure_build(net, options, transport):
    found = {}
    for hops in HOPS:
        for single_pass in (False, True):
            route, took = {"nodes": net.overlay.path(hops)}, []
            for _ in range(options.builds):
                c = net.build(route, single_pass)
                took.append(c["build_ms"])
                assert c["single_pass"] == (single_pass and hops > 1), c
                net.close(c)
            floor = build_floor_ms(hops, single_pass)
            found[f"{hops} {'one pass' if single_pass else 'telescoped'}"] = {
                "hops": hops, "single_pass": single_pass, "floor_ms": floor, "ms": took, "median_ms": round(median(took), 2),
                "ratio": round(median(took) / floor, 3)}
            say(f"  build {transport} {hops} relays {'in one pass' if single_pass else 'telescoped':11} {median(took):7.1f} ms, floor {floor:.0f}")
    return found


class First:
    """First bytes through so many relays, of new connections."""

    def __init__(self, net, hops):
        self.net, self.hops = net, hops

    def live(self):
        return first_byte_ms(self.net.bob, ROUTE_PORT + self.hops if self.hops else DIRECT_PORT)

    def cold(self):
        """The relays are named, so that none is taken from the pool."""
        self.net.leave()
        return self.live()

    def pool(self):
        self.net.leave()
        self.net.build({"hops": self.hops})
        took = first_byte_ms(self.net.bob, POOL_PORT + self.hops)
        return took if self.net.from_pool() else None


def measure_first(net, options, transport):
    found = {}
    for hops in (0, *HOPS):
        if hops:
            net.bob.add_forward(f"127.0.0.1:{POOL_PORT + hops}", to=f"{net.overlay.alice.name}.load", route={"via": "relay", "hops": hops})
        first, path_ms = First(net, hops), LINK_RTT_MS * (hops + 1)
        for kind in ("live", "pool", "cold") if hops else ("live",):
            first.live()
            took = [ms for ms in (getattr(first, kind)() for _ in range(options.firsts)) if ms is not None]
            if not took:
                raise RuntimeError(f"no first byte: {kind}, {hops} relays")
            found[f"{hops} {kind}"] = {"hops": hops, "kind": kind, "path_rtt_ms": path_ms, "ms": [round(ms, 2) for ms in took],
                                       "median_ms": round(median(took), 2), "path_rtts": round(median(took) / path_ms, 3)}
            say(f"  first byte {transport} {hops} relays {kind:5} {median(took):7.1f} ms, {median(took) / path_ms:.2f} round trips of the path")
    return found


# ---- how much, and at what cost ----

def measure_bulk(nets, stunnel, options):
    """Every round takes all of them in turn."""
    ways = [("stunnel", None, 1)] + [(transport, hops, 0) for transport in nets for hops in (0, *HOPS)]
    samples = {}
    for turn in range(options.repeat):
        for name, hops, _ in ways:
            for streams in (1, 8):
                if hops is None:
                    got = stunnel.bulk(streams, options.seconds)
                    relays = [sum(got["cpu_s_per_gb"])]
                else:
                    net = nets[name]
                    net.overlay.quiet()
                    got = bulk(net.bob.host, ROUTE_PORT + hops if hops else DIRECT_PORT, streams, options.seconds, net.procs(hops))
                    relays = got["cpu_s_per_gb"]
                sample = {"gbit_s": got["gbit_s"], "gb": got["gb"], "relays_cpu_s_per_gb": [round(c, 3) for c in relays]}
                if relays:
                    sample["cpu_s_per_gb"] = sum(relays) / len(relays)
                key = name if hops is None else f"{name} {hops}"
                samples.setdefault(f"{key} x{streams}", []).append(sample)
                cost = f"{sample['cpu_s_per_gb']:6.2f} CPU-s/GB a relay" if relays else ""
                say(f"  bulk {turn + 1}/{options.repeat} {key:10} {streams} streams {got['gbit_s']:7.3f} Gbit/s {cost}")
    return samples


def summed(samples):
    return {name: {"gbit_s": round(middle(rows, "gbit_s"), 4),
                   **({"cpu_s_per_gb": round(middle(rows, "cpu_s_per_gb"), 4)} if "cpu_s_per_gb" in rows[0] else {})}
            for name, rows in samples.items()}


def measure_far(nets, options):
    found = {}
    for transport, net in nets.items():
        for rtt in FAR_RTTS_MS:
            net.overlay.quiet()  # a stream whose client restarts is waited for by the other end
            net.slow_down(rtt)
            for hops in (0, 1, 3):
                port = ROUTE_PORT + hops if hops else DIRECT_PORT
                wait_for(lambda net=net, port=port: first_byte_ms(net.carol, port), 30, "the far client")
                rows = []
                for _ in range(options.far_repeat):
                    net.overlay.quiet()
                    rows.append(load(net.carol.host, port, "recv", 1, options.far_seconds))
                found[f"{transport} {hops} {rtt}"] = {"transport": transport, "hops": hops, "rtt_ms": rtt,
                                                      "mbit_s": round(1000 * median([r["gbit_s"] for r in rows]), 1),
                                                      "runs": [round(1000 * r["gbit_s"], 1) for r in rows]}
                say(f"  far {transport} {hops} relays {rtt:4} ms {found[f'{transport} {hops} {rtt}']['mbit_s']:8.1f} Mbit/s")
    return found


def measure_cipher(options):
    subprocess.run(["ninja", "-C", ROOT / "build" / "release", "vx6-cipher"], check=True, capture_output=True)
    argv = [ROOT / "build" / "release" / "tools" / "vx6-cipher", "--json", "--repeat", str(options.repeat), "--ms", "50" if options.quick else "200"]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


# ---- what is said of it ----

def goals(result):
    found = []

    def add(what, value, bound):
        found.append({"goal": what, "value": value, "bound": bound, "sense": "max", "pass": value <= bound})

    for transport, rows in result.get("build", {}).items():
        for row in rows.values():
            if not row["single_pass"]:
                add(f"{transport}: telescoped build of {row['hops']}, of its floor", row["ratio"], 1.15)
    bulk_rows = result.get("bulk", {})
    for hops in HOPS:
        for streams in (1, 8):
            ours, theirs = bulk_rows.get(f"tcp {hops} x{streams}"), bulk_rows.get(f"stunnel x{streams}")
            if ours and theirs:
                add(f"relay / stunnel pair, CPU a GB, {hops} relays, {streams} streams", round(ours["cpu_s_per_gb"] / theirs["cpu_s_per_gb"], 3), 2.5)
    return found


def build_lines(result):
    yield f"building, links of {LINK_RTT_MS} ms      telescoped               in one pass"
    yield "                         ms   floor   ratio        ms   floor   ratio"
    for transport, rows in result["build"].items():
        for hops in HOPS:
            t, s = rows[f"{hops} telescoped"], rows[f"{hops} one pass"]
            yield f"  {transport:5} {hops} relays    " + "   ".join(f"{r['median_ms']:8.1f} {r['floor_ms']:7.0f} {r['ratio']:7.3f}" for r in (t, s))


def first_lines(result):
    yield "first byte, in round trips of the path     live    pool    cold"
    for transport, rows in result["first"].items():
        for hops in (0, *HOPS):
            cells = [rows.get(f"{hops} {kind}") for kind in ("live", "pool", "cold")]
            yield f"  {transport:5} {hops} relays ({LINK_RTT_MS * (hops + 1):3} ms)               " + " ".join(f"{c['path_rtts']:7.2f}" if c else "      -" for c in cells)


def bulk_lines(result):
    rows = result["bulk"]
    yield "one machine, no delay    Gbit/s  CPU-s/GB a relay   of stunnel's    8 streams: the same"
    for name in dict.fromkeys(key.rsplit(" ", 1)[0] for key in rows):
        line = f"  {name.replace('tcp ', 'tcp,  relays: ').replace('quic ', 'quic, relays: '):18}"
        for streams in (1, 8):
            r, theirs = rows[f"{name} x{streams}"], rows[f"stunnel x{streams}"]
            cost = r.get("cpu_s_per_gb")
            line += f"{r['gbit_s']:11.3f} " + (f"{cost:10.2f} {cost / theirs['cpu_s_per_gb']:16.2f}" if cost is not None else " " * 27)
        yield line


def far_lines(result):
    yield "one stream to a client whose line is slow, Mbit/s"
    for row in result["far"].values():
        yield f"  {row['transport']:5} {row['hops']} relays {row['rtt_ms']:4} ms {row['mbit_s']:9.1f}"


def cipher_lines(result):
    yield f"cipher, one core, 1024 bytes where not said{'' if result['cipher']['accelerated'] else ' (without AES instructions)'}"
    for s in result["cipher"]["subjects"]:
        yield f"  {s['name']:36} {s['per_s']:10.0f} /s {s['mb_s']:8.0f} MB/s"


LINES = {"build": build_lines, "first": first_lines, "bulk": bulk_lines, "far": far_lines, "cipher": cipher_lines}


def table(result):
    lines = []
    for part in PARTS:
        if part in result:
            lines += [*LINES[part](result), ""]
    for g in result["goals"]:
        lines.append(f"{'PASS' if g['pass'] else 'MISS'}  {g['goal']:62} {g['value']!s:>7}   at most {g['bound']:g}")
    return "\n".join(lines)


# ---- running ----

def parse(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--quick", action="store_true", help="one short repeat")
    p.add_argument("--repeat", type=int, default=3, help="rounds of bulk and cipher")
    p.add_argument("--seconds", type=float, default=3, help="of each bulk run without delay")
    p.add_argument("--far-seconds", type=float, default=10)
    p.add_argument("--only", default=",".join(PARTS), help=f"parts: {','.join(PARTS)}")
    p.add_argument("--transports", default="tcp,quic")
    p.add_argument("--out", default=str(ROOT / "build" / "bench" / "relay.json"))
    p.add_argument("--check", action="store_true", help="fail when a goal is missed")
    options = p.parse_args(argv)
    options.only = [part for part in PARTS if part in options.only.split(",")]
    options.transports = [t for t in ("tcp", "quic") if t in options.transports.split(",")]
    options.builds, options.firsts, options.far_repeat = 20, 12, 2
    if options.quick:
        options.repeat, options.seconds, options.far_seconds = 1, 1, 6
        options.builds, options.firsts, options.far_repeat = 5, 3, 1
    return options


def run_lines(lab, options, result):
    for transport in options.transports:
        net = Lines(lab, transport, LINK_RTT_MS)
        if "build" in options.only:
            result.setdefault("build", {})[transport] = measure_build(net, options, transport)
        if "first" in options.only:
            result.setdefault("first", {})[transport] = measure_first(net, options, transport)
        net.overlay.stop()


def run_cable(lab, options, result):
    nets = {t: Cable(lab, t) for t in options.transports}
    if "bulk" in options.only:
        stunnel = Stunnel(lab, next(iter(nets.values())))
        result["samples"] = measure_bulk(nets, stunnel, options)
        result["bulk"] = summed(result["samples"])
        stunnel.stop()
    if "far" in options.only:
        result["far"] = measure_far(nets, options)
    for net in nets.values():
        net.overlay.stop()


def run(options):
    result = {"machine": machine(), "options": vars(options)}
    with Lab() as lab:
        if {"build", "first"} & set(options.only):
            run_lines(lab, options, result)
        if {"bulk", "far"} & set(options.only):
            run_cable(lab, options, result)
    if "cipher" in options.only:
        result["cipher"] = measure_cipher(options)
    result["goals"] = goals(result)
    return result


if __name__ == "__main__":
    sys.exit(main(parse, run, table))
