"""What a decision by ``[grants]`` costs: a thousand rules, of which few or all concern the call.

``python -m tests.benchmarks.bench_grants --out results.json``

A decision waits for nothing, so the processor's time is what is measured. No rule applies to the
call that is asked for, so each that names its peer and its tool is looked at to its end.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config, ConfigSection
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.policy import Policy, Question
from tests.benchmarks.harness import Report, compare, interleave, options, pinned, versions

if TYPE_CHECKING:
    from collections.abc import Callable

HOME = NodeId("home")
RULES = 1000
MANY = 10_000
NAMING = 20
CALL: dict[str, Any] = {
    "argv": ["/usr/bin/make", "test", "--keep-going", "JOBS=2"],
    "cwd": "code/src/clawmatrix",
    "stdin": "",
    "deadline": 600.0,
}


def _rule(number: int) -> dict[str, Any]:
    """Return a rule that begins as the call does, and falls short of it in one of three places."""
    effect = ("allow", "ask", "deny")[number // 3 % 3]
    last = f"JOBS={number}" if number % 3 == 0 else "JOBS=?"
    tests = ["lint", "docs"] if number % 3 == 1 else ["test", "lint"]
    folder = f"code/*/claw{number}/**" if number % 3 == 2 else "code/*/clawmatrix"
    when = {"argv": ["/usr/bin/make", tests, "--keep-going", last], "cwd": folder}
    return {effect: ["exec"], "when": when}


def _table(rules: int, naming: int) -> dict[str, Any]:
    """Return a table of so many rules, of which some name the call's peer and tool."""
    own = [_rule(number) for number in range(naming)]
    other_tools = [{"allow": [f"tool{number}"]} for number in range(naming)]
    others = [_rule(number) for number in range(rules - naming - len(other_tools))]
    tables = {f"node{place}": {"rules": others[place::40]} for place in range(40)}
    return {"home": {"rules": [*own, *other_tools]}, **tables}


def _read(table: dict[str, Any]) -> GrantsConfig:
    config = Config.from_mapping({"node_id": "office", "secret": "s" * 40, "grants": table})
    config.bind([ConfigSection("grants", GrantsConfig)])
    return config.section(GrantsConfig)


def _case(table: dict[str, Any], calls: int) -> Callable[[], float]:
    """Return a case that gives the processor's microseconds for one decision."""
    key = Identity.generate()
    trust = TrustStore(MemoryState())
    trust.insist(HOME, key.sign_public, now=0.0)
    policy = Policy(_read(table), trust, wall=time.time)
    question = Question(HOME, key.key_text, "tool", "exec", CALL)

    def case() -> float:
        repeat = range(calls)
        began = time.process_time()
        for _ in repeat:
            policy.decide(question)
        return (time.process_time() - began) / calls * 1e6

    assert policy.decide(question).rule == "grants"
    return case


def _load(table: dict[str, Any]) -> float:
    """Return the milliseconds that reading a table takes, and putting it into its form."""
    began = time.process_time()
    Policy(_read(table), TrustStore(MemoryState()), wall=time.time)
    return (time.process_time() - began) * 1e3


def main() -> None:
    """Run the benchmark."""
    arguments = options("Cost of a decision by the grants.", rounds=15).parse_args()
    rounds, calls = (2, 5) if arguments.tiny else (arguments.rounds, 500)
    many = 100 if arguments.tiny else MANY
    report = Report("grants", settings={"rounds": rounds, "calls": calls})
    report.versions = versions(["clawmatrix"])
    few = _table(RULES, NAMING)
    all_ = {"home": {"rules": [_rule(number) for number in range(RULES)]}}
    with pinned(1) as is_pinned:
        report.settings["pinned"] = is_pinned
        cases = {"few": _case(few, calls * 10), "all": _case(all_, calls // 5 or 1)}
        found = interleave(cases, rounds)
        loads = interleave({"load": lambda: _load(_table(many, NAMING))}, min(rounds, 3))
    words = f"a decision, {RULES:,} rules of which {NAMING} name the node and the tool"
    report.add(compare(words, "us", "lower", found["few"], target="<= 50 us"))
    words = f"a decision, {RULES:,} rules that all name them"
    report.add(compare(words, "us", "lower", found["all"], target="<= 1000 us"))
    report.add(compare("10,000 rules read at the start", "ms", "lower", loads["load"]))
    report.save(arguments.out)


if __name__ == "__main__":
    main()
