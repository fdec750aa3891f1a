import assert from "node:assert/strict"
import { test } from "node:test"
import { define } from "./world.js"

interface Shown {
  title: string
  options: Record<string, unknown> & { data?: Record<string, unknown> }
}

/** A service worker of https://app.example.com. */
class Worker extends EventTarget {
  static #count = 0
  readonly location: URL
  readonly shown: Shown[] = []
  readonly opened: string[] = []
  readonly focused: string[] = []
  readonly posted: unknown[] = []
  readonly keys: unknown[] = []
  windows: string[] = []
  /** Options that the browser does not take. */
  refuses: string | undefined

  constructor(query = "") {
    super()
    this.location = new URL(`https://app.example.com/wirepost-sw.js${query}`)
  }

  /** Runs the script. */
  static async start(query = "", globals = {}): Promise<Worker> {
    const worker = Object.assign(new Worker(query), globals)
    define("self", worker)
    await import(`../src/worker.js?${++Worker.#count}`)
    return worker
  }

  readonly registration = {
    showNotification: async (title: string, options: Shown["options"]) => {
      if (this.refuses && options[this.refuses] !== undefined) throw new TypeError(`bad ${this.refuses}`)
      this.shown.push({ title, options })
    },
    pushManager: { subscribe: async (options: unknown) => void this.keys.push(options) },
  }

  readonly clients = {
    matchAll: async ({ type, includeUncontrolled }: { type: string; includeUncontrolled: boolean }) => {
      assert.deepEqual([type, includeUncontrolled], ["window", true])
      return this.windows.map((url) => ({ url, focus: async () => void this.focused.push(url), postMessage: (data: unknown) => void this.posted.push(data) }))
    },
    openWindow: async (url: string) => void this.opened.push(url),
  }

  /** Dispatches an event and waits for what it makes last; says whether it did. */
  async happens(type: string, fields: object): Promise<boolean> {
    const work: Promise<unknown>[] = []
    this.dispatchEvent(Object.assign(new Event(type), { waitUntil: (p: Promise<unknown>) => void work.push(p) }, fields))
    await Promise.all(work)
    return work.length > 0
  }

  push(data: unknown): Promise<boolean> {
    const text = typeof data === "string" ? data : JSON.stringify(data)
    return this.happens("push", { data: { text: () => text } })
  }

  /** Clicks the last notification. */
  async click(action = ""): Promise<void> {
    let closed = false
    const { data } = this.shown[this.shown.length - 1]!.options
    await this.happens("notificationclick", { action, notification: { data, close: () => void (closed = true) } })
    assert.ok(closed)
  }
}

const wirepost = { channel: "user:42", seq: 7, id: "m7" }

test("a push is shown, and its page opened or focused", async () => {
  const worker = await Worker.start()
  assert.ok(await worker.push({ web_push: 8030, notification: { title: "Shipped", body: "Order 7", icon: "/box.png", navigate: "/orders/7?a#b", data: { own: 1 }, requireInteraction: true }, wirepost }))
  const { title, options } = worker.shown[0]!
  assert.equal(title, "Shipped")
  assert.deepEqual(
    { ...options, data: undefined },
    { body: "Order 7", icon: "/box.png", requireInteraction: true, tag: "user:42 7", actions: undefined, data: undefined },
  )
  assert.deepEqual(JSON.parse(JSON.stringify(options.data)), { wirepost, data: { own: 1 }, url: "https://app.example.com/orders/7?a#b", actions: {} })
  worker.windows = ["https://app.example.com/", "https://app.example.com/orders/7"]
  await worker.click()
  worker.windows.push("https://app.example.com/orders/7?a#c")
  await worker.click()
  assert.deepEqual([worker.opened, worker.focused], [["https://app.example.com/orders/7?a#b"], ["https://app.example.com/orders/7?a#c"]])
})

test("without a notification the defaults of the page are shown, and the data", async () => {
  const query = "?" + new URLSearchParams({ title: "The shop", icon: "/shop.png", url: "/inbox" })
  const worker = await Worker.start(query)
  await worker.push({ wirepost: { ...wirepost, content_type: "text/plain", data: "your order has shipped" } })
  await worker.push({ wirepost: { ...wirepost, data: { order: 7 } } })
  await worker.push({ wirepost: { ...wirepost, data: "x" }, notification: { title: "Special", icon: "/special.png", tag: "cart", navigate: "/" } })
  assert.deepEqual(worker.shown.map(({ title, options: { body, icon, tag, data } }) => [title, body, icon, tag, (data?.["wirepost"] as { data: unknown }).data]), [
    ["The shop", "your order has shipped", "/shop.png", "user:42 7", "your order has shipped"],
    ["The shop", "", "/shop.png", "user:42 7", { order: 7 }],
    ["Special", "", "/special.png", "cart", "x"],
  ])
  await worker.click()
  assert.deepEqual(worker.opened, ["https://app.example.com/inbox"])

  const own = await Worker.start("", { wirepostNotification: { title: "Own", body: "Something is new" } })
  await own.push({ wirepost: { ...wirepost, data: "a secret" } })
  await own.push({ wirepost, notification: { title: "Shipped" } })
  assert.deepEqual(own.shown.map(({ options }) => options["body"]), ["Something is new", ""])
  const none = await Worker.start()
  await none.push({ wirepost })
  assert.deepEqual([own.shown[0]?.title, none.shown[0]?.title], ["Own", "app.example.com"])
})

