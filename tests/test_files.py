"""Files and folders are whole or absent, whatever happens while they are written."""

import io
import itertools
import math
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dmtlib import files
from dmtlib.files import (
    read_json,
    read_regular,
    remove_unfinished,
    whole_file,
    whole_folder,
    write_file,
    write_json,
    write_lines,
)


def put(path: Path, content: bytes = b"new") -> None:
    with whole_file(path) as file:
        file.write(content)


def fill(path: Path, names: str = "ab") -> None:
    with whole_folder(path) as folder:
        for name in names:
            write_file(folder / "below" / name, name.encode())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_comes_with_the_folders_that_its_name_asks_for(tmp_path):
    put(tmp_path / "new" / "folder" / "file")
    assert (tmp_path / "new/folder/file").read_bytes() == b"new"
    assert os.listdir(tmp_path / "new/folder") == ["file"]


def test_json_is_for_people(tmp_path):
    write_json(tmp_path / "a.json", {"b": "α", "a": [1]})
    assert (tmp_path / "a.json").read_text() == '{\n  "b": "α",\n  "a": [\n    1\n  ]\n}\n'


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("file", lambda p: p.mkdir()),
        ("file", os.mkfifo),
        ("file", lambda p: p.symlink_to(p)),
        ("folder", lambda p: p.write_text("mine")),
        ("folder", lambda p: (p.mkdir(), (p / "a").write_text("mine"))),
        ("folder", lambda p: (fill(p), (p / "below/mine").write_text("mine"))),
        ("folder", lambda p: (fill(p), (p / "mine").symlink_to(p / "nowhere"))),
        ("folder", lambda p: (p.mkdir(), (p / files.MADE).write_text("3"))),
    ],
)
def test_what_is_not_ours_stays_as_it_is(name, make, tmp_path):
    path = tmp_path / name
    make(path)
    before = sorted(tmp_path.rglob("*")), path.lstat().st_mtime_ns
    with pytest.raises((OSError, ValueError)) as refusal:
        put(path) if name == "file" else fill(path)
    assert str(path) in str(refusal.value) and (sorted(tmp_path.rglob("*")), path.lstat().st_mtime_ns) == before


@pytest.mark.parametrize(
    ("path", "folder", "answer"),
    [
        ("a", "a", True),
        ("a/b/new", "a", True),
        ("link/new", "a/b", True),
        ("a/b/../../c", "a", False),
        ("ab", "a", False),
        ("a", "a/b", False),
        ("a/b", "nowhere", False),
    ],
)
def test_inside_whatever_names_lead_there(path, folder, answer, tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a/b")
    assert files.inside(tmp_path / path, tmp_path / folder) is answer


def test_a_folder_replaces_the_older_one_with_all_that_is_in_it(tmp_path):
    fill(tmp_path / "folder", "ab")
    fill(tmp_path / "folder", "bc")
    assert sorted(os.listdir(tmp_path / "folder/below")) == ["b", "c"] and os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("there", [True, False])
def test_who_fails_leaves_what_was_there_and_nothing_else(there, stop, tmp_path):
    if there:
        put(tmp_path / "file", b"old")
        fill(tmp_path / "folder", "a")
    with pytest.raises(stop), whole_file(tmp_path / "file") as file:
        file.write(b"half")
        raise stop
    with pytest.raises(stop), whole_folder(tmp_path / "folder") as folder:
        write_lines(folder / "half", ["of it"])
        raise stop
    assert sorted(os.listdir(tmp_path)) == (["file", "folder"] if there else [])
    assert not there or ((tmp_path / "file").read_bytes(), os.listdir(tmp_path / "folder/below")) == (b"old", ["a"])


def test_what_cannot_take_its_place_is_removed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    with pytest.raises(OSError):
        put(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(tmp_path / "folder") == ["mine"]


def test_all_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(os.fstat(handle).st_size) or sync(handle))
    monkeypatch.setattr(os, "replace", lambda *names: done.append("named") or replace(*names))
    put(tmp_path / "file", b"x" * 5)
    fill(tmp_path / "folder", "ab")
    assert done[:2] == [5, "named"] and done[-4:-1].count(1) == 2 and done[-1] == "named"


def test_the_umask_decides_about_what_is_new_and_what_is_replaced_keeps_its_mode(tmp_path):
    before = os.umask(0o027)
    try:
        put(tmp_path / "file")
        fill(tmp_path / "folder")
        assert (mode(tmp_path / "file"), mode(tmp_path / "folder")) == (0o640, 0o750)
        os.chmod(tmp_path / "file", 0o604)
        os.chmod(tmp_path / "folder", 0o705)
        with whole_file(tmp_path / "file"):
            (unfinished,) = tmp_path.glob(".file.*")
            assert mode(unfinished) == 0o604  # from the first byte on
        fill(tmp_path / "folder")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "file"), mode(tmp_path / "folder")) == (0o604, 0o705)


