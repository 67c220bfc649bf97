"""Metric readers and every rule of selection."""

import math
import shutil

import pytest
from helpers import write_tree
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX import SummaryWriter

from scaffold.errors import RunError
from scaffold.records.metric import Metric
from scaffold.running.points import parse_number
from scaffold.running.readers import read_lines, read_metric, read_points
from scaffold.running.tensorboard_events import read_scalars

STDOUT = {"stdout": r"loss (?P<value>\S+)"}


def metric(read=STDOUT, **more):
    return Metric(name="m", split="s", direction="lower", **{"unit": "nat", "read": read, **more})


def read(tmp_path, definition, out="", err="", files=None):
    logs = write_tree(tmp_path / "logs", {"0-train.out": out.encode(), "0-train.err": err.encode()})
    tree = write_tree(tmp_path / "tree", files or {})
    tree.mkdir(exist_ok=True)
    return read_metric(definition, logs, tree)[0]


def test_the_right_nine_among_2001_noisy_lines(tmp_path):
    noise = [f"iter {i}: loss {5 - i / 1000:.4f}, time 1ms" for i in range(2001)]
    for step in range(0, 2001, 250):
        noise.insert(
            step + step // 250, f"step {step}: train loss 2.0, val loss {4 - step / 1000:.4f}"
        )
    pattern = {"stdout": r"^step (?P<step>\d+): train loss [\d.]+, val loss (?P<value>[\d.]+)"}
    value = read(tmp_path, metric(pattern), "\n".join(noise))
    assert (value.value, value.step, value.half_digit) == (2.0, 2000, pytest.approx(0.00005))
    assert read(tmp_path, metric(pattern, take={"step": 250}), "\n".join(noise)).value == 3.75


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        ("last", 2.0),
        ("first", 3.0),
        ("max", 9.0),
        ("min", 1.0),
        ({"nth": 2}, 9.0),
        ({"nth": 4}, 2.0),
    ],
)
def test_selection(tmp_path, take, expected):
    assert read(tmp_path, metric(take=take), "loss 3\nloss 9\nloss 1\nloss 2\n").value == expected


@pytest.mark.parametrize(
    ("take", "verdicts"),
    [({"nth": 5}, "occurrence 5 wanted, 4 found"), ({"step": 7}, "step 7 wanted, no steps found")],
)
def test_selection_that_is_not_there(tmp_path, take, verdicts):
    with pytest.raises(RunError, match=verdicts):
        read(tmp_path, metric(take=take), "loss 3\nloss 9\nloss 1\nloss 2\n")


def test_step_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(RunError, match="step 7 wanted, steps 1 to 2 found"):
        read(
            tmp_path,
            metric({"stdout": r"(?P<step>\d) loss (?P<value>\S+)"}, take={"step": 7}),
            "1 loss 3\n2 loss 4\n",
        )


def test_standard_error_and_progress_lines_with_carriage_returns(tmp_path):
    bar = "".join(f"\r{i}%| loss {3 - i / 50:.2f}" for i in range(0, 101, 10))
    assert read(tmp_path, metric({"stderr": STDOUT["stdout"]}), "loss 9", bar).value == 1.0


@pytest.mark.parametrize(
    ("text", "value", "half_digit"),
    [
        ("1.880", 1.88, 0.0005),
        ("97", 97.0, 0.5),
        ("1.2e-3", 0.0012, 0.00005),
        ("-0.5", -0.5, 0.05),
        ("0.97333333333333", 0.97333333333333, 0.0),
        ("1,234.5", 1234.5, 0.05),
        ("1E2", 100.0, 50.0),
    ],
)
def test_numbers_and_their_rounding(text, value, half_digit):
    number = parse_number(text)
    assert (number.value, number.half_digit) == (pytest.approx(value), pytest.approx(half_digit))


def test_scientific_notation_with_plus_minus(tmp_path):
    pattern = {"stdout": r"error (?P<value>[\d.e+-]+?) \+/-"}
    assert read(tmp_path, metric(pattern), "error 1.25e-02 +/- 3e-3\n").value == 0.0125


def test_percent_and_fraction(tmp_path):
    fraction = metric(unit="fraction", printed_in="percent")
    value = read(tmp_path, fraction, "loss 97.3\n")
    assert (value.value, value.half_digit) == (pytest.approx(0.973), pytest.approx(0.0005))
    with pytest.raises(RunError, match=r"read 97.3, but its unit fraction ends at 1"):
        read(tmp_path, metric(unit="fraction"), "loss 97.3\n")
    assert read(
        tmp_path, metric(unit="percent", printed_in="fraction"), "loss 0.973\n"
    ).value == pytest.approx(97.3)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("take", ["last", "max", "min", "first", {"nth": 1}])
