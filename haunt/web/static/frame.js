// Drawing once in a frame, however many changes ask for it.

/** The function returned asks for a frame; `draw` is called in it with the time. */
export function inFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame((time) => {
      asked = false;
      draw(time);
    });
  };
}

/** Calls `work` now and then every so many milliseconds, one call at a time, while the page is seen. Returns the end of it. */
export function everySoOften(milliseconds, work) {
  let ended = false;
  let timer = 0;
  async function turn() {
    if (!document.hidden) await work();
    if (!ended) timer = setTimeout(turn, milliseconds);
  }
  turn();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
