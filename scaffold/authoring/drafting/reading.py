"""What was read of a source, and the draft that is made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from scaffold.authoring.drafting.choice import Chosen
from scaffold.authoring.drafting.command_words import StatedCommand
from scaffold.authoring.drafting.documents import Document
from scaffold.authoring.drafting.fixed_values import Setting
from scaffold.authoring.drafting.options import Option
from scaffold.authoring.drafting.published_numbers import PublishedNumber
from scaffold.authoring.drafting.python_files import Module, PythonFiles
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import FieldAnswer


@dataclass(slots=True)
class Draft:
    """What is known of a recipe.

    Attributes:
        files: the source.
        answers: by the field's place in the recipe, such as `commands.train.run`.
        warnings: what contradicts, and what must be minded.
        fixed: values that the program has no option for, by name: shown, not part of a recipe.
    """

    files: SourceFiles
    answers: dict[str, FieldAnswer] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    fixed: dict[str, FieldAnswer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSource:
    """All that was read of a source.

    Attributes:
        evaluation: what evaluates the trained model, where the chosen command does not.
    """

    files: SourceFiles
    documents: Sequence[Document]
    python: PythonFiles
    commands: Sequence[StatedCommand]
    claims: Sequence[PublishedNumber]
    chosen: Chosen
    modules: Sequence[Module]
    options: Sequence[Option]
    configuration: Sequence[Setting]
    evaluation: StatedCommand | None = None
