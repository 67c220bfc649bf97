"""`scaffold analyze` on a program with knobs: probes, the bottleneck, its remedy, the next round."""

import pytest
import yaml
from helpers import copy_recipe, edit, toy_recipe

PROGRAM = """\
    import csv, json, random, sys

    args = dict(word.split("=", 1) for word in sys.argv[1:])
    random.seed(int(args["seed"]))
    rate, width, decay = float(args["rate"]), int(args["width"]), float(args["decay"])
    few = set(open(args["ids"]).read().split()) if args.get("ids") else None
    train = 0.02
    train += 0.3 if rate < 0.05 else 0
    train += 0.2 if width < 8 else 0
    train += 0.15 if decay > 0.5 else 0
    names = ["train-%d" % number for number in range(1000)]
    used = len(few) if few else len(names)
    gap = 0.0 if BALANCED else 120.0 / used
    rows = []
    for number, name in enumerate(names):
        split = "train" if few is None or name in few else "held-out"
        share = train if split == "train" else train + gap
        label = number % 10
        rows.append((name, split, label, label if random.random() > share else (label + 1) % 10))
    for number in range(2000):
        label = number % 10
        right = random.random() > train + gap
        rows.append(("val-%d" % number, "validation", label, label if right else (label + 1) % 10))
    with open("predictions.csv", "w", newline="") as file:
        csv.writer(file).writerows([("id", "split", "label", "prediction"), *rows])
    wrong = sum(row[2] != row[3] for row in rows if row[1] == "validation")
    json.dump({"accuracy": 1 - wrong / 2000}, open("metrics.json", "w"))
    """
KNOBS = {
    "learning_rate": "rate",
    "capacity": "width",
    "regularization": {"off": {"decay": 0}, "stronger": {"decay": 0.1}},
    "train_ids": "ids",
}


def make(cli, folder, *, balanced=True, knobs=KNOBS, **values):
    """A project whose own system is the program, with knobs and a goal."""
    run = "python train.py seed={seed} rate={rate} width={width} decay={decay} ids={ids}"
    recipe = toy_recipe(
        folder / "recipe",
        {"train.py": PROGRAM.replace("BALANCED", str(balanced))},
        commands={"train": {"run": run}, "smoke": {"run": run}},
        hyperparameters={"rate": 0.1, "width": 16, "decay": 0, "ids": "", **values},
        metrics=[
            {
                "name": "accuracy",
                "split": "validation",
                "direction": "higher",
                "unit": "fraction",
                "read": {"json": "metrics.json", "key": "accuracy"},
            }
        ],
        progress=None,
    )
    project = cli.new(recipe)
    cli(
        "tweak",
        "start",
        "begin",
        "--kind",
        "neutral",
        "--reason",
        "a test",
        "--margin",
        "0.02",
        cwd=project,
    )
    system = yaml.safe_load((project / "system.yaml").read_text())
    system["analysis"] = {"knobs": knobs}
    (project / "system.yaml").write_text(yaml.safe_dump(system, sort_keys=False))
    cli("goal", "set", "--matters", "0.02", "--why", "two in a hundred", cwd=project)
    cli("bound", "set", "0.01", "--source", "two people", cwd=project)
    return project


@pytest.mark.parametrize(
    ("values", "answer", "remedy"),
    [
        ({"rate": 0.01}, "optimizer", "learning-rate"),
        ({"width": 4}, "underfitting", "larger-model"),
        ({"decay": 1}, "underfitting", "less-regularization"),
    ],
)
def test_the_probe_that_gains_names_the_cause(cli, tmp_path, values, answer, remedy):
    project = make(cli, tmp_path, **values)
    told = cli("analyze", "--budget", "5", "--json", cwd=project).json
    assert told["bottleneck"] == answer and told["runs"] <= 5
    assert told["against"] and told["gain"] > 0.02
    assert remedy in [one["id"] for one in told["remedies"]]


