"""What `--from` may name: a URL with or without revision and path, or a page of a forge."""

import pytest

from scaffold.errors import UsageError
from scaffold.recipes import catalogue
from scaffold.recipes.catalogue import pin_git_source
from scaffold.references import git

REVISION = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(autouse=True)
def remote(monkeypatch):
    """A remote where every name is the revision made of its letters."""
    monkeypatch.setattr(git, "resolve", lambda url, name: f"<{name}>")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("https://github.com/a/b", ("https://github.com/a/b", "<HEAD>", "")),
        ("https://github.com/a/b/", ("https://github.com/a/b", "<HEAD>", "")),
        ("https://github.com/a/b@main", ("https://github.com/a/b", "<main>", "")),
        ("https://github.com/a/b@x/y:p/q", ("https://github.com/a/b", "<x/y>", "p/q")),
        (f"https://github.com/a/b@{REVISION}:p", ("https://github.com/a/b", REVISION, "p")),
        ("ssh://git@host.org/a/b", ("ssh://git@host.org/a/b", "<HEAD>", "")),
        ("ssh://git@host.org/a/b@v1:p", ("ssh://git@host.org/a/b", "<v1>", "p")),
        ("https://github.com/a/b/tree/main/p/q", ("https://github.com/a/b", "<main>", "p/q")),
        (
            "https://github.com/a/b/blob/main/p/recipe.yaml",
            ("https://github.com/a/b", "<main>", "p"),
        ),
        ("file:///srv/a.git", ("file:///srv/a.git", "<HEAD>", "")),
    ],
)
def test_each_form_is_pinned(source, expected):
    assert pin_git_source(source) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("https://github.com/a/b@0123abc", "not a full revision"),
        ("https://user:secret@github.com/a/b", "without credentials"),
        ("https://github.com/a/b@-x", "not a revision"),
        ("https://github.com/a/b@main:../x", "must stay inside"),
        ("https://github.com/a/b@a@b", "is no URL of a git repository"),
    ],
)
def test_what_is_refused(source, message):
    with pytest.raises(UsageError, match=message):
        pin_git_source(source)


def test_folders_without_a_recipe_and_urls_are_drafted_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").mkdir()
    (tmp_path / "with").mkdir()
    (tmp_path / "with/recipe.yaml").write_text("")
    named = {
        name: catalogue.is_without_recipe(name) for name in ("plain", "with", "digits-cnn", "x")
    }
    assert named == {"plain": True, "with": False, "digits-cnn": False, "x": False}
