"""Requirements files of references, as pip reads them."""

import pytest
from helpers import write_tree

from scaffold.environments.requirements import read_requirements, renamed_hint
from scaffold.errors import FetchError

HASH = "--hash=sha256:82fee1fc78add43492d3a1898bfa6d8a904cc97d8427f683ed8e798d07761aa0"


def read(tmp_path, content, **more):
    tree = write_tree(tmp_path / "reference", {"requirements.txt": content, **more})
    return read_requirements(tree / "requirements.txt", tree)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"\xef\xbb\xbfidna==3.7\r\n", ["idna==3.7"]),
        ("idna==3.7\r\ncertifi==2024.7.4\r\n".encode("utf-16"), ["idna==3.7", "certifi==2024.7.4"]),
        (f"idna==3.7 \\\n    {HASH}\n".encode(), [f"idna==3.7 \\\n    {HASH}"]),
        (b"idna == 3.7 # the text\n\n# nothing\n", ["idna==3.7"]),
        (b'idna==3.7; python_version<"3"\n', ['idna==3.7; python_version < "3"']),
        (
            b"--extra-index-url https://example.org/simple\nidna\n",
            ["--extra-index-url https://example.org/simple", "idna"],
        ),
    ],
)
def test_what_pip_reads(tmp_path, content, lines):
    assert sorted(read(tmp_path, content)[0]) == sorted(lines)


def test_files_that_include_each_other(tmp_path):
    more = {"more/base.txt": b"numpy\n-r ../requirements.txt\n", "limits.txt": b"numpy<2\n"}
    lines, constraints = read(tmp_path, b"idna\n-r more/base.txt\n-c limits.txt\n", **more)
    assert (sorted(lines), constraints) == (["idna", "numpy"], ["numpy<2"])


@pytest.mark.parametrize(
    ("content", "verdicts"),
    [
        (
            b"a\n-r gone.txt\n",
            "requirements.txt:2: '-r gone.txt', and the reference has no such file",
        ),
        (b"-r ../../secret.txt\n", "leads out of the reference"),
        (b"idna @ file:///croot/idna_1/work\n", "pip freeze in an environment of conda"),
        (b"_libgcc_mutex=0.1=main\n", "conda list"),
        (b"-e .\n", "requirements.txt:1 has '-e .', which is not a package of an index"),
        (b"git+https://github.com/openai/CLIP.git\n", "not a package of an index"),
        (b"./here\n", "not a package of an index"),
        (b"--no-binary :all:\n", "not a package of an index"),
    ],
)
def test_what_is_refused(tmp_path, content, verdicts):
    with pytest.raises(FetchError) as caught:
        read(tmp_path, content)
    assert verdicts in caught.value.message and "environment.packages" in caught.value.hint


def test_an_old_name_is_told():
    assert (
        renamed_hint("all versions of sklearn have no usable wheels")
        == "sklearn is the package scikit-learn now; "
    )
    assert renamed_hint("there is no numpy") == ""
