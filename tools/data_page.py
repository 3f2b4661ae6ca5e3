"""Write book/data_layouts.md, "What your data may look like", from the library's own tables and book/refusals.yml.

python tools/data_page.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dmtlib.checking import ENOUGH
from dmtlib.data.archives import MAX_FILE_BYTES, MAX_PATH
from dmtlib.data.finding import FORMATS, MAX_FOLDERS, OTHERS, SYSTEM, UNLABELED
from dmtlib.data.images.folders import MAX_SIDE
from dmtlib.data.pictures import BACKGROUND
from dmtlib.data.pixels.folder import VAL_SHARE
from dmtlib.data.pixels.masks import VOID
from dmtlib.method.schedules import CURRICULUM_ALPHAS

PAGE = ROOT / "book/data_layouts.md"

TEXT = """# What your data may look like

This page is made from the library's own tables (`tools/data_page.py`). To try it on yours, before anything is trained:

```
dmtlib check photos
dmtlib check photos --preset digits-40
```

tells what is read and what is left out; which pictures are in two parts or in two classes; and, if `runs/` has a
baseline that has learned these data, whether DMT is likely to help ({{doc}}`12_your_data`). From {enough} held-out
images on, that answer means something.

## Images with one label

```
photos/train/cat/*.jpg
photos/train/dog/*.jpg
photos/train/{unlabeled}/*.jpg    those without a label
photos/test/cat/*.jpg
photos/test/dog/*.jpg
```

A folder, or a `.tar`, `.tar.gz`, `.tar.xz` or `.zip` of it. `photos/cat`, `photos/dog` and `photos/{unlabeled}` alone
will do: then a fifth of each class is held out. Train with `--data folder@32:photos --all-labels`; 32 is the side that
images are brought to: the shorter side is shrunk to it, and the middle is kept. The names of the folders are the
classes, and belong to the data: a run whose folder was renamed is another run.

## Images with masks

```
streets/classes.txt      one class a line, the first has the id 0
streets/images/*.jpg
streets/masks/*.png      of the same names
streets/val.txt          held out, one name a line, without its ending
```

A mask's pixel has the id of its class as its value; {void} means ignore.

An image without a mask is unlabeled. Without `val.txt`, {val:.0%} of the masks are held out. `train.txt`, `test.txt`
and `labeled.txt` are possible as well. Folders inside `images` are possible, if `masks` has the same ones. Masks are
PNGs of 8 bits, grey or with a palette, drawn on the upright image: where EXIF turns an image, and its size doesn't
tell whether the mask is turned as well, a line says so. What else lies beside `images` and `masks` is not read, and a
line names it. Train with `--data folder:streets --all-labels`. The images belong to the data: a run whose images have
changed is another run.

## Which files are read

One rule holds for training, for masks and for `predict`.

{formats}

- Capitals or small letters, at any depth that the layout has.
- Links to files and folders are followed; a circle of links ends.
- Hidden files are passed over: names that begin with a dot (`._1.jpg` too), and {system}.
- Folders that `predict` made are passed over, and counted.
- Pictures of other formats are refused by name: {others}. So are links that lead nowhere.
- Everything else (`.txt`, `.csv`, …) is left out, counted, and told when a run begins.
- Names are compared in one Unicode form. They must be UTF-8; in a zip without the flag that says so, too.
- So must lists, with a byte order mark or without. Their lines end in a line feed, a carriage return, or both.

Every file is read to its end before training, several at a time. What was found is remembered by size and time in
`~/.cache/dmtlib`, or below `XDG_CACHE_HOME`, so that a second start is quick; you may delete that folder.

A folder of classes whose images, brought to their side, would take more than an eighth of the memory of the machine,
or of its GPU, is packed to one file there, of 3·side² bytes an image, and batches are read from it ahead of the steps:
the same run, to the bit on a CPU, and memory doesn't grow with the images. `DMT_MEMORY=4` in the environment sets the
limit to 4 GB, `DMT_MEMORY=0` always packs. The processes of one run share the limit ({{doc}}`13_reproduce`).
Archives, and files that are `packed:`, must fit: unpack a large archive. On Windows everything must fit.

## What a pixel means

- Pictures are turned as their EXIF orientation says. Nothing else of EXIF matters, broken or not, and no XMP.
- What is transparent is laid over {background}.
- Grey becomes red = green = blue. Of 12 or 16 bits a channel the upper 8 count, in grey as in colour.
- A channel that is the same everywhere is shifted, and not scaled.
- Of several pictures in one file, the first is read.

## Limits

{limits}

## What is refused, and what helps

Each is one line, before anything is trained. "…" stands for names and numbers.

{refusals}
"""


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """In Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def page() -> str:
    """The whole text."""
    limits = [
        ("a file", f"{MAX_FILE_BYTES // 2**20} MiB"),
        ("a picture", f"{Image.MAX_IMAGE_PIXELS / 1e6:.1f} million pixels"),
        ("the side that images are brought to", f"1…{MAX_SIDE} pixels"),
        ("images of classes in memory", "an eighth of it, or `DMT_MEMORY` in GB; more are read from a file"),
        ("classes of images", "2 or more, each with a training and a test image"),
        ("classes of pixels", f"2…{VOID}, each with a pixel in a training mask"),
        ("folders", f"{MAX_FOLDERS:,}"),
        ("folders and files other than images in an archive", f"{MAX_FOLDERS:,}"),
        ("a path in an archive", f"{MAX_PATH:,} characters"),
    ]
    refusals = yaml.safe_load((ROOT / "book/refusals.yml").read_text(encoding="utf-8"))
    return TEXT.format(
        enough=round(ENOUGH / CURRICULUM_ALPHAS[0]),
        unlabeled=UNLABELED,
        void=VOID,
        val=VAL_SHARE,
        background=BACKGROUND,
        system=", ".join(f"`{name.strip()}`" for name in SYSTEM),
        others=", ".join(f"`{ending}`" for ending in OTHERS),
        formats=table(("format", "endings"), [(n, " ".join(f"`{e}`" for e in ends)) for n, ends in FORMATS.items()]),
        limits=table(("of", "allowed"), limits),
        refusals=table(("line", "what helps"), [(f"`{row['line']}`", row["remedy"]) for row in refusals]),
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
