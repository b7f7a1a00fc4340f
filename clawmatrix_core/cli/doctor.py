"""``clawmatrix doctor``: the problems of this node, and their remedies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import attrs
import click

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.redaction import redact, register_secret
from clawmatrix_core.cli.collisions import look_at_commands
from clawmatrix_core.cli.config import Outcome, look_at
from clawmatrix_core.cli.context import (
    ExitCode,
    Settings,
    echo_json,
    load_plugins,
    pass_settings,
    printable,
)
from clawmatrix_core.cli.control_client import ControlError, NotRunning, call
from clawmatrix_core.doctor.own_checks import all_checks, config_problems, config_warnings
from clawmatrix_core.doctor.running import finding_from_json, finding_json, run_checks
from clawmatrix_core.loading.contributions import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["doctor", "render_findings"]

SIGN_OF_LIFE = 5.0
"""Seconds the node has to answer anything at all."""
ANSWER_LIMIT = 60.0
"""Seconds it has to look at everything."""

_ADVICE = {
    "denied": "run this as the user whose node it is",
    "unknown_method": "start the node again: it is of an older version than this command",
}
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red", "skipped": "bright_black"}


@attrs.frozen
class Diagnosis:
    """All that was found. ``running`` says whether the node itself looked."""

    running: bool
    findings: tuple[Finding, ...]

    def count(self, status: str) -> int:
        """Return how many findings have a status."""
        return sum(finding.status == status for finding in self.findings)


@click.command(epilog="Example: clawmatrix doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def doctor(settings: Settings, as_json: bool) -> int:
    """Find out what is wrong, and say what to do about it.

    Asks the node where it runs, and looks for itself where it does not. Changes nothing. Exit
    code 12 where there is a problem.
    """
    found = diagnose(settings)
    if as_json:
        checks = [finding_json(finding) for finding in found.findings]
        echo_json({"running": found.running, "checks": checks})
    else:
        click.echo(render_findings(found.findings))
    return ExitCode.PROBLEMS if found.count("problem") else ExitCode.OK


def diagnose(settings: Settings) -> Diagnosis:
    """Look at the node of the configuration, whether it runs or not."""
    try:
        path = settings.config_file()
    except ConfigError as error:
        advice = "make one with `clawmatrix init` or `clawmatrix join`, or name it with -c FILE"
        return Diagnosis(False, (Finding("config", "problem", str(error), advice),))
    try:
        call(path, "plugins", timeout=SIGN_OF_LIFE, tell=False)
        answer = call(path, "doctor", timeout=ANSWER_LIMIT, tell=False)
    except ConfigError as error:
        return Diagnosis(False, tuple(config_problems(error.problems)))
    except NotRunning as error:
        advice = "start it: clawmatrix run"
        node = Finding("node", "skipped", redact(str(error)).partition(" (")[0], advice)
    except ControlError as error:
        advice = _ADVICE.get(error.code, "look at its log, or stop it and start it again")
        node = Finding("node", "problem", redact(str(error)).partition(" (")[0], advice)
    else:
        own = Finding("node", "ok", f"runs, and answered for {path}")
        found = tuple(map(finding_from_json, answer))
        return Diagnosis(True, (own, *found, *_look_at_commands(settings, found)))
    return Diagnosis(False, (node, *look(settings)))


def look(settings: Settings) -> list[Finding]:
    """Look at what can be seen without the node."""
    try:
        config = settings.load_config()
        outcome = look_at(config)
    except ConfigError as error:
        outcome = Outcome(list(error.problems))
    if outcome.problems:
        return [*config_problems(outcome.problems), _not_looked()]
    for secret in config.secrets:
        register_secret(secret.reveal())
    said = [*config_warnings(outcome.warnings)]
    valid = Finding("config", "ok", f"{config.path} is valid")
    found = anyio.run(run_checks, all_checks(config, load_plugins(config)))
    return [*said, valid, *found, *look_at_commands(config)]


def _look_at_commands(settings: Settings, known: Sequence[Finding]) -> list[Finding]:
    try:
        return look_at_commands(settings.load_config(), known)
    except ConfigError:
        return []  # the node has said so


def _not_looked() -> Finding:
    return Finding("others", "skipped", "the rest is looked at once the configuration is right")


def render_findings(findings: Sequence[Finding]) -> str:
    """Return the findings as text: a line each, and the advice below it."""
    width = max((len(finding.name) for finding in findings), default=0)
    lines: list[str] = []
    for finding in findings:
        status = click.style(f"{finding.status:7}", _COLOURS.get(finding.status))
        lines.append(f"{status}  {printable(finding.name):{width}}  {printable(finding.detail)}")
        if finding.advice and finding.status != "ok":
            lines.append(f"{'':9}{'':{width}}  -> {printable(finding.advice)}")
    return "\n".join([*lines, "", _summary(findings)])


def _summary(findings: Sequence[Finding]) -> str:
    counts: dict[str, Any] = {
        word: sum(finding.status == word for finding in findings) for word in ("problem", "warning")
    }
    told = [f"{n} {word}{'s' if n > 1 else ''}" for word, n in counts.items() if n]
    return " and ".join(told) or "nothing wrong was found"
