// Filters that are followed as soon as they are chosen, and dialogs before what cannot be taken back.
"use strict";

(() => {
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-changes]");
    if (form && event.target.type !== "search") form.requestSubmit();
  });

  // A form also sends what nobody filled in: the address is for people to read and keep.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-changes]")) return;
    for (const field of event.target.elements) {
      if (field.name && (field.value === "" || (field.name === "sort" && field.value === "newest"))) field.disabled = true;
    }
  });

  // Back from the next page the browser may show the form as it was left.
  window.addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form[data-changes] :disabled")) field.disabled = false;
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    const dialog = opener && document.getElementById(opener.dataset.opens);
    if (dialog) {
      event.preventDefault();
      dialog.showModal();
    }
    const closer = event.target.closest("dialog [data-closes]");
    if (closer) {
      event.preventDefault();
      closer.closest("dialog").close();
    }
  });
})();
