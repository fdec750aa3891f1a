import assert from "node:assert/strict"
import { test } from "node:test"
import { connect, type Client } from "../src/index.js"
import { tabs, url } from "./tabs.js"
import { World } from "./world.js"

test("all tabs share one connection, and each has its own subscriptions", async (t) => {
  const world = new World(t)
  const { clients, seen } = await tabs(world, 3)
  const [a, b, c] = clients as [Client, Client, Client]
  assert.equal(world.server.sessions.length, 1)
  assert.deepEqual(clients.map((client) => [client.state, client.transport, client.user]), Array(3).fill(["open", "websocket", "42"]))
  const joined = Promise.all([b.subscribe("room:7", () => {}), c.subscribe("room:7", () => {}), c.subscribe("room:8", () => {})])
  await world.pass()
  const [, , eight] = await joined
  world.server.push("user:42", "all three")
  world.server.push("room:7", "b and c")
  world.server.push("room:8", "c only")
  await world.pass(100)
  assert.deepEqual(seen, [["all three"], ["all three", "b and c"], ["all three", "b and c", "c only"]])
  eight.unsubscribe()
  b.close()
  await world.pass()
  assert.deepEqual(world.server.last.all("unsubscribe").map((f) => f["channel"]), ["room:8"])
  c.close()
  await world.pass()
  assert.deepEqual(world.server.last.all("unsubscribe").map((f) => f["channel"]), ["room:8", "room:7"])
  a.close()
  await world.pass()
  assert.deepEqual(world.server.open, [])
  assert.deepEqual(world.locks.names, [])
})

test("tabs send through the leader, and each response goes to the right tab", async (t) => {
  const world = new World(t)
  world.server.forbidden = ["room:9"]
  const { clients } = await tabs(world, 3)
  const refused = assert.rejects(clients[1]!.publish("room:9", 1), { code: "forbidden" })
  const answers = Promise.all(clients.map((client, i) => client.call("echo", { tab: i })))
  const published = clients[2]!.publish("room:7", "x")
  await world.pass()
  assert.deepEqual(await answers, [{ tab: 0 }, { tab: 1 }, { tab: 2 }])
  assert.equal((await published).seq, 1)
  await refused
  world.server.push("user:42", 1)
  await world.pass()
  assert.deepEqual(clients.map((c) => c.unread()), [1, 1, 1])
  const read = clients[1]!.read({ channel: "user:42", seq: 1 })
  await world.pass()
  await read
  assert.deepEqual(clients.map((c) => c.unread()), [0, 0, 0])
  for (const client of clients) client.close()
})

test("a message is acknowledged when every tab has handled it", async (t) => {
  const world = new World(t)
  const { clients } = await tabs(world, 2)
  let finish = () => {}
  clients[1]!.on("message", () => new Promise<void>((done) => (finish = done)))
  world.server.push("user:42", 1)
  await world.pass(500)
  assert.deepEqual(world.server.last.all("ack"), [])
  finish()
  await world.pass(500)
  assert.deepEqual(world.server.last.all("ack"), [{ type: "ack", channel: "user:42", seq: 1 }])
  // A closed tab delays nothing.
  world.server.push("user:42", 2)
  await world.pass(500)
  assert.equal(world.server.last.all("ack").length, 1)
  world.locks.kill(...world.locks.names.filter((name) => !name.endsWith("leader")).slice(1))
  await world.pass(500)
  assert.equal(world.server.last.all("ack").length, 2)
  for (const client of clients) client.close()
})

