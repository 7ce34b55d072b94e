"""Hosts around a router, each behind an emulated line of its own: every host is in a network of its own (/48, /24).

    star = Star(lab)
    alice = star.host("alice", delay=5)        # one way, in ms
    star.line["alice"].set(delay=40)
"""


class Star:
    def __init__(self, lab, name="router", suffix=""):
        """suffix: of the hosts' names in the lab, where several stars have a host of one name."""
        self.lab, self.suffix = lab, suffix
        self.router = lab.host(name + suffix)
        self.line = {}
        with self.router.enter():
            for family in ("ipv4", "ipv6"):
                with open(f"/proc/sys/net/{family}/conf/all/forwarding", "w", encoding="ascii") as f:
                    f.write("1")

    def host(self, name, delay=0, **line):
        host = self.lab.host(name + self.suffix)
        wan = self.lab.wan(host, self.router, delay=delay, **line)
        host.ip("-6", "route", "add", "default", "dev", wan.dev)
        host.ip("route", "add", "default", "dev", wan.dev)
        self.line[name] = wan
        return host

    def rtt_ms(self, a, b):
        """Of the emulated lines between two hosts."""
        return 2 * (self.line[a].initial["delay"] + self.line[b].initial["delay"])
