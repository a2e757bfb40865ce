#!/usr/bin/env bash
# Installs what packaging/dependencies lists and this machine lacks, from Debian, quietly.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

missing=()
while read -r package; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [[ $status == *" installed" ]] || missing+=("$package")
done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/dependencies")

[[ ${#missing[@]} -eq 0 ]] && exit 0
if [[ $EUID -ne 0 ]]; then
  echo "$0: root must install these first: ${missing[*]}" >&2
  exit 1
fi
echo "installing ${#missing[@]} packages"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
trap 'rm -f "$log" ${made_policy:+"$policy"}' EXIT
# The tests start what they need themselves: no package is to start a service (invoke-rc.d(8)).
if [[ ! -e $policy ]]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
  tail -30 "$log" >&2
  exit 1
fi
