"""What `--secret` and `--resource` give handlers, and what is said of those that cannot be had."""

import sys
from pathlib import Path

import pytest

from playbill.model.errors import DefinitionError
from playbill.runtime.cli.options.host import make_resources, read_secrets
from tests.warm import programs

MODULE = """
import functools
class Pool: pass
class Needy:
    def __init__(self, url): pass
async def later(): return "later"
def broken(): raise ValueError("no DSN")
def exits(): raise SystemExit(3)
def pooled(size): return size
class Nested: Inner = Pool
small = functools.partial(pooled, 3)
table = {"a": 1}
class Callable:
    def __call__(self): raise RuntimeError
instance = Callable()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module's name."""
    (tmp_path / "hosted.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "raising.py").write_text("raise KeyError('x')", encoding="utf-8")
    (tmp_path / "lazy.py").write_text("def __getattr__(name): raise RuntimeError('not yet')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("hosted", "raising", "lazy"):
        sys.modules.pop(name, None)
    return "hosted"


def test_secrets_come_from_line_environment_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "of the environment")
    files = {"unix": b"s3cret\n", "dos": b"s3cret\r\n", "none": b"s3cret", "two": b"s3cret\n\n", "lines": b"a\nb\n"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    options = [f"{name}=@{tmp_path / name}" for name in files]
    assert read_secrets(["TOKEN", "A=b=c", "EMPTY=", *options]) == {
        "TOKEN": "of the environment", "A": "b=c", "EMPTY": "",
        "unix": "s3cret", "dos": "s3cret", "none": "s3cret", "two": "s3cret\n", "lines": "a\nb",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["NO_SUCH"], "--secret NO_SUCH: there is no environment variable 'NO_SUCH': set it, or write NO_SUCH=@FILE"),
        (["A=@no/such"], "--secret A: no/such: cannot be read: No such file or directory"),
        (["A=@."], "--secret A: .: cannot be read: Is a directory"),
        (["hunter 2"], "--secret takes NAME, NAME=VALUE or NAME=@FILE"),
        (["=hunter2"], "--secret takes NAME, NAME=VALUE or NAME=@FILE"),
        (["A=hunter2", "A=hunter3"], "--secret says 'A' twice: say it once"),
    ],
)
def test_a_secret_that_cannot_be_had_is_named_and_no_value_shown(options: list[str], said: str) -> None:
    with pytest.raises(DefinitionError) as error:
        read_secrets(options)
    assert said in str(error.value)
    assert "hunter" not in str(error.value)


@pytest.mark.anyio
async def test_resources_are_called_if_they_are_classes_or_functions(module: str) -> None:
    names = ("Pool", "later", "small", "table", "instance", "Nested.Inner")
    made = await make_resources([f"{name}={module}:{name}" for name in names])
    kinds = {name: type(value).__name__ for name, value in made.items()}
    assert kinds["Pool"] == kinds["Nested.Inner"] == "Pool"
    assert (made["later"], made["small"], made["table"], kinds["instance"]) == ("later", 3, {"a": 1}, "Callable")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("a", "--resource takes NAME=module:factory, not 'a'"),
        ("a=hosted", "--resource takes NAME=module:factory, not 'a=hosted'"),
        ("a=no_such:x", "module 'no_such' cannot be imported: ModuleNotFoundError: No module named 'no_such'"),
        ("a=raising:x", "--resource a: module 'raising' cannot be imported: KeyError: 'x'"),
        ("a=hosted:nope", "--resource a: 'hosted' has no 'nope'; it has: 'Callable', "),
        ("a=lazy:table", "--resource a: 'lazy' does not give its 'table': RuntimeError: not yet"),
        ("a=hosted:broken", "--resource a: calling 'hosted:broken' failed: ValueError: no DSN"),
        ("a=hosted:exits", "--resource a: calling 'hosted:exits' failed: SystemExit: 3"),
        ("a=hosted:Needy", "--resource a: calling 'hosted:Needy' failed: TypeError: "),
    ],
)
async def test_a_resource_that_cannot_be_had_is_told_with_its_own_error(module: str, option: str, said: str) -> None:
    with pytest.raises(DefinitionError) as error:
        await make_resources([option])
    assert said in str(error.value)


@pytest.mark.anyio
async def test_a_resource_is_said_once(module: str) -> None:
    with pytest.raises(DefinitionError, match="--resource says 'a' twice"):
        await make_resources([f"a={module}:table", f"a={module}:small"])


def test_a_pipeline_with_secrets_and_resources_is_simulated(tmp_path: Path) -> None:
    (tmp_path / "host.py").write_text(
        "import playbill\n"
        "def made(): return {'base': 7}\n"
        '@playbill.node_type("uses")\n'
        "async def uses(node, inputs, context):\n"
        "    return {'key': len(node.config['key']), 'base': context.resources['db']['base']}\n",
        encoding="utf-8",
    )
    text = "imports: [host]\nnodes: [{id: a, type: uses, config: {key: '${secrets.key}'}}]\n"
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "playbill.runtime.cli",
        "sim",
        "p.yaml",
        "--seeds",
        "3",
        "--resource",
        "db=host:made",
    ]
    done = programs.run([*command, "--secret", "key=hunter2"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "completed 3" in " ".join(done.stdout.split())) == (0, True)
    assert "hunter2" not in done.stdout + done.stderr
