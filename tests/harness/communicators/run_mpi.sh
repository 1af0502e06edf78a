#!/bin/bash
# usage: run_mpi.sh PART RANKS PROGRAM
# Runs PROGRAM PART under mpirun and checks how it ends, in what time, and that nothing is left behind.
set -u
part=$1 ranks=$2 program=$3

command -v mpirun >/dev/null || { echo "skipped: no mpirun"; exit 77; }
arguments=(-n "$ranks")
if mpirun --version 2>&1 | grep -q "Open MPI"; then
  arguments+=(--allow-run-as-root --oversubscribe --bind-to none)
fi

fail() {
  echo "FAILED: $*"
  cat "$output"
  exit 1
}

output=$(mktemp)
trap 'rm -f "$output"' EXIT

if [ "$part" = unusable ]; then
  # What a process sees that a launcher started, and that finds no module.
  alone=$(mktemp -d)
  trap 'rm -rf "$output" "$alone"' EXIT
  cp "$program" "$alone/program"
  env OMPI_COMM_WORLD_SIZE=2 "$alone/program" functions >"$output" 2>&1
  status=$?
  [ $status -eq 4 ] || fail "exit code $status, expected 4"
  grep -q "Open MPI (OMPI_COMM_WORLD_SIZE), started this as one of 2 processes, but MPI is not usable: cannot load the MPI module" "$output" ||
    fail "the message does not say why"
  # The module is there, but nobody launched us: MPI sees one process where the launcher said two.
  env PMI_SIZE=2 "$program" functions >"$output" 2>&1
  status=$?
  [ $status -eq 4 ] || fail "exit code $status, expected 4"
  grep -q "sees 1: the launcher belongs to another MPI" "$output" || fail "the message does not say why"
  exit 0
fi

timeout 120 mpirun "${arguments[@]}" "$program" "$part" >"$output" 2>&1
status=$?
case $part in
  functions | kernels)
    [ $status -eq 0 ] || fail "exit code $status, expected 0"
    [ "$(grep -c ": ok$" "$output")" -eq "$ranks" ] || fail "not every rank said ok" ;;
  fail)  # an Error on rank 1: its message and its exit code
    [ $status -eq 4 ] || fail "exit code $status, expected 4"
    grep -q "assay: rank 1: planted failure" "$output" || fail "the error was not printed" ;;
  throw)  # an exception that leaves the scope of the communicator
    [ $status -ne 0 ] && [ $status -ne 124 ] || fail "exit code $status"
    grep -q "assay: rank 1 failed; ending all $ranks ranks" "$output" || fail "the end was not announced" ;;
  kill)
    [ $status -ne 0 ] && [ $status -ne 124 ] || fail "exit code $status" ;;
esac

pids=$(sed -n 's/^pid \([0-9]*\)$/\1/p' "$output")
[ "$(echo "$pids" | wc -w)" -eq "$ranks" ] || fail "not every rank started"
for pid in $pids; do
  for attempt in $(seq 50); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -0 "$pid" 2>/dev/null && fail "process $pid still runs"
  ls /dev/shm | grep "^assay-$pid-" && fail "a shared-memory segment was left behind"
done
exit 0
