"use strict";
// The list: only the cards that are on the screen, and some above and below, are in the document, however many palettes
// there are.

const ROWS_BEYOND = 2;
const cards = document.getElementById("cards");

// `width`: that of the list when its rows were measured; they are as high as long as it stays.
const list = { found: [], model: "", width: 0, columns: 1, gap: 0, rowHeight: 0, shown: new Map() };

// A card tells a little of everything: one mood alone is the same for many.
const ON_A_CARD = [["mood", 2], ["associations", 3], ["style", 2]];

/** A card: the gradient, the name, some tags, those of a model if one is named. */
function card(palette, model = "") {
  const number = PALETTES.models.indexOf(model);
  const said = ON_A_CARD.flatMap(([field, most]) => {
    const tags = tagsOf(palette, field).filter(({ models }) => !model || models.includes(number));
    return tags.slice(0, most).map(({ tag }) => tag);
  });
  const swatch = element("span", { className: "swatch" });
  swatch.style.backgroundImage = gradientOf(palette);
  return element(
    "a",
    { className: "card", href: `#${PALETTES.id[palette]}` },
    swatch,
    element("span", { className: "card-name" }, titleOf(palette)),
    element("span", { className: "card-tags" }, said.join(", ") || "not described yet"),
  );
}

/** Show these palettes. What can be seen comes first, and what is above and below it when that has been painted. */
function showList(found, model) {
  Object.assign(list, { found, model });
  if (!cards.clientWidth) return;
  measureList();
  // Read before anything is written: a layout in between would cost as much as the whole answer.
  const rows = rowsInSight();
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
  // They stand elsewhere now.
  for (const item of list.shown.values()) item.remove();
  list.shown.clear();
  list.rowHeight = place(0).offsetHeight + gap;
  cards.style.setProperty("--row-height", `${list.rowHeight}px`);
}

function stretchList() {
  const rows = Math.ceil(list.found.length / list.columns);
  cards.style.blockSize = `${Math.max(0, rows * list.rowHeight - list.gap)}px`;
}

/** The first row that can be seen, and the one after the last. */
function rowsInSight() {
  const top = -cards.getBoundingClientRect().top;
  return [Math.floor(top / list.rowHeight), Math.ceil((top + innerHeight) / list.rowHeight)];
}

function placeRows([from, until]) {
  const last = Math.min(list.found.length, until * list.columns);
  for (let position = Math.max(0, from * list.columns); position < last; position++) place(position);
}

/** Bring the cards in the document up to what can be seen. */
function drawList() {
  if (!cards.clientWidth || !list.found.length) return;
  const [first, last] = rowsInSight();
  const from = first - ROWS_BEYOND, until = last + ROWS_BEYOND;
  for (const [position, item] of list.shown) {
    if (position >= from * list.columns && position < until * list.columns) continue;
    // Where the keyboard is stays, wherever the wheel has gone.
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
  // In the document they stand in the order of the list, since the Tab key goes by that.
  let next = null;
  for (const [other, element] of list.shown) {
    if (other > position && (next === null || other < +next.dataset.position)) next = element;
  }
  cards.insertBefore(item, next);
  list.shown.set(position, item);
  return item;
}

/** Move the keyboard to the card at a position, and the screen with it. */
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
  // Its height changes with every search, and that is seen to there.
  if (!cards.clientWidth || cards.clientWidth === list.width) return;
  measureList();
  stretchList();
  drawList();
}).observe(cards);
