"use strict";
// Finding palettes: words, colour, filters, order. All of it is worked out anew at every keystroke.

const MEASURED = -1;
// How well a word of the query fits a word of a palette.
const WHOLE_TAG = 1, WHOLE_WORD = 0.7, BEGINNING = 0.4;

/** Text as it is compared: lower case, no accents, words apart by one space, a space round it. */
function plain(text) {
  const bare = text.normalize("NFD").replace(/\p{M}+/gu, "").toLowerCase();
  return ` ${bare.replace(/[^\p{L}\p{N}]+/gu, " ").trim()} `;
}

let knownIndex = null;

/**
 * Every word that a palette is found by, in flat columns: those of palette p stand from starts[p] to starts[p + 1].
 * Made when it is first asked for, since the first picture needs none of it.
 */
function wordIndex() {
  knownIndex ??= makeWordIndex();
  return knownIndex;
}

function makeWordIndex() {
  const spelt = WORDS.map(plain);
  const phrases = new Map();
  // "high" alone would not say of what.
  const phrase = (attribute, value) => {
    const key = `${WORDS[value]} ${attribute}`;
    if (!phrases.has(key)) phrases.set(key, spelt.push(plain(key)) - 1);
    return phrases.get(key);
  };
  const starts = new Uint32Array(COUNT + 1);
  for (let palette = 0; palette < COUNT; palette++) {
    let size = ATTRIBUTES.length + PALETTES.harmony[palette].length + PALETTES.colour_names[palette].length;
    for (const field of TAG_FIELDS) size += PALETTES[field][palette].length / 3;
    starts[palette + 1] = starts[palette] + size;
  }
  const word = new Uint32Array(starts[COUNT]);
  const weight = new Float32Array(starts[COUNT]);
  const saidBy = new Int32Array(starts[COUNT]);
  let entry = 0;
  const add = (number, share, models) => {
    word[entry] = number;
    // What only some say is found as well, behind what all say.
    weight[entry] = 0.4 + 0.006 * share;
    saidBy[entry] = models;
    entry += 1;
  };
  for (let palette = 0; palette < COUNT; palette++) {
    for (const field of TAG_FIELDS) {
      const flat = PALETTES[field][palette];
      for (let place = 0; place < flat.length; place += 3) add(flat[place], flat[place + 1], flat[place + 2]);
    }
    for (const number of PALETTES.harmony[palette]) add(number, 100, MEASURED);
    for (const number of PALETTES.colour_names[palette]) add(number, 100, MEASURED);
    for (const attribute of ATTRIBUTES) add(phrase(attribute, PALETTES[attribute][palette]), 100, MEASURED);
  }
  const names = PALETTES.name.map((name, palette) => `${plain(name ?? "")}${PALETTES.id[palette]} `);
  return { spelt, starts, word, weight, saidBy, names };
}

/** The query's words as they are compared, and its colour if there is a hex code in it. */
function readQuery(text) {
  const colour = text.split(/\s+/).find((word) => word.startsWith("#") && hexCode(word));
  const words = plain(colour ? text.replace(colour, " ") : text).trim().split(" ");
  return { words: words.filter(Boolean), colour: colour ? hexCode(colour) : null };
}

/** How well each palette answers the words: 0 unless each of them fits somewhere. */
function scoreWords(words, model) {
  const total = new Float32Array(COUNT).fill(1);
  for (const word of words) {
    const scores = scoresOf(word, model);
    for (let palette = 0; palette < COUNT; palette++) {
      total[palette] = total[palette] && scores[palette] && total[palette] + scores[palette];
    }
  }
  return total;
}

// Whoever types the third word has typed the first two before.
const KEPT_SCORES = 16;
const keptScores = new Map();

function scoresOf(word, model) {
  const key = `${model} ${word}`;
  if (!keptScores.has(key)) {
    if (keptScores.size === KEPT_SCORES) keptScores.delete(keptScores.keys().next().value);
    keptScores.set(key, scoreWord(word, setsWith(model)));
  }
  return keptScores.get(key);
}

function scoreWord(asked, speaks) {
  const { spelt, starts, word, weight, saidBy, names } = wordIndex();
  const whole = ` ${asked} `, beginning = ` ${asked}`;
  const fits = Float32Array.from(spelt, (text) => fit(text, whole, beginning));
  return Float32Array.from(names, (name, palette) => {
    let best = fit(name, whole, beginning);
    for (let entry = starts[palette]; entry < starts[palette + 1]; entry++) {
      const score = fits[word[entry]] * weight[entry];
      if (score > best && (saidBy[entry] === MEASURED || speaks[saidBy[entry]])) best = score;
    }
    return best;
  });
}

/** Of each set of models whether a model is in it; without a model, all of them speak. */
function setsWith(model) {
  return PALETTES.model_sets.map((models) => model < 0 || models.includes(model));
}

function fit(text, whole, beginning) {
  if (!text.includes(beginning)) return 0;
  if (text === whole) return WHOLE_TAG;
  return text.includes(whole) ? WHOLE_WORD : BEGINNING;
}

// What can be chosen in the filters: a group has its options, and in flat columns the numbers of those that each palette
// has: those of palette p stand from starts[p] to starts[p + 1].
const GROUPS = [
  ...ATTRIBUTES.map((attribute) => group(attribute, VOCABULARY.attributes[attribute], (palette) => [
    WORDS[PALETTES[attribute][palette]],
  ])),
  group("harmony", VOCABULARY.harmony, (palette) => PALETTES.harmony[palette].map((word) => WORDS[word])),
  group("seasonal", VOCABULARY.seasonal, (palette) => tagsOf(palette, "seasonal").map(({ tag }) => tag)),
];

