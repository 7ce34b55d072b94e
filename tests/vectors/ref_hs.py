"""Hidden services in plain Python, from schemas/wire/hidden.md, Tor's rend-spec-v3 and proposal 327. For vectors only."""
import hashlib

import ref_aead as aead
import ref_ed25519 as ed
import ref_vx6 as vx
from ref_cgo import Aes, xor

PROTOID = b"vx6-hs-ntor-curve25519-sha3-256-1"
BASE = (9).to_bytes(32, "little")
PERIOD = 21600


# ---- handshake ----

def mac(key, msg):
    return hashlib.sha3_256(len(key).to_bytes(8, "big") + key + msg).digest()


class HsNtor:
    """Everything that either side computes, under the names of the specification; `b`, `x`, `y` are the secrets."""

    def __init__(self, protoid, auth_key, subcred, b, x, y, head, plain):
        self.B, self.X, self.Y = (ed.x25519(k, BASE) for k in (b, x, y))
        bx, xy = ed.x25519(x, self.B), ed.x25519(y, self.X)
        assert bx == ed.x25519(b, self.X) != bytes(32) and xy == ed.x25519(x, self.Y) != bytes(32)
        intro = bx + auth_key + self.X + self.B + protoid + protoid + b":hs_key_extract" + protoid + b":hs_key_expand" + subcred
        keys = hashlib.shake_256(intro).digest(64)
        self.ENC_KEY, self.MAC_KEY = keys[:32], keys[32:]
        enc = xor(plain, Aes(self.ENC_KEY).ctr(bytes(16), len(plain)))
        self.sealed = self.X + enc + mac(self.MAC_KEY, head + self.X + enc)
        rend = xy + bx + auth_key + self.B + self.X + self.Y + protoid
        self.NTOR_KEY_SEED = mac(rend, protoid + b":hs_key_extract")
        verify = mac(rend, protoid + b":hs_verify")
        self.AUTH_INPUT_MAC = mac(verify + auth_key + self.B + self.Y + self.X + protoid + b"Server", protoid + b":hs_mac")
        self.answer = self.Y + self.AUTH_INPUT_MAC
        final = hashlib.shake_256(self.NTOR_KEY_SEED + protoid + b":hs_key_expand").digest(192)
        self.keys, self.kh = final[:160], final[160:]


# ---- names of a period ----

def names(service_pk, period):
    """The blinded key and what else follows from both."""
    factor = vx.blind_factor(service_pk, b"", period, PERIOD)
    blinded = ed.blind_public(service_pk, factor)
    cred = vx.blake2b("VX6-hs-cred", service_pk)
    return blinded, vx.blake2b("VX6-hs-subcred", cred + blinded), factor


def index(blinded, i, period, net=vx.NET):
    return vx.blake2b("VX6-hs-index", net + blinded + vx.u8(i) + vx.u64(period))


# ---- descriptor ----

def intro(standby, node, auth_key, enc_key, handles, not_after):
    return vx.u8(standby) + node + auth_key + enc_key + handles[0] + handles[1] + vx.u32(not_after)


def inner(flags, pow_seed, pow_effort, pow_expires, intros):
    """The second layer's text, before its padding."""
    return vx.u8(1) + vx.u8(flags) + pow_seed + vx.u32(pow_effort) + vx.u64(pow_expires) + vx.u8(len(intros)) + b"".join(intros)


def layer(name, salt, nonce, secret, head, plain):
    _, key = vx.hkdf(salt, secret, name, 32)
    return salt + nonce + aead.xchacha20poly1305_seal(key, nonce, head, plain)


def client_entry(sub, eph, client_pk, cookie):
    _, both = vx.hkdf(sub, ed.x25519(eph, client_pk), b"VX6 hsdesc auth", 40)
    return both[:8] + aead.xchacha20poly1305_seal(both[8:], bytes(24), b"", cookie)


