"""What calls, names and endings tell of datasets."""

import re
from collections.abc import Sequence

LIBRARY_CALLS: Sequence[tuple[re.Pattern[str], bool]] = (
    (
        re.compile(
            r"(^|\.)(sklearn\.)?(datasets\.)?load_(iris|digits|wine|breast_cancer|diabetes|linnerud)$"
        ),
        False,
    ),
    (
        re.compile(
            r"(^|\.)(datasets\.)?fetch_(openml|20newsgroups\w*|california_housing|covtype|lfw_\w+|rcv1|olivetti_faces|kddcup99|species_distributions)$"
        ),
        True,
    ),
    (
        re.compile(
            r"(^|\.)(torchvision\.)?datasets\.([A-Z]\w+)(?:\.(?:splits|iters))?$|(^|\.)dset\.([A-Z]\w+)$"
            r"|(^|\.)torchvision\.datasets\.[a-z]\w*\.([A-Z]\w+)$"
        ),
        True,
    ),
    (
        re.compile(
            r"(^|\.)(?:torchtext|torchaudio)\.(?:\w+\.)*datasets\.(?:[a-z]\w*\.)?([A-Z]\w+)"
            r"(?:\.(?:splits|iters))?$"
        ),
        True,
    ),
    (
        re.compile(
            r"(^|\.)(Planetoid|Amazon|Coauthor|TUDataset|Reddit|Flickr|CitationFull|PPI|QM9|WikiCS)$"
        ),
        True,
    ),
    (
        re.compile(
            r"(^|\.)(PygNodePropPredDataset|PygGraphPropPredDataset|DglNodePropPredDataset|PygLinkPropPredDataset)$"
        ),
        True,
    ),
    (
        re.compile(
            r"(^|\.)keras\.datasets\.(\w+)\.load_data$|^(mnist|cifar10|cifar100|imdb|fashion_mnist|boston_housing|reuters)\.load_data$"
        ),
        True,
    ),
    (re.compile(r"(^|\.)tfds\.load$"), True),
    (re.compile(r"(^|\.)(sns|seaborn)\.load_dataset$"), True),
)
LIBRARIES = {"torchvision", "torchtext", "torchaudio", "sklearn", "keras", "tensorflow"}
KNOWN_DATASETS = re.compile(
    r"(fashion|k|e|q)?mnist|cifar-?100?|svhn|stl-?10|celeba|imagenet|omniglot|usps|caltech\d+|lsun"
    r"|food-?101|flowers-?102|imdb|ag_?news|sst-?2?|wikitext-?\d+|ptb|multi30k|speechcommands",
    re.IGNORECASE,
)
"""Datasets of torchvision, torchtext and torchaudio by the names that options have for them."""

GENERATORS = re.compile(
    r"(^|\.)make_(moons|blobs|circles|classification|regression|swiss_roll|s_curve|friedman\d)$"
)
OWN_GENERATORS = re.compile(
    r"(make|gen(erate)?|simulate)_(\w+_)?(data|dataset|samples)|(\w+_)?data_?gen(erator)?"
)
"""Names of a source's own functions that may make data: those that draw, and read nothing."""

ENVIRONMENTS = re.compile(r"(^|\.)(gym|gymnasium|envs?)\.make(_vec)?$|^make_(atari_)?env$")
HUB_CALLS = re.compile(r"(^|\.)load_dataset$")
READERS = re.compile(
    r"(^|\.)(open|read_csv|read_table|read_json|load|loadtxt|genfromtxt|loadmat|ImageFolder|read_parquet|File)$"
)
DATA_SUFFIXES = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".npz",
    ".npy",
    ".mat",
    ".pkl",
    ".parquet",
    ".h5",
    ".data",
    ".gz",
    ".xlsx",
)


CONFIGURATION_FILES = re.compile(
    r"conf(ig)?[\w-]*\.(json|ya?ml|txt)$|(^|/)conf(ig)?s?/|(^|/)logs?\.\w+$|\.(py|sh|md)$", re.I
)
"""Files that say how to train, or how it went: no data."""


_DATA_NAME = re.compile(
    r"\.(zip|tar|t?gz|tgz|bz2|xz|csv|tsv|json|jsonl|txt|npz|npy|mat|pkl|h5|parquet|data)$",
    re.IGNORECASE,
)


_NO_DATA = re.compile(
    r"\.(pth|pt|ckpt|bin|safetensors|onnx)\b|glove|word2vec|fasttext|googlenews|pretrain|checkpoint"
    r"|weights|(^|[-_])(resnet|vgg|bert)|(^|[-_])models?([-_.]|$)|-[0-9a-f]{8,}\.",
    re.IGNORECASE,
)
"""Weights and word vectors: a program may need them, and learns nothing of its task from them.
Weights for torch.hub end in a dash and the beginning of their digest, as its
`load_state_dict_from_url` asks for."""


def is_data_name(name: str) -> bool:
    """Return whether a file on the web is likely one of data, not of weights."""
    return bool(_DATA_NAME.search(name)) and not _NO_DATA.search(name)


def is_known_dataset(word: str) -> bool:
    """Return whether a word is the name of a dataset that the libraries have."""
    return bool(KNOWN_DATASETS.fullmatch(word))
