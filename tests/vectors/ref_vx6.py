"""The byte layouts of schemas/wire, written a second time and from the pages alone, to check the C code against."""
import hashlib
import hmac
import ipaddress

import ref_aead as aead
import ref_ed25519 as ed

NET = b"VX6 main net v1\0"
CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def u8(v):
    return v.to_bytes(1, "big")


def u16(v):
    return v.to_bytes(2, "big")


def u32(v):
    return v.to_bytes(4, "big")


def u64(v):
    return v.to_bytes(8, "big")


def blake2b(personal, data):
    return hashlib.blake2b(data, digest_size=32, person=personal.encode()).digest()


def hkdf(salt, ikm, info, n):
    prk = hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    out, block, i = b"", b"", 0
    while len(out) < n:
        i += 1
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha256).digest()
        out += block
    return prk, out[:n]


def hmac256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def siphash24(key, data):
    mask = (1 << 64) - 1

    def rotl(x, b):
        return (x << b | x >> 64 - b) & mask

    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & mask
            v[1] = rotl(v[1], 13) ^ v[0]
            v[0] = rotl(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = rotl(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = rotl(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = rotl(v[1], 17) ^ v[2]
            v[2] = rotl(v[2], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for i in range(0, len(padded), 8):
        m = int.from_bytes(padded[i : i + 8], "little")
        v[3] ^= m
        rounds(2)
        v[0] ^= m
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _polymod(values):
    chk = 1
    for v in values:
        top = chk >> 25
        chk = (chk & 0x1FFFFFF) << 5 ^ v
        for i, g in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            chk ^= g if top >> i & 1 else 0
    return chk


def _expand_hrp(hrp):
    return [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]


def bech32m_is_valid(text):
    low = text.lower()
    if len(text) > 90 or (low != text and text.upper() != text) or any(not 33 <= ord(c) <= 126 for c in text):
        return False
    hrp, sep, tail = low.rpartition("1")
    if not hrp or len(tail) < 6 or any(c not in CHARSET for c in tail):
        return False
    return _polymod(_expand_hrp(hrp) + [CHARSET.index(c) for c in tail]) == 0x2BC830A3


def bech32m(hrp, data):
    bits = "".join(f"{b:08b}" for b in data)
    bits += "0" * (-len(bits) % 5)
    return bech32m_symbols(hrp, [int(bits[i : i + 5], 2) for i in range(0, len(bits), 5)])


def bech32m_symbols(hrp, five):
    chk = _polymod(_expand_hrp(hrp) + five + [0] * 6) ^ 0x2BC830A3
    return hrp + "1" + "".join(CHARSET[v] for v in five + [chk >> 5 * (5 - i) & 31 for i in range(6)])


def key_text(hrp, key):
    return bech32m(hrp, b"\x01" + key)


def signed(seed, label, net, body):
    return ed.sign(seed, label + b"\0" + net + body)


def subkey_cert(master_seed, subject, kind, purposes, not_before, not_after, cert_seq, net=NET):
    parent = blake2b("VX6-parent-fp", ed.public(master_seed))[:16]
    body = u8(1) + u8(kind) + u16(purposes) + u64(not_before) + u64(not_after) + u32(cert_seq) + subject + parent
    assert len(body) == 72
    return body + signed(master_seed, b"VX6 subkey v1", net, body)


def tlv(kind, value):
    return u8(kind) + u16(len(value)) + value


def record(rtype, subject, seq, issued, lifetime, tlvs, signer_seed, flags=0, aux=0, net=NET):
    body = b"".join(tlvs)
    head = b"VXR1" + u8(rtype) + u8(flags) + u16(len(body)) + subject + u64(seq) + u64(issued) + u32(lifetime) + u32(aux)
    assert len(head) == 64
    return head + body + signed(signer_seed, b"VX6 record v1", net, head + body)


def service_slot(name):
    return int.from_bytes(blake2b("VX6-svc-slot", name.encode())[:8], "big")


def ctl(kind, flags, body):
    return u8(kind) + u8(flags) + u16(len(body)) + body


def hello(version, features, role, max_cell, clock, ip, port, tlvs):
    fixed = u16(version) + u64(features) + u8(role) + u16(max_cell) + u64(clock) + ip + u16(port)
    return ctl(1, 1, fixed + b"".join(tlvs))


def create(key_id, hs):
    return u8(1) + u16(len(hs)) + key_id + hs


def created(hs):
    return u8(1) + u16(len(hs)) + hs


def filled(head, size, fill):
    """`head`, and then bytes that mean nothing."""
    assert len(head) <= size
    return head + (fill * (size // len(fill) + 1))[:size - len(head)]


def payload(kind, data):
    return u8(kind) + u16(len(data)) + data


def hello_proof(signer, role, binding, net=NET):
    return ed.sign(signer, b"VX6 hello proof v1\0" + net + u8(role) + binding)


def name_work(name, node, nonce, net=NET):
    digest = blake2b("VX6-name-work", net + name.encode() + node + u64(nonce))
    return 256 - int.from_bytes(digest, "big").bit_length()


def alias_work(alias, service, nonce, net=NET):
    digest = blake2b("VX6-alias-work", net + alias.encode() + service + u64(nonce))
    return 256 - int.from_bytes(digest, "big").bit_length()


def blind_factor(pk, secret, period, period_s):
    h = bytearray(blake2b("VX6-hs-blind-v1", pk + secret + b"key-blind" + u64(period) + u64(period_s)))
    h[0] &= 248
    h[31] = h[31] & 63 | 64
    return bytes(h)


def catalog_list(title, entries):
    def text(s):
        return u8(len(s)) + s.encode()

    return u8(1) + text(title) + u8(len(entries)) + b"".join(
        node + text(service) + text(alias) + u8(1) + text(alpn) for node, service, alias, alpn in entries)


def catalog(owner_seed, secret, period, nonce, seq, issued, lifetime, plain, net=NET):
    """`plain` is the list, padded here to the smallest of the three sizes."""
    pk = ed.public(owner_seed)
    factor = blind_factor(pk, secret, period, 86400)
    subject = ed.blind_public(pk, factor)
    text_n = next(n for n in (1024, 2048, 4096) if len(plain) <= n - 171) - 171
    plain += bytes(text_n - len(plain))
    body_n = 3 + 24 + text_n + 16
    head = b"VXR1" + u8(3) + u8(0) + u16(body_n) + subject + u64(seq) + u64(issued) + u32(lifetime) + u32(period)
    _, key = hkdf(net, secret, b"VX6 catalog v1\0" + u64(period), 32)
    body = tlv(0x10, nonce + aead.xchacha20poly1305_seal(key, nonce, head, plain))
    return head + body + ed.sign_expanded(ed.blind_secret(owner_seed, factor), b"VX6 record v1\0" + net + head + body)


# Nobody on the internet has these: no position is bound to them.
PRIVATE = [ipaddress.ip_network(n) for n in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
                                             "::1/128", "fc00::/7", "fe80::/10")]


def dht_position(node, ip):
    v4 = ip[:12] == bytes(10) + b"\xff\xff"
    address = ipaddress.ip_address(ip[12:] if v4 else ip)
    own = blake2b("VX6-pos-id", NET + node)
    if any(address in n for n in PRIVATE if n.version == address.version):
        return own
    prefix = b"\xff\xff\0" + ip[12:15] if v4 else ip[:6]
    return blake2b("VX6-pos", NET + prefix + u8(own[31] % 8))[:4] + own[4:]


def dht_key(what, of):
    return blake2b(f"VX6-k-{what}", NET + of)
