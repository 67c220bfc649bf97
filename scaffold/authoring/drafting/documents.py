"""Read README files and other documents: code blocks, tables, prose, each with its lines.

Markdown by markdown-it; HTML tables, which authors use for spans, by the standard library.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from scaffold.authoring.drafting.source_files import SourceFiles, split_lines

if TYPE_CHECKING:
    from markdown_it.token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a document, or a cell of a table, and where it stands."""

    text: str
    number: int
    is_bold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code block. `lead` is the prose before it, `section` the headings above it."""

    path: str
    lines: tuple[Line, ...]
    language: str
    section: tuple[str, ...]
    lead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: head (several lines where there are several) and rows of cells."""

    path: str
    head: tuple[tuple[Line, ...], ...]
    rows: tuple[tuple[Line, ...], ...]
    section: tuple[str, ...]
    lead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """A paragraph or list item."""

    path: str
    lines: tuple[Line, ...]
    section: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the paragraph on one line."""
        return " ".join(line.text.strip() for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document's parts, each in order."""

    path: str
    title: str
    codes: tuple[Code, ...]
    tables: tuple[Table, ...]
    prose: tuple[Prose, ...]


def read_documents(files: SourceFiles) -> list[Document]:
    """Return the README files and other documents, those nearest to the root first."""
    readmes = files.readmes()
    others = sorted(
        path
        for path in files.texts
        if path.lower().endswith((".md", ".markdown")) and path not in readmes
    )
    ranked = sorted([*readmes, *others], key=lambda p: (p.count("/"), p not in readmes, p))
    return [read_document(path, files.texts[path]) for path in ranked]


def read_document(path: str, text: str) -> Document:
    """Return the parts of one document; a text that is no Markdown is read as if it were."""
    if path.lower().endswith(".rst"):
        text = _plain_headings(text)
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    lines = split_lines(text)
    codes: list[Code] = []
    tables: list[Table] = []
    prose: list[Prose] = []
    headings: list[tuple[int, str]] = []
    lead = title = ""
    index = 0
    while index < len(tokens):
        token = tokens[index]
        section = tuple(name for _, name in headings)
        if token.type == "heading_open":
            level, name = int(token.tag[1]), plain_text(tokens[index + 1].content)
            headings = [item for item in headings if item[0] < level] + [(level, name)]
            title = title or name
            lead = ""
        elif token.type in ("fence", "code_block") and token.map:
            codes.append(_code(path, token, lines, section, lead))
        elif token.type == "inline" and token.map and tokens[index - 1].type == "paragraph_open":
            paragraph, fenced = _without_fences(_lines(lines, *token.map))
            prose.append(Prose(path=path, lines=paragraph, section=section))
            lead = prose[-1].text
            if fenced:
                code = Code(path=path, lines=fenced, language="", section=section, lead=lead)
                codes.append(code)
        elif token.type == "html_block" and (text_of_html := plain_text(token.content)):
            lead = text_of_html
        elif token.type == "table_open":
            end = next(i for i in range(index, len(tokens)) if tokens[i].type == "table_close")
            tables.append(_table(path, tokens[index:end], section, lead))
            index = end
        index += 1
    tables += _html_tables(path, text, lines)
    return Document(
        path=path, title=title, codes=tuple(codes), tables=tuple(tables), prose=tuple(prose)
    )


def plain_text(text: str) -> str:
    """Return a text without links, emphasis, images, footnotes and HTML tags."""
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<sup>\s*[\d*,†‡]{1,5}\s*</sup>|\[\^\w+\]", "", text)  # marks of footnotes
    text = re.sub(r"<[^>]{0,200}>", "", text)
    return re.sub(r"[*`$\\]|(?<!\w)_|_(?!\w)", "", text).strip()


def _lines(lines: Sequence[str], start: int, end: int) -> tuple[Line, ...]:
    return tuple(Line(text=lines[i], number=i + 1) for i in range(start, min(end, len(lines))))


