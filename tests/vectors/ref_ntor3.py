"""ntor-v3 in plain Python, from schemas/wire/onion.md and Tor proposal 332. For vectors only."""
import hashlib

import ref_ed25519 as ed
from ref_cgo import Aes, xor

PROTOID = b"vx6-ntor3-curve25519-sha3_256-1"
BASE = (9).to_bytes(32, "little")


def sized(s):
    return len(s).to_bytes(8, "big") + s


class Handshake:
    """Everything that either side computes, under the names of the specification. `x` and `y` are the secrets drawn, `b` is the onion key's."""

    def __init__(self, protoid, ident, ver, b, x, y, cm, sm, keys_n):
        def hashed(purpose, s):
            return hashlib.sha3_256(sized(protoid + purpose) + s).digest()

        def derived(purpose, s, n):
            return hashlib.shake_256(sized(protoid + purpose) + s).digest(n)

        def closed(key, s):
            return xor(s, Aes(key).ctr(bytes(16), len(s)))

        self.B, self.X, self.Y = (ed.x25519(k, BASE) for k in (b, x, y))
        bx = ed.x25519(x, self.B)
        assert bx == ed.x25519(b, self.X) != bytes(32)
        phase1 = derived(b":kdf_phase1", bx + ident + self.X + self.B + protoid + sized(ver), 64)
        self.ENC_K1, self.MAC_K1 = phase1[:32], phase1[32:]
        enc_cm = closed(self.ENC_K1, cm)
        self.msg_mac = hashed(b":msg_mac", sized(self.MAC_K1) + ident + self.B + self.X + enc_cm)
        self.client = self.X + enc_cm + self.msg_mac
        xy = ed.x25519(y, self.X)
        assert xy == ed.x25519(x, self.Y) != bytes(32)
        s = xy + bx + ident + self.B + self.X + self.Y + protoid + sized(ver)
        self.key_seed, self.verify = hashed(b":key_seed", s), hashed(b":verify", s)
        final = derived(b":kdf_final", self.key_seed, 32 + keys_n)
        enc_sm, self.KEYSTREAM = closed(final[:32], sm), final[32:]
        self.AUTH = hashed(b":auth_final", self.verify + ident + self.B + self.Y + self.X + self.msg_mac + sized(enc_sm) +
                           protoid + b"Server")
        self.server = self.Y + self.AUTH + enc_sm


def key_id(onion):
    return hashlib.blake2b(onion, digest_size=32, person=b"VX6-onion-key").digest()[:8]
