"""Does every accepted rewrite compute what it replaced? A test a check, from evidence/rewrite-*.json and golden/; skips
while there is none, and what could not be compared. To compare src/ as it is now: scaffold rewrite check."""


def test_data(parity):
    assert parity.difference("data") is None


def test_batches(parity):
    assert parity.difference("batches") is None


def test_budget(parity):
    assert parity.difference("budget") is None


def test_schedule(parity):
    assert parity.difference("schedule") is None


def test_parameters(parity):
    assert parity.difference("parameters") is None


def test_initialization(parity):
    assert parity.difference("initialization") is None


def test_dropout(parity):
    assert parity.difference("dropout") is None


def test_forward_in_evaluation(parity):
    assert parity.difference("forward_eval") is None


def test_forward_in_training(parity):
    assert parity.difference("forward_train") is None


def test_buffers(parity):
    assert parity.difference("buffers") is None


def test_loss(parity):
    assert parity.difference("loss") is None


def test_gradients(parity):
    assert parity.difference("gradients") is None


def test_optimizer(parity):
    assert parity.difference("optimizer") is None


def test_loop(parity):
    assert parity.difference("loop") is None


def test_evaluation(parity):
    assert parity.difference("evaluation") is None


def test_reporting(parity):
    assert parity.difference("reporting") is None


def test_functions(parity):
    assert parity.difference("functions") is None


def test_replay(parity):
    assert parity.difference("replay") is None
