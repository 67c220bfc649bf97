"""Make the pictures of the dashboard in docs/: light, dark, phone.

    python docs/screenshots.py PROJECT

Needs Chromium (`chromium` on PATH). PROJECT is any project; the pictures in docs/ are of digits-cnn
after the README's story.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
_CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]


def main(project: Path) -> None:
    """Write the page of a project, and a picture of each kind."""
    with tempfile.TemporaryDirectory() as aside:
        page = Path(aside) / "page.html"
        command = [sys.executable, "-m", "scaffold", "dashboard", "--output", str(page)]
        subprocess.run(command, cwd=project, check=True)
        take(page, "light", (1200, 560), [])
        take(page, "dark", (1200, 560), ["--blink-settings=preferredColorScheme=0"])
        frame = Path(aside) / "phone.html"  # no window is as narrow as a phone
        frame.write_text("<iframe src='page.html' width=375 height=780 style='border:0'></iframe>")
        take(frame, "phone", (400, 800), [])


def take(page: Path, name: str, size: tuple[int, int], options: list[str]) -> None:
    """Write one picture."""
    target = FOLDER / f"dashboard-{name}.png"
    window = f"--window-size={size[0]},{size[1]}"
    words = [*_CHROMIUM, window, *options, f"--screenshot={target}", page.as_uri()]
    subprocess.run(words, check=True, capture_output=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
