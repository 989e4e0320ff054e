"""The journal's file: where it may lie, whose it is, and what is refused before anything is written to it."""

import asyncio
import fcntl
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from playbill.model.errors import JournalError
from playbill.runtime.journals.sqlite.files.headers import check_header
from playbill.runtime.journals.sqlite.files.ownership import Ownership, owner_of
from playbill.runtime.journals.sqlite.files.places import check_file_system, file_system_of, path_of
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.journals.sqlite.schema.migrations import APPLICATION_ID
from tests.contracts.journal_support import event, put
from tests.runtime.journals.sqlite.faulty import small_disk

pytestmark = pytest.mark.anyio
MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /net rw - nfs4 server:/export rw
41 40 0:41 / /net/local\040disk rw shared:1 - xfs /dev/vdb rw
42 27 0:42 / /home/me/far rw - fuse.sshfs me@far: rw
43 27 0:43 / /twice rw - ext4 /dev/vdc rw
44 27 0:44 / /twice rw - cifs //server/share rw
garbage
"""


def made(path: Path) -> Path:
    """Make a journal's file, closed again."""
    code = (
        "import asyncio, sys\nfrom playbill.runtime.journals.sqlite.journal import SqliteJournal\n"
        "async def main(): SqliteJournal(f'sqlite:///{sys.argv[1]}').close()\nasyncio.run(main())"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=30)
    return path


@pytest.fixture(scope="module")
def journal_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("made") / "journal.db").read_bytes()


@pytest.fixture
def file(tmp_path: Path, journal_bytes: bytes) -> Path:
    path = tmp_path / "journal.db"
    path.write_bytes(journal_bytes)
    return path


def refused(path: Path) -> str:
    async def opened() -> None:
        SqliteJournal(f"sqlite:///{path}").close()

    with pytest.raises(JournalError) as caught:
        asyncio.run(opened())
    return str(caught.value).replace(str(path), "FILE")


# ---- where it lies --------------------------------------------------------------------------------------------


def test_a_url_names_a_relative_or_an_absolute_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert path_of("sqlite:///runs/a.db") == tmp_path / "runs/a.db"
    assert path_of(f"sqlite:///{tmp_path}/b.db") == tmp_path / "b.db"
    assert path_of("sqlite:////tmp/../c.db") == Path("/c.db")
    (tmp_path / "link.db").symlink_to("real.db")
    assert path_of("sqlite:///link.db") == tmp_path / "real.db"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///:memory:", "names no file.*or 'memory' to keep nothing"),
        ("sqlite:///", "names no file"),
        ("sqlite:///file:x.db", "names no file"),
        (
            "sqlite://x.db",
            "is not the URL of a SQLite journal: write 'sqlite:///relative.db' or 'sqlite:////absolute.db'",
        ),
        ("mysql://host/db", "is not the URL of a SQLite journal"),
        ("sqlite:///x.db?mode=ro", r"has no options"),
    ],
)
def test_every_other_url_is_refused_with_the_way_out(url: str, said: str) -> None:
    with pytest.raises(JournalError, match=said):
        path_of(url)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/a.db", "ext4"),
        ("/net/a.db", "nfs4"),
        ("/net/local disk/a.db", "xfs"),
        ("/network/a.db", "ext4"),
        ("/home/me/far/x/a.db", "fuse.sshfs"),
        ("/twice/a.db", "cifs"),
    ],
)
def test_the_file_system_of_a_path_is_the_last_and_nearest_mounted(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("path", ["/net/a.db", "/home/me/far/a.db", "/twice/a.db"])
def test_a_file_system_of_a_network_is_refused(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr("playbill.runtime.journals.sqlite.files.places.MOUNTS", mounts)
    check_file_system(Path("/tmp/a.db"))
    with pytest.raises(
        JournalError, match=r"is on a file system of a network .*: name a file on a disk of this machine"
    ):
        check_file_system(Path(path))


async def test_folders_and_files_that_we_make_are_this_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal = SqliteJournal(f"sqlite:///{tmp_path}/a/b/journal.db")
        await put(journal, event(1))
    finally:
        os.umask(before)
    assert [oct((tmp_path / name).stat().st_mode & 0o777) for name in ("a", "a/b")] == ["0o700"] * 2
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "a/b").iterdir()}
    assert modes == {f"journal.db{suffix}": "0o600" for suffix in ("", "-wal", "-shm", ".lock")}
    journal.close()


