"""Pack evidence as a Process Run Crate: RO-Crate metadata beside copies of the files."""

from pathlib import Path

from scaffold.errors import UsageError
from scaffold.project.project import Project
from scaffold.records.recipe import Recipe
from scaffold.reproduce.staleness import require_evidence
from scaffold.views.exports import missing_extra
from scaffold.views.exports.statement import describe_reference

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_RO_CRATE = "1.1"
"""That the profile of version 0.5 is of."""


def write_crate(project: Project, folder: Path) -> None:
    """Write a crate into a new folder.

    Raises:
        UsageError: the folder is there.
        MachineError: rocrate is not installed.
        ProjectError, BrokenFileError: see `reproduce.staleness.require_evidence`.
    """
    try:
        from rocrate.model.contextentity import ContextEntity
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise missing_extra("an RO-Crate needs rocrate") from error
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="choose another -o, or remove it")
    recipe, evidence = require_evidence(project)
    crate = ROCrate(version=_RO_CRATE)
    crate.name = f"Reproduction of {recipe.title}"
    crate.description = f"{evidence.judgment['verdict']}: {recipe.task}"
    crate.license = recipe.reference.license
    profile = ContextEntity(
        crate, _PROFILE, {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    )
    crate.root_dataset["conformsTo"] = crate.add(profile)
    tool = crate.add(ContextEntity(crate, *_software(recipe)))
    inputs = [_add_file(crate, project, path) for path in _inputs(project, recipe)]
    inputs += [crate.add(ContextEntity(crate, *one)) for one in _datasets(recipe)]
    results = [_add_file(crate, project, project.reproduction)]
    action = ContextEntity(
        crate,
        "#reproduction",
        {
            "@type": "CreateAction",
            "name": f"{len(evidence.runs)} runs of {recipe.id}, judged by mlloop-new",
            "description": evidence.judgment["verdict"],
            "endTime": evidence.created,
        },
    )
    crate.add(action)
    action["instrument"] = tool
    action["object"] = inputs
    action["result"] = results
    crate.root_dataset["mentions"] = action
    crate.write(folder)


def _add_file(crate, project: Project, path: Path):  # type: ignore[no-untyped-def]
    name = path.relative_to(project.root).as_posix()
    format_ = "application/json" if path.suffix == ".json" else "text/plain"
    return crate.add_file(path, name, properties={"name": name, "encodingFormat": format_})


def _inputs(project: Project, recipe: Recipe) -> list[Path]:
    files = [project.recipe, project.lock]
    return files + ([project.root / recipe.calibration] if recipe.calibration else [])


def _software(recipe: Recipe) -> tuple[str, dict[str, str]]:
    reference = describe_reference(recipe)
    url = reference.get("git", "")
    version = reference.get("revision") or reference.get("version") or reference["tree"]
    properties = {
        "@type": "SoftwareSourceCode",
        "name": recipe.title,
        "version": version,
        "identifier": reference["tree"],
        "license": reference["license"],
    }
    if url.startswith("https://"):
        properties["codeRepository"] = url
    return f"#{recipe.id}", properties


def _datasets(recipe: Recipe) -> list[tuple[str, dict[str, str]]]:
    return [
        (
            f"#data-{dataset.name}",
            {"@type": "PropertyValue", "name": dataset.name, "value": f"sha256:{dataset.sha256}"},
        )
        for dataset in recipe.placed_datasets()
    ]
