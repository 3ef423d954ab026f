"use strict";
// The page of a palette: its colours, its tags and the models behind them, its cost, and similar palettes.

const page = document.getElementById("palette");
const SIMILAR_PALETTES = 6;
const MEASURED_FIELDS = ["harmony", ...ATTRIBUTES];

const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });

/** Show a palette. `back` is the URL of the list; `previous` and `next` are its neighbours there, or undefined. */
function showPalette(palette, back, previous, next) {
  const details = detailsOf(palette);
  const hero = element("div", { className: "hero" });
  hero.style.backgroundImage = gradientOf(palette);
  page.replaceChildren(
    element(
      "nav",
      { className: "ways", ariaLabel: "Palettes" },
      element("a", { href: back, className: "back" }, "All palettes"),
      linkTo(previous, "Previous", "prev"),
      linkTo(next, "Next", "next"),
    ),
    hero,
    colourStrip(palette),
    element(
      "header",
      { className: "palette-head" },
      element(
        "div",
        {},
        element("h1", {}, titleOf(palette)),
        element("p", { className: "lead" }, leadText(palette)),
      ),
      element(
        "div",
        { className: "copies" },
        copyButton("seed", details.seed, { ariaLabel: "Copy the seed", data: { what: "Seed" } }),
        copyButton("CSS gradient", gradientOf(palette), {
          ariaLabel: "Copy the CSS gradient",
          data: { what: "CSS gradient" },
        }),
        copyButton("hex list", coloursOf(palette).join(", "), {
          ariaLabel: "Copy the list of hex codes",
          data: { what: "List of hex codes" },
        }),
      ),
    ),
    element(
      "div",
      { className: "palette-body" },
      element("section", { className: "tags", aria: { labelledby: "tags-title" } }, tagsSection(palette, details)),
      element("div", { className: "facts" }, factsOf(palette, details)),
    ),
    element(
      "section",
      { className: "near", aria: { labelledby: "near-title" } },
      element("h2", { id: "near-title" }, "Similar colours"),
      element("ul", { className: "near-cards" }, nearestTo(palette, SIMILAR_PALETTES).map((other) => element("li", {}, card(other)))),
    ),
  );
}

/** Show that there is no palette with this id. */
function showUnknown(address, back) {
  page.replaceChildren(
    element("nav", { className: "ways", ariaLabel: "Palettes" }, element("a", { href: back, className: "back" }, "All palettes")),
    element("h1", {}, "Palette not found"),
    element("p", { className: "lead" }, `This gallery has no palette ${address}.`),
  );
}

function linkTo(palette, label, rel) {
  if (palette === undefined) return null;
  return element(
    "a",
    { href: `#${PALETTES.id[palette]}`, className: `way ${rel}`, rel, ariaLabel: `${label}: ${titleOf(palette)}` },
    label,
  );
}

function colourStrip(palette) {
  const strip = coloursOf(palette).map((colour) => {
    const swatch = element("span", { className: "strip-colour" });
    swatch.style.backgroundColor = colour;
    const button = copyButton("", colour, { className: "strip-copy", ariaLabel: `Copy ${colour}`, data: { what: colour } });
    button.append(swatch, element("span", { className: "strip-code" }, colour));
    return element("li", {}, button);
  });
  return element("ul", { className: "strip", ariaLabel: "The eleven colours" }, strip);
}

function leadText(palette) {
  const names = PALETTES.colour_names[palette].map((word) => WORDS[word]).join(", ");
  // Without a name, the colours are already the title.
  return PALETTES.name[palette] ? capitalize(names) : PALETTES.id[palette];
}

// Tags

function tagsSection(palette, details) {
  const title = element("h2", { id: "tags-title" }, "Tags by model");
  const sections = sectionsOf(palette, details);
  if (!sections.length) return [title, element("p", { className: "help" }, "No model has tagged this palette yet.")];
  const answering = new Set([...details.votes.values()].flat().flatMap(({ models }) => models));
  const leftOut = sections.flatMap(({ rows }) => rows).filter((row) => row.leftOut).length;
  const table = element(
    "table",
    { className: "votes" },
    element("caption", { className: "visually-hidden" }, "Tags, the models that gave them, and their share of the votes"),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "col" }, element("span", { className: "visually-hidden" }, "Tag")),
        PALETTES.models.map((model, number) => modelHead(model, PALETTES.places[number], answering.has(number))),
        element("th", { scope: "col", className: "share" }, "Share"),
      ),
    ),
    sections.map((section) => sectionBody(section, details)),
  );
  const summary = `${pluralize(details.answers, "answer")} from ${pluralize(answering.size, "model")}. Each model has one vote per tag; the share is the percentage of the votes.`;
  return [
    title,
    element("p", { className: "help" }, summary),
    leftOut ? leftOutSwitch(table, leftOut) : null,
    // A table wider than the screen scrolls by itself, and with the keyboard too.
    element("div", { className: "votes-frame", tabIndex: 0, role: "region", ariaLabel: "Votes by model" }, table),
  ];
}

