"""Turn the notebooks into the web book's source: copies in book/notebooks/, lists and tables in book/_generated/.

    python tools/make_book.py

The notebooks are plain Markdown, readable in Jupyter, in Colab and on GitHub. The book can do more: links to the
glossary become terms, links to references become citations, folds become dropdowns, and a comment that names a run
becomes a page that plays it back. What can't be converted stops the build.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from make_replays import COMMENT, COVER, GENERATED, ROOT, parse

from gan_tutorial.errors import InputError, unknown

BOOK = ROOT / "book"
_LINK = r"\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\((?:\.\./book/|\.\./)?{page}\.md#([^)\s]*)\)"
_TERM = re.compile(_LINK.format(page="glossary"))
_IN_BRACKETS = re.compile(r"\(" + _LINK.format(page="references") + r"\)")
_CITATION = re.compile(_LINK.format(page="references"))
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.S)
_FOLD = re.compile(
    r"^(?P<lead>[ \t]*(?:(?:[-*+]|\d+[.)])[ \t]+)?)<details(?: open)?>\s*<summary>(?P<title>.*?)</summary>(?P<rest>.*)$"
)
_FOLD_END = re.compile(r"^(?P<rest>.*?)</details>[ \t]*$")


def slug(title: str) -> str:
    """The anchor of a heading, as GitHub and the book make it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@dataclass(frozen=True)
