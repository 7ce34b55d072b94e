"""The client's end of a circuit written a second time, from the wire pages: ntor-v3, CGO, cells, the streams inside.

    c = Circuit(mux)                      # a session of rogue.connect()
    c.create(r1)                          # hops are Hop(node id, onion key, endpoint record)
    c.extend(r2)
    inner = c.inner(); inner.say_hello(...); stream = inner.open("web")

Every step can be left out or bent: a test takes create_cell(), seal() and raw_cell() apart and sends what it likes.
"""
import hashlib
import hmac
import os
import select
import struct
import threading

import pytest

pytest.importorskip("cryptography")
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import x25519  # noqa: E402
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: E402
from rogue import DATA, RESET, WINDOW, Identity, Mux, Refused, connect, vec, vx  # noqa: E402

CELL, BODY, TAG, PAYLOAD, DATA_MAX = 1024, 1023, 16, 1007, 1004
CREATE, CREATED, RELAY, PAD = 1, 2, 3, 4
EXTEND, EXTENDED, REFUSED, STREAMS, PADDING, PING_HOP, PONG_HOP, DRAIN = range(1, 9)
ESTABLISH_INTRO, INTRO_ESTABLISHED, INTRODUCE1, INTRODUCE2, INTRODUCED, INTRODUCE_ACK = range(9, 15)  # schemas/wire/hidden_messages.md
ESTABLISH_REND, REND_ESTABLISHED, RENDEZVOUS1, RENDEZVOUS2 = range(15, 19)
OPEN_CIRCUIT = b"\1\4\0\0"
PROTOID = b"vx6-ntor3-curve25519-sha3_256-1"
CIRCUIT_FEATURES = 1 | 2 | 1 << 5  # services, records, circuits; does not exchange records of others

CODES = {"BAD_FORMAT": 1, "UNSUPPORTED": 2, "TIMEOUT": 4, "LIMIT": 5, "DRAINING": 7, "WRONG_PEER": 0x14, "CERT_EXPIRED": 0x13, "SIG": 0x20,
         "STALE": 0x21, "NOT_FOUND": 0x28, "CIRC_PROTO": 0x40, "CIRC_UNREACHABLE": 0x41, "CIRC_POLICY": 0x42, "CIRC_OOM": 0x43,
         "CIRC_DESTROYED": 0x44, "CIRC_REPLAY": 0x45, "INTRO_UNKNOWN": 0x50, "INTRO_RATE": 0x51, "REND_NOCOOKIE": 0x52, "REND_DUP": 0x53}


class Ended(Exception):
    """The circuit was reset, with this code."""

    def __init__(self, code):
        name = next((n for n, c in CODES.items() if c == code), hex(code))
        super().__init__(f"the circuit ended: {name}")
        self.code = code


class HopRefused(Exception):
    """REFUSED: there is no next hop."""

    def __init__(self, code):
        name = next((n for n, c in CODES.items() if c == code), hex(code))
        super().__init__(f"extending was refused: {name}")
        self.code = code


# ntor-v3


def sized(s):
    return struct.pack("!Q", len(s)) + s


def digest(purpose, data):
    return hashlib.sha3_256(sized(PROTOID + purpose) + data).digest()


def expand(purpose, data, n):
    return hashlib.shake_256(sized(PROTOID + purpose) + data).digest(n)


def ctr256(key, data):
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(data)


def key_id(onion):
    return vx.blake2b("VX6-onion-key", onion)[:8]


