"""A guest that asks and asks: few questions to the controller, and the answer at once when it is
there to be had.
"""
import threading
import time

import pytest
from dovelab import frames
from dovelab.capture import Capture

pytestmark = pytest.mark.alone
SUBNETS = ["10.1.0.0/24", "fd00:1::/64"]
LAB = {"hosts": ["h1", "h2"], "dove-controller": ["--replicate-limit", "0"],  # all is asked for
       "tenants": {"red": {"red-net": {"subnets": SUBNETS}}},
       "guests": {"asker": {"network": "red-net", "host": "h1", "ips": ["10.1.0.11"]},
                  "other": {"network": "red-net", "host": "h2", "ips": ["10.1.0.12"]}}}
HANDFUL = 8
WITHIN = 0.100


def questions(host):
    """Keys this host has asked its controller for since it started."""
    return host.counters()["keys_asked"]


def ask(guest, target, seconds, rate=1000):
    """ARP requests for one address, in a thread of their own."""
    words = [guest.lab.program("dove_flood"), "same-arp", "--mac", guest.mac, "--ip", guest.ipv4,
             "--target", target, "--rate", rate, "--seconds", seconds]
    thread = threading.Thread(target=guest.run, args=words, kwargs={"timeout": seconds + 20})
    thread.start()
    return thread


def replies(seen, guest, target):
    """Times of the ARP replies for the address that came in."""
    found = []
    for frame in seen.at(guest.name):
        arp = frames.read_arp(frame.data)
        if arp and arp[0] == 2 and arp[2] == target:
            found.append(frame.at)
    return found


def test_an_unknown_address_costs_a_handful_of_questions(lab, figures):
    asker = lab.guests["asker"]
    before = questions(asker.host)
    with Capture.of_guests([asker]) as seen:
        ask(asker, "10.1.0.77", 1.0).join()
    cost = questions(asker.host) - before
    asked = sum(frame.outgoing for frame in seen.all(asker.name))
    figures(f"an unknown address asked for {asked} times in a second: {cost} questions")
    assert asked > 800, f"control: only {asked} requests left the guest"
    assert 1 <= cost <= HANDFUL
    assert not replies(seen, asker, "10.1.0.77")


def test_created_50_ms_later_it_answers_within_100_ms(lab, figures):
    asker, other = lab.guests["asker"], lab.guests["other"]
    took = []
    for number in range(5):
        target = f"10.1.0.{80 + number}"
        with Capture.of_guests([asker]) as seen:
            asking = ask(asker, target, 2.0)
            time.sleep(0.05)
            assert not replies(seen, asker, target)
            lab.dovectl("endpoint", "set", other.name, "ip", other.ipv4, "ip", target)
            created = time.monotonic()
            asking.join()
        answered = replies(seen, asker, target)
        assert answered, f"{target} was never answered"
        took.append((answered[0] - created) * 1000)
    figures(f"created while asked for, to answered, ms: {[round(ms, 1) for ms in took]}")
    assert sorted(took)[len(took) // 2] < WITHIN * 1000
    assert max(took) < 2 * WITHIN * 1000


def test_attached_while_asked_for_it_answers_within_100_ms(lab, figures):
    asker = lab.guests["asker"]
    late = lab.add_guest("late", network="red-net", ips=["10.1.0.99"])
    with Capture.of_guests([asker]) as seen:
        asking = ask(asker, late.ipv4, 4.0)
        time.sleep(0.05)
        late.plug(lab.hosts["h2"])
        attached = time.monotonic()
        asking.join()
    answered = replies(seen, asker, late.ipv4)
    assert answered, "never answered"
    figures(f"attached while asked for, to answered, ms: {(answered[0] - attached) * 1000:.1f}")
    assert answered[0] - attached < WITHIN
    lab.remove_guest("late")