def test_a_round_from_the_bottleneck_to_the_journal(cli, tmp_path):
    project = make(cli, tmp_path, rate=0.01)
    cli("verify", cwd=project)
    cli("tweak", "accept", cwd=project)
    refused = cli(
        "tweak", "start", "--remedy", "learning-rate", "--reason", "r", code=2, cwd=project
    )
    assert "nothing has been analyzed" in refused.err and "scaffold analyze" in refused.err
    text = cli("analyze", "--budget", "5", cwd=project).out
    assert "OPTIMIZER" in text and "rate-10" in text
    assert "scaffold tweak start --remedy learning-rate" in text
    cli("dashboard", cwd=project)
    page = (project / ".scaffold/dashboard.html").read_text()
    assert ">Optimizer<" in page and "learning rate 10 times as high" in page
    refused = cli(
        "tweak", "start", "--remedy", "more-data", "--reason", "r", code=2, cwd=project
    ).err
    assert "learning-rate, schedule, initialization, other-optimizer" in refused
    shown = cli("tweak", "start", "--remedy", "learning-rate", "--reason", "r", cwd=project).out
    assert "Edited     system.yaml: rate 0.1" in shown and "edit src/" not in shown
    assert yaml.safe_load((project / "system.yaml").read_text())["hyperparameters"]["rate"] == 0.1
    declared = yaml.safe_load((project / "tweaks/learning-rate.yaml").read_text())
    assert declared["bottleneck"] == "optimizer" and declared["refuted_by"]
    assert "BETTER" in cli("verify", cwd=project).out
    cli("tweak", "accept", cwd=project)
    page = (project / "journal/learning-rate.md").read_text()
    assert "- bottleneck: optimizer" in page and "- refuted by: the training error" in page
    refused = cli(
        "tweak", "start", "--remedy", "schedule", "--reason", "r", code=2, cwd=project
    ).err
    assert "src/ changed since the analysis" in refused


def test_too_little_data_is_told_from_overfitting(cli, tmp_path):
    project = make(cli, tmp_path, balanced=False)
    told = cli("analyze", "--json", cwd=project).json
    assert told["bottleneck"] == "too little data"
    assert [one["name"] for one in told["probed"]] == [
        "rows-0.5",
        "more-regularization",
        "rows-0.25",
    ]
    # 0.12 to 0.24 to 0.48: the error above training halves with twice the data.
    assert told["gain"] == pytest.approx(0.06, abs=0.03)
    cli("dashboard", cwd=project)
    page = (project / ".scaffold/dashboard.html").read_text()
    curve = page.partition("The error over the size of the training data")[2].partition("</svg>")[0]
    assert [f">{name}<" in curve for name in ("a quarter", "half", "all", "twice")] == [True] * 4
    assert curve.count('class="learned') == 3 and 'class="learned forecast"' in curve


def test_training_rows_are_chosen_however_their_split_is_written(cli, tmp_path):
    project = make(cli, tmp_path, balanced=False)
    edit(project, "src/train.py", 'split = "train" if few', 'split = "Training" if few')
    assert cli("probe", "rows-0.5", "--json", cwd=project).json["after"]["train"]["n"] == 500


def test_within_its_budget_it_says_which_run_would_decide(cli, tmp_path):
    project = make(cli, tmp_path, rate=0.01)
    told = cli("analyze", "--budget", "1", "--json", code=3, cwd=project).json
    assert (told["bottleneck"], told["next_probe"], told["runs"]) == (None, "wider", 2)
    text = cli("analyze", "--budget", "1", code=3, cwd=project).out
    assert "BIAS, CAUSE OPEN" in text and "scaffold analyze --budget 3" in text


def test_what_ran_is_not_run_again_and_is_no_run_of_the_program(cli, tmp_path):
    project = make(cli, tmp_path, rate=0.01)
    cli("analyze", "--budget", "2", code=3, cwd=project)
    probes = sorted(path.name for path in (project / ".scaffold/probes").iterdir())
    assert len(probes) == 3 and all(name.startswith("probe-") for name in probes)
    assert not list((project / "runs").glob("seed-*"))
    cli("analyze", "--budget", "2", code=3, cwd=project)
    assert sorted(path.name for path in (project / ".scaffold/probes").iterdir()) == probes


