"""A laboratory of network namespaces: hosts, links, programs; removed again whatever happens.

    with Lab() as lab:
        a, b = lab.host("a"), lab.host("b")
        wan = lab.wan(a, b, delay=25, loss=1)      # or lab.lan(a, b, ...)
        lab.spawn(b, ["nginx", ...])
        with a.enter():
            s = socket.create_connection((b.ip6, 80))

Each lab owns a directory /run/vx6-lab/<prefix> with the pid of its owner, its namespaces and its
processes. A lab that starts removes what dead owners left behind. Nothing is ever killed by name.
Only the standard library is used. Call it from the main thread: children die with the thread that
started them.
"""
import contextlib
import ctypes
import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN_DIR = pathlib.Path("/run/vx6-lab")
NETNS_DIR = pathlib.Path("/run/netns")
FULL = os.environ.get("VX6_NET_FULL") == "1"  # the long forms of tests that repeat themselves
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
TOOL_SOURCES = {
    "wanem": ["tests/net/wanem/wanem.c", "tests/net/wanem/link.c", "tests/net/wanem/tun.c"],
    "vx6-load": [*(f"tests/bench/load/{f}.c" for f in ("load", "serve", "bulk", "many"))],
}

_libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """Why no lab can be built here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not os.path.exists("/dev/net/tun"):
        return "/dev/net/tun is missing"
    if not shutil.which("ip") or not shutil.which("nsenter"):
        return "iproute2 and util-linux are needed"
    return None


def tool(name):
    """The path of a C test tool: $VX6_TOOLS, what CMake built, or compiled here and now."""
    sources = [ROOT / s for s in TOOL_SOURCES[name]]
    newest = max(f.stat().st_mtime for s in sources for f in (s, *s.parent.glob("*.h")))
    places = [pathlib.Path(os.environ["VX6_TOOLS"])] if "VX6_TOOLS" in os.environ else []
    places += [ROOT / "build" / p for p in ("release/tools", "dev/tools", "tools")]
    for place in places:
        found = place / name
        if found.is_file() and found.stat().st_mtime >= newest:
            return str(found)
    out = ROOT / "build" / "tools" / name
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(f"{name}.{os.getpid()}")
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-o", fresh, *sources, "-pthread"], check=True)
    fresh.rename(out)
    return str(out)


@functools.cache
def rogue_relay():
    """The relay that misbehaves when told to: always of the sources as they are, as it is the program itself."""
    if "VX6_ROGUE_RELAY" in os.environ:
        return os.environ["VX6_ROGUE_RELAY"]
    build = ROOT / "build" / "release"
    done = subprocess.run(["ninja", "-C", build, "vx6_rogue"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"vx6-rogue cannot be built:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return str(build / "tools" / "vx6-rogue")


def wait_for(condition, timeout, what, interval=0.02):
    """Calls condition until it returns something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:g} s for {what() if callable(what) else what}")
        time.sleep(interval)


