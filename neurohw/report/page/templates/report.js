"use strict";
// Tables that can be sorted, filtered and saved; links that open what they lead to. No library, no network.
const FILTERED = 6; // rows, from which on a table gets its tools

const made = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

function saved(text, name, type) {
  const link = made("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function compared(one, other, sign) {
  const [a, b] = [one.dataset.v, other.dataset.v].map((v) => (v === undefined ? NaN : Number(v)));
  if (Number.isNaN(a) && Number.isNaN(b)) return sign * one.textContent.localeCompare(other.textContent, "en", { numeric: true });
  if (Number.isNaN(a)) return 1; // what has no number comes last
  return Number.isNaN(b) ? -1 : sign * (a - b);
}

function sorted(table, column, heading) {
  const next = { none: "ascending", ascending: "descending", descending: "none" }[heading.ariaSort || "none"];
  for (const other of table.tHead.rows[0].cells) other.ariaSort = "none";
  heading.ariaSort = next;
  const rows = [...table.tBodies[0].rows];
  const sign = next === "descending" ? -1 : 1;
  rows.sort((a, b) =>
    next === "none" ? a.dataset.place - b.dataset.place : compared(a.cells[column], b.cells[column], sign));
  table.classList.toggle("sorted", next !== "none");
  table.tBodies[0].append(...rows);
}

function filtered(table, words, shown) {
  const rows = [...table.tBodies[0].rows];
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  const left = rows.filter((row) => !row.hidden).length;
  shown.textContent = words.length ? `${left} of ${rows.length} rows` : "";
}

const formula = (text) => /^[=@+\-\t\r]/.test(text) && Number.isNaN(Number(text)); // to a spreadsheet
const quoted = (text) => `"${formula(text) ? "'" : ""}${text.replaceAll('"', '""')}"`;
const csv = (table) =>
  [...table.rows].filter((row) => !row.hidden)
    .map((row) => [...row.cells].map((cell) => quoted(cell.textContent)).join(",")).join("\n") + "\n";

function equip(table) {
  [...table.tBodies[0].rows].forEach((row, place) => { row.dataset.place = place; });
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = made("button", { type: "button", title: "Sort" }, ...heading.childNodes);
    button.addEventListener("click", () => sorted(table, column, heading));
    heading.append(button);
  });
  if (table.tBodies[0].rows.length < FILTERED) return;
  const shown = made("output", {});
  const input = made("input", { type: "search", placeholder: "Filter rows: all of these words", ariaLabel: "Filter rows" });
  input.addEventListener("input", () => filtered(table, input.value.toLowerCase().split(/\s+/).filter(Boolean), shown));
  const save = made("button", { type: "button", title: "Save the rows shown" }, "CSV");
  save.addEventListener("click", () => saved(csv(table), "table.csv", "text/csv"));
  table.parentElement.before(made("div", { className: "tools" }, input, save, shown));
}

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  target.scrollIntoView();
}

document.querySelectorAll("table:not(.runs)").forEach(equip);
addEventListener("hashchange", reveal);
if (location.hash) reveal();

// Weights: orange where positive, blue where negative, the paler the smaller; a byte a pixel, 128 is none.
for (const canvas of document.querySelectorAll("canvas[data-pixels]")) {
  const bytes = Uint8Array.from(atob(canvas.dataset.pixels), (letter) => letter.charCodeAt(0));
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  bytes.forEach((byte, i) => {
    if (byte) image.data.set([...(byte > 128 ? [213, 94, 0] : [0, 114, 178]), Math.min(255, 2 * Math.abs(byte - 128))], 4 * i);
  });
  context.putImageData(image, 0, 0);
}
