"""Packs attempts for workers: what does not pickle is named before a process hears of it."""

from __future__ import annotations

import os
import pickle
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from playbill.model.errors import NodeConfigError
from playbill.runtime.processes.main_module import main_module
from playbill.runtime.runners.context import logger as node_logger
from playbill.runtime.runners.workers import frames
from playbill.runtime.runners.workers.importable import check_importable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Inputs
    from playbill.runtime.runners.context import NodeContext
    from playbill.runtime.runners.workers.limits import Limits

__all__ = ["Job", "Jobs", "Order", "answer", "cancelling", "introduction", "running"]

_KEPT: Final = 1024
"""As many as a worker's attempts until it is replaced; a pipeline of more nodes finds none kept the next time."""
_DEEPEST: Final = 20
_MAIN: Final = b"__main__"


class Job(NamedTuple):
    """A handler and its node, packed once for all attempts; a worker keeps it by its number."""

    number: int
    data: bytes
    needs_main: bool
    handler: object
    node: object
    """Both kept, so that their ids name nothing else."""


class Order(NamedTuple):
    """One attempt, packed."""

    job: Job
    arguments: bytes
    needs_main: bool


class Jobs:
    """The jobs of one pool: each handler and node is packed once, the last used ones are kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int], Job] = OrderedDict()
        self._made = 0

    def order(
        self,
        handler: Callable[..., Any],
        node: PipelineNode,
        inputs: Inputs,
        context: NodeContext,
        limits: Limits | None,
    ) -> Order:
        """Pack an attempt.

        Raises:
            NodeConfigError: handler, config or inputs cannot be handed to a process; names which, and the type.
        """
        job = self._job(handler, node)
        own_config = context.config
        config = None if own_config is node.config else own_config
        level = node_logger.getEffectiveLevel()
        values = (context.attempt, context.run_id, context.trigger_data, inputs, config, limits, level)
        try:
            arguments = pickle.dumps(values, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            named = {"trigger_data": context.trigger_data, "inputs": inputs, "config": config}
            raise _unpicklable(node, named, error) from error
        return Order(job, arguments, job.needs_main or _MAIN in arguments)

    def _job(self, handler: Callable[..., Any], node: PipelineNode) -> Job:
        key = id(handler), id(node)
        job = self._kept.get(key)
        if job is not None:
            self._kept.move_to_end(key)
            return job
        check_importable(handler)
        try:
            data = pickle.dumps((handler, node), pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise _unpicklable(node, {"config": node.config}, error) from error
        self._made += 1
        job = self._kept[key] = Job(self._made, data, _MAIN in data, handler, node)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return job


def introduction(resources: Mapping[str, Any], max_attempts: int, max_resident_bytes: int) -> bytes:
    """Return the first frame of a worker: where the host's modules and files are."""
    home = str(Path.cwd())
    return _frame(
        frames.INIT,
        [*sys.path],
        home,
        dict(os.environ),
        [*resources],
        main_module(),
        max_attempts,
        max_resident_bytes,
    )


def running(serial: int, order: Order, *, known: bool) -> bytes:
    """Return the frame that begins an attempt."""
    job = order.job
    return _frame(frames.RUN, serial, order.needs_main, job.number, None if known else job.data, order.arguments)


def cancelling(serial: int) -> bytes:
    """Return the frame that keeps an attempt from beginning."""
    return _frame(frames.CANCEL, serial)


def answer(resources: Mapping[str, Any], name: str) -> bytes:
    """Return the frame that brings a resource, or tells why it cannot come."""
    try:
        resource = resources[name]
        return _frame(frames.ANSWER, pickle.dumps(resource, pickle.HIGHEST_PROTOCOL), "")
    except Exception as error:  # noqa: BLE001 (whatever a __reduce__ of a user's raises)
        kind = type(resources.get(name)).__name__
        why = (
            f"resource '{name}' ({kind}) cannot be handed to a process: {error}; make it in the handler, or use"
            " isolation: inline"
        )
        return _frame(frames.ANSWER, None, why)


def _frame(*message: Any) -> bytes:
    return frames.framed(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def _unpicklable(node: PipelineNode, named: Mapping[str, Any], error: Exception) -> NodeConfigError:
    place, kind = next(_culprits(named), ("a value", "?"))
    return NodeConfigError(
        f"node '{node.id}' (type '{node.type}'): {place} ({kind}) cannot be handed to a process: {error}; pass plain"
        " data, or use isolation: inline"
    )


def _culprits(named: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in named.items():
        if not _pickles(value):
            yield _deepest(name, value, 0)


def _deepest(path: str, value: Any, depth: int) -> tuple[str, str]:
    """Return the path to the innermost part that does not pickle, and its type's name."""
    if depth < _DEEPEST:
        for step, part in _parts(value):
            if not _pickles(part):
                return _deepest(path + step, part, depth + 1)
    return path, type(value).__name__


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in cast("Mapping[object, Any]", value).items():
            yield f"[{key!r}]", part
    elif isinstance(value, list | tuple | set | frozenset):
        for index, part in enumerate(cast("list[Any]", value)):
            yield f"[{index}]", part
    else:
        for name, part in cast("dict[str, Any]", getattr(value, "__dict__", {})).items():
            yield f".{name}", part


def _pickles(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001 (whatever a __reduce__ of a user's raises)
        return False
    return True
