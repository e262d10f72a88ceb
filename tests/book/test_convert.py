"""What becomes of a notebook's Markdown in the book."""

import re
import tomllib
from pathlib import Path

import make_book
import make_replays
import nbformat
import pytest

from gan_tutorial.errors import InputError

ROOT = Path(__file__).parents[2]
CONVERT = make_book.Converter(
    terms={"generator": "Generator", "nash-equilibrium": "Nash equilibrium"},
    keys={"goodfellow2014", "mao2017"},
    coming={"03_losses"},
    repository="https://example.org/r",
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a [generator](../book/glossary.md#generator).", "a {term}`generator <Generator>`."),
        ("[`G`](../book/glossary.md#generator)", "{term}`G <Generator>`"),
        ("[*the* G](../book/glossary.md#generator)", "{term}`the G <Generator>`"),
        ("[at\nrest](../book/glossary.md#nash-equilibrium)", "{term}`at rest <Nash equilibrium>`"),
        ("[Goodfellow et al. (2014)](../book/references.md#goodfellow2014)", "{cite:t}`goodfellow2014`"),
        ("so ([Mao et al., 2017](../book/references.md#mao2017))", "so {cite:p}`mao2017`"),
        ("[Mao et al., 2017](../book/references.md#mao2017)", "{cite:p}`mao2017`"),
        ("[*Least Squares*](../book/references.md#mao2017)", "*Least Squares* {cite:p}`mao2017`"),
        ("[ring](../book/experiments/ring-modes.md)", "[ring](../experiments/ring-modes.md)"),
        ("[code](../gan_tutorial/losses.py)", "[code](https://example.org/r/blob/main/gan_tutorial/losses.py)"),
        ("[`losses`](../gan_tutorial/losses.py)", "[`losses`](https://example.org/r/blob/main/gan_tutorial/losses.py)"),
        ("see [chapter 3](03_losses.ipynb).", "see chapter 3."),
        ("see [chapter 5](05_training_loop.ipynb).", "see [chapter 5](05_training_loop.ipynb)."),
        ("`[x](../book/glossary.md#nothing)`", "`[x](../book/glossary.md#nothing)`"),
        ("```\n[x](../book/glossary.md#nothing)\n```", "```\n[x](../book/glossary.md#nothing)\n```"),
    ],
)
def test_links(text, wanted):
    assert CONVERT(text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[g](../book/glossary.md#generater)", "glossary: 'generater' is not known; did you mean 'generator'"),
        ("[g $z$](../book/glossary.md#generator)", "glossary: the link text 'g $z$' is not allowed"),
        ("[Mao (2017)](../book/references.md#mao2018)", "reference: 'mao2018' is not known; did you mean 'mao2017'"),
        ("<details><summary>A</summary>\n\nb\n", "is not closed"),
        ("b\n\n</details>\n", "without <details>"),
        ("<details>A\n\n</details>", "expected <details><summary>"),
        ("<!-- replay: ring-mlp steps=10 -->", "RECIPE steps=N seed=S, both whole numbers"),
        ("<!-- replay: ring-mpl steps=10 seed=0 -->", "ring-mlp"),
    ],
)
def test_what_is_dead_or_broken_stops_the_build(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        CONVERT(text)


def test_a_fold_becomes_a_dropdown():
    made = CONVERT("before\n\n<details><summary>Why <b>so</b></summary>\n\nBecause.\n\n</details>\n\nafter")
    assert made.splitlines() == [
        *("before", "", ":::{dropdown} Why **so**", ":class-container: fold", "", "Because.", ""),
        *(":::", "", "", "after"),
    ]


def test_a_fold_inside_another_needs_fewer_colons():
    made = make_book.folds(
        "<details><summary>A</summary>\n\n<details><summary>B</summary>\n\nb\n\n</details>\n\na\n\n</details>"
    )
    assert [line for line in made.splitlines() if line.startswith(":::")] == [
        *("::::{dropdown} A", ":::{dropdown} B", ":::", "::::"),
    ]


def test_a_fold_in_a_list_stays_in_it():
    made = make_book.folds("- <details><summary>A</summary>\n\n  a\n\n  </details>")
    assert made.splitlines()[:2] == ["- :::{dropdown} A", "  :class-container: fold"]
    assert "  :::" in made.splitlines()


def test_choices_of_the_quiz_say_which_is_right_only_inside():
    text = "<details><summary>Yes</summary>\n\n{}: as it is.\n\n</details>"
    assert ":class-container: fold choice right" in make_book.folds(text.format("Right"))
    assert ":class-container: fold choice wrong" in make_book.folds(text.format("Not quite"))


def test_folds_in_code_are_code():
    text = "```html\n<details><summary>A</summary>\n```"
    assert make_book.folds(text) == text


def test_code_in_a_fold_is_kept_to_the_letter():
    code = "```python\nx = '[g](../book/glossary.md#g)'\n```"
    assert code in CONVERT(f"<details><summary>S</summary>\n\n{code}\n\n</details>")


def test_a_replay_is_embedded_and_linked():
    made = CONVERT("See.\n\n<!-- replay: ring-mlp steps=1500 seed=0 g_steps=5 -->")
    assert made.count("../replays/ring-mlp-1500-0-g_steps-5.html") == 2
    assert 'loading="lazy"' in made
    assert 'title="ring-mlp, 1,500 steps, seed 0, g_steps = 5"' in made


def test_replays_are_found_with_their_places(tmp_path):
    cells = ["# 5. Loop", "## 5.4 Watch\n\n<!-- replay: ring-mlp seed=1 steps=20 lr_d=1e-4 loss=hinge -->"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(c) for c in cells])
    nbformat.write(book, tmp_path / "05_x.ipynb")
    found = make_replays.find([tmp_path / "05_x.ipynb"])
    ((run, places),) = found.items()
    assert run == make_replays.Replay("ring-mlp", 20, 1, (("loss", "hinge"), ("lr_d", 1e-4)))
    assert places == [make_replays.Place("05_x", "5. Loop", "5.4 Watch")]


