"""Values: nobody can change one, and the cyclic collector looks at none that could not be in a circle."""

import copy
import gc
import inspect
import pickle
import sys
from datetime import UTC, datetime
from enum import Enum
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

import playbill
from playbill.model import facts, messages
from playbill.model.facts import Failure, Now, Permit, Value
from playbill.model.jsonable import plain_json

SCALARS = (str, int, float, bool, type(None), datetime, Enum)
PERMIT = Permit("k", 1, "1:r/n#1")
VALUES = [
    found
    for module in (facts, messages)
    for found in vars(module).values()
    if isinstance(found, type)
    and issubclass(found, Value)
    and found.__module__ == module.__name__
    and found is not Value
]


def may_be_in_a_circle(kind: object) -> bool:
    """Tell whether a field of this kind may hold what holds others."""
    if (options := get_args(kind)) and not isinstance(kind, type):
        return any(map(may_be_in_a_circle, options))
    if isinstance(kind, type) and issubclass(kind, Value):
        return kind.__struct_config__.gc
    return not (isinstance(kind, type) and issubclass(kind, SCALARS))


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_the_collector_skips_those_that_hold_nothing_that_holds_others(kind: type[Value]) -> None:
    fields = {name: hint for name, hint in get_type_hints(kind).items() if name in kind.__struct_fields__}
    assert kind.__struct_config__.gc is any(map(may_be_in_a_circle, fields.values())), fields


@pytest.mark.parametrize(
    "kind", [*VALUES, playbill.Event, playbill.NodeProgress, playbill.NodeExecutionResult, playbill.NodeContext]
)
def test_help_and_decoders_find_what_its_fields_hold(kind: Any) -> None:
    assert get_type_hints(kind).keys() >= {*kind.__struct_fields__}
    assert [*inspect.signature(kind).parameters] == [*kind.__struct_fields__]


def test_one_that_says_so_is_not_tracked() -> None:
    assert not gc.is_tracked(messages.Granted(PERMIT))
    assert gc.is_tracked(Failure("E", "m", retryable=True, data={"of": []}))


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_nobody_can_change_one(kind: type[Value]) -> None:
    assert kind.__struct_config__.frozen


def test_a_changed_one_is_another() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        PERMIT.epoch = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert msgspec.structs.replace(PERMIT, epoch=2) == Permit("k", 2, "1:r/n#1")
    if sys.version_info >= (3, 13):
        assert copy.replace(PERMIT, epoch=2).epoch == 2
    assert PERMIT.epoch == 1


def test_they_are_written_read_and_told_apart_as_dataclasses_were() -> None:
    assert pickle.loads(pickle.dumps(PERMIT)) == copy.deepcopy(PERMIT) == PERMIT
    assert repr(PERMIT) == "Permit(key='k', epoch=1, id='1:r/n#1', target='')"
    others: list[Value] = [messages.Due(1), messages.Proceed(1)]
    assert others[0] != others[1]
    match Now(1.0, datetime(2026, 1, 1, tzinfo=UTC)):
        case Now(monotonic, utc=moment):
            assert (monotonic, moment.year) == (1.0, 2026)
    assert plain_json({"permit": PERMIT}, "output")["permit"]["epoch"] == 1