class Handshake:
    """The client's side with one hop. `message`: CM."""

    def __init__(self, node, onion, message=b""):
        self.node, self.onion = node, onion
        self.x = x25519.X25519PrivateKey.generate()
        self.pk = self.x.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.bx = self.x.exchange(x25519.X25519PublicKey.from_public_bytes(onion))
        keys = expand(b":kdf_phase1", self.bx + node + self.pk + onion + PROTOID + sized(vx.NET), 64)
        sealed = ctr256(keys[:32], message)
        self.mac = digest(b":msg_mac", sized(keys[32:]) + node + onion + self.pk + sealed)
        self.hs = self.pk + sealed + self.mac

    def create(self):
        """CREATE without a cell around it."""
        return vx.create(key_id(self.onion), self.hs)

    def finish(self, hs):
        """(SM, 192 bytes of keys)."""
        y, auth, sealed = hs[:32], hs[32:64], hs[64:]
        yx = self.x.exchange(x25519.X25519PublicKey.from_public_bytes(y))
        s = yx + self.bx + self.node + self.onion + self.pk + y + PROTOID + sized(vx.NET)
        raw = expand(b":kdf_final", digest(b":key_seed", s), 32 + 192)
        said = digest(b":verify", s) + self.node + self.onion + y + self.pk + self.mac + sized(sealed) + PROTOID + b"Server"
        assert hmac.compare_digest(auth, digest(b":auth_final", said)), "the hop's AUTH is wrong"
        return ctr256(raw[:32], sealed), raw[32:]


# POLYVAL (RFC 8452). The product without carries comes out of an ordinary one, of numbers whose bits are eight apart.

ONES = int.from_bytes(b"\1" * 128, "big")
ONES_2 = int.from_bytes(b"\1" * 256, "big")
LOW = (1 << 64) - 1
BITS = bytes.maketrans(b"\0\1", b"01")


def spread(a):
    return int.from_bytes(format(a, "0128b").encode(), "big") & ONES


def fold(p):
    for _ in range(2):
        low = p & LOW
        p = (p ^ low ^ low << 121 ^ low << 126 ^ low << 127 ^ low << 128) >> 64
    return p


def polyval(key, data):
    key, acc = spread(int.from_bytes(key, "little")), 0
    data += bytes(-len(data) % 16)
    for at in range(0, len(data), 16):
        product = key * spread(acc ^ int.from_bytes(data[at:at + 16], "little")) & ONES_2
        acc = fold(int(product.to_bytes(256, "big").translate(BITS), 2))
    return acc.to_bytes(16, "little")


def xor(a, b):
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


class Layer:
    """CGO in one direction with one hop."""

    def __init__(self, seed):
        self.chain = bytes(16)
        self._key(seed)

    def _key(self, seed):
        self.block = Cipher(algorithms.AES(seed[:16]), modes.ECB())
        self.ku, self.kp, self.bp, self.nonce = seed[16:32], seed[32:48], seed[48:64], seed[64:80]

    def _stream(self, x, n, skip=0):
        iv = polyval(self.bp, x)
        iv = iv[:15] + bytes([(iv[15] & 0x80) + skip])
        return Cipher(algorithms.AES(self.kp), modes.CTR(iv)).encryptor().update(bytes(n))

    def decrypt(self, ad, body):
        was, left = body[:16], body[:16]
        right = xor(body[16:], self._stream(left, len(body) - 16))
        t = polyval(self.ku, self.chain + bytes([ad]) + right)
        left = xor(self.block.decryptor().update(xor(left, t)), t)
        self.chain = was
        return left + right

    def update(self):
        self._key(self._stream(self.nonce, 80, skip=63))


class Onion:
    """The layers of a circuit, the nearest hop first."""

    def __init__(self):
        self.forward, self.back, self.bindings = [], [], []

    def add(self, keys):
        self.forward.append(Layer(keys[:80]))
        self.back.append(Layer(keys[80:160]))
        self.bindings.append(keys[160:])

    def seal(self, hop, payload, ad=RELAY):
        body = self.forward[hop].nonce + payload
        for layer in self.forward[hop::-1]:
            body = layer.decrypt(ad, body)
        self.forward[hop].update()
        return body

    def open(self, body, ad=RELAY):
        """(hop, payload)."""
        for n, layer in enumerate(self.back):
            was = body[:16]
            body = layer.decrypt(ad, body)
            if hmac.compare_digest(body[:16], layer.nonce):
                layer.nonce = was
                layer.update()
                return n, body[16:]
        raise AssertionError("a cell that no hop recognises")


# Hops and circuits


class Hop:
    """What a client knows of a node: from its records."""

    def __init__(self, node, onion, record, relay_info=None):
        self.node, self.onion, self.record, self.relay_info = node, onion, record, relay_info

    @classmethod
    def met(cls, host, to, identity=None):
        """What a node tells of itself to whoever comes: its endpoint record in HELLO, the rest when asked."""
        identity = identity or Identity("courier")
        mux = connect(host, to, identity, hello=identity.hello())
        with mux.tls:
            endpoint = tlvs(mux.peer_hello[39:])[1]
            relay = next(r for r in mux.want(endpoint[8:40]) if r[4] == 7)
        return cls(endpoint[8:40], tlvs(relay[64:-64])[6][:32], endpoint, relay)


