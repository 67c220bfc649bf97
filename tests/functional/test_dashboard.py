"""`scaffold dashboard`: a page from evidence and runs alone, and complete without a script."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from helpers import toy_recipe

from scaffold.recipes.catalogue import data_dir
from scaffold.rules.stats import mean_interval


class Page(HTMLParser):
    """What a browser finds: text, ids, links within the page, tags, and what leads elsewhere."""

    def __init__(self, html):
        super().__init__()
        self.html, self.ids, self.links, self.tags, self.texts = html, [], [], [], []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.texts))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src"):
                self.links.append(value)
            assert not name.startswith("on"), f"a handler: {name}"

    def handle_data(self, data):
        self.texts.append(data)


def page_of(cli, project):
    path = cli("dashboard", "--json", cwd=project).json["path"]
    assert path == str(project / ".scaffold/dashboard.html")
    page = Page((project / ".scaffold/dashboard.html").read_text())
    assert "script" not in page.tags and "link" not in page.tags
    assert "default-src 'none'" in page.html
    assert all(link.startswith("#") for link in page.links), "it fetches nothing"
    assert {link[1:] for link in page.links} <= set(page.ids), "each link has a place"
    assert len(page.ids) == len(set(page.ids))
    for chart in re.findall(r"<svg.*?</svg>", page.html, re.DOTALL):
        ElementTree.fromstring(chart)
        assert "nan" not in chart.lower()
    return page


def test_a_new_project_says_what_is_missing(cli, tweakable_recipe):
    page = page_of(cli, cli.new(tweakable_recipe))
    assert (
        "Not tried yet" in page.text
        and "Cannot say yet" in page.text
        and "Nothing changed yet" in page.text
    )
    assert "scaffold verify" in page.text
    for empty in ("Nothing yet.", "No change has been judged", "No run here", "No full run lies"):
        assert empty in page.text


def test_the_commands_on_the_page_are_those_that_there_are(cli):
    template = (data_dir("templates") / "dashboard/page.html").read_text()
    commands = re.findall(r"<code>scaffold ([^<]+)</code>", template)
    assert len(commands) >= 5
    for command in commands:
        words = command.split()
        names = [word for word in words if word.islower() and not word.startswith("-")]
        shown = cli(*names, "--help").out
        assert all(word in shown for word in words if word.startswith("-")), command


def test_every_number_is_in_the_evidence_and_leads_to_its_run(cli, judged):
    cli("tweak", "accept", "--reason", "a test", cwd=judged)
    page = page_of(cli, judged)
    evidence = json.loads((judged / "evidence/reproduce.json").read_text())
    assert "Yes" in page.text and "REPRODUCED" in page.text
    for run in evidence["runs"]:
        assert f"#run-{run['id']}" in page.links
        assert f"{run['metrics']['accuracy']['value']:.4g}" in page.text
    name = next(path.stem for path in (judged / "evidence").glob("tweak-*.json"))
    change = json.loads((judged / f"evidence/{name}.json").read_text())
    assert (
        f"1 tried, 1 accepted. {name.removeprefix('tweak-')} ({change['tweak']['kind']}):"
        in page.text
    )
    finding = next(f for f in change["judgment"]["findings"] if f["question"] == "change")
    assert f"{finding['mean'] - finding['before']:+.3g}" in page.text
    for run in (*change["before"]["runs"], *change["change"]["runs"]):
        assert f"run-{run['id']}" in page.ids and f"#run-{run['id']}" in page.links
    assert change["judgment"]["verdict"] in page.text


def test_texts_from_elsewhere_are_texts(cli, reproduced):
    hostile = "<script>alert(1)</script>&amp;"
    cli("tweak", "start", "odd", "--expect", "<b onclick=x>&amp;", cwd=reproduced)
    milestones = reproduced / "milestones.yaml"
    text = milestones.read_text()
    title = re.search(r"title: (.*)", text)
    milestones.write_text(text.replace(title[1], json.dumps(hostile), 1))
    page = page_of(cli, reproduced)
    assert hostile in page.text


def test_evidence_of_others_is_not_called_reproduced(cli, reproduced, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody else"))
    page = page_of(cli, reproduced)
    assert "Not checked here" in page.text and "by others, not checked here" in page.text
    assert "give its result again" not in page.text


def test_files_that_no_one_can_read_lose_only_themselves(cli, reproduced):
    (reproduced / ".scaffold/analysis.json").write_text("[" * 200_000)
    run = next((reproduced / ".scaffold/runs").glob("seed-*"))
    (run / "series.json").write_text('{"accuracy": [[Infinity, 1.0], [2, 1e308]]}')
    assert "Yes" in page_of(cli, reproduced).text


def test_runs_that_are_damaged_are_named(cli, reproduced):
    run = next((reproduced / ".scaffold/runs").glob("seed-*"))
    (run / "run.json").write_text("{")
    page = page_of(cli, reproduced)
    assert f"damaged or not of this user: {run.name}" in page.text
    assert f"run-{run.name}" not in page.ids


def test_curves_of_many_runs_are_a_band(cli, tweakable_recipe, monkeypatch):
    from scaffold.views.dashboard import facts
    from scaffold.views.dashboard.curves import draw_views

    def lines(count):
        series = tuple((step, 1 / (step + 1)) for step in range(1000))
        runs = tuple((f"run-{number}", series) for number in range(count))
        return facts.Curves(metric="loss", unit="nat", by_state={"reference": runs})

    few, many = (draw_views(lines(n))[0].picture for n in (3, 100))
    assert few.count('class="curve s1"') == 3 and "area" not in few
    assert many.count('class="curve s1"') == 1 and many.count("area s1") == 1
    assert len(many) < 40_000  # 100,000 points


def test_a_file_of_ones_own_and_outside_of_a_project(cli, reproduced, tmp_path):
    shown = cli("dashboard", "-o", tmp_path / "page.html", cwd=reproduced).out
    assert (tmp_path / "page.html").as_uri() in shown
    assert "is not in a project" in cli("dashboard", cwd=tmp_path, code=2).err


def test_a_metric_that_is_no_number_is_said(cli, tmp_path):
    program = "import sys\nprint('accuracy', 'nan' if sys.argv[1] == '1' else 0.9)\n"
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": program},
        commands={"train": {"run": "python train.py {seed}"}, "smoke": None},
        seeds={"how": "argument"},
        progress=None,
    )
    project = cli.new(recipe)
    cli.any_status("run", "--seeds", "3", cwd=project)
    page_of(cli, project)


@pytest.mark.parametrize(
    ("values", "interval"),
    [
        ([1.0], None),
        ([1.0, float("nan"), 2.0], None),
        ([1.0, 2.0, 3.0], (2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5)),  # t table, 2 df
    ],
)
def test_the_interval_of_a_mean(values, interval):
    found = mean_interval(values)
    assert found == (pytest.approx(interval, rel=1e-6) if interval else None)


def names_of_views(*series):
    from scaffold.views.dashboard.curves import draw_views
    from scaffold.views.dashboard.facts import Curves

    curves = Curves(
        metric="m",
        unit="nat",
        by_state={
            "reference": tuple((f"r{n}", tuple(enumerate(one))) for n, one in enumerate(series))
        },
    )
    return {view.name: view.picture for view in draw_views(curves)}


def test_a_curve_can_be_seen_by_logarithm_and_smoothed_where_that_says_something():
    falling = [10.0 / (step + 1) for step in range(30)]
    views = names_of_views(falling)
    assert list(views) == ["as printed", "smoothed", "log, as printed", "log, smoothed"]
    assert views["smoothed"].count("<path") == 2 and "curve raw" in views["smoothed"]
    assert ">1<" in views["log, as printed"] and ">10<" in views["log, as printed"]
    assert list(names_of_views(falling[:5])) == ["as printed", "log, as printed"]
    assert list(names_of_views([0.0, *falling[:5]])) == ["as printed"]
    assert list(names_of_views([1.0, 1.1, 1.2])) == ["as printed"]
    for picture in names_of_views([*falling, float("nan"), float("inf")]).values():
        assert "nan" not in picture and "inf" not in picture


def test_a_smoothed_line_starts_at_its_first_value_and_keeps_a_constant():
    from scaffold.views.dashboard.curves import smoothed

    values = [value for _, value in smoothed(((1, 3.0), (2, 3.0), (3, 3.0)))]
    assert values == pytest.approx([3.0, 3.0, 3.0])
    # (0.2 * 1 + 0.8 * 0.2 * 0) / (0.2 + 0.8 * 0.2)
    assert smoothed(((1, 0.0), (2, 1.0)))[1][1] == pytest.approx(0.2 / 0.36)
    assert smoothed(((1, float("nan")), (2, 1.0))) == ((2, 1.0),)