class Chapter:
    """What other pages need to know of a notebook: its title, and the titles of its sections by their numbers."""

    stem: str
    title: str
    sections: dict[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """As readers say it: "0", "5", "5b"."""
        return number_of(self.stem)


def number_of(stem: str) -> str:
    """The chapter's number in the stem of its file."""
    return stem.partition("_")[0].removeprefix("0")


def read_chapter(path: Path) -> Chapter:
    title, sections = "", {}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# ") and not title:
                    title = line[2:].strip()
                elif found := re.match(r"##+ ((\w+\.[\d.]*\d)\b.*)$", line):
                    sections[found[2]] = found[1].strip()
    return Chapter(path.stem, title, sections)


# -- one page of Markdown ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Converter:
    """Converts the text of a page of the book.

    Args:
        terms: the glossary's terms by their anchors.
        keys: of the bibliography.
        coming: stems of chapters that are not written yet; a link to one of them becomes its text.
        repository: the public address.
        up: the way from the page to the book's first page.
    """

    terms: dict[str, str]
    keys: set[str]
    coming: set[str] = field(default_factory=set)
    repository: str = ""
    up: str = "../"

    def __call__(self, text: str) -> str:
        """`text` in the book's Markdown. Raises InputError for a dead link and for a fold that does not close."""
        text = re.sub(r"<details>[ \t]*\n[ \t]*<summary>", "<details><summary>", text)
        pieces = re.split(r"^([ \t]*(?:```|~~~).*?^[ \t]*(?:```|~~~)[ \t]*$)", text, flags=re.M | re.S)
        pieces[::2] = [self._links(piece) for piece in pieces[::2]]
        return folds("".join(pieces))

    def _links(self, text: str) -> str:
        """Code is put aside meanwhile: what looks like a link in it is none, but it may be the text of one."""
        codes: list[str] = []

        def put_aside(found: re.Match[str]) -> str:
            codes.append(found[0])
            return f"\0{len(codes) - 1}\0"

        text = self._roles(self._addresses(_CODE.sub(put_aside, text)), codes)
        return _back(text, codes)

    def _addresses(self, text: str) -> str:
        """Links that stay links, and runs."""
        text = COMMENT.sub(lambda found: embed(found[1], self.up), text)
        text = re.sub(r"\]\(\.\./book/(?!glossary\.md|references\.md)", f"]({self.up}", text)
        return re.sub(
            r"\]\(\.\./((?:gan_tutorial|tests|tools|benchmarks)/[^)\s]*|[A-Z]\w*(?:\.md)?)\)",
            rf"]({self.repository}/blob/main/\1)",
            text,
        )

    def _roles(self, text: str, codes: list[str]) -> str:
        text = _IN_BRACKETS.sub(lambda found: self._citation(found[1], found[2], brackets=True), text)
        text = _CITATION.sub(lambda found: self._citation(found[1], found[2]), text)
        text = _TERM.sub(lambda found: self._term(_back(found[1], codes), found[2]), text)
        for stem in self.coming:
            text = re.sub(rf"\[([^\[\]]+)\]\({re.escape(stem)}\.ipynb(?:#[^)]*)?\)", r"\1", text)
        return text

    def _term(self, text: str, key: str) -> str:
        if key not in self.terms:
            raise unknown("glossary", key, self.terms)
        text = " ".join(re.sub(r"[*`]", "", text).split())
        if re.search(r"[<>$\\]", text):
            raise InputError(f"glossary: the link text {text!r} is not allowed; expected plain words")
        return f"{{term}}`{text} <{self.terms[key]}>`"

    def _citation(self, text: str, key: str, brackets: bool = False) -> str:
        """Goodfellow et al. (2014) -> in the sentence; (Goodfellow et al., 2014) -> in brackets; a title stays."""
        if key not in self.keys:
            raise unknown("reference", key, self.keys)
        if not re.search(r"\b(19|20)\d\d", text):
            return f"{text} {{cite:p}}`{key}`"
        if brackets:
            return f"{{cite:p}}`{key}`"
        return f"{{cite:t}}`{key}`" if text.endswith(")") else f"{{cite:p}}`{key}`"


def _back(text: str, codes: list[str]) -> str:
    return re.sub(r"\0(\d+)\0", lambda found: codes[int(found[1])], text)


def embed(comment: str, up: str = "../") -> str:
    """The run that a comment names, playing in the page."""
    run = parse(comment)
    address = f"{up}replays/{run.name}.html"
    title = f"{run.recipe}, {run.line}"
    return (
        f'```{{raw}} html\n<iframe class="replay" src="{address}" title="{title}" loading="lazy"></iframe>\n```\n\n'
        f"```{{button-link}} {address}\n:class: replay-link\n\nOpen this recorded run on a page of its own\n```\n"
    )


def folds(text: str) -> str:
    """Every <details> as a dropdown, those inside others too. Code is left alone."""
    lines, code = text.splitlines(), ""
    opened: list[int] = []
    height: dict[int, int] = {}
    closes: dict[int, int] = {}
    for i, line in enumerate(lines):
        fence = re.match(r"[ \t]*(`{3,}|~{3,})", line)
        if fence and (not code or fence[1].startswith(code)):
            code = "" if code else fence[1]
        if code or fence:
            continue
        if _FOLD.match(line) and "</details>" not in line:
            opened.append(i)
            height[i] = 1
        elif "<details" in line:
            raise InputError(f"fold: {line.strip()!r} is not allowed; expected <details><summary>…</summary> on a line")
        elif "</details>" in line:
            if not opened:
                raise InputError("fold: </details> without <details> before it")
            closes[i] = opened.pop()
            if opened:
                height[opened[-1]] = max(height[opened[-1]], height[closes[i]] + 1)
    if opened:
        raise InputError(f"fold: {lines[opened[-1]].strip()!r} is not closed; expected </details>")
    out: list[str] = []
    for i, line in enumerate(lines):
        if i in height:
            found = _FOLD.match(line)
            assert found
            indent = " " * len(found["lead"])
            kind = _kind(found["title"], [found["rest"], *lines[i + 1 :]])
            out += [
                f"{found['lead']}{':' * (2 + height[i])}{{dropdown}} {_inline(found['title'])}",
                f"{indent}:class-container: {kind}",
            ]
            out += ["", indent + found["rest"].strip()] if found["rest"].strip() else []
        elif i in closes:
            rest = _FOLD_END.match(line)
            indent = " " * len(_FOLD.match(lines[closes[i]])["lead"])  # type: ignore[index]
            out += [line[: line.rindex("</details>")].rstrip()] if rest and rest["rest"].strip() else []
            out += [f"{indent}{':' * (2 + height[closes[i]])}", ""]
        else:
            out.append(line)
    return "\n".join(out) + ("\n" if text.endswith("\n") else "")


def _kind(title: str, body: Iterable[str]) -> str:
    """The class of a fold: a right or wrong choice of the quiz, a proof, or any other."""
    first = next((line.strip().strip("*_") for line in body if line.strip()), "")
    if first.startswith("Right"):
        return "fold choice right"
    if first.startswith("Not quite"):
        return "fold choice wrong"
    return "fold proof" if title.lower().startswith("proof") else "fold"


def _inline(html: str) -> str:
    """A fold's title: the little HTML that it may hold, as Markdown."""
    for tag, mark in (("b", "**"), ("strong", "**"), ("i", "*"), ("em", "*"), ("code", "`")):
        html = re.sub(rf"</?{tag}>", mark, html)
    return html.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


# -- what is converted ------------------------------------------------------------------------------------------------
def glossary(text: str) -> dict[str, str]:
    """The terms of glossary.md by their anchors."""
    return {slug(name): name.strip() for name in re.findall(r"^## (.+)$", text, re.M)}


def glossary_page(text: str, convert: Converter) -> str:
    """The glossary with its sections as terms that the book's sentences can point to."""
    head, *entries = re.split(r"^## ", text, flags=re.M)
    out = [head.rstrip(), "", "::::{glossary}"]
    for entry in entries:
        name, _, body = entry.partition("\n")
        body = convert(re.sub(r"\]\(#", "](glossary.md#", body.strip()))
        out += [name.strip(), *("  " + line if line else "" for line in body.splitlines()), ""]
    return "\n".join([*out, "::::", ""])


def keys_of(bibliography: str) -> set[str]:
    """The keys of a BibTeX file. Raises InputError for one that is there twice."""
    keys = re.findall(r"^@\w+\{\s*([^,\s]+)\s*,", bibliography, re.M)
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"references: {key!r} stands there twice")
    return set(keys)


