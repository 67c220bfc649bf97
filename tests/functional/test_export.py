"""Evidence and runs for other tools, and the certificate: what it says, and who notices a lie."""

import csv
import hashlib
import json
import os
import re
import shutil

import pytest
from helpers import edit

from scaffold.user_state import Origin, remember_origin


@pytest.fixture
def certified(cli, reproduced):
    """A reproduced project with its certificate."""
    cli("certificate", "write", cwd=reproduced)
    return reproduced


def checked(cli, project, code=0, file="CERTIFICATE.md"):
    answer = cli("certificate", "check", file, "--json", cwd=project, code=code).json
    return {one["name"]: one["holds"] for one in answer["checks"]}


def test_a_statement_names_what_was_judged(cli, reproduced):
    cli("export", "in-toto", "-o", "statement.json", cwd=reproduced)
    statement = json.loads((reproduced / "statement.json").read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    (subject,) = statement["subject"]
    content = (reproduced / subject["name"]).read_bytes()
    assert subject["digest"]["sha256"] == hashlib.sha256(content).hexdigest()
    predicate = statement["predicate"]
    assert predicate["result"] == "PASSED"
    assert "claim accuracy" in predicate["passedTests"]
    evidence = json.loads(content)
    proof = predicate["reproduction"]
    assert proof["verdict"] == "REPRODUCED" and proof["evidence"] == evidence["checksum"]
    assert proof["seeds"] == [run["seed"] for run in evidence["runs"]]
    assert proof["inputs"] == evidence["inputs"]


def test_a_certificate_says_the_claim_and_its_numbers(cli, certified):
    text = (certified / "CERTIFICATE.md").read_text()
    evidence = json.loads((certified / "evidence/reproduce.json").read_text())
    (claim,) = [one for one in evidence["judgment"]["findings"] if one["question"] == "claim"]
    assert "**REPRODUCED**" in text and "What it does not prove" in text
    assert f"n {claim['n']})" in text and f"{claim['mean']:.4g}"[:5] in text
    assert checked(cli, certified) == {"page": True, "statement": True, "evidence": True}
    told = cli("certificate", "check", "CERTIFICATE.md", cwd=certified).out
    assert "holds" in told and "made or checked here" in told


def test_an_edited_page_is_noticed(cli, certified):
    edit(certified, "CERTIFICATE.md", "**REPRODUCED**", "**REPRODUCED, twice**")
    assert checked(cli, certified, code=1)["page"] is False


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["predicate"]["reproduction"]["findings"][1].update(mean=0.999),
        lambda one: one["predicate"].update(result="FAILED"),
        lambda one: one.update(subject=[]),
        lambda one: one["predicate"].pop("configuration"),
        lambda one: one["predicate"]["reproduction"].update(also="P=NP"),
        lambda one: one.update(predicateType="https://example.org"),
        lambda one: one["predicate"]["reproduction"].pop("evidence"),
    ],
)
def test_a_statement_with_other_numbers_is_noticed(cli, certified, change):
    """The page is made again, so that it says what its statement says."""
    from scaffold.views.certificate import make_certificate, read_certificate

    path = certified / "CERTIFICATE.md"
    _, statement = read_certificate(path)
    change(statement)
    path.write_text(make_certificate(statement))
    checks = checked(cli, certified, code=1)
    assert checks == {"page": True, "statement": False}


def test_a_page_of_another_version_is_open(cli, certified):
    """Whoever edits a page could say that another version wrote it."""
    edit(certified, "CERTIFICATE.md", '"version": "', '"version": "9.')
    edit(certified, "CERTIFICATE.md", "**REPRODUCED**", "**REPRODUCED, twice**")
    assert checked(cli, certified, code=3)["page"] is None
    told = cli("certificate", "check", "CERTIFICATE.md", cwd=certified, code=3).out
    assert "could not be checked, and may be anything" in told


def test_a_number_that_is_none(cli, certified):
    page = certified / "CERTIFICATE.md"
    page.write_text(re.sub(r'"mean": [0-9.]+', '"mean": ' + "9" * 400, page.read_text()))
    result = cli("certificate", "check", "CERTIFICATE.md", cwd=certified, code=2)
    assert "has no statement to check" in result.err


@pytest.mark.parametrize(
    "words", [("export", "csv"), ("export", "in-toto"), ("certificate", "write"), ("dashboard",)]
)
@pytest.mark.parametrize(
    "name",
    ["evidence/reproduce.json", "recipe.yaml", "environment.lock", "calibration.json", "AGENTS.md"],
)
def test_files_of_the_project_are_not_replaced(cli, reproduced, words, name):
    before = (reproduced / name).read_bytes()
    result = cli(*words, "-o", name, cwd=reproduced, code=2)
    assert "is a file of the project itself" in result.err
    assert (reproduced / name).read_bytes() == before


