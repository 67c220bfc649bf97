"""`scaffold splits`: lists that are drawn, checked, and sealed, and what is wrong with them."""

import csv
import hashlib
import json

import numpy as np
import pytest
import yaml
from helpers import write_tree


@pytest.fixture
def table(tmp_path):
    """300 customers' rows, two a customer, a day each."""
    rng = np.random.default_rng(0)
    path = tmp_path / "sales.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "customer", "day", "price", "size", "colour", "label"])
        for row in range(300):
            day = f"2026-{1 + row // 28:02}-{1 + row % 28:02}"
            numbers = [round(one, 6) for one in rng.normal(size=2)]
            colour = rng.choice(["red", "green", "blue"])
            writer.writerow([f"r{row}", f"c{row // 2}", day, *numbers, colour, row % 3])
    return path


def edit(path, change):
    path.write_text(change(path.read_text()))


def copy_row(path, of, to):
    """Give a row's features to another one."""
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[to][1:6] = rows[of][1:6]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_lists_with_their_digests_that_check_clean(cli, table, tmp_path):
    answer = cli("splits", "make", "sales.csv", "--id", "id", "--label", "label", "--json").json
    assert answer["n"] == {"train": 210, "train-dev": 30, "validation": 30, "test": 30}
    assert (answer["is_alarm"], answer["drawn"]) == (False, "stratified")
    record = yaml.safe_load((tmp_path / "splits/splits.yaml").read_text())
    assert record["data"]["path"] == "../sales.csv"
    text = (tmp_path / "splits/validation.txt").read_bytes()
    assert record["splits"]["validation"]["sha256"] == hashlib.sha256(text).hexdigest()
    ids = "".join((tmp_path / f"splits/{name}.txt").read_text() for name in answer["n"])
    assert sorted(ids.split()) == sorted(f"r{row}" for row in range(300))
    shown = cli("splits", "check").out
    assert "CLEAN" in shown and "stratified" in shown


def test_customers_stay_together_and_equal_rows_too(cli, table, tmp_path):
    cli("splits", "make", "sales.csv", "--id", "id", "--group", "customer", "-o", "by-customer")
    where = {
        one: name
        for name in ("train", "train-dev", "validation", "test")
        for one in (tmp_path / f"by-customer/{name}.txt").read_text().split()
    }
    assert all(where[f"r{row}"] == where[f"r{row + 1}"] for row in range(0, 300, 2))
    copy_row(table, 10, 200)
    cli("splits", "make", "sales.csv", "--id", "id", "--label", "label")
    assert "Leak" not in cli("splits", "check").out


def test_by_time_a_list_that_was_edited_is_late_and_broken(cli, table, tmp_path):
    cli("splits", "make", "sales.csv", "--id", "id", "--time", "day", "--shares", "80,0,10,10")
    assert "CLEAN" in cli("splits", "check").out
    edit(tmp_path / "splits/train.txt", lambda text: text + "r299\nr1000\nr0\n")
    answer = cli("splits", "check", "--json", code=1).json
    problems = "\n".join(answer["problems"])
    assert "train.txt was edited" in problems and "1 ids are not in the data: r1000" in problems
    assert "test.txt: 1 ids are in another split: r299" in problems and "more than once" in problems
    assert {leak["kind"] for leak in answer["leaks"]} == {"later in training", "exact copies"}


def test_data_that_changed_since(cli, table):
    cli("splits", "make", "sales.csv", "--id", "id")
    edit(table, lambda text: text.replace("red", "pink"))
    assert "sales.csv is not what the splits were drawn from" in cli("splits", "check", code=1).out


def test_a_column_of_splits_and_a_file_each(cli, table, tmp_path):
    rows = list(csv.reader(table.read_text().splitlines()))
    rows[150] = [*rows[150][:3], *rows[1][3:6], rows[150][6]]
    for row in rows[1:]:
        row[5] = f"shade {row[6]}"
    names = ["split", *["train"] * 140, *["val"] * 80, *["test"] * 80]
    with (tmp_path / "column.csv").open("w", newline="") as file:
        csv.writer(file).writerows([*row, name] for row, name in zip(rows, names, strict=True))
    options = ("--id", "id", "--label", "label", "--group", "customer", "--time", "day")
    answer = cli("splits", "check", "column.csv", *options, "--json", code=1).json
    columns = [leak["column"] for leak in answer["leaks"] if leak["kind"] == "gives the label away"]
    assert columns == ["colour"]
    for name, part in (("train", rows[1:141]), ("val", rows[141:])):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([rows[0], *part])
    answer = cli("splits", "check", "train=train.csv", "val=val.csv", *options, "--json", code=1)
    leaks = {leak["kind"]: leak for leak in answer.json["leaks"]}
    assert set(leaks) == {"gives the label away"}
    shown = cli("splits", "check", "column.csv", "--id", "id", "--label", "label", code=1).out
    assert "LEAKS" in shown and "column colour alone tells the label" in shown


