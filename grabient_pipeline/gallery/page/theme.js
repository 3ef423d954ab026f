"use strict";
// Light or dark mode: the system's preference, unless the user has chosen. Runs before the first paint.

const THEME = "grabient-theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

// Some browsers deny storage to pages opened from disk: the choice then lasts until the page is closed.
function storedTheme() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

function storeTheme(theme) {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // See storedTheme.
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : prefersDark.matches;
}

if (["light", "dark"].includes(storedTheme())) setTheme(storedTheme());
