// The sheet of a new experiment, made quick: live colours and totals, sliders, keys, paste, blends.
// The server renders the same sheet and checks everything; nothing here is trusted.

import { optics, predict } from "./optics.js";

const MOST_WELLS = 96;
const form = document.getElementById("new");
const grid = document.getElementById("grid");
const part = name => document.getElementById(name);
const rows = () => [...grid.querySelectorAll(".grid-row")];
const inputs = row => [...row.querySelectorAll("input")];
const amount = input => Number(input.value.replace(",", ".")) || 0;
const amounts = row => inputs(row).map(amount);
const sum = list => list.reduce((total, value) => total + value, 0);
const plain = value => String(Math.round(value * 10) / 10);
let selected = rows()[0];

function paint(row) {
  const list = amounts(row), total = sum(list);
  row.querySelector("circle").setAttribute("fill", predict(list));
  row.querySelector(".total").textContent = total ? plain(total) : "–";
  row.classList.toggle("unused", total === 0);
  row.classList.toggle("over", total > optics.capacity_ul);
}

function objection(list) {
  const total = sum(list);
  if (total > optics.capacity_ul) return `${plain(total - optics.capacity_ul)} µL too much for a well`;
  const small = optics.dyes.find((_, index) => list[index] > 0 && list[index] < optics.least_ul);
  if (small) return `${small.name}: use 0 or at least ${optics.least_ul} µL`;
  return total ? `${plain(total)} of ${optics.capacity_ul} µL` : "empty: not used";
}

function showMixer() {
  const list = amounts(selected), hex = predict(list);
  part("mixer-title").textContent = `Well ${rows().indexOf(selected) + 1}`;
  part("mixer-hex").textContent = sum(list) ? hex : "—";
  part("mixer-swatch").querySelector("rect").setAttribute("fill", hex);
  part("mixer-note").textContent = objection(list);
  let from = 0;
  part("mixer-tube").querySelectorAll("rect").forEach((bar, index) => {
    bar.setAttribute("x", from);
    bar.setAttribute("width", list[index]);
    from += list[index];
  });
  part("mixer").querySelectorAll("input[type=range]").forEach((slider, index) => {
    if (slider !== document.activeElement || Number(slider.value) !== list[index]) slider.value = list[index];
    slider.nextElementSibling.textContent = `${plain(list[index])} µL`;
  });
}

function count() {
  const used = rows().filter(row => sum(amounts(row)) > 0).length;
  part("cost").textContent = used;
  part("cost-word").textContent = used === 1 ? "well" : "wells";
  form.elements.rows.value = rows().length;
}

function select(row) {
  rows().forEach(other => other.classList.toggle("selected", other === row));
  selected = row;
  showMixer();
}

function changed(row) {
  row.querySelector(".error")?.remove();
  inputs(row).forEach(input => input.removeAttribute("aria-invalid"));
  paint(row);
  if (row === selected) showMixer();
  count();
}

// Names, labels and numbers follow a row's place.
function renumber() {
  rows().forEach((row, index) => {
    row.dataset.row = index;
    row.querySelector(".index").textContent = index + 1;
    inputs(row).forEach((input, dye) => {
      const { name } = optics.dyes[dye];
      input.name = `well-${index}-${name}`;
      input.setAttribute("aria-label", `Well ${index + 1}, ${name}, µL`);
    });
  });
  for (const [menu, usual] of [[part("blend-from"), 0], [part("blend-to"), 7]]) {
    const kept = menu.options.length ? menu.selectedIndex : usual;
    menu.replaceChildren(...rows().map((_, index) => new Option(index + 1)));
    menu.selectedIndex = Math.min(kept, menu.options.length - 1);
  }
}

function write(row, list) {
  inputs(row).forEach((input, index) => { input.value = list[index] ? plain(list[index]) : ""; });
  changed(row);
}

function addRow(after, list) {
  if (rows().length >= MOST_WELLS) { part("mixer-note").textContent = `A plate has ${MOST_WELLS} wells.`; return null; }
  const row = after.cloneNode(true);
  row.classList.remove("selected");
  after.after(row);
  renumber();
  write(row, list);
  return row;
}

const none = () => optics.dyes.map(() => 0);
const ensure = index => { while (rows().length <= index && addRow(rows().at(-1), none())); return rows()[index]; };

grid.addEventListener("input", event => changed(event.target.closest(".grid-row")));
grid.addEventListener("focusin", event => { const row = event.target.closest(".grid-row"); if (row && row !== selected) select(row); });
grid.addEventListener("click", event => { const row = event.target.closest(".grid-row"); if (row && row !== selected) select(row); });

