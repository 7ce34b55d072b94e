"""What hostile relays, holders and guests do to a hidden service: what was said is said again, descriptors are forged and kept back, who was shut out
comes all the same. The service goes on, nobody gets in, and nobody hears more than the pages of the wire say.

All relays are rogues (hiddenrogues.py, vx6-rogue/hidden.c).
"""
import contextlib
import os
import threading
import time
from collections import Counter

import pytest

import hidden
from hiddenrogues import RogueNet, Shelf
from lab import FULL, wait_for
from onion import (CODES, ESTABLISH_INTRO, ESTABLISH_REND, INTRODUCE1, INTRODUCE2, INTRODUCE_ACK, INTRODUCED, INTRO_ESTABLISHED, REND_ESTABLISHED,
                   RENDEZVOUS1, RENDEZVOUS2)
from overlay import program
from programs import recv_exact
from rogue import public, vx
import ref_hs  # isort: skip

OK, DESCRIPTOR = 0, 6
MB = 1 << 20


@pytest.fixture(scope="module")
def net(lab):
    made = RogueNet(lab)
    try:
        made.start(timeout=90)
        made.bobs, made.carols = made.door(made.bob), made.door(made.carol)
        yield made
    finally:
        made.stop()


@pytest.fixture(autouse=True)
def it_goes_on(net):
    """Whatever was done to it: who may come in comes in afterwards."""
    yield
    for r in net.relays:
        r.order("pass")
    assert net.comes_anew(net.bob, net.bobs), net.bob.api.items("/v1/hidden-connects")[-1]


def met(net):
    """How often the owner has gone to where somebody waits."""
    return len(net.heard(RENDEZVOUS1, way="in"))


def brought(net):
    """Cookies that were brought to a rendezvous, and how often each."""
    return Counter(m.data[:20] for m in net.heard(RENDEZVOUS1, way="in"))


def brought_again(net, before):
    """Of those that had been brought, which were once more: what an old introduction would have the owner do. Others come for guests of now."""
    return {cookie: n - before[cookie] for cookie, n in brought(net).items() if cookie in before and n > before[cookie]}


# What was said, once more

AGAIN = {  # what a relay answers, and what another one does; a number is what the circuit ends with
    ESTABLISH_INTRO: ((INTRO_ESTABLISHED, "SIG"), (INTRO_ESTABLISHED, "SIG")),
    INTRO_ESTABLISHED: ("CIRC_PROTO", "CIRC_PROTO"),
    INTRODUCE1: ((INTRODUCE_ACK, OK), (INTRODUCE_ACK, "INTRO_UNKNOWN")),
    INTRODUCE2: ("CIRC_PROTO", "CIRC_PROTO"),
    INTRODUCED: ("CIRC_PROTO", "CIRC_PROTO"),
    INTRODUCE_ACK: ("CIRC_PROTO", "CIRC_PROTO"),
    ESTABLISH_REND: ((REND_ESTABLISHED, "REND_DUP"), (REND_ESTABLISHED, OK)),
    REND_ESTABLISHED: ("CIRC_PROTO", "CIRC_PROTO"),
    RENDEZVOUS1: ("REND_NOCOOKIE", "REND_NOCOOKIE"),
    RENDEZVOUS2: ("CIRC_PROTO", "CIRC_PROTO"),
}


def named(answer):
    def name(code):
        return next((n for n, c in CODES.items() if c == code), code)

    return name(answer) if isinstance(answer, int) else (answer[0], name(int.from_bytes(answer[1], "big")))


def test_relays_are_told_again_what_they_heard(net):
    """By somebody else, over a circuit of his own: nothing comes of it, and what he is answered says no more than that."""
    assert net.comes_anew(net.bob, net.bobs)
    last = {kind: net.heard(kind)[-1] for kind in AGAIN}
    before, refused = brought(net), net.refused()
    seen = {}
    for kind, m in last.items():
        other = next(r for r in net.relays if r not in (m.relay, *net.introduction_points("echo", "active", "standby", "retiring", "building")))
        seen[kind] = tuple(named(net.answer(r, kind, m.data)) for r in (m.relay, other))
    assert seen == AGAIN
    net.counted(refused, replay=1)
    assert brought_again(net, before) == {last[RENDEZVOUS1].data[:20]: 2}, "but for the two RENDEZVOUS1 that were sent here"


