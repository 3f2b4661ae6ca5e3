#!/usr/bin/env bash
# Tables on the nodes of a Slurm allocation: Ray on each of them, and one driver that gives out the runs.
#
#     sbatch --nodes=4 --gpus-per-node=8 --time=12:00:00 reproduce/slurm.sh table-2 table-3
#     sbatch --nodes=1 reproduce/slurm.sh digits --device cpu           on processors
#
# What stands behind the name is as of `dmtlib reproduce`. The clone, its environment, `runs/`, `results/` and the data lie
# where all nodes see them, as a home folder on a cluster does. Submitted again, it goes on: what is recorded is skipped,
# and a run that the time limit has stopped goes on from its last checkpoint.
#SBATCH --job-name=dmtlib
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --output=dmtlib-%j.log
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:?sbatch starts this script; its first lines say how}" || exit

PYTHON="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}"
PYTHON="$(command -v "$PYTHON")"
PATH="$(cd "$(dirname "$PYTHON")" && pwd):$PATH" # where Ray's command is
export PATH PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" RAY_USAGE_STATS_ENABLED=0
export RAY_AUTH_MODE=token # kept in ~/.ray: other users of the cluster can't join
ray get-auth-token --generate >/dev/null

# The first node's address, as the others reach it.
first="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
address="$(srun --nodes=1 --ntasks=1 --nodelist="$first" hostname -I | cut -d ' ' -f 1):6379"

# Ray starts on every node; once all are there, the command on the first one; and Ray ends with it.
exec srun ray symmetric-run --address "$address" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
    "$PYTHON" -m dmtlib reproduce "$@" --cluster "$address"
