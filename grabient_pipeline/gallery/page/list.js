"use strict";
// The list: only the cards that are on the screen, and some above and below, are in the document, however many palettes
// there are.

const ROWS_BEYOND = 2;
const cards = document.getElementById("cards");

const list = { found: [], model: "", columns: 1, rowHeight: 300, shown: new Map() };

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

/** Show these palettes from the top. */
function showList(found, model) {
  Object.assign(list, { found, model });
  for (const item of list.shown.values()) item.remove();
  list.shown.clear();
  measureList();
  drawList();
}

function measureList() {
  const style = getComputedStyle(cards);
  const gap = parseFloat(style.rowGap), least = parseFloat(style.getPropertyValue("--card-width"));
  list.columns = Math.max(1, Math.floor((cards.clientWidth + gap) / (least + gap)));
  cards.style.setProperty("--columns", list.columns);
  const sample = list.shown.values().next().value ?? (list.found.length ? place(0) : null);
  if (sample) list.rowHeight = sample.offsetHeight + gap;
  cards.style.setProperty("--row-height", `${list.rowHeight}px`);
  const rows = Math.ceil(list.found.length / list.columns);
  cards.style.blockSize = `${Math.max(0, rows * list.rowHeight - gap)}px`;
}

/** Bring the cards in the document up to what can be seen. */
function drawList() {
  if (!cards.clientWidth) return;
  const top = -cards.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / list.rowHeight) - ROWS_BEYOND) * list.columns;
  const last = (Math.ceil((top + innerHeight) / list.rowHeight) + ROWS_BEYOND) * list.columns;
  const wanted = list.found.slice(first, Math.max(first, last)).map((_, index) => first + index);
  for (const [position, item] of list.shown) {
    if (position >= first && position < last) continue;
    // Where the keyboard is stays, wherever the wheel has gone.
    if (item.contains(document.activeElement)) continue;
    item.remove();
    list.shown.delete(position);
  }
  for (const position of wanted) place(position);
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

let drawing = 0;
for (const change of ["scroll", "resize"]) {
  addEventListener(change, () => {
    cancelAnimationFrame(drawing);
    drawing = requestAnimationFrame(drawList);
  }, { passive: true });
}

new ResizeObserver(() => {
  if (!cards.clientWidth) return;
  const before = list.columns;
  measureList();
  if (list.columns !== before) {
    for (const item of list.shown.values()) item.remove();
    list.shown.clear();
  }
  drawList();
}).observe(cards);
