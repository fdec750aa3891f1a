import assert from "node:assert/strict"
import { test } from "node:test"
import { connect, WirepostError, type Down } from "../src/index.js"
import { World } from "./world.js"

const url = "wss://push.example.com/ws?tenant=7"

test("the address and the token", async (t) => {
  const world = new World(t)
  const client = connect("/app/ws?user=42#top", { token: "t1", device: "d1" })
  await world.pass()
  assert.equal(world.server.last.url.href, "wss://app.example.com/app/ws?user=42&device=d1")
  assert.deepEqual(world.server.last.protocols, ["wirepost.v1", "bearer.t1"])
  assert.equal(client.transport, "websocket")
  assert.equal(client.user, "42")
  client.close()
  const other = connect("wss://x/ws", { device: "" })
  await world.pass()
  assert.equal(world.server.last.url.href, "wss://x/ws", "the token names the device")
  other.close()
})

test("the pauses between attempts double, with jitter", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  world.random = 1
  const client = connect(url, { transports: ["websocket"] })
  const waits: number[] = []
  const attempts: number[] = []
  const started = Date.now()
  client.on("disconnect", (d) => waits.push(d.retryIn))
  const Original = globalThis.WebSocket
  globalThis.WebSocket = class extends Original {
    constructor(...args: ConstructorParameters<typeof Original>) {
      attempts.push(Math.round((Date.now() - started) / 1000))
      super(...args)
    }
  }
  await world.pass(100_000)
  assert.deepEqual(attempts, [0, 1, 3, 7, 15, 31, 61, 91])
  assert.deepEqual(waits, [], "an attempt that fails breaks no connection")
  client.close()
})

test("bye sets the delay, and nothing shortens it", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const downs: Down[] = []
  client.on("disconnect", (d) => downs.push(d))
  await world.pass()
  world.server.last.send({ type: "bye", code: 1012, reason: "restart", retry_after_ms: 3700 })
  world.server.last.end(1012, "restart")
  await world.pass()
  assert.deepEqual(downs.map(({ code, reason, retryIn }) => ({ code, reason, retryIn })), [{ code: 1012, reason: "restart", retryIn: 3700 }])
  world.online()
  await world.pass(3600)
  assert.equal(world.server.sessions.length, 1)
  await world.pass(100)
  assert.equal(world.server.sessions.length, 2)
  client.close()
})

test("the pause ends when the network is back or the page becomes visible", async (t) => {
  const world = new World(t)
  world.random = 1
  const client = connect(url, { transports: ["websocket"] })
  await world.pass()
  for (const wake of [() => world.online(), () => world.look()]) {
    const before = world.server.sessions.length
    world.server.stop()
    await world.pass(20_000)
    world.server.start()
    wake()
    await world.pass()
    assert.equal(world.server.sessions.length, before + 1)
  }
  client.close()
  world.online()
  await world.pass(60_000)
  assert.equal(world.server.open.length, 0)
})

test("a page that is left disconnects, and reconnects when it is shown again", async (t) => {
  const world = new World(t)
  const client = connect(url, { transports: ["websocket"] })
  await world.pass()
  const before = world.server.last
  world.leave()
  world.look()
  await world.pass(60_000)
  assert.notEqual(world.server.last, before)
  assert.deepEqual(world.server.open, [world.server.last])
  client.close()
})

test("after two silent heartbeats the client pings, and without a reply disconnects", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const downs: Down[] = []
  client.on("disconnect", (d) => downs.push(d))
  client.on("error", (e) => assert.fail(e))
  await world.pass(49_000)
  assert.deepEqual(world.server.last.got, [])
  await world.pass(2000)
  assert.deepEqual(world.server.last.got, [{ type: "unsubscribe", ref: "probe", channel: "?" }])
  await world.pass(50_000)
  assert.equal(world.server.sessions.length, 1, "the probe got a response")
  world.server.last.mute = true
  await world.pass(60_000)
  assert.equal(downs[0]?.code, 4408)
  await world.pass(1000)
  assert.equal(world.server.sessions.length, 2)
  assert.equal(client.state, "open")
  client.close()
})

