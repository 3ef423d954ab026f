"use strict";
// Light or dark: what the system prefers, until a person says otherwise. Runs before anything is painted.

const THEME = "grabient-theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

// Where pages from disk may not keep anything, the choice lasts as long as the page.
function keptTheme() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

function keepTheme(theme) {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // It lasts as long as the page.
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : prefersDark.matches;
}

if (["light", "dark"].includes(keptTheme())) setTheme(keptTheme());
