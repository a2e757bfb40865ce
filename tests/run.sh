#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test; the last line says how many passed.
#
#   tests/run.sh         what fits in 25 minutes on 2 cores: units and kernel tests under ASan and UBSan,
#                        the lab with the release programs and a part of it with the sanitized ones
#   tests/run.sh all     also: units and kernel tests in release and under TSan, the whole lab
#                        sanitized, longer fuzzing
#
# A test of the lab that fails beside others and passes with its module alone is told as unsteady, at
# most three of them; it does not fail the run.
#
# CI=true: warnings are errors, and a skipped test is a failure. FUZZ_SECONDS: for each fuzz target.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
how_much=${1:-}
if [[ -n $how_much && $how_much != all ]]; then
  echo "usage: tests/run.sh [all]" >&2
  exit 1
fi
results=$PWD/build/results
rm -rf "$results"
mkdir -p "$results"
export DOVE_LAB_LOGS=$results/lab
export ASAN_OPTIONS=allow_addr2line=1  # lines in stacks ("all"), where there is no llvm-symbolizer
reports=()
started=$SECONDS

step() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - started)); }

# A step that is no test of its own counts as one failed test when it fails.
note_failure() {
  printf '<testsuite><testcase classname="run" name="%s"><failure/></testcase></testsuite>\n' "$1" \
    >"$results/$1.xml"
  reports+=("$results/$1.xml")
}

# All veth devices of a CPU share one receive queue, of 1000 packets by default: where the machine
# stands still for a moment, the lab's wires would lose what no switch has seen. Raised for the run;
# where it cannot be, the run goes on.
queue=/proc/sys/net/core/netdev_max_backlog
widen_queue() {
  local before
  before=$(cat "$queue" 2>/dev/null) || return 0
  if ((before < 20000)) && { echo 20000 >"$queue"; } 2>/dev/null; then
    trap 'echo '"$before"' >"$queue"' EXIT
  fi
}

finish() {
  step "results"
  local strict=()
  [[ ${CI:-} == true ]] && strict=(--no-skips)
  /usr/bin/python3 tests/totals.py "${strict[@]}" "${reports[@]}"
  exit $?
}

build() {
  local preset=$1
  shift
  step "build $preset${behind:+, with what the lab leaves idle}"
  local flags=(-DDOVE_WERROR=OFF)
  [[ ${CI:-} == true ]] && flags=(-DDOVE_WERROR=ON)
  # Only a build without it finds what a file should include and does not.
  local quick=ON
  [[ $how_much == all ]] && quick=OFF
  flags+=(-DDOVE_UNITY="$quick")
  # Of what is precompiled g++ 12 forgets that it is the system's, and warns of it.
  [[ $preset == asan ]] && flags+=(-DDOVE_PCH="$quick" -DDOVE_SANITIZE_LESS="$quick")
  if ! cmake --preset "$preset" "${flags[@]}" >"$results/build-$preset.log" 2>&1 ||
     ! ${behind:-} cmake --build --preset "$preset" "$@" >>"$results/build-$preset.log" 2>&1; then
    grep -E 'error|FAILED|CMake Error' -A5 "$results/build-$preset.log" | head -60
    note_failure "build-$preset"
    return 1
  fi
}

units() {
  local preset=$1
  shift
  step "ctest $preset"
  ctest --test-dir "build/$preset" -j 2 --output-on-failure --output-junit "$results/ctest-$preset.xml" \
    "$@" >"$results/ctest-$preset.log" 2>&1 || grep -v ' Passed ' "$results/ctest-$preset.log"
  tail -5 "$results/ctest-$preset.log" | grep 'tests passed'
  reports+=("$results/ctest-$preset.xml")
}

# The named test files with the programs of one preset: four at a time, because much of their time is
# waiting; and, one by one, those that want to be alone.
lab() {
  local preset=$1
  shift
  step "lab, $preset programs"
  lab_part "$preset" "lab-$preset" -n 4 --dist loadfile -m "not alone" "$@"
}

