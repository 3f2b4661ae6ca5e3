"""The browser that looks at pages, where there is one."""

import shutil

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
needed = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