def test_a_replay_is_a_page_a_picture_and_its_description(tmp_path):
    make_replays.make(make_replays.parse("ring-mlp steps=20 seed=0 g_steps=2"), tmp_path)
    assert "<title>ring-mlp</title>" in (tmp_path / "page.html").read_text()
    assert (tmp_path / "picture.webp").stat().st_size > 1000
    assert "up to step 20" in (tmp_path / "picture.txt").read_text()


def test_a_notebook_hides_its_setup_and_describes_its_pictures():
    picture = nbformat.v4.new_output("display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": "A ring."}})
    setup = nbformat.v4.new_code_cell("import sys", id="setup")
    lab = nbformat.v4.new_code_cell("lab", id="lab", outputs=[picture])
    made = make_book.notebook(nbformat.v4.new_notebook(cells=[setup, lab]), CONVERT)
    assert made.cells[0].metadata.tags == ["hide-input"]
    assert made.cells[1].metadata["mystnb"]["image"]["alt"] == "A ring."


# -- the pages that are not notebooks ---------------------------------------------------------------------------------
def test_a_section_of_the_glossary_becomes_a_term():
    text = "# Glossary\n\nHead.\n\n## Nash equilibrium\nSee [G](#generator).\n"
    assert make_book.glossary(text) == {"nash-equilibrium": "Nash equilibrium"}
    page = make_book.glossary_page(text, CONVERT)
    assert "::::{glossary}\nNash equilibrium\n  See {term}`G <Generator>`.\n" in page


def test_a_key_stands_once_in_the_bibliography():
    assert make_book.keys_of("@book{a,\n}\n@misc{ b ,\n}") == {"a", "b"}
    with pytest.raises(InputError, match="'a' stands there twice"):
        make_book.keys_of("@book{a,\n}\n@misc{a,\n}")


CHAPTERS = {"3": make_book.Chapter("03_losses", "3. Losses", {"3.2": "3.2 What D wants, and why"})}
TABLE = {"chapter": [{"number": "3", "title": "Losses"}, {"number": "13", "title": "Evaluation"}]}


def outline(*where):
    return make_book.outline({**TABLE, "item": [{"number": "2.3", "text": "T", "where": where}]}, CHAPTERS)


def test_the_outline_leads_to_sections_and_names_what_is_to_come():
    made = outline("3", "3.2", "13")
    assert "[3. Losses](notebooks/03_losses.ipynb)" in made
    assert "[3.2 What D wants, and why](notebooks/03_losses.ipynb#32-what-d-wants-and-why)" in made
    assert "chapter 13, *Evaluation* (in preparation)" in made


@pytest.mark.parametrize("where", ["3.9", "99"])
def test_the_outline_cannot_lie(where):
    with pytest.raises(InputError, match=r"outline 2\.3"):
        outline(where)


def test_the_outline_is_whole_and_true():
    table = tomllib.loads((ROOT / "book" / "outline.toml").read_text())
    wanted = {1: 3, 2: 3, 3: 3, 4: 2, 5: 2, 6: 3, 7: 3, 8: 2}
    assert [item["number"] for item in table["item"]] == [f"{a}.{b + 1}" for a, n in wanted.items() for b in range(n)]
    assert all(item["where"] for item in table["item"])
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert {p.stem for p in paths} <= {chapter.get("stem") for chapter in table["chapter"]}
    chapters = {c.number: c for c in map(make_book.read_chapter, paths)}
    assert make_book.outline(table, chapters).count("\n") == 21 + 2


def test_run_times_of_chapters_that_are_there():
    assert "No run times" in make_book.run_times({}, CHAPTERS)
    made = make_book.run_times({"03_losses": 12.4, "99_gone": 1.0}, CHAPTERS)
    assert made.splitlines()[2:] == ["| [3. Losses](notebooks/03_losses.ipynb) | 12 s |"]


def test_every_chapter_converts():
    terms = make_book.glossary((ROOT / "book" / "glossary.md").read_text())
    keys = make_book.keys_of((ROOT / "book" / "references.bib").read_text())
    convert = make_book.Converter(terms, keys)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        made = make_book.notebook(nbformat.read(path, as_version=4), convert)
        text = "\n".join(
            re.sub(r"```.*?```", "", c.source, flags=re.S) for c in made.cells if c.cell_type == "markdown"
        )
        assert "<details" not in text
        assert "glossary.md#" not in text
        assert "references.md#" not in text
