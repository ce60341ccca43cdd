// Draws each plot in its place, in the colours that the page has by day or by night.
function drawAll() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const words = { labelColor: colour("soft"), titleColor: colour("soft"), labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
  const config = {
    background: "transparent", font: getComputedStyle(document.body).fontFamily, view: { stroke: null },
    axis: { ...words, gridColor: colour("line"), domainColor: colour("faint"), tickColor: colour("faint") },
    legend: { ...words, orient: "top" }, range: { category: [colour("first"), colour("second")] }, rule: { color: colour("soft") },
  };
  for (const script of document.querySelectorAll("script[data-plot]")) {
    const place = document.getElementById(script.dataset.plot);
    vegaEmbed(place, JSON.parse(script.textContent), { actions: false, ast: true, renderer: "svg", config, tooltip: { disableDefaultStyle: true } });
  }
}
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
