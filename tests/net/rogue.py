"""A node written a second time, from the wire pages and the RFCs, that can misbehave where we want it to.

TLS 1.3 (RFC 8446) with raw public keys (RFC 7250) over TCP, the credit multiplexer, HELLO, records. What the C code
and this agree on, two implementations agree on. Needs python3-cryptography.
"""
import hashlib
import hmac
import ipaddress
import itertools
import os
import socket
import struct
import sys
import time

import pytest

import lab

pytest.importorskip("cryptography")
sys.path.insert(0, str(lab.ROOT / "tests" / "vectors"))
from cryptography.exceptions import InvalidTag  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
import ref_vx6 as vx  # noqa: E402

SPKI_HEAD = bytes.fromhex("302a300506032b6570032100")
ALERT, HANDSHAKE, APPDATA = 21, 22, 23
DATA, WINDOW, RESET, PING, PONG, GOAWAY, PAD = range(7)
FIN, OPEN = 1, 4
SERVICE_UNKNOWN, ACCESS_REFUSED, TARGET_UNREACHABLE = 0x64, 0x65, 0x66


class Refused(Exception):
    """The agent ended the connection, with an alert or without."""


def public(seed):
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def sign(seed, data):
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(data)


def vec(n, data):
    return len(data).to_bytes(n, "big") + data


def ext(kind, data):
    return struct.pack("!H", kind) + vec(2, data)


class Schedule:
    """RFC 8446, section 7, for SHA-256 and no pre-shared key."""

    def __init__(self):
        self.transcript = hashlib.sha256()
        self.secret = hmac.digest(bytes(32), bytes(32), "sha256")

    @staticmethod
    def expand(secret, label, context, n):
        info = struct.pack("!H", n) + vec(1, b"tls13 " + label) + vec(1, context)
        return hmac.digest(secret, info + b"\x01", "sha256")[:n]

    def advance(self, ikm):
        derived = self.expand(self.secret, b"derived", hashlib.sha256(b"").digest(), 32)
        self.secret = hmac.digest(derived, ikm, "sha256")

    def traffic(self, label):
        return self.expand(self.secret, label, self.transcript.digest(), 32)

    def finished(self, secret):
        return hmac.digest(self.expand(secret, b"finished", b"", 32), self.transcript.digest(), "sha256")


class Half:
    """One direction's record protection."""

    def __init__(self, secret):
        self.aead, self.iv, self.seq = AESGCM(Schedule.expand(secret, b"key", b"", 16)), Schedule.expand(secret, b"iv", b"", 12), 0

    def nonce(self):
        n = int.from_bytes(self.iv, "big") ^ self.seq
        self.seq += 1
        return n.to_bytes(12, "big")


