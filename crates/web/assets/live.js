// A live experiment: follows its events, paints small changes in place and swaps in the server's own rendering of the rest.

import { heard, isLost, keep, release } from "./connection.js";
import { PARTS, read, root as live, swap } from "./parts.js";

const part = name => document.getElementById(name);
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
const CONNECT_TIME = 4000;
/** The last event that was taken: its sequence, or `timeline-sequence` once the lab's database has failed over. */
let sequence = live.dataset.sequence;
/** Whether one event is later than another. In a later timeline numbers are given again that were lost. */
function isAfter(one, other) {
  const [[timeline, number], [before, last]] = [one, other].map(id => (id.includes("-") ? id : `1-${id}`).split("-").map(Number));
  return timeline === before ? number > last : timeline > before;
}
/** The last event that is in what the server has drawn: it isn't painted over with less. */
let drawn = sequence;
let lastFetch = 0, lastEvent = Date.now(), fetching = false, dirty = false;

// ---- the server's rendering of what changed

async function draw(parts = PARTS) {
  const next = await read();
  swap(next, parts);
  const shown = next.getElementById(live.id)?.dataset.sequence;
  if (parts === PARTS && shown && isAfter(shown, drawn)) drawn = shown;
}

/** Once a second at most, again if something came in between, and not while nobody looks. */
async function refresh() {
  dirty = true;
  if (fetching) return;
  fetching = true;
  while (dirty && !document.hidden) {
    await pause(Math.max(0, lastFetch + 1000 - Date.now()));
    dirty = false;
    lastFetch = Date.now();
    await draw().catch(() => {});
  }
  fetching = false;
}
document.addEventListener("visibilitychange", () => { if (dirty) refresh(); });

/** Nobody looks: no stream is held, since a browser has few connections, and what is missed is made up for. */
const seen = () => new Promise(resolve => {
  if (!document.hidden) { resolve(); return; }
  document.addEventListener("visibilitychange", () => resolve(), { once: true });
});

// ---- choosing a well, by mouse, touch or arrow keys

/** From now on the server is asked for the page with this well in it. */
function look(well) { if (well) live.dataset.page = `${location.pathname}?well=${well}`; }
look(new URLSearchParams(location.search).get("well"));

async function choose(well) {
  look(well);
  document.querySelectorAll("#plates .well[data-well]").forEach(spot => {
    const is = spot.dataset.well === well;
    spot.classList.toggle("selected", is);
    spot.setAttribute("tabindex", is ? 0 : -1);
    if (is) spot.setAttribute("aria-current", "true"); else spot.removeAttribute("aria-current");
  });
  history.replaceState(null, "", `?well=${well}`);
  await draw(["inspector"]).catch(() => {});
}

live.addEventListener("click", event => {
  const link = event.target.closest("[data-well]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  choose(link.dataset.well).then(() => {
    const inspector = part("inspector"), box = inspector.getBoundingClientRect();
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (box.top > innerHeight * 0.8 || box.bottom < 0) inspector.scrollIntoView({ block: "nearest", behavior: smooth ? "smooth" : "auto" });
  });
});

live.addEventListener("keydown", event => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const from = event.target.closest?.(".well[data-well]");
  if (!step || !from) return;
  event.preventDefault();
  const place = spot => [Number(spot.dataset.x), Number(spot.dataset.y)];
  const [x, y] = place(from);
  // The nearest well that lies that way.
  const ahead = [...from.parentNode.querySelectorAll(".well[data-well]")].map(spot => {
    const [dx, dy] = [place(spot)[0] - x, place(spot)[1] - y];
    const along = dx * step[0] + dy * step[1], aside = Math.abs(dx * step[1]) + Math.abs(dy * step[0]);
    return { spot, along, cost: along + 3 * aside };
  }).filter(({ along }) => along > 0).sort((a, b) => a.cost - b.cost)[0];
  if (ahead) { ahead.spot.focus(); choose(ahead.spot.dataset.well); }
});

// ---- events

const spotOf = data => document.getElementById(`w-${data.id ?? data.well}`);

/** What is painted at once, before the server has drawn it. */
const painters = {
  operation(data) {
    if (part("now")) part("now").textContent = data.sentence;
    document.querySelectorAll(".well.working").forEach(spot => spot.classList.remove("working"));
    const spot = data.well && document.getElementById(`w-${data.well}`);
    if (spot) spot.classList.add("working");
  },
  progress(data) {
    const bar = part("bar");
    if (bar) { bar.max = Math.max(1, data.steps_total); bar.value = data.steps_done; }
    if (Number.isFinite(data.seconds_left)) countDown(data.seconds_left);
  },
  well(data) {
    const spot = spotOf(data);
    if (spot) spot.setAttribute("class", spot.getAttribute("class").replace(/\b(pending|dispensing|mixed|measured|failed|quarantined|cancelled)\b/, data.status));
  },
  result(data) {
    const spot = spotOf(data);
    if (!spot) return;
    spot.querySelector(".liquid").setAttribute("fill", data.srgb);
    spot.setAttribute("aria-label", `Well ${data.well_id}, measured ${data.srgb}${data.doubt ? ", doubtful" : ""}`);
    spot.classList.toggle("doubtful", Boolean(data.doubt));
    spot.setAttribute("class", spot.getAttribute("class").replace(/\b(pending|dispensing|mixed)\b/, "measured"));
  },
};

