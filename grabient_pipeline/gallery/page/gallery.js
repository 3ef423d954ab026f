"use strict";
// Connects the parts: the URL determines what is shown, and user actions change the URL.

const browse = document.getElementById("browse");
const searchField = document.getElementById("words");
const themeSwitch = document.getElementById("theme");
const filterButton = document.getElementById("show-filters");
const ADDRESS_DELAY = 250;

// The state of the list, so that returning to it restores the position.
const saved = { address: null, scroll: 0, palette: null };

function showAddress() {
  const { palette, unknown, criteria } = readAddress();
  if (criteria) {
    showBrowse(criteria);
    return;
  }
  if (!browse.hidden) Object.assign(saved, { scroll: scrollY, address: saved.address ?? "#" });
  if (saved.found === undefined) saved.found = find(NO_CRITERIA).found;
  browse.hidden = true;
  page.hidden = false;
  if (palette === undefined) {
    showUnknown(unknown, saved.address);
  } else {
    const place = saved.found.indexOf(palette);
    const beside = place < 0 ? [] : [saved.found[place - 1], saved.found[place + 1]];
    showPalette(palette, saved.address, ...beside);
    saved.palette = palette;
  }
  document.title = `${palette === undefined ? "Palette not found" : titleOf(palette)} – Palettes`;
  scrollTo(0, 0);
  page.focus({ preventScroll: true });
}

function showBrowse(criteria) {
  const cameBack = browse.hidden && addressOf(criteria) === saved.address;
  const wasAway = browse.hidden;
  browse.hidden = false;
  page.hidden = true;
  document.title = "Palettes";
  showFilters(criteria);
  showFound(criteria);
  if (cameBack) {
    scrollTo(0, saved.scroll);
    drawList();
    focusCard(list.found.indexOf(saved.palette));
  } else if (wasAway) {
    scrollTo(0, 0);
    drawList();
    // Keep the focus in the search field while someone is typing.
    if (document.activeElement !== searchField) document.getElementById("found").focus({ preventScroll: true });
  }
}

function showFound(criteria) {
  const { found, counts } = find(criteria);
  Object.assign(saved, { found, address: addressOf(criteria) });
  showList(found, criteria.model);
  showCounts(counts);
  const all = found.length === COUNT;
  document.getElementById("count").textContent = all ? pluralize(COUNT, "palette") : `${found.length.toLocaleString("en")} of ${pluralize(COUNT, "palette")}`;
  const nothing = document.getElementById("nothing");
  nothing.hidden = found.length > 0;
  nothing.textContent = COUNT ? "No palettes match. Remove a filter or try another word." : "There are no palettes yet. Import some with grabient import.";
}

let addressLater = 0;

/** Show the results at once, and update the URL after a pause instead of at every letter. */
function applyCriteria() {
  const criteria = readFilters();
  const away = browse.hidden;
  if (away) {
    location.hash = addressOf(criteria);
    return;
  }
  if (scrollY) scrollTo(0, 0);
  showFound(criteria);
  showFilters(criteria);
  clearTimeout(addressLater);
  addressLater = setTimeout(() => history.replaceState(null, "", addressOf(criteria)), ADDRESS_DELAY);
}

for (const place of [filters, document.getElementById("sort"), searchField]) place.addEventListener("input", applyCriteria);
filters.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  focusCard(0);
});
document.getElementById("clear").addEventListener("click", () => {
  showFilters({ ...NO_CRITERIA, sort: document.getElementById("sort").value });
  applyCriteria();
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
  const selector = { ArrowLeft: ".prev", ArrowRight: ".next", Escape: ".back" }[event.key];
  page.querySelector(selector ?? "never")?.click();
});

function showTheme() {
  themeSwitch.ariaChecked = String(isDark());
}
themeSwitch.addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  setTheme(theme);
  storeTheme(theme);
  showTheme();
});
prefersDark.addEventListener("change", showTheme);

history.scrollRestoration = "manual";
addEventListener("hashchange", showAddress);
showTheme();
// The list does not need the data below this script, but the page of a palette needs its details.
if (readAddress().criteria) showAddress();
else document.addEventListener("DOMContentLoaded", showAddress);
// Build the index before the first keystroke needs it.
addEventListener("load", () => setTimeout(wordIndex));
