(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // --- light or dark: as the system is set, or as chosen
  const themes = ["auto", "light", "dark"];
  const themeButton = document.getElementById("theme");
  const remembered = () => {
    try { return localStorage.getItem("aebench-theme"); } catch { return null; }
  };
  const setTheme = (name) => {
    if (name === "auto") { delete root.dataset.theme; } else { root.dataset.theme = name; }
    themeButton.textContent = `Theme: ${name}`;
    try { localStorage.setItem("aebench-theme", name); } catch { /* a page from a file may not remember */ }
  };
  const current = () => root.dataset.theme || "auto";
  themeButton.addEventListener("click", () => setTheme(themes[(themes.indexOf(current()) + 1) % themes.length]));
  setTheme(themes.includes(remembered()) ? remembered() : "auto");
  themeButton.hidden = false;

  // --- sorting: by a cell's number or else by its text; what was not measured comes last
  const key = (row, heading) => {
    const cell = row.cells[heading.cellIndex];
    if (cell.dataset.sort === undefined) { return cell.textContent; }
    return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
  };
  const order = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  const sort = (table, heading) => {
    const descending = heading.ariaSort === "ascending";
    for (const other of table.tHead.rows[0].cells) { other.ariaSort = "none"; }
    heading.ariaSort = descending ? "descending" : "ascending";
    const rows = [...table.tBodies[0].rows].map((row) => [key(row, heading), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) { return (a === null) - (b === null); }
      return descending ? order(b, a) : order(a, b);
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };

  // --- filtering: every word is in a name, or is a whole number, of the columns that say which case a row is about
  const filter = (table, input, output) => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const keys = all("th[data-key]", table).map((heading) => heading.cellIndex);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const texts = keys.map((place) => row.cells[place].textContent.toLowerCase());
      const has = (word) => texts.some((text) => (/^\d+$/.test(text) ? text === word : text.includes(word)));
      row.hidden = !words.every(has);
    }
    const shown = rows.filter((row) => !row.hidden).length;
    output.textContent = words.length ? `${shown} of ${rows.length} ${rows.length === 1 ? "row" : "rows"}` : "";
  };

  for (const block of all(".table")) {
    const table = block.querySelector("table");
    for (const heading of table.tHead.rows[0].cells) {
      heading.firstElementChild.addEventListener("click", () => sort(table, heading));
    }
    const bar = block.querySelector(".filter");
    if (bar) {
      const input = bar.querySelector("input");
      input.addEventListener("input", () => filter(table, input, bar.querySelector("output")));
      bar.hidden = false;
    }
  }

  // --- what a heading means: where the pointer rests, the keyboard is, or a finger tapped
  const hint = document.getElementById("hint");
  let explained = null;
  const hideHint = () => { if (explained) { hint.hidePopover(); explained = null; } };
  const placeHint = () => {
    if (!explained) { return; }
    const { left, bottom } = explained.getBoundingClientRect();
    hint.style.left = `${Math.max(8, Math.min(left, root.clientWidth - hint.offsetWidth - 8))}px`;
    hint.style.top = `${bottom + 4}px`;
  };
  const showHint = (button) => {
    const words = document.getElementById(button.getAttribute("aria-describedby"));
    if (!words || !hint.showPopover || explained === button) { return; }
    hideHint();
    hint.textContent = words.textContent;
    hint.showPopover();
    explained = button;
    placeHint();
  };
  for (const button of all("th button[aria-describedby]")) {
    for (const event of ["pointerenter", "focus", "click"]) { button.addEventListener(event, () => showHint(button)); }
    for (const event of ["pointerleave", "blur"]) { button.addEventListener(event, hideHint); }
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") { hideHint(); } });
  addEventListener("scroll", placeHint, { passive: true, capture: true });

  // --- a chart larger: it moves into the dialog and back
  const dialog = document.getElementById("large");
  const stage = dialog.querySelector("div");
  let home = null;
  const enlarge = (figure) => {
    home = figure;
    figure.style.minHeight = `${figure.offsetHeight}px`;
    stage.append(...figure.childNodes);
    dialog.showModal();
  };
  dialog.addEventListener("close", () => {
    home.append(...stage.childNodes);
    home.style.minHeight = "";
    home.querySelector(".enlarge").focus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target === dialog.firstElementChild) { dialog.close(); }
  });
  for (const figure of all("figure.chart")) {
    const button = figure.querySelector(".enlarge");
    if (!button) { continue; }
    button.hidden = false;
    button.addEventListener("click", () => { if (!dialog.open) { enlarge(figure); } });
    figure.querySelector("svg").addEventListener("click", () => { if (!dialog.open) { enlarge(figure); } });
  }

  // --- where the reader is, in the list of sections
  const list = document.querySelector("nav");
  const links = new Map(all("nav > ul > li > a").map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) { seen[entry.isIntersecting ? "add" : "delete"](entry.target.id); }
    const first = [...links.keys()].find((id) => seen.has(id));
    if (first) { list.scrollLeft = links.get(first).offsetLeft - list.clientWidth / 3; }
    for (const [id, link] of links) {
      if (id === first) { link.setAttribute("aria-current", "true"); } else { link.removeAttribute("aria-current"); }
    }
  }, { rootMargin: "-15% 0px -55% 0px" });
  for (const section of all("main > section")) { watch.observe(section); }

  // --- a link to what is folded unfolds it; when printed, all is unfolded
  const unfold = () => {
    const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const folded = target && (target.closest("details") || target.querySelector(":scope > details.folded"));
    if (folded) { folded.open = true; }
  };
  addEventListener("hashchange", unfold);
  unfold();
  addEventListener("beforeprint", () => {
    for (const folded of all("details")) { folded.open = true; }
  });
})();
