"""Draw README's picture from the records: make picture."""

from pathlib import Path

from dmtlib.evidence import curriculum_figures
from dmtlib.evidence.figures import style, to_png
from dmtlib.evidence.recorded import recorded

style()
figure = curriculum_figures.by_method(recorded("digits-40"), ("baseline", "cl", "dmt", "dmt-naive", "oracle"))
Path("book/_static/digits.png").write_bytes(to_png(figure))
