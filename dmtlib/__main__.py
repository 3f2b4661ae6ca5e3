"""``python -m dmtlib``."""

import sys

from .cli import main

sys.exit(main())
