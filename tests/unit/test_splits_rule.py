"""Splits as they are drawn, and what leaks between them: planted leaks, and clean draws."""

import random
import string

import numpy as np
import pytest

from scaffold.datasets.features import text_vectors
from scaffold.rules.splits.draw import draw, draw_by_time
from scaffold.rules.splits.leaks import LeakKind, Sample, find_leaks

SHARES = {"train": 0.7, "train-dev": 0.1, "validation": 0.1, "test": 0.1}


def units(n):
    return [str(row) for row in range(n)]


def counts(names):
    return {name: names.count(name) for name in SHARES}


def test_a_random_draw_has_its_shares_and_another_seed_draws_others():
    names = draw(units(1000), SHARES, 0)
    assert counts(names) == {"train": 700, "train-dev": 100, "validation": 100, "test": 100}
    assert names == draw(units(1000), SHARES, 0) != draw(units(1000), SHARES, 1)


def test_each_class_has_its_share_in_each_split():
    labels = ["rare"] * 20 + ["usual"] * 980
    names = draw(units(1000), SHARES, 0, labels)
    rare = counts([name for name, label in zip(names, labels, strict=True) if label == "rare"])
    assert rare == {"train": 14, "train-dev": 2, "validation": 2, "test": 2}


def test_small_classes_together_have_their_share():
    labels = [f"class {row // 4}" for row in range(400)]
    assert counts(draw(units(400), SHARES, 0, labels))["test"] == 40


def test_units_stay_in_one_split():
    customers = [f"customer {row % 60}" for row in range(1000)]
    names = draw(customers, SHARES, 0)
    assert all(
        len({n for n, c in zip(names, customers, strict=True) if c == one}) == 1
        for one in set(customers)
    )
    assert all(abs(count - 1000 * SHARES[name]) <= 20 for name, count in counts(names).items())


def test_by_time_train_is_first_test_last_and_moments_stay_together():
    times = [float(row // 10) for row in range(1000)]
    random.Random(0).shuffle(times)
    names = draw_by_time(times, units(1000), SHARES, 0)
    spans = {name: [t for t, n in zip(times, names, strict=True) if n == name] for name in SHARES}
    assert max(spans["train"] + spans["train-dev"]) < min(spans["validation"])
    assert max(spans["validation"]) < min(spans["test"])
    assert min(spans["train-dev"]) < 20 < max(spans["train-dev"])
    assert len(spans["test"]) == 100


def sample(features, **others):
    """Rows of numbers, the first four fifths of training, unless said otherwise."""
    features = np.asarray(features)
    start = 4 * len(features) // 5
    rows = {"train": range(start), "validation": range(start, len(features))}
    values = {
        "rows": rows,
        "contents": [row.tobytes() for row in features],
        "columns": {f"x{place}": column for place, column in enumerate(features.T)},
        "vectors": ((features - features.mean(0)) / (features.std(0) + 1e-9)).astype(np.float32),
    }
    return Sample(**{**values, **others})


def leaks(of):
    return {leak.kind: leak for leak in find_leaks(of)}


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    images = load_digits().data
    return images[:, images.std(axis=0) > 0]


def shuffled(rows, seed):
    return rows[np.random.default_rng(seed).permutation(len(rows))]


@pytest.mark.parametrize("name", ["digits", "numbers", "clusters"])
def test_clean_draws_give_at_most_5_alarms_in_100(name, digits):
    rng = np.random.default_rng(0)
    clean = {
        "digits": digits[:500],
        "numbers": rng.normal(size=(400, 10)),
        "clusters": rng.normal(size=(10, 8))[rng.integers(0, 10, 400)] * 5
        + rng.normal(size=(400, 8)),
    }[name]
    assert sum(bool(leaks(sample(shuffled(clean, seed)))) for seed in range(100)) <= 5


@pytest.mark.parametrize("noise", [0.01, 0.05])
def test_exact_copies_are_all_named_and_near_copies_nine_of_ten(digits, noise):
    rng = np.random.default_rng(1)
    near = named = planted = 0
    for seed in range(2):
        rows = shuffled(digits, seed)
        start = 4 * len(rows) // 5
        rows[-20:] = rows[:20]
        rows[-60:-20] = rows[100:140] + rng.normal(size=(40, rows.shape[1])) * noise * rows.std(0)
        answer = leaks(sample(rows))
        exact = {pair[0] for pair in answer[LeakKind.EXACT].rows}
        assert exact == set(range(len(rows) - 20, len(rows))) and answer[LeakKind.EXACT].is_alarm
        near += len(
            {pair[0] for pair in answer[LeakKind.NEAR].rows} & set(range(start, len(rows) - 20))
        )
        named += len(answer[LeakKind.NEAR].rows)
        planted += 40
    assert near >= 0.9 * planted and named - near <= 2


WORDS = [
    "".join(random.Random(one).choices(string.ascii_lowercase, k=3 + one % 6)) for one in range(800)
]


def sentence(seed):
    drawn = random.Random(seed)
    return " ".join(drawn.choices(WORDS, weights=[1 / (1 + place) for place in range(800)], k=15))


def edited(text, seed):
    words, drawn = text.split(), random.Random(seed)
    place = drawn.randrange(len(words))
    change = seed % 3
    if change == 0:
        words[place] = drawn.choice(WORDS)
    elif change == 1:
        del words[place]
    return " ".join(words).upper() + "!" if change == 2 else " ".join(words)


def of_texts(texts):
    rows = {"train": range(400), "validation": range(400, 500)}
    vectors = text_vectors(texts)
    return Sample(rows=rows, contents=texts, columns={}, vectors=vectors, are_texts=True)


def test_texts_with_an_edit_are_near_copies_and_others_are_none():
    texts = [sentence(seed) for seed in range(500)]
    for seed in range(20):
        random.Random(seed).shuffle(texts)
        assert leaks(of_texts(texts)) == {}
    texts[-50:] = [edited(text, seed) for seed, text in enumerate(texts[:50])]
    assert len(leaks(of_texts(texts))[LeakKind.NEAR].rows) >= 45


def test_rows_so_plain_that_they_may_be_equal_by_chance_are_no_alarm():
    rows = np.random.default_rng(0).integers(0, 4, size=(1000, 3)).astype(float)
    leak = leaks(sample(rows, vectors=None))[LeakKind.EXACT]
    assert leak.n > 100 and not leak.is_alarm


def test_empty_cells_are_equal_to_each_other():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 3))
    rows[rng.random(rows.shape) < 0.95] = np.nan
    contents = [tuple("" if cell != cell else cell for cell in row) for row in rows]
    leak = leaks(sample(rows, contents=contents, vectors=None))[LeakKind.EXACT]
    assert leak.n > 400 and not leak.is_alarm