def test_what_is_not_finite_never_counts(tmp_path, text, take):
    if (take, text) in (("max", "-inf"), ("min", "inf")):
        pytest.skip("not selected")
    with pytest.raises(RunError, match="metric m is"):
        read(tmp_path, metric(take=take), f"loss {text}\nloss 1\nloss {text}\n")


def test_what_is_no_number_is_shown(tmp_path):
    with pytest.raises(RunError, match=r"'low' in the line 'loss low' is not a number"):
        read(tmp_path, metric(), "loss low\n")


@pytest.mark.parametrize(
    ("content", "key", "expected"),
    [
        ('{"test": {"acc": 0.5}}', "test.acc", 0.5),
        ('[{"acc": 0.1}, {"acc": 0.7}]', "acc", 0.7),
        ('{"acc": 0.1}\n{"loss": 1}\n{"acc": 0.2}\n', "acc", 0.2),
        ('{"all": [1, 2, 3]}', "all.-1", 3.0),
        ('{"acc": 1}', "acc", 1.0),
    ],
)
def test_json(tmp_path, content, key, expected):
    assert (
        read(tmp_path, metric({"json": "out.json", "key": key}), files={"out.json": content}).value
        == expected
    )


def test_a_round_number_in_json_is_exact(tmp_path):
    value = read(
        tmp_path, metric({"json": "out.json", "key": "a"}), files={"out.json": '{"a": 1.0}'}
    )
    assert (value.value, value.half_digit) == (1.0, 0.0)


def test_json_that_is_not(tmp_path):
    definition = metric({"json": "out.json", "key": "acc"})
    for content, verdicts in [
        ("{", "neither JSON nor"),
        ('{"acc": NaN}', "is nan"),
        ('{"acc": true}', "has True under 'acc', which is not a number"),
        ('{"a": 1}', "nothing found"),
    ]:
        with pytest.raises(RunError, match=verdicts):
            read(tmp_path, definition, files={"out.json": content})
    (tmp_path / "tree/out.json").unlink()
    with pytest.raises(RunError, match="did not write out"):
        read(tmp_path, definition)
    (tmp_path / "tree/out.json").symlink_to("/etc/hostname")
    with pytest.raises(RunError, match="link out of the run's folder"):
        read(tmp_path, definition)


def test_csv(tmp_path):
    files = {"log.csv": "epoch,loss,acc\n1,0.9,\n2,0.8,0.51\n3,0.7,\n"}
    last = read(
        tmp_path, metric({"csv": "log.csv", "column": "acc", "step_column": "epoch"}), files=files
    )
    assert (last.value, last.step) == (0.51, 2)
    with pytest.raises(RunError, match="has no column 'accuracy', but epoch, loss, acc"):
        read(tmp_path, metric({"csv": "log.csv", "column": "accuracy"}), files=files)


def test_csv_that_is_not(tmp_path):
    definition = metric({"csv": "log.csv", "column": "acc"})
    with pytest.raises(RunError, match="line 2: 'low' is not a number"):
        read(tmp_path, definition, files={"log.csv": "acc\nlow\n"})
    with pytest.raises(RunError, match="is not CSV: field larger than field limit"):
        read(tmp_path, definition, files={"log.csv": "acc" * 50_000})


def test_trainer_state(tmp_path):
    state = (
        '{"log_history": [{"loss": 2.5, "step": 10}, {"eval_loss": 1.5, "step": 10}, {"eval_loss":'
        ' 1, "step": 20}]}'
    )
    definition = metric({"trainer_state": "out/trainer_state.json", "key": "eval_loss"})
    value = read(tmp_path, definition, files={"out/trainer_state.json": state})
    assert (value.value, value.step) == (1.0, 20)


def test_tensorboard(tmp_path):
    tree = tmp_path / "tree"
    with SummaryWriter(str(tree / "runs")) as writer:
        for step in range(5):
            writer.add_scalar("loss", 1 / (step + 1), step)
            writer.add_scalar("other", 7.0, step)
            writer.add_text("note", "loss", step)
    definition = metric({"tensorboard": "runs", "tag": "loss"}, take={"step": 3})
    assert read(tmp_path, definition).value == pytest.approx(0.25)
    # A killed writer leaves a record half-written: what stands before it still counts.
    (file,) = (tree / "runs").glob("*tfevents*")
    file.write_bytes(file.read_bytes()[:-20])
    assert len(list(read_scalars(tree / "runs", "loss"))) >= 4


