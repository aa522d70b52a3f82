// Light or dark, as the system is or as the reader chose; read before the first paint, so that nothing flashes.
"use strict";

(() => {
  const CHOICES = ["system", "light", "dark"];
  const WORDS = { system: "as the system", light: "light", dark: "dark" };
  const root = document.documentElement;

  function chosen() {
    try {
      const kept = localStorage.getItem("haunt.theme");
      return CHOICES.includes(kept) ? kept : "system";
    } catch {
      return "system"; // a browser that keeps nothing
    }
  }

  function keep(choice) {
    try {
      localStorage.setItem("haunt.theme", choice);
    } catch {
      // It lasts until the page is left.
    }
  }

  function show(choice) {
    root.dataset.theme = choice;
    const button = document.getElementById("theme");
    if (button === null) return;
    button.title = `Colours: ${WORDS[choice]}`;
    button.setAttribute("aria-label", button.title);
    document.dispatchEvent(new Event("theme"));
  }

  show(chosen());
  document.addEventListener("DOMContentLoaded", () => {
    show(root.dataset.theme);
    document.getElementById("theme").addEventListener("click", () => {
      const next = CHOICES[(CHOICES.indexOf(root.dataset.theme) + 1) % CHOICES.length];
      keep(next);
      show(next);
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(root.dataset.theme));
})();
