"""Does every accepted tweak do what its kind must? Judged again from evidence/tweak-*.json; skips while there is none."""


def test_accepted_change_holds(accepted_change):
    assert accepted_change.refusal is None or accepted_change.reason, accepted_change.refusal