test("when the page becomes visible the client pings at once", async (t) => {
  const world = new World(t)
  const client = connect(url)
  await world.pass()
  world.server.last.mute = true
  world.look()
  await world.pass(11_000)
  assert.equal(world.server.sessions.length, 2)
  client.close()
})

test("a connection without a hello is closed", async (t) => {
  const world = new World(t)
  world.server.socket = "silent"
  const client = connect(url, { transports: ["websocket"] })
  await world.pass(10_200)
  world.server.socket = "accept"
  await world.pass(1000)
  assert.equal(client.state, "open")
  client.close()
})

test("an attempt started without a network is aborted when the network is back", async (t) => {
  const world = new World(t)
  world.server.socket = "silent"
  const client = connect(url)
  await world.pass(2000)
  world.server.socket = "accept"
  world.online()
  await world.pass()
  assert.equal(client.state, "open")
  client.close()
})

test("final codes end the client", async (t) => {
  const world = new World(t)
  for (const [code, word] of [[4409, "disconnected"], [4401, "unauthorized"], [1009, "too_large"], [4999, "disconnected"]] as const) {
    const client = connect(url, { token: "t" })
    const ends: unknown[] = []
    client.on("close", (error) => ends.push(error))
    await world.pass()
    const waiting = assert.rejects(client.call("never"), { code: word })
    world.server.last.mute = true
    await world.pass()
    world.server.last.end(code, "why")
    await world.pass(100_000)
    await waiting
    assert.equal(ends.length, 1)
    assert.ok(ends[0] instanceof WirepostError)
    assert.equal(ends[0].code, word)
    assert.equal(client.state, "closed")
  }
  assert.equal(world.server.sessions.length, 4)
})

test("a token is fetched for each connection, and after 4401", async (t) => {
  const world = new World(t)
  let n = 0
  const client = connect(url, { token: () => Promise.resolve(`t${++n}`) })
  await world.pass()
  world.server.last.end(1006)
  await world.pass(1000)
  world.server.last.end(4401, "token expired")
  await world.pass(5000)
  assert.deepEqual(world.server.sessions.map((s) => s.protocols[1]), ["bearer.t1", "bearer.t2", "bearer.t3"])
  client.close()
})

test("a failed token fetch emits an error and is repeated", async (t) => {
  const world = new World(t)
  let n = 0
  const errors: string[] = []
  const client = connect(url, {
    token: () => {
      if (++n < 3) throw new Error("no session")
      return "t"
    },
  })
  client.on("error", (e) => errors.push(`${e.code}: ${e.message}`))
  await world.pass(5000)
  assert.deepEqual(errors, ["unauthorized: no session", "unauthorized: no session"])
  assert.equal(client.state, "open")
  client.close()
})

test("a token that cannot be sent in a header does not stop the page", async (t) => {
  const world = new World(t)
  const client = connect(url, { token: "not a token", transports: ["websocket"] })
  await world.pass(60_000)
  assert.equal(client.state, "connecting")
  client.close()
})

test("the token is refreshed before it expires", async (t) => {
  const world = new World(t)
  let n = 0
  world.server.expires = () => Date.now() + 600_000
  const client = connect(url, { token: () => `t${++n}` })
  await world.pass(539_000)
  assert.deepEqual(world.server.last.all("auth"), [])
  await world.pass(2000)
  assert.deepEqual(world.server.last.all("auth"), [{ type: "auth", ref: "auth", token: "t2" }])
  await world.pass(541_000)
  assert.equal(world.server.last.all("auth").length, 2, "and again")
  assert.equal(world.server.sessions.length, 1)
  client.close()
})

test("a failed refresh is retried until the token expires", async (t) => {
  const world = new World(t)
  let n = 0
  const errors: string[] = []
  world.server.expires = () => Date.now() + 100_000
  const client = connect(url, { token: () => (n++ ? Promise.reject(new Error("later")) : "t") })
  client.on("error", (e) => errors.push(e.message))
  await world.pass(81_000)
  assert.deepEqual(errors, ["later"])
  await world.pass(17_000)
  assert.deepEqual(errors, ["later", "later"])
  client.close()
})
