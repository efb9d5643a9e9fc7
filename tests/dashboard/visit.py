"""A visit to the dashboard: waits until a page is drawn, and notes everything that a person would call an error."""

from __future__ import annotations

import re
from typing import Any

PAGES = (
    "Ladder", "Occupancy", "Bandwidth", "Scaling", "Time", "Kernel", "Compare", "Import", "Distributed", "History",
    "Runs", "Ablation", "Report", "Tasks",
)  # fmt: skip
DRAWN = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const shown = name => [...document.querySelectorAll(`[data-testid=${name}]`)]
    .filter(element => !element.closest('details:not([open])'));
  const tables = shown('stDataFrame'), plots = shown('stPlotlyChart');
  return app && app.getAttribute('data-test-script-state') === 'notRunning'
    && document.querySelector('[data-testid=stMain] h3')
    && !document.querySelector('[data-testid=stSkeleton]')
    && tables.every(table => table.querySelector('canvas'))
    && plots.every(plot => plot.querySelector('svg.main-svg'));
}"""

WIDER = """async () => {
  const main = document.querySelector('[data-testid=stMain]');
  // A plot takes its new width some frames after the window has it: only what stays wider is a fault.
  for (let wait = 0; wait < 100 && main.scrollWidth > main.clientWidth; wait++)
    await new Promise(resolve => setTimeout(resolve, 50));
  if (main.scrollWidth <= main.clientWidth) return '';
  const reach = element => element.getBoundingClientRect().right;
  const widest = [...main.querySelectorAll('*')].reduce((a, b) => reach(b) > reach(a) ? b : a);
  return `${widest.tagName} ${widest.className} reaches ${reach(widest) - reach(main)} px beyond the window`;
}"""


class Visit:
    """One tab. `errors` holds console errors, page errors, failed answers and requests to any other host."""

    def __init__(self, browser: Any, url: str, width: int = 1400, theme: str = "light", fresh: bool = False) -> None:
        self.url = url
        self.errors: list[str] = []
        # One context for all that are not fresh: what the browser has loaded and compiled of the frontend stays.
        context = browser.new_context() if fresh or not browser.contexts else browser.contexts[0]
        self.page = context.new_page()
        self.page.set_viewport_size({"width": width, "height": 1000})
        self.page.emulate_media(color_scheme=theme)
        self.page.on("console", lambda m: self.errors.append(f"console: {m.text}") if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(f"page: {error}"))
        self.page.on("response", lambda r: self.errors.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        self.page.on("request", self._request)

    def _request(self, request: Any) -> None:
        if not re.match(r"(https?|wss?)://127\.0\.0\.1|data:|blob:", request.url):
            self.errors.append(f"asked another host: {request.url}")

    def open(self, page: str, **parameters: str) -> None:
        query = "&".join(f"{name}={value}" for name, value in {"page": page, **parameters}.items())
        self.page.goto(f"{self.url}/?{query}")
        self.drawn()

    def go(self, page: str) -> None:
        """To another page by its button: the frontend stays, so this is quicker than opening it."""
        if f"page={page}" not in self.page.url:
            self.page.locator("[data-testid=stButtonGroup] >> nth=0").get_by_text(page, exact=True).click()
            self.page.wait_for_url(f"**page={page}*")
        self.drawn()

    def drawn(self) -> None:
        self.page.wait_for_function(DRAWN, timeout=120_000, polling=100)

    def text(self) -> str:
        return str(self.page.inner_text("[data-testid=stMain]"))

    def sound(self) -> None:
        """No box with an exception, no error of any kind, nothing wider than the window."""
        assert self.page.query_selector_all("[data-testid=stException]") == [], self.text()
        assert self.errors == []
        wider = self.page.evaluate(WIDER)
        assert wider == "", wider

    def sound_at(self, *widths: int) -> None:
        """Sound at each of these widths: the page stays and is laid out anew, first as wide as it is. It keeps the last
        width, since laying out its plots is most of what a visit costs."""
        for width in sorted(widths, key=lambda width: width != self.page.viewport_size["width"]):
            if width != self.page.viewport_size["width"]:
                self.page.set_viewport_size({"width": width, "height": 1000})
                self.drawn()
            self.sound()

    def close(self) -> None:
        self.page.close()