def test_one_circuit_says_the_same_twice(net):
    m = net.heard(INTRODUCE1)[-1]
    refused, before = net.refused(), brought(net)
    circuit = net.circuit(m.relay)
    with circuit.mux.tls:
        for _ in range(3):
            circuit.send(INTRODUCE1, m.data)
            assert named(circuit.read()[1:]) == (INTRODUCE_ACK, OK), "a replay is told from what is new"
    net.counted(refused, replay=3)
    assert not brought_again(net, before)


def key_of(m):
    """auth_key: whose introduction it is."""
    return m.data[4:36] if m.type == INTRODUCE2 else m.data[:32]


def owners(net, but=()):
    """Under which keys owners are introduced: {relay: {auth_key: None, ...}}, the latest last. @param but: circuits that do not count"""
    accepted = {(m.relay, m.circuit) for m in net.heard(INTRO_ESTABLISHED, way="out") if m.data == b"\0\0"}
    found = {}
    for m in net.heard(ESTABLISH_INTRO):
        if (m.relay, m.circuit) in accepted.difference(but):
            found.setdefault(m.relay, {})[key_of(m)] = None
    return found


def test_an_introduction_point_says_an_introduction_again(net):
    """Over the circuit that it went over, over the owner's other one, under other numbers, and at another introduction point."""
    m = net.heard(INTRODUCE2, way="out")[-1]
    before, refused = brought(net), net.refused()
    assert net.said(m.relay, INTRODUCE2, m.data, m.circuit) == 1
    net.counted(refused, replay=1)
    anew = os.urandom(4) + m.data[4:]
    both = net.said(m.relay, INTRODUCE2, anew)  # a second one with that number is what came over the other circuit, too
    assert both == 2
    net.counted(refused, replay=2)
    other, keys = next((r, keys) for r, keys in owners(net).items() if r is not m.relay)
    refused = net.refused()
    n = net.said(other, INTRODUCE2, m.data)
    net.counted(refused, format=n)
    n = net.said(other, INTRODUCE2, m.data[:4] + list(keys)[-1] + m.data[36:])
    net.counted(refused, format=n, seal=n)
    assert not brought_again(net, before), "the owner went there"


def test_relays_say_to_an_owner_what_is_not_for_it(net):
    """It leaves such a relay, as far as it says what it must not, and has others."""
    m = net.heard(INTRODUCE2, way="out")[-1]
    before = brought(net)
    for kind in (INTRO_ESTABLISHED, INTRODUCE_ACK, REND_ESTABLISHED, RENDEZVOUS2, ESTABLISH_INTRO, RENDEZVOUS1):
        net.said(m.relay, kind, net.heard(kind)[-1].data)
    assert not brought_again(net, before)


def test_a_rendezvous_says_again_what_it_said(net):
    """In the circuit that is joined: its end lets go of that one, and what it carried goes on over another."""
    for kind in (RENDEZVOUS2, REND_ESTABLISHED):
        assert net.comes_anew(net.bob, net.bobs)
        with net.bob.connect(net.bobs) as s:
            s.sendall(b"before")
            assert recv_exact(s, 6) == b"before"
            leg = [c for c in net.legs(net.bob, "echo") if c["streams"]][-1]
            at = net.meeting(leg)
            m = net.heard(kind, way="out", relays=[at])[-1]
            assert net.said(at, kind, m.data, m.circuit) == 1
            wait_for(lambda: leg["id"] not in [c["id"] for c in net.legs(net.bob, "echo")], 5, "the circuit to be let go")
            s.sendall(b"after")
            assert recv_exact(s, 5) == b"after"


