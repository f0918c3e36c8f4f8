// The checkout page, also where the till shows it: countdown by the server's clock, copy buttons, live status.
// The page is complete without this script; all words are the server's, in data attributes.
(() => {
  "use strict";

  const pay = document.getElementById("pay");
  if (!pay) return;
  const body = document.getElementById("pay-body");
  const words = document.getElementById("pay-words");
  const clock = document.getElementById("pay-clock");
  const connection = document.getElementById("pay-connection");

  let phase = pay.dataset.phase;
  let mark = pay.dataset.mark;
  let endsAt = performance.now() + 1000 * Number(pay.dataset.seconds);
  let redirecting = false;

  const say = (name, n = 0, m = 0) => {
    const text = (pay.dataset[`say${name[0].toUpperCase()}${name.slice(1)}`] || "").replace("{n}", n).replace("{m}", m);
    if (words.textContent !== text) words.textContent = text;
  };

  const show = (name, n, m) => {
    say(name, n, m);
    if (pay.dataset.phase !== name) {
      pay.dataset.phase = name;
      pay.dispatchEvent(new CustomEvent("phase", { detail: name, bubbles: true }));
    }
  };

  // The payment that needs most: that is what the resident waits for.
  const slowest = (payments) => payments
    .filter((payment) => payment.status !== "Invalid")
    .reduce((a, b) => (!a || b.required - b.confirmations > a.required - a.confirmations ? b : a), null);

  const isOpen = () => phase === "awaiting" || phase === "partial";

  const two = (number) => String(number).padStart(2, "0");
  const clockText = (seconds) => {
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
  };

  const countDown = () => {
    const seconds = Math.max(0, Math.ceil((endsAt - performance.now()) / 1000));
    clock.textContent = clockText(seconds);
    pay.classList.toggle("is-hurried", isOpen() && seconds < 60);
    if (isOpen() && seconds === 0 && pay.dataset.phase !== "closing") {
      show("closing");
      following.lookAgain();
    }
  };

  const onStatus = (status) => {
    endsAt = performance.now() + 1000 * status.seconds_left;
    phase = status.phase;
    const waitedFor = slowest(status.payments);
    const [n, m] = waitedFor ? [waitedFor.confirmations, waitedFor.required] : [0, 0];
    show(isOpen() && status.seconds_left === 0 ? "closing" : phase, n, m);
    const progress = body.querySelector("progress");
    if (progress && m) { progress.max = m; progress.value = n; }
    if (status.mark !== mark) { mark = status.mark; renew(); }
  };

  // What is laid out (the rest to pay with its new QR, the receipt) comes from the server as the page itself does.
  const renew = async () => {
    const wanted = mark;
    const address = new URL(pay.dataset.page, location.href);
    const tab = body.querySelector("input[name=asset]:checked");
    if (tab) address.searchParams.set("asset", tab.value);
    try {
      const answer = await fetch(address, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (wanted !== mark) return;
      body.replaceChildren(...fresh.getElementById("pay-body").childNodes);
      prepare();
    } catch {
      setTimeout(() => { if (wanted === mark) renew(); }, 2000);
    }
  };

  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // Without a secure context there is no clipboard to write to: an invisible field and the old command.
      const field = document.createElement("textarea");
      field.value = button.dataset.copy;
      field.className = "visually-hidden";
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    const label = button.textContent;
    if (button.classList.contains("is-copied")) return;
    button.classList.add("is-copied");
    button.textContent = pay.dataset.sayCopied;
    setTimeout(() => { button.textContent = label; button.classList.remove("is-copied"); }, 1600);
  };

  const prepare = () => {
    body.querySelectorAll("[data-copy], [data-print]").forEach((button) => { button.hidden = false; });
    const onward = body.querySelector("a[data-redirect]");
    if (onward && !redirecting && /^https?:/.test(onward.href)) {
      redirecting = true;
      setTimeout(() => location.assign(onward.href), 4000);
    }
  };

  body.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy !== undefined) copy(button);
    if (button.dataset.print !== undefined) window.print();
  });

  prepare();
  const following = pay.dataset.final === "true" ? { lookAgain() {} } : window.followInvoice({
    liveUrl: pay.dataset.live,
    statusUrl: pay.dataset.status,
    onStatus,
    onConnection: (isOnline) => { connection.hidden = isOnline; },
  });
  if (isOpen()) countDown();
  setInterval(() => { if (isOpen()) countDown(); }, 500);
})();
