"""Drafts of sources that a test writes down."""

from scaffold.authoring.drafting.draft import make_draft
from scaffold.authoring.drafting.source_files import SourceFiles

TRAIN = """\
import argparse

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="small")
parser.add_argument(
    "--lr",
    type=float,
    default=0.1,
)
args = parser.parse_args()
model = torch.nn.Linear(2, 2)
loss = model(torch.randn(1, 2)).sum()
loss.backward()
acc = 0.5; print(f"test accuracy {acc:.3f}, BLEU {acc:.2f}")
"""


def draft_of(more_paths=(), **files):
    """A draft of files whose names have `__` for a slash and `_dot_` for the last dot."""
    texts = {name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}
    return make_draft(
        SourceFiles(
            url="https://example.org/ada/tiny",
            revision="1" * 40,
            tree="2" * 40,
            committed="2020-01-01",
            texts=texts,
            paths=frozenset([*texts, *more_paths]),
        )
    )


def command_of(draft):
    answer = draft.answers["commands.train.run"]
    return answer.note.rpartition("as it is stated: ")[2], str(answer.citations[0])


def fixed(draft):
    return {name: (answer.value, str(answer.citations[0])) for name, answer in draft.fixed.items()}
