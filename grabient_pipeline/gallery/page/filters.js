"use strict";
// The filter form: it shows the current criteria, and how many palettes each option would match.

const filters = document.getElementById("filters");
const colourPicker = document.getElementById("colour-picker");
const colourCode = document.getElementById("colour-code");
const TITLES = { seasonal: "Season" };

/** Capitalize a word. */
function capitalize(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** The name of a model without its provider and its release date. */
function shortName(model) {
  return model.split("/").at(-1).replace(/-\d{8}$/, "");
}

const boxes = GROUPS.map(({ name, options, used }) => {
  const group = options.map((option, number) => {
    const box = element("input", { type: "checkbox", name, value: option });
    const count = element("span", { className: "count", ariaHidden: "true" });
    const label = element("label", { className: "chip", hidden: !used.has(number) }, box, option, count);
    return { box, count, label };
  });
  const fieldset = element(
    "fieldset",
    { hidden: !used.size },
    element("legend", {}, TITLES[name] ?? capitalize(name)),
    element("div", { className: "chips" }, group.map(({ label }) => label)),
  );
  document.getElementById("facets").append(fieldset);
  return group;
});
for (const [number, model] of PALETTES.models.entries()) {
  const place = PALETTES.places[number];
  const label = place ? `${shortName(model)} (for ${shortName(place)})` : shortName(model);
  document.getElementById("model").append(element("option", { value: model }, label));
}
if (PALETTES.models.length) {
  const cost = PALETTES.cost.reduce((sum, each) => sum + each, 0);
  const total = cost ? ` for ${dollars(cost)} in total` : "";
  document.getElementById("totals").textContent = `Tagged by ${pluralize(PALETTES.models.length, "model")}${total}.`;
}
document.getElementById("model").closest(".group").hidden = !PALETTES.models.length;

/** Read the criteria from the filters, the search field and the sort order. */
function readFilters() {
  const criteria = {
    words: document.getElementById("words").value,
    colour: hexCode(colourCode.value) ?? "",
    model: document.getElementById("model").value,
    sort: document.getElementById("sort").value,
  };
  GROUPS.forEach(({ name }, number) => {
    criteria[name] = boxes[number].filter(({ box }) => box.checked).map(({ box }) => box.value);
  });
  return criteria;
}

/** Set the filters, the search field and the sort order to the criteria. */
function showFilters(criteria) {
  for (const id of ["words", "model", "sort"]) {
    const field = document.getElementById(id);
    // Setting even the same value would move the cursor.
    if (field.value !== criteria[id]) field.value = criteria[id];
  }
  if ((hexCode(colourCode.value) ?? "") !== criteria.colour) colourCode.value = criteria.colour;
  if (criteria.colour) colourPicker.value = criteria.colour;
  document.getElementById("no-colour").hidden = !criteria.colour;
  document.getElementById("clear").hidden = addressOf({ ...criteria, sort: "" }) === "#";
  GROUPS.forEach(({ name }, number) => {
    for (const { box } of boxes[number]) box.checked = criteria[name].includes(box.value);
  });
}

/** Show at each option how many palettes it would match. */
function showCounts(counts) {
  boxes.forEach((group, number) => group.forEach(({ box, count, label }, option) => {
    const palettes = counts[number][option];
    count.textContent = palettes.toLocaleString("en");
    label.classList.toggle("empty", !palettes && !box.checked);
    box.ariaLabel = `${box.value}, ${pluralize(palettes, "palette")}`;
  }));
}

colourPicker.addEventListener("input", () => {
  colourCode.value = colourPicker.value;
});
document.getElementById("no-colour").addEventListener("click", () => {
  colourCode.value = "";
  colourCode.focus();
  filters.dispatchEvent(new Event("input"));
});
