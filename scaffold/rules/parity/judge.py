"""What comparing two computations says of a rewrite. Pure."""

from collections.abc import Mapping, Sequence

from scaffold.records.judgement import ChangeJudgement, Finding, Judgement, Question, Word
from scaffold.rules.parity.checks import RUNGS, Rung, first_difference

_SHOWN = ("forward_eval", "forward_train", "functions", "replay")
"""At least one of these rungs must have been compared: without it nothing is known of what the
program computes."""


def construction_findings(rungs: Sequence[Rung]) -> list[Finding]:
    """Return one finding per check."""
    return [
        Finding(
            question=Question.PARITY,
            metric=rung.name,
            word=rung.word,
            n=rung.compared,
            reason=rung.reason
            or f"{rung.compared} compared, largest error {rung.worst:.2g} of what is allowed",
            rule=RUNGS[rung.name],
        )
        for rung in rungs
    ]


def refusal_of(rungs: Sequence[Rung], part: str = "") -> str | None:
    """Return why a rewrite of a part is not equal; None when it is."""
    first = first_difference(rungs)
    if first is not None:
        return f"it differs at {address_text(first)}"
    return uncompared(rungs, part)


def uncompared(rungs: Sequence[Rung], part: str = "") -> str | None:
    """Return what was not compared though it had to be: the computation, or the part itself."""
    words = {rung.name: rung.word for rung in rungs}
    if not any(words.get(name) is Word.EQUAL for name in _SHOWN):
        reasons = dict.fromkeys(rung.reason for rung in rungs if rung.reason)
        return "what it computes could not be compared: " + "; ".join(reasons)
    told = next((rung.uncompared for rung in rungs if rung.uncompared), "")
    if told:
        return told
    if words.get("functions") is not None:
        return None
    replay = next(
        (rung for rung in rungs if rung.name == "replay" and rung.word is Word.EQUAL), None
    )
    spoken_for = [
        *(_TRAINED if replay else ()),
        *(_REPORTED if replay and replay.has_metrics else ()),
    ]
    missing = [
        rung
        for rung in rungs
        if rung.name in _RUNGS_OF.get(part, ())
        and rung.word is Word.LEFT_OUT
        and rung.name not in spoken_for
    ]
    if not missing:
        return None
    names = ", ".join(f"{rung.name} ({rung.reason})" for rung in missing)
    return f"{part} was not compared: {names}"


_RUNGS_OF: Mapping[str, tuple[str, ...]] = {
    "data": ("data", "batches"),
    "loss": ("loss",),
    "optimiser": ("optimiser",),
    "schedule": ("schedule",),
    "evaluation": ("evaluation", "reporting"),
    "program": ("data", "loss", "optimiser", "reporting"),
}
"""Rungs that must have been compared where a stage of the training was rewritten."""

_TRAINED = ("data", "batches", "loss", "optimiser", "schedule")
"""Rungs that a whole run speaks for, which is the same after each update."""

_REPORTED = ("evaluation", "reporting")
"""The same, where that run ended by itself and reported the same."""


def address_text(rung: Rung) -> str:
    """Return check, module, call and step in words."""
    told = [rung.name]
    if rung.address is not None:
        told += [rung.address.module] if rung.address.module else []
        told += [_call_text(rung.address.call)] if rung.address.call else []
        told.append(f"step {rung.address.step + 1}")
        told += [rung.address.dtype] if rung.address.dtype else []
    return ", ".join(told)


_CALLS = 1000
"""Calls of a module are counted on from here in the next call of its network, as the tracer
does."""


def _call_text(call: int) -> str:
    of_network, own = divmod(call, _CALLS)
    return f"call {own + 1}" + (f" in call {of_network + 1} of the network" if of_network else "")


def judge_rewrite(
    part: str,
    rungs: Sequence[Rung],
    reproduction: Judgement | None,
    remarks: Sequence[str] = (),
    more: Sequence[Finding] = (),
) -> ChangeJudgement:
    """Judge a rewrite by the parity checks alone.

    EQUAL, DIFFERS, or INCONCLUSIVE where the part was not compared.

    It is accepted only if the published result holds as well.

    Args:
        part: what was rewritten.
        rungs: of the ladder.
        reproduction: of runs of the rewritten system; None where the ladder has already refused it.
        remarks: what else is to be known.
        more: findings such as `declaration`.
    """
    refusal = refusal_of(rungs, part)
    is_apart = first_difference(rungs) is not None
    word = Word.DIFFERS if is_apart else Word.INCONCLUSIVE if refusal else Word.EQUAL
    findings = [*construction_findings(rungs), *more]
    if reproduction is None and refusal is None:
        refusal = "no run of it shows the published result"
    if reproduction is not None:
        findings += reproduction.findings
        if refusal is None and reproduction.word is not Word.REPRODUCED:
            refusal = (
                f"the published result is {reproduction.word.value} by it: {reproduction.reason}"
            )
    if refusal is None:
        refusal = next((f"{f.metric} {f.reason}" for f in more if f.word is Word.UNEXPECTED), None)
    return ChangeJudgement(
        word=word, kind="rewrite", refusal=refusal, findings=tuple(findings), remarks=tuple(remarks)
    )
