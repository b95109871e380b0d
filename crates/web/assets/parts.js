// The server's own rendering, swapped in part by part; and forms that are sent without leaving the page.

import { heard, isLost, noAnswer, release } from "./connection.js";
import { localTimes } from "./frame.js";

/** What is live on this page: `data-page` is its address, `data-parts` the ids of its parts. */
export const root = document.querySelector("[data-parts]");
export const PARTS = root.dataset.parts.split(" ");
const ANSWER_TIME = 4000;
/** An act may wait for a robot. */
const ACT_TIME = 20_000;
const part = name => document.getElementById(name);
const parsed = text => new DOMParser().parseFromString(text, "text/html");

/** Forms on their way: where one goes from here is for their answers to say. */
let sending = 0;
/** An answer of its own stands in the page's place, and stays until it is left. */
let isAnswered = false;
const never = () => new Promise(() => {});

/** The page as it is now, or never if one has to leave it: signed out, or it is gone. */
export async function read(address = root.dataset.page) {
  const response = await fetch(address, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(ANSWER_TIME) });
  if (response.status >= 500) throw new Error(`the page: ${response.status}`);
  if (isAnswered) await never();
  if (!response.ok || response.redirected) {
    if (sending) throw new Error("a form's answer leads on");
    location.assign(address);
    await never();
  }
  const next = parsed(await response.text());
  heard();
  localTimes(next);
  return next;
}

/** What somebody reads, types or is about to press isn't taken from under their hand. */
function mayReplace(old, fresh) {
  if (old.innerHTML === fresh.innerHTML || old.querySelector("dialog[open], :active")) return false;
  return old.dataset.opening === undefined || old.dataset.opening !== fresh.dataset.opening;
}

/** Like `pause` of `/robots/one/pause`, to find it again among the new ones. */
const keyOf = element => element && (element.id || [element.closest("form")?.getAttribute("action"), element.value, element.getAttribute("popovertarget"), element.getAttribute("href"), element.querySelector(".hidden-text")?.textContent].join(" "));

function replace(old, fresh) {
  const key = old.contains(document.activeElement) ? keyOf(document.activeElement) : null;
  const open = [...old.querySelectorAll("details")].map(details => details.open);
  const scrolled = [...old.querySelectorAll(".scroll")].map(box => [box.scrollLeft, box.scrollTop]);
  if (fresh.dataset.opening !== undefined) old.dataset.opening = fresh.dataset.opening;
  old.replaceChildren(...fresh.childNodes);
  old.querySelectorAll("details").forEach((details, index) => { details.open = open[index] ?? details.open; });
  old.querySelectorAll(".scroll").forEach((box, index) => { if (scrolled[index]) box.scrollTo(...scrolled[index]); });
  if (key) [...old.querySelectorAll("a, button, summary, input, select")].find(element => keyOf(element) === key)?.focus({ preventScroll: true });
}

/** Shows what is new, and leaves alone what somebody is busy with. */
export function swap(next, names = PARTS) {
  for (const name of names) {
    const old = part(name), fresh = next.getElementById(name);
    if (!old || !fresh || !mayReplace(old, fresh)) continue;
    const typed = [...old.querySelectorAll("input[id], select[id]")].map(field => [field.id, field.value]);
    replace(old, fresh);
    for (const [id, value] of typed) if (part(id)) part(id).value = value;
  }
  document.title = next.title;
}

/** Shows all of it as the server has it, the forms too. */
function swapAll(next) {
  for (const name of PARTS) if (part(name) && next.getElementById(name)) replace(part(name), next.getElementById(name));
  document.title = next.title;
}

// ---- forms: the answer comes to where one is

document.addEventListener("submit", event => {
  const form = event.target;
  if (form.method !== "post") return;
  event.preventDefault();
  if (!isLost()) send(form, event.submitter);
});

async function send(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  if (button) { button.disabled = true; button.setAttribute("aria-busy", "true"); }
  sending += 1;
  try {
    const response = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { accept: "text/html" }, signal: AbortSignal.timeout(ACT_TIME) });
    const text = await response.text();
    heard();
    show(response, text);
  } catch {
    noAnswer(button?.textContent.trim() || "it");
  }
  sending -= 1;
  button?.removeAttribute("aria-busy");
  if (button && !isLost()) button.disabled = false;
}

function show(response, text) {
  document.querySelectorAll("dialog[open]").forEach(dialog => dialog.close());
  const next = parsed(text);
  const path = page => page?.dataset.page.split("?")[0];
  const isHere = path(next.getElementById(root.id)) === path(root);
  if (response.redirected && !isHere) { location.assign(response.url); return; }
  localTimes(next);
  // A page of its own: a refusal, or that one is signed out. Nothing of it is live.
  if (!isHere) {
    isAnswered = true;
    release();
    part("main").replaceChildren(...next.getElementById("main").childNodes);
    part("main").focus();
    return;
  }
  swapAll(next);
  // The answer doesn't know which well one looks at.
  if (root.dataset.page.includes("?")) read().then(swap, () => {});
  const said = [...document.querySelectorAll("[data-told]")].at(-1);
  if (!said) return;
  part("announce").textContent = said.textContent;
  said.scrollIntoView({ block: "nearest" });
  // What was pressed is gone with what it asked: who uses a keyboard goes on from the answer.
  if (document.activeElement === document.body) { said.tabIndex = -1; said.focus({ preventScroll: true }); }
}