def descriptor(seed, period, seq, issued, plain, clients, cookie, drawn, net=vx.NET):
    """`drawn(what, n)` are the random bytes; `clients` X25519 public keys, or None for a descriptor that is open to all."""
    blinded, sub, factor = names(ed.public(seed), period)
    slots = max(16, -(-len(clients or []) // 16) * 16)
    size = 4096 - 64 - 3 - 64
    head = b"VXR1" + vx.u8(6) + vx.u8(0) + vx.u16(size + 3) + blinded + vx.u64(seq) + vx.u64(issued) + vx.u32(10800) + vx.u32(period)
    secret, eph = blinded + sub + vx.u64(seq), drawn("eph", 32)
    outer = ed.x25519(eph, BASE) + vx.u8(slots)
    outer += b"".join(client_entry(sub, eph, pk, cookie) for pk in clients or [])
    outer += drawn("false entries", 56 * (slots - len(clients or [])))
    text_n = size - 2 * (16 + 24 + 16) - len(outer)
    inner_secret = secret + (cookie if clients is not None else bytes(32))
    outer += layer(b"VX6 hsdesc L2", drawn("salt 2", 16), drawn("nonce 2", 24), inner_secret, head, plain + bytes(text_n - len(plain)))
    body = vx.tlv(0x10, layer(b"VX6 hsdesc L1", drawn("salt 1", 16), drawn("nonce 1", 24), secret, head, outer))
    sig = ed.sign_expanded(ed.blind_secret(seed, factor), b"VX6 record v1\0" + net + head + body)
    assert len(head + body + sig) == 4096
    return head + body + sig


# ---- clients ----

def client_auth(sk, pk, subcred):
    _, both = vx.hkdf(subcred, ed.x25519(sk, pk), b"VX6 hs client auth", 40)
    return both[:8], both[8:]


def client_mac(key, over, enrols=b""):
    return vx.hmac256(key, (b"VX6 hs enrol v1\0" if enrols else b"VX6 hs client v1\0") + over + enrols)


# ---- puzzle ----

def puzzle_key(seed, blinded, nonce, effort):
    return vx.blake2b("VX6-hs-puzzle", seed + blinded + nonce + vx.u32(effort))[:16]


def puzzle_value(seed, blinded, nonce, effort, solution):
    """What must not be above 2^32 - 1 when multiplied by the effort."""
    return int.from_bytes(vx.blake2b("VX6-hs-pow", seed + blinded + nonce + vx.u32(effort) + solution)[:4], "big")


def puzzle_is_solution(key, solution):
    """Eight indices whose hashes add up to zero in 15, 30 and 60 bits, in the one order that counts."""
    def parts(items):
        return [items] if len(items) == 1 else [items, *parts(items[:len(items) // 2]), *parts(items[len(items) // 2:])]

    at = [int.from_bytes(solution[i : i + 2], "big") for i in range(0, 16, 2)]
    for group in (g for g in parts(at) if len(g) > 1):
        half = len(group) // 2
        total = sum(vx.siphash24(key, vx.u16(i)) for i in group)
        if total % (1 << {2: 15, 4: 30, 8: 60}[len(group)]) or group[:half] >= group[half:]:
            return False
    return len(set(at)) == 8


def puzzle(nonce, effort, seed, solution):
    return vx.u8(1) + nonce + vx.u32(effort) + seed[:4] + solution


# ---- invites, and who a service is on a session ----

def uri(key, alias, secret, expires):
    parts = [f"key={vx.key_text('vxh', key)}"] + ([f"secret={vx.key_text('vxs', secret)}"] if secret else [])
    return f"vx6://hidden/{alias}?" + "&".join(parts + ([f"expires={expires}"] if expires else []))


def identity(seed, now, net=vx.NET):
    """The seed of the day's subkey, and its certificate."""
    day = now // 86400
    _, sub = vx.hkdf(net, seed, b"VX6 hidden subkey v1\0" + vx.u64(day), 32)
    begin = (day - 1) * 86400
    return sub, vx.subkey_cert(seed, ed.public(sub), 1, 1, begin, begin + 30 * 86400, day, net)
