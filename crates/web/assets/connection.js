// Whether the server still speaks. A live page reports every sign of life here; after a silence the page says so, and
// nothing on it can be pressed until the server is heard again and everything is drawn anew.

/** Two heartbeats of the streams (2 s each) have to be missing; a person knows within 5 s. */
const SILENCE = 4500;
/** A page that comes back to the eye may have slept: so long it has to catch up before it is judged. */
const GRACE = 1500;
const PROBE = 1500;

const page = document.documentElement;
const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
let last = Date.now(), judgedFrom = 0;
let claim = null, since = null, unanswered = "", returning = false;

export const isLost = () => since !== null;

/** From now on the page claims to show what is so: `lost` is called when it can't, `back` draws it anew. */
export function keep(handlers) {
  claim = handlers;
  last = Date.now();
}

/** What is shown has ended and won't change, so silence means nothing. */
export function release() { claim = null; }

/** The server said something. */
export function heard() {
  last = Date.now();
  if (since !== null) comeBack();
}

/** Something was sent, and nobody knows whether it arrived. */
export function noAnswer(what) {
  unanswered = `Nobody knows whether “${what}” arrived: look again when the page is back.`;
  lose();
}

function lose() {
  if (since !== null) { say(); return; }
  since = last;
  document.querySelectorAll("dialog[open]").forEach(dialog => dialog.close());
  page.dataset.lost = "";
  lock();
  say();
  claim?.lost?.();
  probe();
}

function lock() {
  for (const button of document.querySelectorAll("button:enabled")) { button.disabled = true; button.dataset.locked = ""; }
}

function say() {
  const clock = new Date(since).toLocaleTimeString("en-GB");
  const robot = document.querySelector("[data-while-lost]")?.dataset.whileLost ?? "";
  const sentences = [`No connection since ${clock}; what you see is old.`, robot, unanswered];
  const bar = document.getElementById("lost") ?? document.createElement("div");
  bar.id = "lost";
  bar.className = "lost";
  bar.setAttribute("role", "alert");
  const [first, ...rest] = sentences.filter(Boolean).map(sentence => Object.assign(document.createElement("span"), { textContent: `${sentence} ` }));
  bar.replaceChildren(Object.assign(document.createElement("strong"), { textContent: first.textContent }), ...rest);
  document.body.prepend(bar);
}

async function comeBack() {
  if (returning) return;
  returning = true;
  try {
    await claim?.back?.();
    since = null;
    unanswered = "";
    delete page.dataset.lost;
    document.getElementById("lost")?.remove();
    for (const button of document.querySelectorAll("[data-locked]")) { button.disabled = false; delete button.dataset.locked; }
  } catch { /* It speaks, but can't show the page yet: as good as silent. */ }
  returning = false;
}

/** Asks for something small that is always there. */
async function probe() {
  while (since !== null) {
    await sleep(PROBE);
    const answer = await fetch(import.meta.url, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(SILENCE) }).catch(() => null);
    if (answer?.ok) heard();
  }
}

// A link would only lead to the browser's own error page, which never comes back by itself.
document.addEventListener("click", event => {
  if (since === null || !event.target.closest?.("a[href]") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  say();
}, true);

setInterval(() => {
  if (!claim || document.hidden || since !== null) return;
  const now = Date.now();
  if (now - last > SILENCE && now > judgedFrom) lose();
}, 250);
document.addEventListener("visibilitychange", () => { judgedFrom = Date.now() + GRACE; });
