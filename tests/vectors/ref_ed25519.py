"""Ed25519 and X25519 in plain Python, straight from RFC 8032 and RFC 7748. For vectors only: slow and not constant time."""
import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def _recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P:
        return None
    return P - x if x & 1 != sign else x


_BY = 4 * pow(5, P - 2, P) % P
_BX = _recover_x(_BY, 0)
BASE = (_BX, _BY, 1, _BX * _BY % P)


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _mul(s, p):
    q = (0, 1, 1, 0)
    while s:
        if s & 1:
            q = _add(q, p)
        p = _add(p, p)
        s >>= 1
    return q


def _compress(p):
    z = pow(p[2], P - 2, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _expand(seed):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little")
    return a & (1 << 254) - 8 | 1 << 254, h[32:]


def public(seed):
    return _compress(_mul(_expand(seed)[0], BASE))


def torsion_twin(seed):
    """The public key with the point (0, -1) of order two added: on the curve, outside the main subgroup."""
    return _compress(_add(_mul(_expand(seed)[0], BASE), (0, P - 1, 1, 0)))


def sign(seed, msg):
    a, prefix = _expand(seed)
    pk = _compress(_mul(a, BASE))
    r = int.from_bytes(hashlib.sha512(prefix + msg).digest(), "little") % L
    big_r = _compress(_mul(r, BASE))
    k = int.from_bytes(hashlib.sha512(big_r + pk + msg).digest(), "little") % L
    return big_r + ((r + k * a) % L).to_bytes(32, "little")


def _decompress(pk):
    y = int.from_bytes(pk, "little")
    x = _recover_x(y & (1 << 255) - 1, y >> 255)
    return (x, y & (1 << 255) - 1, 1, x * (y & (1 << 255) - 1) % P)


def _clamp(h):
    return int.from_bytes(h, "little") & (1 << 254) - 8 | 1 << 254


def blind_public(pk, factor):
    return _compress(_mul(_clamp(factor), _decompress(pk)))


def blind_secret(seed, factor):
    """The blinded key in its expanded form: scalar | prefix."""
    a, prefix = _expand(seed)
    derived = hashlib.sha512(b"Derive temporary signing key hash input" + prefix).digest()[:32]
    return (_clamp(factor) * a % L).to_bytes(32, "little") + derived


def sign_expanded(key, msg):
    a = int.from_bytes(key[:32], "little")
    pk = _compress(_mul(a, BASE))
    r = int.from_bytes(hashlib.sha512(key[32:] + msg).digest(), "little") % L
    big_r = _compress(_mul(r, BASE))
    k = int.from_bytes(hashlib.sha512(big_r + pk + msg).digest(), "little") % L
    return big_r + ((r + k * a) % L).to_bytes(32, "little")


def verify(pk, msg, sig):
    k = int.from_bytes(hashlib.sha512(sig[:32] + pk + msg).digest(), "little") % L
    left = _mul(int.from_bytes(sig[32:], "little"), BASE)
    return _compress(left) == _compress(_add(_decompress(sig[:32]), _mul(k, _decompress(pk))))


def x25519(k, u):
    k = int.from_bytes(k, "little") & (1 << 255) - 8 & ~(1 << 255) | 1 << 254
    u = int.from_bytes(u, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b = (x2 + z2) % P, (x2 - z2) % P
        aa, bb = a * a % P, b * b % P
        e = (aa - bb) % P
        c, d = (x3 + z3) % P, (x3 - z3) % P
        da, cb = d * a % P, c * b % P
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")
