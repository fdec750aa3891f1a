// The search. Its index is a script, because a page that is opened from disk may not
// fetch; it is loaded when the field gets the focus.
(function () {
  "use strict"
  var field = document.getElementById("site-search")
  var results = document.getElementById("site-results")
  var root = field.dataset.root
  var entries = null // of the index, with their texts in lower case
  var loading = false
  var shown = [] // links in results
  var chosen = -1

  function load() {
    if (loading) return
    loading = true
    var script = document.createElement("script")
    script.src = field.dataset.index
    script.onload = function () {
      entries = window.searchIndex.map(function (e) {
        return { to: e[0], page: e[1], title: e[2], text: e[3], names: (e[1] + " " + e[2]).toLowerCase(), lower: e[3].toLowerCase() }
      })
      search()
    }
    script.onerror = function () { loading = false }
    document.head.appendChild(script)
  }

  // terms splits a query. Chinese has no spaces between words: every two neighbouring
  // characters are a term, and a text that has most of them is a result.
  function terms(query) {
    var list = []
    query.toLowerCase().split(/\s+/).forEach(function (word) {
      word = word.replace(/^-+(?=.)/, "") // headings have flags without dashes
      ;(word.match(/[\u3400-\u9fff]+|[^\u3400-\u9fff]+/g) || []).forEach(function (part) {
        if (!/[\u3400-\u9fff]/.test(part) || part.length < 3) {
          list.push({ text: part, required: true })
          return
        }
        for (var i = 0; i + 1 < part.length; i++) list.push({ text: part.slice(i, i + 2), required: false })
      })
    })
    return list
  }

  // score is 0 for no result.
  function score(entry, list, whole) {
    var sum = 0, optional = 0, found = 0
    for (var i = 0; i < list.length; i++) {
      var term = list[i]
      var inNames = entry.names.indexOf(term.text) >= 0
      var inText = entry.lower.indexOf(term.text) >= 0
      if (!term.required) optional++
      if (!inNames && !inText) {
        if (term.required) return 0
        continue
      }
      if (!term.required) found++
      sum += (inNames ? 6 : 0) + (inText ? 1 : 0)
      if (entry.title.toLowerCase().indexOf(term.text) >= 0) sum += 4
    }
    if (optional > 0 && found * 5 < optional * 3) return 0
    if (list.length > 1) {
      if (entry.names.indexOf(whole) >= 0) sum += 20
      if (entry.lower.indexOf(whole) >= 0) sum += 8
    }
    // Who searches wants to know how to do something before why it is so.
    return entry.to.indexOf("decisions/") >= 0 ? sum / 3 : sum
  }

  function search() {
    var whole = field.value.trim().toLowerCase()
    if (!entries || whole === "") return show([])
    var list = terms(whole)
    var found = []
    entries.forEach(function (entry, i) {
      var s = score(entry, list, whole)
      if (s > 0) found.push({ entry: entry, score: s, order: i })
    })
    found.sort(function (a, b) { return b.score - a.score || a.order - b.order })
    show(found.slice(0, 20).map(function (f) { return result(f.entry, list, whole) }), true)
  }

  function result(entry, list, whole) {
    var link = document.createElement("a")
    link.href = root + entry.to
    link.setAttribute("role", "option")
    var title = document.createElement("strong")
    title.textContent = entry.title === entry.page || entry.to.indexOf("#") < 0 ? entry.page : entry.page + " › " + entry.title
    link.appendChild(title)
    link.appendChild(excerpt(entry, list, whole))
    return link
  }

  // excerpt shows the text around the first term, and marks it.
  function excerpt(entry, list, whole) {
    var needle = whole, at = entry.lower.indexOf(whole)
    for (var i = 0; at < 0 && i < list.length; i++) {
      needle = list[i].text
      at = entry.lower.indexOf(needle)
    }
    var box = document.createElement("span")
    if (at < 0) {
      box.textContent = entry.text.slice(0, 120)
      return box
    }
    var from = at < 40 ? 0 : afterWord(entry.text, at - 30)
    var to = beforeWord(entry.text, at + needle.length + 90)
    box.appendChild(document.createTextNode((from > 0 ? "…" : "") + entry.text.slice(from, at)))
    var mark = document.createElement("mark")
    mark.textContent = entry.text.slice(at, at + needle.length)
    box.appendChild(mark)
    box.appendChild(document.createTextNode(entry.text.slice(at + needle.length, to) + (to < entry.text.length ? "…" : "")))
    return box
  }

  // afterWord and beforeWord move an end of an excerpt off the word that it is in, unless
  // there is none near, as in Chinese.
  function afterWord(text, i) {
    var space = text.indexOf(" ", i - 1)
    return space < 0 || space > i + 15 ? i : space + 1
  }

  function beforeWord(text, i) {
    var space = i < text.length ? text.lastIndexOf(" ", i) : -1
    return space < i - 15 ? i : space
  }

  function show(links, searched) {
    results.textContent = ""
    shown = links
    choose(-1)
    if (searched && links.length === 0) {
      var none = document.createElement("p")
      none.textContent = field.dataset.none
      results.appendChild(none)
    }
    links.forEach(function (link, i) {
      link.id = "site-result-" + i
      results.appendChild(link)
    })
    results.hidden = !searched
    field.setAttribute("aria-expanded", String(!results.hidden))
  }

  function choose(i) {
    if (shown[chosen]) shown[chosen].removeAttribute("aria-selected")
    chosen = i
    if (!shown[i]) return field.removeAttribute("aria-activedescendant")
    shown[i].setAttribute("aria-selected", "true")
    shown[i].scrollIntoView({ block: "nearest" })
    field.setAttribute("aria-activedescendant", shown[i].id)
  }

  field.addEventListener("focus", load)
  field.addEventListener("input", function () { load(); search() })
  field.addEventListener("keydown", function (event) {
    if (event.isComposing) return // Enter chooses a word of the input method
    if (event.key === "ArrowDown" && shown.length) choose((chosen + 1) % shown.length)
    else if (event.key === "ArrowUp" && shown.length) choose((chosen + shown.length) % (shown.length + 1) - (chosen < 0 ? 1 : 0))
    else if (event.key === "Enter" && shown.length) location.href = shown[Math.max(chosen, 0)].href
    else if (event.key === "Escape") { field.value = ""; show([]) }
    else return
    event.preventDefault()
  })
  document.addEventListener("keydown", function (event) {
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault()
      field.focus()
    }
  })
  document.addEventListener("click", function (event) {
    if (!event.target.closest(".search")) show([])
    else if (event.target.closest("#site-results a")) show([]) // it may be on this page
  })
})()
