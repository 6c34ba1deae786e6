"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const ink = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  let isReady = false;

  const painted = (figure, width) => {
    const copy = JSON.parse(JSON.stringify(figure));
    for (const trace of copy.data) {
      const colour = ink(trace.meta.ink);
      trace.marker = Object.assign({}, trace.marker, { color: colour });
      trace.marker.line = Object.assign({}, trace.marker.line, { color: trace.type === "bar" ? ink("paper") : colour });
      if (trace.marker.pattern) trace.marker.pattern.fgcolor = ink("paper");
      trace.hoverlabel = { bgcolor: ink("raised"), bordercolor: colour, font: { color: ink("ink") }, align: "left" };
    }
    const isNarrow = width < 560;
    const axis = { gridcolor: ink("line"), zeroline: false, linecolor: ink("line"), tickcolor: ink("line"), fixedrange: true, automargin: true };
    const layout = Object.assign({}, copy.layout, {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: ink("sans"), size: isNarrow ? 11 : 12.5, color: ink("ink") },
      margin: { l: 8, r: 12, t: 34, b: 44 },
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1, yanchor: "bottom", font: { color: ink("quiet") } },
      hovermode: "closest",
      dragmode: false,
      showlegend: true,
    });
    layout.xaxis = Object.assign({}, axis, copy.layout.xaxis, { title: { text: ((copy.layout.xaxis || {}).title || {}).text, font: { color: ink("quiet"), size: isNarrow ? 11 : 12 }, standoff: 6 } });
    layout.yaxis = Object.assign({}, axis, copy.layout.yaxis, { showgrid: false });
    return [copy.data, layout];
  };

  const draw = (place) => {
    const figure = figures[place.dataset.figure];
    if (!isReady || !figure || !place.offsetWidth) return;
    const [data, layout] = painted(figure, place.offsetWidth);
    place.style.height = layout.height + "px";
    window.Plotly.react(place, data, layout, { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false });
  };
  const drawAll = () => document.querySelectorAll(".plot").forEach(draw);

  const unpack = async () => {
    const packed = document.getElementById("plotly").textContent.trim();
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const program = document.createElement("script");
    program.textContent = await new Response(stream).text();
    document.head.append(program);
  };

  const start = async () => {
    try {
      await unpack();
      isReady = true;
      drawAll();
    } catch (error) {
      document.querySelectorAll(".plot").forEach((place) => { place.textContent = "This browser cannot draw the figure; the tables have its numbers."; });
    }
    root.dataset.drawn = "yes";
  };

  document.querySelectorAll("details").forEach((each) => each.addEventListener("toggle", () => each.querySelectorAll(".plot").forEach(draw)));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  window.matchMedia("print").addEventListener("change", drawAll);
  window.addEventListener("beforeprint", () => { document.querySelectorAll("details").forEach((each) => { each.open = true; }); drawAll(); });
  document.querySelectorAll(".code button").forEach((button) => {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = "copied";
    });
  });
  requestAnimationFrame(() => setTimeout(start, 0));
})();
