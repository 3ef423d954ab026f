"use strict";
// The address: `#palette_id` is the page of a palette, `#words=calm&harmony=triadic` a search. Whatever can be seen has
// an address, so the browser's own back, forward, bookmarks and new tabs do what people expect.

const NO_WISH = {
  words: "", colour: "", model: "", sort: "",
  temperature: [], contrast: [], brightness: [], saturation: [], harmony: [], seasonal: [],
};

/** What the address asks for: `{palette}`, `{unknown}` for a palette that is not here, or `{wanted}`. */
function readAddress(fragment = location.hash) {
  const text = fragment.replace(/^#/, "");
  if (PLACE_OF.has(text)) return { palette: PLACE_OF.get(text) };
  if (text && !text.includes("=")) return { unknown: text };
  const given = new URLSearchParams(text);
  const wanted = Object.fromEntries(
    Object.entries(NO_WISH).map(([name, none]) => [name, Array.isArray(none) ? given.getAll(name) : given.get(name) ?? none]),
  );
  wanted.colour = hexCode(wanted.colour) ?? "";
  if (!Object.hasOwn(ORDERS, wanted.sort)) wanted.sort = "";
  if (!PALETTES.models.includes(wanted.model)) wanted.model = "";
  for (const { name, options } of GROUPS) wanted[name] = wanted[name].filter((option) => options.includes(option));
  return { wanted };
}

/** The address of a search; `#` if it asks for nothing. */
function addressOf(wanted) {
  const given = new URLSearchParams();
  for (const name of Object.keys(NO_WISH)) {
    for (const value of [wanted[name] ?? []].flat()) if (value) given.append(name, value);
  }
  return `#${given}`;
}
