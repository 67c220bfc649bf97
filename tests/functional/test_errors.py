"""`scaffold errors`: sheets of wrong examples, what a person makes of them, corrected labels."""

import csv
import json

import numpy as np
import pytest

_CLASSES = "abc"


@pytest.fixture
def flipped(tmp_path):
    """2,000 predictions; 40 labels of validation are wrong, and their ids are returned."""
    rng = np.random.default_rng(0)
    wrong = []
    with (
        (tmp_path / "predictions.csv").open("w", newline="") as predictions,
        (tmp_path / "data.csv").open("w", newline="") as data,
    ):
        writer = csv.writer(predictions)
        writer.writerow(["id", "split", "label", "text", *(f"p_{one}" for one in _CLASSES)])
        labels = csv.writer(data)
        labels.writerow(["id", "label", "text"])
        for row in range(2000):
            true = int(rng.integers(3))
            shares = rng.dirichlet(np.eye(3)[true] * 12 + 1)
            is_wrong = row >= 1000 and row % 25 == 0
            if is_wrong:
                wrong.append(str(row))
            label = _CLASSES[(true + is_wrong) % 3]
            split = "train" if row < 1000 else "validation"
            cells = [row, split, label, f"text, {row}", *(f"{one:.5f}" for one in shares)]
            writer.writerow(cells)
            labels.writerow([row, label, f"text, {row}"])
    return wrong


