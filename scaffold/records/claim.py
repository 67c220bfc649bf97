"""A claim: one published number, by kind, and the rule by which evidence is judged.

Records only.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from scaffold.records.fields import Name, Text, keys_of
from scaffold.records.parsing import Record
from scaffold.records.yaml_text import WrittenFloat


class ClaimSource(Record):
    """Where a number is published: a page, or a file of the recipe."""

    url: Annotated[str, Field(pattern=r"^(https?://\S+|[\w./-]+)$")] = Field(
        description="of a page, or the path of a file of the recipe"
    )
    line: int | None = Field(default=None, description="of that file")
    words: Text = Field(description="quoted")


class Selection(Record):
    """The published number is the best of several runs."""

    best_of: Annotated[int, Field(ge=2)] = Field(description="runs that it was chosen from")


class _Claim(Record):
    metric: Name = Field(description="that was published, by name")
    dataset: Name = Field(description="that it was measured on, by name")
    basis: Literal["training", "evaluation", "early training"] = Field(
        description="of a run: trained in full, released weights evaluated, or trained for a while"
    )
    source: ClaimSource
    budget: Literal["stated", "unknown"] = Field(
        default="stated",
        description="unknown: how long was trained is not said, and no run can be judged by it",
    )

    @property
    def text(self) -> str:
        """Return what was published, in words."""
        raise NotImplementedError


class ValueClaim(_Claim):
    """One published value, with its spread over n runs if stated."""

    value: float = Field(description="as it is printed")
    decimals: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="digits printed; default: those of value as it is written"
    )
    sd: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="standard deviation over n runs"
    )
    standard_error: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description=(
            "of the mean over n runs; without n over test examples, which is no spread over seeds"
        ),
    )
    n: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="runs that the value is a mean of"
    )
    selection: Literal["one_run", "mean", "unknown"] | Selection = Field(
        default="unknown", description="how it was chosen among the author's runs"
    )

    @model_validator(mode="before")
    @classmethod
    def _written_decimals(cls, data: Any) -> Any:
        """Take the decimals as they are written: a published 0.90 is no 0.9."""
        if not isinstance(data, Mapping) or data.get("decimals") is not None:
            return data
        written = [one for key in ("value", "sd") if isinstance(one := data.get(key), WrittenFloat)]
        decimals = max((printed_decimals(one.text) for one in written), default=0)
        plain = max((_plain_decimals(one) for one in written), default=0)
        return {**data, "decimals": decimals} if decimals > plain else data

    @model_validator(mode="after")
    def _spread(self) -> "ValueClaim":
        if self.sd is not None and self.standard_error is not None:
            raise ValueError("sd and standard_error say the same in two ways: give one")
        if (self.sd is not None and self.n is None) or (self.n is not None and self.n < 2):
            raise ValueError("sd is over n runs (at least 2): give n too")
        return self

    @property
    def deviation(self) -> float | None:
        """Return the standard deviation over the n runs.

        It follows from the standard error if that was published.
        """
        if self.standard_error is not None and self.n is not None:
            return self.standard_error * math.sqrt(self.n)
        return self.sd

    @property
    def text(self) -> str:
        """Return the number with the decimals that were printed, and its spread."""
        decimals = max(0, round(-math.log10(2 * self.half_digit)))
        spread = [f"sd {self.sd:g}"] if self.sd is not None else []
        if self.standard_error is not None:
            spread.append(f"standard error {self.standard_error:g}")
        if self.n:
            spread.append(f"{self.n} runs")
        return f"{self.value:.{decimals}f}" + (f" ({', '.join(spread)})" if spread else "")

    @property
    def half_digit(self) -> float:
        """Return half a unit of the last printed digit: how far rounding alone moves the value."""
        printed = (self.value,) if self.sd is None else (self.value, self.sd)
        decimals = self.decimals
        if decimals is None:
            decimals = max(map(_plain_decimals, printed))
        return 0.5 * 10.0**-decimals


def _plain_decimals(number: float) -> int:
    """Return the decimals that a number needs."""
    return printed_decimals(repr(float(number)).removesuffix(".0"))


def printed_decimals(text: str) -> int:
    """Return the decimal place of the last digit of a number as printed.

    2 of "0.12", 4 of "1.5e-3", -2 of "1e2".
    """
    mantissa, _, exponent = text.strip().lower().partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


class RangeClaim(_Claim):
    """Published as a range, or as at least or at most a number."""

    at_least: float | None = Field(default=None, description="lower end")
    at_most: float | None = Field(default=None, description="upper end")

    @model_validator(mode="after")
    def _has_bound(self) -> "RangeClaim":
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least, at_most or both")
        return self

    @property
    def text(self) -> str:
        """Return the range."""
        low = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        high = [f"at most {self.at_most:g}"] if self.at_most is not None else []
        return " and ".join(low + high)


class Event(Record):
    """A threshold reached within a number of steps."""

    threshold: float = Field(description="that the metric must reach")
    within_steps: Annotated[int, Field(gt=0)] = Field(description="by this step")


class EventClaim(_Claim):
    """An event: the metric reaches a threshold within a budget of steps."""

    reaches: Event

    @property
    def text(self) -> str:
        """Return the threshold and the steps within which it was reached."""
        return f"{self.reaches.threshold:g} within {self.reaches.within_steps} steps"


class Target(Record):
    """A threshold and the steps it was published to take."""

    threshold: float = Field(description="that the metric must reach")
    steps: Annotated[float, Field(gt=0)] = Field(description="that this took")


class StepsToTargetClaim(_Claim):
    """How many steps (or epochs) it takes to reach a threshold."""

    steps_to: Target

    @property
    def text(self) -> str:
        """Return the threshold and the steps that it took."""
        return f"{self.steps_to.threshold:g} after {self.steps_to.steps:g} steps"


Claim = Annotated[
    Annotated[ValueClaim, Tag("<value>")]
    | Annotated[RangeClaim, Tag("<at_least>")]
    | Annotated[RangeClaim, Tag("<at_most>")]
    | Annotated[EventClaim, Tag("<reaches>")]
    | Annotated[StepsToTargetClaim, Tag("<steps_to>")],
    Discriminator(
        lambda data: next(
            (
                f"<{key}>"
                for key in ("value", "reaches", "steps_to", "at_least", "at_most")
                if key in keys_of(data)
            ),
            None,
        ),
        custom_error_type="one_of",
        custom_error_message="Give one of: value, at_least, at_most, reaches, steps_to",
    ),
]


class Margin(Record):
    """The difference that matters, in the metric's unit."""

    metric: Name = Field(description="that it is for")
    value: Annotated[float, Field(gt=0)] = Field(description="in the metric's unit")
    reason: Text = Field(description="why so much matters")


class Rule(Record):
    """How evidence is judged, declared before running.

    See docs/verdicts.md for the operating characteristics.
    """

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.05, description="risk of calling a sound reference different"
    )
    beta: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.05, description="risk of missing a difference of the margin"
    )
    delta_sd: Annotated[float, Field(gt=0)] = Field(
        default=2.0, description="the margin, in standard deviations of the calibration runs"
    )
    margins: tuple[Margin, ...] = Field(
        default=(), description="in place of `delta_sd`, for a metric"
    )
    max_seeds: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, description="after which it is INCONCLUSIVE"
    )
    monitor_alpha: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.01, description="risk of a false alarm, over all monitored metrics together"
    )
