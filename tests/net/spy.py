"""What somebody who runs a relay has: its log, its memory, its disk, its line. Looked through for what must not be there.

A needle is a pair (what it gives away, bytes). `found()` tells which of them are in a heap of bytes. A scanner that finds nothing
proves something only if it would have found it: every user plants what he looks for, too.
"""
import contextlib
import ipaddress
import json
import pathlib
import re
import socket
import subprocess
import sys
import threading

ETH_P_ALL = 3
SKIPPED_MAPS = ("[vvar]", "[vsyscall]", "[vvar_vclock]")


def of_agent(who, agent):
    """Everything that names an agent: keys and id raw and as text, also as logs cut it; its name; its addresses."""
    identity = agent.api.get("/v1/identity")
    return of_node(who, identity["node_id"], bytes.fromhex(identity["public_key"]), agent.name) + of_host(who, agent.host)


def of_node(who, text, raw, name):
    return [(f"{who}: id", raw), (f"{who}: id", raw.hex().encode()), (f"{who}: id", text.encode()), (f"{who}: id", text[:10].encode()),
            (f"{who}: name", name.encode())]


def of_host(who, host):
    six, four = ipaddress.ip_address(host.ip6), ipaddress.ip_address(host.ip4)
    return [(f"{who}: address", six.packed), (f"{who}: address", str(six).encode()), (f"{who}: address", str(four).encode()),
            (f"{who}: address", b"\0" * 10 + b"\xff\xff" + four.packed)]


def found(needles, data):
    """What is given away. A text address must end where it ends."""
    return {what for what, needle in needles if needle in data and (not re.fullmatch(rb"[0-9a-f.:]+", needle) or
                                                                    re.search(re.escape(needle) + rb"(?![0-9a-f])", data))}


def memory(pid):
    """All that a process can read."""
    heap = bytearray()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode, *rest = line.split(maxsplit=5)
            if mode[0] != "r" or rest and rest[-1].strip() in SKIPPED_MAPS:
                continue
            begin, end = (int(x, 16) for x in span.split("-"))
            with contextlib.suppress(OSError, ValueError, OverflowError):  # a guard page, or one that is gone meanwhile
                mem.seek(begin)
                while begin < end:
                    got = mem.read(end - begin)
                    if not got:
                        break
                    heap += got
                    begin += len(got)
    return bytes(heap)


def in_memory(pid, *lists):
    """For each list of needles, which of them a process has. Another program looks, so that clients in this one go on answering: whoever does not is
    taken for dead after a fraction of a second."""
    ask = json.dumps([[(what, needle.hex()) for what, needle in needles] for needles in lists])
    done = subprocess.run([sys.executable, __file__, str(pid)], input=ask, capture_output=True, text=True, timeout=60, check=True)
    return [set(found_here) for found_here in json.loads(done.stdout)]


def disk(directory):
    return b"\0".join(p.read_bytes() for p in sorted(pathlib.Path(directory).rglob("*")) if p.is_file())


class Line:
    """Packets that a host sends and receives, headers and all, as long as nobody stops it."""

    def __init__(self, host, dev):
        self.heap, self.packets = bytearray(), 0
        with host.enter():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.sock.bind((dev, 0))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.sock.settimeout(0.1)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                packet = self.sock.recv(65536)
                self.heap += packet + b"\0"
                self.packets += 1

    def stop(self):
        self.over.set()
        self.thread.join()
        self.sock.close()
        return bytes(self.heap)


if __name__ == "__main__":
    whole = memory(int(sys.argv[1]))
    print(json.dumps([sorted(found([(what, bytes.fromhex(needle)) for what, needle in needles], whole)) for needles in json.load(sys.stdin)]))
