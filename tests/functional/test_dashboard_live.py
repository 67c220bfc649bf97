"""The dashboard in Chromium: from disk, offline, narrow, by axe's rules; and served, live."""

import http.client
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
from helpers import Cli

from scaffold.project.project import Project
from scaffold.views.dashboard.live import open_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Open an address in a window of some size; what is printed or requested besides fails."""
    contexts = []

    def open_page(address, width=1200, scheme="light", may_fetch=()):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=not may_fetch
        )
        contexts.append(context)
        page = context.new_page()
        page.messages, page.requests = [], []
        page.on("console", lambda message: page.messages.append(message.text))
        page.on("pageerror", lambda error: page.messages.append(str(error)))
        page.on("request", lambda request: page.requests.append(urlsplit(request.url).path))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def served(judged):
    server, address = open_server(Project(judged), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield judged, address
    server.shutdown()
    server.server_close()
    thread.join()


def request(address, path="/", **headers):
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer, content


@pytest.fixture(scope="module")
def full_page(tweakable_recipe, tmp_path_factory):
    """A page with every section: runs, an analysis, wrong examples, a sweep."""
    folder = tmp_path_factory.mktemp("full")
    with (folder / "predictions.csv").open("w") as file:
        file.write("id,split,label,prediction\n")
        for row in range(400):
            split, wrong = ("train", row % 40 == 0) if row < 200 else ("val", row % 5 == 0)
            file.write(f"{row},{split},{row % 2},{(row + wrong) % 2}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        cli = Cli(patch)
        project = cli.new(tweakable_recipe)
        cli("verify", cwd=project)
        cli("goal", "set", "--matters", "0.05", "--why", "a test", cwd=project)
        cli.any_status("analyze", folder / "predictions.csv", cwd=project)
        cli("errors", "sheet", folder / "predictions.csv", cwd=project)
        sheet = project / "errors/validation.csv"
        sheet.write_text(re.sub(r",,$", ",odd,", sheet.read_text(), flags=re.MULTILINE))
        cli.any_status("sweep", "gain=0..1", "--trials", "3", cwd=project)
        return cli("dashboard", "--json", cwd=project).json["path"]


@in_browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 375)])
def test_from_disk_it_fetches_nothing_and_axe_finds_nothing(full_page, open_page, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    path = full_page
    page = open_page(f"file://{path}", width=width, scheme=scheme)
    shown = page.locator("main").inner_text()
    for name in ("Wrong examples", "odd", "Sweeps", "4 trials", "Where the error comes from"):
        assert name in shown
    assert page.requests == [path] and page.messages == []
    results = Axe().run(page)
    violations = [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in results.response["violations"]
    ]
    assert violations == []


@in_browser
@pytest.mark.parametrize("width", [320, 375])
def test_a_phone_scrolls_down_only_and_sees_the_answers_first(full_page, open_page, width):
    page = open_page(f"file://{full_page}", width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".answer").first.is_visible()


@in_browser
def test_each_number_leads_to_its_run_by_keyboard(cli, judged, open_page):
    path = cli("dashboard", "--json", cwd=judged).json["path"]
    page = open_page(f"file://{path}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the answers"
    page.locator("details summary").first.press("Enter")
    link = page.locator("details[open] a[href^='#run-']").first
    target = link.get_attribute("href")
    link.press("Enter")
    assert page.url.endswith(target) and page.locator(target).is_visible()


@in_browser
def test_a_curve_is_seen_in_another_way_without_a_script(cli, judged, open_page):
    path = cli("dashboard", "--json", cwd=judged).json["path"]
    page = open_page(f"file://{path}")
    views = page.locator(".views").first.locator(".view")
    assert [view.is_visible() for view in views.all()] == [True, False]
    page.get_by_label("as printed", exact=True).first.press("ArrowRight")
    assert [view.is_visible() for view in views.all()] == [False, True]


@in_browser
def test_the_served_page_renews_itself_and_keeps_what_is_open(cli, served, open_page):
    project, address = served
    page = open_page(address, may_fetch=True)
    assert page.locator("header").inner_text().count("live") == 1
    page.locator("details summary").first.press("Enter")
    page.get_by_label("log, as printed").first.check()
    cli("goal", "set", "--matters", "0.01", "--why", "a test", cwd=project)
    cli("tweak", "accept", "--reason", "a test", cwd=project)
    page.wait_for_selector("text=1 tried, 1 accepted", timeout=10_000)
    assert page.locator("details").first.get_attribute("open") is not None
    assert page.get_by_label("log, as printed").first.is_checked()
    assert "up to date" in page.locator("#news").inner_text()
    assert page.messages == []


def test_the_page_has_one_script_of_ours_and_says_what_is_going(served):
    project, address = served
    _, content = request(address)
    assert content.count("<script") == 1
    assert re.search(r"script-src 'sha256-[\w+/]{43}='; connect-src 'self'", content)
    assert "going" not in content.split("<main>")[0]
    (project / ".scaffold/runs/.seed-3-abc-def").mkdir()
    (project / ".scaffold/lock").write_text(str(os.getpid()))
    assert "1 run going: seed 3" in request(address)[1]
    (project / ".scaffold/probes/.probe-0a1b2c-4-abc-def").mkdir(parents=True)
    assert "2 runs going: seed 3, probe 4" in request(address)[1]
    (project / ".scaffold/lock").write_text("4194305")  # above any process
    assert "going" not in request(address)[1].split("<main>")[0]


@pytest.mark.parametrize("name", ["src/train.py", "reference/train.py", "environment.lock"])
def test_an_edit_of_what_the_status_depends_on_makes_another_page(served, name):
    project, address = served
    stamp = re.search(r'data-stamp="(\w+)"', request(address)[1])[1]
    with (project / name).open("a") as file:
        file.write("# edited\n")
    assert f'data-stamp="{stamp}"' not in request(address)[1]


def test_changes_are_streamed(served):
    project, address = served
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=10) as stream:
        stream.sendall(b"GET /changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
        file = stream.makefile()
        stamps = []
        while len(stamps) < 2:
            line = file.readline()
            if line.startswith("data: "):
                stamps.append(line[6:].strip())
                (project / "goal.yaml").write_text(f"format: 1\nmatters: 0.0{len(stamps)}\n")
    assert stamps[0] != stamps[1]
    assert f'data-stamp="{stamps[0]}"' not in request(address)[1]


@pytest.mark.parametrize(
    "name",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "",
        "localhost:1x",
        "localhost,a",
    ],
)
def test_another_name_for_this_machine_is_refused(served, name):
    answer, content = request(served[1], Host=name)
    assert (answer.status, content) == (403, "not for you\n")


@pytest.mark.parametrize("name", ["LOCALHOST", "localhost:9999", "127.0.0.1:1", "[::1]:1"])
def test_an_ssh_tunnel_has_another_port(served, name):
    assert request(served[1], Host=name)[0].status == 200


def test_other_addresses_need_the_token(judged):
    server, address = open_server(Project(judged), "0.0.0.0", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        place = urlsplit(address)
        here = f"http://127.0.0.1:{place.port}/"
        assert request(here)[0].status == 403
        assert request(here, "/?token=guess")[0].status == 403
        assert request(here, "/changes", Cookie=f"token-{place.port}=guess")[0].status == 403
        moved, _ = request(here, f"/?{place.query}")
        assert (moved.status, moved.getheader("Location")) == (303, "/")
        cookie = moved.getheader("Set-Cookie").partition(";")[0]
        assert request(here, Cookie=cookie)[0].status == 200
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_nothing_else_is_served(served):
    for path in ("/milestones.yaml", "/../milestones.yaml", "/%2e%2e/x"):
        assert request(served[1], path)[0].status == 404


def test_a_project_that_cannot_be_read_just_now_is_said(served):
    project, address = served
    (project / "milestones.yaml").write_text("[")
    answer, content = request(address)
    assert answer.status == 503 and "milestones.yaml" in content


def test_ctrl_c_ends_it(judged):
    command = [sys.executable, "-m", "scaffold", "dashboard", "--serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=judged, stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().split()[0]
    assert request(address)[0].status == 200
    began = time.monotonic()
    process.terminate()
    assert process.wait(10) == 0 and time.monotonic() - began < 5
    process.stdout.close()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--host", "somewhere"), "must be an IP address"),
        (("-o", "page.html"), "writes no file"),
        (("--json",), "prints no JSON"),
        ((), "are for --serve"),
    ],
)
def test_what_cannot_be_served(cli, judged, words, problem):
    words = ("--serve", *words) if words else ("--port", "1")
    answer = cli("dashboard", *words, cwd=judged, code=2)
    assert problem in answer.err + answer.out


def test_a_port_that_is_taken(cli, judged):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = cli("dashboard", "--serve", "--port", port, cwd=judged, code=4)
    assert f"cannot listen on 127.0.0.1:{port}" in answer.err


def test_readers_that_leave_at_once_print_nothing(served, capfd):
    place = urlsplit(served[1])
    for _ in range(5):
        stream = socket.create_connection((place.hostname, place.port), timeout=10)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream.close()  # a reset
    assert request(served[1])[0].status == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("host", "shown"), [("::1", "http://[::1]:"), ("localhost", "http://loc")])
def test_the_address_can_be_opened(judged, host, shown):
    server, address = open_server(Project(judged), host, 0)
    server.server_close()
    assert address.startswith(shown)
