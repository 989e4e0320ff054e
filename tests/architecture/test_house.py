import re
from pathlib import Path

import pytest

from tests.architecture.house import PAGE, TOP, arrows, page
from tests.architecture.tree import ROOT, modules
from tests.architecture.walks import WALKS, Step, lost


def test_the_drawing_of_the_house_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_room_and_every_module_is_in_it() -> None:
    drawn = page()
    for module in modules():
        folder, _, name = module.name.rpartition("/")
        assert f"\n## {folder}/\n" in drawn
        assert name == "__init__.py" or f"| `{name}` |" in drawn


def test_an_arrow_says_how_often_one_folder_imports_another(tmp_path: Path) -> None:
    (tmp_path / "model/machines").mkdir(parents=True)
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime/a.py").write_text("from playbill.model import x\nimport playbill.model.machines.node\n")
    (tmp_path / "runtime/b.py").write_text(
        "def f():\n    from playbill.model.x import y\nimport os, playbill.runtime.a\n"
    )
    (tmp_path / "model/x.py").write_text("from playbill.model.machines import node\n")
    (tmp_path / "model/machines/node.py").write_text('"""The node."""\n')
    model, machines, runtime = TOP / "model", TOP / "model/machines", TOP / "runtime"
    assert arrows(modules(tmp_path)) == {(runtime, model): 2, (runtime, machines): 1, (model, machines): 1}


@pytest.mark.parametrize("name", WALKS)
def test_every_step_of_a_walk_is_where_it_says(name: str) -> None:
    assert lost(WALKS[name]) == []
    assert [step.place for step in WALKS[name] if not (ROOT / step.file).is_file()] == []
    assert all(re.search(r"[.`]$", step.says) for step in WALKS[name])


def test_a_lost_step_is_told() -> None:
    steps = ("runtime.nowhere:f", "runtime.run:Run.nothing", "runtime.run:Run.cancel", "actors.node:NodeActor.post")
    bad = lost(tuple(Step(place, "") for place in steps))
    assert [line.partition(": ")[0] for line in bad] == [steps[0], steps[1], steps[3]]
