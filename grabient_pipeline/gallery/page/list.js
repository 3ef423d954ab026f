"use strict";
// The list of palettes. It is virtualized: only the cards on the screen and a few rows around it are in the document.

const ROWS_BEYOND = 2;
const cards = document.getElementById("cards");

// `width` is the width of the list when the row height was measured; it is measured again when the width changes.
const list = { found: [], model: "", width: 0, columns: 1, gap: 0, rowHeight: 0, shown: new Map() };

// The fields on a card and how many tags of each: one field alone would be the same for many palettes.
const CARD_TAGS = [["mood", 2], ["associations", 3], ["style", 2]];

/** A card with the gradient, the name and some tags; only tags of `model` if it is given. */
function card(palette, model = "") {
  const number = PALETTES.models.indexOf(model);
  const shownTags = CARD_TAGS.flatMap(([field, limit]) => {
    const tags = tagsOf(palette, field).filter(({ models }) => !model || models.includes(number));
    return tags.slice(0, limit).map(({ tag }) => tag);
  });
  const swatch = element("span", { className: "swatch" });
  swatch.style.backgroundImage = gradientOf(palette);
  return element(
    "a",
    { className: "card", href: `#${PALETTES.id[palette]}` },
    swatch,
    element("span", { className: "card-name" }, titleOf(palette)),
    element("span", { className: "card-tags" }, shownTags.join(", ") || "not tagged yet"),
  );
}

/** Show these palettes: first the visible rows, and after the next paint those above and below. */
function showList(found, model) {
  Object.assign(list, { found, model });
  if (!cards.clientWidth) return;
  measureList();
  // Read the layout before writing to the document: a forced layout takes as long as everything else.
  const rows = visibleRows();
  for (const item of list.shown.values()) item.remove();
  list.shown.clear();
  stretchList();
  placeRows(rows);
  drawSoon();
}

function measureList() {
  if (list.width === cards.clientWidth || !list.found.length) return;
  const style = getComputedStyle(cards);
  const gap = parseFloat(style.rowGap), least = parseFloat(style.getPropertyValue("--card-width"));
  const columns = Math.max(1, Math.floor((cards.clientWidth + gap) / (least + gap)));
  Object.assign(list, { width: cards.clientWidth, columns, gap });
  cards.style.setProperty("--columns", columns);
  // All positions have changed.
  for (const item of list.shown.values()) item.remove();
  list.shown.clear();
  list.rowHeight = place(0).offsetHeight + gap;
  cards.style.setProperty("--row-height", `${list.rowHeight}px`);
}

function stretchList() {
  const rows = Math.ceil(list.found.length / list.columns);
  cards.style.blockSize = `${Math.max(0, rows * list.rowHeight - list.gap)}px`;
}

/** The first visible row, and the one after the last. */
function visibleRows() {
  const top = -cards.getBoundingClientRect().top;
  return [Math.floor(top / list.rowHeight), Math.ceil((top + innerHeight) / list.rowHeight)];
}

function placeRows([from, until]) {
  const last = Math.min(list.found.length, until * list.columns);
  for (let position = Math.max(0, from * list.columns); position < last; position++) place(position);
}

/** Add and remove cards for the current scroll position. */
function drawList() {
  if (!cards.clientWidth || !list.found.length) return;
  const [first, last] = visibleRows();
  const from = first - ROWS_BEYOND, until = last + ROWS_BEYOND;
  for (const [position, item] of list.shown) {
    if (position >= from * list.columns && position < until * list.columns) continue;
    // Keep the focused card, even if it is scrolled out of view.
    if (item.contains(document.activeElement)) continue;
    item.remove();
    list.shown.delete(position);
  }
  placeRows([from, until]);
}

let drawing = 0;

function drawSoon() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => setTimeout(drawList));
}

function place(position) {
  if (list.shown.has(position)) return list.shown.get(position);
  const item = element(
    "li",
    { data: { position }, aria: { setsize: list.found.length, posinset: position + 1 } },
    card(list.found[position], list.model),
  );
  item.style.setProperty("--row", Math.floor(position / list.columns));
  item.style.setProperty("--column", position % list.columns);
  // Keep document order equal to list order: the Tab key follows it.
  let next = null;
  for (const [other, element] of list.shown) {
    if (other > position && (next === null || other < +next.dataset.position)) next = element;
  }
  cards.insertBefore(item, next);
  list.shown.set(position, item);
  return item;
}

/** Focus the card at a position, and scroll to it. */
function focusCard(position) {
  if (position < 0 || position >= list.found.length) return;
  const item = place(position);
  item.firstChild.focus({ preventScroll: true });
  item.scrollIntoView({ block: "nearest" });
  drawList();
}

function stepOf(key) {
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: list.columns, ArrowUp: -list.columns };
  return steps[key];
}

cards.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const position = +event.target.closest("li").dataset.position;
  const step = stepOf(event.key);
  if (step !== undefined) focusCard(position + step);
  else if (event.key === "Home") focusCard(0);
  else if (event.key === "End") focusCard(list.found.length - 1);
  else return;
  event.preventDefault();
});

addEventListener("resize", drawSoon);
addEventListener("scroll", () => {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(drawList);
}, { passive: true });

new ResizeObserver(() => {
  // The height changes with every search, which redraws anyway: only the width matters here.
  if (!cards.clientWidth || cards.clientWidth === list.width) return;
  measureList();
  stretchList();
  drawList();
}).observe(cards);
