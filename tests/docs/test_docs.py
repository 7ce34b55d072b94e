"""What the documents tell a reader to type works.

- Blocks marked ```sh run of one page are run in order by one shell, in an empty directory; a block marked ```text output is what the
  block before it must print.
- Every other line that begins with `vx6 ` in a fenced block must be a command line that the program understands.
- Links between pages lead somewhere.
"""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("schemas/**/*.md"), *ROOT.glob("tests/**/README.md")])
FENCE = re.compile(r"^```(.*?)\n(.*?)^```$", re.M | re.S)
MARK = "__block_%d_ends__"


def blocks(page):
    return [(m[1].strip(), m[2]) for m in FENCE.finditer(page.read_text())]


RUNNABLE = [p for p in PAGES if any(info == "sh run" for info, _ in blocks(p))]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda p: str(p.relative_to(ROOT)))
def test_blocks_run_and_print_what_the_page_says(page, vx6, tmp_path):
    script, expected, n = ["set -e -o pipefail", "set -m"], [], 0
    for info, text in blocks(page):
        if info == "sh run":
            n += 1
            script += [text, f"echo {MARK % n}"]
        elif info == "text output":
            expected.append((n, text))
    env = {**os.environ, "PATH": f"{vx6.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    env.pop("VX6_SOCKET", None)
    # files and not pipes: what the page starts in the background may outlive the shell for a moment
    out = open(tmp_path / "out", "w+")
    shell = subprocess.Popen(["bash", "-c", "\n".join(script)], cwd=tmp_path, env=env, stdout=out, stderr=subprocess.STDOUT,
                             start_new_session=True)
    try:
        code = shell.wait(timeout=60)
    finally:
        stop_session(shell.pid)
    out.seek(0)
    printed = out.read()
    logs = "\n".join(f"{p.name}: {p.read_text()}" for p in tmp_path.glob("*.log"))
    assert code == 0, f"{page.name} stopped with {code}:\n{printed}\n{logs}"
    for number, text in expected:
        end = printed.index(MARK % number)
        begin = printed.index(MARK % (number - 1)) + len(MARK % (number - 1)) if number > 1 else 0
        assert text.strip() in printed[begin:end], f"block {number} of {page.name} printed:\n{printed[begin:end]}"


def stop_session(sid):
    """Ends what a page left running: every process of the shell's session, by pid."""
    for attempt in range(50):
        left = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == sid and fields[0] != "Z":
                left.append(int(stat.parent.name))
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGTERM if attempt < 40 else signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.1)


def command_lines():
    for page in PAGES:
        for info, text in blocks(page):
            if info not in ("", "sh"):
                continue
            for line in text.replace("\\\n", " ").splitlines():
                line = re.sub(r"^(export |VX6_\w+=\S+ )*", "", line.strip())
                if re.match(r"(\./build/|build/)?vx6 ", line):
                    yield page, line


@pytest.mark.parametrize("page,line", [pytest.param(p, l, id=f"{p.name}: {l[:50]}") for p, l in command_lines()])
def test_command_line_is_understood(page, line, vx6):
    """With --help added the program parses the rest and explains the command instead of running it."""
    line = re.sub(r"\s*(#.*|&|[<>|].*)$", "", line)
    words = subprocess.run(["bash", "-c", f"printf '%s\\n' {line.replace('~', '/home/user')}"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    r = subprocess.run([vx6, *words[1:], "--help"], capture_output=True, text=True, timeout=10)
    assert r.returncode == 0 and r.stdout, f"{page.name}: {line}\n{r.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}, which is not there"
