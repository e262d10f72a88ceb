"""Jupyter servers and a Chromium for the tests that need a real page. Each is started once and shared."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# How long a step may take where two cores carry this and other tests; each is usually over in seconds.
PATIENCE_S = 120
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def chromium_path() -> str | None:
    """The CHROMIUM variable, or the first Chromium on the path."""
    known = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, known)), None)


@pytest.fixture(scope="session")
def chromium():
    """The browser. On CI a missing one is a failure."""
    path = chromium_path()
    if path is None or not Path(path).exists():
        message = f"no Chromium here ({path or 'none on the path'}): install it or name it in CHROMIUM"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip("BROWSER TESTS DID NOT RUN: " + message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS, timeout=PATIENCE_S * 1000)
        yield browser
        browser.close()


class Server:
    """A Jupyter server on the loopback interface, with folders of its own for everything it reads and writes.

    A subclass says which one, and how its pages are spoken to.
    """

    command: tuple[str, ...]
    token_option: str
    address: str  # of a notebook's page
    is_idle: str  # JavaScript: is the kernel there, with nothing to do?
    run_all_cells: str
    execute: str  # code => what the kernel prints when it runs it

    def __init__(self, home: Path) -> None:
        self.notebooks, self.settings = home / "notebooks", home / "settings"
        self.notebooks.mkdir()
        self._token = secrets.token_hex()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = open(home / "server.log", "wb")  # noqa: SIM115
        folders = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        self._process = subprocess.Popen(
            [
                *(*self.command, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
                *("--port-retries=0", f"--{self.token_option}={self._token}"),
            ],
            cwd=self.notebooks,
            env={
                **os.environ,
                **folders,
                "IPYTHONDIR": str(home / "ipython"),
                "JUPYTERLAB_SETTINGS_DIR": str(self.settings),
                "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
                "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def api(self, path: str, method: str = "GET") -> Any:
        """Ask the server itself; returns its answer."""
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        request.add_header("Authorization", f"token {self._token}")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read() or "null")

    def wait(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self.api("status")
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError("Jupyter did not start:\n" + Path(self._log.name).read_text(errors="replace")[-3000:])

    def set_theme(self, theme: str) -> None:
        """How pages look that are opened from now on."""
        assert theme == "light", f"{theme} theme: there is none"

    def open(self, page: Any, name: str) -> None:
        """Bring a page to the notebook `name` and wait until its kernel is idle."""
        page.goto(f"{self.url}/{self.address.format(name)}token={self._token}", wait_until="domcontentloaded")
        page.wait_for_function(self.is_idle)

    def run_all(self, page: Any) -> None:
        """Begin to run all cells."""
        page.evaluate(self.run_all_cells)

    def ask(self, page: Any, expression: str) -> Any:
        """The value of an expression in the kernel: numbers, texts, lists."""
        return json.loads(page.evaluate(self.execute, f"import json; print(json.dumps({expression}))"))

    def shut_down_kernels(self) -> None:
        for session in self.api("sessions"):
            self.api(f"sessions/{session['id']}", "DELETE")

    def stop(self) -> None:
        """Ask it to end, with its kernels. A kernel whose server is gone ends by itself."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class JupyterLab(Server):
    command = (sys.executable, "-m", "jupyterlab", "--LabApp.expose_app_in_browser=True")
    token_option = "IdentityProvider.token"
    address = "lab/tree/{}?reset&"
    is_idle = """() => {
      const app = window.jupyterapp, widget = app && app.shell.currentWidget;
      const session = widget && widget.sessionContext && widget.sessionContext.session;
      const kernel = session && session.kernel;
      return !!kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle'
        && app.commands.hasCommand('notebook:run-all-cells');
    }"""
    # Not awaited: the promise settles only when the last cell is done.
    run_all_cells = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }"

    execute = """async code => {
      const future = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code});
      let text = '';
      future.onIOPub = message => { text += message.content.text || '' };
      await future.done;
      return text;
    }"""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._set("notification", fetchNews="false", checkForUpdates=False)

    def set_theme(self, theme: str) -> None:
        self._set("themes", theme={"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[theme])

    def _set(self, plugin: str, **values: Any) -> None:
        path = self.settings / "@jupyterlab" / "apputils-extension" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


class ClassicNotebook(Server):
    """Notebook 6.5 with ipywidgets 7.7 and IPython 7.34, as Colab has them; `make test` sets it up."""

    command = (str(ROOT / ".venv-classic" / "bin" / "python"), "-m", "notebook")
    token_option = "NotebookApp.token"
    address = "notebooks/{}?"
    is_idle = """() => {
      const notebook = window.Jupyter && Jupyter.notebook, kernel = notebook && notebook.kernel;
      return !!kernel && kernel.is_connected() && !!kernel.widget_manager && !notebook.kernel_busy;
    }"""
    run_all_cells = "() => Jupyter.notebook.execute_all_cells()"
    execute = """code => new Promise(resolve => {
      let text = '';
      const status = message => { if (message.content.execution_state === 'idle') resolve(text) };
      const output = message => { text += message.content.text || '' };
      Jupyter.notebook.kernel.execute(code, {iopub: {output, status}}, {silent: false, store_history: false});
    })"""

    def open(self, page: Any, name: str) -> None:
        super().open(page, name)
        # The page asks a new kernel for widgets and, once it has the answer, hides those shown meanwhile. Ask after it:
        # answers come in order.
        page.evaluate("async () => { await Jupyter.notebook.kernel.widget_manager._loadFromKernel() }")


def _serve(kind: type[Server], home: Path) -> Iterator[Server]:
    server = kind(home)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    yield from _serve(JupyterLab, tmp_path_factory.mktemp("jupyter"))


@pytest.fixture(scope="session")
def classic(tmp_path_factory):
    assert Path(ClassicNotebook.command[0]).exists(), "no .venv-classic: run make .venv-classic/.made"
    yield from _serve(ClassicNotebook, tmp_path_factory.mktemp("classic"))


def notebook_of(cells: Iterable[str]) -> dict[str, Any]:
    """The content of a notebook with these code cells."""
    empty: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    return {
        "cells": [{**empty, "id": f"cell-{i}", "source": source} for i, source in enumerate(cells)],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _notebooks(server: Server, browser: Any, test: str) -> Iterator[Callable[..., Any]]:
    contexts: list[Any] = []

    def open_and_run(*cells: str, theme: str = "light", **options: Any) -> Any:
        name = f"{test.translate(str.maketrans('[]/', '___'))}-{len(contexts)}.ipynb"
        (server.notebooks / name).write_text(json.dumps(notebook_of(cells)))
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_S * 1000)
        page = context.new_page()
        server.set_theme(theme)
        server.open(page, name)
        server.run_all(page)
        return page

    yield open_and_run
    for context in contexts:
        context.close()
    server.shut_down_kernels()


@pytest.fixture
def notebook(chromium, jupyter, request):
    """Opens a notebook made of the given cells in JupyterLab and runs all of them: `page = notebook("1 + 1", ...)`.

    `theme` is "light" or "dark"; the rest are options of Playwright's `new_context`: `has_touch=True`, ...
    """
    yield from _notebooks(jupyter, chromium, request.node.name)


@pytest.fixture
def classic_notebook(chromium, classic, request):
    """The same in the classic notebook, which has no themes."""
    yield from _notebooks(classic, chromium, request.node.name)
