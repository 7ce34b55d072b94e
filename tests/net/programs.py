"""Real programs on a host's loopback, each with its own configuration, as nobody's system service."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import pwd
import shutil
import socket
import struct
import subprocess
import threading
import time
import unittest

import lab as lab_module
from lab import wait_for

SSH_PORT, HTTP_PORT, PG_PORT, WS_PORT, LOAD_PORT = 2222, 8080, 5432, 8765, 7000
BLOB_MB = int(os.environ.get("VX6_NET_BLOB_MB", "100"))


def need(*names):
    """The paths of programs; the test that needs a missing one is skipped with its name."""
    found = []
    for name in names:
        path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if not path and name in ("initdb", "postgres"):
            path = next((str(p) for p in sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None)
        if not path:
            raise unittest.SkipTest(f"{name} is not installed")
        found.append(path)
    return found if len(found) > 1 else found[0]


def listening(host, port, address="127.0.0.1"):
    """A condition: something accepts connections on the host."""
    def check():
        try:
            with host.enter():
                socket.create_connection((address, port), timeout=1).close()
            return True
        except OSError:
            return False
    return check


def load_server(lab, host):
    proc = lab.spawn(host, [lab_module.tool("vx6-load"), "serve", "127.0.0.1", str(LOAD_PORT)], "load-server")
    wait_for(listening(host, LOAD_PORT), 5, "the load server")
    return proc


class Ssh:
    """sshd on 127.0.0.1 with keys of its own, and the client's options to reach it."""

    def __init__(self, lab, host, address="127.0.0.1", port=SSH_PORT):
        sshd, self.client, keygen = need("sshd", "ssh", "ssh-keygen")
        self.address, self.port = address, port
        self.dir = lab.dir / f"ssh-{host.name}"
        self.dir.mkdir(mode=0o700)
        for key in ("host_key", "user_key"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", self.dir / key], check=True)
        (self.dir / "authorized_keys").write_text((self.dir / "user_key.pub").read_text())
        (self.dir / "known_hosts").write_text("alice " + (self.dir / "host_key.pub").read_text())
        (self.dir / "sshd_config").write_text(
            f"ListenAddress {address}\nPort {port}\nHostKey {self.dir}/host_key\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.dir}/authorized_keys\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
            "StrictModes no\nMaxStartups 100\nPrintMotd no\nPrintLastLog no\nAllowTcpForwarding yes\n")
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        self.proc = lab.spawn(host, [sshd, "-D", "-e", "-f", self.dir / "sshd_config"], "sshd")
        wait_for(listening(host, port, address), 5, "sshd")

    def argv(self, port, *command, options=(), to="127.0.0.1"):
        return [self.client, "-F", "none", "-i", self.dir / "user_key", "-o", f"UserKnownHostsFile={self.dir}/known_hosts",
                "-o", "HostKeyAlias=alice", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", *options,
                "-p", port, f"root@{to}", *command]


class Nginx:
    """nginx on 127.0.0.1 with a page and a blob of random bytes."""

    def __init__(self, lab, host, port=HTTP_PORT):
        nginx = need("nginx")
        self.dir = lab.dir / f"nginx-{host.name}"
        (self.dir / "www").mkdir(parents=True)
        (self.dir / "www" / "index.html").write_text("<h1>hello from alice</h1>\n")
        blob = os.urandom(1 << 20)
        sha = hashlib.sha256()
        with open(self.dir / "www" / "blob", "wb") as f:
            for i in range(BLOB_MB):
                piece = struct.pack("!Q", i) + blob[8:]
                sha.update(piece)
                f.write(piece)
        self.blob_sha256, self.blob_bytes = sha.hexdigest(), BLOB_MB << 20
        temp = "".join(f"{k}_temp_path {self.dir}/{k}; " for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.dir / "nginx.conf").write_text(
            f"user root; daemon off; worker_processes 1; pid {self.dir}/pid; error_log {self.dir}/error.log;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ access_log off; sendfile on; {temp}\n"
            f"  server {{ listen 127.0.0.1:{port}; root {self.dir}/www; }} }}\n")
        self.proc = lab.spawn(host, [nginx, "-c", self.dir / "nginx.conf", "-e", self.dir / "error.log"], "nginx")
        wait_for(listening(host, port), 5, "nginx")


class Postgres:
    """A cluster of its own on 127.0.0.1, run by an unprivileged user."""

    def __init__(self, lab, host):
        initdb, postgres, self.psql, self.pgbench = need("initdb", "postgres", "psql", "pgbench")
        self.dir = lab.dir / f"pg-{host.name}"
        self.dir.mkdir(mode=0o700)
        user = next(u for u in ("postgres", "nobody") if _user_exists(u))
        entry = pwd.getpwnam(user)
        for d in (lab.dir, lab.dir.parent):
            d.chmod(0o755)
        os.chown(self.dir, entry.pw_uid, entry.pw_gid)
        as_user = ["setpriv", f"--reuid={user}", f"--regid={entry.pw_gid}", "--clear-groups", "--"]
        data = self.dir / "data"
        subprocess.run([*as_user, initdb, "-D", data, "-A", "trust", "-U", "vx6", "-N", "--locale=C"], check=True,
                       capture_output=True, cwd="/")
        self.proc = lab.spawn(host, [*as_user, postgres, "-D", data, "-h", "127.0.0.1", "-p", str(PG_PORT), "-k", self.dir,
                                     "-c", "fsync=off", "-c", "max_connections=60"], "postgres", cwd="/")
        with host.enter():  # forked from here, so the children are in the namespace
            pass
        wait_for(lambda: host.run([self.psql, "-h", "127.0.0.1", "-p", PG_PORT, "-U", "vx6", "-c", "select 1", "postgres"],
                                  check=False).returncode == 0, 20, "PostgreSQL")


def _user_exists(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False


class WebSocketServer:
    """RFC 6455 on 127.0.0.1: echoes text frames, and sends "tick N" every 200 ms by itself."""

    GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    def __init__(self, host, port=WS_PORT):
        with host.enter():
            self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        close_socket(self.listener)

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        lock, stop = threading.Lock(), threading.Event()
        try:
            head = read_http_head(conn)
            key = next(l.split(b":", 1)[1].strip() for l in head.split(b"\r\n") if l.lower().startswith(b"sec-websocket-key"))
            accept = base64.b64encode(hashlib.sha1(key + self.GUID).digest())
            conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")

            def tick():
                n = 0
                while not stop.wait(0.2):
                    with lock:
                        conn.sendall(ws_frame(f"tick {n}".encode()))
                    n += 1

            threading.Thread(target=tick, daemon=True).start()
            while (got := ws_read(conn)) is not None:
                with lock:
                    conn.sendall(ws_frame(b"echo " + got))
        except OSError:
            pass
        finally:
            stop.set()
            conn.close()


def close_socket(s):
    """Closes a socket that another thread may be blocked on: shutdown wakes the thread."""
    with contextlib.suppress(OSError):
        s.shutdown(socket.SHUT_RDWR)
    s.close()


def read_http_head(conn):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        got = conn.recv(1)
        if not got:
            raise OSError("closed")
        head += got
    return head


def recv_exact(conn, n):
    data = bytearray()
    while len(data) < n:
        got = conn.recv(n - len(data))
        if not got:
            raise OSError(f"closed after {len(data)} of {n} bytes")
        data += got
    return bytes(data)


def ws_frame(payload, mask=False):
    head = bytes([0x81]) + (bytes([len(payload) | (0x80 if mask else 0)]) if len(payload) < 126 else
                            bytes([126 | (0x80 if mask else 0)]) + struct.pack("!H", len(payload)))
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def ws_read(conn):
    """The payload of the next frame; None when the peer has closed."""
    try:
        first, second = recv_exact(conn, 2)
    except OSError:
        return None
    if first & 15 == 8:
        return None
    n = second & 127
    if n == 126:
        n = struct.unpack("!H", recv_exact(conn, 2))[0]
    key = recv_exact(conn, 4) if second & 128 else None
    data = recv_exact(conn, n)
    return bytes(b ^ key[i % 4] for i, b in enumerate(data)) if key else data


def ws_connect(conn):
    key = base64.b64encode(os.urandom(16))
    conn.sendall(b"GET / HTTP/1.1\r\nHost: alice\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
    head = read_http_head(conn)
    want = base64.b64encode(hashlib.sha1(key + WebSocketServer.GUID).digest())
    assert b" 101 " in head.split(b"\r\n", 1)[0] and want in head, head
    return conn


class TcpServer:
    """A server of one function per connection, on a host's loopback."""

    def __init__(self, host, port, serve, address="127.0.0.1", backlog=1024):
        self.serve, self.conns, self.accepted = serve, [], 0
        with host.enter():
            self.listener = socket.create_server((address, port), backlog=backlog,
                                                 family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.conns.append(conn)
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn):
        try:
            self.serve(conn)
        except OSError:
            pass
        finally:
            conn.close()

    def close(self):
        close_socket(self.listener)
        for conn in self.conns:
            conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def pattern(n, seed=0):
    """n bytes that repeat nowhere near: equal bytes at the far end mean nothing was lost or moved."""
    out, block = bytearray(), 0
    while len(out) < n:
        out += hashlib.sha256(f"{seed}.{block // 256}".encode()).digest() * 8 if block % 256 else struct.pack("!QQ", seed, block)
        block += 1
    return bytes(out[:n])


def dump(value):
    return json.dumps(value, indent=1, default=str)


def now():
    return time.monotonic()