def notebook(source: nbformat.NotebookNode, convert: Converter) -> nbformat.NotebookNode:
    """A chapter as the book shows it."""
    for cell in source.cells:
        if cell.cell_type == "markdown":
            cell.source = convert(cell.source)
            continue
        tags = set(cell.metadata.get("tags", []))
        if cell.id in ("setup", "imports"):
            tags.add("hide-input")
        if tags:
            cell.metadata["tags"] = sorted(tags)
        for output in cell.get("outputs", []):
            _describe(cell, output)
    return source


def _describe(cell: Any, output: Any) -> None:
    """The alternative text that an output brings along, where the cell does not give one."""
    told = [v["alt"] for v in output.get("metadata", {}).values() if isinstance(v, dict) and v.get("alt")]
    if told:
        own = cell.metadata.get("mystnb", {})
        cell.metadata["mystnb"] = {**own, "image": {"alt": told[0], **own.get("image", {})}}


def outline(table: dict[str, Any], chapters: dict[str, Chapter]) -> str:
    """The table that says where each heading of the outline is found. Raises InputError where it would lie."""
    coming = {c["number"]: c for c in table["chapter"]}
    rows = ["| | Heading | Where |", "|-|-|-|"]
    for item in table["item"]:
        places = [_place(where, item["number"], chapters, coming) for where in item["where"]]
        rows.append(f"| {item['number']} | {item['text']} | {'; '.join(places)} |")
    return "\n".join([*rows, ""])


def _place(where: str, item: str, chapters: dict[str, Chapter], coming: dict[str, Any]) -> str:
    number = where.partition(".")[0]
    if number not in coming:
        raise unknown(f"outline {item}: chapter", number, coming)
    if number not in chapters:
        return f"chapter {number}, *{coming[number]['title']}* (in preparation)"
    chapter = chapters[number]
    if where == number:
        return f"[{chapter.title}](notebooks/{chapter.stem}.ipynb)"
    if where not in chapter.sections:
        raise unknown(f"outline {item}: section", where, chapter.sections)
    title = chapter.sections[where]
    return f"[{title}](notebooks/{chapter.stem}.ipynb#{slug(title)})"


