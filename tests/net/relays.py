"""Relays around a router, each behind a line of its own, and two hosts that talk through them: alice has the services, bob uses them."""
import os
import random

from lab import FULL, wait_for
from overlay import PORT, Agent
from star import Star

RELAYS = int(os.environ.get("VX6_RELAYS", "30" if FULL else "9"))


class RelayNet:
    """`delays`: one way to the router, in ms; a path of one relay between alice and bob has a round trip of four such lines.
    `rogues`: every relay misbehaves when it is told to (overlay.Agent.order)."""

    made = 0

    def __init__(self, lab, count=RELAYS, delays=(2.5, 20), transport="auto", seed=1, alice=(), bob=(), relay=(), rogues=False):
        RelayNet.made += 1
        self.lab, self.star, self.random = lab, Star(lab, f"router{RelayNet.made}"), random.Random(seed)
        self.transport, self.tag = transport, RelayNet.made
        self.relays = [self._agent(f"relay{i}", delays, [*relay], rogues) for i in range(count)]
        self.entry = self.relays[0]
        for other in self.relays[1:]:
            other.argv += ["--peer", self.entry.address]
        # neither is a relay: what goes over them is their own
        self.alice = self._agent("alice", delays, ["--relay", "off", "--peer", self.entry.address, *alice])
        self.bob = self._agent("bob", delays, ["--relay", "off", "--peer", self.relays[-1].address, *bob])

    def _agent(self, name, delays, flags, rogue=False):
        delay = delays[0] if delays[0] == delays[1] else round(self.random.uniform(*delays), 1)
        host = self.star.host(f"{name}-{self.tag}", delay=delay)
        return Agent(host, name, transport=self.transport, listen=f"[::]:{PORT}", flags=["--lan", "off", *flags], rogue=rogue)

    @property
    def agents(self):
        return [*self.relays, self.alice, self.bob]

    def start(self, timeout=40, want=None):
        self.entry.start()
        for agent in self.agents[1:]:
            agent.spawn()
        wait_for(lambda: all(a.is_ready() for a in self.agents), timeout, "the agents to be ready")
        self.by_id = {a.node_id(): a for a in self.agents}
        self.wait_known(timeout, count=want)
        return self

    def wait_known(self, timeout=40, who=None, count=None):
        """Until bob could draw any of the relays, and knows that circuits may lead to alice."""
        who, want = who or self.bob, count or sum(r.proc.running() for r in self.relays)

        def usable():
            return [r for r in who.api.items("/v1/relays") if r["standing"] != "unusable" and "middle" in r["policy"]]

        wait_for(lambda: len(usable()) >= want, timeout, lambda: f"{want} relays; {who.name} knows {len(usable())}")

    def stop(self):
        for agent in self.agents:
            if agent.proc and agent.proc.running():
                agent.proc.kill()

    def line(self, agent):
        """The emulated line of an agent's host."""
        return self.star.line[agent.host.name]

    def rtt_ms(self, *path):
        """Of a path: from the first to the last, and back, all through the router."""
        delay = [self.line(a).initial["delay"] for a in path]
        return 2 * sum(delay[i] + delay[i + 1] for i in range(len(delay) - 1))

    # what an agent says of its circuits

    def circuits(self, who=None, **which):
        found = (who or self.bob).api.items("/v1/circuits")
        return [c for c in found if all(c[k] == v for k, v in which.items())]

    def carrying(self, who=None):
        """Circuits that are open and have streams, the busiest last."""
        return sorted((c for c in self.circuits(who, state="open") if c["streams"]), key=lambda c: c["bytes"]["rx"] + c["bytes"]["tx"])

    def path(self, circuit):
        """Its nodes after the client, as agents."""
        return [self.by_id[h["node_id"]] for h in circuit["hops"]]

    def decisions(self, who=None, **which):
        found = (who or self.bob).api.get("/v1/circuits/decisions?limit=200")["items"]
        return [d for d in found if all(d[k] == v for k, v in which.items())]

    def forward(self, port, service, **route):
        return self.bob.add_forward(f"127.0.0.1:{port}", to=f"alice.{service}", **({"route": route} if route else {}))
