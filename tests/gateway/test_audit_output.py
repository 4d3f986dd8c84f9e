"""The file of an export: it gets its name when it is complete, is continued after a crash, and has one writer."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from gateway.audit_chain import Link
from gateway.audit_output import ExportError, StandardOutput, _is_still, open_file
from models.audit_export import NONE_YET
from tests.gateway.test_audit_chain import FIRST, SECOND, STORED


def lines(count: int) -> bytes:
    return b"".join(FIRST[:count])


def link(number: int) -> Link:
    """The place of a line of the first export."""
    return Link(number, FIRST[number - 1][-67:-3].decode())


@pytest.fixture(autouse=True)
def private() -> Generator[None]:
    """What a test writes as the rest of an export is private, as what an export writes is."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl.partial"


def test_a_file_gets_its_name_when_it_is_complete(path: Path, partial: Path) -> None:
    with open_file(path) as output:
        assert output.resume(NONE_YET) == (Link(), 0)
        for line in FIRST:
            output.write(line)
        assert not path.exists()
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
        output.publish()
        assert path.read_bytes() == lines(4)
    assert not partial.exists()


@pytest.mark.parametrize(
    "rest", [b"", FIRST[2][:50], FIRST[2][:-1], FIRST[3], FIRST[1], b"\0" * 500, b"{}\n" + FIRST[2]]
)
def test_an_export_that_was_killed_is_continued_after_its_last_good_line(
    path: Path, partial: Path, rest: bytes
) -> None:
    partial.write_bytes(lines(2) + rest)
    with open_file(path) as output:
        assert output.resume(NONE_YET) == (link(2), 2)
        for line in FIRST[2:]:
            output.write(line)
        output.publish()
    assert path.read_bytes() == lines(4)


def test_what_does_not_continue_the_last_export_is_written_anew(path: Path, partial: Path) -> None:
    for content in (lines(4), SECOND[1], b"anything"):
        partial.write_bytes(content)
        with open_file(path) as output:
            assert output.resume(STORED) == (Link.of(STORED), STORED.last_id)
            assert partial.read_bytes() == b""


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_complete_file_that_was_not_recorded_is_continued(path: Path, partial: Path, count: int) -> None:
    """The export was killed after the file got its name. More events may have been added since."""
    path.write_bytes(lines(count))
    with open_file(path) as output:
        assert output.resume(NONE_YET) == (link(min(count, 3)), FIRST_IDS[min(count, 3) - 1])
        assert not path.exists()
        output.write(FIRST[3])
        output.publish()
    assert path.read_bytes() == lines(min(count, 3)) + FIRST[3]
    assert not partial.exists()


FIRST_IDS = [1, 2, 4]


@pytest.mark.parametrize("content", [b"", b"notes", lines(4), lines(3) + b"x"])
def test_any_other_file_stays_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with (
        open_file(path) as output,
        pytest.raises(ExportError, match=r"audit\.jsonl exists already: name another file"),
    ):
        output.resume(STORED)
    with open_file(path) as output, pytest.raises(ExportError, match="exists already"):
        output.restart()
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_that_has_come_meanwhile_stays_as_it_is(path: Path, partial: Path) -> None:
    with open_file(path) as output:
        output.restart()
        output.write(FIRST[0])
        path.write_text("another")
        with pytest.raises(ExportError, match="exists already"):
            output.publish()
    assert (path.read_text(), partial.read_bytes()) == ("another", FIRST[0])


@pytest.mark.parametrize("published", [False, True])
def test_a_file_has_one_writer(path: Path, partial: Path, *, published: bool) -> None:
    (path if published else partial).write_bytes(lines(2))
    with open_file(path), pytest.raises(ExportError, match=r"another export is writing to .*: wait"), open_file(path):
        pass
    with open_file(path):
        pass


def test_a_file_that_another_has_just_written(path: Path, partial: Path) -> None:
    """It still holds the lock after the file has its name."""
    with open_file(path) as output:
        output.resume(NONE_YET)
        output.write(FIRST[0])
        output.publish()
        with pytest.raises(ExportError, match="another export is writing"), open_file(path):
            pass
    assert path.read_bytes() == FIRST[0]
    assert not partial.exists()


def test_a_file_that_was_renamed_while_it_was_opened(path: Path, partial: Path) -> None:
    """Its lock is then that of a file with another name."""
    partial.write_bytes(lines(2))
    with partial.open("rb") as file:
        assert _is_still(partial, file)
        partial.rename(path)
        assert not _is_still(partial, file)
        partial.touch()
        assert not _is_still(partial, file)


def _link(place: Path, other: Path) -> None:
    place.symlink_to(other)


def _hard_link(place: Path, other: Path) -> None:
    place.hardlink_to(other)


def _readable(place: Path, _other: Path) -> None:
    place.write_text("planted")
    place.chmod(0o640)


def _writable(place: Path, _other: Path) -> None:
    place.write_text("planted")
    place.chmod(0o602)


def _of_another_user(place: Path, _other: Path) -> None:
    place.write_text("planted")
    os.chown(place, 65534, -1)


def _pipe(place: Path, _other: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("plant", [_link, _hard_link, _readable, _writable, _of_another_user, _pipe])
@pytest.mark.parametrize("published", [False, True])
def test_a_file_that_another_user_may_have_put_there(
    path: Path, partial: Path, tmp_path: Path, plant: Callable[[Path, Path], None], *, published: bool
) -> None:
    """In a folder in which others may write: they must not read or change the trail, nor choose what it overwrites."""
    if plant is _of_another_user and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    other, place = tmp_path / "other", path if published else partial
    other.write_text("keep me")
    plant(place, other)
    message = "exists already" if published else r"\.partial is not a private file of this user"
    with pytest.raises(ExportError, match=message), open_file(path):
        pass
    assert other.read_text() == "keep me"
    assert place.is_fifo() or place.read_text() in ("planted", "keep me")


def test_a_link_to_nothing_is_not_followed(path: Path, partial: Path, tmp_path: Path) -> None:
    partial.symlink_to(tmp_path / "none")
    with pytest.raises(ExportError, match="is not a private file"), open_file(path):
        pass
    assert not (tmp_path / "none").exists()


def test_what_is_written_again_starts_anew(path: Path, partial: Path) -> None:
    partial.write_bytes(lines(3))
    with open_file(path) as output:
        output.restart()
        output.write(FIRST[0])
        output.publish()
    assert path.read_bytes() == FIRST[0]


def test_what_is_discarded_leaves_no_file(path: Path) -> None:
    with open_file(path) as output:
        output.restart()
        output.discard()
        output.discard()
    assert list(path.parent.iterdir()) == []


def test_a_file_that_can_not_be_written(path: Path, tmp_path: Path) -> None:
    for wrong, reason in ((tmp_path, "Is a directory"), (tmp_path / "none" / "a", "No such file or directory")):
        with pytest.raises(ExportError, match=f"can't be written: {reason}"), open_file(wrong):
            pass
    with pytest.raises(ExportError, match="exists already"), open_file(Path("/dev/full")):
        pass


def test_standard_output_has_nothing_to_continue(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output = StandardOutput()
    assert output.resume(STORED) == (Link.of(STORED), STORED.last_id)
    output.restart()
    output.discard()
