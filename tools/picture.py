"""Draw README's picture from the records: make picture."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the clone, for `book`

from book.figures.methods import by_method
from book.page.look import style, to_png
from book.studies.recorded import recorded

style()
figure = by_method(recorded("digits-40"), ("baseline", "cl", "dmt", "dmt-naive", "oracle"))
Path("book/_static/digits.png").write_bytes(to_png(figure))
