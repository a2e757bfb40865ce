"""A host's kernel state as bridge(8), ip(8) and nft(8) tell it, read in one go and never through
doved."""
import json
import re

from dovelab import netns, run

_COMMANDS = ["bridge -j -d fdb show", "ip -j neigh show nud all", "ip -j -d link show",
             "nft -j list ruleset"]
_MARK = "=-=-="
_NETWORK_DEVICE = re.compile(r"dv(br|x)(\d+)$")


class Kernel:
    """links: name -> as ip(8) has it, `master` included. fdb: device -> rows of its own table.
    bridge_fdb: (port, MAC) -> row of its bridge's. neighbours: device -> address -> row.
    nft: what the ruleset holds of the tables `dove`, by kind."""

    def __init__(self, texts):
        fdb, neighbours, links, ruleset = (json.loads(text or "[]") for text in texts)
        self.links = {link["ifname"]: link for link in links}
        self.fdb, self.bridge_fdb, self.neighbours = {}, {}, {}
        for row in fdb:
            if row.get("dst") == "::":  # of what leads nowhere, over IPv6
                row["dst"] = "0.0.0.0"
            if "self" in row.get("flags", []):
                self.fdb.setdefault(row["ifname"], []).append(row)
            else:
                self.bridge_fdb[row["ifname"], row["mac"]] = row
        for row in neighbours:
            self.neighbours.setdefault(row["dev"], {})[row["dst"]] = row
        self.nft = Ruleset(ruleset["nftables"] if ruleset else [])

    @staticmethod
    def read(host):
        script = f"; echo '{_MARK}'; ".join(_COMMANDS)
        with netns.inside(host.netns):
            done = run("/bin/sh", "-ec", script)
        return Kernel(done.out.split(_MARK + "\n"))

    def networks(self):
        """The VNIs of which there are devices."""
        found = (_NETWORK_DEVICE.match(name) for name in self.links)
        return {int(match[2]) for match in found if match}

    def traces(self):
        """Everything that a host without any network must not have."""
        found = [f"link {name}" for name in self.links if name.startswith("dv")]
        return found + [f"nft table {table}" for table in self.nft.tables]


class Ruleset:
    def __init__(self, objects):
        self.tables, self._sets, self._maps, self._rules = set(), {}, {}, {}
        for one in objects:
            (kind, body), = one.items()
            if kind == "table" and body["name"] == "dove":
                self.tables.add(f"{body['family']} dove")
            if body.get("table") != "dove":
                continue
            if kind == "set":
                self._sets[body["family"], body["name"]] = body.get("elem", [])
            elif kind == "map":
                self._maps[body["family"], body["name"]] = body.get("elem", [])
            elif kind == "rule":
                self._rules.setdefault((body["family"], body["chain"]), []).append(body["expr"])

    def elements(self, family, name):
        """Of a set, as text; none when it is not there."""
        return {_text(element) for element in self._sets.get((family, name), [])}

    def verdicts(self, family, name):
        """Of a map of devices: device -> the chain that it leads to."""
        return {key: next(iter(verdict.values()))["target"]
                for key, verdict in self._maps.get((family, name), [])}

    def sender(self, chain):
        """The one MAC that a chain of the bridge family lets frames come from."""
        for expression in self._rules.get(("bridge", chain), []):
            match = expression[0].get("match", {})
            if match.get("op") == "!=" and match.get("left") == {
                    "payload": {"protocol": "ether", "field": "saddr"}}:
                return match["right"]
        return None


def _text(element):
    if isinstance(element, dict) and "elem" in element:
        element = element["elem"]["val"]
    if isinstance(element, dict) and "prefix" in element:
        return f"{element['prefix']['addr']}/{element['prefix']['len']}"
    if isinstance(element, dict) and "concat" in element:
        return " . ".join(map(str, element["concat"]))
    return str(element)