test("when the leader is closed, another tab continues without loss", async (t) => {
  const world = new World(t)
  const { clients, seen } = await tabs(world, 3)
  const [a, b, c] = clients as [Client, Client, Client]
  const room: unknown[] = []
  const joined = c.subscribe("room:7", (m) => room.push(m.data))
  await world.pass()
  await joined
  for (let i = 0; i < 5; i++) {
    world.server.push("user:42", i)
    world.server.push("room:7", `r${i}`)
  }
  await world.pass() // nothing acknowledged yet
  const sent = b.publish("room:7", "sent")
  a.close()
  world.server.push("user:42", 5)
  world.server.push("room:7", "r5")
  await world.pass(2000)
  await sent
  for (let i = 6; i < 9; i++) world.server.push("user:42", i)
  await world.pass(500)
  assert.equal(world.server.open.length, 1)
  assert.deepEqual(seen[1], [0, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.deepEqual(seen[2]?.filter((x) => typeof x === "number"), [0, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.deepEqual(room.filter((x) => x !== "sent"), ["r0", "r1", "r2", "r3", "r4", "r5"])
  assert.equal(room.filter((x) => x === "sent").length, 1)
  assert.equal(world.server.cursors.get(`${b.device} user:42`), 9)
  b.close()
  await world.pass(2000)
  world.server.push("user:42", 9)
  await world.pass(500)
  assert.equal(seen[2]?.at(-1), 9)
  c.close()
})

test("a message that only the closed leader was handling is delivered to another tab", async (t) => {
  const world = new World(t)
  const a = connect(url, { shared: true })
  a.on("message", () => new Promise(() => {})) // never finished
  await world.pass()
  world.server.push("user:42", "unfinished")
  await world.pass(500)
  const { clients, seen } = await tabs(world, 1)
  await world.pass(500)
  assert.deepEqual(seen, [[]], "a tab that comes later begins with what comes then")
  a.close()
  await world.pass(500)
  assert.deepEqual(seen, [["unfinished"]])
  clients[0]!.close()
})

test("all tabs see that the connection broke", async (t) => {
  const world = new World(t)
  const { clients, seen } = await tabs(world, 2)
  const downs: number[] = []
  for (const client of clients) client.on("disconnect", (d) => downs.push(d.code))
  const joined = clients[1]!.subscribe("room:7", () => {})
  await world.pass()
  await joined
  world.server.push("room:7", 1)
  await world.pass(200)
  world.server.stop(1012)
  const waiting = clients[1]!.publish("room:7", 2)
  world.server.push("user:42", 3)
  await world.pass(200)
  world.server.start()
  await world.pass(5000)
  await waiting
  assert.deepEqual(downs, [1012, 1012])
  assert.deepEqual(seen, [[3], [1, 3, 2]])
  assert.equal(world.server.open.length, 1)
  for (const client of clients) client.close()
})

test("in another store the shared connection drops its positions too", async (t) => {
  const world = new World(t)
  const { clients, seen } = await tabs(world, 2)
  for (let i = 0; i < 3; i++) world.server.push("user:42", i)
  await world.pass(200)
  world.server.stop()
  world.server.logs.clear()
  world.server.cursors.clear()
  world.server.epoch = "e2"
  world.server.push("user:42", "new")
  world.server.start()
  await world.pass(2000)
  world.server.stop()
  world.server.push("user:42", "newer")
  world.server.start()
  await world.pass(5000)
  assert.deepEqual(seen, Array(2).fill([0, 1, 2, "new", "newer"]))
  for (const client of clients) client.close()
})

test("a tab that joins later gets the current state", async (t) => {
  const world = new World(t)
  const { clients } = await tabs(world, 1)
  for (let i = 0; i < 3; i++) world.server.push("user:42", i)
  await world.pass(200)
  const later = await tabs(world, 1)
  assert.equal(later.clients[0]!.unread(), 3)
  world.server.push("user:42", 3)
  await world.pass(200)
  assert.equal(later.clients[0]!.unread(), 4)
  assert.deepEqual(later.seen, [[3]])
  for (const client of [...clients, ...later.clients]) client.close()
})

/** Makes the next tab a reloaded one whose position in room:7 is seq. */
const reloaded = (seq: number) => sessionStorage.setItem("wirepost:e1 42", JSON.stringify({ "room:7": seq }))

/** The acknowledged sequences of room:7. */
const acks = (world: World) => world.server.last.all("ack").flatMap((frame) => (frame["channel"] === "room:7" ? frame["seq"] : []))

test("messages sent again for one tab are acknowledged again", async (t) => {
  const world = new World(t)
  const { clients } = await tabs(world, 1)
  const joined = clients[0]!.subscribe("room:7", () => {})
  await world.pass()
  await joined
  for (let i = 1; i < 5; i++) world.server.push("room:7", i)
  await world.pass(500)
  assert.deepEqual(acks(world), [4])
  reloaded(2)
  const again = await tabs(world, 1)
  let finish = () => {}
  const rejoined = again.clients[0]!.subscribe("room:7", (m) => m.data === 4 && new Promise<void>((done) => (finish = done)))
  await world.pass(500)
  await rejoined
  assert.deepEqual(again.seen, [[3, 4]])
  assert.equal(acks(world).at(-1), 3)
  again.clients[0]!.close()
  await world.pass(500)
  assert.deepEqual(acks(world).at(-1), 4, "the other tab had it")
  finish()
  clients[0]!.close()
})

test("a tab resumes at its position in a channel that another tab has just joined", async (t) => {
  const world = new World(t)
  const { clients } = await tabs(world, 1)
  for (let i = 1; i < 4; i++) world.server.push("room:7", i)
  const joined = clients[0]!.subscribe("room:7", () => {})
  await world.pass(500)
  await joined
  reloaded(1)
  const again = await tabs(world, 1)
  const rejoined = again.clients[0]!.subscribe("room:7", () => {})
  await world.pass(500)
  await rejoined
  world.server.push("room:7", 4)
  await world.pass(500)
  assert.deepEqual(again.seen, [[2, 3, 4]])
  for (const client of [...clients, ...again.clients]) client.close()
})

test("a tab loses no message that arrives before its subscription is confirmed", async (t) => {
  const world = new World(t)
  const { clients, seen } = await tabs(world, 1)
  const joined = clients[0]!.subscribe("room:7", () => {})
  await world.pass()
  await joined
  world.server.push("room:7", 1)
  await world.pass(500)
  reloaded(1)
  const again = await tabs(world, 1)
  const session = world.server.last
  const take = session.take.bind(session)
  session.take = (frame) => {
    if (frame.type === "subscribe") world.server.push("room:7", 2)
    take(frame)
  }
  const rejoined = again.clients[0]!.subscribe("room:7", () => {})
  await world.pass(500)
  await rejoined
  assert.deepEqual([...seen, ...again.seen], [[1, 2], [2]])
  for (const client of [...clients, ...again.clients]) client.close()
})

test("over a fallback the connection has the channels of all tabs", async (t) => {
  const world = new World(t)
  world.server.socket = "refuse"
  const { clients, seen } = await tabs(world, 2)
  await world.pass(100)
  const joined = Promise.all([clients[0]!.subscribe("room:7", () => {}), clients[1]!.subscribe("room:8", () => {})])
  await world.pass(200)
  await joined
  assert.equal(world.server.open.length, 1)
  world.server.push("room:7", "a")
  world.server.push("room:8", "b")
  world.server.push("user:42", "c")
  await world.pass(200)
  assert.deepEqual(seen, [["a", "c"], ["b", "c"]])
  assert.deepEqual(clients.map((c) => c.transport), ["sse", "sse"])
  clients[0]!.close()
  await world.pass(2000)
  world.server.push("room:8", "d")
  await world.pass(200)
  assert.deepEqual(seen[1], ["b", "c", "d"])
  clients[1]!.close()
})

test("a final close of the connection closes all tabs' clients", async (t) => {
  const world = new World(t)
  const { clients } = await tabs(world, 2)
  const ends: unknown[] = []
  for (const client of clients) client.on("close", (error) => ends.push(error?.code))
  world.server.last.end(4409)
  await world.pass(100)
  assert.deepEqual(ends, ["disconnected", "disconnected"])
  assert.deepEqual(world.locks.names, [])
})

test("tabs of different users share nothing", async (t) => {
  const world = new World(t)
  const ann = await tabs(world, 2, { shared: "ann" })
  const bob = await tabs(world, 1, { shared: "bob" })
  assert.equal(world.server.open.length, 2)
  for (const client of [...ann.clients, ...bob.clients]) client.close()
})

test("without locks, every tab has its own connection", async (t) => {
  const world = new World(t)
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true })
  const { clients } = await tabs(world, 2)
  assert.equal(world.server.open.length, 2)
  for (const client of clients) client.close()
})
