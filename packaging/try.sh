#!/usr/bin/env bash
# Shows DOVE on this machine: installs what it needs (Debian 12, as root), builds it, starts three
# hosts with two tenants as network namespaces, and looks around. It leaves the lab running.
#
#   packaging/try.sh          packaging/try.sh down
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
lab="$tree/tests/lab/lab"
name=try
export DOVE_BIN=$tree/build/release/bin

if [[ ${1:-} == down ]]; then
  exec /usr/bin/python3 "$lab" down "$name"
elif [[ $# -gt 0 ]]; then
  echo "usage: packaging/try.sh [down]" >&2
  exit 1
elif [[ $EUID -ne 0 ]]; then
  echo "packaging/try.sh: network namespaces need root" >&2
  exit 1
fi

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# Runs a command in a host or a guest and shows it as one would type it there.
at() {
  local who=$1
  shift
  printf '%s$ %s\n' "$who" "$*"
  "$lab" exec "$name" "$who" "$@" | sed 's/^/  /'
}

quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    tail -30 "$log" >&2
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
}

build() {
  title "Building (release; some minutes the first time)"
  cd "$tree"
  quietly cmake --preset release
  quietly cmake --build --preset release --target doved dove-controller dovectl
  du -h "$DOVE_BIN"/{doved,dove-controller,dovectl} | sed "s/^/  /"
}

start() {
  title "Starting a lab: 3 hosts on one underlay, a controller, 2 tenants with the same addresses"
  "$lab" down "$name"
  "$lab" up --name "$name" >/dev/null
  "$lab" show "$name"
}

show_objects() {
  title "What the controller knows"
  at h1 dovectl tenant show
  at h1 dovectl network show
  at h1 dovectl endpoint show
  at h1 dovectl host show
  title "What this host has"
  at h1 dovectl port show
  at h1 dovectl status
}

show_ping() {
  title "A first ping between hosts: nobody knows anybody yet, and nothing is lost"
  at h1 dovectl fdb show | grep -E '^h1|remote' || true
  echo "  (no entry leads to another host)"
  at red1 ping -c 3 -i 0.2 10.1.0.12
}

# red3 and blue3 have the same MAC and the same address. With red3 unplugged, who answers?
show_isolation() {
  title "Tenants do not meet: red3 and blue3 are both 10.1.0.13; red3 is unplugged"
  at h3 ip link set p-red3 down
  at blue1 ping -q -c 1 -W 1 10.1.0.13
  at red1 ping -q -c 1 -W 1 10.1.0.13 || true
  at h3 ip link set p-red3 up
}

show_state() {
  title "The state that those pings caused, and no more: as dovectl and as plain tools show it"
  at h1 dovectl fdb show
  at h1 dovectl neighbour show
  local vni
  vni=$("$lab" exec "$name" h1 dovectl -j network show red-net |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["vni"])')
  at h1 bridge fdb show dev "dvx$vni"
  at h1 ip neigh show dev "dvx$vni"
}

say_how_to_go_on() {
  title "The lab is running. Step into it:"
  cat <<END
  $lab exec $name red1                  a shell in a guest
  $lab exec $name h2 dovectl monitor    a host, with dovectl talking to its doved
  $lab exec $name h2 bridge fdb show
  $lab show $name                       who is who
  logs: /run/dove-lab/$name/
Remove all of it:
  $tree/packaging/try.sh down
END
}

main() {
  "$tree/packaging/install-dependencies.sh"
  build
  start
  show_objects
  show_ping
  show_isolation
  show_state
  say_how_to_go_on
}
main; exit  # one line: bash reads as it runs, and the tree may change meanwhile
