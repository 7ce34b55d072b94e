"""Hidden services as their owner and their guests handle them: by the commands that the documents name."""
import json
import os

import overlay

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
    return agent.api.get(f"/v1/hidden-connects?alias={alias}")["items"]
