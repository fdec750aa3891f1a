import assert from "node:assert/strict"
import { test } from "node:test"
import { connect, WirepostError, type Message } from "../src/index.js"
import { World } from "./world.js"

const url = "wss://push.example.com/ws"

test("messages are delivered in order, and acknowledged lazily after their handler returns", async (t) => {
  const world = new World(t)
  const client = connect(url)
  let finish = () => {}
  const seen: unknown[] = []
  client.on("message", async (m) => {
    seen.push(m.data)
    if (m.seq === 2) await new Promise<void>((done) => (finish = done))
  })
  await world.pass()
  for (const data of ["a", "b", "c"]) world.server.push("user:42", data)
  await world.pass(99)
  assert.deepEqual(seen, ["a", "b"])
  assert.deepEqual(world.server.last.all("ack"), [], "collected for 100 ms")
  await world.pass(1)
  assert.deepEqual(world.server.last.all("ack"), [{ type: "ack", channel: "user:42", seq: 1 }])
  finish()
  await world.pass(100)
  assert.deepEqual(seen, ["a", "b", "c"])
  assert.deepEqual(world.server.last.all("ack").map((a) => a["seq"]), [1, 3], "one for both")
  client.close()
})

test("half a window is acknowledged at once", async (t) => {
  const world = new World(t)
  const client = connect(url)
  client.on("message", () => {})
  await world.pass()
  for (let i = 0; i < 130; i++) world.server.push("user:42", i)
  await world.pass()
  const acks = world.server.last.all("ack").map((a) => Number(a["seq"]))
  assert.equal(acks.length, 1)
  assert.ok(acks[0]! > 100 && acks[0]! <= 128, `at ${acks[0]}`)
  client.close()
})

test("a quarter of a window of text is acknowledged at once", async (t) => {
  const world = new World(t)
  const client = connect(url)
  client.on("message", () => {})
  await world.pass()
  for (let i = 0; i < 3; i++) world.server.push("user:42", "x".repeat(100_000))
  await world.pass()
  assert.deepEqual(world.server.last.all("ack").map((a) => a["seq"]), [3])
  client.close()
})

test("an error in a handler is logged and delays nothing", async (t) => {
  const world = new World(t)
  const client = connect(url)
  client.on("message", () => Promise.reject(new Error("mine")))
  await world.pass()
  world.server.push("user:42", 1)
  await world.pass(100)
  assert.equal(world.logged.length, 1)
  assert.equal(world.server.last.all("ack")[0]?.["seq"], 1)
  client.close()
})

test("nothing is delivered before there is a handler", async (t) => {
  const world = new World(t)
  world.server.push("user:42", "early")
  const client = connect(url)
  await world.pass(1000)
  assert.deepEqual(world.server.last.all("ack"), [])
  const seen: unknown[] = []
  client.on("message", (m) => seen.push(m.data))
  await world.pass(100)
  assert.deepEqual(seen, ["early"])
  assert.equal(world.server.last.all("ack").length, 1)
  client.close()
})

test("the iterator acknowledges a message when the next one is requested", async (t) => {
  const world = new World(t)
  for (const data of ["a", "b"]) world.server.push("user:42", data)
  const client = connect(url)
  const messages = client[Symbol.asyncIterator]()
  const first = await (async () => {
    const next = messages.next()
    await world.pass(1000)
    return next
  })()
  assert.equal((first.value as Message).data, "a")
  assert.deepEqual(world.server.last.all("ack"), [])
  const second = await messages.next()
  await world.pass(100)
  assert.equal((second.value as Message).data, "b")
  assert.equal(world.server.last.all("ack").at(-1)?.["seq"], 1)
  const third = messages.next()
  await world.pass(100)
  assert.equal(world.server.last.all("ack").at(-1)?.["seq"], 2)
  client.close()
  assert.deepEqual(await third, { value: undefined, done: true })
})

test("after a broken connection it resumes at its position, without repeats", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const seen: unknown[] = []
  client.on("message", (m) => seen.push(m.data))
  await world.pass()
  world.server.push("user:42", 1)
  await world.pass() // not acknowledged
  world.server.stop()
  world.server.push("user:42", 2)
  world.server.start()
  await world.pass(1000)
  assert.deepEqual(seen, [1, 2])
  assert.equal(world.server.last.url.searchParams.get("after"), "1", "this page's position counts, not the device's")
  await world.pass(100)
  assert.equal(world.server.cursors.get(`${client.device} user:42`), 2)
  client.close()
})

