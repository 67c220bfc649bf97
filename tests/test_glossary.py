"""The glossary has every word that a user meets, and the README says nothing that it lacks."""

import pytest

from scaffold.glossary import read_glossary
from scaffold.records.engine import Engines, RayTarget, SlurmTarget
from scaffold.records.goal import Goal
from scaffold.records.judgment import Question, Verdict
from scaffold.records.recipe import Recipe
from scaffold.records.system import System
from scaffold.records.tweak import Tweak, TweakKind
from scaffold.rules.parity.checks import CHECKS
from scaffold.views import change, reproduction

ENTRIES = read_glossary()
KEYS = {
    field.alias or name
    for model in (Recipe, System, Tweak, Goal, Engines, SlurmTarget, RayTarget)
    for name, field in model.model_fields.items()
}


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_explained(verdict):
    assert verdict.value in ENTRIES


def test_every_column_and_question_is_explained():
    columns = {*reproduction._COLUMNS, *change._CHANGE_COLUMNS, *(q.value for q in Question)}
    assert columns - ENTRIES.keys() == set()


def test_every_check_is_explained():
    assert CHECKS.keys() - ENTRIES.keys() == set()


def test_every_key_is_explained():
    known = {word.replace(" ", "_") for word in ENTRIES}
    assert KEYS - known == set()
    assert TweakKind


def test_explain(cli):
    assert "better here than published" in cli("explain", "exceeds").out
    assert cli("explain", "base-branch", "--json").json["entries"].keys() == {"base_branch"}
    assert cli("explain", "pair", "--json").json["entries"].keys() == {"pairs"}
    assert cli("explain", "short-mode", "--json").json["entries"].keys() == {"short mode"}
    assert cli("explain", "smoke", "run", "--json").json["entries"].keys() == {"smoke run"}
    assert "REPRODUCED" in cli("explain").out
    assert "did you mean REPRODUCED" in cli("explain", "reproducd", code=2).err


def test_a_metric_is_explained_by_the_file_that_declares_it(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    text = " ".join(cli("explain", "accuracy", cwd=project).out.split())
    assert "accuracy: A metric that recipe.yaml declares: of the split" in text
    assert "higher is better" in text
    assert "the last one" in text
    assert "the glossary has no 'accuracy'" in cli("explain", "accuracy", code=2).err
    (project / "recipe.yaml").write_text("broken: [")
    assert "REPRODUCED" in cli("explain", "reproduced", cwd=project).out
