"""Name a source's task as the Hugging Face Hub does, by its own words."""

import re
from collections.abc import Sequence

from scaffold.authoring.drafting.documents import Document
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import FieldAnswer, unknown, value_of

TASKS: Sequence[tuple[str, str]] = (
    (
        "reinforcement-learning",
        r"reinforcement learning|policy gradient|\bppo\b|\bdqn\b|actor[- ]critic"
        r"|openai gym|cartpole",
    ),
    (
        "graph-ml",
        r"graph (convolutional|neural|attention)|\bgcn\b|\bgnn\b|node classification"
        r"|link prediction|citation network",
    ),
    ("object-detection", r"object detection|\byolo|faster r-?cnn|\bssd\b"),
    ("image-segmentation", r"segmentation|u-?net"),
    (
        "image-to-image",
        r"super[- ]resolution|denois|style transfer|pix2pix|cyclegan"
        r"|image[- ]to[- ]image|inpainting|deblur",
    ),
    (
        "unconditional-image-generation",
        r"\bgans?\b|generative adversarial|dcgan|diffusion model|\bddpm\b"
        r"|image generation|\bvaes?\b|variational auto-?encoder|normalizing flow",
    ),
    ("automatic-speech-recognition", r"speech recognition|\basr\b"),
    (
        "audio-classification",
        r"audio classification|sound classification|speech commands|keyword spotting",
    ),
    ("text-to-speech", r"text[- ]to[- ]speech|\btts\b|vocoder|tacotron"),
    ("translation", r"machine translation|seq2seq|translat"),
    ("summarization", r"summari[sz]ation"),
    ("question-answering", r"question answering|\bsquad\b"),
    (
        "token-classification",
        r"named entity|\bner\b|sequence label|part[- ]of[- ]speech|\bpos tagg",
    ),
    ("sentence-similarity", r"sentence (similarity|embedding)|semantic similarity"),
    (
        "text-classification",
        r"text classification|sentence classification|sentiment|document classification|spam",
    ),
    (
        "text-generation",
        r"language model|\bgpt\b|char-?rnn|text generation|\bllm\b|character[- ]level"
        r"|makemore|next[- ]word",
    ),
    ("time-series-forecasting", r"time[- ]series|forecast"),
    (
        "recommendation",
        r"recommend(?:er|ation)s?\b|collaborative filtering|matrix factori[sz]ation"
        r"|click[- ]through|\bctr\b",
    ),
    ("tabular-regression", r"tabular regression|house price|regression on"),
    (
        "tabular-classification",
        r"tabular|gradient boosting|xgboost|lightgbm|random forest|decision tree|credit|churn",
    ),
    (
        "image-classification",
        r"image classification|image recognition|\bmnist\b|\bcifar|imagenet|resnet"
        r"|convolutional neural network|\bcnn\b|vision transformer",
    ),
)  # ids of https://huggingface.co/tasks, read 2026-11; it has none for recommendation


def find_task(files: SourceFiles, documents: Sequence[Document]) -> FieldAnswer:
    """Return the task that a README's first lines name; the title counts before the text."""
    if not documents:
        return unknown("there is no README that says what it is for")
    path = documents[0].path
    lines = files.lines(path)
    for number, line in enumerate(lines[:40], start=1):
        text = re.sub(r"\(https?:[^)]*\)|https?:\S+", "", line)
        task = next((name for name, words in TASKS if re.search(words, text, re.IGNORECASE)), None)
        if task:
            return value_of(task, files.cite(path, number))
    return unknown("the README's first lines name no known task")
