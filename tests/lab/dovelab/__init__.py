"""Hosts as network namespaces, with the real doved, controller and guests behind them.

    spec      the description of a lab
    lab       Lab: up, down, what is in it
    host      Host: a doved, and the kernel's state as `bridge` and `ip` show it
    guest     Guest: a namespace behind a port; plug, unplug, move
    cold      making a pair of guests strangers, and asserting that they are
    traffic   pings with each packet's time, TCP and UDP exchanges
    frames    building and reading Ethernet, ARP, ND, VXLAN
    again     frames that come again and again
    keepalived   VRRP in guests
    http2     a gRPC client that keeps to no rule
    metrics   figures for Prometheus, parsed strictly
    capture   what arrives where, by packet sockets
    journal   what must be taken away again
"""
from .lab import Lab, bin_dir
from .run import CommandFailed, give_time, run, wait_until

__all__ = ["CommandFailed", "Lab", "bin_dir", "give_time", "run", "wait_until"]
