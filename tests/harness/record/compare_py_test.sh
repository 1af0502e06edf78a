#!/bin/sh
# Google Benchmark's own compare.py must read what we write, and see the planted difference of 2 %.
# $1: the program that writes the two files.
compare=/usr/share/benchmark/compare.py
python=/usr/bin/python3  # the distribution's, which is where its scipy is
[ -f "$compare" ] || { echo "skipped: $compare (package libbenchmark-tools) is not here"; exit 77; }
"$python" -c "import scipy.stats, numpy" 2>/dev/null || { echo "skipped: python3-scipy is not here"; exit 77; }
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
"$1" "$folder/a.json" "$folder/b.json" || exit 1
"$python" "$compare" --no-color benchmarks "$folder/a.json" "$folder/b.json" > "$folder/out" 2>&1 || { cat "$folder/out"; exit 1; }
cat "$folder/out"
grep -q '^gemm/cpu_blocked/cpu/bf16.*_pvalue' "$folder/out" || { echo "no U test in the output"; exit 1; }
grep -q 'U Test, Repetitions: 20 vs 20' "$folder/out" || { echo "not one repetition per sample"; exit 1; }
grep -q '+0\.02' "$folder/out" || { echo "the 2 % are not seen"; exit 1; }
