// Draws every picture from the data beside it, when it comes into view, in the colours of the reader's theme.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const colours = () => ({ "font.color": dark.matches ? "#e8e8e8" : "#222" });

function draw(element) {
  const figure = JSON.parse(element.nextElementSibling.textContent);
  const layout = { ...figure.layout, template: undefined, autosize: true };
  layout.font = { ...layout.font, family: "system-ui, sans-serif", color: colours()["font.color"] };
  Plotly.newPlot(element, figure.data, layout, { displaylogo: false, responsive: true });
  element.dataset.drawn = "1";
}

const seen = new IntersectionObserver(
  (entries) => entries.forEach((entry) => {
    if (entry.isIntersecting && !entry.target.dataset.drawn) draw(entry.target);
  }),
  { rootMargin: "600px" },
);
document.querySelectorAll(".picture").forEach((element) => seen.observe(element));
// A sheet of A4 in landscape is narrower than a screen (report.css has its margins).
const SHEET = 1000;
window.addEventListener("beforeprint", () =>
  document.querySelectorAll(".picture").forEach((element) => {
    if (!element.dataset.drawn) draw(element);
    Plotly.relayout(element, { autosize: false, width: SHEET });
  }));
window.addEventListener("afterprint", () =>
  document.querySelectorAll(".picture").forEach((element) => Plotly.relayout(element, { autosize: true, width: null })));
dark.addEventListener("change", () =>
  document.querySelectorAll(".picture[data-drawn]").forEach((element) => Plotly.relayout(element, colours())));
