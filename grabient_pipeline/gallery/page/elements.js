"use strict";
// Creates elements and formats numbers. Content from models and files is inserted as text, never as markup.

/** Create an element with properties and `data` and `aria` attributes. Children are elements or text, or null. */
function element(name, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  Object.assign(made.dataset, data);
  for (const [attribute, value] of Object.entries(aria)) made.setAttribute(`aria-${attribute}`, value);
  made.append(...children.flat(Infinity).filter((child) => child !== null));
  return made;
}

/** Make screen readers announce a text. */
function announce(text) {
  document.getElementById("announcement").textContent = text;
}

/** Copy text to the clipboard; resolves to whether that worked. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Some browsers deny the clipboard API to pages opened from disk, but still support the old command.
    const area = element("textarea", { value: text, className: "visually-hidden" });
    const { activeElement } = document;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    activeElement?.focus();
    return copied;
  }
}

/** A button that copies a text and briefly confirms it. */
function copyButton(label, text, options = {}) {
  const button = element("button", { type: "button", className: "copy", ...options }, label);
  button.addEventListener("click", async () => {
    const copied = await copyText(text);
    announce(copied ? `${button.dataset.what ?? label} copied` : "The browser does not allow this page to copy");
    if (!copied) return;
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
  return button;
}

/** Format millionths of a US dollar, with four decimals below one dollar. */
function dollars(millionths) {
  const amount = millionths / 1e6;
  return `$${amount.toFixed(amount > 0 && amount < 1 ? 4 : 2)}`;
}

function pluralize(count, one, more = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
}
