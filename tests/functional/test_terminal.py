"""In a real terminal: questions are asked, bars are drawn.

In a pipe, with NO_COLOR or --json they are not.
"""

import os
import pty
import re
import select
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from helpers import ACCURACY, toy_recipe

from scaffold.cli.progress import RunProgress

SLOW = {
    "train.py": (
        "import json, time\nfor i in range(1, 4): print('epoch', i, flush=True); time.sleep(0.4)\n"
        "json.dump({'accuracy': 0.9}, open('metrics.json', 'w'))\n"
    )
}


def in_terminal(arguments, cwd, answers=(), **variables):
    """Run a command in a pseudo-terminal; send each answer once its prompt has appeared.

    Returns status and screen.
    """
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **variables}
    if not variables.get("NO_COLOR"):
        environment.pop("NO_COLOR", None)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffold", *arguments],
        cwd=cwd,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
    )
    os.close(slave)
    screen, waiting, limit = "", list(answers), time.monotonic() + 40
    while time.monotonic() < limit:
        if select.select([master], [], [], 0.1)[0]:
            try:
                content = os.read(master, 65536).decode(errors="replace")
            except OSError:
                break  # the other end is closed: the process has ended
            screen += content
            if "\x1b[6n" in content:
                os.write(master, b"\x1b[1;1R")  # where the cursor is, which prompts ask for
        if waiting and waiting[0][0] in screen:
            time.sleep(0.2)
            os.write(master, waiting.pop(0)[1].encode())
    os.close(master)
    return process.wait(timeout=20), screen


def test_asks_what_it_must(tmp_path):
    answers = [
        ("Which recipe is nearest to your task?", "\r"),
        ("Folder for the new project", "\r"),
    ]
    status, screen = in_terminal(["new"], tmp_path, answers)
    assert status == 0, screen
    assert "nanogpt-shakespeare" in screen and (tmp_path / "my-digits-cnn/recipe.yaml").exists()


def test_interrupting_a_question_makes_nothing(tmp_path):
    status, _ = in_terminal(["new"], tmp_path, [("Which recipe", "\x03")])
    assert status == 130 and list(tmp_path.iterdir()) == []


def test_progress_is_drawn_with_time_left(cli, tmp_path):
    project = cli.new(
        toy_recipe(
            tmp_path / "recipe",
            SLOW,
            metrics=[ACCURACY],
            progress={"stdout": "epoch (?P<step>.)", "total": 3},
        )
    )
    status, screen = in_terminal(["run", "--seeds", "2"], project)
    assert status == 0, screen
    assert "step 1 of 3" in screen and "left" in screen and "\x1b[" in screen
    assert "accuracy 0.9" in screen


def test_time_left_does_not_count_the_start():
    """Ten seconds until the first step and one a step: what is left is counted in steps."""
    program = SimpleNamespace(
        progress=SimpleNamespace(total=5), resources=SimpleNamespace(run_time_s=60.0)
    )
    progress, states = RunProgress(program, quiet=True), []
    progress._live = SimpleNamespace(
        add_task=lambda *_, **__: 0,
        update=lambda _, *, state, completed=0: states.append(state),
        remove_task=lambda _: None,
    )
    progress.started("seed 0")
    for step, elapsed_s in ((0, 5.0), (1, 10.0), (2, 11.0), (3, 12.0)):
        progress.advanced("seed 0", step, elapsed_s)
    assert states == [
        "starting, 5 s so far",
        "step 1 of 5",
        "step 2 of 5, 3 s left",
        "step 3 of 5, 2 s left",
    ]
    progress.started("seed 0")  # the same seed once more
    progress.advanced("seed 0", 1, 30.0)
    assert states[-1] == "step 1 of 5"


def test_a_verification_says_how_long_it_takes(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    said = cli("verify", "--jobs", "2", cwd=project).err
    assert re.search(r"about 4 more runs of .*, 2 at once: about \d+ s", said), said


def test_a_deterministic_program_is_announced_as_one_run(cli, tmp_path):
    program = {"train.py": "import json\njson.dump({'accuracy': 0.9}, open('metrics.json', 'w'))\n"}
    train = {"run": "python train.py", "timeout_s": 20}
    recipe = toy_recipe(
        tmp_path / "recipe",
        program,
        metrics=[ACCURACY],
        progress=None,
        seeds={"how": "none"},
        commands={"train": train, "smoke": None},
    )
    said = cli("verify", "--jobs", "2", cwd=cli.new(recipe)).err
    assert "about 1 more run of" in said and "at once" not in said, said


def test_no_color_when_not_wanted(cli, calibrated_recipe):
    project = cli.new(calibrated_recipe)
    assert "\x1b[" not in in_terminal(["status"], project, NO_COLOR="1")[1]
    assert "\x1b[" in in_terminal(["status"], project)[1]
    assert "\x1b[" not in cli("verify", cwd=project).out


def test_a_strangers_recipe_is_shown_and_asked_for(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    cli.is_trusting = False
    project = cli.new(toy_recipe(tmp_path / "recipe"))
    status, screen = in_terminal(["run"], project, [("Run this?", "n\r")])
    assert status == 130 and "python train.py SEED" in screen and "not approved yet" in screen, (
        screen
    )
    assert not (project / ".scaffold/runs").exists()
    status, screen = in_terminal(["run"], project, [("Run this?", "y\r")])
    assert status == 0 and "accuracy" in screen, screen
    status, screen = in_terminal(["run", "--rerun"], project)
    assert status == 0 and "Run this?" not in screen, screen


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("recipes", "draft"), "Missing argument 'SOURCE'."),
        (("verify", "--nosuch"), "No such option '--nosuch'."),
    ],
)
def test_wrong_usage_is_answered_in_json_where_json_was_asked_for(cli, words, error):
    result = cli(*words, "--json", code=2)
    assert result.json["error"] == error and result.json["hint"].endswith("--help")
    assert error in cli(*words, code=2).err


def test_documentation_is_shown_as_pages_and_piped_as_markdown(tmp_path, cli):
    status, screen = in_terminal(["docs", "engines"], tmp_path, PAGER="cat", TERM="dumb")
    assert status == 0
    assert "Where runs are made" in screen
    assert "# Where runs are made" not in screen
    assert "`--engine NAME`" not in screen
    assert "`--engine NAME`" in cli("docs", "engines").out
