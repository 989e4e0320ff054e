"""The wheel and the sdist carry the code behind the links, and the wheel works alone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, modules, needs_the_front

pytestmark = [pytest.mark.timeout(180), needs_the_front]


def run(*command: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy_of_the_tree(target: Path) -> Path:
    """What a commit of the tree would hold; links stay links."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_symlink() or source.exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    return target


def packaged_names() -> set[str]:
    names = [module.name.removeprefix("playbill/") for module in modules()]
    schema = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("runtime/journals/sqlite/schema/*.sql")]
    assert schema
    return {f"playbill/{name}" for name in (*names, *schema, "py.typed")}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both distributions, built by the tools of this environment: nothing is downloaded."""
    tree = copy_of_the_tree(tmp_path_factory.mktemp("tree"))
    run(sys.executable, "-m", "build", "--no-isolation", tree, cwd=tree)
    return tree / "dist"


def test_the_wheel_carries_all_the_code(dist: Path) -> None:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        assert packaged_names() - set(wheel.namelist()) == set()


def test_the_sdist_carries_all_the_code(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        files = {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}
    assert packaged_names() - files == set()


def test_the_wheel_works_in_an_empty_environment(dist: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", next(dist.glob("*.whl")), cwd=tmp_path)
    site = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    # The dependencies come from here, but not our editable self: a .pth found through a .pth is not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = "import playbill, playbill.model, playbill.actors, playbill.runtime as r; print(r.__file__)"
    assert Path(run(python, "-c", code, cwd=tmp_path).strip()).is_relative_to(site)
    assert (site / "playbill/py.typed").is_file()
    assert (tmp_path / "venv/bin/playbill").is_file()


def test_a_type_checker_finds_what_this_environment_has_installed(tmp_path: Path) -> None:
    """An editable install by an import hook hides playbill from mypy and pyright: `make venv` makes another one."""
    options = ("--follow-imports=skip", f"--cache-dir={tmp_path}")
    run(sys.executable, "-m", "mypy", *options, "-c", "import playbill, playbill.runtime.manager", cwd=tmp_path)