def test_the_answer_of_another_meeting(net):
    """A rendezvous gives a client what an owner answered to somebody else. He does not take it."""
    old = net.heard(RENDEZVOUS2, way="out")[0]
    for r in net.relays:
        net.tell(r, f"answer {old.data.hex()}")
    came = []
    thread = threading.Thread(target=lambda: came.append(net.comes_anew(net.carol, net.carols, timeout=30)))
    thread.start()
    try:
        wait_for(lambda: any("rogue: answer" in r.log() for r in net.relays), 20, "a client to be answered so")
        time.sleep(0.5)
        assert not came, "it was taken"
    finally:
        for r in net.relays:
            net.tell(r, "pass")
        thread.join(40)
    assert came == [True] or net.comes_anew(net.carol, net.carols)


def test_introduction_points_deny_what_they_passed_on(net):
    """The owner comes for an introduction that its point says it knows nothing of. The client takes that answer."""
    for r in net.relays:
        net.tell(r, "deny")
    assert net.comes_anew(net.carol, net.carols)
    assert any("rogue: deny" in r.log() for r in net.relays)
    assert hidden.connects(net.carol, "echo")[0]["error"] is None


def asked(net):
    """How often each relay was asked to pass an introduction on."""
    return {r: len(net.heard(INTRODUCE1, relays=[r])) for r in net.relays}


@pytest.mark.limit(120)
@pytest.mark.skipif(not FULL, reason="six seconds until an owner is given up, and more")
def test_an_introduction_point_claims_that_it_passed_it_on(net):
    """A client that waits in vain goes by another one from then on, although its circuit to that one is open."""
    before = asked(net)
    assert net.comes_anew(net.carol, net.carols)
    liar = max(net.relays, key=lambda r: asked(net)[r] - before[r])
    net.tell(liar, "claim")
    begun = time.monotonic()
    assert net.comes_anew(net.carol, net.carols, timeout=40)
    print(f"came after {time.monotonic() - begun:.1f} s")
    lies = liar.log().count("rogue: claim")
    assert lies >= 1
    for _ in range(8):
        assert net.comes_anew(net.carol, net.carols)
    assert liar.log().count("rogue: claim") == lies


@pytest.mark.parametrize("order", ["twice forward", "twice back", "flip forward", "flip back"] if FULL else ["twice forward", "flip back"])
def test_a_rendezvous_spoils_what_goes_across(net, order):
    """From end to end: no byte is changed, doubled or lost, and the circuit is given up."""
    assert net.comes_anew(net.bob, net.bobs)
    data = os.urandom(MB)
    with net.bob.connect(net.bobs) as s:
        s.sendall(b"x")
        assert recv_exact(s, 1) == b"x"
        leg = [c for c in net.legs(net.bob, "echo") if c["streams"]][-1]
        at = net.meeting(leg)
        for _ in range(5):  # what it spoils may be of another circuit that goes through it
            before = at.log().count(f"rogue: {order}")
            at.order(order)
            sender = threading.Thread(target=s.sendall, args=(data,), daemon=True)
            sender.start()
            assert recv_exact(s, len(data)) == data
            sender.join()
            assert at.log().count(f"rogue: {order}") == before + 1
            if leg["id"] not in [c["id"] for c in net.legs(net.bob, "echo")]:
                return
            net.tell(at, "pass")
    raise AssertionError("the circuit outlived it")


# Who may not


def connects(guest, alias):
    """What `vx6 connect` ends with: (exit code, error)."""
    env = {**os.environ, "VX6_SOCKET": str(guest.state / "api.sock")}
    done = guest.host.run([program(), "connect", alias], timeout=40, env=env, input="", check=False)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def dave(net):
    made = net.visitor("dave")
    yield made
    made.proc.kill()


def admitted(net, dave, text, *options):
    with contextlib.suppress(RuntimeError):
        for leg in net.legs(dave, "echo"):
            dave.api.call("DELETE", f"/v1/circuits/{leg['id']}")
        hidden.vx6(dave, "hidden", "forget", "echo")
    hidden.vx6(dave, "hidden", "accept", "echo", *options, input=text + "\n")


def with_secret(text, secret):
    return text[:text.index("vxs1")] + vx.key_text("vxs", secret) + text[text.index("vxs1") + len(vx.key_text("vxs", secret)):]


