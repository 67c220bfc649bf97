"""Make a model card whose metadata the Hugging Face Hub shows as evaluation results."""

from scaffold.project.project import Project
from scaffold.reproduce.staleness import require_evidence
from scaffold.views.certificate import make_certificate
from scaffold.views.exports.statement import make_statement


def make_model_card(project: Project) -> str:
    """Return the card: what was measured here, never what was published.

    Raises:
        ProjectError, BrokenFileError: see `reproduce.staleness.require_evidence`.
    """
    from huggingface_hub import EvalResult, ModelCardData

    recipe, evidence = require_evidence(project)
    results = []
    for claim in recipe.claims:
        metric = recipe.metric(claim.metric)
        values = [
            run.metrics[metric.name].value for run in evidence.runs if metric.name in run.metrics
        ]
        results.append(
            EvalResult(
                task_type=recipe.task,
                dataset_type=claim.dataset,
                dataset_name=claim.dataset,
                dataset_split=metric.split,
                metric_type=metric.name,
                metric_name=f"{metric.name}, mean of {len(values)} seeds",
                metric_value=sum(values) / len(values),
                verified=False,
            )
        )
    data = ModelCardData(
        model_name=recipe.id,
        license="other",
        license_name=recipe.reference.license,
        eval_results=results or None,
        tags=["mlloop-new"],
    )
    return f"---\n{data.to_yaml()}\n---\n\n{make_certificate(make_statement(project))}"
