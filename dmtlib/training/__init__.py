"""Training as a list of phases, each of which can be killed, resumed and measured."""

from .directory import RunDirectory, RunError
from .train import train  # the function: from here on it has the name, and not its module

__all__ = ["RunDirectory", "RunError", "train"]