// Up, down and Enter walk a column, as in a spreadsheet.
grid.addEventListener("keydown", event => {
  const step = { ArrowUp: -1, ArrowDown: 1, Enter: 1 }[event.key];
  const row = event.target.closest(".grid-row");
  if (!step || !row || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const column = inputs(row).indexOf(event.target), index = rows().indexOf(row) + step;
  const next = index >= 0 && (event.key === "Enter" ? ensure(index) : rows()[index]);
  if (next) { inputs(next)[column].focus(); inputs(next)[column].select(); }
});

// A block copied from a spreadsheet fills the cells from here on; its heading, if it has one, says which column is what.

const isNumber = cell => cell === "" || Number.isFinite(Number(cell.replace(",", ".")));

/** The cells of a block and the dye of each of its columns, or what isn't understood of it. */
function understood(text, from) {
  const lines = text.trim().split(/\r?\n/).map(line => line.split(text.includes("\t") ? "\t" : ";").map(cell => cell.trim()));
  const known = optics.dyes.map(dye => dye.name);
  const isHeading = lines[0].some(cell => cell) && lines[0].every(cell => cell === "" || !isNumber(cell));
  const names = isHeading ? lines.shift() : [];
  const columns = isHeading ? names.map(name => known.indexOf(name.toLowerCase().split(/[\s([_/]/)[0])) : known.map((_, dye) => dye).slice(from);
  const isFilled = column => lines.some(line => line[column]);
  const strange = names.filter((_, column) => columns[column] < 0 && isFilled(column)).map(name => name || "a column without a name");
  if (strange.length) return { problem: `“${strange.join("”, “")}”: no dye here. This lab has ${known.join(", ")}. Nothing was pasted.` };
  if (lines.some(line => line.slice(columns.length).some(cell => cell))) return { problem: `There are more columns than the ${columns.length} to fill from here on. Nothing was pasted.` };
  const odd = lines.flat().find(cell => !isNumber(cell));
  if (odd !== undefined) return { problem: `“${odd}” is no number. Nothing was pasted.` };
  return { lines, columns };
}

grid.addEventListener("paste", event => {
  const text = event.clipboardData?.getData("text") ?? "";
  if (!/[\t\n;]/.test(text.trim())) return;
  event.preventDefault();
  const first = event.target.closest(".grid-row");
  const { lines, columns, problem } = understood(text, inputs(first).indexOf(event.target));
  if (problem) { part("mixer-note").textContent = problem; return; }
  lines.slice(0, MOST_WELLS).forEach((line, offset) => {
    const row = ensure(rows().indexOf(first) + offset);
    if (!row) return;
    line.forEach((cell, index) => { if (columns[index] >= 0) inputs(row)[columns[index]].value = cell.replace(",", "."); });
    changed(row);
  });
});

part("mixer").addEventListener("input", event => {
  const dye = event.target.dataset.dye;
  if (dye === undefined) return;
  const list = amounts(selected);
  // Between nothing and the least a pipette measures there is nothing to choose.
  const wanted = Number(event.target.value);
  list[dye] = wanted < optics.least_ul / 2 ? 0 : Math.max(wanted, optics.least_ul);
  write(selected, list);
});

part("duplicate").addEventListener("click", () => { const row = addRow(selected, amounts(selected)); if (row) select(row); });
part("remove").addEventListener("click", () => {
  const list = rows(), index = list.indexOf(selected);
  if (list.length === 1) { write(selected, none()); return; }
  selected.remove();
  renumber();
  count();
  select(rows()[Math.min(index, rows().length - 1)]);
});

part("blend").addEventListener("click", () => {
  const [first, last] = [part("blend-from").selectedIndex, part("blend-to").selectedIndex].sort((a, b) => a - b);
  const from = amounts(rows()[first]), to = amounts(rows()[last]), steps = last - first;
  // An amount no pipette measures goes to the nearer end of the gap.
  const measurable = value => value >= optics.least_ul ? Math.round(value) : value < optics.least_ul / 2 ? 0 : optics.least_ul;
  for (let step = 1; step < steps; step++) write(rows()[first + step], from.map((start, dye) => measurable(start + (to[dye] - start) * step / steps)));
  part("mixer-note").textContent = steps > 1 ? `Wells ${first + 2} to ${last} are filled` : "Choose two wells with others between them";
});

part("more").addEventListener("click", event => {
  event.preventDefault();
  const from = rows().length;
  for (let added = 0; added < 8 && addRow(rows().at(-1), none()); added++);
  if (rows()[from]) inputs(rows()[from])[0].focus();
});

form.addEventListener("submit", event => { if (event.submitter?.value === "submit") setTimeout(() => { part("submit").disabled = true; }); });
addEventListener("pageshow", () => { part("submit").disabled = false; rows().forEach(paint); count(); showMixer(); });

renumber();
count();
select(selected);
