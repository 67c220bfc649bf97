"""Requirements against the running interpreter, and pip's settings in uv's words."""

import pytest

from scaffold.environment import unmet_requirements
from scaffold.pip_configuration import read_pip_settings, translate


@pytest.mark.parametrize(
    ("requirement", "unmet"),
    [
        ("pytest", False), ("pytest>=8", False), ("pytest<2", True), ("no-such-package-at-all", True),
        ("pytest; python_version < '3'", False), ("-r other.txt", True), ("PyYAML", False), ("pyyaml[extra]", False),
    ],
)  # fmt: skip
def test_unmet_requirements(requirement, unmet):
    assert unmet_requirements([requirement]) == ([requirement] if unmet else [])


def test_pip_settings_are_read_as_pip_does(tmp_path):
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://one.example/simple\nfind_links = /wheels\n[install]\nno-index = true\n"
        "[list]\nformat = json\n"
    )
    special = tmp_path / "special.conf"
    special.write_text("[global]\ncert = /ca.pem\n")
    variables = {
        "HOME": str(tmp_path), "PIP_CONFIG_FILE": str(special), "PIP_INDEX_URL": "https://two.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://three.example https://four.example",
    }  # fmt: skip
    settings = read_pip_settings(variables)
    assert settings["index-url"] == "https://two.example/simple"  # a variable wins over a file
    assert settings["find-links"] == "/wheels" and settings["cert"] == "/ca.pem" and "format" not in settings


def test_pip_settings_in_uvs_words():
    translated = translate(
        {
            "index-url": "https://one", "extra-index-url": "https://two\nhttps://three", "find-links": "/a /b",
            "constraint": "c.txt", "trusted-host": "one", "no-index": "true", "cert": "/ca.pem", "timeout": "180",
            "quiet": "1",
        }
    )  # fmt: skip
    assert list(translated.options) == [
        "--default-index", "https://one", "--index", "https://two", "--index", "https://three",
        "--index-strategy", "unsafe-best-match", "--find-links", "/a", "--find-links", "/b",
        "--allow-insecure-host", "one", "--no-index",
    ]  # fmt: skip
    assert translated.constraints == ("--constraints", "c.txt")
    assert translated.environment == {"SSL_CERT_FILE": "/ca.pem", "UV_HTTP_TIMEOUT": "180"}
    assert translate({}).options == ()
