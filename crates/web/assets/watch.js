// Keeps a page fresh that has no stream of events: looks again every two seconds while somebody sees it.

import { keep } from "./connection.js";
import { read, swap } from "./parts.js";

const EVERY = 2000;
let hurry = () => {};
const refresh = async () => swap(await read());

keep({ back: refresh });
document.addEventListener("visibilitychange", () => { if (!document.hidden) hurry(); });
for (;;) {
  await new Promise(resolve => { hurry = resolve; setTimeout(resolve, EVERY); });
  if (!document.hidden) await refresh().catch(() => {});
}
