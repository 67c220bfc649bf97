"""Name the JSON schema of each YAML file of a project, for editors."""

SCHEMAS_DIR = ".schemas"
PROJECT_SCHEMAS = ("recipe", "system", "tweak", "milestones", "goal")


def editor_line(name: str, *, up: str = "") -> str:
    """Return the comment by which editors with a YAML language server find the schema.

    Args:
        name: one of PROJECT_SCHEMAS.
        up: the way from the file's folder to the project, such as `../`.
    """
    return f"# yaml-language-server: $schema={up}{SCHEMAS_DIR}/{name}.schema.json\n"
