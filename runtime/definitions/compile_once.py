"""Compiles each definition once: the last used ones are known by the object itself, and by what a mapping says.

Rules:

1. An object is known as long as it stays as it was when it was given.
2. A mapping is known by its content, if that is plain JSON: whoever changes it has given another one.
3. A mapping with `imports` is compiled each time: its modules may be loaded again, and bring something else. So is
   one whose python nodes call what is another function by now.
4. What has problems is not kept.

Weak spot: a known definition is not validated again, so that what else of the program changed is not seen: a class of
exceptions in `retry.on` whose module was loaded later.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from playbill.model.definition import PipelineDefinition
from playbill.model.errors import DefinitionError, NodeConfigError
from playbill.model.same_json import same_written
from playbill.model.steps import finished
from playbill.runtime.definitions.beside import looking_beside
from playbill.runtime.definitions.compiler import compiling
from playbill.runtime.definitions.content import Content, Key, owning, size_of
from playbill.runtime.definitions.files import load
from playbill.runtime.definitions.slices import Uncollected
from playbill.runtime.handlers.python_call import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from playbill.model.catalog import Catalog
    from playbill.model.policies import StopPolicy
    from playbill.model.steps import Steps
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.definitions.files import Given

COMPILED_KEPT: Final = 128
"""Of each kind."""


K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Taken:
    """A pipeline that is not known yet, as it was when it was given, whatever is done to it later."""

    definition: PipelineDefinition
    content: Content
    is_object: bool
    """Whether it was given as this very object, rather than read from something else."""
    key: bytes | None
    """Of a mapping; None: it is none, or cannot be known by what it says."""


class Kept(NamedTuple):
    """What was compiled of a definition, and what that was like."""

    definition: PipelineDefinition
    """The object itself, whose id names nothing else meanwhile."""
    was: Content
    compiled: CompiledPipeline


class PipelineCompiler:
    """Compiles pipelines with the types of one manager, and remembers them."""

    def __init__(self, catalog: Catalog, stop: StopPolicy) -> None:
        self._catalog = catalog
        self._stop = stop
        self._objects: OrderedDict[int, Kept] = OrderedDict()
        self._mappings: OrderedDict[bytes, CompiledPipeline] = OrderedDict()

    def with_stop(self, stop: StopPolicy) -> PipelineCompiler:
        """Return one for runs that are stopped otherwise, with the same types; itself if they are not."""
        return self if stop == self._stop else PipelineCompiler(self._catalog, stop)

    def of(self, given: Given) -> CompiledPipeline:
        """Return the compiled of what was given, made of a copy: what is changed later is of no run under way.

        Raises:
            DefinitionError: it has problems; carries them all.
        """
        taken = self.take(given)
        return self.finish(taken) if isinstance(taken, Taken) else taken

    def prepare(self, given: Given) -> PipelineDefinition:
        """Compile what was given, and return a definition that is known as an object from then on.

        Raises:
            DefinitionError: it has problems; carries them all.
        """
        compiled, definition = self.of(given), load(given)
        if definition is not given:
            _keep(self._objects, id(definition), Kept(definition, Content.of(definition).kept(), compiled))
        return definition

    def take(self, given: Given) -> CompiledPipeline | Taken:
        """Read what is given: it is known, or what can be changed of it is copied.

        Raises:
            DefinitionError: it cannot be read.
        """
        key = _key_of(given)
        digest = key and key.digest
        if (known := self._of_mapping(digest)) is not None:
            return known
        with _depth_told():
            if isinstance(given, PipelineDefinition):
                content = Content.of(given)
                return self._of_object(given, content) or Taken(given, content.kept(), is_object=True, key=None)
            with Uncollected(size_of(given)):
                if key is not None and not key.is_plain:
                    digest = None
                definition = load(given)
                return Taken(definition, Content.of(definition).kept(), is_object=False, key=digest)

    def finish(self, taken: Taken) -> CompiledPipeline:
        """Compile what was taken, without a pause.

        Raises:
            DefinitionError: it has problems; carries them all.
        """
        with looking_beside(taken.definition.written.folder), Uncollected(size_of(taken.definition)):
            return finished(self.compiling(taken))

    def compiling(self, taken: Taken) -> Steps[CompiledPipeline]:
        """Compile what was taken, in steps, each of them to be `looking_beside` its file.

        Raises:
            DefinitionError: it has problems; carries them all.
        """
        definition, content, key = taken.definition, taken.content, taken.key
        known = self._of_object(definition, content) if taken.is_object else self._of_mapping(key)
        if known is not None:  # by now
            return known
        with _depth_told():
            own = yield from owning(definition, content, is_fresh=key is not None)
            compiled = yield from compiling(own, self._catalog, self._stop)
        if taken.is_object:
            _keep(self._objects, id(definition), Kept(definition, content, compiled))
        elif key is not None:
            _keep(self._mappings, key, compiled)
        return compiled

    def _of_object(self, definition: PipelineDefinition, content: Content) -> CompiledPipeline | None:
        kept = self._objects.get(id(definition))
        if kept is None or not same_written(kept.was, content):
            return None
        self._objects.move_to_end(id(definition))
        return kept.compiled

    def _of_mapping(self, key: bytes | None) -> CompiledPipeline | None:
        compiled = None if key is None else self._mappings.get(key)
        if key is None or compiled is None or not all(_is_still(*each) for each in compiled.calls.items()):
            return None
        self._mappings.move_to_end(key)
        return compiled


def _key_of(given: Given) -> Key | None:
    return None if not isinstance(given, Mapping) or given.get("imports") else Key.of(given)


def _is_still(call: str, function: Callable[..., object]) -> bool:
    try:
        found = resolve(call)
    except NodeConfigError:  # told when it is compiled
        return False
    if isinstance(found, MethodType) and isinstance(function, MethodType):  # made anew at each look
        return found.__self__ is function.__self__ and found.__func__ is function.__func__
    return found is function


def _keep(kept: OrderedDict[K, V], key: K, value: V) -> None:
    """Keep the last used ones."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > COMPILED_KEPT:
        kept.popitem(last=False)


@contextmanager
def _depth_told() -> Generator[None]:
    """Tell of what is nested too deeply instead of ending in a RecursionError."""
    try:
        yield
    except RecursionError:
        text = "the definition is nested too deeply to be read: flatten it"
        raise DefinitionError.single("too-deep", "definition", text) from None
