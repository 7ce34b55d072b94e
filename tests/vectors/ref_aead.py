"""XChaCha20-Poly1305 in plain Python, from RFC 8439 and draft-irtf-cfrg-xchacha. For vectors only."""
import struct

CONSTANTS = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)


def _rounds(state):
    s = list(state)

    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = s[x] + s[y] & 0xFFFFFFFF
            s[z] ^= s[x]
            s[z] = (s[z] << n | s[z] >> 32 - n) & 0xFFFFFFFF

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return s


def _block(key, counter, nonce):
    state = [*CONSTANTS, *struct.unpack("<8I", key), counter, *struct.unpack("<3I", nonce)]
    return struct.pack("<16I", *(a + b & 0xFFFFFFFF for a, b in zip(_rounds(state), state)))


def _hchacha(key, nonce16):
    s = _rounds([*CONSTANTS, *struct.unpack("<8I", key), *struct.unpack("<4I", nonce16)])
    return struct.pack("<8I", *s[:4], *s[12:])


def _poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    acc = 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i : i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return (acc + int.from_bytes(key[16:], "little") & (1 << 128) - 1).to_bytes(16, "little")


def _pad16(data):
    return data + bytes(-len(data) % 16)


def xchacha20poly1305_seal(key, nonce24, ad, msg):
    sub, nonce = _hchacha(key, nonce24[:16]), bytes(4) + nonce24[16:]
    stream = b"".join(_block(sub, 1 + i, nonce) for i in range((len(msg) + 63) // 64))
    text = bytes(a ^ b for a, b in zip(msg, stream))
    tag = _poly1305(_block(sub, 0, nonce)[:32],
                    _pad16(ad) + _pad16(text) + struct.pack("<QQ", len(ad), len(text)))
    return text + tag
