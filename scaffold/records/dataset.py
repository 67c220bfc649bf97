"""Datasets of a program: where each comes from, and where it is put.

Records only: no disk, no clock, no network.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, Tag, field_validator

from scaffold.records.fields import GitUrl, Name, RelPath, Revision, Sha256, Text, by_key
from scaffold.records.parsing import Record


class _Dataset(Record):
    name: Name
    license: Text = Field(description="often not the code's; 'none stated' is a value")
    splits: Mapping[str, Annotated[int, Field(gt=0)]] = Field(
        default={}, description="examples in each split"
    )


class PlacedDatasetBase(_Dataset):
    """What is put into the reference's copy."""

    sha256: Sha256 = Field(description="of the file")
    place: RelPath = Field(
        description="where the reference expects the file, or the folder that it unpacks to"
    )

    @property
    def layout(self) -> str:
        """Return where a run has it, and how."""
        return self.place

    @property
    def recipe_file(self) -> str | None:
        """Return the file of the recipe that has its bytes, or their digests."""
        return None


class _CopiedDataset(PlacedDatasetBase):
    unpack: Literal["zip", "tar"] | None = Field(
        default=None, description="tar: packed by gzip, bzip2, xz or not"
    )

    @property
    def layout(self) -> str:
        """Return where a run has it, and of what it is unpacked."""
        return self.place + (f" from {self.unpack}" if self.unpack else "")


class UrlDataset(_CopiedDataset):
    """A file on the web."""

    url: Text = Field(description="where it is downloaded from")

    @field_validator("url")
    @classmethod
    def _is_web(cls, url: str) -> str:
        if not re.fullmatch(
            r"https://[^/@\s]+/\S*|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/\S*", url
        ):
            raise ValueError("must be an https:// URL without credentials")
        return url


class GitDataset(_CopiedDataset):
    """A file of one commit of a git repository."""

    git: GitUrl
    revision: Revision
    path: RelPath = Field(description="of the file in the repository")


class HubDataset(_CopiedDataset):
    """A file of one commit of a dataset on the Hugging Face Hub."""

    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] = Field(
        description="ORG/NAME of the dataset"
    )
    revision: Revision
    path: RelPath = Field(description="of the file in it")


class FileDataset(_CopiedDataset):
    """A file inside the recipe."""

    file: RelPath = Field(pattern=r"^data/", description="in data/ of the recipe")

    @property
    def recipe_file(self) -> str:
        """Return the file itself."""
        return self.file


class OutsideDataset(PlacedDatasetBase):
    """A folder of this machine that is too large to copy: runs read it where it lies."""

    manifest: RelPath = Field(
        pattern=r"^data/",
        description=(
            "digests of its files, as `scaffold data manifest` writes them; `sha256` is that of"
            " the manifest"
        ),
    )

    @property
    def layout(self) -> str:
        """Return where a run has it, and that it is a folder which is shown, not copied."""
        return f"{self.place}, a folder outside"

    @property
    def recipe_file(self) -> str:
        """Return the manifest."""
        return self.manifest


class BundledDataset(_Dataset):
    """Data that a library carries; its digest is the library's version in the environment lock."""

    bundled: Text = Field(description="the library, and what it calls it")


class InsideDataset(_Dataset):
    """A file or folder of the reference itself; the tree's id is its digest."""

    inside: RelPath = Field(description="path in the reference")


class GeneratedDataset(_Dataset):
    """Data that the reference makes itself."""

    generated: Text = Field(description="how, in words")


CopiedDataset = UrlDataset | GitDataset | HubDataset | FileDataset
PlacedDataset = CopiedDataset | OutsideDataset
Dataset = Annotated[
    Annotated[UrlDataset, Tag("<url>")]
    | Annotated[GitDataset, Tag("<git>")]
    | Annotated[HubDataset, Tag("<hub>")]
    | Annotated[FileDataset, Tag("<file>")]
    | Annotated[OutsideDataset, Tag("<manifest>")]
    | Annotated[InsideDataset, Tag("<inside>")]
    | Annotated[BundledDataset, Tag("<bundled>")]
    | Annotated[GeneratedDataset, Tag("<generated>")],
    by_key("url", "git", "hub", "file", "manifest", "inside", "bundled", "generated"),
]