def run_times(seconds: dict[str, float], chapters: dict[str, Chapter]) -> str:
    """How long each chapter runs, as a table."""
    known = [c for c in chapters.values() if c.stem in seconds]
    if not known:
        return "No run times have been stored yet.\n"
    rows = [f"| [{c.title}](notebooks/{c.stem}.ipynb) | {seconds[c.stem]:.0f} s |" for c in known]
    return "\n".join(["| Chapter | Run time |", "|-|-:|", *rows, ""])


def playground(replays: list[dict[str, Any]], chapters: dict[str, Chapter]) -> str:
    """A card for every recorded run."""
    stems = {c.stem: c for c in chapters.values()}
    out = ["::::{grid} 1 1 2 2", ":gutter: 3", ""]
    for run in replays:
        address = f"replays/{run['name']}.html"
        links = [
            f"[{place['section'] or place['chapter']}](notebooks/{place['notebook']}.ipynb"
            + (f"#{slug(place['section'])})" if place["section"] else ")")
            for place in run["places"]
            if place["notebook"] in stems
        ]
        out += [
            *(f":::{{grid-item-card}} {run['recipe']}", f":img-top: _generated/site/replays/{run['name']}.webp"),
            *(f":img-alt: {run['alt']}", ":class-card: run", ""),
            *(
                run["summary"][0].upper() + run["summary"][1:] + ".",
                "",
                f"{run['line'][0].upper()}{run['line'][1:]}.",
                "",
            ),
            *([f"In the book: {'; '.join(links)}.", ""] if links else []),
            *(
                f"```{{button-link}} {address}",
                ":class: replay-link",
                "",
                f"Play back {run['recipe']}, {run['line']}",
                "```",
                "",
            ),
            *(":::", ""),
        ]
    return "\n".join([*out, "::::", ""])


def _write(path: Path, text: str) -> None:
    """Write only what changed: Sphinx reads again whatever is newer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _copy_mathjax(target: Path) -> None:
    files = importlib.metadata.files("sphinx-mathjax-offline") or []
    (script,) = [f for f in files if f.name == "tex-svg-full.js"]
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(str(script.locate()), target)


def main() -> None:
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    chapters = {c.number: c for c in map(read_chapter, paths)}
    table = tomllib.loads((BOOK / "outline.toml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (BOOK / "glossary.md").read_text(encoding="utf-8")
    convert = Converter(
        terms=glossary(text),
        keys=keys_of((BOOK / "references.bib").read_text(encoding="utf-8")),
        coming={c["stem"] for c in table["chapter"] if "stem" in c} - {p.stem for p in paths},
        repository=project["urls"]["Repository"],
    )
    copies = BOOK / "notebooks"
    copies.mkdir(exist_ok=True)
    for old in copies.iterdir():
        if old.name not in {p.name for p in paths}:
            old.unlink()
    for path in paths:
        try:
            made = notebook(nbformat.read(path, as_version=4), convert)
        except InputError as error:
            raise SystemExit(f"{path.name}: {error}") from None
        _write(copies / path.name, nbformat.writes(made))
    times = BOOK / "run-times.json"
    seconds = json.loads(times.read_text(encoding="utf-8")) if times.exists() else {}
    replays = json.loads((GENERATED / "replays.json").read_text(encoding="utf-8"))
    try:
        pages = {
            "glossary": glossary_page(text, convert),
            "outline": outline(table, chapters),
            "run-times": run_times(seconds, chapters),
            "playground": playground(replays, chapters),
            "cover": embed(COVER, up=""),
        }
    except InputError as error:
        raise SystemExit(str(error)) from None
    for name, page in pages.items():
        _write(GENERATED / f"{name}.md", page)
    _copy_mathjax(GENERATED / "static" / "mathjax.js")
    print(f"{len(paths)} chapters, {len(convert.terms)} terms, {len(convert.keys)} references")


if __name__ == "__main__":
    main()
