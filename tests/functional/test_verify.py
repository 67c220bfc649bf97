"""`scaffold run`, `verify`, `status`, `next` and the project's own tests.

From an empty project to a verdict.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ACCURACY, TOY, TOY_RECIPE, copy_recipe, git, toy_recipe

from scaffold.errors import ProjectError
from scaffold.project.files import read_record
from scaffold.records.evidence import RunRecord
from scaffold.running.store import judged_runs, read_series


def run_pytest(project: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(cli, calibrated_recipe):
    return cli.new(calibrated_recipe)


def test_from_nothing_to_reproduced(cli, project):
    before = cli("status", "--json", cwd=project).json
    assert (before["evidence"], before["next"]["command"]) == ("none", "scaffold verify")
    assert [step["state"] for step in before["milestones"]] == ["open", "locked", "locked"]
    skipped = run_pytest(project)
    assert skipped.returncode == 0 and "no evidence yet; make it: scaffold verify" in skipped.stdout
    assert "[18] tests/test_parity.py: nothing to check yet: no rewrite was accepted" in (
        skipped.stdout
    )

    verdict = cli("verify", cwd=project).out
    assert "REPRODUCED  the reference gives its published result here (trained here in" in verdict
    assert "Claim      accuracy: published 0.9, here 0.8" in verdict and "are committed" in verdict
    assert "EXPECTED" not in verdict and "sequential t" not in verdict
    details = cli("verify", "--verbose", cwd=project).out
    for word in ("CONSISTENT", "EXPECTED", "sequential t", "prediction interval", "monitored"):
        assert word in details
    assert run_pytest(project).stdout.splitlines()[-1].startswith("3 passed")
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "tag") == "milestone/reproduce"

    after = cli("status", "--json", cwd=project).json
    assert (after["evidence"], after["verdict"]) == ("current", "REPRODUCED")
    assert [step["state"] for step in after["milestones"]] == ["passed", "open", "open"]
    assert "scaffold tweak start short-mode" in cli("next", cwd=project).out
    runs = sorted((project / ".scaffold/runs").iterdir())
    again = cli("verify", "--json", cwd=project).json
    assert again["verdict"] == "REPRODUCED" and "no run was needed" in again["note"]
    assert sorted((project / ".scaffold/runs").iterdir()) == runs


def test_a_worse_reference_is_not_reproduced(cli, tmp_path, calibrated_recipe):
    worse = copy_recipe(calibrated_recipe, tmp_path / "worse", {"train.py": ("0.9 +", "0.8 +")})
    project = cli.new(worse)
    verdict = cli("verify", "--json", cwd=project, code=1).json
    assert verdict["verdict"] == "NOT_REPRODUCED"
    assert any(
        "calibration runs were made with the reference tree" in reason["text"]
        for reason in verdict["deviations"]
    )
    failed = run_pytest(project)
    assert (
        failed.returncode == 1
        and "NOT_REPRODUCED" in failed.stdout
        and "sd from the calibration" in failed.stdout
    )
    assert git(project, "tag") == ""
    assert cli("status", "--json", cwd=project).json["milestones"][0]["state"] == "open"


def test_a_watched_metric_that_moved_is_inconclusive(cli, tmp_path, calibrated_recipe):
    moved = copy_recipe(calibrated_recipe, tmp_path / "moved", {"train.py": ("2.0 /", "2.5 /")})
    verdict = cli("verify", "--json", cwd=cli.new(moved), code=3).json
    assert verdict["verdict"] == "INCONCLUSIVE" and "loss: UNEXPECTED" in verdict["reason"]


def test_nothing_is_run_twice_unless_asked(cli, project):
    first = cli("run", "--seeds", 2, "--json", cwd=project).json["runs"]
    second = cli("run", "--seeds", 3, "--json", cwd=project).json["runs"]
    assert [run["id"] for run in second][:2] == [run["id"] for run in first]
    assert [run["started"] for run in second][:2] == [run["started"] for run in first]
    thrice = cli("run", "--seeds", 3, "--rerun", "--json", cwd=project).json["runs"]
    assert len(thrice) == 6
    assert thrice[0]["metrics"] == thrice[1]["metrics"]


def test_smoke_runs_never_count(cli, project):
    smoke = cli("run", "--smoke", "--json", cwd=project).json["runs"]
    assert smoke[0]["smoke"] and set(smoke[0]["metrics"]) == {
        "accuracy",
        "loss",
    }, "what it found is told"
    assert "proves nothing" in cli("run", "--smoke", cwd=project).out
    status = cli("status", "--json", cwd=project).json
    assert status["evidence"] == "none" and status["runs"] == 0


def test_run_record_tells_what_happened(cli, project):
    record = cli("run", "--json", cwd=project).json["runs"][0]
    assert record["steps"][0]["exit_status"] == 0 and record["steps"][0]["peak_memory_bytes"] > 1e6
    assert record["seeding"]["calls"] == {"random": ["random.seed(0)"]}
    assert record["environment"]["reused"] is True
    folder = project / ".scaffold/runs" / record["id"]
    assert "epoch 3: loss" in (folder / "logs/0-train.out").read_text()
    assert len(json.loads((folder / "series.json").read_text())["loss"]) == 3
    assert not (folder / "tmp").exists() and not (project / "reference/metrics.json").exists()


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        (
            "recipe.yaml",
            "beta: 0.05",
            "beta: 0.2",
            "metrics, claims or rule changed after results were seen",
        ),
        (
            "recipe.yaml",
            "python train.py {seed}",
            "python train.py  {seed} more",
            "commands, hyperparameters",
        ),
        ("calibration.json", '"threads"', ' "threads"', "calibration.json changed"),
        ("environment.lock", "# python", "#  python", "environment.lock changed"),
        ("reference/train.py", "epoch", "epoche", "reference/ changed"),
        (
            "evidence/reproduce.json",
            '"failed_runs": 0',
            '"failed_runs": 1',
            "edited after it was written",
        ),
    ],
)
def test_evidence_goes_stale(cli, tmp_path, calibrated_recipe, path, old, new, reason):
    project = cli.new(copy_recipe(calibrated_recipe, tmp_path / "recipe", rule={"beta": 0.05}))
    cli("verify", cwd=project)
    text = (project / path).read_text()
    assert old in text
    (project / path).write_text(text.replace(old, new, 1))
    status = cli("status", "--json", cwd=project).json
    assert status["evidence"] == "stale" and any(
        reason in stale["text"] for stale in status["stale_reasons"]
    ), status
    assert "stale" in cli("status", cwd=project).out
    done = run_pytest(project)
    assert done.returncode == 1 and reason in done.stdout


def test_a_resealed_lie_is_seen_by_judging_again(cli, project):
    from scaffold.project.files import read_record, write_record
    from scaffold.project.project import Project
    from scaffold.records.evidence import Evidence

    cli("verify", cwd=project)
    path = Project(project).reproduction
    evidence = read_record(Evidence, path)
    lie = {**evidence.judgment, "verdict": "NOT_REPRODUCED"}
    write_record(evidence.model_copy(update={"judgment": lie}).with_checksum(), path)
    done = run_pytest(project)
    assert "says NOT_REPRODUCED, but its runs say REPRODUCED" in done.stdout


def test_broken_evidence_is_named(cli, project):
    cli("verify", cwd=project)
    (project / "evidence/reproduce.json").write_text("{")
    result = cli("status", cwd=project, code=2)
    assert "reproduce.json has 1 problem" in result.err and "git checkout" in result.err


def test_edited_reference_is_refused(cli, project):
    (project / "reference/train.py").write_text("print('edited')\n")
    result = cli("verify", cwd=project, code=2)
    assert "reference/ was edited" in result.err and "git checkout -- reference" in result.err
    assert "reference/ was edited" in run_pytest(project).stdout
    git(project, "checkout", "--", "reference")
    (project / "reference/extra.py").write_text("")
    assert "reference/ was edited" in cli("run", cwd=project, code=2).err


def test_not_in_a_project(cli):
    for command in ("status", "next", "run", "verify"):
        result = cli(command, code=2)
        assert "is not in a project" in result.err and "mlloop-new" in result.err
    assert cli("status", "--json", code=2).json["type"] == "ProjectError"


def test_evidence_that_cannot_be_committed_is_still_written(cli, project):
    (project / ".git/index.lock").touch()
    result = cli("verify", cwd=project)
    assert "not committed" in result.out and "index.lock" in result.out
    assert (project / "evidence/reproduce.json").exists()


def test_full_disk_while_writing_evidence_changes_nothing(cli, project):
    cli("run", "--seeds", 4, cwd=project)
    program = (
        "import resource, sys; from scaffold.cli import main\n"
        "import scaffold.reproduce.verify as v; real = v.write_record\n"
        "def write(*a):\n    resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)); real(*a)\n"
        "v.write_record = write\nmain(['verify'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done
    assert "could not write" in done.stderr and "nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((project / "evidence").iterdir()) == []
    cli("verify", cwd=project)


def test_seed_that_does_not_reach_the_reference_is_seen(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe", {"train.py": TOY.replace("int(sys.argv[1])", "7")})
    verdict = cli("verify", "--json", cwd=cli.new(recipe), code=3).json
    assert any(finding["verdict"] == "SEED_IGNORED" for finding in verdict["findings"])


def test_different_results_at_one_seed_are_seen(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe", {"train.py": TOY.replace("int(sys.argv[1])", "None")})
    project = cli.new(recipe)
    cli("run", "--rerun", cwd=project)
    cli("run", "--rerun", cwd=project)
    verdict = cli("verify", "--json", cwd=project, code=3).json
    assert any(finding["verdict"] == "NONDETERMINISTIC" for finding in verdict["findings"])


def test_without_calibration_nothing_is_confirmed(cli, tmp_path):
    verdict = cli("verify", "--json", cwd=cli.new(toy_recipe(tmp_path / "recipe")), code=3).json
    assert "no calibration runs" in verdict["reason"]


def test_deterministic_reference_is_compared_as_printed(cli, tmp_path):
    print_result = {"train.py": "print('accuracy 97.3 %')\n"}
    metric = {
        "name": "accuracy",
        "split": "test",
        "direction": "higher",
        "unit": "fraction",
        "printed_in": "percent",
        "read": {"stdout": r"accuracy (?P<value>\S+) %"},
    }
    claim = {
        "metric": "accuracy",
        "dataset": "nothing",
        "basis": "training",
        "source": {"url": "x", "words": "97.26 %"},
    }
    common = {
        "commands": {"train": {"run": "python train.py", "timeout_s": 20}, "smoke": None},
        "seeds": {"how": "none"},
        "metrics": [metric],
        "progress": None,
    }
    # 97.3 % may be 0.9726, rounded, or no rounded number; it is not 0.9716.
    for value, code, word in (
        (0.973, 0, "REPRODUCED"),
        (0.97, 0, "REPRODUCED"),
        (0.9726, 3, "INCONCLUSIVE"),
        (0.9716, 1, "NOT_REPRODUCED"),
    ):
        name = f"project{value}"
        recipe = toy_recipe(
            tmp_path / name / "recipe", print_result, **common, claims=[{**claim, "value": value}]
        )
        verdict = cli("verify", "--json", cwd=cli.new(recipe, name + "p"), code=code).json
        assert verdict["verdict"] == word


def test_a_program_that_draws_though_its_recipe_says_it_does_not(cli, tmp_path):
    """Any published number was equal to it but for rounding: the difference of two runs is none."""
    program = {"train.py": "import random\nprint(f'accuracy {random.gauss(0.9, 0.03):.6f}')\n"}
    metric = {**ACCURACY, "read": {"stdout": r"accuracy (?P<value>\S+)"}}
    claim = {**TOY_RECIPE["claims"][0], "value": 0.6, "decimals": 4}
    commands = {"train": {"run": "python train.py", "timeout_s": 20}, "smoke": None}
    recipe = toy_recipe(
        tmp_path / "recipe",
        program,
        seeds={"how": "none"},
        commands=commands,
        claims=[claim],
        metrics=[metric],
        progress=None,
    )
    project = cli.new(recipe)
    answer = cli("verify", "--json", cwd=project, code=3).json
    assert answer["verdict"] == "INCONCLUSIVE"
    assert "something is drawn" in " ".join(f["reason"] for f in answer["findings"])
    assert cli("verify", "--json", cwd=project, code=3).json["verdict"] == "INCONCLUSIVE"
    told = cli("recipes", "calibrate", recipe, "--runs", 3)
    assert "the runs differ, so something is drawn" in told.out + told.err


def test_what_seeds_do_besides_and_more_threads_are_said_with_the_verdict(
    cli, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    recipe = toy_recipe(tmp_path / "recipe", seeds={"how": "argument", "draws_data": True})
    told = " ".join(cli("verify", cwd=cli.new(recipe), code=3).out.split())
    assert "a seed draws the data too" in told
    assert "run with 2 threads, the recipe's runs have 1" in told


def test_a_run_has_the_recipes_cores_however_few_run_at_once(cli, project, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    record = cli("run", "--jobs", 1, "--json", cwd=project).json["runs"][0]
    assert record["threads"] == 1


def test_where_no_seed_can_change_the_word_the_next_step_is_another_one(
    cli, tmp_path, calibrated_recipe
):
    uncalibrated = cli.new(toy_recipe(tmp_path / "recipe"))
    cli("verify", "--json", cwd=uncalibrated, code=3)
    assert (
        cli("next", "--json", cwd=uncalibrated).json["command"]
        == "scaffold recipes calibrate . --runs 20"
    )
    refuted = cli.new(
        copy_recipe(calibrated_recipe, tmp_path / "bad", {"train.py": ("0.9 +", "0.7 +")}),
        "refuted",
    )
    cli("verify", "--json", cwd=refuted, code=1)
    assert (
        cli("next", "--json", cwd=refuted)
        .json["command"]
        .startswith("scaffold tweak start NAME --reason")
    )


def test_a_recipe_that_was_edited_is_committed_by_what_is_next(cli, tweakable_recipe):
    project = cli.new(tweakable_recipe)
    recipe = project / "recipe.yaml"
    recipe.write_text(f"{recipe.read_text()}# a remark\n")
    cli("verify", "--json", cwd=project)
    action = cli("next", "--json", cwd=project).json
    assert action["purpose"] == "commit"
    command = action["command"].replace("scaffold", f"{sys.executable} -m scaffold")
    subprocess.run(command, shell=True, cwd=project, check=True, capture_output=True)
    assert cli("next", "--json", cwd=project).json["purpose"] == "start_tweak"


def test_a_stored_smoke_run_is_called_so(cli, reproduced):
    assert "run before" not in cli("run", "--smoke", cwd=reproduced).out
    again = cli("run", "--smoke", cwd=reproduced).out
    assert "run before; again: --rerun" in again and "scaffold verify" in again


def test_a_damaged_run_is_named_and_made_again(cli, project):
    cli("run", cwd=project)
    (run,) = project.glob(".scaffold/runs/seed-0-*")
    (run / "series.json").write_text('{"loss": 3}')
    told = cli("run", cwd=project)
    assert f"damaged or not of this user, so not counted: {run.name}" in told.err
    (again,) = cli("run", "--json", cwd=project).json["runs"]
    assert again["id"] != run.name
    assert read_series(run) == {}
    record = read_record(RunRecord, run / "run.json")
    with pytest.raises(ProjectError, match=r"series.json is damaged"):
        judged_runs([record], run.parent, {"loss"})
