"""What comparing two computations says of a rewrite. Pure."""

from collections.abc import Sequence

from scaffold.records.judgement import ChangeJudgement, Finding, Judgement, Word
from scaffold.rules.rung import RUNGS, Rung, first_difference

_SHOWN = ("forward_eval", "forward_train", "functions")
"""At least one of these rungs must have been compared: without it nothing is known of what the program computes."""


def construction_findings(rungs: Sequence[Rung]) -> list[Finding]:
    """A finding a rung."""
    return [
        Finding(
            question="construction", metric=rung.name, word=rung.word, n=rung.compared,
            reason=rung.reason or f"{rung.compared} compared, largest error {rung.worst:.2g} of what is allowed",
            rule=RUNGS[rung.name],
        )
        for rung in rungs
    ]  # fmt: skip


def refusal_of(rungs: Sequence[Rung]) -> str | None:
    """Why a rewrite with these rungs is not equal; None when it is."""
    first = first_difference(rungs)
    if first is not None:
        return f"it differs at {address_text(first)}"
    if not any(rung.word is Word.EQUAL for rung in rungs if rung.name in _SHOWN):
        return "what it computes could not be compared: " + "; ".join(rung.reason for rung in rungs if rung.reason)
    return None


def address_text(rung: Rung) -> str:
    """Rung, module, call and step in words."""
    told = [rung.name]
    if rung.address is not None:
        told += [rung.address.module] if rung.address.module else []
        told += [f"call {rung.address.call + 1}"] if rung.address.call else []
        told.append(f"step {rung.address.step + 1}")
        told += [rung.address.dtype] if rung.address.dtype else []
    return ", ".join(told)


def judge_rewrite(
    rungs: Sequence[Rung], reproduction: Judgement | None, remarks: Sequence[str] = (), more: Sequence[Finding] = ()
) -> ChangeJudgement:
    """EQUAL or DIFFERS, by the ladder alone; it is accepted only if the published result holds as well.

    Args:
        rungs: of the ladder.
        reproduction: of runs of the rewritten system; None where the ladder has already refused it.
        remarks: what else is to be known.
        more: findings such as `declaration`.
    """
    refusal = refusal_of(rungs)
    word = Word.DIFFERS if refusal else Word.EQUAL
    findings = [*construction_findings(rungs), *more]
    if reproduction is None and refusal is None:
        refusal = "no run of it shows the published result"
    if reproduction is not None:
        findings += reproduction.findings
        if refusal is None and reproduction.word is not Word.REPRODUCED:
            refusal = f"the published result is {reproduction.word.value} by it: {reproduction.reason}"
    if refusal is None:
        refusal = next((f"{f.metric} {f.reason}" for f in more if f.word is Word.UNEXPECTED), None)
    return ChangeJudgement(word=word, kind="rewrite", refusal=refusal, findings=tuple(findings), remarks=tuple(remarks))
