"""Routing and policies as in their own files, through tunnels over IPv6."""
import pytest
import test_routing
from test_policy import (  # noqa: F401
    guests, test_running_flows_stop_within_a_second_and_go_on_when_allowed)
from test_routing import (  # noqa: F401
    test_a_long_first_packet_is_routed_in_its_fragments,
    test_every_pair_of_networks_routes_from_cold_without_loss,
    test_first_datagrams_and_connections, test_nobody_reaches_the_other_tenants_guests,
    test_the_gateway_answers_pings_at_once, test_the_kernel_routes_what_is_known,
    test_the_other_tenant_hears_none_of_it)

LAB = {**test_routing.LAB, "underlay": "ipv6"}


@pytest.fixture(scope="module", autouse=True)
def over_ipv6(lab):
    assert all(":" in host.vtep for host in lab.hosts.values())
