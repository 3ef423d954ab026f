"use strict";
// What belongs together: the address says what is on the screen, and what people do changes the address.

const browse = document.getElementById("browse");
const searchField = document.getElementById("words");
const themeSwitch = document.getElementById("theme");
const filterButton = document.getElementById("show-filters");
const ADDRESS_AFTER = 250;

// The list as it was left, so that coming back to it is coming back to the same place.
const left = { address: null, scroll: 0, palette: null };

function showAddress() {
  const { palette, unknown, wanted } = readAddress();
  if (wanted) {
    showBrowse(wanted);
    return;
  }
  if (!browse.hidden) Object.assign(left, { scroll: scrollY, address: left.address ?? "#" });
  if (left.found === undefined) left.found = find(NO_WISH).found;
  browse.hidden = true;
  page.hidden = false;
  if (palette === undefined) {
    showUnknown(unknown, left.address);
  } else {
    const place = left.found.indexOf(palette);
    const beside = place < 0 ? [] : [left.found[place - 1], left.found[place + 1]];
    showPalette(palette, left.address, ...beside);
    left.palette = palette;
  }
  document.title = `${palette === undefined ? "No such palette" : titleOf(palette)} – Palettes`;
  scrollTo(0, 0);
  page.focus({ preventScroll: true });
}

function showBrowse(wanted) {
  const cameBack = browse.hidden && addressOf(wanted) === left.address;
  const wasAway = browse.hidden;
  browse.hidden = false;
  page.hidden = true;
  document.title = "Palettes";
  showFilters(wanted);
  showFound(wanted);
  if (cameBack) {
    scrollTo(0, left.scroll);
    drawList();
    focusCard(list.found.indexOf(left.palette));
  } else if (wasAway) {
    scrollTo(0, 0);
    drawList();
    // Whoever types goes on typing.
    if (document.activeElement !== searchField) document.getElementById("found").focus({ preventScroll: true });
  }
}

function showFound(wanted) {
  const { found, counts } = find(wanted);
  Object.assign(left, { found, address: addressOf(wanted) });
  showList(found, wanted.model);
  showCounts(counts);
  const all = found.length === COUNT;
  document.getElementById("count").textContent = all ? many(COUNT, "palette") : `${found.length.toLocaleString("en")} of ${many(COUNT, "palette")}`;
  const nothing = document.getElementById("nothing");
  nothing.hidden = found.length > 0;
  nothing.textContent = COUNT ? "No palette has all of this. Leave something out, or try another word." : "There are no palettes yet: grabient import brings some.";
}

let addressLater = 0;

/** Show what is asked for now; the address follows, once for a whole word rather than for each letter. */
function wantedChanged() {
  const wanted = readFilters();
  const away = browse.hidden;
  if (away) {
    location.hash = addressOf(wanted);
    return;
  }
  if (scrollY) scrollTo(0, 0);
  showFound(wanted);
  showFilters(wanted);
  clearTimeout(addressLater);
  addressLater = setTimeout(() => history.replaceState(null, "", addressOf(wanted)), ADDRESS_AFTER);
}

for (const place of [filters, document.getElementById("sort"), searchField]) place.addEventListener("input", wantedChanged);
filters.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  focusCard(0);
});
document.getElementById("clear").addEventListener("click", () => {
  showFilters({ ...NO_WISH, sort: document.getElementById("sort").value });
  wantedChanged();
  searchField.focus();
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  (browse.hidden ? page : document.getElementById("found")).focus();
});
filterButton.addEventListener("click", () => {
  const open = filters.classList.toggle("open");
  filterButton.ariaExpanded = String(open);
});

addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault();
    searchField.focus();
    searchField.select();
    return;
  }
  if (page.hidden || event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, [role=region]")) return;
  const way = { ArrowLeft: ".prev", ArrowRight: ".next", Escape: ".back" }[event.key];
  page.querySelector(way ?? "never")?.click();
});

function showTheme() {
  themeSwitch.ariaChecked = String(isDark());
}
themeSwitch.addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  setTheme(theme);
  keepTheme(theme);
  showTheme();
});
prefersDark.addEventListener("change", showTheme);

history.scrollRestoration = "manual";
addEventListener("hashchange", showAddress);
showTheme();
// The list needs nothing of what is still being read; the page of a palette needs its details.
if (readAddress().wanted) showAddress();
else document.addEventListener("DOMContentLoaded", showAddress);
// Before the first keystroke rather than at it.
addEventListener("load", () => setTimeout(wordIndex));
