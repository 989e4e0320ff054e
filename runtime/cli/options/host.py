"""What a command line gives handlers of its host's: `--secret` and `--resource`."""

from __future__ import annotations

import importlib
import inspect
import os
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, cast

from cyclopts import Parameter

from playbill.model.diagnostics import list_names
from playbill.model.errors import DefinitionError
from playbill.model.failures import failure_of
from playbill.runtime.definitions.files import read

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Resources", "Secrets", "make_resources", "read_secrets"]

SECRETS_HELP: Final = (
    "what ${secrets.NAME} stands for: NAME takes the environment variable of that name, NAME=@FILE what the file "
    "holds without the newline at its end, NAME=VALUE the value, which other users of this machine may see; "
    "may be given several times."
)
Secrets: TypeAlias = Annotated[list[str] | None, Parameter(name="--secret", negative=(), help=SECRETS_HELP)]
RESOURCES_HELP: Final = (
    "what handlers find in context.resources, as NAME=module:factory: the module is imported and the class or "
    "function called without arguments (an async one is awaited); anything else is taken as it is; "
    "may be given several times."
)
Resources: TypeAlias = Annotated[list[str] | None, Parameter(name="--resource", negative=(), help=RESOURCES_HELP)]
SECRET_RULE: Final = "--secret takes NAME, NAME=VALUE or NAME=@FILE; a name has letters, digits and _"  # noqa: S105
RESOURCE_RULE: Final = "--resource takes NAME=module:factory"


def read_secrets(options: list[str]) -> dict[str, str]:
    """Return the secrets that a command line names: of the environment, as they stand there, or of files.

    Raises:
        DefinitionError: one is not there, or said twice; no error shows a value.
    """
    secrets: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not name.isidentifier():  # it may be a value, so it is not shown
            raise _wrong("--secret", SECRET_RULE)
        if name in secrets:
            raise _wrong("--secret", f"--secret says '{name}' twice: say it once")
        secrets[name] = _secret_of(name, value) if equals else _from_environment(name)
    return secrets


def _secret_of(name: str, value: str) -> str:
    if not value.startswith("@"):
        return value
    try:
        return read(value[1:]).removesuffix("\n").removesuffix("\r")
    except DefinitionError as error:
        raise _wrong("--secret", f"--secret {name}: {error.problems[0].message}") from error


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        text = f"there is no environment variable '{name}': set it, or write {name}=@FILE"
        raise _wrong("--secret", f"--secret {name}: {text}")
    return value


async def make_resources(options: list[str]) -> dict[str, Any]:
    """Return the resources that a command line names: what each module has there, or what its factory gives.

    A class or a function is called without arguments, on the loop; what it gives is awaited if it can be.

    Raises:
        DefinitionError: one cannot be had; names the module and its own error.
    """
    resources: dict[str, Any] = {}
    for option in options:
        name, _, source = option.partition("=")
        module, _, path = source.partition(":")
        if not (name and module and path):
            raise _wrong("--resource", f"{RESOURCE_RULE}, not '{option}'")
        if name in resources:
            raise _wrong("--resource", f"--resource says '{name}' twice: say it once")
        resources[name] = await _resource_of(f"--resource {name}", module, path)
    return resources


async def _resource_of(subject: str, module: str, path: str) -> Any:
    found, reached = _import(subject, module), module
    for name in path.split("."):
        try:
            found, reached = getattr(found, name), f"{reached}.{name}"
        except AttributeError as error:
            known = list_names(sorted(each for each in dir(found) if not each.startswith("_")))
            raise _wrong("--resource", f"{subject}: '{reached}' has no '{name}'; it has: {known}") from error
        except Exception as error:
            text = f"{subject}: '{reached}' does not give its '{name}': {failure_of(error)}"
            raise _wrong("--resource", text) from error
    if not (inspect.isclass(found) or inspect.isroutine(found) or isinstance(found, partial)):
        return found
    try:
        made: Any = cast("Callable[[], Any]", found)()
        return await made if inspect.isawaitable(made) else made
    except (Exception, SystemExit) as error:
        raise _wrong("--resource", f"{subject}: calling '{module}:{path}' failed: {failure_of(error)}") from error


def _import(subject: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever a module does as it is imported
        text = f"{subject}: module '{module}' cannot be imported: {failure_of(error)}"
        raise _wrong("--resource", text) from error


def _wrong(option: str, text: str) -> DefinitionError:
    return DefinitionError.single("host", option, text)