/** What is said of it, and that there is more to draw. */
const handlers = {
  operation() { refresh(); },
  well(data) {
    if (["failed", "quarantined"].includes(data.status)) say(`Well ${data.well_id ?? ""} ${data.status}`);
    refresh();
  },
  result(data) {
    if (data.doubt) say(`Well ${data.well_id} is ${data.srgb}, and doubtful`); else mention(`Well ${data.well_id} is ${data.srgb}`);
    refresh();
  },
  // Its robot was held or let go, asks or was answered: what is waited for is the server's to say.
  robot(data) {
    if (["paused", "stopped"].includes(data.mode) || data.asks || data.unusable) stopTheClock();
    refresh();
  },
  // Comes right before the status, which would talk over it.
  doubts(data) { doubts = ` ${data.sentence}`; },
  status(data) {
    say(`The experiment is ${data.status}.${doubts}`);
    refresh();
  },
};

let spoken = 0, doubts = "";
function say(text) {
  spoken = Date.now();
  part("announce").textContent = text;
}
/** Seldom enough that a screen reader is listened to. */
function mention(text) { if (Date.now() - spoken > 3000) say(text); }

let ends = 0;
function countDown(seconds) { ends = Date.now() + seconds * 1000; tick(); }
function tick() {
  const time = part("time");
  if (!ends || !time || isLost() || part("time-caption").textContent !== "Time left, about") return;
  const left = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
  time.textContent = left < 90 ? `${left} s` : left < 5400 ? `${Math.ceil(left / 60)} min` : `${Math.floor(left / 3600)} h ${Math.floor(left % 3600 / 60)} min`;
}
setInterval(tick, 1000);

/** Nobody knows now how long it will take. */
function stopTheClock() {
  ends = 0;
  if (!live.querySelector("#head .status.running, #head .status.queued")) return;
  part("time").textContent = "—";
}

function take(block) {
  const fields = Object.fromEntries(block.split("\n").filter(line => !line.startsWith(":")).map(line => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
  }));
  const id = fields.id;
  if (!fields.data || !id || !isAfter(id, sequence)) return;
  sequence = id;
  lastEvent = Date.now();
  const data = JSON.parse(fields.data);
  if (isAfter(id, drawn)) painters[fields.event]?.(data);
  handlers[fields.event]?.(data);
}

/** A connection that is cut doesn't always end: whoever notices gives it up. */
let connection = new AbortController();

/** `EventSource` can't start after an event that the page already shows; a stream read by hand can. Ends with the experiment. */
async function follow() {
  connection = new AbortController();
  const tooLong = setTimeout(() => connection.abort(), CONNECT_TIME);
  const headers = { accept: "text/event-stream", "last-event-id": sequence };
  const response = await fetch(live.dataset.events, { headers, signal: connection.signal }).finally(() => clearTimeout(tooLong));
  if (response.status === 204) return true;
  // Too many streams: the page looks by itself, then.
  if (response.status < 500 && !response.ok) refresh();
  if (!response.ok) throw new Error(`events: ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    heard();
    const { done, value } = await reader.read();
    if (done) return false;
    text += value.replaceAll("\r\n", "\n");
    const blocks = text.split("\n\n");
    text = blocks.pop();
    blocks.forEach(take);
  }
}

if (live.dataset.final !== "true") {
  keep({ lost: () => { connection.abort(); stopTheClock(); }, back: draw });
  // A place in the queue, other robots, a worker that is gone: they change without an event of ours.
  setInterval(() => {
    const isQuiet = Date.now() - lastEvent > 8000 || document.querySelector("#head .status.queued, #head .status.waiting");
    if (isQuiet && !document.hidden) refresh();
  }, 4000);
  document.addEventListener("visibilitychange", () => { if (document.hidden) connection.abort(); });
  for (let failures = 0; ;) {
    await seen();
    try {
      if (await follow()) break;
      failures = 0;
    } catch { failures++; }
    await pause(Math.min(2000, 300 * 2 ** failures) * (0.5 + Math.random() / 2));
  }
  release();
  refresh();
}
