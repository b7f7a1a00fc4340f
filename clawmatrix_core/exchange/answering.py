"""Running the handler of an exchange that another node has opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from clawmatrix_core.base.cancellation import stray
from clawmatrix_core.base.errors import ExchangeError, ExchangeFailure
from clawmatrix_core.base.serving import serves_input

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio import CancelScope

    from clawmatrix_core.exchange.endpoint import Endpoint
    from clawmatrix_core.exchange.exchange import Exchange

__all__ = ["Handler", "HandlerScope", "answer"]

Handler: TypeAlias = "Callable[[Exchange], Awaitable[None]]"
"""Answers an exchange."""


class HandlerScope(Protocol):
    """Runs handlers; the scope of a plugin is one."""

    def handle(
        self, fn: Callable[..., Awaitable[object]], *args: object, name: str | None = None
    ) -> bool:
        """Start a task, and give it its cancel scope; False where nothing is started any more."""

    def report(self, error: Exception, what: str) -> None:
        """Take the exception of a handler."""


@serves_input
async def answer(
    handling: CancelScope,
    exchange: Exchange,
    end: Endpoint,
    handler: Handler,
    scope: HandlerScope,
) -> None:
    """Run the handler of an accepted exchange, and end the exchange as the handler ends.

    ``handling`` is the scope that it runs in, which is cancelled when the exchange ends first.
    """
    end.handle_in(handling)
    try:
        if not end.given_up:  # else it was cancelled before it had its turn
            await handler(exchange)
        if not exchange.finished:
            await exchange.finish()
    except ExchangeFailure as failure:
        end.fail(failure)
    except ExchangeError as error:
        end.fail(ExchangeFailure("failed", str(error)))
    except BaseException as error:  # a handler's fault boundary
        if (fault := stray(error)) is None:
            raise
        _report(fault, exchange, end, scope)
    finally:
        end.drop(ExchangeFailure("cancelled", "the handler was cancelled"))


def _report(error: Exception, exchange: Exchange, end: Endpoint, scope: HandlerScope) -> None:
    scope.report(error, f"{exchange.type} handler")
    end.fail(ExchangeFailure("internal", "the handler failed"))
