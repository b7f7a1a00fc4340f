"""Every error ClawMatrix raises, by who is to blame.

::

    ClawMatrixError               ``.exit_code`` is what a program that fails with it ends with
    ├── ConfigError               the configuration; ``.problems`` lists all of them, each by path
    ├── StateError                the state folder: locked, unreadable, readable by others
    │   └── NewerStateError       a newer program wrote a file in it
    ├── StartError                the node cannot start before a person mends something
    ├── PluginError               a plugin could not be used; ``.plugin`` names it
    ├── DemandFailed              a hook that all plugins have to answer was not; ``.plugin``
    │   └── AuditFailed           the audit could not write a line before the work
    ├── Revoked                   work was ended, as it is no longer allowed; ``.reason``
    ├── LocalProtocolError        our own caller broke a rule of the protocol
    ├── RemoteProtocolError       a peer sent something it must not; costs that peer its link
    │   ├── HandshakeError        the other end could not prove itself
    │   └── DecryptError          a sealed body did not authenticate, or was a replay
    ├── ConnectionLost            a transport connection is gone
    ├── DialError                 a transport could not connect
    └── ExchangeError             an exchange ended without its answer; ``.may_have_begun``
        ├── Undeliverable         no route to the node within the grace time
        ├── PeerLost              the node stopped answering, or restarted and forgot
        ├── DeadlineExceeded      the time the caller allowed is over
        ├── ExchangeCancelled     the other side cancelled
        └── ExchangeFailure       the other side answered with an error; ``.code`` ``.detail``
            └── WrongShape        a payload is not of the class it was to be; ``.problems``
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core.base.json_value import JSON

__all__ = [
    "AuditFailed",
    "ClawMatrixError",
    "ConfigError",
    "ConnectionLost",
    "DeadlineExceeded",
    "DecryptError",
    "DemandFailed",
    "DialError",
    "ExchangeCancelled",
    "ExchangeError",
    "ExchangeFailure",
    "HandshakeError",
    "LocalProtocolError",
    "NewerStateError",
    "PeerLost",
    "PluginError",
    "RemoteProtocolError",
    "Revoked",
    "StartError",
    "StateError",
    "Undeliverable",
    "WrongShape",
]


class ClawMatrixError(Exception):
    """The root of all errors raised by ClawMatrix.

    Attributes:
        exit_code: what ``clawmatrix`` ends with where a command fails with the error; a program
            of a host may end with it too.
    """

    exit_code: int = 1


class ConfigError(ClawMatrixError):
    """The configuration has errors; all of them, each with its path, are in ``problems``."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class StateError(ClawMatrixError):
    """The state folder, or a file in it, cannot be used."""

    exit_code = 4


class NewerStateError(StateError):
    """A newer program wrote a file in the state folder; nothing was changed."""

    exit_code = 7


class StartError(ClawMatrixError):
    """The node cannot start before a person mends something outside it.

    A plugin raises it out of ``start_plugin`` where running without it would be worse than
    not running: its port is taken, its certificate cannot be read.

    Attributes:
        exit_code: what ``clawmatrix run`` ends with.
        plugin: the plugin that raised it; the node fills it in.
    """

    def __init__(self, message: str, *, exit_code: int = 5) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.plugin = ""


class PluginError(ClawMatrixError):
    """A plugin cannot be used."""

    def __init__(self, plugin: str, message: str) -> None:
        super().__init__(f"plugin {plugin}: {message}")
        self.plugin = plugin


class DemandFailed(ClawMatrixError):
    """A hook that every plugin has to answer was not answered, so nothing may be done.

    Attributes:
        plugin: the plugin that failed; empty where none implements the hook.
        words: what went wrong.
    """

    def __init__(self, plugin: str, words: str) -> None:
        super().__init__(f"plugin {plugin}: {words}" if plugin else words)
        self.plugin, self.words = plugin, words


class AuditFailed(DemandFailed):
    """What was to be done could not be written down, so it must not be done."""


class Revoked(ClawMatrixError):
    """Work was ended because it is no longer allowed; ``reason`` says why, for the log.

    Attributes:
        code: ``revoked``.
        reason: what changed, in words for this node's people; no peer is told.
    """

    code = "revoked"

    def __init__(self, reason: str) -> None:
        super().__init__("no longer allowed on this node")
        self.reason = reason


class LocalProtocolError(ClawMatrixError):
    """The local caller asked for something the protocol does not allow."""


class RemoteProtocolError(ClawMatrixError):
    """A peer broke the protocol. ``reason`` is a short word for counters."""

    def __init__(self, message: str, *, reason: str = "protocol") -> None:
        super().__init__(message)
        self.reason = reason


class HandshakeError(RemoteProtocolError):
    """The other end of a connection could not prove who it is."""


class DecryptError(RemoteProtocolError):
    """A sealed body did not authenticate, or was seen before."""


class ConnectionLost(ClawMatrixError):
    """A connection is closed. ``code`` is a WebSocket close code where there is one."""

    def __init__(self, message: str = "connection closed", *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code

    @classmethod
    def closed(cls, code: int, reason: str) -> ConnectionLost:
        """Return what both ends raise once one of them has closed the connection."""
        return cls(f"connection closed ({code}){reason and ': '}{reason}", code=code)


class DialError(ClawMatrixError):
    """A transport could not connect to an address.

    ``reason`` is a short word where it is known: ``not_listening``, ``name``, ``timeout``, ``tls``,
    ``untrusted``, ``broken_off``, ``not_a_node``, ``proxy``, ``address`` and others that only
    choose the advice; else empty.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class ExchangeError(ClawMatrixError):
    """An exchange ended without its answer.

    ``may_have_begun`` is False only where the far side certainly never saw the request,
    so that trying again elsewhere is safe.
    """

    def __init__(self, message: str, *, may_have_begun: bool = True) -> None:
        super().__init__(message)
        self.may_have_begun = may_have_begun


class Undeliverable(ExchangeError):
    """There was no route to the node within the grace time."""


class PeerLost(ExchangeError):
    """The node stopped answering, or restarted and no longer knows the exchange."""


class DeadlineExceeded(ExchangeError):
    """The deadline of the exchange passed."""


class ExchangeCancelled(ExchangeError):
    """The other side cancelled the exchange."""


class ExchangeFailure(ExchangeError):
    """An error answer. Handlers raise it to answer with one; callers get it raised.

    Attributes:
        code: a stable word (``not_found``).
        detail: JSON for programs.
        here: true where this node gave up, as it stops; the other side did not send the error.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        detail: JSON = None,
        may_have_begun: bool = True,
        here: bool = False,
    ) -> None:
        super().__init__(message, may_have_begun=may_have_begun)
        self.code = code
        self.detail = detail
        self.here = here


class WrongShape(ExchangeFailure):
    """A payload of the other side is not of the class that it was read as.

    ``problems`` has a line for each field that is wrong, with its path. A handler that lets it
    pass answers with it: the other side gets an ExchangeFailure ``bad_request`` with the lines.
    """

    def __init__(self, code: str, problems: Sequence[str]) -> None:
        super().__init__(code, "; ".join(problems), detail={"problems": list(problems)})
        self.problems = tuple(problems)
