"""The presets on pixels, read from ``presets.yml`` beside this file, where it stands what each is for."""

from pathlib import Path

from ..settings import read_rows
from .config import PixelRun

SEGMENTATION_PRESETS: dict[str, PixelRun] = read_rows(Path(__file__).with_name("presets.yml"), PixelRun)
"""The settings of each preset on pixels, by name."""
