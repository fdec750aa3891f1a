// Elements are built here and nowhere else, out of text: nothing that a server
// says is ever parsed as markup.

// h makes an element. A property that begins with "on" listens, "value" and
// "checked" are set as such, anything else is an attribute; false and undefined
// leave it out.
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...parts(children));
  return element;
}

function parts(children) {
  return children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false);
}

// fill puts children in the place of what an element holds.
export function fill(element, ...children) {
  element.replaceChildren(...parts(children));
  return element;
}

// text changes what an element says, if it has changed: who reads it aloud is not
// to repeat himself.
export function text(element, value) {
  const string = String(value);
  if (element.textContent !== string) element.textContent = string;
  return element;
}

// list keeps the children of an element equal to items, one row for each key. A
// row stays the same element, so what is open stays open and the focus where it
// is. make gives {element, update}.
export function list(parent, make) {
  const rows = new Map();
  return (items, keyOf) => {
    const keys = new Set(items.map(keyOf));
    for (const [key, row] of rows) {
      if (keys.has(key)) continue;
      row.element.remove();
      rows.delete(key);
    }
    let before = parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      let row = rows.get(key);
      if (!row) {
        row = make(item);
        rows.set(key, row);
      }
      row.update(item);
      if (row.element === before) before = before.nextElementSibling;
      else parent.insertBefore(row.element, before);
    }
  };
}

let ids = 0;

// field is a label with its control.
export function field(label, control, hint) {
  control.id ||= `f${++ids}`;
  const note = hint ? h("small", { id: `${control.id}-hint` }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, note);
}

// panel is a section with a heading.
export function panel(title, ...children) {
  const id = `p${++ids}`;
  const [tools, rest] = children[0] instanceof Tools ? [children[0].all, children.slice(1)] : [[], children];
  return h(
    "section", { class: "panel", "aria-labelledby": id },
    h("div", { class: "head" }, h("h2", { id }, title), tools),
    rest,
  );
}

// Tools are what stands beside a panel's heading.
export class Tools {
  constructor(...all) {
    this.all = all;
  }
}

// notice is a line that tells how something went.
export function notice() {
  const element = h("p", { class: "notice", role: "status" });
  return {
    element,
    say(message, kind = "good") {
      element.dataset.kind = kind;
      text(element, message);
    },
    fail(error) {
      this.say(error.message, "bad");
    },
    clear() {
      this.say("", "good");
    },
  };
}
