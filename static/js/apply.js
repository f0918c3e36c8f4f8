// Says, while it is being typed, what a business number means and which bank an account is at. The page works without it.
"use strict";
(() => {
  const form = document.querySelector("form[data-decode-url]");
  const number = form.elements.business_id;
  const iban = form.elements.iban;
  const bic = form.elements.bank_bic;
  const meaning = document.getElementById("business-id-meaning");
  let last = "";

  async function decode() {
    const query = new URLSearchParams({ business_id: number.value, iban: iban.value }).toString();
    if (query === last) return;
    last = query;
    const response = await fetch(`${form.dataset.decodeUrl}?${query}`);
    if (!response.ok || query !== last) return;
    const said = await response.json();
    meaning.textContent = said.business_id;
    meaning.hidden = said.business_id === "";
    if (said.bic && bic.value === "") bic.value = said.bic;
  }

  for (const input of [number, iban]) {
    input.addEventListener("input", () => { if (input.value.replace(/\s/g, "").length >= 12) decode(); });
    input.addEventListener("change", decode);
  }
})();
