"""Never run: what mypy and pyright say of handlers (an ignore that nothing needs is an error, too)."""

# ruff: noqa: ANN001, ANN201, ARG004 (users write them so)

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, assert_type

from pydantic import BaseModel

import playbill


class Config(BaseModel):
    """What a node of this type is configured with."""

    city: str


@dataclass
class Weather:
    """An output."""

    degrees: float


class Inputs(TypedDict):
    """Inputs by node id."""

    start: dict[str, str]


@playbill.node_type("weather", Config)
async def weather(node: playbill.PipelineNode, inputs: Inputs, context: playbill.NodeContext[Config]) -> Weather:
    assert_type(context.config, Config)
    assert_type(context.config.city, str)
    context.config.town  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    return Weather(20.0)


@playbill.action("mail", Config)
def mail(node: playbill.PipelineNode, inputs: Mapping[str, Mapping[str, Any]], context: playbill.NodeContext) -> None:
    assert_type(context, playbill.NodeContext[Any])
    assert_type(context.config, Any)


@playbill.action("post", version="2", accepts=["1"])
def post(node: object, inputs: object, context: object) -> None: ...


@playbill.node_type("send", version="2", accepts="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def send(node: object, inputs: object, context: object) -> None: ...


@playbill.node_type("several")
def several(*given: object, more: int = 1) -> list[int]:
    return [more]


@playbill.node_type("model")
async def model(node: object, inputs: object, context: object, more: int = 1) -> Config:
    return Config(city="Lyon")


class Shop:
    """Its methods are handlers."""

    def work(self, node: playbill.PipelineNode, inputs: dict[str, Any], context: playbill.NodeContext) -> str:
        return "done"

    @playbill.node_type("static")
    @staticmethod
    def static(node: playbill.PipelineNode, inputs: dict[str, Any], context: playbill.NodeContext) -> bool:
        return True


playbill.node_type("bound")(Shop().work)
playbill.node_type("partial")(functools.partial(several, more=2))
playbill.node_type("lambda")(lambda node, inputs, context: {"id": node.id, "config": context.config})


async def kept(shop: Shop, node: playbill.PipelineNode, context: playbill.NodeContext[Config]) -> None:
    """The decorators keep what a function is."""
    assert_type(mail(node, {}, context), None)
    assert_type(several(1, 2, 3, more=4), list[int])
    assert_type(playbill.node_type("kept")(shop.work)(node, {}, context), str)
    assert_type(await model(node, {}, context), Config)


@playbill.node_type("few")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def few(a):  # type: ignore[no-untyped-def]
    return {}


@playbill.action("few")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
async def few_of_action(node: playbill.PipelineNode) -> dict[str, Any]:
    return {}


@playbill.node_type("many")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def many(node: object, inputs: object, context: object, more: int) -> None: ...


@playbill.node_type("keyword")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def keyword(node: object, inputs: object, *, context: object) -> None: ...


@playbill.node_type("order")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def order(context: playbill.NodeContext, node: playbill.PipelineNode, inputs: object) -> None: ...


@playbill.node_type  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def bare(node: object, inputs: object, context: object) -> None: ...


playbill.node_type("config", dict)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
