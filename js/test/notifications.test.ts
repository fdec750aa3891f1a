import assert from "node:assert/strict"
import { mock, test, type TestContext } from "node:test"
import { connect, type Client } from "../src/index.js"
import { PushBrowser, Registration, vapid } from "./push.js"
import { tabs } from "./tabs.js"
import { World } from "./world.js"

const url = "wss://push.example.com/ws"

interface Trial {
  readonly world: World
  readonly browser: PushBrowser
  readonly client: Client
  readonly errors: unknown[]
}

async function begin(t: TestContext, options = {}): Promise<Trial> {
  const world = new World(t)
  const browser = new PushBrowser(world)
  world.server.vapid = vapid("B")
  const { client, errors } = page(options)
  t.after(() => client.close())
  await world.pass()
  return { world, browser, client, errors }
}

function page(options = {}): { client: Client; errors: unknown[] } {
  const client = connect(url, options)
  const errors: unknown[] = []
  client.on("error", (e) => errors.push(e))
  client.on("message", () => {})
  return { client, errors }
}

/** Does something that needs the clock to go on. */
async function done<T>(world: World, work: Promise<T>): Promise<T> {
  let over = false
  const end = () => void (over = true)
  work.then(end, end)
  while (!over) await world.pass(10)
  return work
}

/** The endpoints that the server was sent, in all sessions; with a "-" those to be removed. */
const sent = ({ server }: World) =>
  server.sessions.flatMap((s) => s.all("webpush").map((f) => (f["endpoint"] ? "-" : "") + String(f["endpoint"] ?? (f["subscription"] as { endpoint: string }).endpoint).slice(-1)))

test("notifications are enabled once, and the server is sent the subscription once a day", async (t) => {
  const { world, browser, client, errors } = await begin(t)
  assert.equal(await done(world, client.notifications()), "off")
  assert.equal(browser.registrations.size, 0)
  await done(world, client.enableNotifications({ title: "The shop", url: "/orders?a=1&b=2" }))
  assert.equal(await done(world, client.notifications()), "on")
  const { script, scope, subscription } = browser.own
  assert.equal(script, "https://push.example.com/wirepost-sw.js?title=The+shop&url=%2Forders%3Fa%3D1%26b%3D2")
  assert.equal(scope, "/wirepost-sw/", "a scope without pages")
  assert.equal(subscription?.vapid, vapid("B"))
  const frame = world.server.last.all("webpush")[0]
  assert.deepEqual(frame?.["subscription"], { endpoint: "https://push.example.net/1", expirationTime: null, keys: { p256dh: "p", auth: "a" } })
  assert.deepEqual(sent(world), ["1"])
  world.server.last.end(1006)
  await world.pass(5000)
  assert.deepEqual(sent(world), ["1"])
  client.close()
  world.newTab()
  mock.timers.tick(86_400_000)
  const next = page()
  await world.pass(1000)
  assert.deepEqual(sent(world), ["1", "1"], "another page of the browser")
  world.server.epoch = "e2"
  world.server.last.end(1006)
  await world.pass(5000)
  assert.deepEqual(sent(world), ["1", "1", "1"], "another store")
  assert.equal(await done(world, next.client.notifications()), "on")
  next.client.close()
  assert.deepEqual([...errors, ...next.errors], [])
})

test("another key of the server, and another subscription of the browser, are noticed", async (t) => {
  const { world, browser, client } = await begin(t)
  await done(world, client.enableNotifications())
  world.server.vapid = vapid("C")
  world.server.last.end(1012)
  await world.pass(5000)
  assert.equal(browser.own.subscription?.vapid, vapid("C"))
  assert.deepEqual(sent(world), ["1", "2"])

  browser.own.subscription = null // it has expired
  browser.workers.dispatchEvent(new MessageEvent("message", { data: "of another worker" }))
  await world.pass(100)
  assert.deepEqual(sent(world), ["1", "2"])
  browser.workers.dispatchEvent(new MessageEvent("message", { data: "wirepost:subscription" }))
  await world.pass(100)
  assert.deepEqual(sent(world), ["1", "2", "3"])

  world.server.vapid = undefined // it has no Web Push any more
  world.server.last.end(1012)
  await world.pass(5000)
  assert.deepEqual(sent(world), ["1", "2", "3"])
  assert.equal(await done(world, client.notifications()), "disabled")
})