def test_one_probe_by_its_name(cli, tmp_path):
    project = make(cli, tmp_path, rate=0.01)
    told = cli("probe", "rate-10", "--json", cwd=project).json
    assert told["before"]["train"]["error"] > 0.25 > 0.1 > told["after"]["train"]["error"]
    assert "as it is" in cli("probe", "rate-10", cwd=project).out
    refused = cli("probe", "rate-7", code=2, cwd=project).err
    assert "no probe 'rate-7'" in refused and "rate-10, rate-0.1" in refused
    cli("analyze", "--budget", "5", cwd=project)
    cli("dashboard", cwd=project)
    page = (project / ".scaffold/dashboard.html").read_text()
    assert '<td data-label="probe">rate-10</td>' in page and "other-optimizer" in page


def test_a_knob_that_is_no_hyperparameter_is_refused_with_those_there_are(cli, tmp_path):
    project = make(cli, tmp_path)
    edit(project, "system.yaml", "learning_rate: rate", "learning_rate: speed")
    refused = cli("analyze", code=2, cwd=project).err
    assert "analysis.knobs.learning_rate" in refused and "'speed'" in refused and "rate" in refused


def test_a_program_without_knobs_or_torch_says_what_it_lacks(cli, tmp_path):
    project = make(cli, tmp_path, knobs={}, rate=0.01)
    told = cli("analyze", "--json", code=3, cwd=project).json
    assert told["bottleneck"] is None and told["next_probe"] is None
    assert "no probe" in told["why"]


def test_a_probe_that_was_run_by_hand_counts_in_the_analysis(cli, tmp_path):
    project = make(cli, tmp_path, rate=0.01)
    told = cli("analyze", "--budget", "1", "--json", code=3, cwd=project).json
    assert told["next_probe"] == "wider" and told["bottleneck"] is None
    cli("probe", "wider", cwd=project)
    told = cli("analyze", "--budget", "1", "--json", code=3, cwd=project).json
    assert [one["name"] for one in told["probed"]] == ["rate-10", "wider"]
    assert told["next_probe"] == "no-regularization"


def test_in_a_tweak_the_next_step_is_to_decide_it(cli, tmp_path):
    project = make(cli, tmp_path, rate=0.01)
    cli("verify", cwd=project)
    cli("tweak", "accept", cwd=project)
    cli("tweak", "start", "mine", "--reason", "r", cwd=project)
    text = " ".join(cli("analyze", "--budget", "5", cwd=project).out.split())
    assert "Next scaffold verify" in text and "tweak mine is under way" in text
    assert "tweak start --remedy" not in text


def test_a_program_that_diverges_and_fails_is_told_to_lower_its_rate(cli, tmp_path):
    program = """\
        import torch

        weight = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(weight.parameters(), lr=1e9)
        for _ in range(60):
            loss = torch.nn.functional.mse_loss(weight(torch.ones(4, 1)), torch.ones(4, 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        raise TypeError("nothing was kept")
        """
    project = cli.new(toy_recipe(tmp_path / "recipe", {"train.py": program}))
    cli("goal", "set", "--matters", "0.1", "--why", "w", cwd=project)
    told = cli("analyze", code=4, cwd=project).err
    assert "training diverged" in told and "lower the learning rate" in told


def test_a_table_in_another_folder_is_named(cli, tweakable_recipe, tmp_path):
    program = (tweakable_recipe / "reference/train.py").read_text()
    write = "os.mkdir('results')\nopen('results/predictions.csv', 'w').write('id\\n1\\n')\n"
    recipe = copy_recipe(
        tweakable_recipe,
        tmp_path / "elsewhere",
        {"train.py": (program, f"{program}\nimport os\n{write}")},
    )
    project = cli.new(recipe, "elsewhere-project")
    cli("goal", "set", "--matters", "0.02", "--why", "w", cwd=project)
    refused = cli("analyze", code=2, cwd=project).err
    assert "results/predictions.csv is not looked at" in refused
