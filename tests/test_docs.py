"""Documents that cannot drift: commands, exit codes, make targets, the README's transcript."""

import re
from pathlib import Path

import pytest

from scaffold.cli import COMMANDS, main
from scaffold.records.judgment import Verdict

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_documented_and_has_help(name, cli):
    assert f"`scaffold {name}" in README or f"scaffold {name}" in README
    said = cli(name, "--help").out
    assert "Usage: " in said and len(said.splitlines()) > 4
    command = main.get_command(None, name)
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.help, f"{name} {parameter.name} has no help"


def test_group_lists_every_command(cli):
    listed = cli("--help").out
    for name, help_text in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(help_text)}$", listed, re.MULTILINE)


def test_unknown_command_offers_the_nearest(cli):
    assert "Did you mean 'verify'?" in cli("verfy", code=2).err
    assert "There are: new, run" in cli("zzz", code=2).err


def test_readme_names_only_make_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text()):
        assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) <= targets


def test_every_word_of_a_verdict_is_explained():
    text = (ROOT / "docs/verdicts.md").read_text()
    for word in Verdict:
        assert word.value in text


def test_transcript_in_the_readme_is_what_is_printed(cli):
    """The lines of `mlloop-new` in the README.

    But for how long it takes on the reader's machine.
    """
    block = re.search(r"\$ mlloop-new digits --from digits-cnn\n(.*?)\n\$", README, re.DOTALL)[1]
    printed = cli("new", "digits", "--from", "digits-cnn", "--no-input").out

    def steady(text):
        return [
            re.sub(r"about \d+ \w+", "about N s", line.rstrip())
            for line in text.strip().splitlines()
        ]

    assert steady(printed) == steady(block)


def test_help_names_the_exit_codes(cli):
    said = " ".join(cli("--help").out.split())
    for text in (
        "0 done, verdict good",
        "1 verdict bad",
        "2 wrong usage",
        "3 inconclusive",
        "4 something",
        "130 interrupted",
    ):
        assert text in said


def test_every_page_is_on_the_site():
    """`make site` checks their links."""
    nav = re.findall(r"([a-z-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(nav) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_docs_are_read_without_a_checkout_or_a_network(cli):
    titles = cli("docs", "--json").json["pages"]
    assert titles.keys() == {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert titles["verdicts"] == "How evidence is judged"
    assert "verdicts     How evidence is judged" in cli("docs").out
    page = (ROOT / "docs/verdicts.md").read_text()
    assert cli("docs", "verdicts.md").out.strip() == page.strip()
    assert cli("docs", "verdicts", "--json").json["pages"] == {"verdicts": page}
    assert "did you mean verdicts?" in cli("docs", "verdict", code=2).err


def test_generated_pages_are_filled_in(cli):
    for page, words in {
        "cli": "## scaffold recipes draft\n\n```text\nUsage: scaffold recipes draft [OPTIONS] SOURCE",
        "files": "## recipe.yaml\n",
        "answers": "| `error` | [Error](#error) |",
    }.items():
        text = cli("docs", page).out
        assert words in text
        assert "\n::: " not in text


def test_other_pages_name_only_commands_that_exist(cli):
    commands = set(re.findall(r"^## scaffold (.+)$", cli("docs", "cli").out, re.MULTILINE))
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for typed in re.findall(r"`scaffold ([a-z]+(?: [a-z]+)?)", path.read_text()):
            assert {typed, typed.split()[0]} & commands, f"{path.name}: scaffold {typed}"
