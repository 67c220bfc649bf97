"""Read a model of the Hugging Face Hub and the datasets that its card names, to draft from them."""

import hashlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from scaffold.authoring.drafting.hub_card import (
    CARD,
    CardResult,
    card_results,
    draft_card,
    read_card,
)
from scaffold.authoring.drafting.reading import Draft
from scaffold.authoring.drafting.source_files import MOST_TEXT_BYTES, SourceFiles
from scaffold.errors import FetchError, UsageError
from scaffold.git.repository import Repository
from scaffold.records.recipe import HubReference
from scaffold.references import hub

_MOST_DATA_BYTES = 200_000_000
"""Of a dataset's split that is fetched while drafting, to take its digest."""

_TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".json")
_SAME_SPLIT = {"validation": ("validation", "valid", "val", "dev"), "test": ("test",)}


def read_hub(name: str, revision: str | None = None, *, offline: bool = False) -> SourceFiles:
    """Read the texts of a model. Its weights are fetched, and nothing of it is run.

    Raises:
        FetchError: it cannot be had.
        UsageError: its weights are pickles only.
    """
    repository = hub.find_repository("model", name, revision, offline=offline)
    weights = [path for path in repository.safe_files if path.endswith(".safetensors")]
    if not weights:
        if repository.pickles:
            raise UsageError(
                f"{name} has its weights as pickles only ({repository.pickles[0]}): loading one"
                " runs whatever is in it",
                hint="ask its authors for safetensors (huggingface.co/spaces/safetensors/convert)",
            )
        raise UsageError(f"{name} has no weights (safetensors)")
    texts = {
        path: hub.download("model", name, repository.revision, path, offline=offline)
        for path in repository.safe_files
        if path.endswith((".md", ".json", ".txt", ".yaml", ".yml"))
    }
    reference = HubReference(
        hub=name,
        revision=repository.revision,
        files=repository.safe_files,
        tree="0" * 40,
        license="-",
    )
    with tempfile.TemporaryDirectory() as folder:
        into = Repository.create(Path(folder) / "model", bare=True)
        tree = hub.fetch(reference, into, offline=offline)
    return SourceFiles(
        url=f"hf:{name}",
        revision=repository.revision,
        tree=tree,
        committed=repository.committed,
        texts={path: text for path, file in texts.items() if (text := _text(file)) is not None},
        paths=frozenset(repository.safe_files),
    )


def _text(path: Path) -> str | None:
    if path.stat().st_size > MOST_TEXT_BYTES:
        return None
    return path.read_text(encoding="utf-8-sig", errors="replace")


def draft_hub(files: SourceFiles, *, offline: bool = False) -> Draft:
    """Draft a recipe of a model: its card, and the files of the datasets that it names.

    A dataset that cannot be had is told as a warning.
    """
    datasets: dict[str, Sequence[Mapping[str, Any]]] = {}
    warnings: list[str] = []
    for result in card_results(read_card(files)):
        if not result.score or result.dataset in datasets:
            continue
        try:
            datasets[result.dataset] = _entries(result, offline=offline)
        except (FetchError, UsageError) as error:
            warnings.append(f"{result.dataset_place}: {error.message}")
    draft = draft_card(files, files.name_of_hub, sorted(files.paths), datasets)
    draft.warnings += list(dict.fromkeys(warnings))
    if CARD not in files.texts:
        draft.warnings.append("there is no model card")
    return draft


def _entries(result: CardResult, *, offline: bool) -> list[dict[str, Any]]:
    """Return what recipe.yaml says of a dataset's files of a split.

    Raises:
        FetchError: it cannot be had.
        UsageError: no file is of that split, or they are too large.
    """
    repository = hub.find_repository(
        "dataset", result.dataset, result.revision or None, offline=offline
    )
    chosen = choose_files(repository, result.split or "test", result.config)
    size = sum(file.size or 0 for file in chosen)
    if not chosen or size > _MOST_DATA_BYTES:
        why = "has no table of" if not chosen else f"has {size / 1e6:.0f} MB of"
        raise UsageError(f"{result.dataset} {why} the split {result.split or 'test'!r}")
    entries = []
    for file in chosen:
        path = hub.download(
            "dataset", repository.name, repository.revision, file.path, offline=offline
        )
        name = re.sub(r"[^a-z0-9_]+", "_", f"{repository.name}_{file.path}".lower()).strip("_")
        entries.append(
            {
                "name": name if re.match("[a-z]", name) else f"data_{name}",
                "license": "see its card",
                "hub": repository.name,
                "revision": repository.revision,
                "path": file.path,
                "sha256": file.sha256 or hashlib.sha256(path.read_bytes()).hexdigest(),
                "place": f"data/{PurePosixPath(file.path).name}",
            }
        )
    return entries


def choose_files(repository: hub.HubRepository, split: str, config: str) -> list[hub.HubFile]:
    """Return a dataset's tables of a split and configuration, in the order of their names."""
    names = _SAME_SPLIT.get(split, (split,))
    tables = [
        file
        for file in repository.files
        if file.path.endswith(_TABLES) and _parts(file.path) & set(names)
    ]
    in_config = [
        file for file in tables if config and config.lower() in _parts(file.path, folders=True)
    ]
    is_ambiguous = config not in ("", "default") and _are_apart(tables)
    chosen = in_config or ([] if is_ambiguous else tables)
    return sorted(chosen, key=lambda file: file.path)


def _parts(path: str, *, folders: bool = False) -> set[str]:
    """Return the words of a path that a split or configuration may be named by."""
    parts = set(re.split(r"[/._-]", path.lower()))
    return parts | {part.lower() for part in PurePosixPath(path).parts} if folders else parts


def _are_apart(files: Sequence[hub.HubFile]) -> bool:
    """Return whether a dataset's tables lie in several folders: one for each configuration."""
    return len({PurePosixPath(file.path).parent for file in files}) > 1