def test_folders_of_files(cli, tmp_path):
    for split, count in (("train", 40), ("test", 20)):
        for place in range(count):
            path = tmp_path / split / ("cat" if place % 2 else "dog") / f"{place}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = " ".join(
                np.random.default_rng([place, count]).permutation(list("abcdefghijklmnop"))
            )
            path.write_text(text)
    copied = (tmp_path / "train/cat/1.txt").read_text()
    (tmp_path / "test/dog/2.txt").write_text(copied)
    answer = cli("splits", "check", "train=train", "test=test", "--json", code=1).json
    (leak,) = [leak for leak in answer["leaks"] if leak["kind"] == "exact copies"]
    assert leak["rows"] == [["test:dog/2.txt", "train:cat/1.txt"]]
    assert cli("splits", "make", "train", "--json").json["drawn"] == "stratified"


@pytest.mark.parametrize("end", ["\u2028", "\u0085", "\x0b", "\x0c"])
def test_an_id_that_a_list_could_not_hold_is_refused(cli, tmp_path, end):
    (tmp_path / "d.csv").write_text(
        f"id,x\na{end}b,1\n" + "".join(f"r{n},{n}\n" for n in range(20))
    )
    answer = cli("splits", "make", "d.csv", "--id", "id", code=2)
    assert "d.csv:2: an id is empty, or has more than one line" in answer.err
    write_tree(tmp_path / "images", {f"a/x{end}y.png": "1", "b/z.png": "2"})
    assert "has more than one line" in cli("splits", "make", "images", code=2).err


def test_a_label_that_is_missing_makes_no_numbers_of_classes(cli, tmp_path):
    rows = "".join(f"r{n},{n},{'' if n == 7 else n % 3}\n" for n in range(300))
    (tmp_path / "d.csv").write_text("id,x,label\n" + rows)
    answer = cli("splits", "make", "d.csv", "--id", "id", "--label", "label", "--json").json
    assert answer["drawn"] == "stratified"


def test_a_table_with_semicolons_is_read(cli, table, tmp_path):
    (tmp_path / "semi.csv").write_text(table.read_text().replace(",", ";"))
    words = ("--id", "id", "--label", "label", "--json")
    first = cli("splits", "make", "sales.csv", *words, "-o", "a").json
    other = cli("splits", "make", "semi.csv", *words, "-o", "b").json
    assert first["n"] == other["n"] and first["drawn"] == other["drawn"] == "stratified"


def test_an_integer_that_no_float_holds_is_a_text(cli, tmp_path):
    rows = "".join(json.dumps({"id": n, "x": 10**400 + n}) + "\n" for n in range(30))
    (tmp_path / "d.jsonl").write_text(rows)
    assert cli("splits", "make", "d.jsonl", "--id", "id", "--json").json["drawn"] == "random"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("make", "none.csv"), "there is no file or folder none.csv"),
        (("make", "sales.csv", "--label", "lable"), "there are: id, customer, day"),
        (("make", "sales.csv", "--shares", "70,20,20"), "add up to 100"),
        (("make", "sales.csv", "--id", "colour"), "is also in line"),
        (("make", "sales.csv", "--time", "colour"), "is not a number or a time"),
        (("make", "sales.csv", "--shares", "99.9,0,0,0.1"), "none are left for test"),
        (("check", "sales.csv"), "no column 'split'"),
        (("check",), "scaffold splits make DATA"),
        (("check", "train=sales.csv"), "nothing to compare it with"),
        (("check", "trian=sales.csv", "test=sales.csv"), "must be SPLIT=PATH"),
        (("seal",), "scaffold splits make DATA"),
    ],
)
def test_wrong_inputs_say_what_to_write(cli, table, words, text):
    assert text in cli("splits", *words, code=2).err
    assert not (table.parent / "splits").exists()


def test_a_ragged_table_is_refused_with_its_lines(cli, tmp_path):
    (tmp_path / "data.csv").write_text("id,x\n1,2\n3\n4,5,6\n")
    error = cli("splits", "make", "data.csv", "--id", "id", code=2).err
    assert "data.csv:3: not as many cells as columns" in error and "data.csv:4" in error


def test_splits_are_not_overwritten(cli, table):
    cli("splits", "make", "sales.csv")
    assert "is there already" in cli("splits", "make", "sales.csv", code=2).err


def test_a_sealed_test_is_not_in_src_and_an_edit_of_it_is_seen(cli, table, tmp_path):
    (tmp_path / "src").mkdir()
    for name in ("recipe.yaml", "milestones.yaml"):
        (tmp_path / name).write_text("")
    cli("splits", "make", "sales.csv", "--id", "id")
    cli("splits", "seal")
    assert not (tmp_path / "src/splits/test.txt").exists()
    assert (tmp_path / "sealed/test.txt").read_text().startswith("r")
    assert "test since" in cli("splits", "check").out
    assert "test is sealed since" in cli("splits", "seal", code=2).err
    edit(tmp_path / "sealed/test.txt", lambda text: text.replace("r", "R", 1))
    assert "test.txt was edited" in cli("splits", "check", code=1).out


def test_a_split_edited_before_sealing_is_not_sealed(cli, table, tmp_path):
    cli("splits", "make", "sales.csv", "--id", "id")
    edit(tmp_path / "splits/test.txt", lambda text: text + "r0\n")
    assert "was edited" in cli("splits", "seal", code=2).err
    assert (tmp_path / "splits/test.txt").exists()
