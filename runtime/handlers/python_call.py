"""The handlers of python nodes: call a function by its name, on the loop or in the runner's thread."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

from playbill.model.errors import NodeConfigError
from playbill.model.failures import failure_of
from playbill.runtime.processes.main_module import import_once
from playbill.runtime.runners.calling import is_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.configs import PythonConfig
    from playbill.model.definition import PipelineNode
    from playbill.runtime.runners.context import NodeContext

__all__ = ["arguments", "python_async", "python_sync", "resolve"]

_KEYWORDS = frozenset({inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY})


async def python_async(node: PipelineNode, inputs: Mapping[str, Mapping[str, Any]], context: NodeContext) -> Any:
    """Await a coroutine function; the function's result is the output.

    Raises:
        NodeConfigError: There is no such function, or it does not take these arguments.
    """
    function, keywords = _prepare(node, inputs, context)
    return await function(**keywords)


def python_sync(node: PipelineNode, inputs: Mapping[str, Mapping[str, Any]], context: NodeContext) -> Any:
    """Call a plain function; the function's result is the output.

    Raises:
        NodeConfigError: There is no such function, it does not take these arguments, or it gave a coroutine.
    """
    function, keywords = _prepare(node, inputs, context)
    result = function(**keywords)
    if inspect.iscoroutine(result):
        result.close()
        raise NodeConfigError(f"'{_call(context)}' gave a coroutine: write it as `async def`")
    return result


def resolve(call: str) -> Callable[..., Any]:
    """Import the function that `module:function` names.

    Raises:
        NodeConfigError: The module or the function is missing, or the import fails.
    """
    module_name, _, path = call.partition(":")
    found: Any = _import(call, module_name)
    reached = module_name
    for name in path.split("."):
        try:
            found, reached = getattr(found, name), f"{reached}.{name}"
        except AttributeError as error:
            raise NodeConfigError(f"call '{call}': '{reached}' has no '{name}'") from error
        except Exception as error:
            text = f"call '{call}': '{reached}' does not give its '{name}': {failure_of(error)}"
            raise NodeConfigError(text) from error
    if not callable(found):
        raise NodeConfigError(f"call '{call}': '{reached}' is of type {type(found).__name__}: name a function")
    if is_generator(found):
        raise NodeConfigError(f"call '{call}': '{reached}' is a generator: return the output in one piece")
    return cast("Callable[..., Any]", found)


def _import(call: str, module_name: str) -> object:
    try:
        return import_once(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise NodeConfigError(f"call '{call}': there is no module '{error.name}'") from error
        raise NodeConfigError(f"call '{call}': importing '{module_name}' failed: {error}") from error
    except (Exception, SystemExit) as error:  # whatever a module does as it is imported
        text = f"call '{call}': importing '{module_name}' failed: {failure_of(error)}"
        raise NodeConfigError(text) from error


def arguments(
    function: Callable[..., Any],
    args: Mapping[str, Any],
    node: PipelineNode,
    inputs: Mapping[str, Mapping[str, Any]],
    context: NodeContext | None,
) -> dict[str, Any]:
    """Give the keywords for a call: `args`, and node, inputs, context where the function names them.

    Whether they fit depends on their names only, so that it can be asked before there is a context.

    Raises:
        NodeConfigError: The function does not take them; names the argument and the signature.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins tell nothing
        return dict(args)
    offered = {"node": node, "inputs": inputs, "context": context}
    wanted = {name for name, parameter in signature.parameters.items() if parameter.kind in _KEYWORDS}
    keywords = {name: value for name, value in offered.items() if name in wanted} | dict(args)
    try:
        signature.bind(**keywords)
    except TypeError as error:
        name = getattr(function, "__qualname__", repr(function))
        raise NodeConfigError(f"args do not fit '{name}': {error}; its signature is {name}{signature}") from error
    return keywords


def _call(context: NodeContext) -> str:
    return cast("PythonConfig", context.config).call


def _prepare(
    node: PipelineNode, inputs: Mapping[str, Mapping[str, Any]], context: NodeContext
) -> tuple[Callable[..., Any], dict[str, Any]]:
    config = cast("PythonConfig", context.config)
    function = resolve(config.call)
    return function, arguments(function, config.args, node, inputs, context)
