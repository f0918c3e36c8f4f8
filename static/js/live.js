// Follows one invoice: server-sent events first, polling whenever they are not flowing.
// followInvoice({ liveUrl, statusUrl, onStatus(status), onConnection(isOnline) }) → { lookAgain(), stop() }
(() => {
  "use strict";

  const POLL_MS = 3000;
  // A phone that changed networks can hold a dead stream without noticing: look by polling when it is quiet for long.
  const QUIET_MS = 30000;
  const REOPEN_MS = 10000;

  window.followInvoice = ({ liveUrl, statusUrl, onStatus, onConnection }) => {
    let source = null;
    let stopped = false;
    let streaming = false;
    let asking = false;
    let heardAt = performance.now();
    let reopenAt = 0;

    const heard = (status) => {
      heardAt = performance.now();
      onConnection(true);
      onStatus(status);
      if (status.final) stop();
    };

    const open = () => {
      if (stopped || !window.EventSource) return;
      source = new EventSource(liveUrl);
      source.onopen = () => { streaming = true; onConnection(true); };
      source.onmessage = (event) => heard(JSON.parse(event.data));
      source.onerror = () => {
        streaming = false;
        reopenAt = performance.now() + REOPEN_MS;
        lookAgain();
      };
    };

    const lookAgain = async () => {
      if (stopped || asking) return;
      asking = true;
      try {
        const answer = await fetch(statusUrl, { cache: "no-store", headers: { Accept: "application/json" } });
        if (answer.ok) heard(await answer.json());
        else onConnection(answer.status < 500);
      } catch {
        onConnection(false);
      } finally {
        asking = false;
      }
    };

    const tick = () => {
      const now = performance.now();
      if (!streaming || now - heardAt > QUIET_MS) lookAgain();
      // readyState 2: the browser has given up on the stream.
      if (!streaming && now > reopenAt && (!source || source.readyState === 2)) open();
    };

    // A phone comes back from the wallet: its page slept, and what it shows is old.
    const wake = () => { if (!document.hidden) lookAgain(); };
    const lost = () => onConnection(false);

    const stop = () => {
      stopped = true;
      clearInterval(timer);
      if (source) source.close();
      document.removeEventListener("visibilitychange", wake);
      window.removeEventListener("online", wake);
      window.removeEventListener("offline", lost);
    };

    const timer = setInterval(tick, POLL_MS);
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("online", wake);
    window.addEventListener("offline", lost);
    open();
    if (!window.EventSource) lookAgain();
    return { lookAgain, stop };
  };
})();