@given(content=st.binary(max_size=400))
def test_no_bytes_crash_a_reader(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "0-train.out").write_bytes(content)
    (folder / "events.tfevents").write_bytes(content)
    list(read_lines(folder / "0-train.out"))
    list(read_scalars(folder, "loss"))
    for definition in (
        metric(),
        metric({"json": "0-train.out", "key": "a"}),
        metric({"csv": "0-train.out", "column": "a"}),
    ):
        try:
            points = read_points(definition.read, folder, folder)
        except RunError:
            continue
        assert all(isinstance(point.value, float) for point in points)


def test_a_dump_without_line_ends_is_not_searched(tmp_path):
    out = "loss 1\n" + "x" * 200_000 + " loss 2\nloss 3\n"
    logs = write_tree(tmp_path / "logs", {"0-train.out": out.encode()})
    found = [point.value for point in read_points(metric().read, logs, tmp_path)]
    assert found == [1.0, 3.0]
    assert math.isfinite(sum(found))


CSV = {"csv": "log.csv", "column": "acc"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("epoch,loss,acc\n0,1.0,0.5\nepoch,loss,acc\n1,0.8,0.7\n", 0.7),
        ("epoch,loss,acc\n0,1.0,0.5\nepoch,acc,lr,loss\n1,0.7,0.001,0.8\n", 0.7),
        ("acc,epoch\n0.7,1\n".encode("utf-8-sig"), 0.7),
        ("epoch,acc\n1,0.7\n".encode("utf-16"), 0.7),
        ("epoch;acc\n0;0,5\n1;0,7\n", 0.7),
        ("epoch\tacc\n1\t0.7\n", 0.7),
        ("epoch | acc\n1 | 0.7\n", 0.7),
        ("epoch , acc , loss\n0 , 0.7 , 1\n", 0.7),
        ("# run of today\n\nepoch,acc\n1,0.7\n", 0.7),
        ('epoch,"acc"\n1,"0.7"\n', 0.7),
        ("epoch,acc\r\n1,0.7\r\n", 0.7),
    ],
)
def test_csv_as_loggers_leave_it(tmp_path, content, expected):
    assert read(tmp_path, metric(CSV), files={"log.csv": content}).value == expected


@pytest.mark.parametrize(
    ("content", "verdicts"),
    [
        (
            "epoch,loss,acc\n0,1.0,0.5\n2,0.8,0.001,0.7\n",
            "line 3 has 4 cells, its header 3 columns",
        ),
        ("epoch,loss,acc\n0,1.0\n", "line 2 has 2 cells"),
        ("epoch,acc,acc\n0,0.5,0.4\n", "line 1 names the column 'acc' 2 times"),
        ("epoch,acc\n0,tensor(0.5)\n", r"line 2: 'tensor\(0.5\)' is not a number"),
    ],
)
def test_csv_that_could_be_read_wrongly_is_refused_with_its_line(tmp_path, content, verdicts):
    with pytest.raises(RunError, match=verdicts):
        read(tmp_path, metric(CSV), files={"log.csv": content})


@pytest.mark.parametrize(
    ("content", "key", "expected"),
    [
        ('{"metrics/mAP_0.5": 0.93, "metrics/mAP_0": {"5": 1}}', "metrics/mAP_0.5", 0.93),
        ('{"a": {"b.c": {"d": 0.4}}}', "a.b.c.d", 0.4),
        ('{"acc": "0.93"}', "acc", 0.93),
        ('{"a.b": null, "a": {"b": 2}}', "a.b", 2.0),
    ],
)
def test_json_keys_with_dots_and_numbers_kept_as_text(tmp_path, content, key, expected):
    assert (
        read(tmp_path, metric({"json": "out.json", "key": key}), files={"out.json": content}).value
        == expected
    )


def test_the_last_line_of_a_phase(tmp_path):
    out = "fold 1\nstep 1 loss 5\nstep 2 loss 4\nfold 2\nstep 1 loss 3\nstep 2 loss 2\n"
    by_line = {"stdout": r"loss (?P<value>\S+)", "phase": r"^fold \d"}
    by_step = {"stdout": r"step (?P<step>\d) loss (?P<value>\S+)"}
    for definition in (by_line, by_step):
        assert read(tmp_path, metric(definition, take={"phase": 1}), out).value == 4.0
        assert read(tmp_path, metric(definition, take={"phase": 2}), out).value == 2.0
        with pytest.raises(RunError, match="phase 3 wanted, 2 found"):
            read(tmp_path, metric(definition, take={"phase": 3}), out)


