import assert from "node:assert/strict"
import { mock, test } from "node:test"
import { connect, WirepostError } from "../src/index.js"
import { World } from "./world.js"

const url = "wss://push.example.com/live/ws?tenant=7"

test("if WebSockets are blocked, SSE is used", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  const client = connect(url, { token: "t1", device: "d1", channels: ["news"] })
  const seen: unknown[] = []
  const ways: string[] = []
  client.on("message", (m) => seen.push(m.data))
  client.on("transport", (name) => ways.push(name))
  await world.pass(10)
  const [request] = world.server.requests
  assert.equal(request?.url.href, "https://push.example.com/live/sse?tenant=7&device=d1&channels=news&hello=1")
  assert.equal(request?.authorization, "Bearer t1", "never in the URL")
  world.server.push("user:42", 1)
  world.server.push("news", 2)
  await world.pass(100)
  assert.deepEqual(seen, [1, 2])
  assert.deepEqual([client.transport, ...ways], ["sse", "sse"])
  client.close()
})

test("a stream acknowledges handled messages with its cursor when it reconnects", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  const client = connect(url, { transports: ["sse"] })
  const seen: unknown[] = []
  let finish = () => {}
  client.on("message", async (m) => {
    seen.push(m.data)
    if (m.data === 2) await new Promise<void>((done) => (finish = done))
  })
  await world.pass(10)
  for (const data of [1, 2, 3]) world.server.push("user:42", data)
  await world.pass(100)
  world.server.last.end(1006)
  await world.pass(1000)
  assert.match(world.server.requests[1]?.url.searchParams.get("last_event_id") ?? "", /"user:42",1\]/)
  finish()
  await world.pass(100)
  assert.deepEqual(seen, [1, 2, 3], "what comes again is dropped")
  client.close()
})

test("if streams are blocked too, polling is used", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  world.server.sse = 502
  const client = connect(url, { token: "t1" })
  const seen: unknown[] = []
  let finish = () => {}
  client.on("message", async (m) => {
    seen.push(m.data)
    await new Promise<void>((done) => (finish = done))
  })
  await world.pass(200)
  assert.equal(client.transport, "poll")
  const polls = () => world.server.requests.filter((r) => r.url.pathname === "/live/poll")
  assert.deepEqual(polls().map((r) => r.url.searchParams.get("wait")), ["0", "25s"])
  assert.equal(polls()[0]?.authorization, "Bearer t1")
  world.server.push("user:42", 1)
  await world.pass(500)
  assert.deepEqual(seen, [1])
  assert.equal(polls().length, 2, "the next poll would acknowledge it")
  finish()
  await world.pass(200)
  assert.equal(polls().length, 3)
  world.server.push("user:42", 2)
  await world.pass(200)
  assert.deepEqual(seen, [1, 2])
  client.close()
})

test("from a WebSocket to a fallback without loss or repeats", async (t) => {
  for (const transport of ["sse", "poll"] as const) {
    const world = new World(t)
    const client = connect(url, { transports: ["websocket", transport] })
    const seen: unknown[] = []
    client.on("message", (m) => seen.push(m.data))
    void client.subscribe("room:7", () => {})
    await world.pass(10)
    world.server.push("user:42", 1)
    await world.pass(200)
    world.server.stop()
    world.server.start()
    world.server.socket = "refuse"
    world.server.push("user:42", 2)
    world.server.members.push("team:7")
    world.server.push("team:7", 3)
    await world.pass(1500)
    const sessions = world.server.sessions.length
    world.server.push("user:42", 4)
    await world.pass(500)
    assert.deepEqual(seen, [1, 2, 3, 4])
    assert.equal(client.transport, transport)
    if (transport === "sse") assert.equal(world.server.sessions.length, sessions, "one stream, not one after the other")
    world.server.last.end(1006)
    world.server.push("user:42", 5)
    await world.pass(2000)
    assert.deepEqual(seen, [1, 2, 3, 4, 5])
    client.close()
    mock.timers.reset()
  }
})

test("a stream without data is replaced by polling", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  const real = globalThis.fetch
  globalThis.fetch = (input, init) =>
    String(input).includes("/sse") ? new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(new Error("aborted")))) : real(input, init)
  const client = connect(url)
  await world.pass(11_000)
  assert.equal(client.transport, "poll")
  client.close()
})

test("sending over a fallback rejects with unavailable", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  const client = connect(url)
  const early = assert.rejects(client.publish("room:7", 1), { code: "unavailable", message: /sse/ })
  await world.pass(10)
  await early
  await assert.rejects(client.publish("room:7", 1), { code: "unavailable" })
  await assert.rejects(client.call("echo"), { code: "unavailable" })
  await assert.rejects(client.read({ channel: "user:42", seq: 1 }), { code: "unavailable" })
  client.close()
})

test("over a fallback a subscription is made by reconnecting", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  world.server.forbidden = ["room:8"]
  const client = connect(url)
  const seen: unknown[] = []
  client.on("message", () => {})
  client.on("error", () => {})
  await world.pass(10)
  world.server.push("user:42", 1)
  await world.pass(100)
  const joined = client.subscribe("room:7", (m) => seen.push(m.data))
  await world.pass(100)
  const subscription = await joined
  assert.equal(world.server.open.length, 1)
  assert.equal(world.server.last.url.searchParams.get("channels"), "room:7")
  world.server.push("room:7", "a")
  await world.pass(100)
  assert.deepEqual(seen, ["a"])
  const refused = assert.rejects(client.subscribe("room:8", () => {}), { code: "forbidden", message: "not room:8" })
  await world.pass(40_000)
  await refused
  assert.equal(client.state, "open")
  assert.equal(world.server.last.url.searchParams.get("channels"), "room:7")
  subscription.unsubscribe()
  await world.pass(100)
  assert.equal(world.server.last.url.searchParams.get("channels"), null)
  client.close()
})

test("it switches to a WebSocket as soon as one connects, without loss", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  const client = connect(url)
  const seen: unknown[] = []
  const ways: string[] = []
  client.on("message", (m) => seen.push(m.data))
  client.on("transport", (name) => ways.push(name))
  await world.pass(1500)
  world.server.push("user:42", 1)
  await world.pass(10)
  world.server.socket = "accept"
  await world.pass(5000)
  world.server.push("user:42", 2)
  await world.pass(200)
  assert.deepEqual(ways, ["sse", "websocket"])
  assert.deepEqual(seen, [1, 2])
  assert.equal(world.server.open.length, 1)
  assert.equal(world.server.cursors.get(`${client.device} user:42`), 2)
  client.close()
})

test("a fallback reports why the server refuses", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  for (const [status, code] of [[401, "unauthorized"], [403, "forbidden"], [400, "bad_request"]] as const) {
    world.server.sse = status
    const client = connect(url, { token: "old" })
    const ends: unknown[] = []
    client.on("close", (error) => ends.push(error))
    await world.pass(10)
    assert.ok(ends[0] instanceof WirepostError)
    assert.deepEqual([ends[0].code, ends[0].message], [code, `status ${status}`])
  }
})
