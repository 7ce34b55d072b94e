"""An agent whose address changes says so: to live peers within a second, in the DHT within two."""
import time

from lab import wait_for
from overlay import Agent

FLAGS = ("--lan", "off")


def addresses_of(agent, ident, fresh=False):
    """Where `agent` believes that node to be, by its registry or by asking the DHT anew."""
    if not fresh:
        found = agent.api.items(f"/v1/registry/nodes?q={ident}")
        return {a["address"] for n in found for a in n["addresses"]}
    op = agent.api.request("POST", "/v1/dht/lookups", {"node_id": ident, "fresh": True}, timeout=20, headers={"Prefer": "wait=10"})[2]
    return {a["address"] for a in (op["result"] or {}).get("addresses", [])}


def test_a_new_address_is_known_within_two_seconds(lab):
    hosts = {name: lab.host(f"m-{name}") for name in ("hub", "mover", "peer", "asker")}
    lab.lan(*hosts.values())
    agents = {}
    for name, host in hosts.items():
        peers = [agents["hub"].address] if agents else []
        agents[name] = Agent(host, name, peers=peers, flags=FLAGS).start()
    try:
        mover, peer, asker = agents["mover"], agents["peer"], agents["asker"]
        ident, host = mover.node_id(), hosts["mover"]
        wait_for(lambda: addresses_of(peer, ident) and addresses_of(asker, ident, fresh=True), 20, "the mover to be known")
        wait_for(lambda: all(r["proved"] >= r["wanted"] > 0 for r in mover.api.items("/v1/dht/replicas")), 20, "its records to be proved")
        worst = [0.0, 0.0]
        for i in range(5):
            new = f"{host.ip6.rsplit('::', 1)[0]}::{0x70 + i:x}"
            old = host.ip6
            host.ip("addr", "add", f"{new}/64", "dev", host.lan_dev, "nodad")
            host.ip("addr", "del", f"{old}/64", "dev", host.lan_dev)
            host.ip6, begun = new, time.monotonic()

            def is_new(agent, fresh=False, new=new, old=old):
                known = addresses_of(agent, ident, fresh)
                return any(new in a for a in known) and not any(f"[{old}]" in a for a in known)

            wait_for(lambda: is_new(peer), 10, "a live peer to know the new address")
            worst[0] = max(worst[0], time.monotonic() - begun)
            wait_for(lambda: is_new(asker, fresh=True), 10, "the DHT to have the new address")
            worst[1] = max(worst[1], time.monotonic() - begun)
            time.sleep(0.5)
        print(f"five moves: at a live peer within {worst[0]:.2f} s, in the DHT within {worst[1]:.2f} s")
        assert worst[0] <= 1 and worst[1] <= 2
    finally:
        for agent in agents.values():
            agent.proc.kill()
