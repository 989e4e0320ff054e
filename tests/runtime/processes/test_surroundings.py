"""Whatever a handler does to its process, the next attempt finds it as it was: put back, or in another worker."""

import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from playbill.runtime.runners.workers.inside.surroundings import _KeptModules
from tests.runtime.processes import bodies
from tests.runtime.processes.support import Bank, opened

pytestmark = pytest.mark.anyio

CANNOT_BE_PUT_BACK = {"nice", "hard limit", "identity"}
"""By nobody but root, who may."""


async def told(bank: Bank) -> dict[str, Any]:
    return dict(await bank.output(bodies.surroundings))


@pytest.mark.parametrize("what", bodies.CHANGES)
async def test_what_an_attempt_changes_the_next_one_does_not_see(
    bank: Bank, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    caplog.set_level(logging.INFO)
    before = await told(bank)
    changed = await bank.output(bodies.changes, what)
    caplog.clear()
    after = await told(bank)
    assert after["said"] == before["said"]
    assert [record.getMessage() for record in caplog.records] == ["r/n#1: heard"]
    if what not in CANNOT_BE_PUT_BACK:
        assert before["pid"] == changed["pid"] == after["pid"]


async def test_a_directory_that_is_gone_harms_no_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    async with opened() as bank:
        await bank.again(bodies.pid)
        (tmp_path / "gone").rmdir()
        monkeypatch.chdir(tmp_path)
        for _ in range(3):
            assert (await bank.again(bodies.pid)).failure is None
            assert "pid" in await bank.output(bodies.pid)


async def test_a_seed_of_one_attempt_does_not_decide_what_the_next_draws(bank: Bank) -> None:
    drawn = [await bank.output(bodies.draws) for _ in range(4)]
    assert len({each["drawn"] for each in drawn}) == 4
    assert len({each["pid"] for each in drawn}) == 1


def test_modules_that_were_imported_besides_or_anew_change_nothing_and_one_that_is_gone_or_another_does() -> None:
    one, two, three = (ModuleType(name) for name in ("one", "two", "three"))
    kept = _KeptModules({"one": one, "two": two})
    for same in ({"one": one, "two": two, "three": three}, {"two": two, "three": three, "one": one}):
        assert same == kept
    for other in ({"one": one}, {"one": one, "two": three}, {"two": one, "one": two}, {"one": one, "three": two}):
        assert other != kept
