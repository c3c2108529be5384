// Remembers which columns a person picked for a table, in this browser; an address that names columns wins. Leaves
// fields that are not filled in out of the address.
"use strict";

(() => {
  const table = document.querySelector("table[data-view]");
  const key = table && `ingestbox.columns.${table.dataset.view}`;

  function kept() {
    try { return localStorage.getItem(key); } catch { return null; }
  }

  function keep(columns) {
    try {
      if (columns) localStorage.setItem(key, columns);
      else localStorage.removeItem(key);
    } catch { /* a browser that keeps nothing: the address has it still */ }
  }

  const address = new URL(location.href);
  if (table && !address.searchParams.has("columns")) {
    const columns = kept();
    if (columns && columns !== table.dataset.usual) {
      address.searchParams.set("columns", columns);
      location.replace(address);
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-columns-form]") && key) {
      keep([...form.querySelectorAll("input[name=column]:checked")].map((each) => each.value).join(","));
    }
    if (form.matches("[data-filters]")) {
      const blank = [...form.elements].filter((each) => each.name && each.value.trim() === "");
      for (const each of blank) each.disabled = true;
      setTimeout(() => { for (const each of blank) each.disabled = false; });
    }
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-columns-reset]")) keep("");
    const picker = document.querySelector(".picker[open]");
    if (picker && !event.target.closest?.(".picker")) picker.open = false;
  });
})();
