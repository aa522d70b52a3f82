// The colours of the style sheet, for what is drawn on canvases.

const NAMES = ["ink", "muted", "line", "faint", "panel", "accent", "up", "down", "up-soft", "down-soft", "up-bar", "down-bar"];
let colours = null;

document.addEventListener("theme", () => (colours = null));

/** {ink, muted, …, upSoft, downBar} as they are now. */
export function palette() {
  if (colours !== null) return colours;
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);
  colours = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    colours[name.replace(/-./, (letter) => letter[1].toUpperCase())] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}
