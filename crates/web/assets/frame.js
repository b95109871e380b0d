// On every page: times by the person's own clock, and questions as dialogs.

const FULL = { day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };

/** The server says UTC. */
export function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-as]")) {
    const at = new Date(time.dateTime);
    time.title = at.toLocaleString("en-GB", FULL);
    if (time.dataset.as === "clock") time.textContent = at.toLocaleTimeString("en-GB");
    if (time.dataset.as === "date") time.textContent = at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
    time.removeAttribute("data-as");
    time.dataset.local = "";
  }
}
localTimes(document);

// Without a script a question is a popover; with one it is modal, so that the page behind it stays out of reach.
document.addEventListener("click", event => {
  const button = event.target.closest("[popovertarget]");
  const dialog = button && document.getElementById(button.getAttribute("popovertarget"));
  if (!dialog) return;
  event.preventDefault();
  if (button.popoverTargetAction === "hide") dialog.close(); else dialog.showModal();
});

// Its button may have been drawn anew meanwhile.
document.addEventListener("close", event => {
  if (document.activeElement === document.body) document.querySelector(`main [popovertarget="${event.target.id}"]`)?.focus();
}, true);
