#!/usr/bin/env python3
"""Runs Spin over the models: what must hold does, in every state, and without a protection Spin finds what it is there for.

    tests/models/run.py [--junit FILE] [--jobs N] [CASE...]
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).resolve().parent
MEMORY_MB = 1000
TIMEOUT_S = 300
NEST, ATTACH = "nested_create", "attach"
ENDS = "every run ends"

# What is violated, as a pattern for the assertion that Spin prints.
TWICE = r"\(taken>>"
DIALS_AGAIN = r"\(forwarded>>"
LED_ASTRAY = r"c\[i\]\.next==c\[c\[i\]\.x\]\.next"
ANOTHER_NODE = r"holder\[.*\]==path\["
HIS_KEYS = r"^\(path\[.*\]==corrupt\)$"
STOLEN_KEYS = r"\(believed>>.*stolen"
PATH_KNOWN = r"\(learned\["
STATE_STAYS = r"outcome\[.*held==0"
HIJACK = r"^\(254!=254\)$"
OVERTAKEN = r">at\[1\]\.epoch\)$"
UNASKED = r"^\(\(accepted>>at\[0\]\.epoch\)&1\)$"
NOT_ONCE = r"^\(i==at\[\d\]\.got\)$"
NO_PROGRESS = r"at\[0\]\.got==.*at\[1\]\.una=="
ALIVE_NEST = r"outcome\[0\]==1\)&&.*path\[1\]==corrupt"
ALIVE_ATTACH = r"accepted==\(\(1<<"

# name: (model, definitions, what is to be found; None: nothing; ENDS: no cycle)
CASES = {
    # all that is sent is the attacker's to read and move; he changes messages too
    "nest: agreement, secrecy, once": (NEST, "BUILDS=1 LINKS_OPEN TAMPER ALL_ANSWERS", None),
    "nest: two builds at once": (NEST, "BUILDS=2 OWN=0 LINKS_OPEN", None),
    # he has what is sent to his relay, and two CREATEs of his own to ask with
    "nest: what a relay learns": (NEST, "BUILDS=1 OWN=2", None),
    "nest: what a relay learns of two builds": (NEST, "BUILDS=2 OWN=0", None),
    "nest: relays start again": (NEST, "BUILDS=1 RESTART", None),
    "nest: onion keys stolen later, session keys": (NEST, "BUILDS=1 THEFT", None),
    "nest: nobody waits for ever": (NEST, "BUILDS=1 LINKS_OPEN ENDS", None),
    "nest: no run goes round in circles": (NEST, "BUILDS=1 LINKS_OPEN ENDS", ENDS),
    "nest: a circuit through the attacker comes about": (NEST, "BUILDS=2 OWN=0 REACH", ALIVE_NEST),
    "nest without replay filter": (NEST, "BUILDS=1 LINKS_OPEN NO_FILTER", TWICE),
    "nest, dialling before the filter": (NEST, "BUILDS=1 LINKS_OPEN LATE_FILTER", DIALS_AGAIN),
    "nest, filter asked and told in two steps": (NEST, "BUILDS=1 LINKS_OPEN SPLIT_FILTER", TWICE),
    "nest, onion key kept over a restart": (NEST, "BUILDS=1 LINKS_OPEN RESTART KEEP_KEY", TWICE),
    "nest, node id not in the handshake": (NEST, "BUILDS=1 NO_ID", ANOTHER_NODE),
    "nest, NEXT without MAC": (NEST, "BUILDS=1 LINKS_OPEN TAMPER NO_MAC", LED_ASTRAY),
    "nest, AUTH of inner hops not checked": (NEST, "BUILDS=1 NO_AUTH", HIS_KEYS),
    "nest, message not encrypted": (NEST, "BUILDS=1 PLAIN", PATH_KNOWN),
    "nest, no ephemeral key, onion keys stolen later": (NEST, "BUILDS=1 THEFT NO_EPHEMERAL", STOLEN_KEYS),
    "nest, no timers": (NEST, "BUILDS=1 LINKS_OPEN ENDS NO_TIMER", STATE_STAYS),
    # not a protection: what single-pass building costs
    "nest, onion keys stolen later, the path": (NEST, "BUILDS=1 THEFT PATH_AFTER_THEFT", PATH_KNOWN),

    "attach: once, in order, by the opener only": (ATTACH, "CUTS=1 MOVES=1 REPLAYS=2", None),
    "attach: two cuts": (ATTACH, "CUTS=2 MOVES=1 REPLAYS=1", None),
    "attach: attaches overtake each other": (ATTACH, "CUTS=1 MOVES=2 REPLAYS=1", None),
    "attach: no run goes round in circles": (ATTACH, "", ENDS),
    "attach: the third carrier is reached": (ATTACH, "REACH", ALIVE_ATTACH),
    "attach without epoch check, repeated": (ATTACH, "NO_EPOCH", HIJACK),
    "attach without epoch check, overtaken": (ATTACH, "NO_EPOCH REPLAYS=0 MOVES=2", OVERTAKEN),
    "attach without mac": (ATTACH, "NO_MAC", HIJACK),
    "attach, session not in the mac": (ATTACH, "NO_CB", HIJACK),
    "attach, role not in the mac": (ATTACH, "NO_ROLE", UNASKED),
    "attach, offset of the peer ignored": (ATTACH, "NO_OFFSET", NO_PROGRESS),
    "attach, from what was acknowledged": (ATTACH, "FROM_ACKED", NOT_ONCE),
    "attach, opener that does not ask": (ATTACH, "NO_ASK", NO_PROGRESS),
}


def call(folder, *command):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)


def search(model, definitions, looks_for):
    """What pan prints."""
    cycles = looks_for == ENDS
    with tempfile.TemporaryDirectory() as folder:
        made = call(folder, "spin", *(f"-D{word}" for word in definitions.split()), "-a", str(HERE / f"{model}.pml"))
        if made.returncode or "Error" in made.stdout + made.stderr:
            return f"spin: {made.stdout}{made.stderr}"
        made = call(folder, "cc", "-w", "-O1" if looks_for in (None, ENDS) else "-O0", f"-DMEMLIM={MEMORY_MB}", "-DCOLLAPSE",
                    "-DNP" if cycles else "-DSAFETY", "-o", "pan", "pan.c")
        if made.returncode:
            return f"cc: {made.stderr}"
        done = call(folder, "./pan", "-m100000", "-w22", *(["-l"] if cycles else []))
        return done.stdout + done.stderr


def number(pattern, text):
    match = re.search(pattern, text)
    return int(match[1]) if match else 0


def judge(text, looks_for):
    """None, or what is wrong with this outcome."""
    found = re.search(r"^pan:\d+: (.*?) \(at depth \d+\)", text, re.MULTILINE)
    errors = re.search(r"errors: (\d+)", text)
    if not errors:
        return "no outcome"
    if looks_for in (None, ENDS):
        if found or errors[1] != "0":
            return f"violated: {found[1] if found else errors[1]}"
        for word in ("Search not completed", "max search depth too small", "MEMLIM"):
            if word in text:
                return f"not all states were looked at: {word}"
        return None if number(r"(\d+) states, stored", text) > 1000 else "hardly any state was looked at"
    if not found:
        return "nothing was found"
    said = found[1].removeprefix("assertion violated").strip()
    return None if re.search(looks_for, said) else f"something else was found: {said}"


def run(name):
    model, definitions, looks_for = CASES[name]
    begun = time.monotonic()
    try:
        text = search(model, definitions, looks_for)
    except (OSError, subprocess.TimeoutExpired) as error:
        text = str(error)
    return text, judge(text, looks_for), time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description="the models suite")
    parser.add_argument("--junit")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("case", nargs="*", help="words of the names of cases")
    args = parser.parse_args()
    names = [name for name in CASES if not args.case or any(word in name for word in args.case)]
    if not names:
        parser.error("no such case")
    suite, failed, begun = ElementTree.Element("testsuite", name="models"), 0, time.monotonic()
    print(f"{'':7} {'case':50} {'verdict':9} {'states':>9} {'depth':>6} {'s':>6}")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for name, (text, wrong, took) in zip(names, pool.map(run, names)):
            verdict = "holds" if CASES[name][2] in (None, ENDS) else "found"
            states, depth = number(r"(\d+) states, stored", text), number(r"depth reached (\d+)", text)
            print(f"{'FAILED' if wrong else 'ok':7} {name:50} {'-' if wrong else verdict:9} {states:9} {depth:6} {took:6.1f}", flush=True)
            case = ElementTree.SubElement(suite, "testcase", name=name, time=f"{took:.2f}")
            if wrong:
                failed += 1
                print(f"    {wrong}\n    " + "\n    ".join(text.splitlines()[-20:]))
                ElementTree.SubElement(case, "failure", message=wrong).text = text[-4000:]
    print(f"{len(names) - failed} as they should be, {failed} not, in {time.monotonic() - begun:.0f} s")
    if args.junit:
        ElementTree.ElementTree(suite).write(args.junit, encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