def tlvs(rest):
    """{type: value}"""
    found = {}
    while rest:
        kind, size = struct.unpack("!BH", rest[:3])
        found[kind], rest = rest[3:3 + size], rest[3 + size:]
    return found


def payload(kind, data, fill=True):
    said = struct.pack("!BH", kind, len(data)) + data
    return said + (os.urandom(PAYLOAD - len(said)) if fill else bytes(PAYLOAD - len(said)))


def extend_data(hop, create, record=True):
    record = hop.record if record is True else record or b""
    return hop.node + vec(2, create) + vec(2, record)


def answer_probes(mux):
    """A link on which cells were sent and from which nothing comes is probed (schemas/wire/relaying.md): who does not answer is dead."""
    for kind, body in mux.control_messages():
        if kind == 4:
            mux.send(DATA, 0, 1, vx.ctl(5, 0, body))


def attend(*muxes):
    """Reads what has come, without waiting and without giving credit, and answers probes."""
    while True:
        ready = [m for m in muxes if m.tls.inbox or select.select([m.tls.sock], [], [], 0)[0]]
        if not ready:
            return
        for mux in ready:
            mux.read_frame()
            answer_probes(mux)


class Attended:
    """Sessions that are attended to all the time. Whoever uses one of them holds `lock` meanwhile."""

    def __init__(self, muxes):
        self.muxes, self.lock, self.over = list(muxes), threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.over.wait(0.02):
            with self.lock:
                for mux in list(self.muxes):
                    try:
                        attend(mux)
                    except (Refused, OSError):
                        self.muxes.remove(mux)

    def close(self):
        self.over.set()
        self.thread.join()
        for mux in self.muxes:
            mux.tls.close()


