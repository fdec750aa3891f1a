// A list of names that is read page by page.
import { h, list, panel, text } from "./dom.js";
import { t } from "./words.js";

const size = 50;

// names returns a panel. load(prefix, after, limit) responds with a page {items, next};
// row(item) makes {element, update} for one of them, and key(item) is its name.
export function names(title, { load, row, key, empty }) {
  const items = h("ul", { class: "sessions names" });
  const none = h("p", { class: "empty" }, t("loading"));
  const more = h("button", { type: "button", hidden: true }, t("more"));
  const rows = list(items, row);
  let shown = [];
  let prefix = "";
  let run = 0; // the newest request counts

  async function read(after, limit, before) {
    const mine = ++run;
    try {
      const page = await load(prefix, after, limit);
      if (mine !== run) return;
      shown = [...before, ...page.items];
      rows(shown, key);
      more.hidden = page.items.length < limit;
      none.hidden = shown.length > 0;
      text(none, prefix ? t("names.none", { prefix }) : empty);
    } catch (error) {
      if (mine !== run) return;
      none.hidden = false;
      text(none, error.message);
    }
  }
  more.addEventListener("click", () => read(key(shown.at(-1)), size, shown));
  return {
    element: panel(title, none, items, h("p", {}, more)),
    // filter lists the names that begin with a text.
    filter(beginning) {
      prefix = beginning;
      return read("", size, []);
    },
    // update reads what is shown again.
    update: () => read("", Math.min(1000, Math.max(size, shown.length)), []),
  };
}
