"""Figures: percentiles and medians of samples, as aligned text or as JSON."""
import json
import math
import statistics

median = statistics.median


def percentile(samples, share):
    """The smallest sample that at least `share` of all do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(samples):
    """Of times in microseconds, None for what was lost: p50, p99 and max in milliseconds."""
    times = [sample / 1000 for sample in samples if sample is not None]
    result = {"samples": len(samples), "lost": len(samples) - len(times)}
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)):
        result[name] = round(percentile(times, share), 4) if times else None
    return result


def ratio(one, other):
    return None if one is None or not other else round(one / other, 3)


def table(rows):
    """Columns as wide as they must be, the first to the left."""
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for first, *rest in cells:
        columns = [first.ljust(widths[0])]
        columns += [cell.rjust(width) for cell, width in zip(rest, widths[1:])]
        lines.append("  ".join(columns).rstrip())
    return "\n".join(lines)


def show(figures, as_json, text):
    print(json.dumps(figures) if as_json else text(figures))