def _without_fences(paragraph: tuple[Line, ...]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Return a paragraph without code between fences that are indented too far, and that code.

    Markdown takes such a block, right below a line of text, for more of that text.
    """
    text: list[Line] = []
    fenced: list[Line] = []
    is_inside = False
    for line in paragraph:
        if re.fullmatch(r"```\w*", line.text.strip()):
            is_inside = not is_inside
        else:
            (fenced if is_inside else text).append(line)
    return tuple(text), tuple(fenced)


def _code(
    path: str, token: "Token", lines: Sequence[str], section: tuple[str, ...], lead: str
) -> Code:
    assert token.map
    start, end = token.map
    if token.type == "fence":
        start, end = start + 1, end - 1
        if end < len(lines) and not lines[end].strip().startswith(("```", "~~~")):
            end += 1  # a block that is never closed
    language = token.info.strip().split(" ")[0].lower()
    return Code(
        path=path, lines=_lines(lines, start, end), language=language, section=section, lead=lead
    )


def _table(path: str, tokens: "Sequence[Token]", section: tuple[str, ...], lead: str) -> Table:
    rows: list[list[Line]] = []
    in_head = 0
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "thead_close":
            in_head = len(rows)
        elif token.type == "inline":
            cell = tokens[index - 1]
            number = (token.map or cell.map or [0])[0] + 1
            rows[-1].append(_cell(token.content, number))
    return Table(
        path=path,
        head=tuple(tuple(row) for row in rows[:in_head]),
        rows=tuple(tuple(row) for row in rows[in_head:]),
        section=section,
        lead=lead,
    )


def _cell(content: str, number: int) -> Line:
    is_bold = bool(re.search(r"\*\*[^*]+\*\*|__[^_]+__|<b>|<strong>", content))
    return Line(text=plain_text(content), number=number, is_bold=is_bold)


class _HtmlTable(HTMLParser):
    """Collects the cells of one table; spans are written out."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[Line]] = []
        self.heads: list[bool] = []
        self._cell: list[str] | None = None
        self._place = 1
        self._spans = (1, 1)
        self._waiting: dict[int, tuple[int, Line]] = {}
        self._bold = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
            self.heads.append(True)
        elif tag in ("td", "th") and self.rows:
            if tag == "td":
                self.heads[-1] = False
            attributes = dict(attrs)
            self._cell, self._place, self._bold = [], self.getpos()[0], False
            self._spans = _span(attributes.get("colspan")), _span(attributes.get("rowspan"))
        elif tag in ("b", "strong"):
            self._bold = True

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None and self.rows:
            text = plain_text(" ".join("".join(self._cell).split()))
            line = Line(text=text, number=self._place, is_bold=self._bold)
            row = self.rows[-1]
            self._fill(row)
            for _ in range(self._spans[0]):
                if self._spans[1] > 1:
                    self._waiting[len(row)] = (self._spans[1] - 1, line)
                row.append(line)
            self._cell = None
        elif tag == "tr" and self.rows:
            self._fill(self.rows[-1])

    def _fill(self, row: list[Line]) -> None:
        """Repeat cells that span several rows."""
        while len(row) in self._waiting:
            rows_left, line = self._waiting.pop(len(row))
            if rows_left > 1:
                self._waiting[len(row)] = (rows_left - 1, line)
            row.append(line)


_MOST_SPAN = 50


def _span(text: str | None) -> int:
    return min(int(text), _MOST_SPAN) if text and text.isdecimal() and int(text) > 0 else 1


def _html_tables(path: str, text: str, lines: Sequence[str]) -> Iterator[Table]:
    """Yield tables written in HTML, from the source: Markdown cuts them at blank lines."""
    for match in re.finditer(r"<table\b.*?</table>", text, re.DOTALL | re.IGNORECASE):
        first = text.count("\n", 0, match.start())
        parser = _HtmlTable()
        parser.feed("\n" * first + match[0])
        rows = [tuple(row) for row in parser.rows if row]
        in_head = 0
        while in_head < len(parser.heads) and parser.heads[in_head]:
            in_head += 1
        in_head = min(max(in_head, 1), len(rows))
        heading = next((lines[i] for i in range(first - 1, -1, -1) if lines[i].startswith("#")), "")
        lead = next((lines[i] for i in range(first - 1, -1, -1) if lines[i].strip()), "")
        yield Table(
            path=path,
            head=tuple(rows[:in_head]),
            rows=tuple(rows[in_head:]),
            section=(plain_text(heading.lstrip("# ")),) if heading else (),
            lead=plain_text(lead),
        )


def _plain_headings(text: str) -> str:
    """Write underlined headings and `::` blocks of reStructuredText so that Markdown reads them.

    Lines stay where they are.
    """
    text = re.sub(r"^(.+)\n([=~^*\-#\"'])\2{2,}$", r"\1\n---", text, flags=re.MULTILINE)
    return re.sub(r"^\.\. code(-block)?::.*$", "", text, flags=re.MULTILINE)
