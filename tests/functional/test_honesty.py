"""Ways in which evidence could say more than is true, each closed."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import (
    TOY,
    copy_recipe,
    git,
    git_recipe,
    living_in,
    make_repository,
    toy_recipe,
    wait_for,
    write_tree,
)

from scaffold.cache import cache_dir

READ = {
    "name": "accuracy",
    "split": "t",
    "direction": "higher",
    "unit": "fraction",
    "read": {"stdout": r"^accuracy (?P<value>\S+)"},
}
ALONE = {"seeds": {"how": "none"}, "metrics": [READ], "progress": None}


def alone(run="python train.py", **more):
    return {**ALONE, "commands": {"train": {"run": run, "timeout_s": 60}, "smoke": None}, **more}


def test_metric_that_is_read_in_another_way_is_read_again_not_run_again(cli, tmp_path):
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": "print('accuracy 0.9')\nprint('accuracy 0.5')\n"},
        **alone(),
    )
    project = cli.new(recipe)
    assert cli("run", "--json", cwd=project).json["runs"][0]["metrics"]["accuracy"]["value"] == 0.5
    text = (project / "recipe.yaml").read_text()
    (project / "recipe.yaml").write_text(
        text.replace("  unit: fraction", "  unit: fraction\n  take: first")
    )
    again = cli("run", "--json", cwd=project).json["runs"]
    assert len(again) == 1 and again[0]["metrics"]["accuracy"]["value"] == 0.9
    assert len(list((project / ".scaffold/runs").iterdir())) == 1


def test_rule_changed_after_results_were_seen_stays_a_deviation(cli, tmp_path, calibrated_recipe):
    project = cli.new(copy_recipe(calibrated_recipe, tmp_path / "recipe"))
    cli("verify", cwd=project)
    text = (project / "recipe.yaml").read_text()
    (project / "recipe.yaml").write_text(text.replace("value: 0.9", "value: 0.901"))
    said = cli("verify", cwd=project).out
    assert "metrics, claims or rule were changed after results were seen" in said
    assert "recipe.yaml changed since the last commit: commit that first" in said
    assert cli("status", "--json", cwd=project).json["uncommitted"]
    git(project, "commit", "--quiet", "-am", "another claim")
    assert "are committed" in cli("verify", cwd=project).out
    assert git(project, "status", "--porcelain") == ""
    assert any(
        "after results were seen" in reason["text"]
        for reason in cli("status", "--json", cwd=project).json["deviations"]
    )


@pytest.mark.parametrize("edit", ["driver", "patch", "environment"])
def test_edited_driver_patch_or_environment_makes_evidence_stale(cli, tmp_path, edit):
    reference = {
        "drivers": ["drivers/go.py"],
        "patches": [{"file": "patches/a.diff", "reason": "r"}],
    }
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": "old\n"},
        reference=reference,
        **alone("python {drivers}/go.py {reference}"),
    )
    write_tree(
        recipe,
        {
            "drivers/go.py": (
                "import sys\nprint('accuracy 0.9', open(sys.argv[1] + '/train.py').read())\n"
            ),
            "patches/a.diff": "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-old\n+new\n",
        },
    )
    project = cli.new(recipe)
    cli("verify", cwd=project)
    assert cli("status", "--json", cwd=project).json["evidence"] == "current"
    path = (
        project
        / {"driver": "drivers/go.py", "patch": "patches/a.diff", "environment": "recipe.yaml"}[edit]
    )
    old, new = {
        "driver": ("0.9", "0.7"),
        "patch": ("+new", "+newer"),
        "environment": (">=3.10", ">=3.9"),
    }[edit]
    path.write_text(path.read_text().replace(old, new))
    assert cli("status", "--json", cwd=project).json["evidence"] == "stale"
    if edit == "driver":
        # A number that is no longer the published one takes the milestone's tag away.
        assert git(project, "tag") == "milestone/reproduce"
        assert (
            "drivers/go.py changed since the last commit" in cli("verify", cwd=project, code=1).out
        )
        git(project, "commit", "--quiet", "-am", "another driver")
        cli("verify", cwd=project, code=1)
        assert git(project, "tag") == ""


def test_missing_file_is_said(cli, tmp_path, calibrated_recipe):
    project = cli.new(copy_recipe(calibrated_recipe, tmp_path / "recipe"))
    cli("verify", cwd=project)
    for name in ("calibration.json", "milestones.yaml", "recipe.yaml"):
        (project / name).unlink()
        result = cli.any_status("verify", cwd=project)
        assert (
            result.code == 2
            and f"{name} is missing" in result.err
            and "git checkout -- " in result.err
        )
        git(project, "checkout", "--", name)


def test_own_seeds_and_calibration_seeds_never_meet(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe", seeds={"how": "argument", "first": 995})
    assert (
        "seeds from 1000 on are for calibration"
        in cli("new", "project", "--from", recipe, code=2).err
    )
    project = cli.new(toy_recipe(tmp_path / "good", seeds={"how": "argument", "first": 980}))
    assert "ask for fewer seeds" in cli("run", "--seeds", 21, cwd=project, code=2).err


def test_crashed_calibration_seed_is_replaced_beyond_the_others(cli, tmp_path):
    crashing = TOY.replace("random.seed", "assert int(sys.argv[1]) != 1001\n    random.seed")
    folder = toy_recipe(
        tmp_path / "recipe", {"train.py": crashing}, seeds={"how": "argument", "retries": 1}
    )
    cli("recipes", "calibrate", folder, "--runs", 3)
    text = (folder / "calibration.json").read_text()
    assert '"seed": 1003' in text and '"seed": 1001' not in text
    refused = cli("recipes", "calibrate", f"file://{tmp_path}@main", code=2)
    assert "clone it and name its folder" in refused.err


def test_diverged_run_is_never_replaced_by_a_lucky_one(cli, tmp_path):
    nan = "import sys\nprint('accuracy', 'nan' if sys.argv[1] == '0' else 0.9)\n"
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": nan},
        metrics=[READ],
        progress=None,
        seeds={"how": "argument", "retries": 3},
        commands={"smoke": None},
    )
    project = cli.new(recipe)
    assert "accuracy is nan" in cli("run", "--seeds", 2, cwd=project, code=4).err
    assert sorted(path.name[:6] for path in (project / ".scaffold/runs").iterdir()) == [
        "seed-0",
        "seed-1",
    ]


def test_failed_runs_are_told_with_the_verdict(cli, tmp_path):
    crashing = TOY.replace("random.seed", "assert int(sys.argv[1]) != 0\n    random.seed")
    recipe = toy_recipe(
        tmp_path / "recipe", {"train.py": crashing}, seeds={"how": "argument", "retries": 1}
    )
    verdict = cli("verify", "--json", cwd=cli.new(recipe), code=3).json
    assert {
        "code": "failed_runs",
        "text": "runs that did not end well, and are not among those judged: seed 0 FAILED",
    } in verdict["deviations"]


def test_program_that_never_seeds_itself_is_told(cli, tmp_path):
    random = {"train.py": "import random\nprint('accuracy', 0.9 + random.random() / 100)\n"}
    recipe = toy_recipe(
        tmp_path / "recipe",
        random,
        metrics=[READ],
        progress=None,
        commands={"train": {"run": "python train.py --seed {seed}"}, "smoke": None},
    )
    verdict = cli("verify", "--json", cwd=cli.new(recipe), code=3).json
    assert any("no seeding call" in reason["text"] for reason in verdict["deviations"])


def test_a_run_cannot_change_a_cached_dataset(cli, tmp_path):
    content = b"precious\n"
    spoil = (
        "import os\nos.chmod('in.txt', 0o644)\nopen('in.txt', 'a').write('spoilt')\nprint('accuracy"
        " 0.9')\n"
    )
    dataset = {
        "name": "d",
        "license": "x",
        "sha256": hashlib.sha256(content).hexdigest(),
        "file": "data/in.txt",
        "place": "in.txt",
    }
    claim = {
        "metric": "accuracy",
        "dataset": "d",
        "basis": "training",
        "value": 0.9,
        "source": {"url": "x", "words": "x"},
    }
    recipe = toy_recipe(
        tmp_path / "recipe", {"train.py": spoil}, **alone(datasets=[dataset], claims=[claim])
    )
    write_tree(recipe, {"data/in.txt": content})
    cli("verify", cwd=cli.new(recipe))
    assert (cache_dir("data") / dataset["sha256"]).read_bytes() == content


def test_tracked_leftovers_and_odd_modes_are_part_of_the_reference(cli, tmp_path):
    repository = tmp_path / "upstream"
    make_repository(
        repository,
        {"train.py": "print('accuracy 0.9')\n", ".DS_Store": "x", "__pycache__/old.pyc": b"y"},
    )
    blob = git(repository, "rev-parse", "HEAD:train.py")
    listing = git(repository, "ls-tree", "HEAD").replace(
        f"100644 blob {blob}", f"100664 blob {blob}"
    )
    tree = (
        subprocess.run(
            ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
            cwd=repository,
            capture_output=True,
            input=raw_tree(listing),
            check=True,
        )
        .stdout.decode()
        .strip()
    )
    revision = git(repository, "commit-tree", tree, "-m", "odd modes")
    git(repository, "update-ref", "refs/heads/main", revision)
    project = cli.new(git_recipe(tmp_path / "recipe", repository, revision, **alone()))
    assert (project / "reference/.DS_Store").exists()
    assert cli("verify", "--json", cwd=project).json["verdict"] == "REPRODUCED"
    (project / "reference/__pycache__/old.pyc").write_bytes(b"edited")
    assert "__pycache__/old.pyc differs" in cli("run", cwd=project, code=2).err


def raw_tree(listing: str) -> bytes:
    body = b""
    for line in listing.splitlines():
        head, name = line.split("\t")
        mode, _, object_id = head.split()
        body += f"{int(mode, 8):o} {name}".encode() + b"\0" + bytes.fromhex(object_id)
    return body


def test_runs_made_after_the_evidence_reopen_it(cli, tmp_path):
    random = {
        "train.py": "import random\nrandom.seed()\nprint('accuracy', 0.9 + random.random() / 100)\n"
    }
    recipe = toy_recipe(tmp_path / "recipe", random, **alone())
    project = cli.new(recipe)
    cli.any_status("verify", cwd=project)
    assert cli("status", "--json", cwd=project).json["can_change"] is False
    cli("run", "--rerun", cwd=project)
    assert "1 runs are newer than the evidence" in cli("next", cwd=project).out
    verdict = cli.any_status("verify", "--json", cwd=project).json
    assert any("gave different results" in finding["reason"] for finding in verdict["findings"])
    assert cli("status", "--json", cwd=project).json["can_change"] is False


def test_replaced_seed_keeps_its_place_and_nothing_is_asked_twice(cli, tmp_path):
    crashing = TOY.replace("random.seed", "assert int(sys.argv[1]) != 0\n    random.seed")
    recipe = toy_recipe(
        tmp_path / "recipe", {"train.py": crashing}, seeds={"how": "argument", "retries": 1}
    )
    project = cli.new(recipe)
    cli("verify", cwd=project, code=3)
    assert [
        run["seed"] for run in cli("run", "--seeds", 4, "--json", cwd=project).json["runs"]
    ] == [10, 1, 2, 3]
    assert "newer than the evidence" in cli("next", cwd=project).out
    cli("verify", cwd=project, code=3)
    status = cli("status", "--json", cwd=project).json
    assert status["seeds"] == 4 and "newer" not in status["next"]["why"]


def test_damaged_record_is_no_run(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    cli("verify", cwd=project)
    made = cli("run", "--rerun", "--json", cwd=project).json["runs"][-1]["id"]
    for content in ("{", None):
        record = project / ".scaffold/runs" / made / "run.json"
        record.unlink() if content is None else record.write_text(content)
        (project / ".scaffold/status.json").unlink(missing_ok=True)
        assert cli("status", "--json", cwd=project).json["evidence"] == "current"


def test_broken_evidence_is_replaced_by_verify(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    cli("verify", cwd=project)
    (project / "evidence/reproduce.json").write_text("{")
    assert cli("verify", "--json", cwd=project).json["verdict"] == "REPRODUCED"


def test_mistyped_metric_costs_no_second_training(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe", {"train.py": "print('accuracy 0.9')\n"}, **alone())
    text = (recipe / "recipe.yaml").read_text()
    (recipe / "recipe.yaml").write_text(text.replace("^accuracy", "^acuracy"))
    project = cli.new(recipe)
    for _ in range(2):
        assert "nothing found in stdout" in cli("run", cwd=project, code=4).err
    (project / "recipe.yaml").write_text(text)
    assert len(cli("run", "--json", cwd=project).json["runs"]) == 1
    assert len(list((project / ".scaffold/runs").iterdir())) == 1


def test_set_on_top_of_set_keeps_the_first_published_value(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe", hyperparameters={"rate": 0.5, "size": 3})
    cli("new", "first", "--from", recipe, "--set", "rate=0.25")
    second = cli("new", "second", "--from", "first", "--set", "size=4", "--json").json["deviations"]
    assert [reason["text"] for reason in second] == [
        "hyperparameter rate is 0.25, published 0.5",
        "hyperparameter size is 4, published 3",
    ]
    third = cli("new", "third", "--from", "first", "--set", "rate=0.5", "--json").json["deviations"]
    assert third == []


def test_requirements_file_that_was_deleted_is_an_edit_of_the_reference(cli, tmp_path):
    files = {"train.py": TOY, "requirements.txt": "pytest  # which is here\n"}
    project = cli.new(
        toy_recipe(tmp_path / "recipe", files, environment={"requirements": "requirements.txt"})
    )
    cli("verify", cwd=project, code=3)
    (project / "reference/requirements.txt").unlink()
    assert "git checkout -- reference" in cli("next", cwd=project).out
    assert "requirements.txt is missing" in cli("verify", cwd=project, code=2).err


def test_what_the_disk_refuses_is_no_defect_of_ours(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    (project / ".scaffold").write_text("in the way")
    error = cli("run", cwd=project, code=4).err
    assert "File exists" in error and "defect" not in error


def test_packages_of_the_commits_date_by_default(cli, tmp_path):
    from scaffold.project.project import Project, load_recipe
    from scaffold.running.preparation import _commit_date

    repository = tmp_path / "upstream"
    make_repository(repository, {"train.py": TOY})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", "2020-02-02T12:00:00+00:00")
        git(repository, "commit", "--quiet", "--amend", "--no-edit")
    project = Project(
        cli.new(git_recipe(tmp_path / "recipe", repository, git(repository, "rev-parse", "HEAD")))
    )
    assert _commit_date(project, load_recipe(project)).isoformat() == "2020-02-02"


@pytest.mark.parametrize("options", [[], ["--no-sandbox"]])
def test_killed_supervisor_takes_the_training_with_it(cli, tmp_path, options):
    sleeper = """\
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        if sys.argv[1] == "0":
            time.sleep(60)
        open("metrics.json", "w").write('{"accuracy": 0.9}')
        """
    project = cli.new(
        toy_recipe(
            tmp_path / "recipe",
            {"train.py": sleeper},
            seeds={"how": "argument"},
            **{
                key: value
                for key, value in alone("python train.py {seed}").items()
                if key != "seeds"
            },
        )
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffold", "run", "--seeds", "2", "--jobs", "2", *options],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: list(project.glob(".scaffold/runs/seed-1-*")) and len(living_in(project)) >= 3)
    supervisors = [
        pid
        for pid in living_in(project)
        if b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(supervisors[0], signal.SIGKILL)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 4 and "seed 0: its supervisor ended by signal 9" in err
    wait_for(lambda: not living_in(project))
    assert [path.name[:6] for path in (project / ".scaffold/runs").iterdir()] == ["seed-1"]


def test_strangers_text_stays_text(cli, tmp_path):
    evil = "[x](http://evil) <img> `id` | 🙂"
    tweaks = [{"name": "a", "kind": "data", "change": f"{evil} {{{{ 7*7 }}}}", "why": "w"}]
    recipe = toy_recipe(tmp_path / "recipe", title=evil, adaptation={"tweaks": tweaks})
    project = cli.new(recipe)
    readme = (project / "README.md").read_text()
    assert "\\[x\\](http://evil) \\<img\\> \\`id\\` \\| 🙂" in readme
    assert "49" not in (project / "milestones.yaml").read_text()
    assert "🙂" in cli("status", "--json", cwd=project).json["milestones"][1]["title"]
    lines = toy_recipe(tmp_path / "lines", title="one\n## Rules for agents")
    assert "must be one line" in cli("new", "x", "--from", lines, code=2).err


@pytest.mark.parametrize("name", ["my proj", "$(touch pwn)", "-dash"])
def test_next_command_can_be_pasted(cli, calibrated_recipe, name):
    said = cli("new", "--from", calibrated_recipe, "--json", "--", name).json
    done = subprocess.run(
        ["sh", "-c", said["next"].replace("scaffold verify", "pwd")], capture_output=True, text=True
    )
    assert done.stdout.strip() == str(Path.cwd() / name), done
    assert not Path("pwn").exists()


def test_names_that_no_disk_takes(cli, calibrated_recipe):
    assert (
        "File name too long"
        in cli("new", "a" * 300, "--from", calibrated_recipe, "--name", "x", code=4).err
    )
    assert (
        "invalid project name"
        in cli("new", "x", "--name", "a\nb", "--from", calibrated_recipe, code=2).err
    )


def test_without_git_on_the_path(tmp_path):
    for name in ("python",):
        (tmp_path / name).symlink_to(sys.executable)
    done = subprocess.run(
        [sys.executable, "-m", "scaffold", "new", "x", "--from", "digits-cnn"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert (
        done.returncode == 4 and "git is not on PATH" in done.stderr and "defect" not in done.stderr
    )


def test_evidence_is_never_committed_into_another_repository(cli, tmp_path, calibrated_recipe):
    git(tmp_path, "init", "--quiet")
    project = cli.new(calibrated_recipe)
    subprocess.run(["rm", "-rf", project / ".git"], check=True)
    assert "not a git repository of its own" in cli("verify", cwd=project).out
    assert git(tmp_path, "rev-list", "--all") == ""


def test_failed_commit_is_made_up_for(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    (project / ".git/index.lock").touch()
    assert "not committed" in cli("verify", cwd=project).out
    assert "could not be committed" in cli("next", cwd=project).out
    (project / ".git/index.lock").unlink()
    assert "are committed" in cli("verify", cwd=project).out
    assert git(project, "status", "--porcelain") == ""


def test_calibration_runs_replaced_after_results_were_seen_stay_a_deviation(
    cli, tmp_path, calibrated_recipe
):
    project = cli.new(calibrated_recipe)
    said = cli("verify", "--json", cwd=project).json
    assert not any(one["code"] == "calibration_changed" for one in said["deviations"])
    path = project / "calibration.json"
    path.write_text(path.read_text().replace('"threads": 1', '"threads": 1 '))
    for _ in range(2):
        said = cli.any_status("verify", "--json", cwd=project).json
        assert any(one["code"] == "calibration_changed" for one in said["deviations"])


def test_runs_that_mostly_fail_are_no_sample(cli, tmp_path):
    crashing = TOY.replace("random.seed", "assert int(sys.argv[1]) > 11\n    random.seed")
    recipe = toy_recipe(
        tmp_path / "recipe", {"train.py": crashing}, seeds={"how": "argument", "retries": 15}
    )
    answer = cli.any_status("verify", "--json", cwd=cli.new(recipe)).json
    (said,) = [one["text"] for one in answer["deviations"] if one["code"] == "mostly_failed"]
    assert said.startswith("4 of 6 ") and "are no sample" in said
    assert any(one["reason"] == said for one in answer["findings"])
