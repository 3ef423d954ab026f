"use strict";
// The URL fragment: `#palette_id` is the page of a palette, `#words=calm&harmony=triadic` a search. Every view has a
// URL, so that back, forward, bookmarks and new tabs work as expected.

const NO_CRITERIA = {
  words: "", colour: "", model: "", sort: "",
  temperature: [], contrast: [], brightness: [], saturation: [], harmony: [], seasonal: [],
};

/** Parse the fragment into `{palette}`, `{unknown}` (an id that is not in the gallery), or `{criteria}`. */
function readAddress(fragment = location.hash) {
  const text = fragment.replace(/^#/, "");
  if (PLACE_OF.has(text)) return { palette: PLACE_OF.get(text) };
  if (text && !text.includes("=")) return { unknown: text };
  const given = new URLSearchParams(text);
  const criteria = Object.fromEntries(
    Object.entries(NO_CRITERIA).map(([name, empty]) => [name, Array.isArray(empty) ? given.getAll(name) : given.get(name) ?? empty]),
  );
  criteria.colour = hexCode(criteria.colour) ?? "";
  if (!Object.hasOwn(ORDERS, criteria.sort)) criteria.sort = "";
  if (!PALETTES.models.includes(criteria.model)) criteria.model = "";
  for (const { name, options } of GROUPS) criteria[name] = criteria[name].filter((option) => options.includes(option));
  return { criteria };
}

/** The fragment of a search; `#` without criteria. */
function addressOf(criteria) {
  const given = new URLSearchParams();
  for (const name of Object.keys(NO_CRITERIA)) {
    for (const value of [criteria[name] ?? []].flat()) if (value) given.append(name, value);
  }
  return `#${given}`;
}
