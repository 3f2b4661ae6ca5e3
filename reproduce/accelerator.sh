#!/usr/bin/env bash
# Everything that a GPU should do, what is worth most a minute first: the tests that need one, the benchmarks, the fast
# recipe on five seeds, CIFAR-10 at a fiftieth and at a tenth of the paper's length, CamVid, and the paper's length.
#
#     reproduce/accelerator.sh                          the lot
#     MINUTES=9 OUT=out reproduce/accelerator.sh        nine minutes of it; the same command goes on from there
#     ONLY='tests|benchmark' reproduce/accelerator.sh   the steps whose names match
#
# A step that is done is skipped the next time, one that was stopped goes on in the middle, and one that failed stops no
# other; RETRY=1 tries it again. What comes of it lies in RUNS/accelerator: results/ has a record of each run and
# benchmark, written as soon as it ends, logs/ what each step said, done/ a file for each step. After every step all of
# that is packed into OUT/accelerator.tgz. The exit code is 1 if a step failed, and 0 if it was only the time that ended.
#
# On a machine without network, or one that is lent for minutes, bring the folder .carry along, which git ignores:
#     cifar10-jpeg.tar.xz, camvid.tar   the data, in place of DMT_DATA
#     torch/                            as TORCH_HOME: ImageNet's weights for CamVid, in torch/hub/checkpoints/
#     *.whl                             Python packages that are missing there; they come before those that are there
#     commit                            what `git rev-parse HEAD` says, for a copy without .git
#     accelerator.tgz                   what the last machine packed: its steps are done
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit # relative paths below are the repository's

MINUTES="${MINUTES:-}" #                                of this call, packing included; empty: no limit
ONLY="${ONLY:-}" #                                      a regular expression on steps' names; empty: all
RETRY="${RETRY:-}" #                                    1: also the steps that failed
SEEDS="${SEEDS:-1 2 3}" #                               of CIFAR-10 as in the paper; the fast recipe has FAST_SEEDS
FAST_SEEDS="${FAST_SEEDS:-1 2 3 4 5}"
BUDGETS="${BUDGETS:-0.02 0.1}" #                        shares of the paper's length that come before all of it
JOBS="${JOBS:-}" #                                      runs at the same time; empty: one a GPU
DATA="${DATA:-}" #                                      as --data; empty: CIFAR-10, packed now if it isn't yet
DEVICE="${DEVICE:-cuda}"
RUNS="${RUNS:-runs}"
OUT="${OUT:-$RUNS/accelerator}" #                       where accelerator.tgz goes
PYTHON="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}"

GRACE="${GRACE:-30}" #                                  seconds before the limit, for a run to stop and for packing
LEAST="${LEAST:-20}" #                                  seconds under which no step is begun
[[ "$MINUTES" =~ ^[0-9]*$ ]] || { echo "error: MINUTES must be a whole number, or empty, got '$MINUTES'" >&2 && exit 2; }
KEEP="$RUNS/accelerator"
RESULTS="$KEEP/results"
failed=0 child=""

say() { printf '%s\n' "$*" | tee -a "$KEEP/log"; }

pack() {
    tar -C "$KEEP" -czf "$OUT/.accelerator.tgz" results logs "done" log && mv "$OUT/.accelerator.tgz" "$OUT/accelerator.tgz"
}

# shellcheck disable=SC2329 # a trap calls it
stop() { # whoever stops the script stops its step too
    [ -z "$child" ] || { kill -TERM "$child" && wait "$child"; }
    say "stopped; the same command goes on from here"
    pack
    exit 130
}

finish() { # [NAME]: of the step that time is up for
    [ -z "${1:-}" ] || say "time is up; the same command goes on with $1"
    pack
    exit "$failed"
}

step() { # NAME COMMAND…: once, and no longer than there is time
    local name="$1" log="$KEEP/logs/$1.log" code left=0
    shift
    [[ "$name" =~ $ONLY ]] || return 0
    [ ! -e "$KEEP/done/$name" ] || return 0
    if [ -e "$KEEP/done/$name.failed" ] && [ -z "$RETRY" ]; then
        say "$name: failed before, RETRY=1 tries it again" && failed=1
        return 0
    fi
    if [ -n "$MINUTES" ]; then
        left=$((60 * MINUTES - GRACE - SECONDS))
        [ "$left" -ge "$LEAST" ] || finish "$name"
    fi
    local from=$SECONDS last
    timeout --kill-after=20 "$left" "$@" >"$log" 2>&1 & # 0: no limit
    child=$!
    wait "$child"
    code=$? child=""
    last="$(tail -n 1 "$log" | tr '\r' '\n' | tail -n 1)"
    if [ "$code" -eq 0 ]; then
        rm -f "$KEEP/done/$name.failed"
        case "$name" in benchmark-*) tail -n 1 "$log" >"$RESULTS/benchmarks/${name#benchmark-}.json" ;; esac
        touch "$KEEP/done/$name"
        say "$name: done in $((SECONDS - from)) s: ${last:0:200}"
    elif [ "$left" -gt 0 ] && [ $((SECONDS - from)) -ge "$left" ]; then
        finish "$name"
    else
        touch "$KEEP/done/$name.failed"
        say "$name: failed after $((SECONDS - from)) s: ${last:0:200} ($log)" && failed=1
    fi
    pack
}

