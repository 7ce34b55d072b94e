#!/usr/bin/env python3
"""Draws how a guest came to meet a hidden service, from what the agents of both say of it.

  draw-connect.py read GUEST_SOCKET OWNER_SOCKET ALIAS > trace.json   what both know of the latest connection
  draw-connect.py draw trace.json > picture.svg

No node knows all of it: that is why both are asked. Neither its keys nor anything that admits somebody is in a trace.
"""
import datetime
import html
import http.client
import json
import socket
import sys
import urllib.parse

WIDE, ROW, TOP, LEFT = 118, 40, 108, 92
COLOURS = {"end": "#1f6feb", "relay": "#57606a", "meeting": "#bf3989", "introduction": "#9a6700", "store": "#1a7f37"}


# Reading


class Agent(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)

    def get(self, path, **query):
        self.request("GET", f"{path}?{urllib.parse.urlencode(query)}" if query else path)
        answer = self.getresponse()
        body = json.load(answer)
        if answer.status != 200:
            raise SystemExit(f"{path}: {body.get('detail') or body.get('title')}")
        return body


def names(hops):
    return [h["name"] or h["node_id"][:10] for h in hops]


def read(guest, owner, alias):
    attempt = next((a for a in guest.get("/v1/hidden-connects", alias=alias)["items"] if a["finished"] and not a["error"]), None)
    legs = [c for c in guest.get("/v1/circuits", target=alias)["items"] if c["state"] == "open" and c["hops"] and c["hops"][-1]["role"] == "service"]
    if not attempt or not legs:
        raise SystemExit(f"{alias}: nobody was met lately, or the circuit is closed by now")
    # the service is called by its owner as he likes: its key says which one it is
    hosted = next((s for s in owner.get("/v1/services", limit=500)["items"] if s["visibility"] == "hidden"
                   and s["status"]["hidden"]["key"] == attempt["key"]), None)
    if not hosted:
        raise SystemExit(f"{alias}: it is not hosted by that agent")
    seen = owner.get(f"/v1/services/{hosted['id']}/hidden")
    ways = {c["id"]: c for c in owner.get("/v1/circuits", limit=500)["items"]}
    for leg in sorted(legs, key=lambda c: c["opened_at"]):
        for met in seen["rendezvous"]:
            if met["node_id"] == leg["hops"][-2]["node_id"] and met["circuit"] in ways and abs(offset(attempt, met)) < 30000:
                hops, x = ways[met["circuit"]]["hops"], met["node_id"]
                back = hops[:next(n for n, h in enumerate(hops) if h["node_id"] == x)]
                points = {p["node_id"][:10]: p["name"] or p["node_id"][:10] for p in seen["introduction_points"]}
                return {"began_at": attempt["began_at"], "steps": attempt["steps"], "there": names(leg["hops"][:-2]), "meeting": names(leg["hops"][-2:-1])[0],
                        "back": names(back), "points": points, "owner": {k: met[k] for k in ("at", "waited_ms", "took_ms")}}
    raise SystemExit(f"{alias}: the owner knows of no such meeting any more")


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def offset(attempt, met):
    """Milliseconds from the guest's beginning to when the owner had the introduction, by clocks that are the same or about so."""
    return (moment(met["at"]) - moment(attempt["began_at"])).total_seconds() * 1000


# What is drawn: columns, and arrows between two of them at a time


def columns(trace, point):
    there, back = trace["there"], trace["back"][::-1]
    return ([("store", "DHT", "holds the descriptor"), ("end", "client", "")]
            + [("relay", name, ("guard", "vanguard", "relay")[min(n, 2)]) for n, name in enumerate(there)]
            + [("introduction", point, "introduction point"), ("meeting", trace["meeting"], "rendezvous X")]
            + [("relay", name, ("guard", "vanguard", "relay")[min(len(back) - 1 - n, 2)]) for n, name in enumerate(back)]
            + [("end", "owner", "")])


def chosen_point(trace):
    said = next((s["detail"] for s in trace["steps"] if s["step"] == "introduce"), "")
    return next((name for begin, name in trace["points"].items() if begin in said), "I")


