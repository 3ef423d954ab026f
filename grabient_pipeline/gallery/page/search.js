"use strict";
// Finds palettes by words, colours and filters, and sorts them. Everything is recomputed at every keystroke.

const MEASURED = -1;
// The score of a query word that equals a tag, is a word in it, or is the prefix of one.
const WHOLE_TAG = 1, WHOLE_WORD = 0.7, PREFIX = 0.4;

/** Normalize text for comparison: lower case, no accents, words between single spaces, and a space at both ends. */
function normalize(text) {
  const bare = text.normalize("NFD").replace(/\p{M}+/gu, "").toLowerCase();
  return ` ${bare.replace(/[^\p{L}\p{N}]+/gu, " ").trim()} `;
}

let cachedIndex = null;

/**
 * The words of all palettes in flat columns: those of palette p are at starts[p] to starts[p + 1]. Built on first use,
 * because the first paint does not need it.
 */
function wordIndex() {
  cachedIndex ??= buildWordIndex();
  return cachedIndex;
}

function buildWordIndex() {
  const normalized = WORDS.map(normalize);
  const phrases = new Map();
  // "high" alone would be ambiguous.
  const phrase = (attribute, value) => {
    const key = `${WORDS[value]} ${attribute}`;
    if (!phrases.has(key)) phrases.set(key, normalized.push(normalize(key)) - 1);
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
  const modelSet = new Int32Array(starts[COUNT]);
  let entry = 0;
  const add = (number, share, models) => {
    word[entry] = number;
    // Tags that few models gave are found too, but rank lower.
    weight[entry] = 0.4 + 0.006 * share;
    modelSet[entry] = models;
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
  const names = PALETTES.name.map((name, palette) => `${normalize(name ?? "")}${PALETTES.id[palette]} `);
  return { normalized, starts, word, weight, modelSet, names };
}

/** Parse a query into normalized words, and a colour if it contains a hex code. */
function readQuery(text) {
  const colour = text.split(/\s+/).find((word) => word.startsWith("#") && hexCode(word));
  const words = normalize(colour ? text.replace(colour, " ") : text).trim().split(" ");
  return { words: words.filter(Boolean), colour: colour ? hexCode(colour) : null };
}

/** Score each palette for the words: 0 unless every word matches. */
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

// While someone types the third word, the scores of the first two are still known.
const MAX_CACHED_SCORES = 16;
const cachedScores = new Map();

function scoresOf(word, model) {
  const key = `${model} ${word}`;
  if (!cachedScores.has(key)) {
    if (cachedScores.size === MAX_CACHED_SCORES) cachedScores.delete(cachedScores.keys().next().value);
    cachedScores.set(key, scoreWord(word, setsWith(model)));
  }
  return cachedScores.get(key);
}

function scoreWord(queryWord, accepted) {
  const { normalized, starts, word, weight, modelSet, names } = wordIndex();
  const whole = ` ${queryWord} `, prefix = ` ${queryWord}`;
  const fits = Float32Array.from(normalized, (text) => fit(text, whole, prefix));
  return Float32Array.from(names, (name, palette) => {
    let best = fit(name, whole, prefix);
    for (let entry = starts[palette]; entry < starts[palette + 1]; entry++) {
      const score = fits[word[entry]] * weight[entry];
      if (score > best && (modelSet[entry] === MEASURED || accepted[modelSet[entry]])) best = score;
    }
    return best;
  });
}

/** For each set of models, whether it contains a model; true for all sets if no model is given. */
function setsWith(model) {
  return PALETTES.model_sets.map((models) => model < 0 || models.includes(model));
}

function fit(text, whole, prefix) {
  if (!text.includes(prefix)) return 0;
  if (text === whole) return WHOLE_TAG;
  return text.includes(whole) ? WHOLE_WORD : PREFIX;
}

// The filter groups: the options of each, and in flat columns the option numbers of each palette: those of palette p
// are at starts[p] to starts[p + 1].
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
    // Single hues from red on, then mixed hues, and last greys, from light to dark.
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

const cachedOrders = new Map();

/** All palettes in an order; computed once. */
function ordered(name) {
  if (!cachedOrders.has(name)) cachedOrders.set(name, ORDERS[name]());
  return cachedOrders.get(name);
}

/**
 * The matching palettes in order, and for each filter option how many palettes it would match, with the other groups
 * unchanged.
 */
function find(criteria) {
  const query = readQuery(criteria.words);
  const colours = [criteria.colour, query.colour].filter(Boolean).map((colour) => oklabOf(colour.slice(1)));
  const model = PALETTES.models.indexOf(criteria.model);
  const accepted = setsWith(model);
  const scores = scoreWords(query.words, model);
  const selection = new Selection(criteria);
  const found = [];
  for (const palette of ordered(criteria.sort || "hue")) {
    for (const colour of colours) scores[palette] = scores[palette] && addNearness(scores[palette], palette, colour);
    if (!scores[palette] || (model >= 0 && !isTaggedBy(palette, accepted))) continue;
    if (selection.accepts(palette)) found.push(palette);
  }
  const hasQuery = query.words.length || colours.length;
  return { found: hasQuery && !criteria.sort ? bestFirst(found, scores) : found, counts: selection.counts };
}

/** Sort palettes by score, best first; the sort is stable. */
function bestFirst(palettes, scores) {
  // Sorting numbers that combine score and position is several times as fast as sorting with a comparison function.
  const keys = Float64Array.from(palettes, (palette, place) => place - Math.round(1e4 * scores[palette]) * COUNT).sort();
  return Array.from(keys, (key) => palettes[((key % COUNT) + COUNT) % COUNT]);
}

/** Add the nearness of a palette to a colour to its score; 0 if it is not near. */
function addNearness(score, palette, colour) {
  const near = nearness(OKLAB, palette * OKLAB_LENGTH, (palette + 1) * OKLAB_LENGTH, colour);
  return near && score + near;
}

function isTaggedBy(palette, accepted) {
  return TAG_FIELDS.some((field) => PALETTES[field][palette].some((number, place) => place % 3 === 2 && accepted[number]));
}

/** The selected filter options: tests palettes, and counts the matches of every other option. */
class Selection {
  constructor(criteria) {
    this.selected = GROUPS.map(({ name, options }) => options.map((option) => criteria[name].includes(option)));
    this.open = this.selected.map((options) => !options.includes(true));
    this.counts = GROUPS.map(({ options }) => new Uint32Array(options.length));
  }

  accepts(palette) {
    let failed = -1;
    for (let number = 0; number < GROUPS.length; number++) {
      if (this.open[number] || this.has(number, palette)) continue;
      // It fails two groups: no single option would make it match.
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
      if (this.selected[number][has[place]]) return true;
    }
    return false;
  }
}

/** The palettes with the most similar colours, most similar first. */
function nearestTo(palette, limit) {
  const distances = Float32Array.from({ length: COUNT }, (_, other) =>
    distance(OKLAB, palette * OKLAB_LENGTH, other * OKLAB_LENGTH, OKLAB_LENGTH),
  );
  const others = Array.from(distances.keys()).filter((other) => other !== palette);
  return others.sort((one, other) => distances[one] - distances[other]).slice(0, limit);
}
