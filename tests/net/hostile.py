"""Bad input for an agent's listening sockets: recorded, cut, bent, and made of nothing."""
import os
import random
import select
import socket
import ssl
import threading
import time

from programs import close_socket


def client_hello(alpn=("vx6/1",), tls12=False):
    """A well-formed TLS ClientHello of another implementation."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if alpn:
        context.set_alpn_protocols(list(alpn))
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(inside, outside).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outside.read()


def flip(data, rng, bits=1):
    data = bytearray(data)
    for _ in range(bits):
        at = rng.randrange(len(data) * 8)
        data[at // 8] ^= 1 << at % 8
    return bytes(data)


def bent_tcp(recorded, rng, count):
    """What to say to the TCP listener: each item is one connection's bytes. `recorded`: genuine first bytes of clients."""
    hellos = [client_hello(), client_hello(()), client_hello(("h2", "http/1.1")), client_hello(tls12=True), *recorded]
    made = [b"", b"\x16", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-x\r\n", b"\x16\x03\x03\xff\xff" + b"x" * 70000,
            b"\x16\x03\x01\x40\x00" + b"\x01\x00\x3f\xfc" + bytes(16380), b"\x17\x03\x03\x00\x10" + bytes(16),
            b"\x15\x03\x03\x00\x02\x02\x28", b"\x80\x80\x01\x03\x01", hellos[0] * 40, hellos[0] + b"\x14\x03\x03\x00\x01\x01" * 3000]
    while len(made) < count:
        hello = rng.choice(hellos)
        kind = rng.randrange(5)
        if kind == 0:
            made.append(hello[:rng.randrange(len(hello))])
        elif kind == 1:
            made.append(flip(hello, rng, rng.choice((1, 1, 2, 8, 64))))
        elif kind == 2:
            at = rng.randrange(len(hello))
            made.append(hello[:at] + rng.randbytes(rng.randrange(1, 3000)) + hello[at:])
        elif kind == 3:
            made.append(rng.randbytes(rng.randrange(1, 9000)))
        else:
            made.append(hello + rng.randbytes(rng.randrange(1, 20000)))
    return made


def bent_udp(recorded, rng, count):
    """Datagrams for the UDP listener."""
    made = [b"", b"\0", b"\xc0\0\0\0\1", b"\xc0" + bytes(1199), b"\xff" * 1200, b"\xc0\x0a\x0a\x0a\x0a\x08" + bytes(1194),
            b"\x40" + bytes(60), b"\xc0\0\0\0\1\xff" + bytes(1400), b"\xe0\0\0\0\1\x08" + bytes(1200)]
    while len(made) < count:
        packet = rng.choice(recorded) if recorded and rng.random() < 0.7 else b"\xc3\0\0\0\1\x08" + rng.randbytes(1194)
        kind = rng.randrange(4)
        if kind == 0:
            made.append(packet[:rng.randrange(len(packet))])
        elif kind == 1:
            made.append(flip(packet, rng, rng.choice((1, 2, 16))))
        elif kind == 2:
            made.append(packet + rng.randbytes(rng.randrange(1, 300)))
        else:
            made.append(rng.randbytes(rng.randrange(1, 1500)))
    return made


class Recorder:
    """A relay in front of an agent, TCP and UDP on one port; keeps what clients said."""

    def __init__(self, host, port, to):
        self.host, self.to = host, to
        self.tcp, self.udp = [], []  # bytes of each connection; datagrams in order
        with host.enter():
            self.listener = socket.create_server(("::1", port), family=socket.AF_INET6)
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self.socket.bind(("::1", port))
        self.open = [self.listener, self.socket]
        threading.Thread(target=self._accept, daemon=True).start()
        threading.Thread(target=self._datagrams, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                with self.host.enter():
                    server = socket.create_connection(self.to)
            except OSError:
                return
            said = bytearray()
            self.tcp.append(said)
            self.open += [client, server]
            threading.Thread(target=self._copy, args=(client, server, said), daemon=True).start()
            threading.Thread(target=self._copy, args=(server, client, None), daemon=True).start()

    @staticmethod
    def _copy(a, b, said):
        try:
            while got := a.recv(65536):
                if said is not None:
                    said += got
                b.sendall(got)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            close_socket(b)

    def _datagrams(self):
        back = {}
        while self.socket.fileno() >= 0:
            try:
                ready, _, _ = select.select([self.socket, *back], [], [], 0.5)
                for s in ready:
                    if s is self.socket:
                        data, who = s.recvfrom(65536)
                        if who is None:
                            return
                        self.udp.append(data)
                        out = next((k for k, v in back.items() if v == who), None)
                        if out is None:
                            with self.host.enter():
                                out = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
                                out.connect(self.to)
                            back[out] = who
                            self.open.append(out)
                        out.send(data)
                    else:
                        self.socket.sendto(s.recv(65536), back[s])
            except (OSError, ValueError):
                if self.socket.fileno() < 0:
                    return

    def close(self):
        for s in self.open:
            close_socket(s)


def say_tcp(host, to, items, hold, slowly=False):
    """One connection for each item, all at once; returns how many the agent has not closed after `hold` seconds."""
    conns = {}
    for data in items:
        with host.enter():
            s = socket.socket(socket.AF_INET6)
        s.settimeout(5)
        try:
            s.connect(to)
            s.settimeout(1)
            if slowly:
                for byte in data[:50]:
                    s.send(bytes([byte]))
            s.sendall(data[50:] if slowly else data)
        except OSError:
            s.close()
            continue
        s.setblocking(False)
        conns[s.fileno()] = s
    poll, end = select.poll(), time.monotonic() + hold
    for fd in conns:
        poll.register(fd, select.POLLIN)
    while conns and time.monotonic() < end:
        for fd, _ in poll.poll(500):
            try:
                if conns[fd].recv(65536):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            poll.unregister(fd)
            conns.pop(fd).close()
    for s in conns.values():
        s.close()
    return len(conns)


def say_udp(host, to, items, sockets=8):
    """Datagrams from a few source ports."""
    with host.enter():
        out = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(sockets)]
    for n, data in enumerate(items):
        try:
            out[n % sockets].sendto(data, to)
        except OSError:
            pass
        if n % 50 == 49:
            time.sleep(0.002)
    for s in out:
        s.close()


def rng_of(seed):
    """Another run, other input; the seed is printed so that a failing run can be had again."""
    seed = int(os.environ.get("VX6_SEED", seed or random.randrange(1 << 30)))
    print(f"VX6_SEED={seed}")
    return random.Random(seed)
