// The page follows the hub: `/live` tells a digest of each part, and a part with another digest is asked for and put in
// place. Focus, opened details and words that somebody is typing stay. Without a connection the page says since when.
"use strict";

(() => {
  const banner = document.getElementById("offline");
  const state = document.getElementById("connection");
  if (!banner || !state || !window.EventSource) return;
  const WAITING = { Accept: "text/html, text/event-stream" }; // a page that waits for news is no act of its person
  const asked = new Map();
  let lostAt = null;

  const clock = (moment) => moment.toISOString().slice(11, 19) + " UTC";

  function lost(text) {
    lostAt = lostAt || new Date();
    banner.querySelector("[data-text]").textContent = text + " What you see is from " + clock(lostAt) + ".";
    banner.hidden = false;
    document.body.dataset.connection = "lost";
    state.textContent = "not connected";
  }

  function connected() {
    lostAt = null;
    banner.hidden = true;
    document.body.dataset.connection = "live";
    state.textContent = "live";
  }

  const isTyped = (node) =>
    (node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement) && node.value !== node.defaultValue;

  const morphing = {
    morphStyle: "outerHTML",
    ignoreActiveValue: true,
    callbacks: {
      beforeNodeMorphed: (old) => !isTyped(old),
      beforeAttributeUpdated: (name, node) => !(name === "open" && node instanceof HTMLDetailsElement),
    },
  };

  async function replace(name, digest) {
    const section = document.getElementById(name);
    if (!section || section.dataset.digest === digest || asked.get(name) === digest) return;
    asked.set(name, digest);
    try {
      const answer = await fetch("/parts/" + encodeURIComponent(name), { headers: WAITING });
      if (answer.status === 401 || answer.redirected) return signedOut();
      if (!answer.ok) throw new Error(String(answer.status));
      Idiomorph.morph(section, await answer.text(), morphing);
      if (window.htmx) window.htmx.process(document.getElementById(name));
      document.dispatchEvent(new CustomEvent("part", { detail: name }));
    } catch (problem) {
      lost("The hub did not answer.");
    } finally {
      asked.delete(name);
    }
  }

  function signedOut() {
    source.close();
    lost("Your session has ended. Reload the page to sign in again.");
  }

  const source = new EventSource("/live");
  source.addEventListener("parts", (message) => {
    connected();
    for (const [name, digest] of Object.entries(JSON.parse(message.data))) replace(name, digest);
  });
  source.addEventListener("ended", signedOut);
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) lost("The hub refused the connection. Reload the page.");
    else lost("The connection to the hub is lost. Trying again.");
  });
  window.addEventListener("offline", () => lost("This machine has no network."));

  // An act's answer goes to the line of messages, which a screen reader reads; what it changed comes by itself, often
  // before the answer, and may have replaced the form by then: htmx tells nothing of a form that is gone.
  function say(text, tone) {
    const note = document.createElement("p");
    note.className = "note " + tone;
    note.textContent = text;
    document.getElementById("message").replaceChildren(note);
  }

  function ended(form, act, xhr) {
    if (xhr.status !== 204) return; // what was refused is in the answer, and htmx shows it
    say(act + ": done.", "permitted");
    if (!form.isConnected || form.dataset.act !== act) return;
    form.reset();
    const details = form.closest("details");
    details.open = false;
    details.querySelector("summary").focus();
  }

  document.body.addEventListener("htmx:beforeRequest", (event) => {
    const form = event.detail.elt;
    if (!(form instanceof HTMLFormElement)) return;
    const act = form.dataset.act;
    say(act + ": under way.", "");
    event.detail.xhr.addEventListener("load", () => setTimeout(ended, 0, form, act, event.detail.xhr));
  });
  document.body.addEventListener("htmx:sendError", () => {
    say("The hub did not answer; look at the rollout before you repeat it.", "refused");
    lost("The hub did not answer.");
  });
})();
