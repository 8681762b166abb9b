#!/usr/bin/env bash
# Sets up as demo.sh does, then runs the test suites: all of them, or those named as arguments (core sanitizers regression tap
# oracle docs). The last line of all is "N passed, N failed"; what each suite printed is in build/log/.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/setup.sh

ALL_SUITES=(core sanitizers regression tap oracle docs)
total_passed=0
total_failed=0

# ---- the suites ----------------------------------------------------------------------------------------------------
# suite_NAME runs one; its output is the log $log. It sets passed, failed and skipped to numbers of tests. A status other than 0
# without a failed test counts as one failure, and so does a suite that ran no test.

suite_core() {
    run_ctest default
}

suite_sanitizers() {
    run_ctest asan -DCMAKE_DISABLE_FIND_PACKAGE_benchmark=ON
}

suite_regression() {
    local status=0
    rm -f regression.diffs
    with_server make PG_CONFIG="$PG_CONFIG" installcheck || status=$?
    # "All 7 tests passed." or "1 of 7 tests failed[, 1 of these failures ignored]."
    passed=$(sed -n 's/^[# ]*All \([0-9]*\) tests passed.*/\1/p' "$log")
    failed=$(sed -n 's/^[# ]*\([0-9]*\) of [0-9]* tests failed.*/\1/p' "$log")
    if [ -n "$failed" ]; then
        passed=$(($(sed -n 's/^[# ]*[0-9]* of \([0-9]*\) tests failed.*/\1/p' "$log") - failed))
    fi
    return $status
}

suite_tap() {
    local files=(test/tap/*.t) status=0
    if [ ! -e "${files[0]}" ]; then
        echo "there is no test/tap/*.t"
        return 1
    fi
    with_server prove -v --merge -j "$JOBS" -I test/tap/lib "${files[@]}" || status=$?
    passed=$(grep -E '^ok ' "$log" | grep -cviE '# *(skip|todo)')
    failed=$(grep -E '^not ok ' "$log" | grep -cviE '# *todo')
    skipped=$(grep -ciE '^(not )?ok .*# *(skip|todo)|^1\.\.0 # *skip' "$log")
    return $status
}

suite_oracle() {
    run_python test/oracle/run.py
}

suite_docs() {
    run_python test/docs/run.py
}

# run_ctest PRESET [cmake's arguments]: configures, builds and runs the unit tests of the core.
run_ctest() {
    local preset=$1 status=0 in_place=()
    shift
    # Where the kernel scatters addresses more widely than GCC 12's AddressSanitizer expects, that dies at random.
    setarch -R true && in_place=(setarch -R)
    "${in_place[@]}" cmake --preset "$preset" "$@" &&
        "${in_place[@]}" cmake --build --preset "$preset" -j "$JOBS" &&
        "${in_place[@]}" ctest --preset "$preset" -j "$JOBS" || status=$?
    # "98% tests passed, 2 tests failed out of 120"; skipped ones are among the passed.
    passed=$(sed -n 's/^[0-9]*% tests passed, [0-9]* tests* failed out of \([0-9]*\).*/\1/p' "$log")
    failed=$(sed -n 's/^[0-9]*% tests passed, \([0-9]*\) tests* failed out of .*/\1/p' "$log")
    skipped=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*Skipped' "$log")
    passed=$((${passed:-0} - ${failed:-0} - skipped))
    return $status
}

# run_python FILE: a suite that counts for itself. Its last line is "N passed, N failed[, N skipped]".
run_python() {
    local status=0
    with_server python3 "$1" || status=$?
    read -r passed failed skipped <<<"$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\{0,1\}$/\1 \2 \4/p' "$log" | tail -n 1)"
    return $status
}

# What a person wants to see first of a suite that failed.
show_failure() {
    echo "---- from $log"
    case $1 in
    core | sanitizers)
        if grep -q '% tests passed' "$log"; then
            awk '/^ *[0-9]+\/[0-9]+ Test .*\*\*\*/ { show = 1 } / Passed +[0-9.]+ sec$|^ *Start +[0-9]+:|% tests passed/ { show = 0 } show' "$log"
            sed -n '/% tests passed/,$p' "$log"
        else
            grep -E -A 5 'error|FAILED' "$log" || tail -n 50 "$log"
        fi
        ;;
    regression)
        if [ -s regression.diffs ]; then cat regression.diffs; else tail -n 60 "$log"; fi
        ;;
    tap)
        awk '/^not ok |^Bail out/ { show = 1; print; next } /^[^#]/ { show = 0 } show' "$log"
        sed -n '/^Test Summary Report/,/^Files=/p' "$log" | grep . || tail -n 60 "$log"
        ;;
    *)
        # Without the server's log, which pg_virtualenv adds.
        grep '^FAILED' "$log" || sed '/^\*\*\* .*(last 100 lines) \*\*\*$/,$d' "$log" | tail -n 100
        ;;
    esac | head -n 300
    grep -m 5 -E 'PANIC:|was terminated by signal' "$log"
    echo "----"
}

# ---- running them --------------------------------------------------------------------------------------------------

run_suite() {
    local name=$1 status=0 started=$SECONDS note=
    log=$LOG_DIR/$name.log passed='' failed='' skipped=''
    printf '%-11s ... ' "$name"
    "suite_$name" >"$log" 2>&1 || status=$?
    passed=${passed:-0} failed=${failed:-0} skipped=${skipped:-0}
    if [ $status != 0 ] && [ "$failed" = 0 ]; then
        failed=1 note=" (status $status)"
    elif [ $((passed + failed)) = 0 ]; then
        failed=1 note=" (no test was run)"
    fi
    [ "$skipped" = 0 ] || note=", $skipped skipped$note"
    printf '%5d passed, %d failed%s, %d s\n' "$passed" "$failed" "$note" $((SECONDS - started))
    [ "$failed" = 0 ] || show_failure "$name"
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
}

suites=("$@")
[ $# -gt 0 ] || suites=("${ALL_SUITES[@]}")
for name in "${suites[@]}"; do
    [[ " ${ALL_SUITES[*]} " == *" $name "* ]] || die "no suite \"$name\"; there are: ${ALL_SUITES[*]}"
done

trap 'release_proc; echo "$total_passed passed, $total_failed failed"' EXIT
total_failed=1 # of the set-up, should it end here
setup_packages test
setup_node_postgres
if [[ " ${suites[*]} " =~ \ (regression|tap|oracle|docs)\  ]]; then
    echo "Building for PostgreSQL $PG_MAJOR ..."
    build_extension || die "the extension could not be built and installed"
fi
total_failed=0
for name in "${suites[@]}"; do
    if [ "$name" = docs ] && [ ! -d test/docs ]; then
        echo "docs        ... there are none yet"
        continue
    fi
    run_suite "$name"
done
[ $total_failed = 0 ]
