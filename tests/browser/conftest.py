"""A JupyterLab server and a Chromium for the tests that need a real page. Both are started once and shared."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

# How long a step may take where two cores carry this and other tests; each is usually over in seconds.
PATIENCE_S = 120
_CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
_KERNEL_IS_IDLE = """() => {
  const app = window.jupyterapp, widget = app && app.shell.currentWidget;
  const session = widget && widget.sessionContext && widget.sessionContext.session, kernel = session && session.kernel;
  return !!kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle'
    && app.commands.hasCommand('notebook:run-all-cells');
}"""


@pytest.fixture(scope="session")
def chromium():
    """The browser: the CHROMIUM variable or the first Chromium on the path. On CI a missing one is a failure."""
    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if path is None or not Path(path).exists():
        message = f"no Chromium here ({path or 'none on the path'}): install it or name it in CHROMIUM"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip("BROWSER TESTS DID NOT RUN: " + message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_CHROMIUM_FLAGS, timeout=PATIENCE_S * 1000)
        yield browser
        browser.close()


class Server:
    """A JupyterLab on the loopback interface, with folders of its own for everything it reads and writes."""

    def __init__(self, home: Path) -> None:
        self.notebooks = home / "notebooks"
        self.notebooks.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        quiet = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        quiet.parent.mkdir(parents=True)
        quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
        self.url = f"http://127.0.0.1:{port}"
        self._log = open(home / "server.log", "wb")  # noqa: SIM115
        folders = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        repository = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
                *(f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.notebooks}"),
                *("--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"),
            ],
            env={
                **os.environ,
                **folders,
                "IPYTHONDIR": str(home / "ipython"),
                "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
                "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
                "PYTHONPATH": os.pathsep.join(filter(None, (repository, os.environ.get("PYTHONPATH")))),
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/api/status", timeout=5).close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError("JupyterLab did not start:\n" + Path(self._log.name).read_text(errors="replace")[-3000:])

    def stop(self) -> None:
        """Ask it to end, with its kernels. A kernel whose server is gone ends by itself."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("jupyter"))
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture
def notebook(chromium, jupyter, request):
    """Opens a notebook made of the given cells in JupyterLab and runs all of them: `page = notebook("1 + 1", ...)`."""
    pages = []

    def open_and_run(*cells: str, theme: str = "light"):
        name = f"{request.node.name.translate(str.maketrans('[]/', '___'))}-{len(pages)}.ipynb"
        content = {
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"cell-{i}",
                    "metadata": {},
                    "source": s,
                    "outputs": [],
                    "execution_count": None,
                }
                for i, s in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (jupyter.notebooks / name).write_text(json.dumps(content))
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        context.set_default_timeout(PATIENCE_S * 1000)
        page = context.new_page()
        pages.append(page)
        page.goto(f"{jupyter.url}/lab/tree/{name}?reset", wait_until="domcontentloaded")
        page.wait_for_function(_KERNEL_IS_IDLE)
        # Not awaited: the promise settles only when the last cell is done.
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        return page

    yield open_and_run
    for page in pages:
        if not page.is_closed():
            shut_down = "() => window.jupyterapp.serviceManager.sessions.shutdownAll()"
            page.evaluate(shut_down)
            page.context.close()
