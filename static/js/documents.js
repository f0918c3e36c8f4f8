// The page of documents: fields that do not matter step aside, and the bars of files that are being made move on.
(() => {
  "use strict";

  const form = document.getElementById("document-form");
  const POLL_MS = 1500;

  const show = () => {
    const register = form.elements.kind.value === "register";
    for (const part of form.querySelectorAll("[data-registers-only]")) part.hidden = !register;
    for (const part of form.querySelectorAll("[data-periods-only]"))
      part.hidden = !register || form.elements.span.value !== "period";
  };
  form.addEventListener("change", show);
  show();

  const poll = async (row) => {
    let state;
    try {
      const answer = await fetch(row.dataset.export, { headers: { Accept: "application/json" } });
      if (!answer.ok) return; // logged out, or removed: the page says so when it is loaded again
      state = await answer.json();
    } catch {
      setTimeout(() => poll(row), POLL_MS * 4); // the network is away for a moment
      return;
    }
    if (state.over) {
      location.reload(); // with the link to the file
      return;
    }
    row.querySelector("progress").value = state.done;
    row.querySelector("[data-done]").textContent = state.done;
    row.querySelector("[data-label-of-status]").textContent = state.label;
    setTimeout(() => poll(row), POLL_MS);
  };
  for (const row of document.querySelectorAll("[data-export]")) setTimeout(() => poll(row), POLL_MS);
})();
