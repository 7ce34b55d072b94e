#!/usr/bin/env python3
"""Writes schemas/vectors/*.json from the reference implementation beside it, and from these the first inputs of the fuzz targets
(tests/fuzz/corpus); `--check` fails when a file would change.

Every file is {"origin": …, "vectors": [{"name": …, field: hex or text or number, …}]}. Published vectors are copied from the
documents they name and recomputed here before they are written, so that a slip in copying cannot pass. Where the environment
names a directory with vectors of others (VX6_MORE_VECTORS), the references of CGO and ntor-v3 are held against these as well.
"""
import ipaddress
import json
import os
import pathlib
import sys

import ref_aead as aead
import ref_cgo as cg
import ref_ed25519 as ed
import ref_hs as hs
import ref_ntor3 as nt
import ref_vx6 as vx
from published_cgo import UPDATES
from published_hs import BLINDING, HS_NTOR, HS_NTOR_PROTOID

ROOT = pathlib.Path(__file__).resolve().parents[2]


def ip16(text):
    a = ipaddress.ip_address(text)
    return a.packed if a.version == 6 else bytes(10) + b"\xff\xff" + a.packed


def rfc8032():
    cases = [
        ("TEST 1", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
        ("TEST 2", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
        ("TEST 3", "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
        ("TEST SHA(abc)", "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
         "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
         "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"),
    ]
    for name, seed, pk, msg, sig in cases:
        seed, msg = bytes.fromhex(seed), bytes.fromhex(msg)
        assert ed.public(seed).hex() == pk and ed.sign(seed, msg).hex() == sig, name
    return "RFC 8032 section 7.1", [dict(name=n, seed=s, pk=p, msg=m, sig=g) for n, s, p, m, g in cases]


def rfc7748():
    nine = "09" + "00" * 31
    bob = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
    alice_pk = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    cases = [
        ("5.2 first", "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
         "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
         "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
        ("5.2 second", "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
         "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
         "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"),
        ("5.2 one iteration", nine, nine, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"),
        ("6.1 bob public", bob, nine, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
        ("6.1 shared", bob, alice_pk, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"),
    ]
    for name, k, u, out in cases:
        assert ed.x25519(bytes.fromhex(k), bytes.fromhex(u)).hex() == out, name
    return "RFC 7748 sections 5.2 and 6.1", [dict(name=n, scalar=k, u=u, out=o) for n, k, u, o in cases]


def rfc5869():
    def run(a, b):
        return bytes(range(a, b)).hex()

    cases = [
        ("A.1", "0b" * 22, run(0, 13), run(0xF0, 0xFA),
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
        ("A.2", run(0, 0x50), run(0x60, 0xB0), run(0xB0, 0x100),
         "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
         "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
        ("A.3", "0b" * 22, "", "",
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
    ]
    out = []
    for name, ikm, salt, info, okm in cases:
        prk, got = vx.hkdf(bytes.fromhex(salt), bytes.fromhex(ikm), bytes.fromhex(info), len(okm) // 2)
        assert got.hex() == okm, name
        out.append(dict(name=name, ikm=ikm, salt=salt, info=info, prk=prk.hex(), okm=okm))
    return "RFC 5869 appendix A", out


def siphash():
    key = bytes(range(16))
    published = {0: "310e0edd47db6f72", 1: "fd67dc93c539f874", 7: "37d1018bf50002ab", 8: "6224939a79f5f593",
                 15: "e545be4961ca29a1"}
    out = []
    for n in sorted({*published, 16, 31, 63}):
        tag = vx.siphash24(key, bytes(range(n))).to_bytes(8, "little").hex()
        assert published.get(n, tag) == tag, n
        out.append(dict(name=f"{n} bytes", key=key.hex(), msg=bytes(range(n)).hex(), tag_le=tag))
    return "SipHash-2-4 reference vectors (lengths 0, 1, 7, 8, 15 as published; the others recomputed)", out


def xchacha():
    v = dict(
        name="A.3.1", key=bytes(range(0x80, 0xA0)).hex(), nonce=bytes(range(0x40, 0x58)).hex(),
        ad="50515253c0c1c2c3c4c5c6c7",
        msg=(b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
             b"sunscreen would be it.").hex(),
        sealed="bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
               "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
               "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49")
    key, nonce, ad, msg = (bytes.fromhex(v[k]) for k in ("key", "nonce", "ad", "msg"))
    assert aead.xchacha20poly1305_seal(key, nonce, ad, msg).hex() == v["sealed"]
    return "draft-irtf-cfrg-xchacha appendix A.3.1, as published", [v]


def fips197():
    cases = [("appendix B", "2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"),
             ("appendix C.1", bytes(range(16)).hex(), "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
             ("appendix C.3", bytes(range(32)).hex(), "00112233445566778899aabbccddeeff", "8ea2b7ca516745bfeafc49904b496089")]
    for name, key, plain, closed in cases:
        aes = cg.Aes(bytes.fromhex(key))
        assert aes.encrypt(bytes.fromhex(plain)).hex() == closed and aes.decrypt(bytes.fromhex(closed)).hex() == plain, name
    return "FIPS 197; the third has a key of 256 bits", [dict(name=n, key=k, plain=p, closed=c) for n, k, p, c in cases]


def rfc8452():
    cases = [("appendix A", "25629347589242761d31f826ba4b757b", "4f4f95668c83dfb6401762bb2d01a262d1a24ddd2721d006bbe45f20d3c9f362",
              "f7a3b47b846119fae5b7866cf5e5b77e"),
             ("appendix C.1, 8 bytes", "d9b360279694941ac5dbc6987ada7377", "01" + "00" * 23 + "40" + "00" * 7, "eb93b7740962c5e49d2a90a7dc5cec74")]
    for name, key, data, out in cases:
        assert cg.polyval(bytes.fromhex(key), bytes.fromhex(data)).hex() == out, name
    return "RFC 8452: POLYVAL", [dict(name=n, key=k, data=d, hash=h) for n, k, d, h in cases]


def argon2id():
    salt = b"sixteen-byte-slt".hex()
    return "the argon2 reference program 20171227: printf 'correct horse' | argon2 sixteen-byte-slt -id -p 1 -l 32 -r -t T -k K", [
        dict(name="t 2 k 64", passphrase="correct horse", salt=salt, ops=2, kib=64,
             hash="58807395971d10fd63f702fea91dbe48d3a38a52d6390e84a5ee3568e32ae1bc"),
        dict(name="t 3 k 4096", passphrase="correct horse", salt=salt, ops=3, kib=4096,
             hash="979ad68aed94201f489b121eefb4105e4d7f82eb67b9973f3ef7f430d3c2dc66")]


def bip350():
    valid = [
        "A1LQFN3A", "a1lqfn3a",
        "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
        "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx", "1" + "1" + "l" * 82 + "ludsr8",
        "split1checkupstagehandshakeupstreamerranterredcaperredlc445v", "?1v759aa",
    ]
    invalid = [
        " 1xj0phk", "\x7f1g6xzxy",
        "an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4",
        "qyrz8wqd2c9m", "1qyrz8wqd2c9m", "y1b0jsk6g", "lt1igcx5c0", "in1muywd", "mm1crxm3i", "au1s5cgom",
        "M1VUXWEZ", "16plkw9", "1p2gdwpf",
        # bech32 (BIP-173) checksums are not bech32m
        "A12UEL5L", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
    ]
    for text in valid:
        assert vx.bech32m_is_valid(text), text
    for text in invalid:
        assert not vx.bech32m_is_valid(text), text
    return "BIP-350 test vectors; the last two are BIP-173 strings", [
        *(dict(name="valid", text=t, valid=1) for t in valid), *(dict(name="invalid", text=t, valid=0) for t in invalid)]


def padding():
    """Symbols given directly: what a careless encoder could leave in the bits that no byte uses."""
    cases = [("one byte, padding 0", [31, 28], 1), ("one byte, padding 1", [31, 29], 0), ("one byte, padding 2", [31, 30], 0),
             ("a whole symbol too many", [31, 28, 0], 0), ("nothing", [], 1), ("one symbol alone", [0], 0)]
    return "tests/vectors", [dict(name=n, text=vx.bech32m_symbols("vx", five), valid=ok) for n, five, ok in cases]


# ---- our own layouts ----

def seed(name):
    return vx.blake2b("VX6-vector-seed", name.encode())


ALICE, ALICE_S, BOB, BOB_S, HEIR = (seed(n) for n in ("alice", "alice subkey", "bob", "bob subkey", "heir"))
T0 = 1_790_000_000
DAY = 86400


def cert_of(master, sub, seq=T0, **kw):
    return vx.subkey_cert(master, ed.public(sub), 1, 3, T0, T0 + 30 * DAY, seq, **kw)


def hashes():
    cases = [("VX6-record", b""), ("VX6-record", b"abc"), ("VX6-svc-slot", b"web"), ("exactly 16 bytes", bytes(300))]
    return "BLAKE2b-256 with a personal string, by Python's hashlib", [
        dict(name=f"{p} {len(m)}", personal=p, msg=m.hex(), hash=vx.blake2b(p, m).hex()) for p, m in cases]


def keys():
    out = []
    for name, s in (("alice", ALICE), ("bob", BOB), ("heir", HEIR)):
        pk = ed.public(s)
        out.append(dict(name=name, seed=s.hex(), key=pk.hex(), node=vx.key_text("vx", pk), hidden=vx.key_text("vxh", pk),
                        client=vx.key_text("vxs", pk), twin=ed.torsion_twin(s).hex()))
    return "tests/vectors", out


def subkey_certs():
    out = []
    for name, master, sub, kind, purposes, a, b, n in (
            ("alice", ALICE, ALICE_S, 1, 3, T0, T0 + 30 * DAY, T0), ("bob", BOB, BOB_S, 1, 1, 0, 1, 0),
            ("largest", BOB, ALICE_S, 3, 0xFFFF, 2**63 - 2, 2**63 - 1, 2**32 - 1)):
        cert = vx.subkey_cert(master, ed.public(sub), kind, purposes, a, b, n)
        out.append(dict(name=name, master_seed=master.hex(), subject=ed.public(sub).hex(), kind=kind, purposes=purposes,
                        not_before=str(a), not_after=str(b), cert_seq=n, bytes=cert.hex()))
    return "tests/vectors", out


def addr(via, ip, port, prio):
    return vx.u8(via) + ip16(ip) + vx.u16(port) + vx.u8(prio)


def endpoint(name, addrs, features, seq=T0 * 1000, issued=T0, lifetime=7200):
    tlvs = [vx.tlv(1, b"".join(addr(*a) for a in addrs))] if addrs else []
    tlvs.append(vx.tlv(3, vx.u64(features)))
    tlvs += [vx.tlv(4, name.encode())] if name else []
    tlvs.append(vx.tlv(0x81, cert_of(ALICE, ALICE_S)))
    return vx.record(1, ed.public(ALICE), seq, issued, lifetime, tlvs, ALICE_S)


def service(name, port, alpn, flags=0, seq=T0 * 1000, issued=T0, lifetime=21600):
    value = vx.u8(len(name)) + name.encode() + vx.u8(1) + vx.u16(port) + vx.u8(len(alpn)) + alpn.encode()
    return vx.record(2, ed.public(ALICE), seq, issued, lifetime, [vx.tlv(5, value), vx.tlv(0x81, cert_of(ALICE, ALICE_S))],
                     ALICE_S, flags)


ADDRS = [(3, "fd00::1", 4242, 0), (1, "192.0.2.7", 65535, 1), (2, "2001:db8::ffff", 1, 255)]


def records():
    common = dict(master_seed=ALICE.hex(), sub_seed=ALICE_S.hex(), cert=cert_of(ALICE, ALICE_S).hex(), issued=T0)
    out = []
    for name, node, addrs, feat in (("endpoint", "alice", ADDRS, 3), ("endpoint bare", "", [], 0),
                                    ("endpoint full", "a" * 32, (ADDRS * 3)[:8], 2**64 - 1)):
        out.append(dict(common, name=name, rtype=1, node_name=node, features=str(feat), seq=str(T0 * 1000), lifetime=7200,
                        addrs=[dict(via=v, ip=ip16(i).hex(), port=p, prio=r) for v, i, p, r in addrs],
                        bytes=endpoint(node, addrs, feat).hex()))
    for name, label, port, alpn, flags in (("service", "web", 80, "http", 0), ("service withdrawn", "web", 0, "", 1),
                                           ("service longest", "z" * 32, 65535, "~" * 32, 0)):
        out.append(dict(common, name=name, rtype=2, service=label, port=port, alpn=alpn, withdrawn=flags, seq=str(T0 * 1000),
                        lifetime=21600, slot=str(vx.service_slot(label)), bytes=service(label, port, alpn, flags).hex()))
    return "tests/vectors", out


ONION_KEYS = [(seed("onion key"), T0 + DAY), (seed("former onion key"), T0 + 3600)]


def relay_info(keys, policy, family=b"", flags=0, seq=T0 * 1000, issued=T0, lifetime=10800):
    tlvs = [] if flags else [vx.tlv(6, b"".join(k + vx.u32(end) for k, end in keys)), vx.tlv(7, vx.u32(policy))]
    tlvs += [vx.tlv(9, family)] if family else []
    return vx.record(7, ed.public(ALICE), seq, issued, lifetime, [*tlvs, vx.tlv(0x81, cert_of(ALICE, ALICE_S))], ALICE_S, flags)


def relay_infos():
    common = dict(master_seed=ALICE.hex(), sub_seed=ALICE_S.hex(), cert=cert_of(ALICE, ALICE_S).hex(), issued=T0, seq=str(T0 * 1000),
                  lifetime=10800)
    out = []
    for name, keys, policy, family, flags in (("relay", ONION_KEYS[:1], 0x17, b"", 0), ("relay full", ONION_KEYS, 2**32 - 1, bytes(range(16)), 0),
                                              ("relay private", ONION_KEYS, 0, b"", 0), ("relay withdrawn", [], 0, b"", 1)):
        out.append(dict(common, name=name, policy=policy, family=family.hex(), withdrawn=flags,
                        keys=[dict(pk=k.hex(), not_after=end) for k, end in keys], bytes=relay_info(keys, policy, family, flags).hex()))
    return "tests/vectors", out


# Found once by trying from 0 upwards; generate.py only checks them.
NONCES = {"alice": 645027, "a" * 32: 169564, "b": 400305}


def name_claim(name, flags=0, nonce=None, since=T0 - 100, seq=T0 * 1000, issued=T0, lifetime=2592000):
    tlvs = [vx.tlv(4, name.encode()), vx.tlv(0x0A, vx.u64(NONCES[name] if nonce is None else nonce)), vx.tlv(0x0C, vx.u64(since)),
            vx.tlv(0x81, cert_of(ALICE, ALICE_S))]
    return vx.record(4, ed.public(ALICE), seq, issued, lifetime, tlvs, ALICE_S, flags)


def name_claims():
    common = dict(master_seed=ALICE.hex(), sub_seed=ALICE_S.hex(), cert=cert_of(ALICE, ALICE_S).hex(), issued=T0, seq=str(T0 * 1000),
                  lifetime=2592000, since=T0 - 100)
    out = []
    for name, label, flags in (("claim", "alice", 0), ("claim longest", "a" * 32, 0), ("claim withdrawn", "b", 1)):
        nonce, bits = NONCES[label], vx.name_work(label, ed.public(ALICE), NONCES[label])
        assert bits >= 20, (label, bits)
        out.append(dict(common, name=name, label=label, withdrawn=flags, nonce=str(nonce), work_bits=bits,
                        bytes=name_claim(label, flags).hex()))
    return "tests/vectors", out


ALIAS_NONCES = {"ghost": 350202, "a" * 32: 3277060, "b": 147636}


def alias_claim(alias, flags=0):
    tlvs = [vx.tlv(4, alias.encode()), vx.tlv(0x0A, vx.u64(ALIAS_NONCES[alias]))]
    return vx.record(8, ed.public(ALICE), T0 * 1000, T0, 259200, tlvs, ALICE, flags)


def alias_claims():
    """The key stands for a hidden service's: on the wire it is a key like any other."""
    common = dict(seed=ALICE.hex(), issued=T0, seq=str(T0 * 1000), lifetime=259200)
    out = []
    for name, label, flags in (("alias", "ghost", 0), ("alias longest", "a" * 32, 0), ("alias withdrawn", "b", 1)):
        nonce, bits = ALIAS_NONCES[label], vx.alias_work(label, ed.public(ALICE), ALIAS_NONCES[label])
        assert bits >= 20, (label, bits)
        out.append(dict(common, name=name, label=label, withdrawn=flags, nonce=str(nonce), work_bits=bits,
                        bytes=alias_claim(label, flags).hex()))
    return "tests/vectors", out


def blinding():
    out = []
    for name, owner, secret, period, period_s in (("with a secret", "alice", seed("catalog secret"), 20717, 86400),
                                                  ("next period", "alice", seed("catalog secret"), 20718, 86400),
                                                  ("no secret", "alice", b"", 20717, 21600), ("another key", "bob", b"", 2**63, 1)):
        key, msg = seed(owner), f"signed under {name}".encode()
        factor = vx.blind_factor(ed.public(key), secret, period, period_s)
        blinded = ed.blind_secret(key, factor)
        pk, sig = ed.blind_public(ed.public(key), factor), ed.sign_expanded(blinded, msg)
        assert ed.verify(pk, msg, sig), name
        out.append(dict(name=name, seed=key.hex(), secret=secret.hex(), period=str(period), period_s=period_s, factor=factor.hex(),
                        pk=pk.hex(), expanded=blinded.hex(), msg=msg.hex(), sig=sig.hex()))
    return "tests/vectors", out


def catalogs():
    owner, secret, nonce, period = seed("catalog"), seed("catalog secret"), seed("nonce")[:24], T0 // DAY
    entries = [(ed.public(ALICE), "web", "wiki", "http"), (ed.public(BOB), "ssh", "shell", "")]
    longest = [(ed.public(ALICE), "s" * 32, f"{i:02}" + "a" * 30, "~" * 32) for i in range(29)]
    many = [(ed.public(BOB), "web", f"w{i}", "") for i in range(64)]
    out = []
    for name, title, what in (("two", "work", entries), ("empty", "", []), ("longest", "t" * 32, longest), ("many", "many", many)):
        rec = vx.catalog(owner, secret, period, nonce, T0 * 1000, T0, 86400, vx.catalog_list(title, what))
        out.append(dict(name=name, seed=owner.hex(), secret=secret.hex(), period=str(period), seq=str(T0 * 1000), issued=T0,
                        lifetime=86400, title=title,
                        entries=[dict(node=n.hex(), service=s, alias=a, alpn=p) for n, s, a, p in what],
                        list=vx.catalog_list(title, what).hex(), bytes=rec.hex()))
    return "tests/vectors", out


def revocations():
    heir_sig = vx.signed(HEIR, b"VX6 successor v1", vx.NET, ed.public(ALICE) + ed.public(HEIR))
    out = []
    for name, reason, min_seq, heir, seq in (("master", 3, 2**32 - 1, False, 2**64 - 1), ("subkey", 2, T0 + 1, False, T0 * 1000),
                                             ("successor", 1, 0, True, T0 * 1000)):
        tlvs = [vx.tlv(0x82, ed.public(HEIR) + heir_sig)] if heir else []
        tlvs.append(vx.tlv(0x83, vx.u8(reason) + vx.u32(min_seq)))
        rec = vx.record(5, ed.public(ALICE), seq, T0, 2**32 - 1, tlvs, ALICE)
        out.append(dict(name=name, master_seed=ALICE.hex(), successor_seed=HEIR.hex() if heir else "", reason=reason,
                        min_cert_seq=min_seq, seq=str(seq), issued=T0, bytes=rec.hex()))
    return "tests/vectors", out


def hellos():
    ep, cert = endpoint("alice", ADDRS, 3), cert_of(ALICE, ALICE_S)
    node = vx.hello(1, 3, 1, 0, T0 * 1000, ip16("192.0.2.9"), 4242,
                    [vx.tlv(1, ep), vx.tlv(0x81, cert), vx.tlv(0x82, ed.public(ALICE))])
    anon = vx.hello(1, 1, 2, 1024, 0, bytes(16), 0, [])
    newer = vx.hello(7, 0, 3, 0, 1, ip16("fd00::2"), 1, [vx.tlv(3, vx.u16(2)), vx.tlv(0x81, cert), vx.tlv(0x82, ed.public(ALICE))])
    binding, circuits = seed("binding of a circuit"), []
    for name, who, signer, part in (("circuit initiator", ALICE, ALICE_S, 1), ("circuit acceptor", BOB, BOB_S, 2)):
        proof = vx.hello_proof(signer, part, binding)
        made = vx.hello(1, 17, 1, 0, T0 * 1000, bytes(16), 0, [vx.tlv(0x81, cert_of(who, signer)), vx.tlv(0x82, ed.public(who)), vx.tlv(0x83, proof)])
        circuits.append(dict(name=name, version=1, min_version=1, features=17, role=1, max_cell=0, clock=str(T0 * 1000), ip="", port=0,
                             node_id=ed.public(who).hex(), cert=cert_of(who, signer).hex(), endpoint="", proof=proof.hex(),
                             signer_seed=signer.hex(), part=part, binding=binding.hex(), bytes=made.hex()))
    return "tests/vectors", [
        dict(name="node", version=1, min_version=1, features=3, role=1, max_cell=0, clock=str(T0 * 1000),
             ip=ip16("192.0.2.9").hex(), port=4242, node_id=ed.public(ALICE).hex(), cert=cert.hex(), endpoint=ep.hex(),
             bytes=node.hex()),
        dict(name="anonymous", version=1, min_version=1, features=1, role=2, max_cell=1024, clock="0", ip="", port=0, node_id="",
             cert="", endpoint="", bytes=anon.hex()),
        dict(name="newer", version=7, min_version=2, features=0, role=3, max_cell=0, clock="1", ip=ip16("fd00::2").hex(), port=1,
             node_id=ed.public(ALICE).hex(), cert=cert.hex(), endpoint="", bytes=newer.hex()),
        *circuits,
    ]


def tag(key):
    """What HAVE calls a node's endpoint record (type 1, slot 0)."""
    return int.from_bytes(vx.blake2b("VX6-have", b"\x01" + vx.u64(0) + ed.public(key))[:8], "big")


def messages():
    recs = [endpoint("alice", ADDRS, 3), service("web", 80, "http")]
    return "tests/vectors", [
        dict(name="records", bytes=vx.ctl(2, 0, b"".join(vx.u16(len(r)) + r for r in recs)).hex(), parts=[r.hex() for r in recs]),
        dict(name="records_want", bytes=vx.ctl(3, 0, ed.public(BOB)).hex(), node_id=ed.public(BOB).hex()),
        dict(name="ping", bytes=vx.ctl(4, 0, vx.u64(0x0102030405060708)).hex(), token=str(0x0102030405060708)),
        dict(name="pong", bytes=vx.ctl(5, 0, vx.u64(2**64 - 1)).hex(), token=str(2**64 - 1)),
        dict(name="goaway", bytes=vx.ctl(6, 0, vx.u16(7) + b"bye ?").hex(), code=7, reason="bye \x01", read="bye ?"),
        dict(name="have", bytes=vx.ctl(7, 0, vx.u64(tag(ALICE)) + vx.u64(7) + vx.u64(2**64 - 1) + vx.u64(2**64 - 2)).hex(),
             subject=ed.public(ALICE).hex(), tag=str(tag(ALICE)), seq="7"),
        dict(name="get", bytes=vx.ctl(8, 0, vx.u64(1) + vx.u64(tag(ALICE))).hex(), tag=str(tag(ALICE))),
        dict(name="open", bytes=(b"\x01\x01\x00\x03ssh").hex(), service="ssh"),
        dict(name="open_longest", bytes=(b"\x01\x01\x00\x20" + b"a" * 32).hex(), service="a" * 32),
        dict(name="open_circuit", bytes="01040000"),
        dict(name="open_dht_via", bytes=(b"\x01\x05\x00\x00" + ed.public(BOB) + vx.u8(3) + ip16("2001:db8::1") + vx.u16(4242)).hex(),
             node_id=ed.public(BOB).hex(), via=3, ip=ip16("2001:db8::1").hex(), port=4242),
        dict(name="open_reply", bytes=vx.u16(0x64).hex(), status=0x64),
    ]


def cells():
    """`bytes` are without fill; `cell` has it."""
    key_id, x, bob = seed("onion key")[:8], (seed("hs") * 40), ed.public(BOB)
    record = endpoint("alice", ADDRS, 3)
    largest = endpoint("a" * 32, (ADDRS * 3)[:8], 2**64 - 1)
    out = []
    for name, n in (("smallest", 64), ("some", 129), ("largest", 1012)):
        out.append(dict(name=f"create {name}", kind="create", key_id=key_id.hex(), hs=x[:n].hex(), bytes=vx.create(key_id, x[:n]).hex(),
                        cell=vx.filled(vx.u8(1) + vx.create(key_id, x[:n]), 1024, b"\xa5\x5a").hex()))
    for name, n in (("smallest", 64), ("some", 129), ("largest", 1020)):
        out.append(dict(name=f"created {name}", kind="created", hs=x[:n].hex(), bytes=vx.created(x[:n]).hex(),
                        cell=vx.filled(vx.u8(2) + vx.created(x[:n]), 1024, b"\xa5\x5a").hex()))
    for name, n in (("smallest", 64), ("largest", 948 - 3 - 32 - 11)):
        out.append(dict(name=f"client msg {name}", kind="client_msg", node=bob.hex(), key_id=key_id.hex(), hs=x[:n].hex(),
                        bytes=vx.tlv(1, bob + vx.create(key_id, x[:n])).hex()))
    for name, n in (("empty", 0), ("some", 84), ("largest", 948 - 3 - 1)):
        out.append(dict(name=f"client word {name}", kind="client_word", word=17, data=x[:n].hex(), bytes=vx.tlv(0x82, vx.u8(17) + x[:n]).hex()))
    for name, n in (("smallest", 64), ("largest", 956 - 3 - 3)):
        out.append(dict(name=f"server msg {name}", kind="server_msg", hs=x[:n].hex(), code=0, bytes=vx.tlv(1, vx.created(x[:n])).hex()))
    out.append(dict(name="server msg refused", kind="server_msg", hs="", code=0x41, bytes=vx.tlv(2, vx.u16(0x41)).hex()))
    for name, n, rec in (("bare", 64, b""), ("with a record", 64, record), ("largest record", 64, largest), ("largest", 1004 - 32 - 2 - 11 - 2, b"")):
        made = vx.create(key_id, x[:n])
        data = bob + vx.u16(len(made)) + made + vx.u16(len(rec)) + rec
        out.append(dict(name=f"extend {name}", kind="extend", type=1, node=bob.hex(), key_id=key_id.hex(), hs=x[:n].hex(), record=rec.hex(),
                        bytes=vx.payload(1, data).hex()))
    for name, n in (("smallest", 64), ("largest", 1001)):
        out.append(dict(name=f"extended {name}", kind="extended", type=2, hs=x[:n].hex(), bytes=vx.payload(2, vx.created(x[:n])).hex()))
    for name, kind, code in (("refused", 3, 0x42), ("drain", 8, 0x07)):
        out.append(dict(name=name, kind="code", type=kind, code=code, bytes=vx.payload(kind, vx.u16(code)).hex()))
    for name, kind, token in (("ping", 6, 0x0102030405060708), ("pong", 7, 2**64 - 1)):
        out.append(dict(name=name, kind="token", type=kind, token=str(token), bytes=vx.payload(kind, vx.u64(token)).hex()))
    for name, kind, data in (("streams", 4, x[:1004]), ("streams none", 4, b""), ("pad", 5, b"\xff" * 9)):
        out.append(dict(name=name, kind="data", type=kind, data=data.hex(), bytes=vx.payload(kind, data).hex()))
    return "tests/vectors", out


def beacons():
    network = vx.blake2b("VX6-beacon", vx.NET)[:8]
    full = endpoint("a" * 32, (ADDRS * 3)[:8], 2**64 - 1)
    return "tests/vectors", [
        dict(name=name, kind=kind, network=network.hex(), record=rec.hex(),
             bytes=(b"VX6B" + vx.u8(1) + vx.u8(kind) + network + rec).hex())
        for name, kind, rec in (("here", 1, endpoint("alice", ADDRS, 3)), ("here too", 2, full))]


def dht_messages():
    ep, svc, key, token = endpoint("alice", ADDRS, 3), service("web", 80, "http"), seed("a key"), bytes(range(8))

    def ask(name, op, flags, limit, record=b""):
        tail = token + record if record else b""
        return dict(name=name, op=op, flags=flags, limit=limit, key=key.hex(), record=record.hex(),
                    bytes=(vx.u8(op) + vx.u8(flags) + vx.u8(limit) + key + tail).hex())

    def answer(name, op, status, nodes=(), values=()):
        body = vx.u8(op | 0x80) + vx.u16(status) + token + vx.u8(len(nodes))
        for node, ip, port, via, days in nodes:
            body += node + ip16(ip) + vx.u16(port) + vx.u8(via) + vx.u16(days)
        body += vx.u8(len(values)) + b"".join(vx.u32(age) + vx.u16(len(r)) + r for age, r in values)
        return dict(name=name, op=op, status=status, token=token.hex(),
                    nodes=[dict(node=n.hex(), ip=ip16(i).hex(), port=p, via=v, age_days=d) for n, i, p, v, d in nodes],
                    values=[dict(age_s=a, record=r.hex()) for a, r in values], bytes=body.hex())

    near = [(ed.public(ALICE), "2001:db8::1", 4242, 3, 0), (ed.public(BOB), "192.0.2.7", 65535, 2, 65535)]
    return "tests/vectors", [
        ask("ask ping", 1, 0, 20), ask("ask find", 2, 0, 8), ask("ask get", 3, 0, 20), ask("ask get nodes", 3, 1, 1),
        ask("ask put", 4, 0, 20, ep), ask("ask put copy", 4, 2, 20, svc), ask("ask dialback", 5, 0, 20),
        answer("answer empty", 1, 0), answer("answer find", 2, 0, near), answer("answer get", 3, 0, near, [(0, ep), (2**32 - 1, svc)]),
        answer("answer full", 3, 0, near * 10, [(i, svc) for i in range(16)]), answer("answer refused", 4, 0x26),
        answer("answer stale", 4, 0x21, (), [(7, ep)])]


def dht():
    """Places in the key space, and keys of the records in the other files."""
    out = []
    for name, ip in (("global IPv6", "2a02:1234:5678:9abc::1"), ("its /48", "2a02:1234:5678:ffff::2"), ("another /48", "2a02:1234:5679::1"),
                     ("global IPv4", "198.51.100.7"), ("its /24", "198.51.100.255"), ("another /24", "198.51.101.7"),
                     ("loopback", "::1"), ("ULA", "fd00:1234::1"), ("RFC 1918", "10.1.2.3"), ("CGNAT", "100.64.0.1"),
                     ("link-local", "fe80::1")):
        for who in (ALICE, BOB):
            node = ed.public(who)
            out.append(dict(name=f"position {name} {'alice' if who == ALICE else 'bob'}", node=node.hex(), ip=ip16(ip).hex(),
                            pos=vx.dht_position(node, ip16(ip)).hex()))
    alice = ed.public(ALICE)
    out += [dict(name="key endpoint", record=endpoint("alice", ADDRS, 3).hex(), key=vx.dht_key("endpoint", alice).hex()),
            dict(name="key relay info", record=relay_info(ONION_KEYS, 0x17).hex(), key=vx.dht_key("endpoint", alice).hex()),
            dict(name="key service", record=service("web", 80, "http").hex(), key=vx.dht_key("service", alice + b"web").hex()),
            dict(name="key name", record=name_claim("alice").hex(), key=vx.dht_key("name", b"alice").hex()),
            dict(name="key alias", record=alias_claim("ghost").hex(), key=vx.dht_key("alias", b"ghost").hex())]
    for v in catalogs()[1][:1]:
        subject = bytes.fromhex(v["bytes"])[8:40]
        out.append(dict(name="key catalog", record=v["bytes"], key=vx.dht_key("catalog", subject + vx.u64(int(v["period"]))).hex()))
    for v in revocations()[1][:1]:
        out.append(dict(name="key revocation", record=v["bytes"], key=vx.dht_key("revoke", alice).hex()))
    return "tests/vectors", out


def mux():
    def frame(t, flags, length, stream):
        return dict(name=f"{t} {flags} {length} {stream}", type=t, flags=flags, len=length, stream=stream,
                    bytes=(vx.u8(t) + vx.u8(flags) + vx.u16(length) + vx.u32(stream)).hex())

    return "tests/vectors", [frame(0, 4, 0, 1), frame(0, 5, 16376, 2), frame(0, 1, 0, 0x7FFFFFFF), frame(1, 0, 4, 0),
                             frame(1, 0, 4, 9), frame(2, 0, 4, 3), frame(3, 0, 8, 0), frame(4, 0, 8, 0), frame(5, 0, 4, 0),
                             frame(6, 0, 300, 0)]


def vxs():
    binding, later, ident = bytes(range(32)), bytes(range(32, 64)), bytes(range(0xa0, 0xb0))
    _, secret = vx.hkdf(ident, binding, b"VX6 vxs resume", 32)

    def proof(role, epoch, off):
        return vx.hmac256(secret, b"VX6 vxs attach" + vx.u8(role) + later + ident + vx.u32(epoch) + vx.u64(off))

    ask, answer = proof(1, 2, 70000), proof(2, 2, 2**40 + 1)
    return "tests/vectors", [
        dict(name="data", bytes=(vx.u8(0) + b"\x00\x10\x01").hex(), type=0, n=4097),
        dict(name="data_largest", bytes="00ffffff", type=0, n=2**24 - 1),
        dict(name="ack", bytes=(vx.u8(1) + vx.u64(2**40 + 1)).hex(), type=1, n=2**40 + 1),
        dict(name="fin", bytes=(vx.u8(2) + vx.u64(0)).hex(), type=2, n=0),
        dict(name="noresume", bytes="03", type=3, n=0),
        dict(name="open_resumable", bytes=(b"\x01\x01\x01\x03ssh" + ident).hex(), id=ident.hex()),
        dict(name="open_attach", bytes=(b"\x01\x03\x00\x00" + ident + vx.u32(2) + vx.u64(70000) + ask).hex(), id=ident.hex(), epoch=2,
             recv_off=70000, binding=binding.hex(), later=later.hex(), secret=secret.hex(), mac=ask.hex()),
        dict(name="attach_reply", bytes=(vx.u16(0) + vx.u64(2**40 + 1) + answer).hex(), id=ident.hex(), epoch=2, recv_off=2**40 + 1,
             binding=binding.hex(), later=later.hex(), mac=answer.hex()),
    ]


def hidden_messages():
    """Kind: the type of the payload, or 0 for what is inside of a seal."""
    auth, kh, handle = seed("introduction key"), seed("KH"), bytes(range(1, 9))
    cookies = [bytes((i,)) * 20 for i in (1, 2, 3)]
    nodes = [seed(f"rendezvous {i}") for i in range(3)]
    pow_, sealed, answer = text_of("proof", 41), text_of("sealed", 559), text_of("answer", 64)
    ident, mac, key = text_of("client id", 8), text_of("client mac", 32), text_of("client key", 32)

    def establish(name, rate, burst):
        body = ed.public(auth) + handle + vx.u32(rate) + vx.u32(burst)
        body += vx.hmac256(kh, body)
        return dict(name=name, kind=9, bytes=(body + vx.signed(auth, b"VX6 est-intro v1", vx.NET, body)).hex(), auth_seed=auth.hex(), kh=kh.hex(),
                    handle=handle.hex(), rate=rate, burst=burst)

    def plain(name, n, client=b""):
        body = vx.u32(2**32 - 2) + vx.u8(n) + b"".join(c + x for c, x in zip(cookies[:n], nodes)) + vx.u8(bool(client))
        at = len(body) + 10 if client else 0
        return dict(name=name, kind=0, bytes=(body + client).ljust(495, b"\0").hex(), key_epoch=2**32 - 2, rends=n, mac_at=at)

    def code(name, kind, value):
        return dict(name=name, kind=kind, bytes=vx.u16(value).hex(), code=value)

    return "tests/vectors", [
        establish("establish", 0, 0), establish("establish_largest", 2**32 - 1, 2**32 - 1),
        code("established", 10, 0), code("established_not", 10, 0x20),
        dict(name="introduce1", kind=11, bytes=(ed.public(auth) + handle + pow_ + sealed).hex()),
        dict(name="introduce1_no_proof", kind=11, bytes=(ed.public(auth) + handle + bytes(41) + sealed).hex()),
        dict(name="introduce2", kind=12, bytes=(vx.u32(2**31 + 5) + ed.public(auth) + pow_ + sealed).hex(), serial=2**31 + 5),
        dict(name="introduced", kind=13, bytes=vx.u32(2**31 + 5).hex(), serial=2**31 + 5),
        code("acknowledged", 14, 0), code("acknowledged_not", 14, 0x55),
        dict(name="establish_rend", kind=15, bytes=cookies[0].hex()),
        code("rend_established", 16, 0), code("rend_established_not", 16, 0x53),
        dict(name="rendezvous1", kind=17, bytes=(cookies[0] + answer).hex()),
        dict(name="rendezvous2", kind=18, bytes=answer.hex()),
        plain("plain_one", 1), plain("plain_three", 3),
        plain("plain_auth", 1, b"\2\x28" + ident + mac), plain("plain_enrol", 3, b"\3\x48" + ident + mac + key),
    ]


def published(name):
    """What others publish, when it is at hand."""
    path = pathlib.Path(os.environ.get("VX6_MORE_VECTORS", "/nonexistent")) / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def cgo_published():
    for v in published("cgo").get("relay", []):
        f = {k: bytes.fromhex(x) for k, x in v.items() if isinstance(x, str)}
        hop = cg.Layer(f["key"] + f["nonce"], cg.TOR)
        hop.chain = f["t_prime"]
        way = hop.relay_backward if v["inbound"] else lambda ad, body, hop=hop: hop.relay_forward(ad, body)[0]
        assert way(f["ad"][0], f["t"] + f["c"]) == f["t_out"] + f["c_out"]
        assert (hop.seed, hop.n, hop.chain) == (f["key_out"], f["nonce_out"], f["t_prime_out"])


def text_of(name, n):
    """n bytes that look random"""
    return b"".join(seed(f"{name} {i}") for i in range((n + 31) // 32))[:n]


def cgo_steps():
    """One thing that a relay does, in either shape."""
    for label, shape in (("cell", cg.CELL), ("tor", cg.TOR)):
        def relay(name, shape=shape):
            hop = cg.Layer(text_of(f"cgo {name}", 80), shape)
            hop.chain = seed(f"cgo chain {name}")[:16]
            return hop

        for name, ad, op in (("unrecognised", 3, "forward"), ("recognised", 3, "forward"), ("recognised ad 255", 255, "forward"),
                             ("originate", 3, "originate"), ("backward", 4, "backward"), ("zeroes", 0, "backward")):
            hop, payload = relay(name), bytes(shape.payload) if name == "zeroes" else text_of(f"cgo payload {name}", shape.payload)
            before, body, mine = hop.seed + hop.n, seed("cgo tag")[:16] + payload, False
            chain = hop.chain
            if name.startswith("recognised"):
                body = hop.decrypt(ad, hop.n + payload)
            if op == "forward":
                out, mine = hop.relay_forward(ad, body)
                assert mine == name.startswith("recognised") and (not mine or out[16:] == payload)
            else:
                out = hop.relay_originate(ad, payload) if op == "originate" else hop.relay_backward(ad, body)
            yield dict(name=f"{label} {name}", kind="step", shape=label, op=op, seed=before.hex(), chain=chain.hex(), ad=ad, body=body.hex(),
                       out=out.hex(), mine=int(mine), seed_after=(hop.seed + hop.n).hex(), chain_after=hop.chain.hex())


def cgo_chains():
    """Keys that follow one another: a relay's own cells, one byte repeated in each."""
    for label, shape in (("cell", cg.CELL), ("tor", cg.TOR)):
        hop, rows = cg.Layer(text_of("cgo chain", 80), shape), []
        start = hop.seed + hop.n
        for i in range(12):
            body = hop.relay_originate(3, bytes((i,)) * shape.payload)
            rows.append(dict(tag=body[:16].hex(), end=body[-16:].hex(), seed=(hop.seed + hop.n).hex()))
        yield dict(name=f"{label} keys", kind="keys", shape=label, seed=start.hex(), rows=rows)


def cgo_circuit():
    """Three hops. `links` is the body on each link: of the client's cells from the client on, of a relay's from that relay on."""
    seeds = {way: [text_of(f"cgo {way} {i}", 80) for i in range(3)] for way in ("out", "in")}
    client, relay = ({way: [cg.Layer(s) for s in seeds[way]] for way in seeds} for _ in range(2))
    rows = []
    for i, (way, hop, ad) in enumerate((("out", 2, 3), ("in", 2, 3), ("in", 0, 3), ("out", 0, 4), ("out", 1, 3), ("in", 1, 3), ("out", 2, 3),
                                        ("in", 2, 4), ("out", 2, 3), ("in", 2, 3))):
        payload = text_of(f"cgo cell {i}", cg.CELL.payload)
        if way == "out":
            body = cg.client_forward(client["out"], hop, ad, payload)
            links = [body]
            for k in range(hop + 1):
                body, mine = relay["out"][k].relay_forward(ad, body)
                assert mine == (k == hop)
                links.append(body)
            assert links.pop()[16:] == payload
        else:
            links = [relay["in"][hop].relay_originate(ad, payload)]
            for k in reversed(range(hop)):
                links.append(relay["in"][k].relay_backward(ad, links[-1]))
            assert cg.client_backward(client["in"], ad, links[-1]) == (hop, payload)
        rows.append(dict(way=way, hop=hop, ad=ad, payload=payload.hex(), links=[b.hex() for b in links]))
    return dict(name="three hops", kind="circuit", **{f"seeds_{way}": [s.hex() for s in seeds[way]] for way in seeds}, rows=rows)


def cgo():
    cgo_published()
    return "tests/vectors", [*cgo_steps(), *cgo_chains(), cgo_circuit()]


def cgo_updates():
    out = []
    for name, key, nonce, key_after, nonce_after in UPDATES:
        hop = cg.Layer(bytes.fromhex(key + nonce), cg.TOR)
        hop.update()
        assert hop.seed.hex() + hop.n.hex() == key_after + nonce_after, name
        out.append(dict(name=name, seed=key + nonce, seed_after=key_after + nonce_after))
    return "Tor proposal 359: UIV+ updates, as published; key and nonce in one", out


def ntor3_published():
    v = {k: bytes.fromhex(x) for k, x in published("ntor_v3").get("values", {}).items()}
    if not v:
        return
    got = nt.Handshake(b"ntor3-curve25519-sha3_256-1", v["ID"], v["VER"], v["b"], v["x"], v["y"], v["CM"], v["SM"], len(v["KEYSTREAM"]))
    for name in "B X Y ENC_K1 MAC_K1 msg_mac key_seed verify AUTH KEYSTREAM".split():
        assert getattr(got, name) == v[name], name
    assert (v["ID"] + v["B"] + got.client, got.server) == (v["client_handshake"], v["server_handshake"])


def ntor3():
    ntor3_published()
    out = []
    for name, cm, sm, keys_n in (("messages", b"for the relay", b"for the client", 192), ("empty", b"", b"", 192),
                                 ("client only", b"\0", b"", 192), ("server only", b"", b"\xff" * 17, 192),
                                 ("long", text_of("ntor3 cm", 1024), text_of("ntor3 sm", 1024), 192),
                                 ("whole blocks", text_of("ntor3 cm", 32), text_of("ntor3 sm", 16), 1)):
        b, x, y, ident = (seed(f"ntor3 {what} {name}") for what in ("b", "x", "y", "id"))
        h = nt.Handshake(nt.PROTOID, ident, vx.NET, b, x, y, cm, sm, keys_n)
        out.append(dict(name=name, id=ident.hex(), ver=vx.NET.hex(), b=b.hex(), B=h.B.hex(), key_id=nt.key_id(h.B).hex(), x=x.hex(), y=y.hex(),
                        cm=cm.hex(), sm=sm.hex(), client=h.client.hex(), server=h.server.hex(), keys=h.KEYSTREAM.hex()))
    return "tests/vectors", out


# ---- hidden services ----

def hs_ntor_published():
    v = {k: bytes.fromhex(x) for k, x in HS_NTOR.items()}
    h = hs.HsNtor(HS_NTOR_PROTOID.encode(), v["KP_hs_ipd_sid"], v["N_hs_subcred"], v["KS_hss_ntor"], v["x"], v["y"], v["H"], v["P"])
    assert (h.B, v["H"] + h.sealed) == (v["KP_hss_ntor"], v["introduce1_body"])
    for name in "X Y ENC_KEY MAC_KEY NTOR_KEY_SEED AUTH_INPUT_MAC".split():
        assert getattr(h, name) == v[name], name
    return "Tor rend-spec-v3 appendix G.1; keys and kh, which it does not give, are computed", [
        dict(name="G.1", protoid=HS_NTOR_PROTOID, auth_key=HS_NTOR["KP_hs_ipd_sid"], subcred=HS_NTOR["N_hs_subcred"], b=HS_NTOR["KS_hss_ntor"],
             B=HS_NTOR["KP_hss_ntor"], x=HS_NTOR["x"], y=HS_NTOR["y"], head=HS_NTOR["H"], plain=HS_NTOR["P"], sealed=h.sealed.hex(),
             answer=h.answer.hex(), keys=h.keys.hex(), kh=h.kh.hex())]


def hs_ntor():
    out = []
    for name, head, plain in (("introduction", seed("hs head"), text_of("hs plain", 480)), ("no head", b"", b"hello"), ("nothing said", b"head", b""),
                              ("longest", text_of("hs head", 1024), text_of("hs plain", 1024))):
        auth_key, subcred, b, x, y = (seed(f"hs {what} {name}") for what in ("auth key", "subcred", "b", "x", "y"))
        h = hs.HsNtor(hs.PROTOID, auth_key, subcred, b, x, y, head, plain)
        out.append(dict(name=name, protoid=hs.PROTOID.decode(), auth_key=auth_key.hex(), subcred=subcred.hex(), b=b.hex(), B=h.B.hex(), x=x.hex(),
                        y=y.hex(), head=head.hex(), plain=plain.hex(), sealed=h.sealed.hex(), answer=h.answer.hex(), keys=h.keys.hex(),
                        kh=h.kh.hex()))
    return "tests/vectors", out


def blinding_published():
    out = []
    for i, row in enumerate(BLINDING):
        key, expanded, pk, sig, factor, blinded, blinded_pk = (bytes.fromhex(x) for x in row)
        assert (ed.public(key), ed.sign(key, pk)) == (pk, sig)
        assert (ed.blind_secret(key, factor), ed.blind_public(pk, factor)) == (blinded, blinded_pk)
        out.append(dict(name=str(i), seed=row[0], pk=row[2], self_sig=row[3], factor=row[4], expanded=row[5], blinded=row[6]))
    return "Tor's vectors of key blinding (rend-spec-v3 appendix A.2); expanded: of the blinded key", out


# Found once by agent/crypto/puzzle.c and, all of one nonce, by trying in Python; generate.py only checks them.
PUZZLES_OF_ONE_NONCE = """0c595df6399669e130ecc68b44cbc144 0e08223c1df5542012d5b20bce39e738 1720eed1172d594d3941c3af5a50c01f 36dc4c8b40d97c776a9dc34faecec939
    4b91f7b1593be9e0748ba6379b26f7fc 52aeaa66b33feb279ba2bbc6a13fc05d 5acbcc4f737bebfc75b4a47fcad8e552""".split()
PUZZLES = [(20, "28cd4afce540da0b6241bea4d5d55c81", "09e7f86186cee65d4b9bfca75ac4b4a8"),
           (400, "28cd4afce540da0b6241bea4d5d55c89", "2879ba5c4f4499448083fe9c8e5f9b91")]
PUZZLE_OF_ZEROES = (bytes((1, 2, 3, 4)) + bytes(28), bytes(32), 3, "00000000000000000000000000000000", "1757b2177d9df9cc1d625b368bef98f6")  # tests/fuzz/crypto/fuzz_puzzle.c


def hs_puzzles():
    key, blinded, nonce = seed("puzzle seed"), seed("puzzle blinded"), seed("puzzle nonce 1")[:16].hex()
    all_of_them = [(f"{i} of one nonce", key, blinded, 1, nonce, s) for i, s in enumerate(PUZZLES_OF_ONE_NONCE)]
    all_of_them += [(f"effort {e}", key, blinded, e, n, s) for e, n, s in PUZZLES] + [("zeroes", *PUZZLE_OF_ZEROES)]
    out = []
    for name, key, blinded, effort, at, solution in all_of_them:
        at, solution = bytes.fromhex(at), bytes.fromhex(solution)
        assert hs.puzzle_is_solution(hs.puzzle_key(key, blinded, at, effort), solution), name
        assert hs.puzzle_value(key, blinded, at, effort, solution) * effort < 1 << 32, name
        out.append(dict(name=name, seed=key.hex(), blinded=blinded.hex(), effort=effort, bytes=hs.puzzle(at, effort, key, solution).hex()))
    return "tests/vectors", out


def hs_intros(n):
    return [dict(standby=int(i > 2), node=ed.public(seed(f"intro {i}")).hex(), auth_key=ed.public(seed(f"intro auth {i}")).hex(),
                 enc_key=seed(f"intro enc {i}").hex(), handles=[seed(f"handle {i} {k}")[:8].hex() for k in (0, 1)], not_after=T0 + DAY + i)
            for i in range(n)]


def hs_text(flags, pow_, intros):
    rows = [hs.intro(i["standby"], *(bytes.fromhex(i[k]) for k in ("node", "auth_key", "enc_key")), [bytes.fromhex(h) for h in i["handles"]],
                     i["not_after"]) for i in intros]
    return hs.inner(flags, *pow_, rows)


def hs_descs():
    """`clients` are secrets that open it; of a closed one `stranger` does not."""
    period = T0 // hs.PERIOD
    out = []
    for name, flags, effort, intros_n, clients_n, period, seq in (
            ("open", 0, None, 3, None, period, 1), ("open, fast, with a puzzle", 5, 20, 5, None, period, 7),
            ("closed", 2, None, 5, 3, period, 2**64 - 1), ("closed, full", 7, 2**32 - 1, 5, 32, period, 2), ("closed to all", 2, None, 0, 0, period, 3),
            ("next period", 1, None, 1, None, period + 1, 1)):
        # the last of them is issued an hour before its period begins
        issued = T0 - T0 % 3600 if period == T0 // hs.PERIOD else period * hs.PERIOD - 3600
        clients = None if clients_n is None else [seed(f"hs client {i}") for i in range(clients_n)]
        pow_ = (bytes(32), 0, 0) if effort is None else (seed("pow seed"), effort, T0 + 7200)
        text = hs_text(flags, pow_, hs_intros(intros_n))
        rec = hs.descriptor(seed("service"), period, seq, issued, text, clients and [ed.x25519(c, hs.BASE) for c in clients],
                            seed(f"cookie {name}"), lambda what, n, name=name: text_of(f"{what} {name}", n))
        blinded, sub, _ = hs.names(ed.public(seed("service")), period)
        out.append(dict(name=name, seed=seed("service").hex(), key=ed.public(seed("service")).hex(), period=str(period), seq=str(seq), issued=issued,
                        blinded=blinded.hex(), subcred=sub.hex(), places=[hs.index(blinded, i, period).hex() for i in (1, 2)],
                        flags=flags, pow_seed=pow_[0].hex(), pow_effort=pow_[1], pow_expires=pow_[2], intros=hs_intros(intros_n),
                        clients=[c.hex() for c in clients or []], stranger=seed("hs stranger").hex(), text=text.hex(), bytes=rec.hex()))
    return "tests/vectors", out


def hidden_clients():
    out = []
    for name, over, enrols in (("known", text_of("hs over", 113), b""), ("enrols", text_of("hs over", 217), ed.x25519(seed("hs new client"), hs.BASE)),
                               ("over nothing", b"", b"")):
        client, enc, subcred = (seed(f"hs {what} {name}") for what in ("client", "enc", "subcred"))
        ident, key = hs.client_auth(client, ed.x25519(enc, hs.BASE), subcred)
        assert hs.client_auth(enc, ed.x25519(client, hs.BASE), subcred) == (ident, key)
        out.append(dict(name=name, client_sk=client.hex(), enc_sk=enc.hex(), client_pk=ed.x25519(client, hs.BASE).hex(),
                        enc_pk=ed.x25519(enc, hs.BASE).hex(), subcred=subcred.hex(), id=ident.hex(), key=key.hex(), over=over.hex(),
                        enrols=enrols.hex(), mac=hs.client_mac(key, over, enrols).hex()))
    return "tests/vectors", out


def hidden_invites():
    key, secret = ed.public(seed("service")), seed("hs client 0")
    out = []
    for name, alias, has_secret, expires in (("key", "", 0, 0), ("key and secret", "", 1, 0), ("alias", "ghost", 0, 0),
                                             ("all", "ghost", 1, T0 + DAY), ("expires", "", 0, 1), ("longest", "a" * 32, 1, 2**64 - 1)):
        full = hs.uri(key, alias, secret if has_secret else b"", expires)
        short = vx.key_text("vxh", key) + ("+" + vx.key_text("vxs", secret) if has_secret else "")
        out.append(dict(name=name, key=key.hex(), alias=alias, secret=secret.hex() if has_secret else "", expires=str(expires),
                        text=full if alias or expires else short, uri=full))
    return "tests/vectors", out


def hidden_identities():
    out = []
    for name, now in (("a day", T0), ("the next", T0 + DAY), ("the first", DAY)):
        sub, cert = hs.identity(seed("service"), now)
        out.append(dict(name=name, seed=seed("service").hex(), id=ed.public(seed("service")).hex(), now=str(now), subkey_seed=sub.hex(),
                        cert=cert.hex()))
    return "tests/vectors", out


FILES = {f.__name__: f for f in (rfc8032, rfc7748, rfc5869, siphash, xchacha, fips197, rfc8452, argon2id, bip350, padding, hashes, keys,
                                 subkey_certs, records, name_claims, alias_claims, relay_infos, blinding, catalogs, revocations, hellos, messages, cells,
                                 beacons, dht_messages, dht, mux, vxs, hidden_messages, cgo, cgo_updates, ntor3,
                                 hs_ntor_published, hs_ntor, blinding_published, hs_puzzles, hs_descs, hidden_clients, hidden_invites, hidden_identities)}


# ---- files ----

def keyfiles():
    head = b"VX6K" + bytes((1, 2, 0, 0)) + bytes(48) + vx.u16(32)
    sealed = b"VX6K" + bytes((1, 1, 1, 0)) + vx.u32(3) + vx.u32(65536) + bytes(40) + vx.u16(32)
    for name, body in (("plain", head + bytes(range(32))), ("sealed", sealed + bytes(48)), ("empty", head[:-2] + vx.u16(0))):
        yield name, body + vx.blake2b("VX6-keyfile", body)


def backups():
    """Sealed halves of backups, and a whole file that nobody can open."""
    files = [("agent.yaml", b"name: alice\n"), ("hidden/ghost.visit", b""), ("identity/subkey.key", bytes(range(64))), ("state.db", b"SQLite format 3\0")]
    for name, node, parts in (("all", b"alice", files), ("nothing", b"", [])):
        rows = b"".join(vx.u8(len(n)) + n.encode() + vx.u32(len(p)) + vx.blake2b("VX6-backup-part", p) for n, p in parts)
        yield name, bytes(range(32)) + vx.u8(len(node)) + node + vx.u16(len(parts)) + rows + b"".join(p for _, p in parts)
    body = b"VX6B" + bytes((1, 0)) + vx.u16(4) + vx.u32(3) + vx.u32(65536) + bytes(40) + vx.u64(T0 * 1000) + b"0.1.0".ljust(32, b"\0") + vx.u64(48) + bytes(64)
    yield "file", body + vx.blake2b("VX6-backup", body)


def dht_puts(made):
    """A record of every kind put under its key, from two places, and then asked for."""
    rows = b""
    for v in [v for v in made["dht"] if "record" in v]:
        key, rec = bytes.fromhex(v["key"]), bytes.fromhex(v["record"])
        for source, ask in ((3, bytes((4, 0, 20)) + key + bytes(8) + rec), (4, bytes((4, 2, 20)) + key + bytes(8) + rec),
                            (4, bytes((3, 0, 20)) + key)):
            rows += vx.u16(1 + len(ask)) + vx.u8(source) + ask
    return rows


def dht_events(messages):
    """Peers' messages in the order in which a node may meet them; see tests/fuzz/dht/fuzz_lookup.c."""
    def event(what, number, body):
        return vx.u8(number << 3 | what) + vx.u16(len(body)) + body

    asks = [event(5, i, b) for i, (n, b) in enumerate(messages) if n.startswith("ask")]
    answers = [event(0, i, b) for i, (n, b) in enumerate(messages) if n.startswith("answer")]
    pass_time, look = event(3, 0, bytes(300)), event(4, 1, seed("a key"))
    yield "answers", look + b"".join(answers) + pass_time
    yield "requests", b"".join(asks)
    yield "all", look + b"".join(a + b for a, b in zip(asks, answers)) + event(2, 3, b"") + event(6, 9, b"") + event(7, 2, b"") + pass_time * 8


def catalog_files():
    """Without their checksum, which the target makes."""
    owner, secret = seed("catalog"), seed("catalog secret")
    plain = vx.catalog_list("work", [(ed.public(ALICE), "web", "wiki", "http")])
    for name, is_owner in (("owner", 1), ("reader", 0)):
        body = b"VX6C" + bytes((1, is_owner)) + vx.u64(T0 * 1000) * 2 + vx.u64(T0 * 1000 * is_owner) + b"\x04work"
        body += ed.public(owner) + secret
        yield name, body + (owner + vx.u16(len(plain)) + plain if is_owner else b"")


def hidden_files():
    """Without their checksum, which the target makes."""
    service, seqs = seed("hidden service"), vx.u64(81000) + vx.u64(7) + vx.u64(80999) + vx.u64(12)
    clients = b""
    for kind, name in ((0, b"bob"), (1, b"")):
        clients += bytes((kind, 0)) + seed(f"hidden id {kind}")[:8] + seed(f"hidden client {kind}") + bytes((len(name),)) + name
        clients += vx.u64(T0) + vx.u64(0) + vx.u32(kind) + vx.u32(3) + vx.u64(T0) + bytes(8)
    yield "hosted", (b"VX6S\x01" + vx.u64(T0 * 1000) + b"\x05svc_1" + service + seqs + vx.u16(2) + clients)
    yield "visit", (b"VX6V\x01" + vx.u64(T0 * 1000) + b"\x05ghost" + ed.public(service) + b"\x0f" + seed("hidden key") + seed("hidden invite")
                    + vx.u64(T0 + 86400) + seqs)


def cell_inputs(vectors):
    """The first byte says what follows; see tests/fuzz/wire/fuzz_cell.c."""
    kinds = dict(create=0, created=1, client_msg=2, client_word=2, server_msg=3)
    out = []
    for v in vectors:
        name, body = v["name"].replace(" ", "_"), bytes.fromhex(v["bytes"])
        out.append((name, vx.u8(kinds.get(v["kind"], 4)) + body))
        if "cell" in v:
            out.append((name + "_cell", vx.u8(5) + bytes.fromhex(v["cell"])[:len(body) + 1]))
    return out


def adopted(messages, vxs):
    """What a client says at the end of a circuit; see tests/fuzz/session/fuzz_adopted.c."""
    def step(which, body):
        return vx.u8(which) + vx.u8(min(len(body), 255)) + body[:255]

    opens = [b for n, b in messages + vxs if n.startswith("open")]
    rest = [b for n, b in messages if not n.startswith("open")]
    frames = b"".join(b for n, b in vxs if not n.startswith("open"))
    for kind, name in ((0, "before"), (1, "anonymous"), (2, "node"), (130, "abrupt"), (65, "hidden"), (66, "hidden_named")):
        start = vx.u8(kind)
        yield name + "_control", start + b"".join(step(0, b) for b in rest)
        yield name + "_opens", start + b"".join(step(1 + i % 3 | 16, b) for i, b in enumerate(opens))
        yield name + "_frames", start + b"".join(step(1 + i % 3, b) + step(1 + i % 3 | 16, frames) for i, b in enumerate(opens))


def targets(key):
    """What people name to go to; see tests/fuzz/discovery/fuzz_target.c."""
    node, hidden, client = (key[k] for k in ("node", "hidden", "client"))
    texts = dict(name="alice.web", id_name=f"{node}.ssh", id_slash=f"{node}/ssh", catalog="wiki@work", hidden=hidden, alias="ghost",
                 invite=f"{hidden} {client}", invite_plus=f"{hidden}+{client}", uri=f"vx6://hidden/ghost?key={hidden}&secret={client}",
                 secret=client, hidden_name=f"{hidden}.web")
    for name, text in texts.items():
        yield name, text.encode()


def ntor3_inputs():
    """The keys and the client's message of tests/fuzz/crypto/fuzz_ntor3.c; the first byte says what follows."""
    b, x, y, ident, ver = (bytes((i,)) * n for i, n in ((7, 32), (8, 32), (9, 32), (1, 32), (2, 16)))
    for name, sm in (("", b"an answer"), ("_empty", b"")):
        h = nt.Handshake(nt.PROTOID, ident, ver, b, x, y, b"hello", sm, 192)
        yield f"open{name}", b"\0" + (h.client if sm else h.X + h.msg_mac)
        yield f"finish{name}", b"\1" + h.server
    yield "order_1", b"\0" + bytes(64)
    yield "order_1_answer", b"\1" + bytes(64)
    for name, where, mask, n in (("whole", 0, 0, 3), ("client_changed", 40, 1, 40), ("server_changed", 300, 128, 20), ("long", 0, 0, 90)):
        yield name, b"\2" + vx.u16(where) + vx.u8(mask) + text_of("ntor3 fuzz", n)


def cgo_inputs():
    """Cells each way, to and from every hop, changed or not; see tests/fuzz/crypto/fuzz_cgo.c."""
    def cell(way, hop, link=0, at=0, mask=0):
        return vx.u8(way | hop << 1 | link << 3) + vx.u16(at) + vx.u8(mask)

    plain = b"".join(cell(way, hop) for way in (0, 1) for hop in (0, 1, 2))
    yield "plain", vx.u8(0) + plain * 2
    yield "tag_out", vx.u8(1) + plain + cell(0, 2, 1, 3, 1) + plain
    yield "payload_out", vx.u8(2) + plain + cell(0, 2, 2, 900, 0x80) + plain
    yield "tag_in", vx.u8(3) + plain + cell(1, 2, 1, 0, 1) + plain
    yield "payload_in", vx.u8(4) + plain + cell(1, 2, 1, 500, 4) + plain
    yield "last_byte", vx.u8(5) + cell(0, 0, 0, 1022, 1) + cell(1, 0, 0, 1022, 1) + plain


def hs_ntor_inputs():
    """The keys of tests/fuzz/crypto/fuzz_hs_ntor.c; the first byte says what follows."""
    auth_key, subcred, b, x, y = (bytes((i,)) + bytes(31) for i in (1, 2, 7, 8, 9))
    head = b"head\0"
    h = hs.HsNtor(hs.PROTOID, auth_key, subcred, b, x, y, head, b"an introduction")
    yield "open", b"\0" + vx.u8(len(head)) + head + h.sealed
    yield "finish", b"\1" + h.answer
    yield "order_1", b"\0\0" + bytes(96)
    yield "order_1_answer", b"\1" + bytes(64)
    for name, where, mask, n in (("whole", 0, 0, 3), ("client_changed", 40, 1, 40), ("service_changed", 110, 128, 20), ("long", 0, 0, 90)):
        yield name, b"\2" + vx.u16(where) + vx.u8(mask) + text_of("hs ntor fuzz", n)


def corpora(made):
    """target -> [(file, bytes)]"""
    def of(name):
        return [(v["name"].replace(" ", "_"), bytes.fromhex(v["bytes"])) for v in made[name]]

    def is_open(name):
        return name.startswith("open")

    return {
        "wire_mux": [("frames", b"".join(b for _, b in of("mux")[:1] + of("mux")[3:5])), *of("mux")],
        "wire_open": [(n, b) for n, b in of("messages") + of("vxs") if is_open(n)],
        "wire_vxs": [("frames", b"".join(b for _, b in of("vxs")[:1] + of("vxs")[2:5])), *of("vxs")],
        "wire_hs": [(v["name"], vx.u8(v["kind"]) + bytes.fromhex(v["bytes"])) for v in made["hidden_messages"]],
        "wire_cell": cell_inputs(made["cells"]),
        "wire_ctl": [(n, b) for n, b in of("messages") if not is_open(n)] + of("hellos"),
        "session_adopted": list(adopted(of("messages"), of("vxs"))),
        "wire_beacon": of("beacons"),
        "crypto_ntor3": list(ntor3_inputs()),
        "crypto_hs_ntor": list(hs_ntor_inputs()),
        "crypto_puzzle": of("hs_puzzles"),
        "crypto_cgo": list(cgo_inputs()),
        "dht_serve": [("puts", dht_puts(made))],
        "wire_dht": of("dht_messages"),
        "dht_lookup": dht_events(of("dht_messages")),
        "wire_hello": [(n, b[4:]) for n, b in of("hellos")],
        "wire_record": of("records") + of("revocations") + of("name_claims") + of("alias_claims") + of("catalogs") + of("relay_infos") + [("descriptor", of("hs_descs")[0][1])],
        "record_admit": of("records") + of("revocations") + of("name_claims") + of("catalogs") + of("relay_infos") + [("descriptor", of("hs_descs")[0][1])],
        "record_hs_desc": [(v["name"].replace(" ", "_").replace(",", ""), vx.u8(0) + bytes.fromhex(v["bytes"])) for v in made["hs_descs"]] +
                          [("text_" + v["name"].replace(" ", "_").replace(",", ""), vx.u8(1) + bytes.fromhex(v["text"])) for v in made["hs_descs"]] + [("outer", vx.u8(2) + bytes(32) + vx.u8(16) + bytes(900)), ("outer_full", vx.u8(2) + bytes(31) + vx.u16(288))],
        "record_relay_info": of("relay_infos"),
        "record_claim": of("name_claims") + of("alias_claims"),
        "record_catalog": [(v["name"], bytes.fromhex(v["list"])) for v in made["catalogs"]],
        "discovery_catalog_file": list(catalog_files()),
        "hidden_files": list(hidden_files()),
        "identity_hidden_invite": [(v["name"].replace(" ", "_") + n, v[k].encode()) for v in made["hidden_invites"] for k, n in
                                   (("text", ""), ("uri", "_uri"))] + [("space", made["hidden_invites"][1]["text"].replace("+", " ").encode())],
        "identity_subkey_cert": of("subkey_certs"),
        "identity_keyfile": list(keyfiles()),
        "identity_backup": list(backups()),
        "identity_text": [(f"bip350_{i}", v["text"].encode()) for i, v in enumerate(made["bip350"])] +
                         [(f"{v['name']}_{k}", v[k].encode()) for v in made["keys"] for k in ("node", "hidden", "client")] +
                         [("name", b"alice.web"), ("id_name", made["keys"][0]["node"].encode() + b".ssh")],
        "discovery_target": list(targets(made["keys"][0])),
    }


def main():
    files, made = {}, {}
    for name, make in FILES.items():
        origin, made[name] = make()
        text = json.dumps(dict(origin=origin, vectors=made[name]), indent=1, ensure_ascii=True) + "\n"
        files[ROOT / "schemas" / "vectors" / f"{name}.json"] = text.encode()
    for target, inputs in corpora(made).items():
        for name, data in inputs:
            files[ROOT / "tests" / "fuzz" / "corpus" / target / name] = data
    stale = [path for path, data in files.items() if not path.exists() or path.read_bytes() != data]
    for path in stale:
        print(path.relative_to(ROOT))
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[path])
    print(f"{len(files)} files, {len(stale)} changed")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
