import assert from "node:assert/strict"
import { test } from "node:test"
import { connect } from "../src/index.js"
import { World } from "./world.js"

const url = "wss://push.example.com/ws"

// Temporary failures: none of them may close a client, or leave it without a connection.

test("a proxy's response does not close the client", async (t) => {
  const world = new World(t)
  for (const front of [
    { status: 403, type: "text/html", body: "<h1>403 Forbidden</h1>" },
    { status: 400, type: "text/html", body: "<h1>400 Bad Request</h1>" },
    { status: 401, type: "text/html", body: "<h1>log in</h1>" },
    { status: 404, type: "text/plain", body: "no route" },
    { status: 200, type: "text/html", body: "data: <h1>back soon</h1>\n\n" },
    { status: 200, type: "application/json", body: "null" },
    { status: 403, type: "application/json", body: '{"code":"forbidden"}' },
    { status: 403, type: "application/problem+json", body: '{"status":403,"title":"Forbidden"}' },
    { status: 403, type: "application/problem+json", body: "<h1>" },
  ]) {
    const client = connect(url, { token: "t", channels: ["news"] })
    client.on("error", (e) => assert.fail(e))
    await world.pass()
    assert.equal(client.state, "open")
    world.server.front = front
    world.server.stop()
    await world.pass(5000)
    assert.equal(client.state, "connecting", JSON.stringify(front))
    world.server.front = undefined
    world.server.start()
    await world.pass(40_000)
    assert.equal(client.state, "open", JSON.stringify(front))
    client.close()
    await world.pass()
  }
})

test("a close frame before the first frame does not come from the server", async (t) => {
  const world = new World(t)
  world.server.rejects = 1008
  const client = connect(url, { transports: ["websocket"] })
  await world.pass(5000)
  assert.equal(client.state, "connecting")
  world.server.rejects = 0
  await world.pass(40_000)
  assert.equal(client.state, "open")
  world.server.last.end(1000)
  await world.pass(5000)
  assert.equal(client.state, "open", "the server sends no 1000 either")
  assert.equal(world.server.open.length, 1)
  client.close()
})

test("a token source that never settles is called again", async (t) => {
  const world = new World(t)
  const errors: string[] = []
  let n = 0
  const token = () => (n++ ? "t" : new Promise<string>(() => {}))
  const client = connect(url, { token })
  client.on("error", (e) => errors.push(e.code))
  await world.pass(29_000)
  assert.deepEqual([client.state, n, errors], ["connecting", 1, []])
  await world.pass(5000)
  assert.deepEqual([client.state, n, errors], ["open", 2, ["unauthorized"]])
  client.close()
})

test("a token is refreshed by its remaining lifetime, whatever the clocks", async (t) => {
  const world = new World(t)
  for (const skew of [15 * 60_000, -15 * 60_000]) {
    world.server.skew = skew
    world.server.expires = () => Date.now() + 600_000
    let n = 0
    const client = connect(url, { token: () => `t${++n}` })
    await world.pass(539_000)
    assert.equal(n, 1)
    await world.pass(2000)
    assert.equal(n, 2)
    await world.pass(600_000)
    assert.equal(n, 3)
    client.close()
  }
})

test("a new token without a later expiry is fetched less and less often", async (t) => {
  const world = new World(t)
  world.server.sendsExpiresIn = false // as an older server, whose clock is 15 minutes slow
  world.server.skew = 15 * 60_000
  const end = Date.now() + 600_000
  world.server.expires = () => end
  let n = 0
  const client = connect(url, { token: () => `t${++n}` })
  await world.pass(300_000)
  assert.ok(n > 2 && n < 12, `${n} tokens in five minutes`)
  client.close()
})

test("invalid values in the storage are ignored", async (t) => {
  const world = new World(t)
  for (const value of ["null", "7", '"a b"', '{"a":1}', "[]", "true", '""', JSON.stringify("x".repeat(300)), "not JSON"]) {
    localStorage.setItem("wirepost:device", value)
    sessionStorage.setItem("wirepost:e1 42", value)
    const client = connect(url)
    assert.match(client.device, /^[0-9a-f]{32}$/, value)
    assert.equal(connect(url, { transports: ["poll"] }).device, client.device, "it is kept")
    const seen: unknown[] = []
    const joined = client.subscribe("room:7", (m) => seen.push(m.data))
    await world.pass()
    await joined
    world.server.push("room:7", value)
    await world.pass(200)
    assert.deepEqual(seen, [value])
    client.close()
  }
  sessionStorage.setItem("wirepost:e1 42", '{"room:8":"soon"}')
  const client = connect(url)
  const joined = client.subscribe("room:8", () => {})
  await world.pass()
  await joined
  assert.deepEqual(world.server.last.all("subscribe").map((f) => f["after"]), [undefined])
  client.close()
})

test("a memory-only channel restarts with its server", async (t) => {
  const world = new World(t)
  world.server.members.push("team:7")
  const client = connect(url)
  const seen: unknown[] = []
  client.on("message", (m) => seen.push(m.data))
  void client.subscribe("room:7", () => {})
  await world.pass()
  for (let i = 0; i < 3; i++) {
    world.server.push("room:7", i)
    world.server.push("team:7", i)
  }
  await world.pass(200)
  world.server.stop()
  for (const channel of ["room:7", "team:7"]) world.server.logs.delete(channel)
  world.server.push("room:7", "room")
  world.server.push("team:7", "team")
  world.server.start()
  await world.pass(2000)
  world.server.push("room:7", "room 2")
  world.server.push("team:7", "team 2")
  await world.pass(200)
  assert.deepEqual(seen.slice(6).sort(), ["room", "room 2", "team", "team 2"])
  client.close()
})

test("a read mark of one store has no effect in another", async (t) => {
  const world = new World(t)
  const client = connect(url)
  await world.pass()
  world.server.push("user:42", 1)
  await world.pass(200)
  world.server.last.mute = true
  void client.read({ channel: "user:42", seq: 1 })
  await world.pass()
  world.server.stop()
  world.server.logs.clear()
  world.server.epoch = "e2"
  world.server.push("user:42", "unseen")
  world.server.start()
  await world.pass(2000)
  assert.deepEqual(world.server.last.all("read"), [])
  assert.equal(client.unread(), 1)
  client.close()
})

test("unread stays correct when messages replace others", async (t) => {
  const world = new World(t)
  world.server.push("user:42", 1, "a", "order:7") // acknowledged by an earlier page
  world.server.push("user:42", 2, "b")
  const client = connect(url, { device: "d" })
  world.server.cursors.set("d user:42", 2)
  const counts: number[] = []
  client.on("unread", (e) => counts.push(e.unread))
  client.on("message", () => {})
  await world.pass()
  const right = async () => {
    await world.pass(1100)
    assert.equal(client.unread(), world.server.unread("user:42"))
  }
  await right()
  world.server.push("user:42", 3, "c", "order:7") // replaces one that this page never received
  await right()
  world.server.push("user:42", 4, "d", "order:7") // replaces one that it did
  await right()
  world.server.push("user:42", 5, "e", "order:8")
  await right()
  world.server.revoke("user:42", world.server.push("user:42", 6, "f", "order:9"))
  await right()
  void client.read({ channel: "user:42", seq: world.server.head("user:42") })
  await right()
  world.server.push("user:42", 7, "g", "order:7")
  await right()
  assert.equal(client.unread(), 1)
  client.close()
})