def test_another_project_is_not_what_it_speaks_of(cli, certified, tmp_path):
    page = shutil.copy(certified / "CERTIFICATE.md", tmp_path / "page.md")
    edit(certified, "recipe.yaml", "title: ", "title: Another ")
    assert checked(cli, certified, code=1, file=str(page)) == {"page": True, "statement": False}
    (certified / "evidence/reproduce.json").write_text("{")
    told = cli("certificate", "check", str(page), cwd=certified, code=1).out
    assert "reproduce.json has 1 problem" in " ".join(told.split())
    shutil.rmtree(certified / "evidence")
    told = cli("certificate", "check", str(page), cwd=certified, code=1).out
    assert "this project has no evidence" in told


def test_evidence_of_others_is_open_until_it_is_checked_here(cli, certified):
    evidence = json.loads((certified / "evidence/reproduce.json").read_text())
    remember_origin(evidence["checksum"], Origin.OTHERS)
    checks = checked(cli, certified, code=3)
    assert checks == {"page": True, "statement": True, "evidence": None}
    refused = cli("export", "in-toto", cwd=certified, code=2)
    assert "by others" in refused.err and "scaffold verify" in refused.err
    cli("verify", cwd=certified)
    assert checked(cli, certified)["evidence"] is True


def test_a_page_alone_is_open(cli, certified, tmp_path):
    page = shutil.copy(certified / "CERTIFICATE.md", tmp_path / "page.md")
    assert checked(cli, tmp_path, code=3, file=str(page)) == {"page": True, "statement": None}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# Something\n",
        "```json\n[]\n```\n",
        '```json\n{"predicate": {}}\n```\n',
        "```json\n" + "[" * 9000,
    ],
)
def test_what_is_no_certificate(cli, tmp_path, content):
    (tmp_path / "page.md").write_text(content)
    result = cli("certificate", "check", "page.md", cwd=tmp_path, code=2)
    assert "has no statement to check" in result.err


def test_markup_of_a_recipe_stays_text(cli, reproduced):
    from scaffold.project.project import Project
    from scaffold.views.certificate import make_certificate
    from scaffold.views.exports.statement import make_statement

    statement = make_statement(Project(reproduced))
    statement["predicate"]["reproduction"]["title"] = "a | <img src=x> [b](c)\n# d `e`"
    head = make_certificate(statement).splitlines()[0]
    assert head.endswith(r"a \| \<img src=x\> \[b\](c) \# d \`e\`")


def test_nothing_is_exported_that_no_longer_holds(cli, reproduced):
    (reproduced / "evidence/reproduce.json").unlink()
    assert "nothing was judged here yet" in cli("export", "model-card", cwd=reproduced, code=2).err
    assert "nothing was judged" in cli("certificate", "write", cwd=reproduced, code=2).err


def test_stale_evidence_is_not_certified(cli, reproduced):
    edit(reproduced, "recipe.yaml", "gain: 0.0", "gain: 0.5")
    result = cli("certificate", "write", cwd=reproduced, code=2)
    assert "is stale" in result.err and not (reproduced / "CERTIFICATE.md").exists()


def test_runs_as_a_table(cli, judged):
    answer = cli("export", "csv", "--json", cwd=judged).json
    with (judged / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert answer["runs"] == len(rows) > 3
    assert {row["state"] for row in rows} == {"reference", "before rename", "tweak rename"}
    for row in rows:
        record = json.loads((judged / ".scaffold/runs" / row["run"] / "run.json").read_text())
        assert float(row["metric.accuracy"]) == record["metrics"]["accuracy"]["value"]
        assert row["outcome"] == "COMPLETED" and int(row["seed"]) == record["seed"]


def test_a_model_card_has_results_of_runs_here(cli, reproduced):
    from huggingface_hub import ModelCard

    cli("export", "model-card", cwd=reproduced)
    (result,) = ModelCard.load(reproduced / "MODEL_CARD.md").data.eval_results
    evidence = json.loads((reproduced / "evidence/reproduce.json").read_text())
    values = [run["metrics"]["accuracy"]["value"] for run in evidence["runs"]]
    assert result.metric_value == pytest.approx(sum(values) / len(values))
    assert result.metric_type == "accuracy" and result.dataset_split == "test"
    assert re.search(rf"mean of {len(values)} seeds", result.metric_name)


@pytest.mark.parametrize("name", ["ro-crate", "parquet", "mlflow", "tensorboard", "wandb"])
def test_what_is_not_installed_is_named(cli, reproduced, monkeypatch, name):
    import builtins

    original = builtins.__import__

    def without(module, *arguments, **options):
        if module.split(".")[0] in ("rocrate", "pyarrow", "mlflow", "tensorboardX", "wandb"):
            raise ImportError(module)
        return original(module, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    result = cli("export", name, cwd=reproduced, code=4)
    assert "pip install 'mlloop-new[exports]'" in result.err


def test_an_unknown_format_is_named(cli, reproduced):
    assert "in-toto" in cli("export", "intoto", cwd=reproduced, code=2).err


def test_a_pipe_is_written_to_not_replaced(cli, reproduced, tmp_path):
    """As /dev/null is, which root could replace."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    cli("certificate", "write", "-o", str(pipe), cwd=reproduced)
    assert b"# Reproduction certificate" in os.read(reader, 1000)
    os.close(reader)
    assert pipe.is_fifo()
