"""Hidden services as their owner and their guests handle them: by the commands that the documents name."""
import json
import os

import overlay
from relays import RelayNet

READY_S = 60


def vx6(agent, *args, timeout=30, **how):
    """What a command of the program prints, said to an agent."""
    env = {**os.environ, "VX6_SOCKET": str(agent.state / "api.sock")}
    return agent.host.run([overlay.program(), *args], timeout=timeout, env=env, **how).stdout


def why_not(agent):
    """Why this program has no hidden services, or None."""
    try:
        vx6(agent, "hidden", "invite", "--help")
    except RuntimeError:
        return "the program has no such command as vx6 hidden"
    return None


def publish(agent, name, target, alias, *options, timeout=READY_S):
    """A hidden service, once it was reached through the network."""
    vx6(agent, "service", "add", name, "--target", target, "--visibility", "hidden", "--alias", alias, "--wait", "--timeout", f"{timeout}s", *options,
        timeout=timeout + 10)


def invite(agent, alias, *options):
    """The text that a guest needs."""
    return json.loads(vx6(agent, "hidden", "invite", alias, *options, "--json"))["invite"]


def accept(agent, alias, text):
    vx6(agent, "hidden", "accept", alias, input=text + "\n")


def visit(agent, name, listen, to):
    """A forward to an alias of the agent's."""
    vx6(agent, "forward", "add", name, "--listen", listen, "--to", to)


def status(agent, alias):
    """What the owner sees of a service of his."""
    return json.loads(vx6(agent, "hidden", "status", alias, "--json"))


def connects(agent, alias):
    """The last attempts of a guest to reach a service, the latest first: each with its steps and their milliseconds."""
    return [a for a in agent.api.items("/v1/hidden-connects") if a["alias"] == alias]


class HiddenNet(RelayNet):
    """Relays; alice, who hides services; bob and carol, who visit them. All 5 to 60 ms from each other."""

    def __init__(self, lab, count=37, delays=(2.5, 30), **how):
        super().__init__(lab, count, delays, **how)
        self.courier = self.star.host(f"courier-{self.tag}")  # somebody who is no agent
        self.carol = self._agent("carol", delays, ["--relay", "off", "--peer", self.relays[1].address])
        # what it does for others it is to give up by itself
        self.alice.argv = without(self.alice.argv, "--relay", "off")

    @property
    def agents(self):
        return [*super().agents, self.carol]

    def hide(self, name, port, *options, guests=None):
        """A service of alice's under an alias of that name, which guests have accepted and may use."""
        publish(self.alice, name, f"127.0.0.1:{port}", name, *options)
        for guest in (self.bob, self.carol) if guests is None else guests:
            accept(guest, name, invite(self.alice, name))

    def visitor(self, name):
        """One more, who comes when the others are there already. Whoever asks for it stops it."""
        made = overlay.Agent(self.star.host(f"{name}-{self.tag}", delay=2), name,
                             flags=["--lan", "off", "--relay", "off", "--peer", self.relays[2].address])
        made.start()
        self.wait_known(who=made, timeout=60)
        return made

    def at(self, relay):
        """(host to come from, where it listens)"""
        return self.courier, (relay.host.ip6, overlay.PORT)

    # who is what

    def service(self, name):
        """What alice sees of a service."""
        ident = next(s["id"] for s in self.alice.api.items("/v1/services") if s["name"] == name)
        return self.alice.api.get(f"/v1/services/{ident}/hidden")

    def introduction_points(self, name, *states):
        return [self.by_id[p["node_id"]] for p in self.service(name)["introduction_points"] if p["state"] in (states or ("active",))]

    def legs(self, guest, alias):
        """Circuits of a guest that lead to a service, those with streams last."""
        found = [c for c in self.circuits(guest, state="open") if c["target_name"] == alias and c["purpose"] in ("route", "spare")]
        return sorted(found, key=lambda c: c["streams"])

    def meeting(self, leg):
        """The relay that a leg meets the owner's circuit at: before the service."""
        return self.by_id[leg["hops"][-2]["node_id"]]

    def there(self, leg):
        """The relays of a guest's side, without the rendezvous: r1, r2, r3."""
        return [self.by_id[h["node_id"]] for h in leg["hops"][:-2]]

    def back(self, leg):
        """Those of the owner's side, from its guard on: r4, r5, r6."""
        meeting = leg["hops"][-2]["node_id"]
        found = []
        for c in self.circuits(self.alice, state="open", purpose="rendezvous"):
            hops = [h["node_id"] for h in c["hops"]]
            if meeting in hops:
                last = len(hops) - 1 - hops[::-1].index(meeting)  # it may be the guard as well: that is not chosen by where the circuit ends
                found.append([self.by_id[i] for i in hops[:last]])
        return max(found, key=len, default=[])  # on the way of another circuit it may be, too

    def carriers(self, agent):
        """All relays of an agent's circuits that carry something, or are to."""
        return {self.by_id[h["node_id"]] for c in self.circuits(agent, state="open") if c["purpose"] != "pool"
                for h in c["hops"] if h["node_id"] in self.by_id}

    def guards(self, agent):
        """The first relays of an agent's circuits."""
        return {self.by_id[c["hops"][0]["node_id"]] for c in self.circuits(agent, state="open") if c["anonymous"] and c["hops"]}


def without(argv, *words):
    """A list without the first place where these words stand."""
    argv = [str(a) for a in argv]
    at = next(n for n in range(len(argv)) if tuple(argv[n:n + len(words)]) == words)
    return argv[:at] + argv[at + len(words):]