def start_time(pid):
    """When a process began, in kernel ticks: with the pid it names the process for good."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(stat.rsplit(b") ", 1)[1].split()[19])


def _ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Proc:
    """A program in a namespace. Its output is in .log; .stop() ends it and waits for it."""

    def __init__(self, lab, host, argv, name, env=None, user=None, stdin=subprocess.DEVNULL, cwd=None, stdout=None):
        self.name, self.lab = name, lab
        self.log = lab.dir / f"{len(lab.procs):02}-{name}.log"
        enter = ["nsenter", f"--net={host.path}", "--"] if host else []
        if user:
            enter += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                [*enter, *map(str, argv)], stdin=stdin, stdout=stdout or log, stderr=log, cwd=cwd, close_fds=True,
                env={**os.environ, **(env or {})}, preexec_fn=_die_with_parent, start_new_session=True)
        self.pid = self.popen.pid
        lab.procs.append(self)
        lab.note_process(self.pid)

    def running(self):
        return self.popen.poll() is None

    def kill(self):
        """kill -9, as a crash would."""
        self.popen.kill()
        return self.popen.wait()

    def stop(self, timeout=10):
        """SIGTERM, then SIGKILL. Returns the exit status (None: it had to be killed)."""
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                return None
        return self.popen.returncode

    def text(self):
        return self.log.read_text(errors="replace")

    def rss(self):
        """Resident bytes."""
        pages = pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        return cpu_seconds([self.pid])


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(p) for p in task.read_text().split()]
    return found


def cpu_seconds(pids):
    """User and system time of processes, of their threads, and of their live descendants."""
    ticks, todo = 0, list(pids)
    while todo:
        pid = todo.pop()
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_bytes().rsplit(b") ", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
        todo += children(pid)
    return ticks / os.sysconf("SC_CLK_TCK")


class Host:
    """A network namespace."""

    def __init__(self, lab, name, number):
        self.lab, self.name, self.number = lab, name, number
        self.netns = f"{lab.prefix}-{name}"
        self.path = NETNS_DIR / self.netns
        self.ip6 = self.ip4 = None
        lab.note_netns(self.netns)
        _ip("netns", "add", self.netns)
        _ip("-n", self.netns, "link", "set", "lo", "up")
        # Tests open and close tens of thousands of connections over one loopback.
        with self.enter():
            pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("10240 65535")

    @contextlib.contextmanager
    def enter(self):
        """Sockets made inside belong to this host (and stay so afterwards)."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
            yield self
        finally:
            _setns(home)
            os.close(there)
            os.close(home)

    def run(self, argv, timeout=60, check=True, text=True, **kw):
        """Runs a program here to its end. Returns the CompletedProcess."""
        done = subprocess.run(["nsenter", f"--net={self.path}", "--", *map(str, argv)], capture_output=True,
                              text=text, timeout=timeout, preexec_fn=_die_with_parent, **kw)
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, argv))} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def ip(self, *args):
        return _ip("-n", self.netns, *args)


