"""Announcements and groups as in their own files, through tunnels over IPv6."""
import pytest
import test_announce
import test_multicast
from test_announce import (  # noqa: F401
    forwards,
    test_a_router_stays_a_router, test_a_shared_address_moves_to_who_announces_it,
    test_nobody_takes_another_guests_address, test_once_to_each_other_host_and_never_again)
from test_multicast import (  # noqa: F401
    test_link_local_groups_go_everywhere, test_no_group_stays_in_the_punt,
    test_only_where_somebody_listens)

LAB = {**test_announce.LAB, "underlay": "ipv6", "doved": test_multicast.LAB["doved"],
       "guests": {name: {**guest, "host": "h3" if name == "red4" else guest["host"]}
                  for name, guest in test_announce.LAB["guests"].items()}}


@pytest.fixture(scope="module", autouse=True)
def over_ipv6(lab):
    assert all(":" in host.vtep for host in lab.hosts.values())