test("notifications are disabled", async (t) => {
  const { world, browser, client } = await begin(t)
  await done(world, client.disableNotifications())
  await done(world, client.enableNotifications())
  browser.own.show("user:42", 1)
  browser.own.notifications.push({ data: null, close: () => assert.fail("it is another's") })
  await done(world, client.disableNotifications())
  assert.equal(browser.own.subscription, null)
  assert.equal(browser.own.notifications.length, 1)
  assert.equal(await done(world, client.notifications()), "off")
  world.server.last.end(1006)
  await world.pass(5000)
  assert.deepEqual(sent(world), ["1", "-1"])
  await done(world, client.enableNotifications())
  world.server.last.mute = true // the page does not wait for it
  await done(world, client.disableNotifications())
  assert.equal(browser.own.subscription, null)
})

test("what comes for one user is not shown to another one", async (t) => {
  const { world, browser, client } = await begin(t)
  await done(world, client.enableNotifications())
  browser.own.show("user:42", 1)
  client.close()
  world.server.user = "7"
  world.server.members = ["user:7", "all"]
  const { client: other } = page()
  await world.pass(1000)
  assert.deepEqual([browser.own.subscription, browser.own.shown, sent(world)], [null, [], ["1"]])
  assert.equal(await done(world, other.notifications()), "off")
  await done(world, other.enableNotifications())
  assert.deepEqual(sent(world), ["1", "2"])

  world.server.user = "42" // whose page is still open, and comes back
  const third = page().client
  third.on("open", () => {})
  await world.pass(1000)
  await done(world, third.enableNotifications())
  assert.deepEqual(sent(world), ["1", "2", "3"], "an endpoint that the other user has not")
  other.close()
  third.close()
})

test("notifications of messages that were read or revoked are closed", async (t) => {
  const { world, browser, client } = await begin(t)
  for (const n of [1, 2, 3, 4]) world.server.push("user:42", n)
  await done(world, client.enableNotifications())
  for (const n of [1, 2, 3, 4]) browser.own.show("user:42", n)
  browser.own.show("room:7", 1)
  world.server.reads.set("user:42", 2) // on another device
  world.server.last.send({ type: "state", channel: "user:42", seq: 4, read: 2, unread: 2 })
  await world.pass(100)
  assert.deepEqual(browser.own.shown, [3, 4, 1])
  world.server.revoke("user:42", 4)
  await world.pass(100)
  assert.deepEqual(browser.own.shown, [3, 1])
  world.server.stop()
  world.server.reads.set("user:42", 3) // while this page is not connected
  world.server.start()
  await world.pass(60_000)
  assert.deepEqual(browser.own.shown, [1])
})

test("why notifications cannot be enabled", async (t) => {
  const { world, browser, client, errors } = await begin(t)
  const refused = async (code: string, message: RegExp, options = {}) => assert.rejects(done(world, client.enableNotifications(options)), { name: "WirepostError", code, message })
  browser.answer = "default"
  await refused("denied", /did not decide/)
  assert.equal(await done(world, client.notifications()), "off", "the user may be asked again")
  browser.answer = "denied"
  await refused("denied", /blocked/)
  assert.equal(await done(world, client.notifications()), "denied")

  browser.permission = "granted"
  await refused("bad_request", /https:\/\/other.example.com cannot be one of https:\/\/push.example.com/, { serviceWorker: "https://other.example.com/sw.js" })
  await refused("unavailable", /404/, { serviceWorker: "/missing.js" })
  browser.refusal = new DOMException("push service error", "AbortError")
  await refused("unavailable", /push service error/)
  browser.refusal = new DOMException("blocked", "NotAllowedError")
  await refused("denied", /blocked/)
  browser.refusal = undefined
  world.server.webpush = "too_large"
  await refused("too_large", /too_large/)
  assert.equal(browser.own.subscription?.endpoint, "https://push.example.net/1")
  world.server.last.end(1006)
  await world.pass(5000)
  assert.equal(sent(world).length, 1, "it is not enabled")
  assert.deepEqual(errors, [])
  client.close()
  await assert.rejects(client.enableNotifications(), { code: "closed" })
})

