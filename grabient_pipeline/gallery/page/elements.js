"use strict";
// Making elements, and writing amounts. Whatever a model said or a file holds goes in as text, and never as markup.

/** An element with properties, `data` and `aria` attributes; children are elements and texts, null is left out. */
function element(name, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  Object.assign(made.dataset, data);
  for (const [attribute, value] of Object.entries(aria)) made.setAttribute(`aria-${attribute}`, value);
  made.append(...children.flat(Infinity).filter((child) => child !== null));
  return made;
}

/** Let a screen reader say something. */
function sayAloud(text) {
  document.getElementById("said-aloud").textContent = text;
}

/** Put text on the clipboard; whether that worked. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Some browsers keep the clipboard from pages that come from disk; the old way is still open.
    const area = element("textarea", { value: text, className: "unseen" });
    const { activeElement } = document;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    activeElement?.focus();
    return copied;
  }
}

/** A button that copies; it says so for a moment. */
function copyButton(label, text, options = {}) {
  const button = element("button", { type: "button", className: "copy", ...options }, label);
  button.addEventListener("click", async () => {
    const copied = await copyText(text);
    sayAloud(copied ? `${button.dataset.what ?? label} copied` : "The browser does not let this page copy");
    if (!copied) return;
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
  return button;
}

/** Millionths of a US dollar, as much of them as says something. */
function dollars(millionths) {
  const amount = millionths / 1e6;
  return `$${amount.toFixed(amount > 0 && amount < 1 ? 4 : 2)}`;
}

function many(count, one, more = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
}
