"""What of a program can be rewritten as one part, and how a definition becomes an import."""

import pytest
from helpers import write_tree

from scaffold.errors import UsageError
from scaffold.parts import defined_parts, find_part, module_parts, replace_part, rewrite_name, stage_parts

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
    modules = [{"path": path, "class": "Block", "parameters": 3} for path in ("model", "model.a.norm", "model.b.norm")]
    return [*module_parts(modules), *defined_parts(tree), *stage_parts()]


@pytest.fixture
def tree(tmp_path):
    broken = {"old.py": "print 'python 2'\n", "notes.txt": "class Nothing:\n"}
    return write_tree(tmp_path / "src", {"model.py": MODEL, "lib/__init__.py": "", "lib/ops.py": MODEL, **broken})


def test_definitions_are_found_and_what_is_no_program_is_left_out(tree):
    names = {part.name: part.about for part in defined_parts(tree)}
    assert names["model.Block"] == "model.py:9" and names["lib.ops.rate"] == "lib/ops.py:5"
    assert not any("Nothing" in name or name.startswith("old") for name in names)


def test_a_part_goes_by_its_name_or_its_end(tree):
    parts = parts_of(tree)
    assert find_part("model.a.norm", parts).kind == "module"
    assert find_part("loss", parts).kind == "stage"
    for name, told in (("norm", "several parts 'norm': model.a.norm, model.b.norm"), ("Blok", "no part 'Blok'")):
        with pytest.raises(UsageError, match=told):
            find_part(name, parts)
    with pytest.raises(UsageError) as caught:
        find_part("Blok", parts)
    assert "did you mean" in caught.value.hint and "Block" in caught.value.hint


def test_a_definition_with_its_decorators_becomes_an_import(tree, tmp_path):
    own = write_tree(tmp_path, {"mine.py": "def my_rate(step):\n    return step\n"}) / "mine.py"
    part = find_part("model.rate", parts_of(tree))
    changed = replace_part(tree, part, own, "my_rate")
    assert changed["mine.py"] == own.read_text()
    assert "from mine import my_rate as rate\n" in changed["model.py"]
    assert "lru_cache\ndef" not in changed["model.py"] and "class Block" in changed["model.py"]
    inside = replace_part(tree, find_part("lib.ops.rate", parts_of(tree)), own, "my_rate")
    assert "from .mine import my_rate as rate\n" in inside["lib/ops.py"] and "lib/mine.py" in inside


@pytest.mark.parametrize(
    ("part", "name"),
    [("model.CausalSelfAttention", "model-causal-self-attention"), ("train.get_lr", "get-lr"), ("Block", "block"),
     ("loss", "loss"), ("model.h.0.attn", "model-h-0-attn"), ("___", "part")],
)  # fmt: skip
def test_a_rewrite_is_called_after_its_part(part, name):
    assert rewrite_name(part) == name
