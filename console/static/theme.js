"use strict";

// The colours follow the system unless somebody has chosen. This runs before the
// first paint, so it is no module.
{
  const name = "wirepost-theme";
  const root = document.documentElement;
  const kept = () => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is forbidden: the choice lasts as long as the page
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");

  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    dispatchEvent(new Event("themechange"));
  };

  window.wirepostTheme = {
    dark: () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches),
    toggle() {
      const theme = this.dark() ? "light" : "dark";
      try {
        localStorage.setItem(name, theme);
      } catch {
        // as above
      }
      apply(theme);
    },
  };
  apply(kept());
  system.addEventListener("change", () => apply(kept()));
}
