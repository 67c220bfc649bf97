"""The shapes of `--json` answers about runs on clusters."""

from typing_extensions import TypedDict

from scaffold.views.answers import Answer


class Detached(Answer):
    """Runs were left to a cluster, with `--detach`."""

    text: str
    hint: str


class HandedOverRun(TypedDict):
    """A run that was handed to a cluster: waiting, running, ended or gone."""

    name: str
    seed: int
    engine: str
    job: str
    created: str
    folder: str
    state: str


class HandedOver(Answer):
    """`runs`: those that are not recorded yet, the oldest first."""

    runs: list[HandedOverRun]


class RunsCancelled(Answer):
    """`runs --cancel`: how many were ended."""

    cancelled: int
