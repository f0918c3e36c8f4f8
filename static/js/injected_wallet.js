// Sends a prepared call with the wallet that the browser has (EIP-1193):
// <button id="send-call" hidden data-to data-call data-chain-id data-sent data-refused>, <p id="send-call-outcome">.
(() => {
  "use strict";
  const button = document.getElementById("send-call");
  const wallet = window.ethereum;
  if (!button || !wallet) return;
  const outcome = document.getElementById("send-call-outcome");
  const { to, call, chainId, sent, refused } = button.dataset;
  const chain = "0x" + BigInt(chainId).toString(16);

  const send = async () => {
    const [from] = await wallet.request({ method: "eth_requestAccounts" });
    if ((await wallet.request({ method: "eth_chainId" })) !== chain) {
      await wallet.request({ method: "wallet_switchEthereumChain", params: [{ chainId: chain }] });
    }
    return wallet.request({ method: "eth_sendTransaction", params: [{ from, to, data: call, value: "0x0", chainId: chain }] });
  };

  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      outcome.textContent = `${sent} ${await send()}`;
    } catch (error) {
      outcome.textContent = `${refused} ${error.message || error}`;
      button.disabled = false;
    }
  });
})();
