#!/usr/bin/env bash
# Everything about CIFAR-10 that wants an accelerator: the data, the benchmarks, the tests that need one, and then
# every run of Tables 2 and 3, first at a tenth of its length, then at all of it.
#
#     reproduce/cifar10.sh                              the lot
#     BUDGET=0.1 SEEDS=1 reproduce/cifar10.sh           a first look
#     JOBS=3 reproduce/cifar10.sh                       three runs side by side on the accelerator
#
# Each record is written to RESULTS as soon as its run ends. Kill the script whenever you like: started again, it skips
# what RESULTS holds and goes on in the middle of the rest. A failure stops nothing else; the exit code is then 1.
#
# Cost, in training images: a first look 51 million, all seeds at a tenth 153 million, all seeds at full length 1,534
# million. At 60,000 images/s, the goal on one H200 and not yet measured: 14 minutes, 43 minutes, 7.1 hours. A run
# leaves about 40 MB in RUNS, which may go once it is recorded; the packed data take 176 MiB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." # relative paths below are the repository's

BUDGET="${BUDGET:-0.1 1}" #                             shares of the full length
SEEDS="${SEEDS:-1 2 3}"
PRESETS="${PRESETS:-cifar10-4000 cifar10-1000}" #       cifar10-4000-authors is the authors' variant
METHODS="${METHODS:-baseline cl dmt oracle}" #          there are dmt-naive and dmt-flip, too
JOBS="${JOBS:-1}" #                                     runs at the same time
DATA="${DATA:-}" #                                      as --data; empty: CIFAR-10, packed now if it isn't yet
export DEVICE="${DEVICE:-cuda}" #                       cpu skips benchmarks and gpu tests
export RUNS="${RUNS:-runs}"
export RESULTS="${RESULTS:-results}"
export PYTHON="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

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

train() { # PRESET METHOD SEED BUDGET
    local runs="$RUNS/budget-$4" log="$RUNS/budget-$4/$1-$2-seed-$3.log"
    mkdir -p "$runs"
    "$PYTHON" -m dmtlib train "$1" --method "$2" --seed "$3" --budget "$4" --data "$DATA" --device "$DEVICE" \
        --runs "$runs" --results "$RESULTS" --skip-recorded 2>"$log" && return
    echo "failed: $1 $2 seed $3 budget $4: $(tail -n 1 "$log") ($log)" >&2
    return 1 # a code that lets xargs go on with the others
}
export -f train

if [ -z "$DATA" ]; then
    [ -n "$(packed)" ] || "$PYTHON" data_prep/cifar10.py
    DATA="$(packed)"
fi
export DATA

if [ "$DEVICE" != cpu ]; then
    for name in augmentation classification_step; do benchmark "$name" || failed=1; done
    "$PYTHON" -m pytest -q -m gpu tests/data tests/method tests/models tests/training || failed=1
fi

for budget in $BUDGET; do
    for seed in $SEEDS; do
        for preset in $PRESETS; do
            for method in $METHODS; do
                echo "$preset $method $seed $budget"
            done
        done
    done
done | xargs -P "$JOBS" -L 1 bash -c 'train "$@"' train || failed=1

exit "$failed"