def test_results_in_a_dated_folder(tmp_path):
    definition = metric({"json": "runs/*/metrics.json", "key": "acc"})
    files = {"runs/2026-11-26_10:00:01/metrics.json": '{"acc": 0.5}'}
    assert read(tmp_path, definition, files=files).value == 0.5
    with pytest.raises(RunError, match="matches 2 files"):
        read(tmp_path, definition, files={"runs/other/metrics.json": "{}"})
    with pytest.raises(RunError, match="wrote nothing that logs/"):
        read(tmp_path, metric({"csv": "logs/*.csv", "column": "a"}))
    colon = metric({"json": "runs/2026-11-26_10:00:01/metrics.json", "key": "acc"})
    assert read(tmp_path, colon).value == 0.5


TABLE = {"csv": "results.csv", "column": "loss"}
RESULT = {"json": "metrics.json", "key": "loss"}


def read_after(tmp_path, definition, before, after):
    """What is read of a run that changed files of its reference; those that are None it leaves."""
    old, tree = write_tree(tmp_path / "before", before), tmp_path / "tree"
    shutil.copytree(old, tree)
    write_tree(tree, {name: text for name, text in after.items() if text is not None})
    return read_metric(definition, tmp_path, tree, old)[0].value


@pytest.mark.parametrize(
    ("definition", "name", "text"),
    [(TABLE, "results.csv", "loss\n0.5\n"), (RESULT, "metrics.json", '{"loss": 0.5}')],
)
def test_a_file_of_the_reference_is_no_result_of_a_run(tmp_path, definition, name, text):
    with pytest.raises(RunError, match=f"the run did not write {name}"):
        read_after(tmp_path, metric(definition), {name: text}, {name: None})
    shutil.rmtree(tmp_path / "tree")
    assert read_after(tmp_path, metric(definition), {name: text}, {name: text}) == 0.5


def test_rows_that_were_there_before_are_not_the_run_s(tmp_path):
    before = {"results.csv": "loss\n0.1\n0.2\n"}
    after = {"results.csv": "loss\n0.1\n0.2\n0.7\n"}
    assert read_after(tmp_path, metric(TABLE, take="min"), before, after) == 0.7
    shutil.rmtree(tmp_path / "tree")
    assert read_after(tmp_path, metric(TABLE), before, {"results.csv": "loss\n0.3\n"}) == 0.3


def test_what_prepares_data_prints_no_metric(tmp_path):
    logs = write_tree(
        tmp_path / "logs", {"0-prepare.out": b"loss 0.1\n", "1-train.out": b"loss 2\n"}
    )
    assert [point.value for point in read_points(metric().read, logs, tmp_path)] == [2.0]


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (r"(?P<value>[\d.]+)", "loss 9.0e-05"),
        (r"loss (?P<value>\d)", "loss 0.25"),
        (r"(?P<value>\d+\.\d)", "loss 0.25"),
        (r"(?P<value>[\d.]+)", "loss: -0.5"),
        (r"loss (?P<value>[\d]+)", "loss 1,234"),
        (r"(?P<value>\d)$", "loss 0.25"),
    ],
)
def test_a_part_of_a_number_is_refused(tmp_path, pattern, line):
    with pytest.raises(RunError, match="a part of a number"):
        read(tmp_path, metric({"stdout": pattern}), line + "\n")


@pytest.mark.parametrize(
    "line",
    ["loss 0.25%", "loss 0.25, acc 3", "loss 0.25,0.75", "loss 0.25/1", "loss-0.25s", "0.25"],
)
def test_a_whole_number_ends_where_its_digits_do(tmp_path, line):
    assert read(tmp_path, metric({"stdout": r"(?P<value>\d\.\d+)"}), line + "\n").value in (
        0.25,
        0.75,
    )


def test_what_lies_beside_events_is_no_result(tmp_path):
    before = {"runs/.gitkeep": ""}
    tree = write_tree(tmp_path / "tree", before)
    write_tree(tmp_path / "before", before)
    with SummaryWriter(str(tree / "runs")) as writer:
        writer.add_scalar("loss", 0.25, 1)
    events = metric({"tensorboard": "runs", "tag": "loss"})
    assert read_metric(events, tmp_path, tree, tmp_path / "before")[0].value == 0.25


def test_a_column_before_another_is_a_whole_number(tmp_path):
    pattern = {"stdout": r"^\d+,(?P<value>[\d.]+)"}
    assert read(tmp_path, metric(pattern), "1,0.95,200\n").value == 0.95