test("an acknowledgement lost with its connection is sent again", async (t) => {
  const world = new World(t)
  const client = connect(url)
  client.on("message", () => {})
  await world.pass()
  world.server.push("user:42", 1)
  await world.pass()
  world.server.last.mute = true // what is sent to it is lost
  world.server.last.take = () => {}
  await world.pass(100)
  world.server.last.end(1006)
  await world.pass(1000)
  assert.equal(world.server.cursors.get(`${client.device} user:42`), 1)
  client.close()
})

test("another tab of the device does not move the position of this one", async (t) => {
  const world = new World(t)
  world.server.members.push("team:7")
  const client = connect(url, { device: "d" })
  const seen: unknown[] = []
  client.on("message", (m) => seen.push(m.data))
  await world.pass()
  world.server.push("team:7", 1)
  await world.pass(200)
  world.server.stop()
  world.server.push("team:7", 2)
  world.server.push("team:7", 3)
  world.server.cursors.set("d team:7", 2) // acknowledged by the other tab
  world.server.start()
  await world.pass(1000)
  assert.deepEqual(seen, [1, 2, 3])
  client.close()
})

test("if the position cannot be set, the device's cursor is used", async (t) => {
  const world = new World(t)
  world.server.members.push("team:7")
  const client = connect(url)
  const seen: unknown[] = []
  client.on("message", (m) => seen.push(m.data))
  await world.pass()
  world.server.push("team:7", 1)
  await world.pass(200)
  world.server.stop()
  world.server.push("team:7", 2)
  world.server.forbidden = ["team:7"] // a membership by the backend only
  world.server.start()
  await world.pass(1000)
  assert.deepEqual(seen, [1, 2])
  assert.deepEqual(world.logged, [])
  client.close()
})

test("positions are dropped in another store", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const seen: unknown[] = []
  let resets = 0
  client.on("message", (m) => seen.push(m.data))
  client.on("reset", () => resets++)
  await world.pass()
  for (const data of [1, 2, 3]) world.server.push("user:42", data)
  await world.pass(100)
  world.server.stop()
  world.server.logs.clear()
  world.server.cursors.clear()
  world.server.epoch = "e2"
  world.server.push("user:42", "new")
  world.server.start()
  await world.pass(1000)
  assert.deepEqual(seen, [1, 2, 3, "new"])
  assert.equal(resets, 1)
  await world.pass(100)
  assert.equal(world.server.cursors.get(`${client.device} user:42`), 1)
  client.close()
})

test("a subscription has its own handler, and resumes", async (t) => {
  const world = new World(t)
  world.server.push("room:7", "before")
  const client = connect(url)
  const seen: unknown[] = []
  const joined = client.subscribe("room:7", (m) => seen.push(m.data))
  await world.pass()
  const subscription = await joined
  world.server.push("room:7", 1)
  await world.pass(100)
  world.server.stop()
  world.server.push("room:7", 2)
  world.server.start()
  await world.pass(1000)
  assert.deepEqual(seen, [1, 2])
  assert.equal(world.server.last.all("subscribe")[0]?.["after"], 2)
  subscription.unsubscribe()
  await world.pass()
  assert.equal(world.server.last.all("unsubscribe").length, 1)
  world.server.push("room:7", 3)
  await world.pass(100)
  assert.deepEqual(seen, [1, 2])
  client.close()
})

test("a subscription without a message yet resumes too", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const seen: unknown[] = []
  void client.subscribe("room:7", (m) => seen.push(m.data))
  await world.pass()
  world.server.stop()
  world.server.push("room:7", 1)
  world.server.start()
  await world.pass(1000)
  assert.deepEqual(seen, [1])
  client.close()
})

test("a subscription resumes after a reload of the page", async (t) => {
  const world = new World(t)
  let client = connect(url)
  void client.subscribe("room:7", () => {})
  await world.pass()
  world.server.push("room:7", 1)
  await world.pass(100)
  client.close() // as a reload does
  world.server.push("room:7", 2)
  client = connect(url)
  const seen: unknown[] = []
  void client.subscribe("room:7", (m) => seen.push(m.data))
  await world.pass()
  assert.deepEqual(seen, [2])
  assert.equal(world.server.sessions[0]?.device, world.server.sessions[1]?.device)
  client.close()
  world.newTab()
  client = connect(url)
  const elsewhere: unknown[] = []
  void client.subscribe("room:7", (m) => elsewhere.push(m.data))
  await world.pass()
  assert.deepEqual(elsewhere, [], "another tab begins at the head")
  client.close()
})

