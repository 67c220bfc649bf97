"""Names that a command gives, and the data, numbers and texts that they lead to."""

import pytest
from drafts import TRAIN, draft_of

README = "# T\n\n`python train.py`\n"
NAMED = TRAIN + 'parser.add_argument("--dataset", default="TREC")\n'
READS_ANOTHER = 'rows = open("data/MR/rt-polarity.pos").read()\n'


def data_of(draft):
    return {
        key: answer.value for key, answer in draft.answers.items() if key.startswith("datasets")
    }


def test_the_folder_with_the_name_of_the_dataset_goes_before_files_elsewhere():
    draft = draft_of(
        README_dot_md=README,
        train_dot_py=NAMED + READS_ANOTHER,
        more_paths=["data/MR/rt-polarity.pos", "data/TREC/train.txt"],
    )
    (data,) = data_of(draft).values()
    assert (data["name"], data["inside"]) == ("trec", "data/TREC")


def test_a_folder_of_several_datasets_goes_by_the_one_that_is_used():
    program = TRAIN.replace(
        "args = ",
        'parser.add_argument("--path", default="Data/")\n'
        'parser.add_argument("--dataset", default="ml-1m")\nargs = ',
    )
    draft = draft_of(
        README_dot_md=README,
        train_dot_py=program,
        more_paths=["Data/ml-1m.train.rating", "Data/pinterest-20.train.rating"],
    )
    (data,) = data_of(draft).values()
    assert (data["name"], data["inside"]) == ("ml_1m", "Data")


DOWNLOADS = "wget https://example.org/wikitext-2-v1.zip\nwget https://example.org/enwik8.zip\n"


@pytest.mark.parametrize(("folder", "is_open"), [("data/penn", True), ("data/", False)])
def test_which_of_several_downloads_fills_a_folder_is_asked(folder, is_open):
    program = TRAIN.replace(
        "args = ", f'parser.add_argument("--data", default="{folder}")\nargs = '
    )
    draft = draft_of(
        README_dot_md=f"# T\n\n```\nbash getdata.sh\npython train.py\n```\n\n```\n{DOWNLOADS}```\n",
        train_dot_py=program,
        getdata_dot_sh=DOWNLOADS,
    )
    answers = {key: one for key, one in draft.answers.items() if key.startswith("datasets")}
    assert (answers.keys() == {"datasets"}) is is_open
    if is_open:
        assert len(answers["datasets"].candidates) == 2


def test_the_folder_that_a_function_reads_by_default():
    loader = 'def load_data(path="./data/cora/", dataset="cora"):\n    return path\n'
    draft = draft_of(
        README_dot_md=README,
        train_dot_py=f"{loader}{TRAIN}load_data()\n",
        more_paths=["data/cora/cora.cites"],
    )
    (data,) = data_of(draft).values()
    assert (data["name"], data["inside"]) == ("cora", "data/cora")


def test_a_name_that_begins_a_longer_one_tells_its_row():
    table = (
        "| network | test accuracy |\n|---|---|\n| mobilenet | 65.98 % |\n| vgg16_bn | 72.93 % |\n"
    )
    draft = draft_of(
        README_dot_md=f"# T\n\n## Results\n{table}\n```\npython train.py --model vgg16\n```\n",
        train_dot_py=TRAIN,
    )
    assert draft.answers["claims.0"].value["value"] == 72.93


@pytest.mark.parametrize(
    "line",
    [
        'msg = "Final accuracy: {:.3f}"\nprint(msg.format(acc))',
        'msg = "Final accuracy: %.3f"\nprint(msg % acc)',
    ],
)
def test_a_text_that_has_a_name_before_it_is_filled(line):
    program = TRAIN.replace('print(f"test accuracy {acc:.3f}, BLEU {acc:.2f}")', f"\n{line}")
    draft = draft_of(README_dot_md=README, train_dot_py=program)
    metric = draft.answers["metrics.0"].value
    assert metric["name"].endswith("accuracy")
    assert metric["read"]["stdout"].startswith("Final")


@pytest.mark.parametrize("call", ["cuda(args.gpu)", 'cuda(params["GPU"])', "cuda(0)"])
def test_a_gpu_by_its_number_is_a_gpu(call):
    draft = draft_of(README_dot_md=README, train_dot_py=f"{TRAIN}model.{call}\n")
    assert draft.answers["resources.device"].value == "cuda"


def test_programs_that_each_have_a_folder_of_their_own_are_asked_about():
    """One README for many papers: which one is meant is not said."""
    names = ("aae", "began", "cgan", "dcgan", "infogan", "wgan")

    def asked(count):
        readme = "# T\n\n" + "".join(
            f"## {name}\n```\ncd implementations/{name}/\npython3 {name}.py\n```\n"
            for name in names[:count]
        )
        files = {f"implementations__{name}__{name}_dot_py": TRAIN for name in names[:count]}
        answer = draft_of(README_dot_md=readme, **files).answers["commands.train.run"]
        return [str(candidate.value) for candidate in answer.candidates]

    assert asked(6) == [f"implementations/{name}/" for name in names]
    assert not any(value.endswith("/") for value in asked(2))


