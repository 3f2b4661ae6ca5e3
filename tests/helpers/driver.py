"""`dmtlib` with three runs a table, and one that fails: python driver.py reproduce … . For tests of a cluster."""

import sys

from dmtlib.cli import main
from dmtlib.records.reproduction import TABLES

RUNS = ("dst", "cl", "dmt")
TABLES["digits"] = [cell for cell in TABLES["digits"] if cell.method in RUNS]
TABLES["table-2"] = TABLES["table-2"][:1]

if __name__ == "__main__":
    sys.exit(main())
