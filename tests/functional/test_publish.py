"""A recipe folder of a project: others start from it, and are judged by its calibration runs."""

from helpers import approved, edit, git


def test_what_is_published_is_reproduced_from_there(cli, reproduced, tmp_path):
    answer = cli("recipes", "publish", "-o", str(tmp_path / "r/ours"), "--json", cwd=reproduced)
    assert answer.json["recipe"] == "tweakable"
    folder = tmp_path / "r/ours"
    names = {path.name for path in folder.iterdir()}
    assert names == {"recipe.yaml", "calibration.json", "reference", "CERTIFICATE.md"}
    assert "yaml-language-server" not in (folder / "recipe.yaml").read_text()
    cli("recipes", "check", str(folder))
    project = cli.new(folder, "another")
    assert cli("verify", "--json", cwd=project).json["verdict"] == "REPRODUCED"
    # The certificate speaks of the project that it came from.
    page = str(folder / "CERTIFICATE.md")
    assert cli("certificate", "check", page, cwd=reproduced).out.count("holds") == 3
    refused = cli("recipes", "publish", "-o", str(folder), cwd=reproduced, code=2)
    assert "is there already" in refused.err


def test_from_a_repository_of_recipes(cli, reproduced, tmp_path):
    catalogue = tmp_path / "catalogue"
    cli("recipes", "publish", "-o", str(catalogue / "recipes/ours"), cwd=reproduced)
    git(catalogue, "init", "--quiet", "--initial-branch=main")
    git(catalogue, "add", "--all")
    git(catalogue, "commit", "--quiet", "-m", "a recipe")
    cli("recipes", "add", f"file://{catalogue}")
    project = cli.new("tweakable", "from-the-catalogue")
    assert (project / "calibration.json").exists()


def test_only_what_holds_is_published(cli, reproduced, tmp_path):
    target = str(tmp_path / "ours")
    edit(reproduced, "recipe.yaml", "calibration: calibration.json", "")
    assert "is stale" in cli("recipes", "publish", "-o", target, cwd=reproduced, code=2).err
    cli.any_status("verify", cwd=reproduced)
    result = cli("recipes", "publish", "-o", target, cwd=reproduced, code=2)
    assert "no calibration runs" in result.err and "recipes calibrate" in result.err
    assert not (tmp_path / "ours").exists()


def test_other_values_than_the_published_are_not(cli, tweakable_recipe, tmp_path):
    cli("new", "changed", "--from", tweakable_recipe, "--set", "gain=1.0", "--no-input")
    project = approved(tmp_path / "changed")
    cli.any_status("verify", cwd=project)
    result = cli("recipes", "publish", "-o", str(tmp_path / "ours"), cwd=project, code=2)
    assert "other values than the published ones: gain" in result.err