test("a server without Web Push, a browser without it, and a page without https", async (t) => {
  const world = new World(t)
  const browser = new PushBrowser(world)
  const client = connect(url)
  const asked = client.enableNotifications() // before the first connection
  await assert.rejects(done(world, asked), { code: "disabled", message: /webpush.subject/ })
  assert.equal(await done(world, client.notifications()), "disabled")
  assert.equal(browser.registrations.size, 0)
  client.close()

  Object.assign(globalThis, { PushManager: undefined })
  const old = connect(url)
  assert.equal(await done(world, old.notifications()), "unsupported")
  await assert.rejects(done(world, old.enableNotifications()), { code: "unsupported", message: /no Web Push/ })
  await done(world, old.disableNotifications())
  old.close()

  new PushBrowser(world, false)
  Object.assign(globalThis, { navigator: { locks: world.locks }, Notification: undefined }) // as such pages have it
  const plain = connect(url)
  await assert.rejects(done(world, plain.enableNotifications()), { code: "unsupported", message: /https/ })
  plain.close()
})

test("a client that is closed while it waits", async (t) => {
  const world = new World(t)
  new PushBrowser(world)
  world.server.stop()
  const client = connect(url)
  const asked = client.enableNotifications()
  await world.pass(100)
  client.close()
  await assert.rejects(asked, { code: "closed" })
})

test("without a WebSocket the server cannot be sent anything", async (t) => {
  const { world, client, errors } = await begin(t, { transports: ["sse"] })
  await assert.rejects(done(world, client.enableNotifications()), { code: "unavailable", message: /sse/ })
  client.close()
  const other = connect(url)
  await done(world, other.enableNotifications())
  other.close()
  const again = page({ transports: ["sse"] })
  await world.pass(1000)
  again.client.close()
  assert.deepEqual([...errors, ...again.errors], [])
  assert.deepEqual(sent(world), ["1"])
})

test("a request that waits for the connection is sent with the next one", async (t) => {
  const { world, client } = await begin(t)
  world.server.last.mute = true
  const asked = client.enableNotifications()
  await world.pass(100)
  world.server.last.end(1006)
  await done(world, asked)
  assert.deepEqual(sent(world), ["1", "1"])
})

test("tabs that share a connection have one subscription", async (t) => {
  const world = new World(t)
  const browser = new PushBrowser(world)
  world.server.vapid = vapid("B")
  const { clients } = await tabs(world, 3)
  await world.pass(1000)
  await done(world, clients[1]!.enableNotifications())
  assert.equal(await done(world, clients[0]!.notifications()), "on")
  world.server.last.end(1006)
  await world.pass(5000)
  assert.equal(world.server.open.length, 1)
  assert.deepEqual(sent(world), ["1"])
  assert.equal(browser.endpoints, 1)
  for (const client of clients) client.close()
})

test("a worker of the page's own", async (t) => {
  const { world, browser, client } = await begin(t)
  const own = browser.add(new Registration(browser, "https://push.example.com/sw.js", "/"))
  await world.pass()
  await done(world, client.enableNotifications({ serviceWorker: own as unknown as ServiceWorkerRegistration }))
  assert.deepEqual([own.subscription?.endpoint, sent(world), browser.registrations.size], ["https://push.example.net/1", ["1"], 1])
  browser.registrations.delete("/")
  world.server.last.end(1006)
  await world.pass(5000)
  assert.deepEqual(sent(world), ["1"], "it is gone")
  assert.equal(await done(world, client.notifications()), "off")

  await done(world, client.enableNotifications({ serviceWorker: "/push/worker.js?v=2", icon: "/icon.png" }))
  const other = browser.registrations.get("/push/worker/")
  assert.equal(other?.script, "https://push.example.com/push/worker.js?v=2&icon=%2Ficon.png")
})
