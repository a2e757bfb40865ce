"""The quiet point: everything that was asked for has been done everywhere. Nothing is slept for;
what is waited for is said by the programs themselves."""
import copy
import time

from .actions import Failure
from .world import HERE

PATIENCE = 30  # seconds; a machine may be busy


def wait(field):
    """Until every host has applied all that is committed, and its ports and the controller's
    endpoints are what the model says. Takes over what the model could not be sure of."""
    deadline = time.monotonic() + PATIENCE
    _until(deadline, "no session", lambda: _unconnected(field))
    _until(deadline, "not as the model says", lambda: _unsettled(field))
    _sync(field)
    _until(deadline, "dovectl check", lambda: _unequal(field))
    field.world.settle(*_observed(field))
    wrong = field.world.contradictions()
    if wrong:
        raise Failure("\n".join(wrong))


def _until(deadline, what, problems):
    while True:
        found = problems()
        if not found:
            return
        if time.monotonic() > deadline:
            raise Failure(f"{what}, {PATIENCE} s after everything was healed:\n" + "\n".join(found))
        time.sleep(0.01)


def _unconnected(field):
    return [host.name for host in field.lab.hosts.values()
            if not (host.status() or {}).get("connected")]


def _sync(field):
    """Every host has applied all that is in the store, and what it had to ask for again."""
    done = field.lab.dovectl(f"-wait={PATIENCE}", "sync", check=False, timeout=2 * PATIENCE)
    if done.code != 0:
        raise Failure(f"dovectl sync: {done.err.strip()}")


def _unequal(field):
    found = []
    for host in field.lab.hosts.values():
        done = host.dovectl("check", check=False)
        told, wanted = (done.out + done.err).splitlines(), _expected(field.world, host.name)
        if told != wanted:
            found += [f"{host.name}: {line}" for line in told or ["nothing"]]
            found += [f"{host.name}: not told: {line}" for line in wanted if line not in told]
    return found


def _expected(world, name):
    """Networks that somebody has deleted while the host has them must be told."""
    host = world.hosts[name]
    lines = [f"network {ghost} the controller has no such network any more mended off "
             f"by dovectl leave {ghost}" for ghost in world.ghosts if ghost in host.joined]
    lines.sort(key=lambda line: world.ghosts[line.split()[1]].vni)
    count = "1 difference" if len(lines) == 1 else f"{len(lines)} differences"
    return [*lines, f"Error: {count} left"] if lines else []


def _observed(field):
    """(host -> device -> state, endpoint -> host or None), for World.settle()."""
    ports = {host.name: {row["dev"]: row["state"] for row in host.show("port", "show")}
             for host in field.lab.hosts.values()}
    return ports, {row["name"]: row["host"] for row in field.lab.show("endpoint", "show")}


def _unsettled(field):
    """What differs from the model, by what the hosts and the controller show."""
    shown = {host.name: {row["dev"]: row for row in host.show("port", "show")}
             for host in field.lab.hosts.values()}
    endpoints = {row["name"]: row for row in field.lab.show("endpoint", "show")}
    supposed = copy.deepcopy(field.world)
    missing = sorted(set(supposed.endpoints) - set(endpoints))
    if missing:
        return [f"endpoint show: missing: {missing}"]
    supposed.settle({host: {dev: row["state"] for dev, row in ports.items()}
                     for host, ports in shown.items()},
                    {name: row["host"] for name, row in endpoints.items()})
    found = supposed.contradictions()
    for host in supposed.hosts.values():
        found += _port_differences(supposed, host, shown[host.name])
    return found + _endpoint_differences(supposed, endpoints) + _unnoticed(field.world, shown)


def _unnoticed(world, shown):
    """Ports whose devices have come, while their hosts do not know it yet."""
    return [f"{host.name}: port show: {dev} is absent, its device is there"
            for host in world.hosts.values() for dev, row in shown[host.name].items()
            if row["state"] == "absent" and dev in host.devices]


def _port_differences(world, host, shown):
    wanted = {}
    for port in host.ports.values():
        endpoint = world.endpoints.get(port.endpoint)
        ips = sorted(endpoint.ips) if endpoint and port.state in HERE else None
        wanted[port.device] = (port.endpoint, port.state, port.mac, ips)
    there = {}
    for row in shown.values():
        ips = sorted(row["ips"]) if row["state"] in HERE else None
        there[row["dev"]] = (row["endpoint"], row["state"], row["mac"], ips)
    return _lines(f"{host.name}: port show", wanted, there)


def _endpoint_differences(world, shown):
    wanted = {e.name: (e.network, e.mac, "active" if e.host else "detached", e.host, sorted(e.ips))
              for e in world.endpoints.values()}
    there = {row["name"]: (row["network"], row["mac"], row["state"], row["host"],
                           sorted(row["ips"])) for row in shown.values()}
    return _lines("endpoint show", wanted, there)


def _lines(what, wanted, there):
    return [f"{what}: {key} is {there.get(key)}, should be {wanted.get(key)}"
            for key in sorted(set(wanted) | set(there)) if wanted.get(key) != there.get(key)]
