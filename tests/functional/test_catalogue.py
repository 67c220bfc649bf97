"""Recipes of others: a catalogue is added, searched, used and removed."""

from pathlib import Path

import pytest
from helpers import edit, git, make_repository, toy_recipe


@pytest.fixture
def catalogue(cli, tmp_path):
    """A git repository with two recipes that can be read and one that cannot."""
    folder = tmp_path / "catalogue"
    make_repository(folder, {"README.md": "recipes\n"})
    toy_recipe(folder / "spam", id="spam", title="Spam in emails", task="text-classification")
    toy_recipe(folder / "more/letters", id="letters", task="image-classification")
    (folder / "broken").mkdir()
    (folder / "broken/recipe.yaml").write_text("format: 1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "recipes")
    url = f"file://{folder}"
    yield url
    cli.any_status("recipes", "remove", url)  # the state of one test is that of those after it


def test_an_added_catalogue_is_listed_found_by_its_ids_and_forgotten(cli, catalogue, tmp_path):
    added = cli("recipes", "add", catalogue, "--json").json
    assert {recipe["id"] for recipe in added["recipes"]} == {"spam", "letters"}
    assert [problem.split(":")[0] for problem in added["problems"]] == ["broken"]

    listed = {item["id"]: item for item in cli("recipes", "list", "--json").json["recipes"]}
    assert {"spam", "letters", "digits-cnn"} <= set(listed)
    assert listed["spam"]["origin"] == f"{catalogue}@{added['revision']}:spam"

    found = cli("recipes", "find", "spam", "in", "emails", "--json").json
    assert found["tasks"][0] == "text-classification"
    assert found["recipes"][0]["id"] == "spam"

    created = cli("new", tmp_path / "mine", "--task", "spam in emails", "--json").json
    assert (created["recipe"], created["is_ours"]) == ("spam", False)
    assert cli("recipes", "show", "spam", "--json").json["recipe"]["id"] == "spam"

    cli("recipes", "remove", catalogue)
    assert "spam" not in cli("recipes", "list").out
    assert "no catalogue" in cli("recipes", "remove", catalogue, code=2).err
    assert "there is no recipe 'spam'" in cli("recipes", "show", "spam", code=2).err


def test_what_was_added_stays_as_it_was_until_it_is_added_again(cli, catalogue):
    cli("recipes", "add", catalogue)
    folder = catalogue.removeprefix("file://")
    git(folder, "rm", "-rq", "spam")
    git(folder, "commit", "-qm", "no spam")
    assert "spam" in cli("recipes", "list").out
    cli("recipes", "add", catalogue)
    assert "spam" not in cli("recipes", "list").out


def test_an_id_of_ours_stays_ours(cli, catalogue):
    folder = catalogue.removeprefix("file://")
    git(folder, "mv", "spam", "fake")
    edit(Path(folder), "fake/recipe.yaml", "id: spam", "id: digits-cnn")
    git(folder, "commit", "-qam", "a namesake")
    cli("recipes", "add", catalogue)
    listed = {item["id"]: item for item in cli("recipes", "list", "--json").json["recipes"]}
    assert listed["digits-cnn"]["origin"] == "digits-cnn"


def test_a_repository_without_recipes_is_no_catalogue(cli, tmp_path):
    make_repository(tmp_path / "plain", {"README.md": "nothing\n"})
    result = cli("recipes", "add", f"file://{tmp_path / 'plain'}", code=2)
    assert "has no recipe that can be read" in result.err
    assert "added" not in cli("recipes", "list").out


def test_a_task_that_no_recipe_has_is_said_and_nothing_is_made(cli, tmp_path):
    result = cli("new", tmp_path / "mine", "--task", "translate English to German", code=2)
    assert "no recipe here has the task 'translate English to German'" in result.err
    assert "--from URL" in result.err
    assert not (tmp_path / "mine").exists()
    assert cli("recipes", "find", "transcribe spoken interviews", code=1).out.count("Mind") == 1
    assert "same kind" in cli("recipes", "find", "translate English to German").out


def test_from_and_task_exclude_each_other(cli, tmp_path):
    result = cli("new", tmp_path / "x", "--task", "spam", "--from", "digits-cnn", code=2)
    assert "give one of them" in result.err


def test_catalogues_added_at_once_are_all_remembered(monkeypatch, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    from scaffold.recipes.added import AddedCatalogue, added_catalogues, remember

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    catalogues = [
        AddedCatalogue(url=f"https://example.org/{n}", revision="0" * 40, recipes={})
        for n in range(12)
    ]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(remember, catalogues))
    assert {one.url for one in added_catalogues()} == {one.url for one in catalogues}
