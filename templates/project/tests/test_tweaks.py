"""Does every accepted tweak do what its kind must? Judged again from evidence/tweak-*.json; skips while there is none."""


def test_src_was_judged(unjudged_edits):
    assert not unjudged_edits, f"{', '.join(unjudged_edits)} differ from all that was judged; see: scaffold next"


def test_accepted_change_holds(accepted_change):
    assert accepted_change.refusal is None or accepted_change.reason, accepted_change.refusal