def test_a_link_is_written_through(tmp_path):
    put(tmp_path / "elsewhere" / "file", b"old")
    for name in ("file", "folder", "nothing"):
        (tmp_path / name).symlink_to(tmp_path / "elsewhere" / name)
    put(tmp_path / "file")
    put(tmp_path / "nothing")
    fill(tmp_path / "folder")
    assert all((tmp_path / name).is_symlink() for name in ("file", "folder", "nothing"))
    assert sorted(os.listdir(tmp_path / "elsewhere")) == ["file", "folder", "nothing"]
    assert (tmp_path / "elsewhere/file").read_bytes() == (tmp_path / "elsewhere/nothing").read_bytes() == b"new"


def test_names_cannot_be_guessed_and_nothing_that_is_there_is_opened(tmp_path, monkeypatch):
    names = []
    for _ in range(2):
        with whole_file(tmp_path / "file"):
            names += [name for name in os.listdir(tmp_path) if name != "file"]
    assert len(set(names)) == 2
    monkeypatch.setattr(files.secrets, "token_hex", lambda size: "guessed")
    (tmp_path / ".file.guessed.tmp").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(FileExistsError):
        put(tmp_path / "file")
    assert (tmp_path / "precious").read_text() == "mine"


KILLED = """
import os, sys
from pathlib import Path
from dmtlib.files import whole_file, whole_folder
here = Path(sys.argv[1])
with whole_file(here / "file") as file, whole_folder(here / "folder") as folder:
    (folder / "half").write_text("half")
    file.write(b"half")
    os._exit(9)
"""


def test_what_a_killed_process_was_writing_can_be_removed(tmp_path):
    (tmp_path / ".profile").touch()
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path]).returncode == 9
    assert len(os.listdir(tmp_path)) == 3
    remove_unfinished(tmp_path)
    assert os.listdir(tmp_path) == [".profile"]


DEEP = "[" * 100_000
JSON = {
    "{": "Expecting property name",
    "[]": r"it is \[\]",
    "3": "it is 3",
    "null": "it is null",
    DEEP: "it is nested too deep",
    '{"a": ' * 100_000: "it is nested too deep",
    '{"a": NaN}': "NaN is no finite number",
    '{"a": [-Infinity]}': "-Infinity is no finite number",
    '{"a": 1e999}': "1e999 is no finite number",
    '{"a": %s}' % ("1" * 5000): "Exceeds the limit",
    "\xff": "can't decode byte",
}


@pytest.mark.parametrize("content", JSON, ids=lambda content: content[:12])
def test_what_is_no_json_is_one_line(content, tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=JSON[content]) as refusal:
        read_json(file)
    assert str(refusal.value).startswith(f"{file} is no JSON object: ") and "\n" not in str(refusal.value)


def test_json_is_written_without_nan(tmp_path):
    write_json(tmp_path / "a.json", {"a": math.nan, "b": [math.inf, 1.5, (None, -math.inf)]})
    assert read_json(tmp_path / "a.json") == {"a": None, "b": [None, 1.5, [None, None]]}


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda p: p.symlink_to("/dev/zero"), None])
def test_only_regular_files_are_read(make, tmp_path):
    file = tmp_path / "a"
    if make:
        make(file)
    with pytest.raises(OSError, match="is no regular file" if make else "No such file"):
        read_regular(file, 10)
    put(tmp_path / "b", b"x" * 11)
    with pytest.raises(OSError, match=r"is larger than .* MiB"):
        read_regular(tmp_path / "b", 10)
    assert read_regular(tmp_path / "b", 11) == b"x" * 11