@pytest.mark.limit(120)
@pytest.mark.skipif(not FULL, reason="half a minute: each invite waits for a descriptor of its own")
def test_who_may_not_is_told_why_and_nobody_else_is(net, dave):
    """By errors of their own. On the wire whoever cannot open the descriptor asks for nothing, and who could open the last one is not told from who may
    come in, but by nobody coming."""
    good = hidden.invite(net.alice, "echo", "--uses", "1", "--name", "dave")
    errors = {}

    def refused(what):
        asked = len(net.heard(INTRODUCE1))
        errors[what] = connects(dave, "echo")
        assert len(net.heard(INTRODUCE1)) == asked, f"{what}: it was asked for an introduction"

    admitted(net, dave, with_secret(good, os.urandom(32)))
    refused("a key of his own making")
    admitted(net, dave, net.service("echo")["key"])
    refused("no key")
    admitted(net, dave, hidden.invite(net.alice, "echo", "--expires", "3s"))
    time.sleep(3)
    refused("too late")
    admitted(net, dave, good)
    came = attempt(net, dave)
    assert errors_of(came) == (0, None)
    revoked_ones = attempt(net, dave, revoke="dave")
    errors["revoked"] = revoked_ones[0]
    admitted(net, dave, good)
    refused("used up")
    assert {what: errors_of((e,)) for what, e in errors.items()} == {
        "a key of his own making": (6, "invite_used_up"), "no key": (4, "client_refused"), "too late": (6, "invite_expired"),
        "revoked": (4, "client_refused"), "used up": (6, "invite_used_up")}
    # what it looked like to the introduction points
    assert SOUND in came[1] and SOUND in revoked_ones[1], (came, revoked_ones)
    assert came[2] >= 1 and revoked_ones[2] == 0, "whom the owner went to"


SOUND = (("in", INTRODUCE1, 640), ("out", INTRODUCE_ACK, b"\0\0"))


def errors_of(attempted):
    code, said = attempted[0]
    return code, said.split("\n")[0].rsplit("(", 1)[1].rstrip(")") if said else None


def attempt(net, guest, revoke=None):
    """A connection of a guest's over a rendezvous of its own: what it ended with; what each introduction looked like to its point, but for how often it
    was handed over; how often the owner came. @param revoke: a client that is shut out right before"""
    for leg in net.legs(guest, "echo"):
        guest.api.call("DELETE", f"/v1/circuits/{leg['id']}")
    if revoke:
        ident = next(c["id"] for c in net.alice.api.items("/v1/hidden-clients") if c["name"] == revoke)
        hidden.vx6(net.alice, "hidden", "revoke", ident)
    before, owner = len(net.heard(INTRODUCE1)), met(net)
    seen = {r: len(net.heard(INTRODUCE1, INTRODUCE_ACK, relays=[r])) for r in net.relays}
    ended = connects(guest, "echo")
    looks = set()
    for r, n in seen.items():
        lines = net.heard(INTRODUCE1, INTRODUCE_ACK, relays=[r])[n:]
        for m in lines:
            if m.type == INTRODUCE1:
                answer = next((a for a in lines if a.type == INTRODUCE_ACK and a.circuit == m.circuit), None)
                looks.add((("in", m.type, len(m.data)), ("out", INTRODUCE_ACK, answer.data if answer else None)))
    assert looks or len(net.heard(INTRODUCE1)) == before
    return ended, looks, met(net) - owner


# Descriptors


@pytest.fixture
def shelf(net):
    made = Shelf(net)
    yield made
    made.close()


def forgery(seed, period, seq=1, issued=None):
    issued = issued or int(time.time()) // 3600 * 3600
    return ref_hs.descriptor(seed, period, seq, issued, ref_hs.inner(0, bytes(32), 0, 0, []), None, bytes(32), lambda _, n: os.urandom(n))