SEEDED = TRAIN.replace("args = ", 'parser.add_argument("--seed", type=int, default=0)\nargs = ')


@pytest.mark.parametrize(
    ("lines", "how"),
    [
        # A split that is the same for all seeds is no seed of the program.
        ("split(x, random_state=1)\nfit(x, random_state=args.seed)", "argument"),
        ("split(x, random_state=1)\nprint(args.seed)", "argument"),
        ("torch.manual_seed(1)\nprint(args.seed)", "offset"),
        ("torch.manual_seed(1)\nsplit(x, random_state=args.seed)", "offset"),
    ],
)
def test_a_command_has_a_slot_for_the_seed_where_the_option_decides(lines, how):
    draft = draft_of(README_dot_md=README, train_dot_py=f"{SEEDED}{lines}\n")
    assert draft.answers["seeds.how"].value == how
    assert ("{seed}" in draft.answers["commands.train.run"].value) is (how == "argument")


@pytest.mark.parametrize(
    ("test", "is_asked_for"),
    [
        ("args.gpu >= 0", True),
        ("args.gpu > 0", False),
        ("args.gpu != -1", True),
        ("args.gpu == 0", False),
    ],
)
def test_a_number_of_a_gpu_that_the_program_compares(test, is_asked_for):
    option = 'parser.add_argument("--gpu", type=int, default=0)\nargs = '
    program = TRAIN.replace("args = ", option) + f"if {test}:\n    model.cuda()\n"
    answer = draft_of(README_dot_md=README, train_dot_py=program).answers["resources.device"]
    assert (answer.value == "cuda") is is_asked_for


@pytest.mark.parametrize(
    ("lines", "device"),
    [
        ('DEVICE = "cuda"\n', "cuda"),
        ('DEVICE = "cuda" if torch.cuda.is_available() else "cpu"\n', "cpu"),
    ],
)
def test_a_constant_that_names_the_device(lines, device):
    draft = draft_of(README_dot_md=README, train_dot_py=f"{TRAIN}{lines}model.to(DEVICE)\n")
    assert draft.answers["resources.device"].value == device


def test_a_server_that_is_started_beside_is_another_command():
    readme = "# T\n\n```\n$ sudo python3 -m visdom.server & python3 train.py --lr 0.5 2>&1\n```\n"
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    assert draft.answers["hyperparameters.lr"].value == 0.5
    assert "visdom" not in draft.answers["commands.train.run"].value


def test_what_the_program_imports_where_it_starts_is_needed():
    start = "if __name__ == '__main__':\n    import tqdm\nif False:\n    import visdom\n"
    draft = draft_of(README_dot_md=README, train_dot_py=TRAIN + start)
    packages = draft.answers["environment.packages"].value
    assert "tqdm" in packages and "visdom" not in packages


def test_settings_of_models_of_which_one_is_chosen_by_its_name_are_not_taken():
    models = "".join(
        f"class {name}:\n    def __init__(self, batch_size={size}): pass\n"
        for name, size in (("A", 16), ("B", 32), ("C", 64))
    )
    chosen = "".join(f'if args.model == "{name}":\n    net = {name}()\n' for name in "ABC")
    made = 'if __name__ == "__main__":\n    A(), B(), C()\n'
    for lines, is_taken in ((chosen, False), (made, True)):
        draft = draft_of(README_dot_md=README, train_dot_py=f"{models}{TRAIN}{lines}")
        assert ("batch_size" in draft.fixed) is is_taken


def test_a_configuration_for_testing_does_not_train():
    readme = "# T\n\n```\npython train.py -c conf/test.yaml\npython train.py -c conf/a.yaml\n```\n"
    program = TRAIN.replace("args = ", 'parser.add_argument("-c", "--conf")\nargs = ')
    draft = draft_of(README_dot_md=readme, train_dot_py=program)
    assert "conf/a.yaml" in draft.answers["commands.train.run"].note


def test_a_script_that_the_readme_names_goes_before_a_mention_of_its_program():
    readme = "# T\n\nThe `launch.sh` script trains it. Add it below the last line in `train.py`.\n"
    draft = draft_of(
        README_dot_md=readme,
        train_dot_py=TRAIN,
        scripts__launch_dot_sh="python train.py --lr 0.5\n",
    )
    assert draft.answers["hyperparameters.lr"].value == 0.5


def test_what_another_folders_readme_prepares_is_not_for_this_program():
    draft = draft_of(
        README_dot_md=README,
        train_dot_py=TRAIN,
        port__README_dot_md="# Port\n\n```\npython prepare_data.py --all\n```\n",
        port__prepare_data_dot_py="import sys\nprint(sys.argv)\n",
    )
    assert "commands.prepare.run" not in draft.answers


