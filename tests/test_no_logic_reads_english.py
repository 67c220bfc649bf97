"""No logic reads an English sentence: every message is renamed, and nothing else changes.

The same commands run twice, once with every sentence of the package replaced while it is imported.
What programs read (exit status, verdicts, codes, purposes, states) must be the same.
"""

import json
import shutil
import subprocess
import sys

RENAMING = '''
import ast, importlib.abc, importlib.machinery, re, sys

SENTENCE = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")


class Renamed(ast.NodeTransformer):
    """Replaces each sentence; docstrings and commands for a shell stay."""

    def visit_Expr(self, node):
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, str) and SENTENCE.search(node.value):
            if not node.value.lstrip().startswith(("git ", "scaffold ", "[", "#", "(")):
                new = re.sub(r"[a-z]{2,}", lambda word: word[0][::-1], node.value)
                return ast.copy_location(ast.Constant(new), node)
        return node


class Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, *, _optimize=-1):
        tree = ast.fix_missing_locations(Renamed().visit(ast.parse(data, path)))
        return compile(tree, path, "exec", dont_inherit=True)

    def get_code(self, fullname):
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and name.split(".")[0] == "scaffold" and spec.origin and "shim" not in spec.origin:
            spec.loader = Loader(name, spec.origin)
        return spec


if sys.argv[1] == "renamed":
    sys.meta_path.insert(0, Finder())
'''

STORY = """
import json, os, pathlib, sys
from click.testing import CliRunner

answers = []


def call(*words):
    from scaffold.cli import main
    result = CliRunner().invoke(main, [*words, "--json"])
    content = json.loads(result.stdout)
    answers.append((words[:2], result.exit_code, content))
    return content


def edit(path, old, new):
    text = pathlib.Path(path).read_text()
    assert old in text, (path, old)
    pathlib.Path(path).write_text(text.replace(old, new))


call("new", "project", "--from", sys.argv[2])
os.chdir("project")
call("verify", "--trust", call("verify").get("trust", "none"))
call("status")
call("tweak", "start", "rename", "--kind", "neutral")
edit("src/train.py", "LEVEL", "BASE")
call("verify")
call("next")
call("tweak", "accept")
call("tweak", "list")
call("tweak", "start", "level", "--kind", "neutral")
edit("src/train.py", "BASE = 0.9", "BASE = 0.8")
call("verify")
call("tweak", "accept")
call("tweak", "drop")
edit("reference/train.py", "LEVEL = 0.9", "LEVEL = 0.7")
call("status")
call("verify")
edit("reference/train.py", "LEVEL = 0.7", "LEVEL = 0.9")
(pathlib.Path("evidence") / "reproduce.json").write_text("{}")
call("status")
call("explain", "REPRODUCED")
call("doctor")
print(json.dumps(answers))
"""

# The rest is numbers, which time decides, and sentences.
READ_BY_PROGRAMS = {
    "format",
    "kind",
    "verdict",
    "basis",
    "question",
    "metric",
    "code",
    "purpose",
    "state",
    "evidence",
    "origin",
    "type",
    "decision",
    "phase",
    "tweak_kind",
    "aspect",
    "group",
}


def skeleton(value, key=""):
    if isinstance(value, dict):
        return {
            name: skeleton(item, name)
            for name, item in value.items()
            if name in READ_BY_PROGRAMS or isinstance(item, (dict, list))
        }
    if isinstance(value, list):
        # What a run costs is decided by the clock.
        timed = [item for item in value if not _is_timed(item)]
        return [skeleton(item, key) for item in timed]
    return value if key in READ_BY_PROGRAMS else None


def _is_timed(item):
    return isinstance(item, dict) and item.get("question") == "cost"


def told(tmp_path, recipe, naming):
    folder = tmp_path / naming
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", RENAMING + STORY, naming, str(recipe)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_message_can_be_renamed(tmp_path, tweakable_recipe):
    recipe = shutil.copytree(tweakable_recipe, tmp_path / "recipe")
    plain, renamed = (told(tmp_path, recipe, naming) for naming in ("plain", "renamed"))
    assert json.dumps(plain) != json.dumps(renamed), "no message was renamed"
    for before, after in zip(plain, renamed, strict=True):
        assert skeleton(before) == skeleton(after), before[0]
        assert before[1] == after[1], before[0]
