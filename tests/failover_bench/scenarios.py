"""The sixteen scenarios: what is asked for, and what has to hold. After the public catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from tests.failover_bench.provider import ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.failover_bench.provider import Attempt

__all__ = ["SCENARIOS", "Outcome", "Scenario", "Verdict", "judge", "without_a_stream"]

Verdict = Literal["pass", "partial", "safe", "fail"]


@attrs.frozen
class Outcome:
    """What a client and the provider saw of one call.

    Attributes:
        seconds: how long the call took, in the catalogue's time.
        content: the answer, as far as it came.
        success: the client was told of no error.
        model: the model the answer names.
        usage: whether the answer told of usage.
        error: what the client was told.
        primary, fallback: the attempts, in the catalogue's time.
        alive: whether a healthy call was answered afterwards.
        prefill_refused: how often a prompt with a beginning of an answer was refused.
    """

    seconds: float
    content: str
    success: bool
    model: str | None
    usage: bool
    error: str | None
    primary: Sequence[Attempt]
    fallback: Sequence[Attempt]
    alive: bool
    prefill_refused: int

    @property
    def rescued(self) -> bool:
        """Whether the client has the whole answer."""
        return self.success and self.content == ANSWER

    @property
    def truncated_success(self) -> bool:
        """Whether half an answer looks whole: never, anywhere."""
        return self.success and self.content != ANSWER

    def gap(self) -> float:
        """Return the seconds between the first two attempts on the primary."""
        return self.primary[1].at - self.primary[0].at if len(self.primary) > 1 else 0.0

    def within(self, seconds: float) -> int:
        """Return how many attempts the primary saw in the first seconds."""
        return sum(one.at - self.primary[0].at <= seconds for one in self.primary)


Check = "Callable[[Outcome], bool]"


@attrs.frozen
class Scenario:
    """One scenario.

    Attributes:
        id: as in the catalogue, which the provider's primary model is named after.
        title: what goes wrong.
        most: seconds in which the call must end.
        required: what must hold, by name.
        advised: what should hold, by name.
        fallback: the model of the fallback.
        ideal: what the best outcome is.
    """

    id: str
    title: str
    most: float
    required: dict[str, Callable[[Outcome], bool]] = attrs.field(factory=dict)
    advised: dict[str, Callable[[Outcome], bool]] = attrs.field(factory=dict)
    fallback: str = "ok"
    ideal: Literal["answer", "error"] = "answer"

    @property
    def model(self) -> str:
        """The name of the primary at the provider."""
        return self.id.lower()


def judge(scenario: Scenario, outcome: Outcome) -> tuple[Verdict, list[str]]:
    """Return the verdict on an outcome, and the names of the checks that failed."""
    required = {
        "no hang": lambda o: o.seconds <= scenario.most,
        "no truncated success": lambda o: not o.truncated_success,
        **scenario.required,
    }
    failed = [name for name, check in required.items() if not check(outcome)]
    advised = [name for name, check in scenario.advised.items() if not check(outcome)]
    if failed:
        return "fail", failed + advised
    ideal = outcome.rescued if scenario.ideal == "answer" else not outcome.success
    if not ideal:
        return ("safe" if scenario.ideal == "answer" else "partial"), advised
    return ("partial" if advised else "pass"), advised


def without_a_stream(scenario: Scenario) -> Scenario:
    """Return what has to hold where no stream is asked for.

    An answer in one piece has no first token, and one without a frame no mark at its end.
    """
    advised = {n: check for n, check in scenario.advised.items() if n != "first-token limit"}
    return attrs.evolve(scenario, advised=advised)


def _primary(least: int, most: int) -> Callable[[Outcome], bool]:
    return lambda outcome: least <= len(outcome.primary) <= most


SCENARIOS = (
    Scenario(
        "S01",
        "429 with Retry-After",
        20,
        {"no hammering": lambda o: o.within(1.5) <= 2},
        {"retried": _primary(2, 99), "Retry-After kept": lambda o: o.gap() >= 1.8},
    ),
    Scenario(
        "S02",
        "429 without Retry-After, always",
        40,
        {"no hammering": lambda o: o.within(3) <= 4, "few attempts": _primary(1, 6)},
    ),
    Scenario("S03", "500 once", 20, {}, {"retried at the same provider": _primary(2, 99)}),
    Scenario("S04", "503 always", 40, {"few attempts": _primary(1, 6)}),
    Scenario("S05", "connection reset before the headers", 20),
    Scenario(
        "S06",
        "no response at all",
        130,
        {"within budget": lambda o: o.seconds <= 100},
        {"silent route not retried": _primary(1, 1)},
    ),
    Scenario(
        "S07", "first token after 20 s", 60, {}, {"first-token limit": lambda o: o.seconds <= 15}
    ),
    Scenario("S08", "stream cut after 40 of 60 tokens", 40),
    Scenario(
        "S09",
        "stream stalls for 30 s after 20 tokens",
        70,
        {"bounded": lambda o: o.seconds <= 45, "alive afterwards": lambda o: o.alive},
    ),
    Scenario(
        "S10",
        "a malformed event",
        30,
        {"alive afterwards": lambda o: o.alive},
        {"complete": lambda o: o.rescued},
    ),
    Scenario(
        "S11",
        "no [DONE]",
        30,
        {"ends promptly": lambda o: o.seconds <= 8},
        {"usage": lambda o: o.usage},
    ),
    Scenario("S12", "context length exceeded", 20, {"not retried": _primary(1, 1)}),
    Scenario("S13", "content filter", 20, {"not retried": _primary(1, 1)}, ideal="error"),
    Scenario(
        "S14",
        "stream cut, fallback refuses a prefill",
        40,
        {"no masking": lambda o: o.success or not o.prefill_refused},
        fallback="ok-noprefill",
    ),
    Scenario("S15", "down for 60 s, then healthy", 200),
    Scenario(
        "S16",
        "the fallback answers",
        40,
        {"names the fallback": lambda o: o.model == "ok", "few attempts": _primary(1, 6)},
        {"usage": lambda o: o.usage},
    ),
)
