"""What checks the shapes in the library's signatures in every test: pytest gives it to jaxtyping (pyproject.toml)."""

from __future__ import annotations

from collections.abc import Callable

from beartype import BeartypeConf, beartype

# PEP 484's numeric tower: an int is a float.
numbers_are_floats = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(function: Callable) -> Callable:
    """The function, its annotations checked at each call if tensors are among them.

    Not where it takes or gives an iterator: what comes out of one may have another shape each time.
    """
    annotations = str(list(getattr(function, "__annotations__", {}).values()))
    return numbers_are_floats(function) if "Tensor" in annotations and "Itera" not in annotations else function
