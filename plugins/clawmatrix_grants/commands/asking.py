"""Where commands get answers: from the running node, or from the files of one that does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core import ConfigError
from clawmatrix_core.cli import NotRunning, call, problems_of
from clawmatrix_grants.key_views import KeysAtRest
from clawmatrix_grants.report import NO_TABLE, Report
from clawmatrix_grants.tool_shapes import canonical_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core import JSON, Action
    from clawmatrix_core.cli import Settings

__all__ = ["Answers"]


class Answers:
    """Asks the node that runs, and looks into the files where none does.

    Attributes:
        running: whether the node answered; None where nobody has asked yet.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.running: bool | None = None

    def key(self, peer: str, given: str | None, bound: str | None) -> dict[str, Any]:
        """Return the key of a node; see ``Report.key_for``."""
        params = {"peer": peer, "given": given, "bound": bound}
        return self._ask("grants.key", params, lambda: self._key_at_rest(peer, given, bound))

    def show(self, peer: str | None) -> dict[str, Any]:
        """Return what everybody, or one node, may use; see ``Report.shown``."""
        return self._ask("grants.show", {"peer": peer}, lambda: self._report().shown(peer))

    def check(
        self, peer: str, action: Action, target: str, arguments: Mapping[str, JSON] | None
    ) -> dict[str, Any]:
        """Return what is decided, and what becomes of each rule; see ``GrantsMethods.check``."""
        params = {"peer": peer, "action": action, "target": target, "arguments": arguments}
        return self._ask(
            "grants.check", params, lambda: self._check_at_rest(peer, action, target, arguments)
        )

    def _ask(
        self, method: str, params: dict[str, JSON], otherwise: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = call(self._settings.config_file(), method, params)
        except NotRunning:
            self.running = False
            return otherwise()
        self.running = True
        return answer

    def _key_at_rest(self, peer: str, given: str | None, bound: str | None) -> dict[str, Any]:
        # The configuration may have secrets that only the node's own environment has.
        known = KeysAtRest(self._settings.locate().state_dir)
        return Report(None, known).key_for(peer, given, bound)

    def _report(self) -> Report:
        config = self._settings.load_config()
        if problems := problems_of(config):
            raise ConfigError(problems)
        return Report(config, KeysAtRest(config.state_dir))

    def _check_at_rest(
        self, peer: str, action: Action, target: str, arguments: Mapping[str, JSON] | None
    ) -> dict[str, Any]:
        if action == "tool" and arguments is not None:
            arguments = canonical_arguments((), target, arguments)
        report = self._report()
        question = report.question(peer, action, target, arguments)
        policy = report.policy()
        found = None if policy is None else policy.decide(question)
        told: dict[str, Any]
        if found is None or found.effect is None:
            effect = "allow" if action == "model" else "deny"
            reason = NO_TABLE if policy is None else "no rule is about it"
            told = {"effect": effect, "reason": reason, "rule": ""}
        else:
            told = attrs.asdict(found)
        told = {**told, "considered": report.considered(question)}
        unknown = report.unknown(question)
        return told if unknown is None else {**told, "reason": unknown}