def test_holders_take_no_descriptor_but_its_owners(net, shelf):
    """Unsigned, forged, of another, older, of another service, of another period: put to those that have the real one."""
    place, mallory = shelf.places[0], os.urandom(32)
    _, old = shelf.newest(place)
    hidden.invite(net.alice, "echo")  # and the next one is published
    real, record = shelf.newest(place)
    assert record[40:48] > old[40:48]
    own = ref_hs.names(public(mallory), shelf.period)[0]
    far = shelf.period + 4
    bad = {
        "unsigned": (place, record[:-64] + bytes(64)),
        "forged": (place, record[:-1] + bytes([record[-1] ^ 1])),
        "one byte of it changed": (place, record[:500] + bytes([record[500] ^ 1]) + record[501:]),
        "a higher number": (place, record[:40] + vx.u64(1 << 40) + record[48:]),
        "older": (place, old),
        "another service's": (place, forgery(mallory, shelf.period)),
        "of another period": (ref_hs.index(ref_hs.names(public(mallory), far)[0], 1, far), forgery(mallory, far)),
        "in another period's place": (ref_hs.index(shelf.blinded, 1, shelf.period + 1), record),
        "in nobody's place": (os.urandom(32), record),
        "signed by another": (place, vx.record(DESCRIPTOR, shelf.blinded, 1 << 40, int(time.time()) // 3600 * 3600, 10800,
                                               [vx.tlv(0x10, os.urandom(4096 - 64 - 3 - 64))], mallory, aux=shelf.period)),
    }
    for r in real[:3]:
        taken = {what: shelf.put(r, *bad[what]) for what in bad}
        assert OK not in taken.values(), taken
        assert shelf.put(r, ref_hs.index(own, 1, shelf.period), forgery(mallory, shelf.period)) == OK, "one that is sound is not taken"
    assert shelf.newest(place) == (real, record)


@pytest.mark.limit(120)
def test_holders_that_keep_an_old_descriptor(net, shelf, dave):
    """Half of them give the one before to all who ask. Who is strict has the new one, confirmed; and so has who is not."""
    rogues = net.relays[::2][:len(net.relays) // 2]
    for r in rogues:
        net.tell(r, "keep")
    text = hidden.invite(net.alice, "echo")
    now = net.service("echo")["descriptor"]["sequence"]
    held = [shelf.held(place) for place in shelf.places]
    assert all(any(seq >= now for r, (seq, _) in h.items() if r not in rogues) for h in held), held
    stale = [seq for h in held for r, (seq, _) in h.items() if r in rogues]
    assert min(stale) < now, (stale, now)
    seen = []
    for options in (("--strict",), ()) * (4 if FULL else 2):
        admitted(net, dave, text, *options)
        assert connects(dave, "echo")[0] == 0
        alias = dave.api.items("/v1/hidden-aliases")[0]
        assert alias["strict"] is bool(options)
        seen.append(alias["status"]["descriptor"])
    assert all(d["sequence"] >= now and d["confirmed"] for d in seen), (now, seen)


# Keys end with the owner's process


def test_nothing_from_before_a_restart_is_taken(net):
    """The owner's keys are new: what was sealed for the old ones opens nothing, wherever it is said."""
    old, asked = net.heard(INTRODUCE2, way="out"), net.heard(INTRODUCE1)
    before = {(m.relay, m.circuit) for m in net.heard(ESTABLISH_INTRO)}
    net.alice.restart()
    wait_for(lambda: net.comes_anew(net.bob, net.bobs, timeout=5), 40, "the service to be back")
    now, before, refused, of_format, of_seal = owners(net, before), brought(net), net.refused(), 0, 0
    assert not {key for keys in now.values() for key in keys} & {key_of(m) for m in old}
    for m in old[-3:]:
        for relay, keys in list(now.items())[:2]:
            of_format += net.said(relay, INTRODUCE2, m.data)
            of_seal += net.said(relay, INTRODUCE2, m.data[:4] + list(keys)[-1] + m.data[36:])
    net.counted(refused, format=of_format, seal=of_seal)
    for m in asked[-3:]:
        assert {named(net.answer(r, INTRODUCE1, m.data)) for r in {m.relay, *list(now)[:2]}} == {(INTRODUCE_ACK, "INTRO_UNKNOWN")}
    assert not brought_again(net, before)
