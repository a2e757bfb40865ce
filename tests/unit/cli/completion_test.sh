# What the completion offers for the last word of a line. A dovectl of the test's own gives the
# names, one of them a trap.
set -u
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cat >"$directory/dovectl" <<'END'
#!/bin/sh
case "$*" in
    *"tenant show") echo "red   allow"; echo "blue  deny" ;;
    *"port show") echo '$(touch${IFS}trap)  vm1' ;;
    *"-br network show") echo "web 100" ;;
esac
END
chmod +x "$directory/dovectl"
source "$1"
cd "$directory" || exit 1
failures=0

offers() {
    local wanted=$1
    shift
    COMP_WORDS=("$directory/dovectl" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _dovectl
    if [[ "${COMPREPLY[*]}" != "$wanted" ]]; then
        echo "dovectl $*: offers '${COMPREPLY[*]}', expected '$wanted'" >&2
        failures=$((failures + 1))
    fi
}

offers "tenant" t
offers "network neighbour" n
offers "-details" -d
offers "add del set show help" -j -p tenant ""
offers "red blue" tenant del ""
offers "red" tenant show r
offers "allow deny" tenant set red routing ""
offers "red blue" network add web tenant ""
offers "vni" network add web tenant red v
offers "auto" endpoint add vm1 network web ip ""
offers "auto" endpoint set vm1 mac ""
offers "web" -S /x join ""
offers "endpoint network security" port add tap0 ""
offers "fdb" monitor f
offers "web -fix" check ""
offers "-fix" check web -
offers "add del set show help" endpoint ""
offers "add del show help" policy ""
offers "tenant" policy add ""
offers "red blue" policy add tenant ""
offers "between" policy add tenant red ""
offers "web" policy add tenant red between w
offers "and" policy add tenant red between web ""
offers "allow deny" policy add tenant red between web and db ""
offers "" policy del tenant red between web and db ""
offers "tenant network" policy show ""
offers '\$\(touch\$\{IFS\}trap\)' port del ""
[[ -e trap ]] && { echo "a device's name was run" >&2; failures=$((failures + 1)); }
exit $((failures > 0))
