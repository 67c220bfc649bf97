"""What a verdict looks like on a terminal: what is shown, what is kept back, and how it is laid out."""

from dataclasses import replace

import pytest

from scaffold.records.judgment import ChangeJudgment, Finding, Judgment, Question, Verdict
from scaffold.records.reason import Reason
from scaffold.rules.parity.checks import Address, CheckResult
from scaffold.views.change import format_change
from scaffold.views.parity import format_rewrite
from scaffold.views.reproduction import format_judgment
from scaffold.views.tables import format_duration, plain, table


def paint(text, color):
    return text


def finding(question, verdict, reason="its reason", **more):
    return Finding(
        question=question,
        metric="accuracy",
        verdict=verdict,
        reason=reason,
        rule="its rule",
        **more,
    )


CLAIM = finding(
    Question.CLAIM,
    Verdict.CONSISTENT,
    published="0.97",
    n=3,
    mean=0.9712,
    sd=0.001,
    interval=(0.96, 0.98),
)
RESULT = finding(Question.REPRODUCTION, Verdict.REPRODUCED, reason="inside what seeds give")
JUDGMENT = Judgment(verdict=Verdict.REPRODUCED, basis="training", findings=(RESULT, CLAIM))


def test_a_reproduction_is_said_in_three_lines():
    lines = format_judgment(JUDGMENT, 100, paint).splitlines()
    assert lines == [
        "  REPRODUCED  the reference gives its published result here (trained here in full)",
        "",
        "  Claim      accuracy: published 0.97, here 0.9712 (sd 0.001, 3 seeds): CONSISTENT, its reason",
        "  Why        accuracy: inside what seeds give",
    ]


@pytest.mark.parametrize(
    ("published", "mean", "shown"),
    [
        ("0.97", 0.9712, "0.9712"),
        ("27.196", 27.1958, "27.196"),
        ("0.984686", 0.9846859, "0.984686"),
        ("-658.75", -658.748, "-658.75"),
        ("1.2 (sd 0.001)", 1.25, "1.25"),
        ("475 within 3000 steps", 475.41, "475.4"),
        ("0.0001", 2.5e-7, "2.5e-07"),
    ],
)
def test_what_was_measured_has_the_decimals_of_what_is_published(published, mean, shown):
    claim = replace(CLAIM, published=published, mean=mean)
    text = format_judgment(replace(JUDGMENT, findings=(RESULT, claim)), 200, paint)
    assert f"here {shown} (" in text


def test_without_a_claim_it_does_not_speak_of_a_published_result():
    text = format_judgment(replace(JUDGMENT, findings=(RESULT,)), 100, paint)
    assert "what its calibration runs gave" in text and "none: the source publishes no" in text
    assert "published result" not in text


def test_what_is_unusual_is_noticed_and_what_is_usual_is_not():
    loss = replace(
        finding(Question.MONITORED, Verdict.UNEXPECTED, reason="it jumped"), metric="loss"
    )
    quiet = replace(finding(Question.MONITORED, Verdict.EXPECTED, reason="as ever"), metric="time")
    judgment = replace(
        JUDGMENT,
        findings=(*JUDGMENT.findings, loss, quiet),
        deviations=(Reason(code="cpu", text="run on a CPU"),),
    )
    text = format_judgment(judgment, 100, paint)
    assert "Noticed    loss: UNEXPECTED, it jumped" in text
    assert "Deviation  run on a CPU" in text
    assert "as ever" not in text
    assert "as ever" in format_judgment(judgment, 100, paint, verbose=True)


@pytest.mark.parametrize("width", [200, 100, 60, 30])
def test_every_number_and_rule_is_shown_at_any_width(width):
    text = format_judgment(JUDGMENT, width, paint, verbose=True)
    words = " ".join(text.split())
    for shown in ("0.9712", "0.001", "0.96 .. 0.98", "its rule", "inside what seeds give"):
        assert shown in words, (shown, text)


CHANGE = finding(
    Question.CHANGE,
    Verdict.BETTER,
    before=0.90,
    mean=0.93,
    interval=(0.01, 0.05),
    n=5,
    correlation=0.5,
)
BETTER = ChangeJudgment(verdict=Verdict.BETTER, kind="improve", refusal=None, findings=(CHANGE,))


def test_a_change_says_first_whether_it_can_be_accepted():
    assert format_change((), BETTER, 100, paint).startswith(
        "  BETTER  can be accepted (kind improve)"
    )
    refused = replace(BETTER, verdict=Verdict.WORSE, refusal="it must not be worse")
    said = format_change((), refused, 100, paint)
    assert said.startswith("  WORSE  cannot be accepted: it must not be worse")


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_of_a_change_and_of_its_findings_can_be_shown(verdict):
    judgment = replace(BETTER, verdict=verdict, findings=(replace(CHANGE, verdict=verdict),))
    assert verdict.value in format_change((), judgment, 100, paint, verbose=True)
    assert verdict.value in format_rewrite((), judgment, 100, paint, verbose=True)
    if verdict.overall is verdict:
        reproduction = replace(JUDGMENT, verdict=verdict)
        assert format_judgment(reproduction, 100, paint).startswith(f"  {verdict.value}")


def test_a_rewrite_shows_its_metrics_and_rules_when_asked():
    short = format_rewrite((), BETTER, 100, paint)
    assert "its rule" not in short and "its rule" in format_rewrite(
        (), BETTER, 100, paint, verbose=True
    )


@pytest.mark.parametrize(("interval", "is_shown"), [((-0.1, 0.1), False), ((0.1, 0.2), True)])
def test_a_monitored_metric_is_shown_where_it_moved(interval, is_shown):
    moved = finding(Question.MONITORED, Verdict.EXPECTED, reason="of the loss", interval=interval)
    text = format_change((), replace(BETTER, findings=(CHANGE, moved)), 100, paint)
    assert ("of the loss" in text) is is_shown


def check(name, verdict, **more):
    return CheckResult(name=name, verdict=verdict, **more)


def test_a_rewrite_counts_its_checks_and_shows_the_first_difference():
    checks = (
        check(
            "output",
            Verdict.DIFFERS,
            address=Address(module="layer1"),
            reason="1e-3 is more than 1e-6",
            worst=1e3,
        ),
        check("gradients", Verdict.DIFFERS, reason="another reason"),
        check("parameters", Verdict.EQUAL, compared=4),
        check("draws", Verdict.LEFT_OUT, reason="none were seen"),
    )
    judgment = ChangeJudgment(
        verdict=Verdict.DIFFERS, kind="rewrite", refusal="output differs", findings=()
    )
    text = format_rewrite(checks, judgment, 100, paint)
    assert "Checks     1 equal, 2 different, 1 left out" in text
    assert "Differs    at output, layer1, step 1: 1e-3 is more than 1e-6" in text
    assert "another reason" not in text
    assert "gradients differ, which may follow from it" in text
    assert "Left out   draws: none were seen" in text


def test_a_table_that_does_not_fit_becomes_blocks():
    rows = [("a", "long" * 5), ("b", "")]
    wide = table(("name", "value"), rows, 80, lambda row, text: text)
    narrow = table(("name", "value"), rows, 20, lambda row, text: text)
    assert len(wide) == 3
    assert narrow == ["  name   a", "  value  " + "long" * 5, "", "  name   b", "  value  "]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert format_duration(seconds) == text


def test_untrusted_text_moves_no_cursor():
    assert plain("a\x1b[2Jb\u202ec\td") == "a?[2Jb?c\td"