test("without a page any window is focused, or the origin opened", async () => {
  const worker = await Worker.start()
  await worker.push({ wirepost, notification: { title: "x", navigate: "/" } })
  await worker.click()
  worker.windows = ["https://app.example.com/b", "https://app.example.com/a"]
  await worker.click()
  assert.deepEqual([worker.opened, worker.focused], [["/"], ["https://app.example.com/b"]])
})

test("buttons open their own pages", async () => {
  const worker = await Worker.start()
  const actions = [{ action: "track", title: "Track", navigate: "/track" }, { action: "bad", title: "Bad", navigate: "javascript:alert(1)" }, null]
  await worker.push({ wirepost, notification: { title: "x", navigate: "/orders", actions } })
  await worker.click("track")
  await worker.click()
  await worker.click("bad")
  assert.deepEqual(worker.opened, ["https://app.example.com/track", "https://app.example.com/orders", "/"])
})

test("only pages are opened", async () => {
  const worker = await Worker.start("?url=data:text/html,x")
  for (const navigate of ["javascript:alert(1)", "JAVASCRIPT:alert(1)", " java\nscript:alert(1)", "data:text/html,x", "blob:https://app.example.com/x", "file:///etc/passwd", "http://", 7, {}, null]) {
    await worker.push({ wirepost, notification: { title: "x", navigate } })
    await worker.click()
  }
  assert.deepEqual(new Set(worker.opened), new Set(["/"]))
  await worker.push({ wirepost, notification: { title: "x", navigate: "https://other.example.com/x" } })
  await worker.click()
  assert.deepEqual(worker.opened.at(-1), "https://other.example.com/x")
})

test("what is not from the server is left to others", async () => {
  const worker = await Worker.start()
  for (const data of ["", "no JSON", "null", "7", "[]", "{}", { notification: { title: "x" } }, { wirepost: null }, { wirepost: "x" }, { wirepost: { channel: 7, seq: 7 } }, { wirepost: { channel: "user:42" } }]) {
    assert.equal(await worker.push(data), false)
  }
  assert.equal(await worker.happens("push", { data: null }), false)
  for (const data of [null, undefined, "x", { own: 1 }]) {
    await worker.happens("notificationclick", { action: "", notification: { data, close: () => assert.fail("closed") } })
  }
  assert.deepEqual([worker.shown, worker.opened], [[], []])
})

test("a push with wrong values is shown without them", async () => {
  const worker = await Worker.start()
  worker.refuses = "dir"
  await worker.push({ wirepost, notification: { url: "/without-a-title" } })
  assert.equal(worker.shown.pop()?.options.data?.["url"], "https://app.example.com/without-a-title")
  await worker.push({ wirepost, notification: { title: "x", body: "y", dir: "up", icon: "/x.png", navigate: "/z" } })
  await worker.push({ wirepost, notification: { title: 7, body: {}, tag: [], actions: "x" } })
  await worker.push({ wirepost, notification: "x" })
  assert.deepEqual(worker.shown.map(({ title, options }) => [title, options["body"], options["icon"], options["tag"], options.data?.["url"]]), [
    ["x", "y", undefined, "user:42 7", "https://app.example.com/z"],
    ["app.example.com", "", undefined, "user:42 7", undefined],
    ["app.example.com", "", undefined, "user:42 7", undefined],
  ])
})

test("an expired subscription is replaced, and pages are notified", async () => {
  const worker = await Worker.start()
  worker.windows = ["https://app.example.com/"]
  const applicationServerKey = new ArrayBuffer(65)
  await worker.happens("pushsubscriptionchange", { oldSubscription: { options: { applicationServerKey } } })
  assert.deepEqual([worker.keys, worker.posted], [[{ userVisibleOnly: true, applicationServerKey }], ["wirepost:subscription"]])
  await worker.happens("pushsubscriptionchange", { newSubscription: {} }) // the browser has replaced it
  await worker.happens("pushsubscriptionchange", {})
  assert.equal(worker.keys.length, 1)
  assert.equal(worker.posted.length, 3)
})
