import assert from "node:assert/strict"
import { test } from "node:test"
import { connect, type Down, type Message } from "../src/index.js"
import { World } from "./world.js"

// With the World's random numbers, 0.5, the nodes keep their order.
const nodes = ["wss://a/ws", new URL("wss://b/ws#top"), "wss://c/ws"]
const options = { transports: ["websocket"] } as const

/** The hosts of the attempts since the last call. */
function tried(world: World): string {
  return world.server.attempts.splice(0).map(({ host }) => host).join(" ")
}

for (const [how, wait] of [["refuse", 0], ["silent", 10_000]] as const) {
  test(`a node that does not let the client in (${how}) is followed by the next, without a pause`, async (t) => {
    const world = new World(t)
    world.server.nodes.set("a", how).set("b", how)
    const client = connect(nodes, { ...options, device: "d1" })
    client.on("error", (e) => assert.fail(e))
    await world.pass(2 * wait + 200)
    const times = world.server.attempts.map(({ at }) => at)
    assert.ok(times[2]! - times[0]! <= 2 * wait + 100, `it took ${times[2]! - times[0]!} ms`) // the clock of the test moves by 50 ms
    assert.equal(world.server.last.url.href, "wss://c/ws?device=d1")
    assert.equal(tried(world), "a b c")
    await world.pass(600_000)
    assert.equal(tried(world), "", "it stays where it works")
    client.close()
  })
}

test("the pause comes when all nodes were tried, and grows", async (t) => {
  const world = new World(t)
  world.random = 1
  world.server.stop()
  const began = Date.now()
  const client = connect(["wss://a/ws", "wss://b/ws"], options)
  await world.pass(20_000)
  const seconds = world.server.attempts.map(({ at }) => Math.round((at - began) / 1000))
  assert.deepEqual(seconds, [0, 0, 1, 1, 3, 3, 7, 7, 15, 15])
  assert.deepEqual(new Set(world.server.attempts.slice(0, 2).map(({ host }) => host)), new Set(["a", "b"]))
  world.server.nodes.set("b", "accept")
  await world.pass(30_000)
  assert.equal(world.server.last.url.host, "b")
  client.close()
})

test("bye: the client continues at the next node, without a gap, when the server says", async (t) => {
  const world = new World(t)
  const client = connect(nodes, options)
  const got: unknown[] = []
  const downs: Down[] = []
  client.on("message", (m: Message) => void got.push(m.data))
  client.on("disconnect", (d) => downs.push(d))
  client.on("reset", () => assert.fail("reset"))
  await world.pass()
  world.server.push("user:42", 1)
  await world.pass(200)
  world.server.last.send({ type: "bye", code: 1012, reason: "restart", retry_after_ms: 3000 })
  world.server.last.end(1012, "restart")
  world.server.nodes.set("a", "refuse")
  await world.pass(2900)
  assert.equal(tried(world), "a")
  world.server.push("user:42", 2)
  await world.pass(200)
  assert.equal(tried(world), "b")
  assert.equal(world.server.last.url.searchParams.get("after"), "1")
  assert.deepEqual(got, [1, 2])
  assert.equal(downs[0]?.retryIn, 3000)
  client.close()
})

test("clients of a node that fails wait a random time before they go to others", async (t) => {
  const world = new World(t)
  const client = connect(nodes, options)
  await world.pass(10_000)
  world.server.nodes.set("a", "refuse").set("b", "refuse")
  world.server.last.end(1006)
  await world.pass(450)
  assert.equal(tried(world), "a")
  await world.pass(100)
  assert.equal(tried(world), "b c", "after half of a second, and the other one at once")
  client.close()
})

test("all nodes are tried by one transport before the next transport", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  world.server.nodes.set("a", "refuse")
  const client = connect(nodes)
  await world.pass(500)
  assert.equal(client.transport, "sse")
  assert.equal(tried(world), "a b c")
  assert.deepEqual(world.server.requests.map(({ url }) => url.host), ["a", "b"])
  world.server.nodes.set("b", "accept")
  await world.pass(3000)
  assert.equal(client.transport, "websocket", "it came through at the node in use")
  assert.equal(world.server.last.url.host, "b")
  client.close()
})

test("a token that has expired is replaced at the same node", async (t) => {
  const world = new World(t)
  let tokens = 0
  const client = connect(nodes, { ...options, token: () => `t${++tokens}` })
  await world.pass()
  world.server.last.end(4401)
  await world.pass(1000)
  assert.equal(tried(world), "a a")
  assert.equal(tokens, 2)
  client.close()
})

test("the order is random, and a list without a URL is refused", async (t) => {
  const world = new World(t)
  const first = new Set<string>()
  for (const random of [0.1, 0.9]) {
    world.random = random
    const client = connect(["wss://a/ws", "wss://b/ws"], options)
    await world.pass()
    first.add(world.server.last.url.host)
    client.close()
    await world.pass()
  }
  assert.deepEqual([...first].sort(), ["a", "b"])
  for (const bad of [[], ["wss://a/ws", "ftp://b"]]) assert.throws(() => connect(bad), { code: "bad_request" })
})

test("tabs that share a connection share its nodes", async (t) => {
  const world = new World(t)
  world.server.nodes.set("a", "refuse")
  const one = connect(nodes, { ...options, shared: true })
  await world.pass(100)
  world.newTab()
  const two = connect(nodes, { ...options, shared: true })
  await world.pass(100)
  assert.equal(world.server.open.length, 1)
  assert.equal(world.server.last.url.host, "b")
  assert.equal(two.state, "open")
  one.close()
  two.close()
})
