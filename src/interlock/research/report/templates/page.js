"use strict";
(() => {
  const items = JSON.parse(document.getElementById("charts").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const font = getComputedStyle(document.body).fontFamily;
  const plots = [];

  const collect = (model) => {
    if (model.children) {
      model.children.forEach(collect);
    } else if (model.type === "Figure") {
      plots.push(model);
    }
  };

  // The canvas does not know the page's style sheet: its colors are set here, and again on a change.
  const paint = () => {
    const style = getComputedStyle(document.documentElement);
    const [panel, ink, soft, line] = ["--panel", "--ink", "--soft", "--line"].map(
      (name) => style.getPropertyValue(name).trim());
    for (const plot of plots) {
      if (plot.title) {
        plot.title.setv({text_color: ink, text_font: font, text_font_size: "13px"});
      }
      for (const part of [...plot.left, ...plot.below, ...plot.right, ...plot.above, ...plot.center]) {
        if (part.type.endsWith("Axis")) {
          part.setv({
            axis_line_color: line, major_tick_line_color: line, minor_tick_line_color: null,
            major_label_text_color: soft, major_label_text_font: font,
            major_label_text_font_size: "11px",
          });
        } else if (part.type === "Grid") {
          part.setv({grid_line_color: line, grid_line_alpha: 0.7});
        } else if (part.type === "Legend") {
          part.setv({
            background_fill_color: panel, background_fill_alpha: 0.8, border_line_color: null,
            label_text_color: ink, label_text_font: font, label_text_font_size: "12px",
            padding: 4, margin: 4,
          });
        }
      }
    }
  };

  // A finger that drags over a chart scrolls the page; zooming is a tap on its tool away.
  const freeTouch = () => {
    for (const plot of plots) {
      for (const tool of plot.toolbar.tools) {
        if (tool.active && tool.event_types.includes("pan")) {
          tool.active = false;
        }
      }
    }
  };

  const start = async () => {
    for (const [place, item] of Object.entries(items)) {
      const target = document.getElementById(`chart-${place}`);
      if (target) {
        await Bokeh.embed.embed_item(item, target);
      }
    }
    Bokeh.documents.forEach((part) => part.roots().forEach(collect));
    if (window.matchMedia("(pointer: coarse)").matches) {
      freeTouch();
    }
    paint();
    document.documentElement.dataset.charts = String(plots.length);
  };

  dark.addEventListener("change", paint);
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((part) => { part.open = true; });
    paint();
  });
  start();
})();