test("without storage the device name lasts as long as the page", async (t) => {
  new World(t, { storage: false })
  const [a, b] = [connect(url), connect(url)]
  assert.match(a.device, /^[0-9a-f]{32}$/)
  assert.equal(a.device, b.device)
  a.close()
  b.close()
})

test("a refused subscription rejects and affects nothing else", async (t) => {
  const world = new World(t)
  world.server.forbidden = ["room:8"]
  const client = connect(url)
  const refused = client.subscribe("room:8", () => {})
  const rejected = assert.rejects(refused, { name: "WirepostError", code: "forbidden", message: "not this one" })
  await world.pass()
  await rejected
  world.server.stop()
  world.server.start()
  await world.pass(1000)
  assert.deepEqual(world.server.last.all("subscribe"), [], "it is not asked for again")
  assert.equal(client.state, "open")
  client.close()
})

test("gaps, revocations and memberships are emitted in order", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const events: string[] = []
  client.on("message", (m) => events.push(`message ${m.seq}`))
  client.on("gap", (g) => events.push(`gap ${g.after}-${g.resumed_at}`))
  client.on("revoke", (r) => events.push(`revoke ${r.revoked}`))
  client.on("subscribed", (m) => events.push(`subscribed ${m.channel}`))
  client.on("unsubscribed", (m) => events.push(`unsubscribed ${m.channel}`))
  await world.pass()
  world.server.push("user:42", 1)
  world.server.last.send({ type: "gap", channel: "user:42", after: 1, resumed_at: 2 })
  world.server.push("user:42", 2)
  world.server.revoke("user:42", 2)
  world.server.last.send({ type: "subscribed", channel: "team:7" })
  world.server.last.send({ type: "unsubscribed", channel: "team:7" })
  await world.pass(100)
  assert.deepEqual(events.filter((s) => !s.includes("subscribed")), ["message 1", "gap 1-2", "message 2", "revoke 2"])
  assert.deepEqual(events.filter((s) => s.includes("subscribed")), ["subscribed team:7", "unsubscribed team:7"])
  assert.equal(world.server.last.all("ack").at(-1)?.["seq"], 3, "a revocation is acknowledged like a message")
  client.close()
})

test("unread counts are kept up to date", async (t) => {
  const world = new World(t)
  world.server.push("user:42", 1)
  const client = connect(url)
  const counts: number[] = []
  let last: Message | undefined
  client.on("message", (m) => (last = m))
  client.on("unread", (e) => counts.push(e.unread))
  await world.pass()
  assert.equal(client.unread(), 1, "hello counts what was there")
  world.server.push("user:42", 2)
  world.server.push("user:42", 3)
  await world.pass()
  assert.equal(client.unread(), 3)
  world.server.revoke("user:42", 2)
  await world.pass()
  assert.equal(client.unread("user:42"), 2)
  assert.ok(last)
  const read = client.read(last)
  await world.pass()
  await read
  assert.equal(client.unread(), 0, "what the server says counts")
  assert.deepEqual(counts, [1, 2, 3, 2, 0])
  client.close()
})

test("read rejects if the user is not a member, and waits for the connection", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const early = client.read({ channel: "user:42", seq: 1 })
  world.server.push("user:42", 1)
  await world.pass()
  await early
  const rejected = assert.rejects(client.read({ channel: "room:7", seq: 1 }), { code: "not_found" })
  await world.pass()
  await rejected
  client.close()
})

test("publishes wait while offline, and are stored once", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  world.server.sse = world.server.poll = 0
  const client = connect(url)
  const early = client.publish("room:7", { n: 1 })
  await world.pass(2000)
  world.server.start()
  await world.pass(5000)
  assert.equal((await early).seq, 1)
  // The response is lost: the same ID is sent again.
  world.server.last.send = () => {}
  const again = client.publish("room:7", { n: 2 })
  await world.pass()
  world.server.last.end(1006)
  await world.pass(5000)
  assert.deepEqual(await again.then(({ seq, duplicate }) => ({ seq, duplicate })), { seq: 2, duplicate: true })
  assert.equal(world.server.head("room:7"), 2)
  client.close()
})

