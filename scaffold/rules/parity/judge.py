"""What comparing two computations says of a rewrite. Pure."""

from collections.abc import Mapping, Sequence

from scaffold.records.judgment import ChangeJudgment, Finding, Judgment, Question, Verdict
from scaffold.rules.parity.checks import CHECKS, CheckResult, first_difference

_SHOWN = ("forward_eval", "forward_train", "functions", "replay")
"""At least one of these checks must have been compared: without it nothing is known of what the
program computes."""


def findings_of_checks(checks: Sequence[CheckResult]) -> list[Finding]:
    """Return one finding per check."""
    return [
        Finding(
            question=Question.PARITY,
            metric=check.name,
            verdict=check.verdict,
            n=check.compared,
            reason=check.reason
            or f"{check.compared} compared, largest error {check.worst:.2g} of what is allowed",
            rule=CHECKS[check.name],
        )
        for check in checks
    ]


def refusal_of(checks: Sequence[CheckResult], part: str = "") -> str | None:
    """Return why a rewrite of a part is not equal; None when it is."""
    first = first_difference(checks)
    if first is not None:
        return f"it differs at {address_text(first)}"
    return uncompared(checks, part)


def uncompared(checks: Sequence[CheckResult], part: str = "") -> str | None:
    """Return what was not compared though it had to be: the computation, or the part itself."""
    verdicts = {check.name: check.verdict for check in checks}
    if not any(verdicts.get(name) is Verdict.EQUAL for name in _SHOWN):
        reasons = dict.fromkeys(check.reason for check in checks if check.reason)
        return "what it computes could not be compared: " + "; ".join(reasons)
    reason = next((check.uncompared for check in checks if check.uncompared), "")
    if reason:
        return reason
    if verdicts.get("functions") is not None:
        return None
    replay = next(
        (check for check in checks if check.name == "replay" and check.verdict is Verdict.EQUAL),
        None,
    )
    spoken_for = [
        *(_TRAINED if replay else ()),
        *(_REPORTED if replay and replay.has_metrics else ()),
    ]
    missing = [
        check
        for check in checks
        if check.name in _CHECKS_OF.get(part, ())
        and check.verdict is Verdict.LEFT_OUT
        and check.name not in spoken_for
    ]
    if not missing:
        return None
    names = ", ".join(f"{check.name} ({check.reason})" for check in missing)
    return f"{part} was not compared: {names}"


_CHECKS_OF: Mapping[str, tuple[str, ...]] = {
    "data": ("data", "batches"),
    "loss": ("loss",),
    "optimizer": ("optimizer",),
    "schedule": ("schedule",),
    "evaluation": ("evaluation", "reporting"),
    "program": ("data", "loss", "optimizer", "reporting"),
}
"""Checks that must have been compared where a stage of the training was rewritten."""

_TRAINED = ("data", "batches", "loss", "optimizer", "schedule")
"""Checks that a whole run speaks for, which is the same after each update."""

_REPORTED = ("evaluation", "reporting")
"""The same, where that run ended by itself and reported the same."""


def address_text(check: CheckResult) -> str:
    """Return check, module, call and step in words."""
    words = [check.name]
    if check.address is not None:
        words += [check.address.module] if check.address.module else []
        words += [_call_text(check.address.call)] if check.address.call else []
        words.append(f"step {check.address.step + 1}")
        words += [check.address.dtype] if check.address.dtype else []
    return ", ".join(words)


_CALLS = 1000
"""Calls of a module are counted on from here in the next call of its network, as the tracer
does."""


def _call_text(call: int) -> str:
    of_network, own = divmod(call, _CALLS)
    return f"call {own + 1}" + (f" in call {of_network + 1} of the network" if of_network else "")


def judge_rewrite(
    part: str,
    checks: Sequence[CheckResult],
    reproduction: Judgment | None,
    remarks: Sequence[str] = (),
    additional: Sequence[Finding] = (),
) -> ChangeJudgment:
    """Judge a rewrite by the parity checks alone.

    EQUAL, DIFFERS, or INCONCLUSIVE where the part was not compared.

    It is accepted only if the published result holds as well.

    Args:
        part: what was rewritten.
        checks: results of the parity checks.
        reproduction: of runs of the rewritten system; None where the parity checks have already
            refused it.
        remarks: what else is to be known.
        additional: findings such as `declaration`.
    """
    refusal = refusal_of(checks, part)
    is_apart = first_difference(checks) is not None
    verdict = Verdict.INCONCLUSIVE if refusal else Verdict.EQUAL
    if is_apart:
        verdict = Verdict.DIFFERS
    findings = [*findings_of_checks(checks), *additional]
    if reproduction is None and refusal is None:
        refusal = "no run of it shows the published result"
    if reproduction is not None:
        findings += reproduction.findings
        if refusal is None and reproduction.verdict is not Verdict.REPRODUCED:
            refusal = (
                f"the published result is {reproduction.verdict.value} by it: {reproduction.reason}"
            )
    if refusal is None:
        refusal = next(
            (f"{f.metric} {f.reason}" for f in additional if f.verdict is Verdict.UNEXPECTED), None
        )
    return ChangeJudgment(
        verdict=verdict,
        kind="rewrite",
        refusal=refusal,
        findings=tuple(findings),
        remarks=tuple(remarks),
    )
