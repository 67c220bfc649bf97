"""Times as people write them in tables."""

import pytest

from scaffold.datasets.times import read_times


@pytest.mark.parametrize(
    "texts",
    [
        ["3", "10.5", "200"],
        ["2026-01-31", "2026-02-01T10:00", "2026-02-01T11:00:00Z"],
        ["31.01.2026", "01.02.2026", "1.2.2026 10:00"],
        ["31/01/2026", "01/02/2026", "02/02/2026"],
        ["01/31/2026", "02/01/2026", "02/02/2026"],
        ["2026/01/31", "2026/02/01", "2026/02/02 09:30:00"],
        ["31.01.2026 9:05", "31.01.2026 10:05", "1.2.2026 9:05:30"],
    ],
)
def test_a_column_is_read_in_the_one_way_that_fits_all_of_it(texts):
    times, reasons = read_times(texts)
    assert reasons == [] and times == sorted(times) and len(set(times)) == 3


def test_a_column_that_does_not_say_which_is_the_month_is_not_guessed():
    times, reasons = read_times(["05/05/2026", "03/04/2026"])
    assert times == [] and reasons[0][0] == 1 and "day or with the month" in reasons[0][1]
    assert read_times(["05/05/2026", "06/06/2026"])[1] == [], "both ways say the same"


def test_what_is_no_time_is_named_with_its_place():
    _, reasons = read_times(["2026-01-31", "soon", "2026-02-30", "nan"])
    assert [place for place, _ in reasons] == [1, 2, 3]
    assert "'soon' is not a number or a time like 2026-01-31" in reasons[0][1]
    assert len(read_times(["x"] * 100)[1]) == 5
