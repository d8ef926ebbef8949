
// Draws each figure's specification by Vega-Lite (above), in the page's own colours and as wide as its place.
const page = document.querySelector("main");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The characters of the longest of a figure's names: its legend has as many columns as such names fit beside each other.
function longest(spec) {
  let most = 0;
  JSON.stringify(spec, (key, value) => {
    if (key === "domain" && Array.isArray(value)) for (const name of value) most = Math.max(most, String(name).length);
    return value;
  });
  return most;
}

function looks(width, names) {
  const text = { labelColor: "var(--ink)", titleColor: "var(--ink)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
  return {
    background: null,
    font: "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif",
    view: { stroke: null },
    axis: { ...text, gridColor: "var(--grid)", domainColor: "var(--quiet)", tickColor: "var(--quiet)", labelLimit: width * 0.48, labelOverlap: true },
    legend: { ...text, orient: "bottom", direction: "horizontal", columns: Math.max(1, Math.floor(width / Math.max(190, 7 * names + 30))), labelLimit: Math.min(width * 0.8, 300),
      symbolLimit: 40, symbolOpacity: 1, symbolBaseFillColor: "var(--ink)", symbolBaseStrokeColor: "var(--ink)", gradientLength: Math.min(200, width * 0.6) },
  };
}

function save(view, name) {
  view.toSVG().then((svg) => {
    const plain = svg.replaceAll(/var\((--\w+)\)/g, (_, variable) => colour(variable));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([plain], { type: "image/svg+xml" }));
    link.download = `${name}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

async function draw(figure) {
  const place = figure.querySelector(".plot");
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const width = place.clientWidth || page.clientWidth - 60;
  if (!place.clientWidth) spec.width = width; // in a fold that a browser has not laid out
  const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const { view } = await window.vegaEmbed(place, spec,
    { mode: "vega-lite", renderer: "svg", actions: false, logLevel: 1, tooltip: { theme }, config: looks(width, longest(spec)) });
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "SVG", title: "Save this figure", className: "save" });
  button.addEventListener("click", () => save(view, figure.dataset.name));
  figure.querySelector("h3").after(button);
}

if (page.clientWidth < 600) for (const fold of document.querySelectorAll("details.figures-fold")) fold.open = false;
for (const figure of document.querySelectorAll("figure.chart")) await draw(figure);
for (const fold of document.querySelectorAll("details")) fold.addEventListener("toggle", () => dispatchEvent(new Event("resize")));
document.documentElement.dataset.drawn = "all";
