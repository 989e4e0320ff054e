"""Defaults are put into configs only where their model says the same as before."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    SecretStr,
    field_validator,
    model_validator,
)

from playbill.model.builtin import BUILTIN
from playbill.model.catalog import NodeType
from playbill.model.config_defaults import config_with_defaults
from playbill.model.definition import PipelineNode
from playbill.model.targets import TargetRule, text_of


def filled(model: type[BaseModel], config: dict[str, Any], **more: Any) -> dict[str, Any]:
    return config_with_defaults(PipelineNode(id="a", type="mine", config=config), NodeType("mine", model, **more))


def builtin(kind: str, **config: Any) -> dict[str, Any]:
    node_type = BUILTIN.get(kind)
    assert node_type is not None
    return config_with_defaults(PipelineNode(id="a", type=kind, config=config), node_type)


class Plain(BaseModel):
    city: str
    count: int = 3
    tags: list[str] = Field(default_factory=list)
    limits: list[int] = Field(default_factory=lambda: [1, 2])
    note: str | None = None


PLAIN = {"count": 3, "tags": [], "limits": [1, 2], "note": None}


def test_what_is_missing_is_put_in_and_what_is_written_stays_as_it_is() -> None:
    assert filled(Plain, {"city": "Lyon"}) == {"city": "Lyon", **PLAIN}
    assert filled(Plain, {"city": "Lyon", "count": "7"}) == {"city": "Lyon", **PLAIN, "count": "7"}


def test_two_configs_never_share_a_default() -> None:
    filled(Plain, {"city": "a"})["tags"].append("x")
    assert filled(Plain, {"city": "b"})["tags"] == []


def test_the_built_in_types_have_their_defaults_put_in() -> None:
    assert builtin("command", argv=["true"]) == {
        "argv": ["true"],
        "cwd": None,
        "env": {},
        "stdin": None,
        "ok_codes": [0],
        "max_output_bytes": 262144,
        "strip": False,
    }
    assert builtin("python", call="m:f") == {"call": "m:f", "args": {}}
    assert builtin("delay", seconds=1) == {"seconds": 1}
    assert builtin("trigger") == {}


def test_an_action_has_those_of_its_own_model_and_keeps_its_name() -> None:
    config = builtin("action", action="call_api", url="https://x")
    assert (config["action"], config["method"], config["json"], config["headers"]) == ("call_api", "GET", None, {})


def test_a_config_that_templates_keep_from_being_read_is_filled_at_its_top() -> None:
    config = filled(Plain, {"city": "Lyon", "count": "${trigger.n}"})
    assert config == {"city": "Lyon", **PLAIN, "count": "${trigger.n}"}
    config = builtin("action", action="call_api", url="https://x", timeout_seconds="${trigger.n}")
    assert (config["method"], config["timeout_seconds"]) == ("GET", "${trigger.n}")


def test_models_within_models_are_filled_too() -> None:
    class Cat(BaseModel):
        kind: Literal["cat"]
        lives: int = 9

    class Dog(BaseModel):
        kind: Literal["dog"]
        tricks: int = 1

    class Pets(RootModel[dict[str, Cat]]):
        pass

    class Home(BaseModel):
        first: Cat | Dog
        pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = Field(default_factory=list)
        named: Pets | None = None

    config = {"first": {"kind": "dog"}, "pets": [{"kind": "cat"}, {"kind": "dog"}], "named": {"tom": {"kind": "cat"}}}
    assert filled(Home, config) == {
        "first": {"kind": "dog", "tricks": 1},
        "pets": [{"kind": "cat", "lives": 9}, {"kind": "dog", "tricks": 1}],
        "named": {"tom": {"kind": "cat", "lives": 9}},
    }


def test_a_field_is_written_by_its_alias() -> None:
    class Aliased(BaseModel):
        one: int = Field(default=1, validation_alias="eins")
        two: int = Field(default=2, validation_alias=AliasChoices("zwei", "deux"))
        three: int = Field(default=3, validation_alias=AliasPath("outer", "drei"))

    assert filled(Aliased, {}) == {"eins": 1, "zwei": 2}
    assert filled(Aliased, {"deux": 5}) == {"deux": 5, "eins": 1}

    class Either(BaseModel):
        model_config = ConfigDict(populate_by_name=True)
        body: Any = Field(default=None, validation_alias="json")

    assert filled(Either, {"body": 1}) == {"body": 1}
    assert filled(Either, {}) == {"json": None}


def test_what_a_factory_may_give_otherwise_the_next_time_is_left_out() -> None:
    class Fresh(BaseModel):
        at: datetime = Field(default_factory=lambda: datetime.now(UTC))
        key: str = Field(default_factory=lambda: uuid4().hex)
        size: int = Field(default_factory=int)
        inner: Plain = Field(default_factory=lambda: Plain(city="x"))

    assert filled(Fresh, {}) == {"size": 0}


def test_what_json_cannot_say_or_would_be_a_template_is_left_out() -> None:
    class Odd(BaseModel):
        secret: SecretStr = SecretStr("x")
        pattern: str = "${HOME}"
        kept: tuple[int, ...] = (1, 2)

    assert filled(Odd, {}) == {"kept": [1, 2]}


def test_a_default_that_would_name_a_target_is_left_out() -> None:
    class Host(BaseModel):
        host: str | None = "example.org"
        port: int = 80

    assert filled(Host, {}, target=TargetRule(("host",), (text_of,))) == {"port": 80}
    assert builtin("action", action="send_notification", message="m", webhook="https://x")["apprise"] is None


def test_a_model_that_looks_at_what_was_set_keeps_its_config_as_it_is() -> None:
    class OneOf(BaseModel):
        a: int | None = None
        b: int | None = None

        @model_validator(mode="before")
        @classmethod
        def check(cls, data: dict[str, Any]) -> dict[str, Any]:
            if len(data) > 1:
                raise ValueError(f"{cls.__name__}: one")
            return data

    class Set(BaseModel):
        a: int = 1
        was_set: bool = False

        @model_validator(mode="after")
        def check(self) -> "Set":
            return self.model_copy(update={"was_set": "a" in self.model_fields_set})

    class NotBoth(BaseModel):
        a: int = 1
        b: int = 2

        @model_validator(mode="after")
        def check(self) -> "NotBoth":
            if len(self.model_fields_set) > 1:
                raise ValueError("not both")
            return self

    assert filled(NotBoth, {"a": "${trigger.n}"}) == {"a": "${trigger.n}"}
    assert filled(OneOf, {"a": 1}) == {"a": 1}
    assert filled(OneOf, {"a": "${trigger.n}"}) == {"a": "${trigger.n}"}
    assert filled(Set, {}) == {}


def test_a_check_that_raises_what_nobody_expects_keeps_its_config_as_it_is() -> None:
    class Broken(BaseModel):
        a: int
        b: int = 1

        @field_validator("a")
        @classmethod
        def check(cls, value: int) -> int:
            raise RuntimeError(f"broken by {value}")

    assert filled(Broken, {"a": 1}) == {"a": 1}


@pytest.mark.parametrize("extra", ["allow", "ignore"])
def test_fields_that_a_model_does_not_know_stay(extra: Any) -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra=extra)
        a: int = 1

    assert filled(Open, {"z": 2}) == {"z": 2, "a": 1}
