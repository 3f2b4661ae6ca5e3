"""The presets on images, read from ``presets.yml`` beside this file, where it stands what each is for."""

from pathlib import Path

from ..settings import read_rows
from .config import ImageRun

FOLDER = "folder:PATH"
"""The data of the preset ``folder``, until somebody says which."""

PRESETS: dict[str, ImageRun] = read_rows(Path(__file__).with_name("presets.yml"), ImageRun)
"""The settings of each preset on images, by name."""
