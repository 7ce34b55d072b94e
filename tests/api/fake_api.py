"""A scripted HTTP server on a unix socket or a loopback port: answers that a real agent gives only on its bad days."""
import json
import pathlib
import socket
import threading


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body


def problem(code, status, **more):
    return status, {"type": f"urn:vx6:problem:{code}", "title": code, "status": status, "code": code, "detail": f"{code} it is",
                    "instance": "/", "request_id": "req_0123456789abcdef", "retryable": False, **more}


class FakeApi:
    """answer(request) -> (status, JSON value or text or None), or a function that takes over the socket."""

    def __init__(self, where, answer):
        self.answer, self.requests = answer, []
        if isinstance(where, pathlib.Path):
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(where))
        else:
            self.listener = socket.create_server(where)
        self.listener.listen(64)
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def close(self):
        # who still waits on the descriptor would serve whatever gets its number next
        self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join(5)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _read(self, conn, data):
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                return None, b""
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        while len(rest) < int(headers.get("content-length", 0)):
            rest += conn.recv(65536)
        length = int(headers.get("content-length", 0))
        return Request(method, path, headers, rest[:length].decode()), rest[length:]

    def _serve(self, conn):
        data = b""
        try:
            while True:
                request, data = self._read(conn, data)
                if not request:
                    break
                self.requests.append(request)
                answer = self.answer(request)
                if callable(answer):
                    answer(conn)
                    break
                status, value = answer
                body = b"" if value is None else (value if isinstance(value, str) else json.dumps(value)).encode()
                conn.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nETag: \"3\"\r\n\r\n".encode() + body)
        except OSError:
            pass
        finally:
            conn.close()


def upgraded(handle, early=b""):
    """An answer that becomes a stream: handle(conn) has it."""
    def take(conn):
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: vx6-stream\r\n\r\n" + early)
        handle(conn)
    return lambda request: take


def echo(conn):
    """Sends everything back as it comes, and its end after it."""
    while data := conn.recv(65536):
        conn.sendall(data)
    conn.shutdown(socket.SHUT_WR)


def swallow_then_answer(size, out):
    """Reads to the end, then sends `size` bytes: both directions, one after the other."""
    def handle(conn):
        while data := conn.recv(65536):
            out.extend(data)
        conn.sendall(bytes(range(256)) * (size // 256))
        conn.shutdown(socket.SHUT_WR)
    return handle