function group(name, options, valuesOf) {
  const numbers = new Map(options.map((option, number) => [option, number]));
  const starts = new Uint32Array(COUNT + 1);
  const has = [];
  for (let palette = 0; palette < COUNT; palette++) {
    for (const value of valuesOf(palette)) if (numbers.has(value)) has.push(numbers.get(value));
    starts[palette + 1] = has.length;
  }
  return { name, options, starts, has: Uint16Array.from(has), used: new Set(has) };
}

const ORDERS = {
  hue: byNumber((palette) => {
    const { lightness, chroma, hue, unity } = impressionOf(palette);
    // From red on; then what has many hues; greys at the end, light before dark.
    if (chroma < 0.02) return 1000 - lightness;
    return ((hue + 345) % 360) + (unity < 0.5 ? 400 : 0);
  }),
  lightness: byNumber((palette) => -impressionOf(palette).lightness),
  newest: byNumber((palette) => -palette),
  agreement: byNumber((palette) => -agreementOf(palette)),
  cost: byNumber((palette) => -PALETTES.cost[palette]),
  name: () => {
    const { compare } = new Intl.Collator("en", { numeric: true });
    const titles = Array.from({ length: COUNT }, (_, palette) => titleOf(palette));
    return Uint32Array.from(titles.keys()).sort((one, other) => compare(titles[one], titles[other]));
  },
};

function byNumber(numberOf) {
  return () => {
    const numbers = Float64Array.from({ length: COUNT }, (_, palette) => numberOf(palette));
    return Uint32Array.from(numbers.keys()).sort((one, other) => numbers[one] - numbers[other] || one - other);
  };
}

const knownOrders = new Map();

/** All palettes in an order, worked out once. */
function ordered(name) {
  if (!knownOrders.has(name)) knownOrders.set(name, ORDERS[name]());
  return knownOrders.get(name);
}

/**
 * The palettes that answer, in order, and for each group how many there would be with each option, the other groups
 * being as they are.
 */
function find(wanted) {
  const query = readQuery(wanted.words);
  const colours = [wanted.colour, query.colour].filter(Boolean).map((colour) => oklabOf(colour.slice(1)));
  const model = PALETTES.models.indexOf(wanted.model);
  const speaks = setsWith(model);
  const scores = scoreWords(query.words, model);
  const choice = new Choice(wanted);
  const found = [];
  for (const palette of ordered(wanted.sort || "hue")) {
    for (const colour of colours) scores[palette] = scores[palette] && plus(scores[palette], palette, colour);
    if (!scores[palette] || (model >= 0 && !isDescribedBy(palette, speaks))) continue;
    if (choice.takes(palette)) found.push(palette);
  }
  const asked = query.words.length || colours.length;
  return { found: asked && !wanted.sort ? bestFirst(found, scores) : found, counts: choice.counts };
}

/** The same palettes, those with the best scores first; equals stay in their order. */
function bestFirst(palettes, scores) {
  // Numbers that hold score and place are sorted several times as fast as palettes that are compared.
  const keys = Float64Array.from(palettes, (palette, place) => place - Math.round(1e4 * scores[palette]) * COUNT).sort();
  return Array.from(keys, (key) => palettes[((key % COUNT) + COUNT) % COUNT]);
}

/** A score with how near the palette is to a colour; 0 if it is not. */
function plus(score, palette, colour) {
  const near = nearness(OKLAB, palette * OKLAB_LENGTH, (palette + 1) * OKLAB_LENGTH, colour);
  return near && score + near;
}

function isDescribedBy(palette, speaks) {
  return TAG_FIELDS.some((field) => PALETTES[field][palette].some((number, place) => place % 3 === 2 && speaks[number]));
}

/** What is chosen in the filters: takes the palettes that have it, and counts what else could be chosen. */
class Choice {
  constructor(wanted) {
    this.chosen = GROUPS.map(({ name, options }) => options.map((option) => wanted[name].includes(option)));
    this.open = this.chosen.map((options) => !options.includes(true));
    this.counts = GROUPS.map(({ options }) => new Uint32Array(options.length));
  }

  takes(palette) {
    let failed = -1;
    for (let number = 0; number < GROUPS.length; number++) {
      if (this.open[number] || this.has(number, palette)) continue;
      // With two groups against it no single choice brings it in.
      if (failed >= 0) return false;
      failed = number;
    }
    for (let number = 0; number < GROUPS.length; number++) {
      if (failed >= 0 && failed !== number) continue;
      const { starts, has } = GROUPS[number];
      for (let place = starts[palette]; place < starts[palette + 1]; place++) this.counts[number][has[place]] += 1;
    }
    return failed < 0;
  }

  has(number, palette) {
    const { starts, has } = GROUPS[number];
    for (let place = starts[palette]; place < starts[palette + 1]; place++) {
      if (this.chosen[number][has[place]]) return true;
    }
    return false;
  }
}

/** The palettes whose colours come nearest, the nearest first. */
function nearestTo(palette, limit) {
  const distances = Float32Array.from({ length: COUNT }, (_, other) =>
    distance(OKLAB, palette * OKLAB_LENGTH, other * OKLAB_LENGTH, OKLAB_LENGTH),
  );
  const others = Array.from(distances.keys()).filter((other) => other !== palette);
  return others.sort((one, other) => distances[one] - distances[other]).slice(0, limit);
}
