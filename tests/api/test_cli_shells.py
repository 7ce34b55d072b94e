"""Completion in the shells themselves: what a person types, a tab, and the command line that comes of it."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from conftest import BIN

ENV = {"HOME": "/nonexistent", "TERM": "xterm", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
# typed, what the shell must run
TYPED = [
    ("service show wi\t", "service show wiki"),
    ("serv\tsho\twi\t", "service show wiki"),
    ("service update wiki --vis\thi\t", "service update wiki --visibility hidden"),
    ("forward show alice.w\t", "forward show alice.web"),
    ("peer update nob\t --addr\t", "peer update nobody --address"),
    ("peer list -o jsonl\t", "peer list -o jsonl"),
    ("api PAT\t", "api PATCH"),
    ("op\t wat\t", "op watch"),
]


@pytest.fixture(scope="module")
def home(agent, folder):
    """A folder with the completion scripts and a `vx6` that completes by the agent, and says what it would run."""
    for name in ("wiki", "web"):
        agent.call("POST", "/v1/services", {"name": name, "target": "127.0.0.1:1"})
    agent.call("POST", "/v1/forwards", {"name": "alice.web", "listen": "127.0.0.1:0", "to": "alice.web"})
    agent.call("POST", "/v1/peers", {"name": "nobody", "addresses": ["192.0.2.1:1"]})
    home = folder / "shells"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "vx6").write_text(f'#!/bin/sh\n[ "$1" = __complete ] && exec {BIN} "$@"\necho "RAN<$*>"\n')
    (home / "bin" / "vx6").chmod(0o755)
    for shell, name in (("bash", "vx6.bash"), ("zsh", "_vx6"), ("fish", "vx6.fish")):
        (home / name).write_bytes(subprocess.run([BIN, "completion", shell], capture_output=True, check=True).stdout)
    (home / "only-file").touch()
    return home


def env_of(home, agent):
    return ENV | {"PATH": f"{home}/bin:{ENV['PATH']}", "VX6_SOCKET": agent.socket, "HOME": str(home), "ZDOTDIR": str(home)}


class Shell:
    def __init__(self, argv, env, cwd):
        if not shutil.which(argv[0]):
            pytest.fail(f"{argv[0]} is missing: ./dev setup test")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(argv[0], argv, env)
        self.seen = b""

    def until(self, what, seconds=15):
        end = time.monotonic() + seconds
        while not (match := re.search(what, self.seen, re.S)):
            assert time.monotonic() < end, (what, self.seen[-2000:])
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 65536)
        self.seen = self.seen[match.end():]
        return match

    def ready(self, *lines):
        """Runs the lines; the shell has done so when it has computed the mark."""
        for line in (*lines, "echo MARK$((6*7))"):
            os.write(self.fd, line.encode() + b"\n")
        self.until(rb"MARK42")
        return self

    def runs(self, typed):
        """What the shell runs when that is typed and entered."""
        os.write(self.fd, b"vx6 " + typed.encode() + b"\n")
        return self.until(rb"RAN<(.*?)>")[1].decode().strip()

    def end(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture(scope="module")
def bash(home, agent):
    shell = Shell(["bash", "--norc", "--noprofile", "-i"], env_of(home, agent), home)
    yield shell.ready("bind 'set enable-bracketed-paste off'", f"source {home}/vx6.bash")
    shell.end()


@pytest.fixture(scope="module")
def zsh(home, agent):
    shell = Shell(["zsh", "-f", "-i"], env_of(home, agent), home)
    yield shell.ready("unset zle_bracketed_paste", f"fpath=({home} $fpath); autoload -Uz compinit; compinit -u -d {home}/dump")
    shell.end()


@pytest.mark.parametrize("typed,line", TYPED, ids=[line for _, line in TYPED])
def test_bash(bash, typed, line):
    assert bash.runs(typed) == line


def test_bash_completes_files(bash):
    assert bash.runs("init --passphrase-file only\t") == "init --passphrase-file only-file"


@pytest.mark.parametrize("typed,line", TYPED, ids=[line for _, line in TYPED])
def test_zsh(zsh, typed, line):
    assert zsh.runs(typed) == line


def test_zsh_completes_files_and_explains(zsh):
    assert zsh.runs("init --passphrase-file only\t") == "init --passphrase-file only-file"
    os.write(zsh.fd, b"vx6 forward \t")
    zsh.until(rb"add  -- Open a local port")
    os.write(zsh.fd, b"\x03")


def test_zsh_script_can_be_sourced(home, agent):
    shell = Shell(["zsh", "-f", "-i"], env_of(home, agent), home)
    shell.ready(f"autoload -Uz compinit; compinit -u -D; source {home}/_vx6")
    assert shell.runs("service show wi\t") == "service show wiki"
    shell.end()


def fish(home, agent, line):
    if not shutil.which("fish"):
        pytest.fail("fish is missing: ./dev setup test")
    done = subprocess.run(["fish", "--no-config", "-c", f"source {home}/vx6.fish; complete -C '{line}'"], capture_output=True, text=True,
                          env=env_of(home, agent), cwd=home, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("line,offered", [
    ("vx6 service show w", ["web\t127.0.0.1:1", "wiki\t127.0.0.1:1"]),
    ("vx6 forw", ["forward"]),
    ("vx6 forward show alice.w", ["alice.web\t127.0.0.1:"]),
    ("vx6 service update wiki --visibility h", ["hidden"]),
    ("vx6 init --passphrase-file only", ["only-file"]),
    ("vx6 peer list --out", ["--output\ttable, json"]),
])
def test_fish(home, agent, line, offered):
    got = fish(home, agent, line)
    assert len(got) == len(offered) and all(g.startswith(o) for g, o in zip(sorted(got), offered)), got
