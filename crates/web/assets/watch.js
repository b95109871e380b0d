// Keeps a page fresh that has no stream of events: looks again every two seconds while somebody sees it.

import { keep } from "./connection.js";
import { read, swap } from "./parts.js";

const EVERY = 2000;
let hurry = () => {};

/** What robots wait for a person about, as it is read out. */
const asked = () => [...document.querySelectorAll("#questions h2, #cards .notice.bad strong")].map(what => what.textContent).join(" ");

async function refresh() {
  const before = asked();
  swap(await read());
  const now = asked();
  if (now && now !== before) document.getElementById("announce").textContent = now;
}

keep({ back: refresh });
document.addEventListener("visibilitychange", () => { if (!document.hidden) hurry(); });
for (;;) {
  await new Promise(resolve => { hurry = resolve; setTimeout(resolve, EVERY); });
  if (!document.hidden) await refresh().catch(() => {});
}
