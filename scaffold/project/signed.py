"""Keep a document in a project so that one that came along from elsewhere is not believed."""

import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaffold.errors import ScaffoldError
from scaffold.project.files import read_text, write_json
from scaffold.project.project import Project
from scaffold.user_state import sign

_SIGNATURE = "signature"


def write_signed(path: Path, project: Project, title: str, content: Mapping[str, Any]) -> None:
    """Write a JSON document, signed for this project.

    Args:
        path: of the file.
        project: which the content is of.
        title: what the document is, so that no other kind is taken for it.
        content: what JSON can say.

    Raises:
        MachineError: see `files.write_bytes`.
    """
    write_json({**content, _SIGNATURE: _signature(project, title, content)}, path)


def read_signed(path: Path, project: Project, title: str) -> dict[str, Any] | None:
    """Return a document that this user wrote for this project; None for any other, or without."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        content = json.loads(read_text(path))
        signature = content.pop(_SIGNATURE)
        expected = _signature(project, title, content)
        return content if hmac.compare_digest(expected, signature) else None
    except (ScaffoldError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _signature(project: Project, title: str, content: Mapping[str, Any]) -> str:
    return sign(f"{title} of {project.root}: {json.dumps(content, sort_keys=True)}")