py() { # NAME ARGUMENTS…
    local name="$1"
    shift
    step "$name" "$PYTHON" "$@"
}

table() { # NAME BUDGET SEED TABLE…: all its runs that have no record yet, several at a time
    local name="$1" budget="$2" seed="$3"
    shift 3
    py "$name" -m dmtlib reproduce "$@" --budget "$budget" --seeds "$seed" --device "$DEVICE" --runs "$RUNS" \
        --results "$RESULTS" ${JOBS:+--jobs "$JOBS"}
}

packed() { # the name of the data set that is there, the original before the JPEG copy
    local name
    for name in cifar10 cifar10-jpeg; do
        if [ -f "data/$name.pt" ]; then echo "$name" && return; fi
    done
}

# What was brought along

mkdir -p "$OUT" "$RUNS"
[ ! -f .carry/accelerator.tgz ] || [ -d "$KEEP/done" ] || { mkdir -p "$KEEP" && tar -C "$KEEP" -xzf .carry/accelerator.tgz; }
mkdir -p "$RESULTS/benchmarks" "$KEEP/logs" "$KEEP/done"
trap stop INT TERM
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
[ ! -d .carry ] || export DMT_DATA="${DMT_DATA:-.carry}"
[ ! -d .carry/torch ] || export TORCH_HOME="$PWD/.carry/torch"
[ ! -f .carry/commit ] || export DMT_COMMIT="${DMT_COMMIT:-$(cat .carry/commit)}"
if compgen -G '.carry/*.whl' >/dev/null; then
    [ -d "$RUNS/packages" ] || "$PYTHON" -m pip install -q --no-index --no-deps --target "$RUNS/packages" .carry/*.whl
    packages="$(cd "$RUNS/packages" && pwd)"
    export PYTHONPATH="$PYTHONPATH:$packages"
fi

# Tests and benchmarks: minutes

py tests -m pytest -q -m gpu -p no:cacheprovider tests/data tests/method tests/models tests/training
py benchmark-classification_step benchmarks/classification_step.py --device "$DEVICE"
py benchmark-classification_step-eager benchmarks/classification_step.py --device "$DEVICE" --eager
py benchmark-classification_step-compile benchmarks/classification_step.py --device "$DEVICE" --compile
py benchmark-classification_step-any-order benchmarks/classification_step.py --device "$DEVICE" --any-order
py benchmark-augmentation-512 benchmarks/augmentation.py --device "$DEVICE" --batch-size 512
py benchmark-augmentation benchmarks/augmentation.py --device "$DEVICE"
py benchmark-segmentation_step benchmarks/segmentation_step.py
py benchmark-segmentation_step-any-order benchmarks/segmentation_step.py --any-order

# CIFAR-10

if [ -z "$DATA" ]; then
    [ -n "$(packed)" ] || py data-cifar10 data_prep/cifar10.py
    DATA="$(packed)"
    [ -n "$DATA" ] || say "there is no CIFAR-10 here, so nothing is trained on it"
fi
presets="$(COLUMNS=300 "$PYTHON" -m dmtlib presets 2>/dev/null)"
wide=""
for name in cifar10-4000-fast-wide cifar10-1000-fast-wide; do
    if grep -qwF -e "$name" <<<"$presets"; then
        wide="$wide $name"
    else
        say "there is no preset $name here, so it is passed over"
    fi
done
fast() { # SEEDS METHODS
    local name seed method
    for name in $wide; do
        for seed in $1; do
            for method in $2; do
                [ -z "$DATA" ] || py "$name-$method-$seed" -m dmtlib train "$name" --method "$method" --seed "$seed" \
                    --data "$DATA" --device "$DEVICE" --runs "$RUNS" --results "$RESULTS" --skip-recorded
            done
        done
    done
}
fast "$FAST_SEEDS" "baseline cl dmt oracle"
cifar10() { # BUDGET
    local seed
    for seed in $SEEDS; do
        [ -z "$DATA" ] || table "cifar10-budget-$1-seed-$seed" "$1" "$seed" table-2 table-3 --data "$DATA"
    done
}
for budget in $BUDGETS; do cifar10 "$budget"; done
fast "$SEEDS" "fixmatch flexmatch" # chapter 15's relatives

# CamVid, then the paper's length, and at last what needs no GPU

if [ ! -d data/camvid ] && [ -f "${DMT_DATA:-}/camvid.tar" ]; then py data-camvid data_prep/camvid.py; fi
if [ -d data/camvid ]; then
    for seed in 0 1 2; do table "camvid-seed-$seed" 1 "$seed" camvid; done
else
    say "there is no CamVid here, so nothing is trained on it"
fi
cifar10 1
py benchmark-selection benchmarks/selection.py --pixels 1000000 10000000

finish
