"use strict";

// The theme follows the system unless the user has chosen one. This runs before the
// first paint, so it is not a module.
{
  const name = "wirepost-theme";
  const root = document.documentElement;
  const kept = () => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is not allowed: the choice lasts as long as the page
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