def sheet_of(tmp_path, split="validation"):
    text = (tmp_path / f"errors/{split}.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


def fill_in(tmp_path, change, split="validation", delimiter=","):
    rows = sheet_of(tmp_path, split)
    for number, row in enumerate(rows):
        change(number, row)
    with (tmp_path / f"errors/{split}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def test_wrong_labels_are_suspects(cli, flipped, tmp_path):
    answer = cli("errors", "sheet", "predictions.csv", "--json").json
    rows = sheet_of(tmp_path)
    suspects = {row["id"] for row in rows if "suspect" in row["why"]}
    assert len(suspects & set(flipped)) >= 0.8 * len(flipped)
    assert len(suspects - set(flipped)) <= 0.3 * len(suspects)
    assert (answer["drawn"], answer["problem"]) == (sum("error" in row["why"] for row in rows), "")
    assert rows[0]["text"] == f"text, {rows[0]['id']}"
    assert float(rows[0]["confidence"]) > float(rows[0]["label_confidence"])


def test_a_sheet_is_the_same_each_time_and_has_as_many_rows_as_asked(cli, flipped, tmp_path):
    cli("errors", "sheet", "predictions.csv", "-n", "20")
    first = (tmp_path / "errors/validation.csv").read_bytes()
    cli("errors", "sheet", "predictions.csv", "-n", "20")
    assert (tmp_path / "errors/validation.csv").read_bytes() == first
    rows = sheet_of(tmp_path)
    assert len(rows) == 20
    # A third is kept for suspects, and stands behind what was drawn by its error.
    assert [row["why"].startswith("error") for row in rows] == [True] * 14 + [False] * 6


def test_tags_are_counted_whatever_a_spreadsheet_made_of_the_file(cli, flipped, tmp_path):
    cli("errors", "sheet", "predictions.csv")
    n = len(sheet_of(tmp_path))

    def tag(number, row):
        row["tags"] = "Blurry; dog" if number < 10 else ("other" if number < 20 else "")

    fill_in(tmp_path, tag, delimiter=";")
    (sheet,) = cli("errors", "tally", "--json").json["sheets"]
    assert (sheet["reviewed"], sheet["examples"]) == (20, n)
    tags = {one["tag"]: one for one in sheet["tags"]}
    assert {tag: one["share"] for tag, one in tags.items()} == dict.fromkeys(
        ("blurry", "dog", "other"), 0.5
    )
    assert tags["dog"]["ceiling"] == pytest.approx(0.5 * sheet["error"])
    shown = cli("errors", "tally").out
    assert f"20 of {n} rows looked at" in shown and "blurry" in shown and "gains at most" in shown


def test_corrected_labels_become_a_copy_of_the_data(cli, flipped, tmp_path):
    cli("errors", "sheet", "predictions.csv")

    def correct(_, row):
        if row["id"] in flipped:
            row["correct_label"] = row["prediction"]
        elif "suspect" in row["why"]:
            row["correct_label"] = row["label"]  # looked at, and right

    fill_in(tmp_path, correct)
    (sheet,) = cli("errors", "tally", "--json").json["sheets"]
    assert set(sheet["corrections"]) <= set(flipped)
    assert sheet["suspects_wrong"] <= sheet["suspects_reviewed"]
    assert "wrong label" in [one["tag"] for one in sheet["tags"]]
    made = cli("errors", "correct", "data.csv", "--id", "id", "-o", "mended.csv")
    assert "test was labeled as validation was" in made.out
    before = (tmp_path / "data.csv").read_bytes().splitlines(keepends=True)
    after = (tmp_path / "mended.csv").read_bytes().splitlines(keepends=True)
    changed = {
        new.decode().split(",")[0]: new.decode().split(",")[1]
        for old, new in zip(before, after, strict=True)
        if old != new
    }
    assert changed == sheet["corrections"]
    again = cli("errors", "correct", "data.csv", "--id", "id", "-o", "mended.csv", code=2)
    assert "is there already" in again.err


def test_labels_of_other_data_are_not_corrected(cli, flipped, tmp_path):
    cli("errors", "sheet", "predictions.csv")
    fill_in(tmp_path, lambda _, row: row.update(correct_label=row["prediction"]))
    (tmp_path / "other.csv").write_text("id,label\n1000,z\n")
    for arguments, problem in (
        (("other.csv", "--id", "id"), "is not the data that the predictions are of"),
        (("data.csv",), "is not the data that the predictions are of"),  # by row numbers
        (("data.csv", "--id", "key"), "has no column 'key'"),
        (("data.csv", "--id", "id", "--label", "y"), "has no column 'y'"),
    ):
        answer = cli("errors", "correct", *arguments, "-o", "mended.csv", code=2)
        assert problem in answer.err
        assert not (tmp_path / "mended.csv").exists()


@pytest.mark.parametrize("is_boolean", [False, True])
def test_labels_of_json_lines_keep_their_type(cli, tmp_path, is_boolean):
    with (tmp_path / "p.jsonl").open("w") as file:
        for row in range(40):
            split = "train" if row < 20 else "validation"
            label, prediction = row % 2, (row + (row > 35)) % 2
            values = {"id": row, "split": split, "label": label, "prediction": prediction}
            file.write(json.dumps(values) + "\n")
    (tmp_path / "d.jsonl").write_text(
        "".join(
            json.dumps({"id": row, "label": bool(row % 2) if is_boolean else row % 2}) + "\n"
            for row in range(40)
        )
    )
    answer = cli("errors", "sheet", "p.jsonl", "--json").json
    assert answer["problem"] == "the table has no columns p_CLASS"
    fill_in(tmp_path, lambda _, row: row.update(correct_label=row["prediction"]))
    cli("errors", "correct", "d.jsonl", "--id", "id", "-o", "m.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows if row["label"] != row["id"] % 2] == [36, 37, 38, 39]
    assert all(type(row["label"]) is (bool if is_boolean else int) for row in rows)


def test_a_sheet_with_ids_that_look_like_numbers_is_read_back(cli, tmp_path):
    rows = "".join(f"{n}e{n},validation,{n % 2},{(n + 1) % 2}\n" for n in range(30))
    (tmp_path / "p.csv").write_text("id,split,label,prediction\n" + rows)
    cli("errors", "sheet", "p.csv")
    fill_in(tmp_path, lambda _, row: row.update(correct_label=row["prediction"]))
    (sheet,) = cli("errors", "tally", "--json").json["sheets"]
    assert len(sheet["corrections"]) == 30


def test_of_numbers_large_errors_are_drawn_more_often(cli, tmp_path):
    rng = np.random.default_rng(0)
    with (tmp_path / "p.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "label", "prediction"])
        for row in range(600):
            error = 5 if row % 10 == 0 else 0.1
            value = rng.normal()
            writer.writerow(
                [row, "train" if row < 300 else "dev", value, value + error * rng.normal()]
            )
    answer = cli("errors", "sheet", "p.csv", "--json").json
    assert answer["problem"] == "the labels are numbers"
    rows = sheet_of(tmp_path)
    assert sum(int(row["id"]) % 10 == 0 for row in rows) > 0.9 * len(rows)
    fill_in(tmp_path, lambda _, row: row.update(tags="tens" if row["id"][-1] == "0" else "rest"))
    (sheet,) = cli("errors", "tally", "--json").json["sheets"]
    assert sheet["tags"][0]["tag"] == "tens" and sheet["tags"][0]["share"] > 0.95


def test_what_a_person_wrote_is_never_overwritten(cli, flipped, tmp_path):
    cli("errors", "sheet", "predictions.csv")
    fill_in(tmp_path, lambda number, row: row.update(tags="x" if number == 3 else ""))
    answer = cli("errors", "sheet", "predictions.csv", code=2)
    assert "1 of its rows have been filled in" in answer.err
    assert sheet_of(tmp_path)[3]["tags"] == "x"
    cli("errors", "sheet", "predictions.csv", "-o", "others")


def test_nothing_looked_at_is_open(cli, flipped):
    cli("errors", "sheet", "predictions.csv")
    answer = cli("errors", "tally", code=3)
    assert "fill in tags" in answer.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("predictions.csv", "--split", "dev-2"), "there are train, train-dev"),
        (("predictions.csv", "--split", "test"), "has no rows of test"),
        (("nowhere.csv",), "cannot read nowhere.csv"),
        ((), "is not in a project"),
    ],
)
def test_tables_that_cannot_be_drawn_from(cli, flipped, tmp_path, arguments, problem):
    answer = cli("errors", "sheet", *arguments, code=2)
    assert problem in answer.err
    assert not (tmp_path / "errors").exists()


def test_edited_ids_are_named_all_at_once(cli, flipped, tmp_path):
    cli("errors", "sheet", "predictions.csv")
    first = sheet_of(tmp_path)[0]["id"]

    def edit(number, row):
        row["id"] = first if number == 2 else f"{row['id']}x" if number == 1 else row["id"]

    fill_in(tmp_path, edit)
    answer = cli("errors", "tally", code=2)
    assert "validation.csv:3" in answer.err and "was not drawn" in answer.err
    assert "validation.csv:4" in answer.err and "is there twice" in answer.err


def test_labels_that_were_trained_on_are_no_suspects(cli, tmp_path):
    with (tmp_path / "p.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "label", "p_0", "p_1"])
        for row in range(100):
            share = 0.9 if row % 10 else 0.1
            label = row // 2 % 2
            shares = [share, 1 - share] if label == 0 else [1 - share, share]
            writer.writerow([row, "train" if row < 50 else "validation", label, *shares])
    answer = cli("errors", "sheet", "p.csv", "--split", "train", "--json").json
    assert answer["problem"] == "the model has learned these labels, the wrong ones too"
    assert answer["suspects"] == 0 and answer["drawn"] == 5


def test_a_cell_that_begins_as_a_formula_is_none_to_a_spreadsheet(cli, tmp_path):
    evil = '=HYPERLINK("http://evil.example")'
    with (tmp_path / "p.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "label", "prediction", evil])
        for row in range(40):
            label = (evil, "-1")[row % 2]
            wrong = (evil, "-1")[(row + (row > 30)) % 2]
            split = "train" if row < 20 else "validation"
            writer.writerow([f"@{row}", split, label, wrong, "+1+cmd|' /C calc'!A0"])
    cli("errors", "sheet", "p.csv")
    rows = list(
        csv.reader((tmp_path / "errors/validation.csv").read_text("utf-8-sig").splitlines())
    )
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    assert "-1" in cells
    fill_in(tmp_path, lambda _, row: row.update(correct_label=row["prediction"]))
    (sheet,) = cli("errors", "tally", "--json").json["sheets"]
    assert sheet["corrections"]["@31"] == evil


def test_the_page_shows_the_tags_of_each_sheet(cli, reproduced, flipped, tmp_path):
    table = tmp_path / "predictions.csv"
    cli("errors", "sheet", table, cwd=reproduced)
    place = reproduced
    fill_in(place, lambda _, row: row.update(tags="<b>odd</b>"))
    cli("dashboard", "-o", "page.html", cwd=place)
    text = (place / "page.html").read_text()
    assert "&lt;b&gt;odd&lt;/b&gt;" in text and "<b>odd" not in text
    assert "rows of <code>errors/validation.csv</code> looked at" in text
    (place / "errors/validation.yaml").write_text("examples: [")
    cli("dashboard", "-o", "page.html", cwd=place)
    assert "errors/" in (place / "page.html").read_text()


@pytest.fixture
def corrected(cli, tmp_path):
    """Labels of d3 and d4 were corrected to b and c: d is what `errors correct` then makes of it."""
    with (tmp_path / "p.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "label", "prediction"])
        for row in range(1, 31):
            writer.writerow([f"d{row}", "dev", "abc"[row % 3], "abc"[(row + (row in (3, 4))) % 3]])
    cli("errors", "sheet", "p.csv")
    fill_in(tmp_path, lambda _, row: row.update(correct_label=row["prediction"]))

    def correct(name, content, *words, code=0):
        (tmp_path / name).write_bytes(content.encode())
        output = tmp_path / f"made-{name}"
        answer = cli("errors", "correct", name, "-o", output, *words, code=code)
        return answer.err if code else output.read_bytes().decode()

    return correct


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "odd.csv",
            '\ufeffid,text,label\r\nd3,"new\rline",a\r\n\r\n"d9","x\n,""y""",a\r\nd4,z,"b"\r\n\r\n',
            '\ufeffid,text,label\r\nd3,"new\rline",b\r\n\r\n"d9","x\n,""y""",a\r\nd4,z,"c"\r\n\r\n',
        ),
        ("semi.csv", "label;id\na;d3\nb;d4", "label;id\nb;d3\nc;d4"),
        (  # a quote inside a cell is no quoting
            "inches.csv",
            'id,size,label\nd3,5" pipe,a\nd4,6\'2",b\nd9,"x,""y",a\n',
            'id,size,label\nd3,5" pipe,b\nd4,6\'2",c\nd9,"x,""y",a\n',
        ),
        ("tab.tsv", "id\tlabel\nd3\ta\nd4\tb\n", "id\tlabel\nd3\tb\nd4\tc\n"),
        (
            "rows.jsonl",
            '{"id": "d3", "x": 1e400, "label": "a"}\n\n{"label":"b","id":"d4","y":"\\u00e9"}\n',
            '{"id": "d3", "x": 1e400, "label": "b"}\n\n{"label":"c","id":"d4","y":"\\u00e9"}\n',
        ),
    ],
)
def test_not_a_byte_but_the_labels_changes(corrected, name, content, expected):
    assert corrected(name, content, "--id", "id") == expected


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("twice.csv", "id,label\nd3,a\nd4,b\nd3,a\n", "twice.csv:4: id 'd3' is there twice"),
        ("ragged.csv", "id,label\nd3,a\nd4,b,x\n", "ragged.csv:3: not as many cells as columns"),
        ("open.csv", 'id,label\nd3,a\nd4,"b\n', "open.csv:3: unexpected end of data"),
        ("columns.csv", "id,label,label\nd3,a,a\n", "more than one column 'label'"),
        ("lines.jsonl", '{"id": "d3", "label": "a"}\nx\n', "lines.jsonl:2: Expecting value"),
        ("deep.jsonl", '{"id": "d3", "label": "a", "z": {"label": "a"}}\n', "more than once"),
        ("latin.csv", "id,label\nd3,a\nd4,b\n", None),
    ],
)
def test_data_that_cannot_be_corrected(corrected, tmp_path, name, content, problem):
    if problem is None:
        assert corrected(name, content, "--id", "id").endswith("d4,c\n")
        return
    assert problem in corrected(name, content, "--id", "id", code=2)
    assert not (tmp_path / f"made-{name}").exists()


