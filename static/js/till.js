// The till's keypad: fingers on the screen or a keyboard, the same field. Without script the field alone is enough.
(() => {
  "use strict";

  const form = document.getElementById("till-form");
  const field = document.getElementById("till-amount");
  const keypad = document.getElementById("till-keypad");
  const charge = document.getElementById("till-charge");
  const DIGITS_MAX = 10;

  // Thousands apart as they are typed; what follows the comma stays as it is.
  const group = (text) => {
    const [whole, ...rest] = text.replace(/[^\d.,]/g, "").replace(".", ",").split(",");
    const digits = whole.replace(/^0+(?=\d)/, "").slice(0, DIGITS_MAX);
    const grouped = digits.replace(/\B(?=(\d{3})+$)/g, "\u00a0");
    return rest.length ? `${grouped || "0"},${rest.join("").slice(0, 2)}` : grouped;
  };

  const write = (text) => { field.value = group(text); field.removeAttribute("aria-invalid"); };

  keypad.hidden = false;
  // The keypad on the page is the keyboard: a tablet need not cover half of the screen with its own.
  if (matchMedia("(pointer: coarse)").matches) field.inputMode = "none";
  write(field.value);

  keypad.addEventListener("click", (event) => {
    const key = event.target.dataset.key;
    if (!key) return;
    write(key === "back" ? field.value.slice(0, -1) : field.value + key);
    if (navigator.vibrate) navigator.vibrate(8);
  });
  field.addEventListener("input", () => write(field.value));
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, summary, a, button, textarea") || event.ctrlKey || event.metaKey) return;
    if (/^[\d,.]$/.test(event.key)) write(field.value + event.key);
    else if (event.key === "Backspace") write(field.value.slice(0, -1));
    else if (event.key === "Enter") form.requestSubmit();
  });

  // The server makes one invoice of two taps; the second tap need not wait for it.
  form.addEventListener("submit", (event) => {
    if (form.classList.contains("is-sent")) event.preventDefault();
    form.classList.add("is-sent");
    charge.setAttribute("aria-disabled", "true");
  });
  // Back to a remembered page: its form has been used.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
