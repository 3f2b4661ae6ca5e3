#!/usr/bin/env bash
# Everything about CIFAR-10 that wants an accelerator: the data, the benchmarks, the tests that need one, and then
# every run of Tables 2 and 3, first at a tenth of its length, then at all of it.
#
#     reproduce/cifar10.sh                              the lot
#     BUDGET=0.1 SEEDS=1 reproduce/cifar10.sh           a first look
#     JOBS=3 reproduce/cifar10.sh                       three runs side by side; without it, one a GPU
#
# The runs alone, and those of any other table, are one command: `dmtlib reproduce table-2` (chapter 13).
# Each record is written to RESULTS as soon as its run ends. Kill the script whenever you like: started again, it skips
# what RESULTS holds and goes on in the middle of the rest. A failure stops nothing else; the exit code is then 1.
#
# Cost, in training images: a first look 51 million, three seeds at a tenth 153 million, three at full length 1,534
# million, all five 2,557. At 39,900 images/s, which one H200 reached: 21 minutes, 64 minutes, 10.7 hours, 17.8 hours.
# A run leaves about 40 MB in RUNS, which may go once it is recorded; the packed data take 176 MiB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." # relative paths below are the repository's

BUDGET="${BUDGET:-0.1 1}" #                             shares of the full length
SEEDS="${SEEDS:-1,2,3}" #                               the paper has five: 1,2,3,4,5
TABLES="${TABLES:-table-2 table-3}" #                   as `dmtlib reproduce`
JOBS="${JOBS:-}" #                                      runs at the same time; empty: one a GPU
DATA="${DATA:-}" #                                      as --data; empty: CIFAR-10, packed now if it isn't yet
DEVICE="${DEVICE:-cuda}" #                              cpu skips benchmarks and gpu tests
RUNS="${RUNS:-runs}"
RESULTS="${RESULTS:-results}"
PYTHON="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

SEEDS="${SEEDS// /,}"
failed=0

packed() { # the name of the data set that is there, the original before the JPEG copy
    local name
    for name in cifar10 cifar10-jpeg; do
        if [ -f "data/$name.pt" ]; then echo "$name" && return; fi
    done
}

benchmark() { # NAME: its last line, which is JSON, becomes a record
    local record="$RESULTS/benchmarks/$1.json" log="$RUNS/benchmark-$1.log"
    [ -f "$record" ] && return
    mkdir -p "$RUNS" "$RESULTS/benchmarks"
    "$PYTHON" "benchmarks/$1.py" --device "$DEVICE" | tee "$log" &&
        tail -n 1 "$log" >"$record.tmp" && mv "$record.tmp" "$record"
}

if [ -z "$DATA" ]; then
    [ -n "$(packed)" ] || "$PYTHON" data_prep/cifar10.py
    DATA="$(packed)"
fi

if [ "$DEVICE" != cpu ]; then
    for name in augmentation classification_step; do benchmark "$name" || failed=1; done
    "$PYTHON" -m pytest -q -m gpu tests/data tests/method tests/models tests/training || failed=1
fi

for budget in $BUDGET; do
    "$PYTHON" -m dmtlib reproduce $TABLES --budget "$budget" --seeds "$SEEDS" --data "$DATA" --device "$DEVICE" \
        --runs "$RUNS" --results "$RESULTS" ${JOBS:+--jobs "$JOBS"} || failed=1
done

exit "$failed"
