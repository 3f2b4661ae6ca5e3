# %% tags=["setup", "remove-cell"]
# In a clone of the book this changes nothing. On Colab, or beside a lone notebook, it brings dmtlib and its needs.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

REPOSITORY = ""  # the book's public address; `make repo-url URL=…` writes it here
if find_spec("dmtlib") is None:
    here = Path.cwd()
    clone = next((p for p in here.parents if (p / "dmtlib/__init__.py").exists()), here / "the-dmt-book")
    if not clone.exists():
        if not REPOSITORY:
            raise ModuleNotFoundError(
                "The library dmtlib is missing, and this copy of the book doesn't know the address to fetch it from. "
                "Write the book's git address into REPOSITORY above, or run `pip install .` in a clone of the book."
            )
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY, str(clone)], check=True)
    sys.path.insert(0, str(clone))
needs = "torch torchvision numpy pandas sklearn jaxtyping tqdm rich typer tensorboard filelock"
missing = [name for name in f"{needs} matplotlib seaborn ipywidgets".split() if find_spec(name) is None]
if missing:
    packages = [name.replace("sklearn", "scikit-learn") for name in missing]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *packages], check=True)
