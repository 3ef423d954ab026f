"use strict";
// Colours: hex codes, OkLab, and distances between colours and palettes.

// The largest OkLab distance at which two colours look alike; red and orange are 0.16 apart.
const NEAR_ENOUGH = 0.1;
// The OkLab distance at which a colour counts 1/e of an exact match.
const NEAR = 0.1;

// sRGB to linear light (IEC 61966-2-1), for the 256 values of a channel.
const LINEAR = Float64Array.from({ length: 256 }, (_, value) => {
  const channel = value / 255;
  return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
});

// Björn Ottosson, "A perceptual color space for image processing".
function writeOklab(red, green, blue, oklab, place) {
  const r = LINEAR[red], g = LINEAR[green], b = LINEAR[blue];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  oklab[place] = 0.210454255 * l + 0.793617785 * m - 0.0040720468 * s;
  oklab[place + 1] = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  oklab[place + 2] = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
}

/** Convert hex digits without `#` to OkLab: three numbers per colour. */
function oklabOf(digits, oklab = new Float32Array(digits.length / 2), place = 0) {
  for (let start = 0; start < digits.length; start += 6) {
    const value = parseInt(digits.slice(start, start + 6), 16);
    writeOklab(value >> 16, (value >> 8) & 255, value & 255, oklab, place + start / 2);
  }
  return oklab;
}

/** Normalize `#abc` or `#aabbcc`, with or without `#`, to `#aabbcc`; null for anything else. */
function hexCode(text) {
  const digits = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(text.trim())?.[1].toLowerCase();
  if (!digits) return null;
  return `#${digits.length === 3 ? [...digits].map((digit) => digit + digit).join("") : digits}`;
}

/** How near a palette is to a colour, from 0 to 1: half for its nearest colour, half for the share of near ones. */
function nearness(oklab, from, until, colour) {
  let nearest = Infinity, sum = 0;
  for (let place = from; place < until; place += 3) {
    const squared =
      (oklab[place] - colour[0]) ** 2 + (oklab[place + 1] - colour[1]) ** 2 + (oklab[place + 2] - colour[2]) ** 2;
    if (squared < nearest) nearest = squared;
    sum += Math.exp(-squared / NEAR ** 2);
  }
  if (nearest > NEAR_ENOUGH ** 2) return 0;
  return (Math.exp(-nearest / NEAR ** 2) + sum / ((until - from) / 3)) / 2;
}

/** The distance of two palettes: the mean distance of each colour to the nearest colour of the other palette. */
function distance(oklab, first, second, length) {
  const fromSecond = new Float64Array(length / 3).fill(Infinity);
  let sum = 0;
  for (let one = first; one < first + length; one += 3) {
    let nearest = Infinity;
    for (let step = 0; step < length; step += 3) {
      const squared =
        (oklab[one] - oklab[second + step]) ** 2 +
        (oklab[one + 1] - oklab[second + step + 1]) ** 2 +
        (oklab[one + 2] - oklab[second + step + 2]) ** 2;
      if (squared < nearest) nearest = squared;
      if (squared < fromSecond[step / 3]) fromSecond[step / 3] = squared;
    }
    sum += Math.sqrt(nearest);
  }
  for (const nearest of fromSecond) sum += Math.sqrt(nearest);
  return sum / ((2 * length) / 3);
}
