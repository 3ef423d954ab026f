"use strict";
// The embedded data, and values derived from it. A palette is represented by its index in the columns.

const STEPS = 11;
const ATTRIBUTES = ["temperature", "contrast", "brightness", "saturation"];
const TAG_FIELDS = ["mood", "style", "seasonal", "associations"];

const VOCABULARY = JSON.parse(document.getElementById("vocabulary").textContent);
const PALETTES = JSON.parse(document.getElementById("palettes-data").textContent);
const WORDS = PALETTES.words;
const COUNT = PALETTES.id.length;
const PLACE_OF = new Map(PALETTES.id.map((id, place) => [id, place]));

// Three numbers per colour, eleven colours per palette.
const OKLAB_LENGTH = 3 * STEPS;
const OKLAB = new Float32Array(COUNT * OKLAB_LENGTH);
PALETTES.hex.forEach((digits, palette) => oklabOf(digits, OKLAB, palette * OKLAB_LENGTH));

/** The colours of a palette as `#rrggbb`. */
function coloursOf(palette) {
  return PALETTES.hex[palette].match(/.{6}/g).map((digits) => `#${digits}`);
}

/** A CSS gradient through all the colours of a palette. */
function gradientOf(palette) {
  const stops = coloursOf(palette).map((colour, step) => `${colour} ${(100 * step) / (STEPS - 1)}%`);
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}

/** The title of a palette: its name, or else its colour names. */
function titleOf(palette) {
  const names = PALETTES.colour_names[palette].map((word) => WORDS[word]);
  return PALETTES.name[palette] || names.join(", ") || PALETTES.id[palette];
}

/** The tags of a palette in a field, best first: `{tag, share, models}`; shares in percent, models as indexes. */
function tagsOf(palette, field) {
  const flat = PALETTES[field][palette];
  const tags = [];
  for (let place = 0; place < flat.length; place += 3) {
    tags.push({ tag: WORDS[flat[place]], share: flat[place + 1], models: PALETTES.model_sets[flat[place + 2]] });
  }
  return tags;
}

const parsedBlocks = new Map();

/** The details for the page of a palette. A block is parsed when the first of its palettes is needed. */
function detailsOf(palette) {
  const element = [...document.querySelectorAll("script.details")].find(
    ({ dataset }) => palette >= +dataset.first && palette < +dataset.first + +dataset.count,
  );
  if (!parsedBlocks.has(element)) parsedBlocks.set(element, JSON.parse(element.textContent));
  const block = parsedBlocks.get(element);
  const place = palette - block.first;
  return {
    seed: block.seed[place],
    source: block.source[place],
    createdAt: new Date(1000 * block.created_at[place]),
    embedText: block.embed_text[place],
    refiningModel: block.refining_model[place],
    refinedModels: block.refined_models[place],
    refinedAnswers: block.refined_answers[place],
    answers: block.total_analyses[place] ?? 0,
    costs: block.costs[place],
    votes: new Map(VOCABULARY.fields.map((field, number) => [field, readVotes(block.votes[place][number])])),
  };
}

function readVotes(flat) {
  const votes = [];
  for (let place = 0; place < flat.length; place += 4) {
    const [word, share, answers, models] = flat.slice(place, place + 4);
    votes.push({ tag: WORDS[word], share, answers, models: PALETTES.model_sets[models] });
  }
  return votes;
}

/** Mean lightness and chroma, the mean hue in degrees, and how uniform the hues are, from 0 to 1. */
function impressionOf(palette) {
  let lightness = 0, a = 0, b = 0, chroma = 0;
  for (let place = palette * OKLAB_LENGTH; place < (palette + 1) * OKLAB_LENGTH; place += 3) {
    lightness += OKLAB[place];
    a += OKLAB[place + 1];
    b += OKLAB[place + 2];
    chroma += Math.hypot(OKLAB[place + 1], OKLAB[place + 2]);
  }
  const hue = ((Math.atan2(b, a) * 180) / Math.PI + 360) % 360;
  return { lightness: lightness / STEPS, chroma: chroma / STEPS, hue, unity: Math.hypot(a, b) / (chroma || 1) };
}

/** How much the models agree on the tags of a palette: the mean share in percent. */
function agreementOf(palette) {
  let sum = 0, count = 0;
  for (const field of TAG_FIELDS) {
    const flat = PALETTES[field][palette];
    for (let place = 1; place < flat.length; place += 3) {
      sum += flat[place];
      count += 1;
    }
  }
  return count ? sum / count : 0;
}