def arrows(trace):
    """(ms, from, to, by way of, what): places are columns."""
    n, m = len(trace["there"]), len(trace["back"])
    store, client, point, x, owner = 0, 1, 2 + n, 3 + n, 4 + n + m
    there, back = list(range(2, 2 + n)), list(range(4 + n, 4 + n + m))
    ways = {
        "rendezvous": (client, x, there, "leaves a cookie"),
        "rendezvous_waits": (x, client, there, "has it"),
        "fetch": (client, store, [], "where is it?"),
        "descriptor": (store, client, [], "its descriptor"),
        "intro_circuit": (client, point, [], "a circuit of its own"),
        "intro_open": (point, client, [], "is open"),
        "introduce": (client, point, [], "an introduction, sealed for the owner"),
        "introduce_ack": (point, client, [], "passed on"),
        "met": (x, client, there, "the owner's answer: keys for both ends"),
    }
    out = [(s["at_ms"], *ways[s["step"]]) for s in trace["steps"] if s["step"] in ways]
    came = offset(trace, trace["owner"])
    met = next((s["at_ms"] for s in trace["steps"] if s["step"] == "met"), None)
    out.append((came - trace["owner"]["waited_ms"], point, owner, [], "the introduction, over the owner's circuit"))
    out.append((came, owner, x, back[::-1], "a circuit to X, the cookie and the answer"))
    out.append((max(came - trace["owner"]["waited_ms"] + trace["owner"]["took_ms"], met or 0), client, owner, [*there, x, *back], "session: encrypted from end to end"))
    return sorted(out, key=lambda a: a[0])


# Drawing


def text(x, y, what, size=12, anchor="middle", fill="#24292f", weight="normal"):
    return (f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}" '
            f'stroke="white" stroke-width="4" paint-order="stroke">{html.escape(what)}</text>')


def draw_column(n, column, height):
    kind, name, role = column
    x, colour = LEFT + WIDE * n + WIDE / 2, COLOURS[kind]
    return [f'<line x1="{x:g}" y1="{TOP - 20}" x2="{x:g}" y2="{height - 24}" stroke="{colour}" stroke-opacity="0.35"/>',
            f'<rect x="{x - 52:g}" y="44" width="104" height="42" rx="6" fill="white" stroke="{colour}"/>',
            text(x, 62 if role else 70, name, 13, weight="bold", fill=colour)] + ([text(x, 78, role, 10)] if role else [])


def draw_arrow(n, arrow):
    ms, begin, end, via, what = arrow
    y = TOP + ROW * n + 24
    x1, x2 = (LEFT + WIDE * p + WIDE / 2 for p in (begin, end))
    back = 6 if x2 < x1 else -6
    dash = "" if via else ' stroke-dasharray="5 4"'
    return [text(LEFT - 12, y + 4, f"{ms:.0f} ms", 12, "end"),
            f'<line x1="{x1:g}" y1="{y}" x2="{x2 + back:g}" y2="{y}" stroke="#24292f" stroke-width="1.4"{dash} marker-end="url(#head)"/>',
            *(f'<circle cx="{LEFT + WIDE * p + WIDE / 2:g}" cy="{y}" r="3.4" fill="{COLOURS["relay"]}"/>' for p in via),
            text((x1 + x2) / 2, y - 7, what, 11)]


def draw(trace):
    cols, rows = columns(trace, chosen_point(trace)), arrows(trace)
    width, height = LEFT + WIDE * len(cols) + 20, TOP + ROW * len(rows) + 56
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif">',
           '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="#24292f"/></marker></defs>',
           f'<rect width="{width}" height="{height}" fill="white"/>', text(LEFT, 26, "How a client came to meet a hidden service", 16, "start", weight="bold")]
    for n, column in enumerate(cols):
        out += draw_column(n, column, height)
    for n, row in enumerate(rows):
        out += draw_arrow(n, row)
    out.append(text(LEFT, height - 10, "Dots: relays that pass it on. Dashed: over circuits of its own, whose relays are not shown. "
                    "Times from the client's first step, as both ends told them.", 11, "start", "#57606a"))
    return "\n".join([*out, "</svg>"]) + "\n"


def main(argv):
    if len(argv) == 5 and argv[1] == "read":
        json.dump(read(Agent(argv[2]), Agent(argv[3]), argv[4]), sys.stdout, indent=1, ensure_ascii=False)
        print()
    elif len(argv) == 3 and argv[1] == "draw":
        with open(argv[2], encoding="utf-8") as f:
            sys.stdout.write(draw(json.load(f)))
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main(sys.argv)