def test_more_equal_rows_than_chance_explains_are_an_alarm_however_plain_they_are():
    rows = np.random.default_rng(0).integers(0, 12, size=(500, 3)).astype(float)
    assert not leaks(sample(rows, vectors=None))[LeakKind.EXACT].is_alarm
    rows[400:] = rows[:100]
    assert leaks(sample(rows, vectors=None))[LeakKind.EXACT].is_alarm


def test_groups_in_two_splits():
    rows = np.random.default_rng(0).normal(size=(100, 5))
    groups = [f"g{row // 5}" for row in range(100)]
    assert leaks(sample(rows, groups=groups)) == {}
    groups[99] = "g0"
    leak = leaks(sample(rows, groups=groups))[LeakKind.GROUP]
    assert (leak.n, leak.names, leak.first, leak.second) == (1, "g0", "train", "validation")


def test_training_that_is_later_than_validation():
    rows = np.random.default_rng(0).normal(size=(100, 5))
    times = [float(row) for row in range(100)]
    assert leaks(sample(rows, times=times, by_time=True)) == {}
    times[3] = 90.0
    assert leaks(sample(rows, times=times, by_time=True))[LeakKind.TIME].n == 1
    assert leaks(sample(rows, times=times)) == {}


def test_a_column_that_gives_classes_away_and_real_columns_that_do_not():
    from sklearn.datasets import load_iris

    order = np.random.default_rng(0).permutation(150)
    features, labels = load_iris(return_X_y=True)
    features, labels = features[order], labels[order]
    clean = sample(features, labels=labels.tolist(), vectors=None)
    assert LeakKind.GIVEAWAY not in leaks(clean)
    given = np.column_stack(
        [features, labels * 3.5 + 0.01 * np.random.default_rng(1).normal(size=150)]
    )
    rows = {"train": range(100), "validation": range(100, 150)}
    leak = leaks(sample(given, labels=labels.tolist(), rows=rows, vectors=None))[LeakKind.GIVEAWAY]
    assert leak.names == "x4"


def test_a_column_that_gives_numbers_away():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 4))
    labels = features[:, 0] + rng.normal(size=500)
    assert LeakKind.GIVEAWAY not in leaks(sample(features, labels=labels, vectors=None))
    given = np.column_stack([features, 2 * labels + 7 + 0.01 * rng.normal(size=500)])
    assert leaks(sample(given, labels=labels, vectors=None))[LeakKind.GIVEAWAY].names == "x4"


def test_a_category_that_gives_the_label_away():
    labels = [str(row % 3) for row in range(300)]
    columns = {
        "code": [f"ward {label}" for label in labels],
        "other": [row % 7 for row in range(300)],
    }
    answer = leaks(
        sample(np.arange(300.0)[:, None] + 1, columns=columns, labels=labels, vectors=None)
    )
    assert answer[LeakKind.GIVEAWAY].names == "code"
