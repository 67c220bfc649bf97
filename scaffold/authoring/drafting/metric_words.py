"""Know the names of metrics, splits and hyperparameters, as authors write them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricWord:
    """A metric by its usual name.

    Attributes:
        name: as recipes call it.
        pattern: how authors write it, ignoring case.
        direction: which way is better.
        unit: what it is measured in: `fraction` for what is also given in percent.
    """

    name: str
    pattern: re.Pattern[str]
    direction: str
    unit: str


def _word(name: str, pattern: str, direction: str, unit: str = "fraction") -> MetricWord:
    whole = rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])"
    return MetricWord(name, re.compile(whole, re.IGNORECASE), direction, unit)


METRICS: Sequence[MetricWord] = (
    _word(
        "accuracy",
        r"(?:top[-_ ]?[15][-_ ]?)?acc(?:uracy|uracies|\.)?|acc@[15]|prec@1|(?:\w+_)?acc",
        "higher",
    ),
    _word("equal_error_rate", r"[tv]?eer|equal[-_ ]error[-_ ]rate", "lower"),
    _word(
        "error_rate",
        r"error[-_ ]rate|err(?:or)?(?:\s*\(?%\)?)|test[-_ ]err(?:or)?"
        r"|top[-_ ]?[15][-_ ]?err(?:or)?",
        "lower",
    ),
    _word(
        "f1",
        r"(?:micro|macro|weighted)?[-_ ]?f-?1(?:[-_ ]?score|[-_ ]?measure|[-_ ](?:micro"
        r"|macro))?|f[-_ ]?score|f-measure",
        "higher",
    ),
    _word("exact_match", r"exact[-_ ]match|(?-i:EM)", "higher"),
    _word("auc", r"(?:roc[-_ ]?)?auc(?:[-_ ]?roc)?|auroc|area under", "higher"),
    _word("average_precision", r"m?ap(?:@[\d.:\[\]]+)?|auprc|average[-_ ]precision", "higher"),
    _word("precision", r"precision(?:@\d+)?", "higher"),
    _word("recall", r"recall(?:@\d+)?|r@\d+", "higher"),
    _word("hit_rate", r"hit[-_ ]?(?:rate|ratio)(?:@\d+)?|hr@\d+|(?-i:HR)|hits@\d+", "higher"),
    _word("ndcg", r"ndcg(?:@\d+)?", "higher"),
    _word("mrr", r"mrr(?:@\d+)?|mean reciprocal rank", "higher"),
    _word("iou", r"m?iou|mean[-_ ]iou|jaccard", "higher"),
    _word("dice", r"dice(?:[-_ ](?:score|coefficient))?", "higher"),
    _word("bleu", r"(?:sacre)?bleu(?:-?\d)?", "higher", "bleu"),
    _word("rouge", r"rouge(?:-?[12lL])?", "higher", "fraction"),
    _word("perplexity", r"perplexit(?:y|ies)|ppl", "lower", "perplexity"),
    _word(
        "bits_per_character",
        r"bpc|bits[- ]per[- ]char(?:acter)?|bpb|bits per (?:byte|dim)|bpd",
        "lower",
        "bit",
    ),
    _word("fid", r"fid(?:-\d+k?)?|frechet inception distance", "lower", "fid"),
    _word("inception_score", r"inception[-_ ]score", "higher", "score"),
    _word("psnr", r"psnr", "higher", "dB"),
    _word("ssim", r"(?:ms-)?ssim", "higher"),
    _word("rmse", r"rmse|root mean squared? error", "lower", "rmse"),
    _word("mse", r"mse|mean squared? error", "lower", "mse"),
    _word("mae", r"mae|mean absolute error", "lower", "mae"),
    _word("mape", r"s?mape", "lower"),
    _word("r2", r"r2(?:[-_ ]score)?|r\^2|r-squared", "higher", "r2"),
    _word(
        "correlation",
        r"pearson(?:r)?|spearman(?:r)?|mcc|matthews(?:[-_ ]corr\w*)?|kappa",
        "higher",
        "correlation",
    ),
    _word("word_error_rate", r"wer|word error rate|cer", "lower"),
    _word("elbo", r"elbo", "higher", "nat"),
    _word(
        "nll",
        r"nll|negative log[- ]likelihood|log[- ]?prob(?:ability|s)?|log[-_ ]?loss|bce"
        r"|cross[-_ ]?entropy",
        "lower",
        "nat",
    ),
    _word(
        "reward",
        r"(?:average|mean|episode|running|total)?[-_ ]?(?:reward|return)s?"
        r"|(?:average|mean|episode|running|total)[-_ ]?scores?",
        "higher",
        "reward",
    ),
    _word(
        "loss",
        r"(?:loss(?:es)?|(?:\w+_)?loss)(?![-_ ]?(?:type|name|weight|func|fn|scale|coef))",
        "lower",
        "loss",
    ),
    _word("error", r"error|err", "lower", "error"),
)
"""In order of precedence: a text that names two is of the first."""

ACCURACY = METRICS[0]

SPLITS: Sequence[tuple[str, re.Pattern[str]]] = (
    (
        "test",
        re.compile(
            r"(?<![A-Za-z])(test(?:ing)?|held[- ]?out)(?![a-z])|(?<![a-z])te_", re.IGNORECASE
        ),
    ),
    (
        "validation",
        re.compile(
            r"(?<![A-Za-z])(val(?:id(?:ation)?)?|dev|eval(?:uation)?)(?![a-z])", re.IGNORECASE
        ),
    ),
    ("train", re.compile(r"(?<![A-Za-z])(train(?:ing)?|tr)(?![a-z])", re.IGNORECASE)),
)

SPEED = re.compile(
    r"(?<![A-Za-z])(time|speed|latency|fps|sec(?:ond)?s?|hours?|min(?:ute)?s?|memory|params?|parameters?"
    r"|flops|macs|size|throughput|gpu|epochs?|year|lr|batch|layers?|dim(?:ension)?s?|step[s]?|#|ms)"
    r"(?![A-Za-z])",
    re.IGNORECASE,
)
"""What is a number, and no quality."""

_NO_HYPERPARAMETER = re.compile(
    r"^out$|^c$|config|^cfg$|seed|cuda|gpu|device|worker|thread|path|dir|folder|file|root|save|load|log|print|verbos|resume"
    r"|checkpoint|ckpt|snapshot|name|port|host|^(local_|global_)?rank$|world|(^|_)dist(ributed)?($|_)|debug|wandb|tensorboard|plot|visual"
    r"|download|cache|output$|output_?(dir|path|file|folder|name|root)|inputs?$|input_?(dir|path|file|folder|name|root|data|csv|json|txt)|export|tag|project|entity|interval|^(log|save|print|eval)\w*every|freq|num_?proc|version"
    r"|dataset|data$|^data|pretrained|test_only|eval_only|evaluate|^predict|^sample$|sample_only|cpu|(^|_)amp($|_)|fp16|jit"
    r"|compile|backend|url|arch$|render|show",
    re.IGNORECASE,
)


_ANY_METRIC = re.compile("|".join(metric.pattern.pattern for metric in METRICS), re.IGNORECASE)


def find_metric(text: str) -> MetricWord | None:
    """Return the metric that a text names first in the order of METRICS; None for no metric."""
    if not _ANY_METRIC.search(text):
        return None
    return next((metric for metric in METRICS if metric.pattern.search(text)), None)


def find_split(text: str) -> str | None:
    """Return the split that a text names."""
    return next((name for name, pattern in SPLITS if pattern.search(text)), None)


def is_hyperparameter(name: str) -> bool:
    """Return whether an option of this name says how something is trained.

    Not where it runs, what it reads and writes, or how often it speaks.
    """
    return not _NO_HYPERPARAMETER.search(name)
