// Tabs by the pattern of WAI-ARIA: arrow keys move between tabs, and one panel is shown.

import { element } from "./text.js";

/** Fills a tab list and its panels. `tabs` are `{name, title, content}`. */
export function fillTabs(list, panels, tabs) {
  const made = tabs.map(({ name, title, content }) => {
    const tab = element("button", {
      id: `tab-${name}`,
      type: "button",
      role: "tab",
      "aria-controls": `panel-${name}`,
      textContent: title,
    });
    const panel = element(
      "div",
      { id: `panel-${name}`, role: "tabpanel", "aria-labelledby": `tab-${name}` },
      ...content,
    );
    return { tab, panel };
  });
  const choose = (at) => {
    for (const [other, { tab, panel }] of made.entries()) {
      tab.setAttribute("aria-selected", other === at);
      tab.tabIndex = other === at ? 0 : -1;
      panel.hidden = other !== at;
    }
  };
  for (const [at, { tab }] of made.entries()) {
    tab.addEventListener("click", () => choose(at));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = (at + step + made.length) % made.length;
      choose(next);
      made[next].tab.focus();
    });
  }
  list.replaceChildren(...made.map(({ tab }) => tab));
  panels.replaceChildren(...made.map(({ panel }) => panel));
  choose(0);
}