class Circuit:
    """One circuit over a session. Nothing is read but when something is waited for, and credit is given only for what was read."""

    WINDOW = 256 << 10  # at first, in both directions

    def __init__(self, mux):
        self.mux, self.onion, self.hops, self.stream, self.said_ok = mux, Onion(), [], None, False
        self.inbox, self.eaten = b"", 0

    # Cells

    def open_with(self, data):
        """OPEN, and these bytes right behind it."""
        self.stream = self.mux.open(None, raw=OPEN_CIRCUIT + data)
        return self

    def write(self, data):
        self.mux.send(DATA, 0, self.stream, data)

    def reset(self, code=CODES["CIRC_DESTROYED"]):
        self.mux.send(RESET, 0, self.stream, struct.pack("!I", code))

    def _take(self, n):
        """The next n bytes of the stream, of what has come."""
        while len(self.inbox) < n:
            got = self.mux.streams.pop(self.stream, b"")
            self.inbox += got
            if len(self.inbox) >= n:
                break
            if not got and self.stream in self.mux.ended:
                raise Ended(self.mux.ended[self.stream])
            if not got:
                self.mux.read_frame()
                answer_probes(self.mux)
        out, self.inbox = self.inbox[:n], self.inbox[n:]
        self.eaten += n
        self.mux.eaten = getattr(self.mux, "eaten", 0) + n
        for owner, stream in ((self, self.stream), (self.mux, 0)):
            if owner.eaten >= self.WINDOW // 4:
                self.mux.send(WINDOW, 0, stream, struct.pack("!I", owner.eaten))
                owner.eaten = 0
        return out

    def read_cell(self):
        if not self.said_ok:
            status = int.from_bytes(self._take(2), "big")
            assert status == 0, f"OPEN was answered with {status:#x}"
            self.said_ok = True
        return self._take(CELL)

    def end(self):
        """The code that the circuit ends with, whatever comes before."""
        try:
            while True:
                self.read_cell()
        except Ended as e:
            return e.code

    # Messages

    def send(self, kind, data, hop=None):
        self.send_payload(payload(kind, data), hop)

    def send_payload(self, said, hop=None):
        hop = len(self.hops) - 1 if hop is None else hop
        self.write(bytes([RELAY]) + self.onion.seal(hop, said))

    def read(self):
        """(hop, type, data) of the next message of a hop."""
        while True:
            cell = self.read_cell()
            if cell[0] == PAD:
                continue
            assert cell[0] == RELAY, f"a cell of command {cell[0]}"
            hop, said = self.onion.open(cell[1:])
            kind, n = struct.unpack("!BH", said[:3])
            if kind != PADDING:
                return hop, kind, said[3:3 + n]

    def expect(self, *kinds):
        """The next message, which is one of these kinds; DRAIN may come at any time."""
        while True:
            hop, kind, data = self.read()
            if kind in kinds:
                return hop, kind, data
            assert kind == DRAIN, (hop, kind, data[:16])

    # Building

    def create_cell(self, hop, message=b""):
        self.handshake = Handshake(hop.node, hop.onion, message)
        said = bytes([CREATE]) + self.handshake.create()
        return said + os.urandom(CELL - len(said))

    def create(self, hop, message=b""):
        """The first hop. Returns SM."""
        self.open_with(self.create_cell(hop, message))
        return self.created(hop)

    def created(self, hop):
        cell = self.read_cell()
        assert cell[0] == CREATED and cell[1] == 1, cell[:8]
        said, keys = self.handshake.finish(cell[4:4 + struct.unpack("!H", cell[2:4])[0]])
        self.onion.add(keys)
        self.hops.append(hop)
        return said

    def ask_extend(self, hop, record=True, message=b"", create=None):
        self.handshake = Handshake(hop.node, hop.onion, message)
        self.send(EXTEND, extend_data(hop, create or self.handshake.create(), record))

    def extended(self, hop):
        _, kind, data = self.expect(EXTENDED, REFUSED)
        if kind == REFUSED:
            raise HopRefused(int.from_bytes(data, "big"))
        assert data[0] == 1
        said, keys = self.handshake.finish(data[3:3 + struct.unpack("!H", data[1:3])[0]])
        self.onion.add(keys)
        self.hops.append(hop)
        return said

    def extend(self, hop, record=True, message=b""):
        self.ask_extend(hop, record, message)
        return self.extended(hop)

    def build(self, *hops):
        self.create(hops[0])
        for hop in hops[1:]:
            self.extend(hop)
        return self

    def ping(self, hop=None):
        token = os.urandom(8)
        self.send(PING_HOP, token, hop)
        return self.expect(PONG_HOP)[2] == token

    def inner(self):
        """The session with the last hop: a Mux in payloads."""
        return Inner(self)

    def session(self, identity=None):
        """The same, up to HELLO; without an identity as an anonymous one."""
        inner = Inner(self)
        inner.peer_hello = inner.say_hello(self.hello(identity))
        return inner

    def hello(self, identity=None):
        features = 1 | 1 << 4  # services, resumable streams: over circuits they go together
        if not identity:
            return vx.hello(1, features, 2, 0, 0, bytes(16), 0, [])
        proof = vx.hello_proof(identity.subkey, 1, self.onion.bindings[-1])
        return vx.hello(1, features, 1, 0, 0, bytes(16), 0, [vx.tlv(0x81, identity.cert), vx.tlv(0x82, identity.node), vx.tlv(0x83, proof)])


class Payloads:
    """What carries a Mux in place of TLS records."""

    def __init__(self, circuit):
        self.circuit = circuit

    def write_record(self, kind, body):
        self.circuit.send(STREAMS, body)

    def read_record(self):
        _, _, data = self.circuit.expect(STREAMS)
        return 23, data


class Inner(Mux):
    """The session with the end of a circuit. Streams without resuming: OPEN names a service as over any session."""

    def __init__(self, circuit):
        super().__init__(Payloads(circuit))
        self.circuit = circuit


def hello_over_link(identity=None):
    """HELLO for a session that is there for circuits. An identity without an endpoint record: nothing of it is to be passed on."""
    if not identity:
        return vx.hello(1, CIRCUIT_FEATURES, 2, CELL, 0, bytes(16), 0, [])
    return identity.hello(features=CIRCUIT_FEATURES, max_cell=CELL)
