"""What of a virtual loop has nothing to do with time: tasks, errors that nobody awaited, and what it refuses."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple

from playbill.model.errors import PlaybillError
from playbill.runtime.simulation.virtual.stuck import Unsupported

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
    from contextvars import Context

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def _refusing(name: str) -> Any:
    """Return a method that ends the simulation."""

    def refuse(self: LoopBase, *_: Any, **__: Any) -> NoReturn:
        error = Unsupported(name)
        self.fail(error)
        raise error

    return refuse


class LoopBase(asyncio.AbstractEventLoop):
    """An event loop without time, input and output."""

    def __init__(self) -> None:
        self.unhandled: list[dict[str, Any]] = []
        """What the exception handler was told."""
        self._closed = False
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._factory: Any = None
        self._asyncgens: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        self._debug = False

    def fail(self, error: BaseException) -> None:
        """Let the loop end with `error` after the callback at hand."""
        raise NotImplementedError

    # ---- futures and tasks ------------------------------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
        **more: Any,
    ) -> asyncio.Task[T]:
        """Make a task."""
        if self._factory is not None:
            task: asyncio.Task[T] = self._factory(self, coro, **({} if context is None else {"context": context}))
            if name is not None:
                task.set_name(name)
            return task
        return asyncio.Task(coro, loop=self, name=name, context=context, **more)

    def set_task_factory(self, factory: Any) -> None:
        """Make tasks by another's way."""
        self._factory = factory

    def get_task_factory(self) -> Any:
        """Return what makes tasks; None: nobody has set anything."""
        return self._factory

    # ---- errors and ends --------------------------------------------------------------------------------------

    def set_exception_handler(self, handler: Any) -> None:
        """Hear of what nobody awaited."""
        self._handler = handler

    def get_exception_handler(self) -> Any:
        """Return who hears."""
        return self._handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep it; a simulation's end names it."""
        self.unhandled.append(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell of an error that nobody awaited; one of the simulation's own ends it."""
        error = context.get("exception")
        if isinstance(error, PlaybillError) and getattr(error, "ends_the_simulation", False):
            self.fail(error)
        elif self._handler is not None:
            self._handler(self, context)
        else:
            self.default_exception_handler(context)

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.discard(generator)
        if not self._closed:
            self.create_task(generator.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close the async generators that are left."""
        for generator in list(self._asyncgens):
            await generator.aclose()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Return at once: there are no threads that could be waited for."""

    def get_debug(self) -> bool:
        """Tell whether it is in debug mode."""
        return self._debug

    def set_debug(self, enabled: bool) -> None:  # noqa: FBT001 (asyncio's signature)
        """Set the debug mode; nothing differs."""
        self._debug = enabled

    # ---- what leaves the simulation ---------------------------------------------------------------------------

    def add_signal_handler(self, sig: int, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Take a handler that is never called: no signals come in."""

    def remove_signal_handler(self, sig: int) -> bool:
        """Forget none."""
        return False

    create_connection: Any = _refusing("create_connection")
    create_server: Any = _refusing("create_server")
    create_datagram_endpoint: Any = _refusing("create_datagram_endpoint")
    create_unix_connection: Any = _refusing("create_unix_connection")
    create_unix_server: Any = _refusing("create_unix_server")
    getaddrinfo: Any = _refusing("getaddrinfo")
    getnameinfo: Any = _refusing("getnameinfo")
    sock_accept: Any = _refusing("sock_accept")
    sock_connect: Any = _refusing("sock_connect")
    sock_recv: Any = _refusing("sock_recv")
    sock_recv_into: Any = _refusing("sock_recv_into")
    sock_recvfrom_into: Any = _refusing("sock_recvfrom_into")
    set_default_executor: Any = _refusing("set_default_executor")
    sock_recvfrom: Any = _refusing("sock_recvfrom")
    sock_sendall: Any = _refusing("sock_sendall")
    sock_sendfile: Any = _refusing("sock_sendfile")
    sock_sendto: Any = _refusing("sock_sendto")
    sendfile: Any = _refusing("sendfile")
    start_tls: Any = _refusing("start_tls")
    connect_accepted_socket: Any = _refusing("connect_accepted_socket")
    connect_read_pipe: Any = _refusing("connect_read_pipe")
    connect_write_pipe: Any = _refusing("connect_write_pipe")
    subprocess_exec: Any = _refusing("subprocess_exec")
    subprocess_shell: Any = _refusing("subprocess_shell")
    add_reader: Any = _refusing("add_reader")
    remove_reader: Any = _refusing("remove_reader")
    add_writer: Any = _refusing("add_writer")
    remove_writer: Any = _refusing("remove_writer")
    run_in_executor: Any = _refusing("run_in_executor")
