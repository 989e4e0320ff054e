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
from playbill.model.plain_text import kind_of, text_of
from playbill.runtime.processes.main_module import main_module
from playbill.runtime.runners.logs.node_log import logger as node_logger
from playbill.runtime.runners.workers import frames
from playbill.runtime.runners.workers.importable import check_importable
from playbill.runtime.runners.workers.origin import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Inputs
    from playbill.runtime.redaction import Redaction
    from playbill.runtime.runners.context import NodeContext
    from playbill.runtime.runners.workers.limits import Limits

__all__ = ["PackedAttempt", "PackedHandler", "Packer", "answer", "introduction", "running"]

_KEPT: Final = 1024
"""As many as a worker's attempts until it is replaced; a pipeline of more nodes finds none kept the next time."""
_DEEPEST: Final = 20
_MAIN: Final = b"__main__"


class PackedHandler(NamedTuple):
    """A handler and its node, packed once for all attempts; a worker keeps them by the number."""

    number: int
    data: bytes
    needs_main: bool
    handler: object
    node: object
    """Both kept, so that their ids name nothing else."""


class PackedAttempt(NamedTuple):
    """One attempt, packed."""

    handler: PackedHandler
    arguments: bytes
    needs_main: bool


class Packer:
    """Packs the attempts of one pool: each handler and node only once, the last used ones are kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int], PackedHandler] = OrderedDict()
        self._made = 0

    def pack(
        self,
        handler: Callable[..., Any],
        node: PipelineNode,
        node_config: Mapping[str, Any],
        inputs: Inputs,
        context: NodeContext,
        limits: Limits | None,
    ) -> PackedAttempt:
        """Pack an attempt: `node` as it is defined, with what its config is for this attempt, secrets and all.

        Raises:
            NodeConfigError: handler, config or inputs cannot be handed to a process; names which, and the type.
        """
        packed = self._pack(handler, node)
        rendered = None if node_config is node.config else node_config
        config = None if context.config is node_config else context.config
        level = node_logger.getEffectiveLevel()
        values = frames.AttemptArguments(
            context.attempt,
            context.run_id,
            context.first_run,
            context.trace_context,
            context.trigger_data,
            inputs,
            rendered,
            config,
            limits,
            level,
        )
        try:
            arguments = pickle.dumps(values, pickle.HIGHEST_PROTOCOL)
        except BaseException as error:
            named = {
                "trigger_data": context.trigger_data,
                "inputs": inputs,
                "config": rendered if config is None else config,
            }
            raise _unpicklable(node, named, error) from error
        return PackedAttempt(packed, arguments, packed.needs_main or _MAIN in arguments)

    def _pack(self, handler: Callable[..., Any], node: PipelineNode) -> PackedHandler:
        key = id(handler), id(node)
        packed = self._kept.get(key)
        if packed is not None:
            self._kept.move_to_end(key)
            return packed
        check_importable(handler)
        try:
            data = pickle.dumps((handler, node, origin_of(handler)), pickle.HIGHEST_PROTOCOL)
        except BaseException as error:
            raise _unpicklable(node, {"config": node.config}, error) from error
        self._made += 1
        packed = self._kept[key] = PackedHandler(self._made, data, _MAIN in data, handler, node)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return packed


def introduction(
    resources: Mapping[str, Any], redaction: Redaction, max_attempts: int, max_resident_bytes: int
) -> bytes:
    """Return the first frame of a worker: where the host's modules and files are."""
    home = str(Path.cwd())
    init = frames.InitFrame(
        [*sys.path], home, dict(os.environ), [*resources], main_module(), redaction, max_attempts, max_resident_bytes
    )
    return frames.to_worker(init)


def running(serial: int, packed: PackedAttempt, *, known: bool) -> bytes:
    """Return the frame that begins an attempt; `known` tells whether the worker has its handler already."""
    number, handler = packed.handler.number, None if known else packed.handler.data
    return frames.to_worker(frames.RunFrame(serial, packed.needs_main, number, handler, packed.arguments))


def answer(resources: Mapping[str, Any], name: str) -> bytes:
    """Return the frame that brings a resource, or tells why it cannot come."""
    try:
        resource = resources[name]
        return frames.to_worker(frames.AnswerFrame(pickle.dumps(resource, pickle.HIGHEST_PROTOCOL), ""))
    except BaseException as error:  # noqa: BLE001 (whatever a __reduce__ of a user's raises)
        kind = kind_of(resources.get(name))
        why = (
            f"resource '{name}' ({kind}) cannot be handed to a process: {text_of(error)}; make it in the handler,"
            " or use isolation: inline"
        )
        return frames.to_worker(frames.AnswerFrame(None, why))


def _unpicklable(node: PipelineNode, named: Mapping[str, Any], error: BaseException) -> NodeConfigError:
    place, kind = next(_culprits(named), ("a value", "?"))
    return NodeConfigError(
        f"node '{node.id}' (type '{node.type}'): {place} ({kind}) cannot be handed to a process: {text_of(error)};"
        " pass plain data, or use isolation: inline"
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
    return path, kind_of(value)


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
    except BaseException:  # noqa: BLE001 (whatever a __reduce__ of a user's raises)
        return False
    return True