def test_a_corrected_label_is_a_class_that_there_is(cli, flipped, tmp_path):
    cli("errors", "sheet", "predictions.csv")
    fill_in(tmp_path, lambda number, row: row.update(correct_label="A" if number == 1 else ""))
    answer = cli("errors", "tally", code=2)
    assert "validation.csv:3: correct_label 'A' is none of the classes a, b, c" in answer.err


def test_of_numbers_it_is_a_number_and_another_one(cli, tmp_path):
    with (tmp_path / "p.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "label", "prediction"])
        writer.writerows([f"d{row}", "val", row + 0.5, row + 0.25] for row in range(20))
    cli("errors", "sheet", "p.csv", "-n", "10")
    fill_in(tmp_path, lambda _, row: row.update(correct_label=row["label"] + "000"))
    assert cli("errors", "tally", "--json").json["sheets"][0]["corrections"] == {}
    fill_in(tmp_path, lambda number, row: row.update(correct_label="-0,9" if not number else ""))
    assert "'-0,9' is not a number" in cli("errors", "tally", code=2).err


def test_tags_are_the_same_however_they_are_spaced(cli, flipped, tmp_path):
    cli("errors", "sheet", "predictions.csv")
    words = ("two digits", "Two  digits", " two\ndigits ,", "; ;")
    fill_in(tmp_path, lambda number, row: row.update(tags=(*words, *[""] * 200)[number]))
    (sheet,) = cli("errors", "tally", "--json").json["sheets"]
    assert sheet["reviewed"] == 3 and "two digits" in [one["tag"] for one in sheet["tags"]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace(b"correct_label", b"tags"), "more than one column tags"),
        (lambda _: b"", "no column id"),
        (lambda text: text.decode().encode("utf-16"), "save it as CSV UTF-8"),
    ],
)
def test_sheets_that_a_spreadsheet_spoiled(cli, flipped, tmp_path, change, problem):
    cli("errors", "sheet", "predictions.csv")
    path = tmp_path / "errors/validation.csv"
    path.write_bytes(change(path.read_bytes()))
    assert problem in cli("errors", "tally", code=2).err


def test_an_id_of_two_lines_is_no_id(cli, tmp_path):
    rows = "".join(f'"{row}\n",val,{row % 2},{(row + 1) % 2}\n' for row in range(20))
    (tmp_path / "p.csv").write_text(f"id,split,label,prediction\n{rows}")
    assert "on one line" in cli("errors", "sheet", "p.csv", code=2).err
