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
// A sheet of A4 in landscape is narrower than a screen, and no picture goes over two of them (report.css has the
// margins; a heading takes the rest of the height).
const SHEET = { width: 1000, height: 620 };
function resized(element, height, width) {
  element.style.height = `${height}px`;
  Plotly.relayout(element, { autosize: width === null, width, height });
}
window.addEventListener("beforeprint", () =>
  document.querySelectorAll(".picture").forEach((element) => {
    if (!element.dataset.drawn) draw(element);
    element.dataset.height = element.dataset.height || element.offsetHeight;
    resized(element, Math.min(element.dataset.height, SHEET.height), SHEET.width);
  }));
window.addEventListener("afterprint", () =>
  document.querySelectorAll(".picture").forEach((element) => resized(element, Number(element.dataset.height), null)));
dark.addEventListener("change", () =>
  document.querySelectorAll(".picture[data-drawn]").forEach((element) => Plotly.relayout(element, colours())));