/** One section per field: kept tags, then those left out. Measured fields have all values that models gave. */
function sectionsOf(palette, { votes }) {
  const tags = TAG_FIELDS.map((field) => {
    const kept = tagsOf(palette, field);
    const names = new Set(kept.map(({ tag }) => tag));
    const others = votes.get(field).filter(({ tag }) => !names.has(tag)).map((entry) => ({ ...entry, leftOut: true }));
    return { title: TITLES[field] ?? capitalize(field), rows: [...kept, ...others] };
  });
  const measured = MEASURED_FIELDS.map((field) => {
    const values = [PALETTES[field][palette]].flat().map((word) => WORDS[word]);
    const rows = votes.get(field).map((entry) => ({ ...entry, measured: values.includes(entry.tag) }));
    return { title: capitalize(field), rows };
  });
  return [...tags, ...measured].filter(({ rows }) => rows.length);
}

function modelHead(model, place, answers) {
  const title = place ? `${model}, in the place of ${place}` : model;
  const name = element("span", { title: answers ? title : `${title}: no usable answer` }, shortName(model));
  return element("th", { scope: "col", className: answers ? "model" : "model silent" }, name);
}

function sectionBody({ title, rows }, { refiningModel }) {
  const columns = PALETTES.models.length + 2;
  const head = element("tr", {}, element("th", { scope: "rowgroup", colSpan: columns, className: "field" }, title));
  // A section without kept tags is shown and hidden together with its rows.
  head.hidden = rows.every((row) => row.leftOut);
  if (head.hidden) head.className = "left-out";
  return element("tbody", {}, head, rows.map((row) => voteRow(row, refiningModel)));
}

function voteRow({ tag, share, models, leftOut, measured }, refiningModel) {
  const row = element("tr", { className: leftOut ? "left-out" : "", hidden: Boolean(leftOut) });
  const name = element("a", { href: addressOf({ words: tag }) }, tag);
  row.append(element("th", { scope: "row" }, name, measured ? element("span", { className: "mark" }, "measured") : ""));
  if (!models.length) {
    const own = refiningModel ? `added by ${shortName(refiningModel)}` : "";
    row.append(element("td", { colSpan: PALETTES.models.length + 1, className: "own" }, own));
    return row;
  }
  for (const [number, model] of PALETTES.models.entries()) {
    const voted = models.includes(number);
    row.append(
      element("td", { title: shortName(model), className: voted ? "yes" : "no" }, element("span", { className: "visually-hidden" }, voted ? "yes" : "no")),
    );
  }
  const bar = element("span", { className: "bar-fill" });
  bar.style.inlineSize = `${share}%`;
  row.append(element("td", { className: "share" }, element("span", { className: "bar-frame" }, bar), element("span", { className: "percent" }, `${share}%`)));
  return row;
}

function leftOutSwitch(table, count) {
  const box = element("input", { type: "checkbox", id: "show-left-out" });
  box.addEventListener("change", () => {
    for (const row of table.querySelectorAll(".left-out")) row.hidden = !box.checked;
  });
  return element("label", { className: "switch-line" }, box, `Show ${pluralize(count, "tag")} that ${count === 1 ? "was" : "were"} left out`);
}

// Facts

function factsOf(palette, details) {
  const [tagging, refinement, embedding] = details.costs;
  const total = tagging + refinement + embedding;
  const shares = [["tagging", tagging], ["refinement", refinement], ["embedding", embedding]];
  const costs = shares.filter(([, cost]) => cost).map(([name, cost]) => `${name} ${dollars(cost)}`);
  return [
    factList("Measured", [
      ...ATTRIBUTES.map((attribute) => {
        const value = WORDS[PALETTES[attribute][palette]];
        return [capitalize(attribute), value, VOCABULARY.definitions[attribute][value]];
      }),
      ["Harmony", PALETTES.harmony[palette].map((word) => WORDS[word]).join(", ") || "none"],
    ]),
    element("h2", {}, "Embed text"),
    details.embedText
      ? [
          element("p", { className: "embed-text" }, details.embedText),
          copyButton("Copy", details.embedText, { ariaLabel: "Copy the embed text", data: { what: "Embed text" } }),
        ]
      : element("p", { className: "help" }, "None yet."),
    factList("Cost", [
      ["Total", total ? dollars(total) : "none so far"],
      ...(costs.length > 1 ? costs.map((cost) => cost.split(" ")).map(([name, cost]) => [capitalize(name), cost]) : []),
    ]),
    factList("Origin", [
      ["Seed", element("code", {}, details.seed)],
      ["ID", element("code", {}, PALETTES.id[palette])],
      ["Source", details.source],
      ["Imported", day.format(details.createdAt)],
      ["Tags", sourceOfTags(palette, details)],
      ...basisOf(details),
    ]),
  ];
}

function sourceOfTags(palette, { refiningModel }) {
  const sources = {
    refined: `refined by ${shortName(refiningModel ?? "")}`,
    consensus: "by consensus",
    measured: "none yet",
  };
  return sources[PALETTES.text_source[palette]];
}

/** What the refinement stood on; nothing if that is unknown. */
function basisOf({ refinedModels, refinedAnswers }) {
  if (refinedModels === null) return [];
  return [["Refined from", `${pluralize(refinedModels, "model")}, ${pluralize(refinedAnswers, "answer")}`]];
}

function factList(title, facts) {
  return [
    element("h2", {}, title),
    element(
      "dl",
      { className: "fact-list" },
      facts.map(([name, value, why]) =>
        element("div", {}, element("dt", {}, name), element("dd", why ? { title: why } : {}, value)),
      ),
    ),
  ];
}
