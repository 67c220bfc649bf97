"""Does the reference give its published result here? Judged from evidence/reproduce.json, written by `scaffold verify`."""


def test_reference_is_untouched(reference_edits):
    assert not reference_edits, "reference/ was edited; see: git status reference"


def test_published_result_is_reproduced(reproduction):
    assert reproduction.verdict == "REPRODUCED", reproduction.reason