# ---- what it is -----------------------------------------------------------------------------------------------


def test_a_text_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n" * 20)
    assert refused(path) == "journal FILE is not a SQLite file: name another file for the journal"
    assert path.read_text() == "dear diary\n" * 20
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_the_file_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE runs (id)")
    before = path.read_bytes()
    assert refused(path) == "FILE is a SQLite file of another program: name another file for the journal"
    assert path.read_bytes() == before


def test_a_truncated_file_is_refused(file: Path) -> None:
    size = file.stat().st_size
    os.truncate(file, size - 5000)
    assert refused(file) == (
        f"journal FILE is truncated: it has {size - 5000} bytes of {size}; keep a copy, and restore a backup"
    )
    os.truncate(file, 50)
    assert refused(file) == "journal FILE is not a SQLite file: name another file for the journal"


def test_a_newer_schema_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("PRAGMA journal_mode = DELETE")
        newer.execute("PRAGMA user_version = 99")
    said = (
        "FILE has version 99 of the journal's schema, and this playbill knows 1: a newer playbill wrote it;"
        " use that one, or another file"
    )
    assert refused(file) == said
    with pytest.MonkeyPatch.context() as patch:  # as if the version stood in the WAL, where only SQLite looks
        patch.setattr("playbill.runtime.journals.sqlite.journal.check_header", lambda path: None)
        assert refused(file) == said


async def test_a_corrupt_page_is_told_by_who_reads_it(file: Path) -> None:
    journal = SqliteJournal(f"sqlite:///{file}")
    await put(journal, event(1))
    journal.close()
    with closing(sqlite3.connect(file)) as looking:
        (page,) = looking.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchone()
    with file.open("r+b") as damaged:
        damaged.seek((page - 1) * 4096)
        damaged.write(b"\xff" * 4096)
    journal = SqliteJournal(f"sqlite:///{file}")
    with pytest.raises(
        JournalError, match=r"cannot be read: database disk image is malformed; it is damaged: keep a copy"
    ):
        await journal.reading.events("r")
    assert await journal.reading.run("r") is not None  # what is whole is read
    journal.close()


def test_the_header_says_whose_the_file_is(file: Path) -> None:
    check_header(file)
    assert file.read_bytes()[68:72] == APPLICATION_ID.to_bytes(4, "big") == b"Plby"


# ---- where it cannot be written -------------------------------------------------------------------------------


def test_a_read_only_file_system_is_told(tmp_path: Path, journal_bytes: bytes) -> None:
    with small_disk(tmp_path / "disk", 1024) as disk:
        (disk / "there.db").write_bytes(journal_bytes)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        said = "Read-only file system; its file system is read-only: name a file elsewhere"
        assert refused(disk / "journal.db") == f"journal FILE cannot be made: {said}"
        assert refused(disk / "there.db") == f"journal FILE cannot be locked: {said}"


def test_a_file_that_this_user_may_not_write_is_told(file: Path) -> None:
    code = "import asyncio, os, sys\nfrom playbill.runtime.journals.sqlite.journal import SqliteJournal\n"
    code += "async def main(): SqliteJournal(f'sqlite:///{sys.argv[1]}')\n"
    code += "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\nasyncio.run(main())"
    for folder in (file.parent, *file.parent.parents[:2]):
        folder.chmod(0o755)
    file.chmod(0o444)
    file.with_name("journal.db.lock").touch()
    file.with_name("journal.db.lock").chmod(0o666)
    ran = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=30)
    assert ran.returncode == 1
    assert "allow this user to write both" in ran.stderr or "it cannot be opened: look whether" in ran.stderr


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == "journal FILE cannot be made: Is a directory; it is a folder: name a file in it"


