"""Fifty SIGKILLs at random moments, over runs on images, on pixels and whole tables: nothing shows in the end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import random_kills
from tiny_scenes import TIMES

pytestmark = pytest.mark.book


def results(folder: Path) -> dict[str, dict]:
    found = {str(file.relative_to(folder)): json.loads(file.read_text()) for file in folder.rglob("result.json")}
    found |= {str(f.relative_to(folder)): json.loads(f.read_text()) for f in folder.glob("results/**/*.json")}
    return {name: {k: v for k, v in record.items() if k not in TIMES} for name, record in found.items()}


def test_killed_at_random_moments_runs_end_as_if_nothing_had_been(tmp_path):
    assert sum(random_kills.KILLS.values()) == 50
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, random_kills.__file__, tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, runs in json.loads(done.stdout.splitlines()[-1]).items():
        undisturbed = tmp_path / name / "undisturbed"
        expected = results(undisturbed)
        assert len(expected) == (6 if name == "reproduce" else 1)
        for folder in (tmp_path / name / str(number) for number in range(runs)):
            assert results(folder) == expected
            logs = [
                {file.relative_to(f): file.read_bytes() for file in f.rglob("*.jsonl")} for f in (undisturbed, folder)
            ]
            assert logs[0] == logs[1]
            assert not list(folder.rglob("*.damaged*")) and not list(folder.rglob(".*.tmp"))