class Wan:
    """Two hosts joined by the emulator; the model can be changed while it runs."""

    def __init__(self, lab, a, b, delay, loss, rate, queue, mtu, seed, extra):
        self.a, self.b = a, b
        n = lab.next_net()
        a.ip6, b.ip6 = f"fd00:6:{n:x}::1", f"fd00:6:{n:x}::2"
        a.ip4, b.ip4 = f"10.66.{n}.1", f"10.66.{n}.2"
        self.dev = f"wan{n}"
        end = lambda h: f"{h.netns},{self.dev},{h.ip6}/64,{h.ip4}/24"
        argv = [tool("wanem"), "-a", end(a), "-b", end(b), "-d", delay, "-l", loss, "-r", rate, "-q", queue, "-m", mtu, "-s", seed, *extra]
        self.proc = Proc(lab, None, argv, f"wanem-{a.name}-{b.name}", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.out = self.proc.popen.stdout
        if self.out.readline() != b"ready\n":
            raise RuntimeError(f"wanem did not start: {self.proc.text()}")
        self.initial = {"delay": delay, "loss": loss, "rate": rate, "queue": queue, "corrupt": 0, "jitter": 0, "burst": 0, "size": 0}
        self.mtu = mtu

    def command(self, line):
        """Returns the lines before "ok". A wrong command ends in a TimeoutError of the test."""
        self.proc.popen.stdin.write(line.encode() + b"\n")
        self.proc.popen.stdin.flush()
        lines = []
        while (got := self.out.readline().decode()) != "ok\n":
            if not got:
                raise RuntimeError("wanem ended")
            lines.append(got.strip())
        return lines

    def set(self, **model):
        """delay, jitter (ms), loss, corrupt (%), rate (Mbit/s), queue (ms), burst (packets)."""
        for key, value in model.items():
            self.command(f"{key} {value}")

    def set_mtu(self, mtu):
        for host in (self.a, self.b):
            host.ip("link", "set", self.dev, "mtu", str(mtu))

    def reset(self):
        self.set(**self.initial)
        self.command("unblock")
        self.command("up")
        self.set_mtu(self.mtu)

    def stats(self):
        """Counters of both directions: {"ab": {"in": 1, ...}, "ba": ...}."""
        found = {}
        for line in self.command("stats"):
            name, *pairs = line.split()
            found[name] = {k: float(re.match(r"[-+.e0-9]+", v)[0]) for k, v in (p.split("=") for p in pairs if "=" in p)}
        return found


class Lab:
    def __init__(self):
        RUN_DIR.mkdir(exist_ok=True)
        remove_leftovers()
        self.prefix = f"vx6l{os.getpid()}"
        while (RUN_DIR / self.prefix).exists():
            self.prefix += "x"
        self.dir = RUN_DIR / self.prefix
        self.dir.mkdir()
        (self.dir / "owner").write_text(f"{os.getpid()} {start_time(os.getpid())}\n")
        self.hosts, self.procs, self.nets = [], [], 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def note_process(self, pid):
        with open(self.dir / "processes", "a") as f:
            f.write(f"{pid} {start_time(pid)}\n")

    def note_netns(self, name):
        with open(self.dir / "namespaces", "a") as f:
            f.write(name + "\n")

    def next_net(self):
        self.nets += 1
        return self.nets

    def host(self, name):
        host = Host(self, name, len(self.hosts) + 1)
        self.hosts.append(host)
        return host

    def wan(self, a, b, delay=0, loss=0, rate=0, queue=50, mtu=1500, seed=1, extra=()):
        """Joins two hosts by the emulator: delay is one way, in ms; rate in Mbit/s, 0 without limit."""
        return Wan(self, a, b, delay, loss, rate, queue, mtu, seed, extra)

    def lan(self, *hosts):
        """Joins hosts by virtual cables and a bridge (a namespace of its own)."""
        n = self.next_net()
        switch = Host(self, f"sw{n}", 0)
        switch.ip("link", "add", "br0", "type", "bridge")
        switch.ip("link", "set", "br0", "up")
        for i, host in enumerate(hosts, 1):
            port, dev = f"p{i}", f"lan{n}"
            _ip("link", "add", port, "netns", switch.netns, "type", "veth", "peer", "name", dev, "netns", host.netns)
            host.ip6, host.ip4, host.lan_dev = f"fd00:6:{n:x}::{i:x}", f"10.66.{n}.{i}", dev
            host.ip("addr", "add", f"{host.ip6}/64", "dev", dev, "nodad")
            host.ip("addr", "add", f"{host.ip4}/24", "dev", dev)
            host.ip("link", "set", dev, "up")
            switch.ip("link", "set", port, "master", "br0", "up")
        self.hosts.append(switch)

    def spawn(self, host, argv, name=None, **kw):
        return Proc(self, host, argv, name or os.path.basename(str(argv[0])), **kw)

    def close(self):
        """Ends every process and removes every namespace, whatever failed before."""
        for proc in reversed(self.procs):
            with contextlib.suppress(Exception):
                proc.stop(timeout=3)
        keep = os.environ.get("VX6_KEEP_LOGS")
        if keep:
            shutil.copytree(self.dir, pathlib.Path(keep) / self.prefix, dirs_exist_ok=True,
                            ignore=lambda d, names: [n for n in names if not n.endswith(".log")])
        remove_lab(self.dir)


def remove_lab(directory):
    """Kills the recorded processes that are still the same ones, deletes namespaces and files."""
    for line in _lines(directory / "processes"):
        pid, started = line.split()
        if started != "None" and start_time(int(pid)) == int(started):
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
    for name in _lines(directory / "namespaces"):
        if (NETNS_DIR / name).exists():
            _kill_inhabitants(name)
            with contextlib.suppress(RuntimeError):
                _ip("netns", "del", name)
    for line in reversed(pathlib.Path("/proc/mounts").read_text().splitlines()):
        mount = line.split()[1]
        if mount.startswith(str(directory) + "/"):
            subprocess.run(["umount", "-l", mount], check=False)
    shutil.rmtree(directory, ignore_errors=True)


def _kill_inhabitants(netns):
    """Daemons that left their parents but still live in a namespace of ours."""
    for pid in _ip("netns", "pids", netns).split():
        if int(pid) != os.getpid():
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)


def _lines(path):
    try:
        return [l for l in path.read_text().splitlines() if l]
    except OSError:
        return []


def remove_leftovers():
    for directory in RUN_DIR.iterdir() if RUN_DIR.is_dir() else []:
        owner = (_lines(directory / "owner") or ["0 0"])[0].split()
        started = start_time(int(owner[0]))
        if started is None or str(started) != owner[1]:
            if time.time() - directory.stat().st_mtime > 5 or started is None and owner[0] != "0":
                print(f"lab: removing what {directory.name} left behind", file=sys.stderr)
                remove_lab(directory)
