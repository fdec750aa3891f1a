// Elements are built only here, from text: server data is never parsed as markup.

// h creates an element. Properties that begin with "on" are listeners, "value" and
// "checked" are properties, anything else is an attribute; false and undefined omit it.
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

// fill replaces the children of an element.
export function fill(element, ...children) {
  element.replaceChildren(...parts(children));
  return element;
}

// text sets an element's text if it has changed, so that screen readers do not repeat
// it.
export function text(element, value) {
  const string = String(value);
  if (element.textContent !== string) element.textContent = string;
  return element;
}

// list keeps the children of an element equal to items, one row per key. Rows keep their
// elements, so that open details and the focus are preserved. make returns
// {element, update}.
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

// Tools are shown beside a panel's heading.
export class Tools {
  constructor(...all) {
    this.all = all;
  }
}

// notice is a line that shows the result of an operation.
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
