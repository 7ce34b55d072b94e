#!/usr/bin/env python3
"""same_result.py PROGRAM ARGUMENTS...: one seed gives one result, whatever runs beside it; another seed another one."""
import json
import pathlib
import subprocess
import sys
import tempfile


def run(command, folder, seed, jobs):
    out = pathlib.Path(folder) / "out.json"
    out.unlink(missing_ok=True)
    subprocess.run([*command, "--quick", "--seed", str(seed), "--jobs", str(jobs), "--json", out],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = json.loads(out.read_text())["rows"]
    return [(row["scenario"], row["measure"], row["value"]) for row in rows if row["measure"] != "CPU time"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        first, beside, other = (run(sys.argv[1:], folder, *how) for how in ((5, 1), (5, 2), (6, 1)))
    if len(first) < 10 or first != beside:
        sys.exit(f"seed 5 gave two results: {[pair for pair in zip(first, beside) if pair[0] != pair[1]]}")
    if first == other:
        sys.exit("seeds 5 and 6 gave one result")


if __name__ == "__main__":
    main()