# --- Killed at any call of the system -------------------------------------------------------------------------------

CALLS = {
    "open",
    "os.mkdir",
    "os.chmod",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "shutil.rmtree",
}  # as sys.audit names them


def die_at(number: int) -> None:
    """From now on this process dies at its ``number``-th call that changes something on the disk; of what it writes
    then, half is written."""
    calls = itertools.count(1)

    def call(event: str, _: object) -> None:
        if event in CALLS and next(calls) == number:
            os._exit(9)

    def write(self, content: bytes) -> int:
        if next(calls) == number:
            os.write(self.fileno(), bytes(content)[: len(content) // 2])
            os._exit(9)
        return io.FileIO.write(self, content)

    def fsync(handle: int, fsync=os.fsync) -> None:
        if next(calls) == number:
            os._exit(9)
        fsync(handle)

    files._Remembering.write, os.fsync = write, fsync
    sys.addaudithook(call)


def killed_at_each_call(work, look) -> int:
    """``look`` after each; returns how many there were."""
    for number in itertools.count(1):
        if child := os.fork():
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            look()
            if not ended:
                return number - 1
            assert ended == 9
        else:
            try:
                die_at(number)
                work()
            finally:
                os._exit(0)


@pytest.mark.parametrize("there", [None, b"old"])
@pytest.mark.parametrize("link", [False, True])
def test_a_kill_at_any_call_leaves_the_old_file_or_the_new_one(there, link, tmp_path):
    file = tmp_path / "to" / "file"
    file.parent.mkdir()
    if there:
        file.write_bytes(there)
    name = tmp_path / "link"
    name.symlink_to(file)
    seen = set()

    def look():
        seen.add(file.read_bytes() if file.exists() else None)
        remove_unfinished(file.parent)
        assert set(os.listdir(file.parent)) <= {"file"}
        if there:
            file.write_bytes(there)
        else:
            file.unlink(missing_ok=True)

    assert killed_at_each_call(lambda: put(name if link else file, b"new" * 1000), look) >= 4
    assert seen == {there, b"new" * 1000}


@pytest.mark.parametrize("there", [False, True] if sys.platform == "linux" else [False])  # elsewhere two renames
def test_a_kill_at_any_call_leaves_the_old_folder_or_the_new_one(there, tmp_path):
    folder, seen = tmp_path / "folder", set()
    if there:
        fill(folder, "xy")

    def look():
        made = sorted(p.name for p in folder.rglob("*") if p.is_file())
        seen.add(tuple(made))
        remove_unfinished(tmp_path)
        shutil.rmtree(folder, ignore_errors=True)
        assert not os.listdir(tmp_path)
        if there:
            fill(folder, "xy")

    assert killed_at_each_call(lambda: fill(folder), look) >= 8
    assert seen == {(files.MADE, "x", "y") if there else (), (files.MADE, "a", "b")}


def test_a_folder_whose_file_was_changed_by_hand_is_left_alone(tmp_path):
    fill(tmp_path / "made")
    fill(tmp_path / "made", "bc")  # as it was made, it may be replaced
    (tmp_path / "made/below/b").write_bytes(b"corrected by hand")
    with pytest.raises(FileExistsError, match="has a file that was changed, 'below/b'; move it"):
        fill(tmp_path / "made")
    assert (tmp_path / "made/below/b").read_bytes() == b"corrected by hand"


def test_a_folder_of_an_older_version_has_names_alone(tmp_path):
    fill(tmp_path / "made")
    write_json(tmp_path / "made" / files.MADE, ["below/a", "below/b"])
    fill(tmp_path / "made", "xy")
    assert sorted(os.listdir(tmp_path / "made/below")) == ["x", "y"]
