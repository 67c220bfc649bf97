"""The tutorial, typed from top to end in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs/tutorial.md").read_text()


def test_every_command_of_the_tutorial_works(tmp_path):
    commands = [
        line.removeprefix("$ ")
        for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(commands) > 12
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    printed = {}
    place = tmp_path
    for command in commands:
        if command.startswith("cd "):
            place = place / command.removeprefix("cd ")
            continue
        done = subprocess.run(
            command,
            shell=True,
            cwd=place,
            env={**os.environ, "PATH": programs},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        # The cause is open, and the tutorial says so.
        expected = 3 if command == "scaffold analyze" else 0
        assert done.returncode == expected, f"$ {command}\n{done.stdout}{done.stderr}"
        printed.setdefault(command, []).append(done.stdout)
    reproduced, judged = printed["scaffold verify"]
    assert "REPRODUCED" in reproduced and "BETTER" in judged
    assert "VARIANCE, CAUSE OPEN" in printed["scaffold analyze"][0]
    (checked,) = printed["scaffold certificate check CERTIFICATE.md"]
    assert checked.count("holds") == 3
    assert (place / "dashboard.html").exists()