test("with more than 256 pending requests, the next one rejects", async (t) => {
  const world = new World(t)
  world.server.stop()
  const client = connect(url)
  const waiting = Array.from({ length: 256 }, (_, n) => client.publish("room:7", n))
  await assert.rejects(client.publish("room:7", 256), { code: "unavailable" })
  world.server.start()
  await world.pass(10_000)
  assert.equal((await Promise.all(waiting)).at(-1)?.seq, 256)
  client.close()
})

test("publishing text, bytes, keys and IDs", async (t) => {
  const world = new World(t)
  const client = connect(url)
  await world.pass()
  const all = Promise.all([
    client.publish("room:7", "hi", { contentType: "text/plain", key: "k", id: "mine" }),
    client.publish("room:7", new Uint8Array([1, 2, 255])),
    client.publish("room:7", new Uint8Array([1, 2, 255]).buffer, { contentType: "image/png" }),
  ])
  await world.pass()
  await all
  const [text, bytes, image] = world.server.last.all("publish")
  assert.deepEqual({ ...text, ref: 0 }, { type: "publish", ref: 0, to: "room:7", id: "mine", key: "k", content_type: "text/plain", data: "hi" })
  assert.equal(bytes?.["data_base64"], "AQL/")
  assert.equal(image?.["content_type"], "image/png")
  client.close()
})

test("calls return a reply or an error, and are not repeated", async (t) => {
  const world = new World(t)
  const client = connect(url)
  await world.pass()
  const answer = client.call("echo", { a: [1] })
  const unknown = assert.rejects(client.call("nope"), { code: "not_found" })
  await world.pass()
  assert.deepEqual(await answer, { a: [1] })
  await unknown
  world.server.last.mute = true
  const lost = assert.rejects(client.call("echo"), { code: "unavailable" })
  await world.pass()
  world.server.last.end(1006)
  await world.pass(5000)
  await lost
  assert.deepEqual(world.server.last.all("call"), [])
  client.close()
})

test("a signal aborts a call, and a pending publish before it is sent", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const given = new AbortController()
  const waiting = assert.rejects(client.publish("room:7", 1, { signal: given.signal }), { name: "WirepostError", code: "aborted", message: "enough" })
  given.abort(new Error("enough"))
  await assert.rejects(client.call("echo", 1, { signal: given.signal }), { code: "aborted" })
  await waiting
  await world.pass()
  const late = new AbortController()
  const errors: unknown[] = []
  client.on("error", (e) => errors.push(e))
  const call = assert.rejects(client.call("nope", 1, { signal: late.signal }), { code: "aborted" })
  late.abort()
  await call
  await world.pass()
  assert.deepEqual(world.server.last.got.map((frame) => frame["method"] ?? frame.type), ["nope"])
  assert.deepEqual(errors, [], "a late response is ignored")
  client.close()
})

test("invalid input causes a clear error", async (t) => {
  new World(t)
  const bad = { name: "WirepostError", code: "bad_request" }
  assert.throws(() => connect("http://"), bad)
  assert.throws(() => connect("ftp://push.example.com/ws"), bad)
  assert.throws(() => connect(url, { device: "a b" }), bad)
  assert.throws(() => connect(url, { channels: ["ok", "a*"] }), bad)
  const client = connect(url)
  for (const name of ["", "a b", "a,b", "a?", "\u200b", 7]) {
    await assert.rejects(client.subscribe(name as string, () => {}), bad, String(name))
  }
  const circle: Record<string, never> = {}
  circle["self"] = circle as never
  for (const data of [circle, undefined, () => {}, 1n] as unknown[]) {
    await assert.rejects(client.publish("room:7", data as never), bad)
  }
  client.close()
})

test("invalid frames are ignored", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const seen: unknown[] = []
  client.on("message", (m) => seen.push(m.data))
  await world.pass()
  world.server.last.send({ type: "something new" })
  world.server.last.send(null as never)
  world.server.last.send({} as never)
  world.server.last.send({ type: "ok", ref: 99 })
  world.server.push("user:42", 1)
  await world.pass()
  assert.deepEqual(seen, [1])
  client.close()
})

test("close ends everything once", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const ends: unknown[] = []
  client.on("close", (error) => ends.push(error))
  const waiting = assert.rejects(client.publish("room:7", 1), { code: "closed" })
  const joining = assert.rejects(client.subscribe("room:7", () => {}), { code: "closed" })
  client.close()
  client.close()
  await waiting
  await joining
  assert.deepEqual(ends, [undefined])
  await assert.rejects(client.publish("room:7", 1), WirepostError)
  await world.pass(60_000)
  assert.deepEqual(world.server.open, [])
})