class Tls:
    """A client's side. `seed`: our key, None: anonymous; `claim`: the public key we show, ours by default."""

    def __init__(self, host, to, seed=None, claim=None, garble=(), timeout=8):
        time.sleep(0.06)  # an agent takes 20 handshakes a second from one network
        with host.enter():
            self.sock = socket.create_connection(to, timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seed, self.claim, self.garble = seed, claim, garble
        self.inbox, self.read_half, self.write_half = b"", None, None
        self.schedule = Schedule()
        self.peer_key = None

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # Records

    def _exact(self, n):
        while len(self.inbox) < n:
            try:
                got = self.sock.recv(65536)
            except TimeoutError:
                raise
            except OSError as e:
                raise Refused("connection reset") from e
            if not got:
                raise Refused("connection closed")
            self.inbox += got
        out, self.inbox = self.inbox[:n], self.inbox[n:]
        return out

    def read_record(self):
        while True:
            head = self._exact(5)
            kind, body = head[0], self._exact(int.from_bytes(head[3:], "big"))
            if kind == 20:
                continue  # a ChangeCipherSpec of middlebox compatibility
            if kind == ALERT:
                raise Refused(f"alert {body[1]}")
            if self.read_half:
                try:
                    body = self.read_half.aead.decrypt(self.read_half.nonce(), body, head).rstrip(b"\0")
                except InvalidTag as e:
                    raise AssertionError("a record of the agent does not decrypt") from e
                kind, body = body[-1], body[:-1]
                if kind == ALERT:
                    raise Refused(f"alert {body[1]}")
            return kind, body

    def write_record(self, kind, body, damage=None):
        if self.write_half:
            inner = body + bytes([kind])
            head = struct.pack("!BHH", APPDATA, 0x0303, len(inner) + 16)
            sealed = self.write_half.aead.encrypt(self.write_half.nonce(), inner, head)
            out = head + sealed
        else:
            out = struct.pack("!BHH", kind, 0x0301, len(body)) + body
        try:
            self.sock.sendall(damage(out) if damage else out)
        except OSError as e:
            raise Refused("connection reset") from e

    # Handshake

    def _hello(self, share):
        names = vec(2, vec(1, b"vx6/1"))
        extensions = [ext(43, vec(1, b"\x03\x04")), ext(10, vec(2, b"\x00\x1d")), ext(13, vec(2, b"\x08\x07")),
                      ext(51, vec(2, b"\x00\x1d" + vec(2, share))), ext(16, names), ext(19, vec(1, b"\x02")), ext(20, vec(1, b"\x02"))]
        body = b"\x03\x03" + os.urandom(32) + vec(1, b"") + vec(2, b"\x13\x01") + vec(1, b"\x00") + vec(2, b"".join(extensions))
        return b"\x01" + vec(3, body)

    def _messages(self):
        """Handshake messages, each with its header; the transcript takes them after they are read."""
        pending = b""
        while True:
            while len(pending) >= 4 and len(pending) >= 4 + int.from_bytes(pending[1:4], "big"):
                n = 4 + int.from_bytes(pending[1:4], "big")
                message, pending = pending[:n], pending[n:]
                yield message
                self.schedule.transcript.update(message)
            kind, body = self.read_record()
            assert kind == HANDSHAKE, kind
            pending += body

    @staticmethod
    def _share(server_hello):
        at = 4 + 2 + 32
        at += 1 + server_hello[at] + 2 + 1
        rest, found = server_hello[at + 2:], None
        while rest:
            kind, n = struct.unpack("!HH", rest[:4])
            if kind == 51:
                found = rest[8:4 + n]
            rest = rest[4 + n:]
        return found

    def handshake(self):
        s, own = self.schedule, x25519.X25519PrivateKey.generate()
        hello = self._hello(own.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
        self.write_record(HANDSHAKE, hello)
        s.transcript.update(hello)
        flow = self._messages()
        s.advance(own.exchange(x25519.X25519PublicKey.from_public_bytes(self._share(next(flow)))))
        self._encrypt_after_server_hello()
        asked = self._server_flight(flow)
        s.advance(bytes(32))
        client, server = s.traffic(b"c ap traffic"), s.traffic(b"s ap traffic")
        self.write_half = Half(self._client_hs)
        if asked:
            self._show_key()
        finish = bytes(32) if "finished" in self.garble else s.finished(self._client_hs)
        self.write_record(HANDSHAKE, b"\x14" + vec(3, finish))
        self.write_half, self.read_half = Half(client), Half(server)
        return self

    def _encrypt_after_server_hello(self):
        """The keys hang on a transcript that holds ServerHello, and that is so when the next record is read."""
        read = self.read_record

        def first():
            s = self.schedule
            self._client_hs, self._server_hs = s.traffic(b"c hs traffic"), s.traffic(b"s hs traffic")
            self.read_half, self.read_record = Half(self._server_hs), read
            return read()

        self.read_record = first

    def _server_flight(self, flow):
        """EncryptedExtensions to Finished; whether we were asked for a key."""
        s, asked = self.schedule, False
        for message in flow:
            kind = message[0]
            if kind == 13:
                asked = True
            elif kind == 11:
                at = 4 + 1 + message[4] + 3
                n = int.from_bytes(message[at:at + 3], "big")
                der = message[at + 3:at + 3 + n]
                assert der[:12] == SPKI_HEAD and n == 44, "the agent shows no raw Ed25519 key"
                self.peer_key = der[12:]
            elif kind == 15:
                n = struct.unpack("!H", message[6:8])[0]
                said = b"\x20" * 64 + b"TLS 1.3, server CertificateVerify\0" + s.transcript.digest()
                ed25519.Ed25519PublicKey.from_public_bytes(self.peer_key).verify(message[8:8 + n], said)
            elif kind == 20:
                assert hmac.compare_digest(message[4:], s.finished(self._server_hs)), "the agent's Finished is wrong"
                s.transcript.update(message)
                break
        return asked

    def _show_key(self):
        s = self.schedule
        entries = b""
        if self.seed:
            entries = vec(3, SPKI_HEAD + (self.claim or public(self.seed))) + vec(2, b"")
        message = b"\x0b" + vec(3, vec(1, b"") + vec(3, entries))
        self.write_record(HANDSHAKE, message)
        s.transcript.update(message)
        if self.seed and "no verify" not in self.garble:
            signature = sign(self.seed, b"\x20" * 64 + b"TLS 1.3, client CertificateVerify\0" + s.transcript.digest())
            if "signature" in self.garble:
                signature = bytes([signature[0] ^ 1]) + signature[1:]
            message = b"\x0f" + vec(3, b"\x08\x07" + vec(2, signature))
            self.write_record(HANDSHAKE, message)
            s.transcript.update(message)


class Identity:
    """Master key, subkey and certificate of a made-up node."""

    def __init__(self, name="mallory", not_before=-3600, not_after=86400, cert_seq=1, purposes=3, kind=1):
        self.name, self.master, self.subkey = name, os.urandom(32), os.urandom(32)
        now = int(time.time())
        self.node = public(self.master)
        self.cert = vx.subkey_cert(self.master, public(self.subkey), kind, purposes, now + not_before, now + not_after, cert_seq)
        self.text = vx.key_text("vx", self.node)

    def record(self, rtype, tlvs, seq=None, issued=None, lifetime=3600, flags=0, signer=None, subject=None):
        now = int(time.time())
        return vx.record(rtype, subject or self.node, seq or now * 1000, now if issued is None else issued, lifetime,
                         [*tlvs, vx.tlv(0x81, self.cert)], signer or self.subkey, flags)

    def endpoint(self, seq=None, name=None, at=None, features=3, **kw):
        """at: (IPv6 address, port) where it can be reached over TCP, by its own word."""
        name = (self.name if name is None else name).encode()
        addr = [vx.tlv(1, vx.u8(2) + ipaddress.ip_address(at[0]).packed + vx.u16(at[1]) + vx.u8(0))] if at else []
        return self.record(1, addr + [vx.tlv(3, vx.u64(features))] + ([vx.tlv(4, name)] if name else []), seq, **kw)

    def claim(self, name, seq=None, bits=20, **kw):
        """A claim to a name, with its proof of work: about two seconds for 20 bits."""
        nonce = next(n for n in itertools.count() if vx.name_work(name, self.node, n) >= bits)
        issued = kw.get("issued") or int(time.time())
        return self.record(4, [vx.tlv(4, name.encode()), vx.tlv(0x0A, vx.u64(nonce)), vx.tlv(0x0C, vx.u64(issued))], seq,
                           lifetime=kw.pop("lifetime", 86400), **kw)

    def service(self, name, seq=None, **kw):
        name = name.encode()
        return self.record(2, [vx.tlv(5, vx.u8(len(name)) + name + vx.u8(1) + vx.u16(0) + vx.u8(0))], seq, **kw)

    def hello(self, endpoint=None, node=None, cert=None, version=1, role=1, extra=b"", clock=None, features=3, max_cell=0):
        tlvs = [vx.tlv(1, endpoint)] if endpoint else []
        tlvs += [vx.tlv(0x81, cert or self.cert), vx.tlv(0x82, node or self.node)] if role != 2 else []
        clock = int(time.time() * 1000) if clock is None else clock
        return vx.hello(version, features, role, max_cell, clock if role != 2 else 0, bytes(16), 0, [*tlvs, extra])


class Mux:
    """Frames over an established TLS connection; stream 1 is the control stream."""

    def __init__(self, tls):
        self.tls, self.buffer, self.control, self.next = tls, b"", b"", 3
        self.streams, self.ended = {}, {}  # by number: bytes so far; 0 after FIN, else the code of a RESET

    @staticmethod
    def frame(kind, flags, stream, payload=b"", length=None):
        return struct.pack("!BBHI", kind, flags, len(payload) if length is None else length, stream) + payload

    def send(self, kind, flags, stream, payload=b"", length=None):
        self.tls.write_record(APPDATA, self.frame(kind, flags, stream, payload, length))

    def read_frame(self):
        """(type, flags, stream, payload) of the next frame; data is collected by stream, pings are answered."""
        while len(self.buffer) < 8 or len(self.buffer) < 8 + struct.unpack("!H", self.buffer[2:4])[0]:
            kind, body = self.tls.read_record()
            if kind == APPDATA:
                self.buffer += body
        kind, flags, n, stream = struct.unpack("!BBHI", self.buffer[:8])
        payload, self.buffer = self.buffer[8:8 + n], self.buffer[8 + n:]
        if kind == DATA and stream == 1:
            self.control += payload
        elif kind == DATA:
            self.streams[stream] = self.streams.get(stream, b"") + payload
        if kind == DATA and flags & FIN:
            self.ended.setdefault(stream, 0)
        if kind == RESET:
            self.ended[stream] = int.from_bytes(payload, "big")
        if kind == PING:
            self.send(PONG, 0, 0, payload)
        return kind, flags, stream, payload

    def control_messages(self):
        found = []
        while len(self.control) >= 4 and len(self.control) >= 4 + struct.unpack("!H", self.control[2:4])[0]:
            n = 4 + struct.unpack("!H", self.control[2:4])[0]
            found.append((self.control[0], self.control[4:n]))
            self.control = self.control[n:]
        return found

    def await_control(self, kind):
        """Bodies of control messages of that kind, as soon as there is one. A GOAWAY is a refusal."""
        while True:
            for got, body in self.control_messages():
                if got == kind:
                    return body
                if got == 6:
                    raise Refused(f"goaway {int.from_bytes(body[:2], 'big'):#x} {body[2:].decode()}")
            self.read_frame()

    def say_hello(self, hello):
        self.send(DATA, OPEN, 1, hello)
        return self.await_control(1)

    def open(self, name, more=b"", raw=None):
        """Opens a stream for a service; returns its number."""
        stream, self.next = self.next, self.next + 2
        self.send(DATA, OPEN, stream, raw if raw is not None else b"\1\1\0" + vec(1, name.encode()) + more)
        return stream

    def status(self, stream):
        """The acceptor's answer to OPEN, or the code it reset the stream with."""
        while len(self.streams.get(stream, b"")) < 2:
            if stream in self.ended:
                return self.ended[stream]
            self.read_frame()
        return int.from_bytes(self.streams[stream][:2], "big")

    def records(self, *records):
        self.send(DATA, 0, 1, vx.ctl(2, 0, b"".join(vec(2, r) for r in records)))

    def want(self, node):
        """Records that the agent holds of a node."""
        self.send(DATA, 0, 1, vx.ctl(3, 0, node))
        body, found = self.await_control(2), []
        while body:
            n = int.from_bytes(body[:2], "big")
            found.append(body[2:2 + n])
            body = body[2 + n:]
        return found

    def have(self, entries):
        """entries: (tag, seq) of records that it says it has."""
        self.send(DATA, 0, 1, vx.ctl(7, 0, b"".join(vx.u64(t) + vx.u64(s) for t, s in entries)))

    def ask_dht(self, op, key, more=b"", flags=0, limit=0):
        """One request to the DHT: (status, token, nodes, records), or the code that the stream was reset with."""
        stream, self.next = self.next, self.next + 2
        self.send(DATA, OPEN | FIN, stream, b"\1\2\0\0" + bytes([op, flags, limit]) + key + more)
        while stream not in self.ended:
            self.read_frame()
        if self.ended[stream]:
            return self.ended[stream]
        return parse_dht(self.streams.pop(stream)[2:])

    def dht_requests(self):
        """Requests of the agent whose streams are complete: (stream, op, key)."""
        found = []
        for stream, body in list(self.streams.items()):
            if stream % 2 == 0 and stream in self.ended and body[:4] == b"\1\2\0\0":
                del self.streams[stream]
                found.append((stream, body[4], body[7:39]))
        return found

    def answer_dht(self, stream, op, nodes=(), records=(), status=0):
        """nodes: 53 bytes each; records: (age in seconds, bytes)."""
        body = vx.u8(op | 0x80) + vx.u16(status) + bytes(8) + vx.u8(len(nodes)) + b"".join(nodes)
        body += vx.u8(len(records)) + b"".join(vx.u32(age) + vec(2, r) for age, r in records)
        self.send(DATA, FIN, stream, vx.u16(0) + body)

    def ping(self):
        """Whether the session is alive; raises Refused when it is not."""
        token = os.urandom(8)
        self.send(DATA, 0, 1, vx.ctl(4, 0, token))
        return self.await_control(5) == token


def parse_dht(body):
    status, token, n = int.from_bytes(body[1:3], "big"), body[3:11], body[11]
    nodes = [body[12 + i * 53:65 + i * 53] for i in range(n)]
    rest, records = body[13 + n * 53:], []
    for _ in range(body[12 + n * 53]):
        size = int.from_bytes(rest[4:6], "big")
        records.append(rest[6:6 + size])
        rest = rest[6 + size:]
    return status, token, nodes, records


def connect(host, to, identity, hello=None, **kw):
    """A session up to HELLO in both directions."""
    tls = Tls(host, to, identity.subkey if identity else None, **kw)
    try:
        tls.handshake()
        mux = Mux(tls)
        mux.peer_hello = mux.say_hello(hello if hello is not None else identity.hello(identity.endpoint()))
        return mux
    except BaseException:
        tls.close()
        raise
