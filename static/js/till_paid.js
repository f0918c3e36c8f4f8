// The till when the money is there: the whole screen, a sound, the next customer one tap away. Keeps the screen awake.
(() => {
  "use strict";

  const curtain = document.getElementById("till-paid");
  const next = document.getElementById("till-paid-next");
  const cancel = document.getElementById("till-cancel");
  let audio = null;

  // Browsers let a page sound only after it was touched; the tap that made the sale usually counts.
  const unlock = () => {
    audio = audio || (window.AudioContext ? new AudioContext() : null);
    if (audio && audio.state === "suspended") audio.resume();
  };

  const note = (frequency, start, seconds) => {
    const oscillator = audio.createOscillator();
    const volume = audio.createGain();
    oscillator.frequency.value = frequency;
    volume.gain.setValueAtTime(0.0001, audio.currentTime + start);
    volume.gain.exponentialRampToValueAtTime(0.5, audio.currentTime + start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + start + seconds);
    oscillator.connect(volume).connect(audio.destination);
    oscillator.start(audio.currentTime + start);
    oscillator.stop(audio.currentTime + start + seconds);
  };

  const chime = () => {
    unlock();
    if (audio) { note(659.3, 0, 0.35); note(880, 0.14, 0.35); note(1318.5, 0.28, 0.7); }
    if (navigator.vibrate) navigator.vibrate([90, 60, 160]);
  };

  const showPaid = () => {
    curtain.hidden = false;
    next.focus();
    chime();
  };

  document.addEventListener("pointerdown", unlock);
  document.addEventListener("phase", (event) => {
    if (event.detail === "paid") showPaid();
    if (cancel && event.detail !== "awaiting" && event.detail !== "closing") cancel.hidden = true;
  });
  document.getElementById("till-paid-details").addEventListener("click", () => { curtain.hidden = true; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") curtain.hidden = true; });

  const stayAwake = () => {
    if (!document.hidden && navigator.wakeLock) navigator.wakeLock.request("screen").catch(() => {});
  };
  document.addEventListener("visibilitychange", stayAwake);
  stayAwake();
})();