lab_alone() {
  local preset=$1
  shift
  step "lab, $preset programs, tests that want to be alone"
  lab_part "$preset" "lab-$preset-alone" -m alone "$@"
}

# What came of it is in the results by this name.
lab_pytest() {
  local preset=$1 name=$2
  shift 2
  DOVE_BIN=$PWD/build/$preset/bin /usr/bin/python3 -m pytest -q -rfEs -p no:cacheprovider \
    --junitxml="$results/$name.xml" "$@"
}

lab_part() {
  local preset=$1 name=$2
  shift 2
  lab_pytest "$preset" "$name" "$@"
  [[ $? -le 1 ]] || note_failure "$name-run"  # no test at all, or none could be run
  reports+=("$results/$name.xml")
}

# Four labs at once on two cores, and a machine that stands still at times: what failed there may have
# come too late for the test and not been wrong. Few such tests are run once more, each with the whole
# of its module and nothing beside it; what failed the first time is shown all the same.
lab_again() {
  local preset=$1 name=lab-$1 modules
  [[ -e $results/$name.xml ]] || return
  mapfile -t modules < <(/usr/bin/python3 tests/totals.py --failed "$results/$name.xml")
  [[ ${#modules[@]} -gt 0 ]] || return 0
  step "once more, alone: ${modules[*]}"
  lab_pytest "$preset" "$name-again" -m "not alone" "${modules[@]}"
}

fuzz_one() {
  local target=$1 seconds=$2 name corpus
  name=$(basename "$target")
  corpus=$(find "$PWD/tests/fuzz" -type d -path "*/corpus/$name" | head -1)
  mkdir -p "$results/fuzz/$name"
  local result=""
  if ! "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$results/fuzz/$name-" "$results/fuzz/$name" ${corpus:+"$corpus"} \
      >"$results/fuzz/$name.log" 2>&1; then
    result="<failure/>"
    grep -E 'ERROR|SUMMARY|runtime error' "$results/fuzz/$name.log" | head -5
  fi
  printf '%-32s %s runs\n' "$name" \
    "$(sed -n 's/stat::number_of_executed_units: *//p' "$results/fuzz/$name.log")"
  printf '<testsuite><testcase classname="fuzz" name="%s">%s</testcase></testsuite>\n' \
    "$name" "$result" >"$results/fuzz-$name.xml"
}
export -f fuzz_one
export results

fuzz() {
  local targets seconds
  mapfile -t targets < <(find build/asan/fuzz -maxdepth 1 -type f -executable | sort)
  if [[ ${#targets[@]} -eq 0 ]]; then
    note_failure "fuzz-targets"
    return
  fi
  seconds=5  # two run at a time
  [[ $how_much == all ]] && seconds=60
  seconds=${FUZZ_SECONDS:-$seconds}
  step "fuzz: ${#targets[@]} targets, $seconds s each"
  mkdir -p "$results/fuzz"
  printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c "fuzz_one {} $seconds"
  reports+=("$results"/fuzz-*.xml)
}

main() {
  widen_queue
  step "dependencies"
  packaging/install-dependencies.sh || { note_failure dependencies; finish; }
  if [[ $how_much == all ]]; then
    build release || finish
    units release
  else
    build release --target doved dove-controller dovectl tests/lab/all dove_bench_tested || finish
    units release -LE 'unit|integration'
  fi
  # The lab waits most of the time. What its tests time is not disturbed by who is idle only.
  behind="chrt --idle 0" build asan &
  local building=$!
  lab release tests/integration
  step "the rest of the build"
  local built=yes
  wait "$building" || { built=no; note_failure build-asan; }
  lab_again release
  lab_alone release tests/integration
  if [[ $built == yes ]]; then
    fuzz
    units asan
    if [[ $how_much == all ]]; then
      lab asan tests/integration
      lab_again asan
      lab_alone asan tests/integration
    else
      lab asan tests/integration/test_bad_input.py
      lab_alone asan tests/integration/test_cold.py
    fi
  fi
  if [[ $how_much == all ]] && build tsan; then units tsan; fi
  finish
}
main; exit  # one line: bash reads as it runs, and the tree may change meanwhile
