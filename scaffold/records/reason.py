"""Why something is as it is: a code for programs, a sentence for people."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A code and a sentence. No logic reads the sentence."""

    code: str
    text: str

    def __str__(self) -> str:
        return self.text
