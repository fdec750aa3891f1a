// The theme is set before the page is shown, so that it does not flash. A page that is
// opened from disk may have no storage.
(function () {
  "use strict"
  var root = document.documentElement
  function stored() {
    try { return localStorage.getItem("theme") } catch (e) { return null }
  }
  function show(theme) {
    if (theme === "dark" || theme === "light") root.dataset.theme = theme
  }
  show(stored())

  document.addEventListener("DOMContentLoaded", function () {
    document.getElementById("site-theme").addEventListener("click", function () {
      var dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
      show(dark ? "light" : "dark")
      try { localStorage.setItem("theme", root.dataset.theme) } catch (e) { /* for this page only */ }
    })
    menu()
    contents()
  })

  // The navigation is a column, or on a narrow screen opens below the header.
  function menu() {
    var button = document.getElementById("site-menu")
    function open(yes) {
      document.body.classList.toggle("menu", yes)
      button.setAttribute("aria-expanded", String(yes))
    }
    button.addEventListener("click", function () { open(button.getAttribute("aria-expanded") !== "true") })
    document.addEventListener("keydown", function (event) { if (event.key === "Escape") open(false) })
    var current = document.querySelector("#site-nav [aria-current]")
    var nav = document.getElementById("site-nav")
    if (current && current.offsetTop > nav.clientHeight) nav.scrollTop = current.offsetTop - nav.clientHeight / 2
  }

  // The contents are open beside the text, and closed above it.
  function contents() {
    var box = document.querySelector(".contents")
    if (!box) return
    var wide = matchMedia("(min-width: 1200px)")
    function fit() { box.open = wide.matches }
    wide.addEventListener("change", fit)
    fit()
    var links = {}
    box.querySelectorAll("a").forEach(function (link) { links[decodeURIComponent(link.hash.slice(1))] = link })
    var marked
    function mark() {
      var at = null
      document.querySelectorAll("article h2, article h3").forEach(function (h) {
        if (h.getBoundingClientRect().top < 120) at = h
      })
      var link = at && links[at.id]
      if (link === marked) return
      if (marked) marked.removeAttribute("aria-current")
      if (link) link.setAttribute("aria-current", "true")
      marked = link
    }
    document.addEventListener("scroll", mark, { passive: true })
    mark()
  }
})()
