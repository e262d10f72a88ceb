"""The web book. `make book` first runs tools/make_replays.py and tools/make_book.py: they write what git ignores."""

import os
import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "GAN Tutorial"
author = PROJECT["authors"][0]["name"]
copyright = author
version = release = PROJECT["version"]
language = os.environ.get("BOOK_LANGUAGE", "en")
extensions = [
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_togglebutton",
    "sphinxcontrib.bibtex",
    "sphinx_exercise",
    "sphinx_proof",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "_generated", "**/.ipynb_checkpoints"]

# -- notebooks: what is saved in them is what is shown ----------------------------------------------------------------
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # notebooks keep pictures, no widget state; the default would fetch scripts from a CDN
nb_code_prompt_show, nb_code_prompt_hide = "Show code", "Hide code"
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"

# -- maths, citations, numbers ----------------------------------------------------------------------------------------
mathjax_path = "mathjax.js"
mathjax3_config = {"options": {"enableMenu": False}}
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"
numfig = True

# -- the package's reference ------------------------------------------------------------------------------------------
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

# -- translation ------------------------------------------------------------------------------------------------------
locale_dirs = ["locale"]
gettext_compact = False
gettext_uuid = False
gettext_location = True

# -- pages ------------------------------------------------------------------------------------------------------------
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static", "_generated/static"]
html_extra_path = ["_generated/site"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_favicon = "_static/favicon.svg"
html_show_sphinx = False
html_last_updated_fmt = None
html_sidebars = {"**": ["navbar-logo.html", "search-button-field.html", "sbt-sidebar-nav.html"]}
html_context = {"default_mode": "auto"}
html_theme_options = {
    "repository_url": PROJECT["urls"]["Repository"],
    "repository_branch": "main",
    "path_to_docs": "",
    "use_repository_button": True,
    "use_source_button": True,
    "use_download_button": True,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "navbar_persistent": [],  # else a second search bar stands on top
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def _path_in_repository(app, pagename, templatename, context, doctree):
    context["doc_path"] = "" if pagename.startswith("notebooks/") else "book"


def _glossary(app, docname, source):
    """Its sections, which other pages of the repository link to, become terms."""
    if docname == "glossary":
        source[0] = (HERE / "_generated" / "glossary.md").read_text(encoding="utf-8")


def _literal(app, what, name, obj, options, lines):
    """The docstrings' mathematics, such as |grad D|, is no markup."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()  # what Python itself says of a named tuple's fields
    for i, line in enumerate(lines):
        pieces = re.split(r"(``.*?``|:\w+:`[^`]*`|`[^`]*`)", line)
        pieces[::2] = [re.sub(r"([*|])", r"\\\1", piece) for piece in pieces[::2]]
        lines[i] = "".join(pieces)


def setup(app):
    app.connect("autodoc-process-docstring", _literal, priority=400)
    app.connect("html-page-context", _path_in_repository, priority=400)
    app.connect("source-read", _glossary)