def test_a_train_on_rails_is_not_the_mode_of_a_command():
    table = "| class | IoU (%) |\n|---|---|\n| train | 34.8 % |\n"
    whole = "| data | mean IoU (%) |\n|---|---|\n| CamVid | 52.1 % |\n"
    program = TRAIN.replace("args = ", 'parser.add_argument("--mode")\nargs = ')
    program = program.replace("test accuracy", "test mean IoU")
    draft = draft_of(
        README_dot_md=f"# T\n\n{whole}\n```\npython train.py --mode train\n```\n",
        save__README_dot_md=f"# Saved\n\n{table}",
        train_dot_py=program,
    )
    assert draft.answers["claims.0"].value["value"] == 52.1


def test_the_interpreter_names_no_data():
    program = TRAIN.replace("args = ", 'parser.add_argument("--dataset", default="I128")\nargs = ')
    program += 'URL = "https://example.org/cifar-100-python.tar.gz"\n'
    draft = draft_of(README_dot_md=README, train_dot_py=program)
    assert "datasets.0" not in draft.answers


def test_evaluating_is_not_what_is_left_of_training_commands_with_gaps():
    readme = "# T\n\n```\npython train_it.py --path=[path/to/model]\n```\n\n```\npython eval_it.py\n```\n"
    draft = draft_of(
        README_dot_md=readme, train_it_dot_py=TRAIN, eval_it_dot_py="print('accuracy', 0.5)\n"
    )
    assert "commands.evaluate.run" not in draft.answers


def drafted(lines, readme=README, **files):
    return draft_of(README_dot_md=readme, train_dot_py=f"{TRAIN}{lines}\n", **files).answers


GPU = 'parser.add_argument("--gpu", type=int, default=0)\nargs = '


@pytest.mark.parametrize(
    "lines",
    [
        "if not torch.cuda.is_available():\n    args.gpu = -1\nif args.gpu >= 0:\n    model.cuda(args.gpu)",
        "args.gpu = find_one(args.gpu)\nif args.gpu >= 0:\n    model.cuda(args.gpu)",
        "import helper\nhelper.cuda(model, args)",
    ],
)
def test_a_gpu_that_may_not_be_there_is_not_needed(lines):
    program = TRAIN.replace("args = ", GPU) + lines + "\n"
    answers = draft_of(README_dot_md=README, train_dot_py=program).answers
    assert answers["resources.device"].value == "cpu"


def test_a_constant_that_nothing_reads_names_no_device():
    answers = drafted("import other", other_dot_py="DEVICE = 'cuda'\n")
    assert answers["resources.device"].value == "cpu"


def test_files_that_are_tested_on_are_no_configuration():
    readme = "# T\n\n`python train.py --train_file data/train.json --test_file data/test.json`\n"
    options = "".join(f'parser.add_argument("--{name}_file")\n' for name in ("train", "test"))
    program = TRAIN.replace("args = ", f"{options}args = ")
    answers = draft_of(README_dot_md=readme, train_dot_py=program).answers
    assert "commands.train.run" in answers and "commands.evaluate.run" not in answers


def test_folders_of_functions_that_are_not_called_or_that_write_are_no_data():
    functions = (
        "def load_other(path='data/citeseer/'):\n    pass\n"
        "def save_figures(folder='data/results/'):\n    pass\n"
        "save_figures()\n"
    )
    draft = draft_of(
        README_dot_md=README,
        train_dot_py=f"{functions}{TRAIN}open('data/cora/x.csv').read()\n",
        more_paths=["data/cora/x.csv", "data/citeseer/y.csv", "data/results/z.csv"],
    )
    assert [data["inside"] for data in data_of(draft).values()] == ["data/cora/x.csv"]


def test_an_ampersand_inside_a_word_parts_nothing():
    readme = "# T\n\n`python train.py --model 'a&b' --lr 0.3`\n"
    assert drafted("", readme)["hyperparameters.lr"].value == 0.3


def test_the_state_of_a_model_is_the_programs_seed():
    program = SEEDED + "import numpy as np\nnp.random.seed(0)\nfit(random_state=args.seed)\n"
    answers = draft_of(README_dot_md=README, train_dot_py=program).answers
    assert answers["seeds.how"].value == "argument"


def test_a_text_that_is_empty_otherwise_hides_none():
    lines = 'if acc:\n    msg = f"Final accuracy {acc:.4f}"\nelse:\n    msg = ""\nprint(msg)\n'
    program = TRAIN.replace('print(f"test accuracy {acc:.3f}, BLEU {acc:.2f}")', f"\n{lines}")
    answers = draft_of(README_dot_md=README, train_dot_py=program).answers
    assert answers["metrics.0"].value["name"].endswith("accuracy")


def test_classes_under_one_condition_are_all_made():
    models = "".join(
        f"class {name}:\n    def __init__(self, {name}_dim): pass\n" for name in ("a", "b", "c")
    )
    made = 'if args.model == "small":\n    a(a_dim=1), b(b_dim=2), c(c_dim=3)\n'
    draft = draft_of(README_dot_md=README, train_dot_py=f"{models}{TRAIN}{made}")
    assert {"a_dim", "b_dim", "c_dim"} <= draft.fixed.keys()


def test_a_name_that_is_asked_for_is_not_the_start_of_the_program():
    packages = drafted("if model.__class__.__name__ == 'GPT':\n    import apex")
    assert "apex" not in packages["environment.packages"].value
