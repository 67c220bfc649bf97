"""What of a program can be rewritten as one part, and how a definition becomes an import."""

import pytest
from helpers import write_tree

from scaffold.errors import UsageError
from scaffold.records.program import Command
from scaffold.rewrite.imports import import_path, imported_files
from scaffold.rewrite.parts import (
    defined_parts,
    find_part,
    module_parts,
    replace_part,
    rewrite_name,
    stage_parts,
)

MODEL = """\
    import functools


    @functools.lru_cache
    def rate(step):
        return step


    class Block:
        pass


    class Net:
        block = Block
    """


def parts_of(tree):
    modules = [
        {"path": path, "class_name": "Block", "parameters": 3}
        for path in ("model", "model.a.norm", "model.b.norm")
    ]
    return [*module_parts(modules), *defined_parts(tree), *stage_parts()]


@pytest.fixture
def tree(tmp_path):
    broken = {"old.py": "print 'python 2'\n", "notes.txt": "class Nothing:\n"}
    return write_tree(
        tmp_path / "src", {"model.py": MODEL, "lib/__init__.py": "", "lib/ops.py": MODEL, **broken}
    )


def test_definitions_are_found_and_what_is_no_program_is_left_out(tree):
    names = {part.name: part.about for part in defined_parts(tree)}
    assert names["model.Block"] == "model.py:9" and names["lib.ops.rate"] == "lib/ops.py:5"
    assert not any("Nothing" in name or name.startswith("old") for name in names)


def test_a_part_goes_by_its_name_or_its_end(tree):
    parts = parts_of(tree)
    assert find_part("model.a.norm", parts).kind == "module"
    assert find_part("loss", parts).kind == "stage"
    for name, told in (
        ("norm", "several parts 'norm': model.a.norm, model.b.norm"),
        ("Blok", "no part 'Blok'"),
    ):
        with pytest.raises(UsageError, match=told):
            find_part(name, parts)
    with pytest.raises(UsageError) as caught:
        find_part("Blok", parts)
    assert "did you mean" in caught.value.hint and "Block" in caught.value.hint


def test_a_definition_with_its_decorators_becomes_an_import(tree, tmp_path):
    own = write_tree(tmp_path, {"mine.py": "def my_rate(step):\n    return step\n"}) / "mine.py"
    part = find_part("model.rate", parts_of(tree))
    changed = replace_part(tree, part, own, "my_rate")
    assert changed["mine.py"] == own.read_bytes()
    assert b"from mine import my_rate as rate\n" in changed["model.py"]
    assert b"lru_cache\ndef" not in changed["model.py"] and b"class Block" in changed["model.py"]
    inside = replace_part(tree, find_part("lib.ops.rate", parts_of(tree)), own, "my_rate")
    assert (
        b"from lib.mine import my_rate as rate\n" in inside["lib/ops.py"]
        and "lib/mine.py" in inside
    )
    script = replace_part(tree, find_part("lib.ops.rate", parts_of(tree)), own, "my_rate", ("lib",))
    assert b"from mine import my_rate as rate\n" in script["lib/ops.py"], (
        "lib/ is where its script lies"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"import os\r\n\r\n\r\ndef rate(step):\r\n    return step\r\n\r\n\r\nx = 1\r\n",
        b"import os\n\n\x0c\ndef rate(step):\n    return step\n\n\nx = 1\n",
        "# -*- coding: gbk -*-\n# \u6570\u636e\n\n\ndef rate(step):\n    return step\n\n\nx = 1\n".encode(
            "gbk"
        ),
        b"def rate(step):\n    return step",
    ],
)
def test_no_other_line_changes_whatever_a_file_is_written_in(tmp_path, content):
    tree = write_tree(tmp_path / "src", {"model.py": content})
    own = write_tree(tmp_path, {"mine.py": "def rate(step):\n    return step\n"}) / "mine.py"
    changed = replace_part(tree, find_part("rate", defined_parts(tree)), own, "rate")["model.py"]
    end = b"\r\n" if b"\r\n" in content else b"\n" if content.endswith(b"\n") else b""
    start = content.index(b"def rate")
    stop = content.index(b"return step") + len(b"return step") + len(end)
    assert changed == content[:start] + b"from mine import rate" + end + content[stop:]


def test_only_what_the_commands_import_is_listed(tmp_path):
    tree = write_tree(
        tmp_path / "src",
        {
            "train.py": "from models.net import Net\nimport data\n",
            "data.py": "def load():\n    pass\n",
            "models/__init__.py": "",
            "models/net.py": "from . import layers\nclass Net:\n    pass\n",
            "models/layers.py": "class Layer:\n    pass\n",
            "other.py": "def unused():\n    pass\n",
            "tools/run.py": "import helper\n",
            "tools/helper.py": "def help():\n    pass\n",
        },
    )
    command = Command.model_validate({"run": "python train.py", "timeout_s": 1})
    found = imported_files(tree, [command])
    assert found.files == {
        "train.py",
        "data.py",
        "models/__init__.py",
        "models/net.py",
        "models/layers.py",
    }
    assert found.roots == ("",)
    names = [part.name for part in defined_parts(tree, found.files)]
    assert "models.layers.Layer" in names and "other.unused" not in names
    inside = imported_files(
        tree, [Command.model_validate({"run": "python tools/run.py", "timeout_s": 1})]
    )
    assert inside.files == {"tools/run.py", "tools/helper.py"} and inside.roots == ("tools",)
    assert import_path("tools/mine.py", inside.roots) == "mine"
    module = imported_files(
        tree, [Command.model_validate({"run": "python -m models.net", "timeout_s": 1})]
    )
    assert (
        "models/layers.py" in module.files
        and import_path("models/mine.py", module.roots) == "models.mine"
    )


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("model.CausalSelfAttention", "model-causal-self-attention"),
        ("train.get_lr", "get-lr"),
        ("Block", "block"),
        ("loss", "loss"),
        ("model.h.0.attn", "model-h-0-attn"),
        ("___", "part"),
    ],
)
def test_a_rewrite_is_called_after_its_part(part, name):
    assert rewrite_name(part) == name
