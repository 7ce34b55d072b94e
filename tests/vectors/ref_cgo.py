"""AES (FIPS 197), POLYVAL (RFC 8452) and CGO (schemas/wire/onion.md; Tor proposal 359) in plain Python. For vectors only: slow and not
constant time."""
from dataclasses import dataclass

# ---- AES ----


def _double(a):
    return a << 1 ^ (0x11B if a & 0x80 else 0)


def _times(a, b):
    p = 0
    while b:
        p ^= a if b & 1 else 0
        a, b = _double(a), b >> 1
    return p


def _sbox():
    box = []
    for a in range(256):
        inverse = next((b for b in range(256) if _times(a, b) == 1), 0)
        turned = [(inverse << n | inverse >> 8 - n) & 0xFF for n in range(5)]
        box.append(0x63 ^ turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4])
    return box


SBOX = _sbox()
UNSBOX = [SBOX.index(a) for a in range(256)]
TIMES = {k: [_times(a, k) for a in range(256)] for k in (2, 3, 9, 11, 13, 14)}
SHIFT = [(i + 4 * (i % 4)) % 16 for i in range(16)]
UNSHIFT = [SHIFT.index(i) for i in range(16)]


class Aes:
    def __init__(self, key):
        n = len(key) // 4
        words, rcon = [list(key[i:i + 4]) for i in range(0, len(key), 4)], 1
        for i in range(n, 4 * (n + 7)):
            w = words[-1]
            if i % n == 0:
                w = [SBOX[b] for b in w[1:] + w[:1]]
                w[0] ^= rcon
                rcon = _double(rcon)
            elif n > 6 and i % n == 4:
                w = [SBOX[b] for b in w]
            words.append([a ^ b for a, b in zip(w, words[i - n])])
        self.keys = [sum(words[i:i + 4], []) for i in range(0, len(words), 4)]

    def encrypt(self, block):
        two, three = TIMES[2], TIMES[3]
        s = [a ^ k for a, k in zip(block, self.keys[0])]
        for key in self.keys[1:-1]:
            s = [SBOX[s[i]] for i in SHIFT]
            mixed = []
            for c in range(0, 16, 4):
                a, b, d, e = s[c:c + 4]
                mixed += [two[a] ^ three[b] ^ d ^ e, a ^ two[b] ^ three[d] ^ e, a ^ b ^ two[d] ^ three[e], three[a] ^ b ^ d ^ two[e]]
            s = [a ^ k for a, k in zip(mixed, key)]
        return bytes(SBOX[s[i]] ^ k for i, k in zip(SHIFT, self.keys[-1]))

    def decrypt(self, block):
        nine, eleven, thirteen, fourteen = (TIMES[k] for k in (9, 11, 13, 14))
        s = [a ^ k for a, k in zip(block, self.keys[-1])]
        for key in self.keys[-2:0:-1]:
            s = [UNSBOX[s[i]] ^ k for i, k in zip(UNSHIFT, key)]
            mixed = []
            for c in range(0, 16, 4):
                column = s[c:c + 4]
                for r in range(4):
                    a, b, d, e = column[r:] + column[:r]
                    mixed.append(fourteen[a] ^ eleven[b] ^ thirteen[d] ^ nine[e])
            s = mixed
        return bytes(UNSBOX[s[i]] ^ k for i, k in zip(UNSHIFT, self.keys[0]))

    def ctr(self, start, n):
        """@return n bytes of keystream; the counter is the whole block"""
        at, out = int.from_bytes(start, "big"), b""
        while len(out) < n:
            out += self.encrypt(at.to_bytes(16, "big"))
            at = (at + 1) % 2**128
        return out[:n]


# ---- POLYVAL ----

POLY = 1 << 128 | 1 << 127 | 1 << 126 | 1 << 121 | 1


def polyval(key, data):
    """Zeroes fill the last block up."""
    at = int.from_bytes(key, "little")
    for _ in range(128):  # times x^-128
        at = (at ^ POLY if at & 1 else at) >> 1
    row = []  # key times x^(i - 128)
    for _ in range(128):
        row.append(at)
        at <<= 1
        if at >> 128:
            at ^= POLY
    total = 0
    for i in range(0, len(data), 16):
        x, total = total ^ int.from_bytes(data[i:i + 16], "little"), 0
        for bit, value in enumerate(row):
            if x >> bit & 1:
                total ^= value
    return total.to_bytes(16, "little")


# ---- CGO ----


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


@dataclass(frozen=True)
class Shape:
    payload: int
    blocks: int
    clear_bits: int


CELL, TOR = Shape(1007, 63, 7), Shape(493, 31, 6)


class Layer:
    """One direction of one hop, at either end of it."""

    def __init__(self, seed, shape=CELL):
        self.shape, self.chain = shape, bytes(16)
        self._key(seed)

    def _key(self, seed):
        self.seed, self.n = seed[:64], seed[64:80]
        self.kb, self.ku, self.kp, self.bp = Aes(seed[:16]), seed[16:32], Aes(seed[32:48]), seed[48:64]

    def _iv(self, x):
        return int.from_bytes(polyval(self.bp, x), "big") >> self.shape.clear_bits << self.shape.clear_bits

    def _stream(self, x, first, n):
        return self.kp.ctr((self._iv(x) + first).to_bytes(16, "big"), n)

    def encrypt(self, ad, body):
        left, right = body[:16], body[16:]
        t = polyval(self.ku, self.chain + bytes((ad,)) + right)
        left = xor(t, self.kb.encrypt(xor(left, t)))
        return left + xor(right, self._stream(left, 0, len(right)))

    def decrypt(self, ad, body):
        left, right = body[:16], body[16:]
        right = xor(right, self._stream(left, 0, len(right)))
        t = polyval(self.ku, self.chain + bytes((ad,)) + right)
        return xor(t, self.kb.decrypt(xor(left, t))) + right

    def update(self):
        self._key(self._stream(self.n, self.shape.blocks, 80))

    # ---- at a relay ----

    def relay_forward(self, ad, body):
        """@return what goes on or is read, and whether it is for this hop"""
        body = self.encrypt(ad, body)
        self.chain = body[:16]
        mine = self.chain == self.n
        if mine:
            self.update()
        return body, mine

    def relay_originate(self, ad, payload):
        body = self.encrypt(ad, self.n + payload)
        self.n = self.chain = body[:16]
        self.update()
        return body

    def relay_backward(self, ad, body):
        body = self.encrypt(ad, body)
        self.chain = body[:16]
        return body

    # ---- at the client ----

    def client_peel(self, ad, body):
        before, body = body[:16], self.decrypt(ad, body)
        self.chain = before
        return body


def client_forward(hops, to, ad, payload):
    body = hops[to].n + payload
    for hop in reversed(hops[:to + 1]):
        body = hop.client_peel(ad, body)
    hops[to].update()
    return body


def client_backward(hops, ad, body):
    """@return the hop it is from and its payload; None: from none"""
    for i, hop in enumerate(hops):
        before, body = body[:16], hop.client_peel(ad, body)
        if body[:16] == hop.n:
            hop.n = before
            hop.update()
            return i, body[16:]
    return None