# ---- whose it is ----------------------------------------------------------------------------------------------

OWNER = """
import asyncio, sys
from playbill.runtime.journals.sqlite.journal import SqliteJournal
async def main():
    journal = SqliteJournal(f"sqlite:///{sys.argv[1]}")
    print("open", flush=True)
    sys.stdin.read()
    journal.close()
asyncio.run(main())
"""


@contextmanager
def owner(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns a journal."""
    command = [sys.executable, "-c", OWNER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_who_owns_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with owner(path) as process:
        started = json.loads((tmp_path / "journal.db.lock").read_text())["started_at"]
        assert refused(path) == (
            f"journal FILE is in use by process {process.pid} on {socket.gethostname()} since {started}:"
            " end that one, or name another file"
        )
        process.send_signal(signal.SIGKILL)
        process.wait()
        Ownership(path).release()  # whatever ended it


async def test_a_second_journal_of_one_file_is_refused_in_one_process_whatever_its_name(tmp_path: Path) -> None:
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    await put(journal, event(1))
    os.link(tmp_path / "journal.db", tmp_path / "hard.db")
    (tmp_path / "soft.db").symlink_to("journal.db")
    for name in ("journal.db", "hard.db", "soft.db"):
        with pytest.raises(
            JournalError, match="is open in this process already: share its manager, or name another file"
        ):
            SqliteJournal(f"sqlite:///{tmp_path}/{name}")
    await put(journal, event(2))
    journal.close()
    (tmp_path / "hard.db").unlink()
    SqliteJournal(f"sqlite:///{tmp_path}/journal.db").close()


def test_a_fork_owns_nothing_and_its_parent_still_does(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    owned = Ownership(path)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, repr(owned).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 200).decode().endswith("released>")
    os.close(reading)
    os.close(writing)
    code = "import sys, pathlib\nfrom playbill.runtime.journals.sqlite.files.ownership import Ownership\n"
    command = [sys.executable, "-c", f"{code}Ownership(pathlib.Path(sys.argv[1]))", str(path)]
    assert f"is in use by process {os.getpid()} on" in subprocess.run(command, capture_output=True, text=True).stderr
    owned.release()
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
    assert repr(owned) == f"<Ownership {path}.lock released>"


def test_a_process_to_which_the_lock_is_passed_keeps_the_journal_owned(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    owned = Ownership(path)
    assert not os.get_inheritable(owned.fileno())
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[owned.fileno()]) as keeper:
        owned.release()
        with pytest.raises(JournalError, match="is in use by process"):
            Ownership(path)
        keeper.communicate()
    Ownership(path).release()


def test_who_looks_is_told_the_owner_and_keeps_nobody_from_becoming_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert owner_of(path) is None
    owned = Ownership(path)
    owner = owner_of(path)
    assert owner is not None
    assert (owner.pid, owner.host, owner.is_alive) == (os.getpid(), socket.gethostname(), True)
    assert str(owner).startswith(f"process {os.getpid()} on ")
    owned.release()
    assert owner_of(path) is None
    looks = os.open(tmp_path / "file.lock", os.O_RDONLY)
    fcntl.flock(looks, fcntl.LOCK_SH)
    threading.Timer(0.005, os.close, [looks]).start()
    Ownership(path).release()


@pytest.mark.parametrize("said", [b"", b"{}", b'{"pid": 1', b"[1]", b'{"pid": "x", "host": "h", "started_at": "t"}'])
def test_a_lock_whose_file_names_nobody_is_another_process_s(tmp_path: Path, said: bytes) -> None:
    path, lock = tmp_path / "file", tmp_path / "file.lock"
    path.touch()
    lock.write_bytes(said)
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert str(owner_of(path)) == "another process"
