// Keeps the robots' pages fresh: swaps in the server's own rendering of their parts every two seconds.

const root = document.querySelector("[data-parts]");
const PARTS = root.dataset.parts.split(" ");

/** What somebody reads, types or is about to press isn't taken from under their hand. */
function mayReplace(old, fresh) {
  if (old.innerHTML === fresh.innerHTML || old.querySelector(".confirm[open]")) return false;
  return old.dataset.opening === undefined || old.dataset.opening !== fresh.dataset.opening;
}

/** Like `button` of `/robots/one/pause`, to find it again among the new ones. */
function keyOf(element) {
  return element?.closest("form")?.getAttribute("action") ?? element?.getAttribute?.("href");
}

function replace(old, fresh) {
  const key = old.contains(document.activeElement) ? keyOf(document.activeElement) : null;
  const typed = [...old.querySelectorAll("input, select")].map(field => [field.id, field.value]);
  if (fresh.dataset.opening) old.dataset.opening = fresh.dataset.opening;
  old.replaceChildren(...fresh.childNodes);
  for (const [id, value] of typed) if (id && document.getElementById(id)) document.getElementById(id).value = value;
  if (key) [...old.querySelectorAll("a, button, summary")].find(element => keyOf(element) === key)?.focus({ preventScroll: true });
}

async function refresh() {
  const response = await fetch(root.dataset.page, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(10_000) });
  if (!response.ok || response.redirected) { location.assign(root.dataset.page); return; }
  const next = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const name of PARTS) {
    const old = document.getElementById(name), fresh = next.getElementById(name);
    if (old && fresh && mayReplace(old, fresh)) replace(old, fresh);
  }
}

for (;;) {
  await new Promise(resolve => setTimeout(resolve, 2000));
  if (!document.hidden) await refresh().catch(() => {});
}
