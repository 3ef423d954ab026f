"use strict";
// The filters: what a person can ask for besides words. They show what is wanted, and tell how many each would leave.

const filters = document.getElementById("filters");
const colourPicker = document.getElementById("colour-picker");
const colourCode = document.getElementById("colour-code");
const TITLES = { seasonal: "Season" };

/** A word with a capital. */
function capital(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** A model without its provider, and without the date of its release. */
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
    element("legend", {}, TITLES[name] ?? capital(name)),
    element("div", { className: "chips" }, group.map(({ label }) => label)),
  );
  document.getElementById("facets").append(fieldset);
  return group;
});
for (const model of PALETTES.models) {
  document.getElementById("model").append(element("option", { value: model }, shortName(model)));
}
if (PALETTES.models.length) {
  const cost = PALETTES.cost.reduce((sum, each) => sum + each, 0);
  const told = cost ? `, for ${dollars(cost)} in all` : "";
  document.getElementById("totals").textContent = `Described by ${many(PALETTES.models.length, "model")}${told}.`;
}
document.getElementById("model").closest(".group").hidden = !PALETTES.models.length;

/** What is asked for in the filters, the search field and the order. */
function readFilters() {
  const wanted = {
    words: document.getElementById("words").value,
    colour: hexCode(colourCode.value) ?? "",
    model: document.getElementById("model").value,
    sort: document.getElementById("sort").value,
  };
  GROUPS.forEach(({ name }, number) => {
    wanted[name] = boxes[number].filter(({ box }) => box.checked).map(({ box }) => box.value);
  });
  return wanted;
}

/** Let the filters, the search field and the order show what is wanted. */
function showFilters(wanted) {
  for (const id of ["words", "model", "sort"]) {
    const field = document.getElementById(id);
    // Setting the same value would move the cursor.
    if (field.value !== wanted[id]) field.value = wanted[id];
  }
  if ((hexCode(colourCode.value) ?? "") !== wanted.colour) colourCode.value = wanted.colour;
  if (wanted.colour) colourPicker.value = wanted.colour;
  document.getElementById("no-colour").hidden = !wanted.colour;
  document.getElementById("clear").hidden = addressOf({ ...wanted, sort: "" }) === "#";
  GROUPS.forEach(({ name }, number) => {
    for (const { box } of boxes[number]) box.checked = wanted[name].includes(box.value);
  });
}

/** Tell at each option how many palettes there would be. */
function showCounts(counts) {
  boxes.forEach((group, number) => group.forEach(({ box, count, label }, option) => {
    const palettes = counts[number][option];
    count.textContent = palettes.toLocaleString("en");
    label.classList.toggle("empty", !palettes && !box.checked);
    box.ariaLabel = `${box.value}, ${many(palettes, "palette")}`;
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
