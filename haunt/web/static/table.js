// Tables that stay in place: a row for each key, sorted by any column, and only what changed is touched.

import { h, setText } from "./element.js";

/**
 * A column is {name, label, value, text?, paint?, words?, fixed?}: `value(row)` is sorted by, `text(row)` is shown (the
 * value without it), `paint(cell, row)` draws instead of it; `words` are sorted upwards at first, numbers downwards.
 * A `fixed` column is not sorted. `open(row)` is the address behind a row.
 */
export function makeTable({ name, caption, columns, key, open = null, sorted = null, empty = "Nothing here" }) {
  const rows = new Map();
  const heads = new Map();
  const body = h("tbody", { role: "rowgroup" });
  const nothing = h("p", { class: "empty", hidden: true }, empty);
  let order = sorted;
  let wanted = () => true;

  const head = h("tr", { role: "row" });
  for (const column of columns) {
    const cell = h("th", { role: "columnheader", scope: "col", class: classOf(column) });
    if (column.fixed) cell.append(h("span", {}, column.label));
    else cell.append(h("button", { type: "button", onclick: () => sortBy(column) }, column.label));
    heads.set(column.name, cell);
    head.append(cell);
  }
  const table = h("table", { role: "table", class: `table ${name}` }, h("caption", {}, caption),
    h("thead", { role: "rowgroup" }, head), body);
  body.addEventListener("keydown", move);
  showOrder();

  function makeRow(id) {
    const cells = columns.map((column) =>
      h(column.words === "head" ? "th" : "td", {
        role: column.words === "head" ? "rowheader" : "cell",
        scope: column.words === "head" ? "row" : null,
        class: classOf(column),
        "data-label": column.label,
      }));
    const element = h("tr", { role: "row" }, ...cells);
    const one = { id, element, cells, row: null, link: null, hidden: false };
    if (open !== null) {
      one.link = h("a", { class: "open", tabindex: "-1" });
      cells[0].append(one.link);
    }
    return one;
  }

  function paint(one) {
    const { row, cells, link } = one;
    columns.forEach((column, index) => {
      if (index === 0 && link !== null) {
        const address = open(row);
        if (link.getAttribute("href") !== address) link.setAttribute("href", address);
        setText(link, textOf(column, row));
      } else if (column.paint) column.paint(cells[index], row, one);
      else setText(cells[index], textOf(column, row));
    });
  }

  function sortBy(column) {
    const same = order?.by === column.name;
    order = { by: column.name, down: same ? !order.down : !column.words };
    showOrder();
    arrange();
  }

  function showOrder() {
    for (const [by, cell] of heads) {
      if (by !== order?.by) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    }
  }

  /** Puts the rows into their order; those that are there already are not moved. */
  function arrange() {
    const found = [...rows.values()];
    const column = columns.find((one) => one.name === order?.by);
    if (column) found.sort((one, other) => compare(column.value(one.row), column.value(other.row), order.down));
    let at = body.firstElementChild;
    for (const { element } of found) {
      if (element === at) at = at.nextElementSibling;
      else body.insertBefore(element, at);
    }
    letTabReachOne();
  }

  function show() {
    let seen = 0;
    for (const one of rows.values()) {
      const hidden = !wanted(one.row);
      if (hidden !== one.hidden) one.element.hidden = one.hidden = hidden;
      if (!hidden) seen += 1;
    }
    nothing.hidden = seen > 0;
    letTabReachOne();
    return seen;
  }

  // -- the keyboard: Tab reaches one row, the arrows the others

  function links() {
    return [...body.querySelectorAll("tr:not([hidden]) a.open")];
  }

  function letTabReachOne() {
    if (open === null) return;
    const all = links();
    const held = all.find((link) => link === document.activeElement) ?? all.find((link) => link.tabIndex === 0);
    for (const one of rows.values()) if (one.link !== held) one.link.tabIndex = -1;
    if ((held ?? all[0]) !== undefined) (held ?? all[0]).tabIndex = 0;
  }

  function focus(link) {
    if (link === undefined) return;
    for (const one of rows.values()) one.link.tabIndex = -1;
    link.tabIndex = 0;
    link.focus();
  }

  function move(event) {
    const all = links();
    const at = all.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined || to < 0) return;
    event.preventDefault();
    focus(all[to]);
  }

  return {
    element: h("div", { class: "table-box" }, table, nothing),
    body,
    arrange,
    /** All rows there are now: others go. */
    set(all) {
      const ids = new Set();
      for (const row of all) {
        const id = key(row);
        ids.add(id);
        let one = rows.get(id);
        if (one === undefined) rows.set(id, (one = makeRow(id)));
        one.row = row;
        paint(one);
      }
      for (const [id, one] of rows) {
        if (ids.has(id)) continue;
        one.element.remove();
        rows.delete(id);
      }
      arrange();
      show();
    },
    /** Paints the row of this key anew. */
    touch(id) {
      const one = rows.get(id);
      if (one !== undefined) paint(one);
    },
    /** Shows the rows of which `test` is true; returns how many. */
    filter(test) {
      wanted = test;
      return show();
    },
    row: (id) => rows.get(id),
    rows: () => rows.values(),
    focusFirst: () => focus(links()[0]),
    focusOn: (id) => focus(rows.get(id)?.link ?? undefined),
  };
}

function classOf(column) {
  return `${column.name} ${column.words ? "words" : "number"}`;
}

function textOf(column, row) {
  const value = column.text ? column.text(row) : column.value(row);
  return value === null || value === undefined ? "" : String(value);
}

/** What is not known comes last, whatever the direction. */
function compare(one, other, down) {
  const nothing = (value) => value === null || value === undefined;
  if (nothing(one) || nothing(other)) return nothing(one) - nothing(other);
  const order = typeof one === "string" ? one.localeCompare(other) : one - other;
  return down ? -order : order;
}
