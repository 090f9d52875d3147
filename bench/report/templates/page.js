(() => {
  "use strict";
  const root = document.documentElement;

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
  const key = (row, place) => {
    const cell = row.cells[place];
    if (cell.dataset.sort === undefined) { return cell.textContent; }
    return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
  };
  const order = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  const sort = (table, heading) => {
    const descending = heading.ariaSort === "ascending";
    for (const other of table.tHead.rows[0].cells) { other.ariaSort = "none"; }
    heading.ariaSort = descending ? "descending" : "ascending";
    const rows = [...table.tBodies[0].rows].map((row) => [key(row, heading.cellIndex), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) { return (a === null) - (b === null); }
      return descending ? order(b, a) : order(a, b);
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };

  // --- filtering: rows that contain every word
  const filter = (table, input, output) => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    output.textContent = words.length ? `${shown} of ${rows.length} ${rows.length === 1 ? "row" : "rows"}` : "";
  };

  for (const block of document.querySelectorAll(".table")) {
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

  // --- a link to a folded model unfolds it; when printed, all are unfolded
  const unfold = () => {
    const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const model = target && target.closest("details");
    if (model) { model.open = true; }
  };
  addEventListener("hashchange", unfold);
  unfold();
  addEventListener("beforeprint", () => {
    for (const model of document.querySelectorAll("details")) { model.open = true; }
  });
})();
