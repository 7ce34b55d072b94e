#!/usr/bin/env python3
"""Runs every gate over the tree, and over planted violations that it must see.

    tests/lint/run.py [--junit FILE] [GATE...]
"""
import argparse
import pathlib
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gates  # noqa: E402
import planted  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def lay(root, contents):
    for name, text in contents.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def self_test(gate):
    """Complaints about the gate itself: it must pass the clean tree and see each planted violation."""
    bad = []
    with tempfile.TemporaryDirectory() as root:
        lay(root, planted.CLEAN)
        bad += [f"complains about a clean tree: {line}" for line in gate(root)]
    mine = [(name, text) for which, name, text in planted.PLANTED if which == gate.__name__]
    if not mine:
        bad.append("nothing is planted for it")
    for name, text in mine:
        with tempfile.TemporaryDirectory() as root:
            lay(root, {**planted.CLEAN, name: text})
            if not any(name in line for line in gate(root)):
                bad.append(f"does not see what is planted in {name}: {text!r}")
    return bad


def main():
    parser = argparse.ArgumentParser(description="the lint suite")
    parser.add_argument("--junit")
    parser.add_argument("gate", nargs="*")
    args = parser.parse_args()
    suite, failed = ElementTree.Element("testsuite", name="lint"), 0
    for gate in gates.ALL:
        if args.gate and gate.__name__ not in args.gate:
            continue
        for name, run in ((gate.__name__, lambda: gate(ROOT)), (f"{gate.__name__}: self-test", lambda: self_test(gate))):
            begun = time.monotonic()
            complaints = run()
            case = ElementTree.SubElement(suite, "testcase", name=name, time=f"{time.monotonic() - begun:.2f}")
            print(f"{'FAILED' if complaints else 'ok':7} {name}")
            if complaints:
                failed += 1
                print("\n".join(f"    {line}" for line in complaints[:200]))
                ElementTree.SubElement(case, "failure", message=f"{len(complaints)} complaints").text = "\n".join(complaints)
    if args.junit:
        ElementTree.ElementTree(suite).write(args.junit, encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
