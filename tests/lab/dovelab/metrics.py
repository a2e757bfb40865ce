"""Figures for Prometheus: read over HTTP out of a namespace, and parsed strictly. Whatever the text
format does not allow is an AssertionError that names the line."""
import http.client
import math
import re

from . import netns

PORT = 9273
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{((?:{_LABEL})(?:,{_LABEL})*)\}})? (\S+)$")
_KINDS = ("counter", "gauge", "histogram")


class Page:
    """`kinds`: metric -> kind. `values`: (sample's name, its labels as a frozenset) -> value."""

    def __init__(self, text):
        self.kinds, self.values = {}, {}
        self._now, self._helped = None, set()
        assert text.endswith("\n"), "the last line has no end"
        for line in text[:-1].split("\n"):
            self._read(line)
        self._check_histograms()

    def value(self, name, **labels):
        return self.values[name, frozenset(labels.items())]

    def sum(self, name):
        return sum(v for (sample, _), v in self.values.items() if sample == name)

    def _read(self, line):
        words = line.split(" ", 3)
        if line.startswith("# HELP "):
            assert re.fullmatch(_NAME, words[2]) and len(words) == 4, line
            assert words[2] not in self._helped, f"twice: {line}"
            self._helped.add(words[2])
        elif line.startswith("# TYPE "):
            assert words[2] in self._helped and words[2] not in self.kinds, line
            assert words[3] in _KINDS, line
            self.kinds[words[2]], self._now = words[3], words[2]
        else:
            self._read_sample(line)

    def _read_sample(self, line):
        match = _SAMPLE.match(line)
        assert match, f"no sample: {line!r}"
        name, value = match[1], float(match[match.re.groups])
        kind = self.kinds[self._now]
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        assert name in [self._now + suffix for suffix in suffixes], f"astray: {line}"
        labels = re.findall(_LABEL, match[2] or "")
        assert len(dict(labels)) == len(labels), f"a label twice: {line}"
        key = name, frozenset(labels)
        assert key not in self.values, f"twice: {line}"
        assert not math.isnan(value) and (kind == "gauge" or value >= 0), line
        self.values[key] = value

    def _check_histograms(self):
        for metric in (name for name, kind in self.kinds.items() if kind == "histogram"):
            series = {}
            for (name, labels), value in self.values.items():
                if name == metric + "_bucket":
                    rest = frozenset(label for label in labels if label[0] != "le")
                    series.setdefault(rest, {})[float(dict(labels)["le"])] = value
            assert series, f"{metric} has no buckets"
            for labels, buckets in series.items():
                counts = [buckets[bound] for bound in sorted(buckets)]
                assert counts == sorted(counts), f"{metric} {labels}: buckets fall"
                assert math.inf in buckets and buckets[math.inf] == self.values[
                    metric + "_count", labels], f"{metric} {labels}: +Inf is not the count"
                assert (metric + "_sum", labels) in self.values


def get(namespace, path="/metrics", port=PORT):
    """(status, headers, body) of a GET on the loopback of a namespace."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        with netns.inside(namespace):
            connection.connect()
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()
    finally:
        connection.close()


def scrape(namespace, port=PORT):
    status, headers, body = get(namespace, port=port)
    assert status == 200, (status, body)
    assert headers["Content-Type"] == CONTENT_TYPE
    return Page(body)
