"""Programs for older Pythons are read as if they were written today."""

import ast

import pytest

from scaffold.authoring.drafting.old_python import modernize


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("print 'a %d' % 3, b", "print('a %d' % 3, b)"),
        ("print", "print()"),
        ("if x: print y  # why", "if x: print(y)  # why"),
        ("print >>log, 'a', b", "print('a', b)"),
        ("print ('a', b)", "print ('a', b)"),
        ("try:\n    f()\nexcept (A, B), e:\n    raise E, 'x'", None),
        ("x.cuda(async=True)", "x.cuda(async_=True)"),
        ("if a <> b: pass", "if a != b: pass"),
        ("n = 0777 + 10L", "n = 0o777 + 10"),
        ("p = ur'a'", "p = r'a'"),
        ("s = `x`", "s = repr(x)"),
        ("f = lambda (a, b): a", "f = lambda a, b: a"),
        ("exec code", "exec(code)"),
        ("class A:\n    def f(self):\n\tpass\n", None),
    ],
)
def test_statements_become_those_of_today(old, new):
    written = modernize(old)
    assert ast.dump(ast.parse(written)) == ast.dump(ast.parse(new or written))


def test_a_statement_of_several_lines_is_closed_where_it_ends():
    old = "print 'a %s %s' % (\n    one,\n    two)\nx = 1"
    tree = ast.parse(modernize(old))
    assert [node.lineno for node in tree.body] == [1, 4]
    assert isinstance(tree.body[0].value, ast.Call)


def test_lines_keep_their_numbers():
    old = "import a\n\nprint 'b'\n\n\nx.cuda(async = True)\n"
    assert [node.lineno for node in ast.parse(modernize(old)).body] == [1, 3, 6]
