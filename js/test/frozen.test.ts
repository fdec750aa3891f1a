import assert from "node:assert/strict"
import { mock, test } from "node:test"
import type { Client } from "../src/index.js"
import { Silence } from "../src/silence.js"
import { pageId } from "./page.js"
import { tabs } from "./tabs.js"
import { World } from "./world.js"

for (const passes of [[], ["bus"]] as const) for (const first of ["timer", "bus", "lock", "socket"] as const) {
  test(`a frozen leader loses the lead, and follows when it is thawed, with its ${first} events first${passes.length ? ", while it still receives from the others" : ""}`, async (t) => {
    const world = new World(t)
    const { clients, pages, seen } = await tabs(world, 3)
    const [a, b, c] = clients as [Client, Client, Client]
    const room: unknown[] = []
    const joined = a.subscribe("room:7", (m) => room.push(m.data))
    const states: string[] = []
    b.on("disconnect", () => states.push(b.state))
    await world.pass()
    await joined
    world.server.push("user:42", 0)
    world.server.push("room:7", "r0")
    await world.pass(500)
    const session = world.server.last
    pages[0]!.freeze(...passes)
    for (let i = 1; i < 3; i++) world.server.push("user:42", i)
    await world.pass(14_000)
    assert.deepEqual(states, [])
    await world.pass(3000)
    assert.equal(states[0], "connecting")
    assert.deepEqual([b.state, c.state], ["open", "open"])
    const published = c.publish("room:8", "x")
    await world.pass(100)
    assert.equal((await published).seq, 1)
    for (let i = 3; i < 6; i++) world.server.push("user:42", i)
    world.server.push("room:7", "r1")
    await world.pass(500)
    assert.deepEqual(seen.slice(1), Array(2).fill([0, 1, 2, 3, 4, 5]))
    await world.pass(20_000)
    assert.equal(world.server.cursors.get(`${a.device} user:42`), 6, "acknowledged without the tab that is frozen")
    pages[0]!.thaw(first)
    await world.pass(2000)
    world.server.push("user:42", 6)
    world.server.push("room:7", "r2")
    await world.pass(500)
    assert.deepEqual(seen.map((mine) => mine.filter((data) => typeof data === "number")), Array(3).fill([0, 1, 2, 3, 4, 5, 6]))
    assert.deepEqual(room, ["r0", "r1", "r2"])
    assert.deepEqual(clients.map((client) => client.state), ["open", "open", "open"])
    assert.equal(world.server.open.length, 1)
    assert.equal(session.open, false)
    assert.equal(world.server.cursors.get(`${a.device} user:42`), 7)
    for (const client of clients) client.close()
  })
}

test("two tabs that take the lead at the same moment end up with one leader", async (t) => {
  const world = new World(t)
  const { clients, pages, seen } = await tabs(world, 4)
  world.server.push("user:42", 0)
  await world.pass(500)
  pages[0]!.freeze()
  // All three notice it in the same tick, and the one that steals first reads the latest clock.
  let random = 1
  Object.defineProperty(world, "random", { get: () => (random /= 2) })
  await world.pass(16_000)
  world.server.push("user:42", 1)
  await world.pass(15_000)
  assert.deepEqual(seen.slice(1), Array(3).fill([0, 1]))
  assert.equal(world.server.open.length, 2)
  pages[0]!.thaw("bus")
  await world.pass(2000)
  world.server.push("user:42", 2)
  await world.pass(500)
  assert.deepEqual(seen, Array(4).fill([0, 1, 2]))
  assert.equal(world.server.open.length, 1)
  for (const client of clients) client.close()
})

test("a follower that is frozen when it gets the lock does not lead", async (t) => {
  const world = new World(t)
  const { clients, pages, seen } = await tabs(world, 3)
  pages[1]!.freeze()
  clients[0]!.close()
  world.server.push("user:42", 1)
  await world.pass(17_000)
  assert.deepEqual(seen[2], [1])
  pages[1]!.thaw("lock")
  await world.pass(2000)
  world.server.push("user:42", 2)
  await world.pass(500)
  assert.deepEqual(seen.slice(1), [[1, 2], [1, 2]])
  assert.equal(world.server.open.length, 1)
  assert.equal(world.server.sessions.length, 2)
  for (const client of clients.slice(1)) client.close()
})

for (let turns = 0; turns < 12; turns++) test(`a thawed follower from which the lead was stolen loses no message that comes ${turns} turns after`, async (t) => {
  const world = new World(t, { delay: () => 4 })
  const { clients, pages, seen } = await tabs(world, 3)
  pages[1]!.freeze("bus")
  clients[0]!.close()
  world.server.push("user:42", 1)
  await world.pass(17_000)
  assert.deepEqual(seen[2], [1])
  pages[1]!.thaw("lock")
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
  world.server.push("user:42", 2)
  await world.pass(1000)
  world.server.push("user:42", 3)
  await world.pass(500)
  assert.deepEqual(seen.slice(1), [[1, 2, 3], [1, 2, 3]])
  assert.equal(world.server.open.length, 1)
  for (const client of clients.slice(1)) client.close()
})

for (const channel of ["user:42", "team:1"]) test(`a tab that takes over from a slow leader gets what that acknowledges without it in ${channel}`, async (t) => {
  const world = new World(t)
  world.server.members.push("team:1")
  const { clients, pages, seen } = await tabs(world, 2, { transports: ["websocket"] })
  world.server.push(channel, 0)
  await world.pass(500)
  pages[1]!.freeze()
  world.server.push(channel, 1)
  await world.pass(16_000) // the leader does not wait for the other any more
  assert.equal(world.server.cursors.get(`${clients[0]!.device} ${channel}`), 2)
  pages[0]!.freeze("socket", "timer") // it hears nothing of the other tabs, and goes on
  pages[1]!.thaw("bus")
  await world.pass(100)
  world.server.socket = "silent" // connecting takes a while
  await world.pass(20_000)
  assert.equal(clients[1]!.state, "connecting")
  world.server.push(channel, 2)
  await world.pass(500)
  assert.equal(world.server.cursors.get(`${clients[0]!.device} ${channel}`), 3)
  world.server.socket = "accept"
  await world.pass(20_000)
  world.server.push(channel, 3)
  await world.pass(500)
  assert.deepEqual(seen, Array(2).fill([0, 1, 2, 3]))
  pages[0]!.thaw("bus")
  await world.pass(20_000)
  world.server.push(channel, 4)
  await world.pass(500)
  assert.deepEqual(seen, Array(2).fill([0, 1, 2, 3, 4]))
  assert.equal(world.server.open.length, 1)
  for (const client of clients) client.close()
})

for (const transport of ["sse", "poll"] as const) for (const channel of ["user:42", "team:1"]) test(`a tab that takes over from a slow leader begins where it is, by ${transport} in ${channel}`, async (t) => {
  const world = new World(t)
  world.server.members.push("team:1")
  const { clients, pages, seen } = await tabs(world, 2, { transports: [transport] })
  const stored = () => world.server.cursors.get(`${clients[0]!.device} ${channel}`)
  world.server.push(channel, 0)
  await world.pass(500)
  pages[1]!.freeze()
  world.server.push(channel, 1)
  await world.pass(16_000) // the leader does not wait for the other any more
  pages[0]!.freeze("socket", "timer") // it hears nothing of the other tabs, and goes on
  pages[1]!.thaw("bus")
  await world.pass(100)
  let proceed = () => {} // connecting takes a while
  const connecting = new Promise<void>((resolve) => (proceed = resolve))
  world.server.gate = () => (pageId() === pages[1]!.id ? connecting : undefined)
  await world.pass(20_000)
  assert.equal(clients[1]!.state, "connecting")
  world.server.push(channel, 2)
  await world.pass(500)
  if (transport === "sse") { // which acknowledges when it connects again
    world.server.last.end(1006)
    await world.pass(5000)
  }
  assert.equal(stored(), 3)
  proceed()
  await world.pass(2000)
  world.server.push(channel, 3)
  await world.pass(30_000)
  assert.deepEqual(seen[1], [0, 1, 2, 3])
  pages[0]!.thaw("bus")
  await world.pass(30_000)
  world.server.push(channel, 4)
  await world.pass(30_000)
  assert.deepEqual(seen[1], [0, 1, 2, 3, 4])
  assert.deepEqual([...new Set(seen[0])], [0, 1, 2, 3, 4]) // it may get again what both connections brought
  for (const client of clients) client.close()
})

test("a call that waited for a frozen leader is not made when it is thawed", async (t) => {
  const world = new World(t)
  const { clients, pages } = await tabs(world, 2)
  const first = world.server.last
  pages[0]!.freeze()
  const failed = assert.rejects(clients[1]!.call("echo", 1), { code: "unavailable" })
  await world.pass(17_000)
  await failed
  const made = clients[1]!.call("echo", 2)
  await world.pass(100)
  assert.equal(await made, 2)
  pages[0]!.thaw("bus")
  await world.pass(2000)
  assert.deepEqual(first.all("call"), [])
  for (const client of clients) client.close()
})

test("a call that waited through a sleep of all tabs fails", async (t) => {
  const world = new World(t)
  const { clients } = await tabs(world, 2)
  const failed = assert.rejects(clients[1]!.call("echo", 1), { code: "unavailable", message: "not sent in time" })
  mock.timers.setTime(Date.now() + 60_000)
  await world.pass(100)
  await failed
  assert.deepEqual(world.server.last.all("call"), [])
  for (const client of clients) client.close()
})

for (const passes of [[], ["bus"]] as const) test(`a frozen follower${passes.length ? " that still receives from the others" : ""} delays no acknowledgements, and gets the messages it missed`, async (t) => {
  const world = new World(t)
  const { clients, pages, seen } = await tabs(world, 2)
  const room: unknown[] = []
  const joined = clients[1]!.subscribe("room:7", (m) => room.push(m.data))
  world.server.push("user:42", 0)
  await world.pass(500)
  await joined
  const acks = (channel: string) => world.server.last.all("ack").flatMap((frame) => (frame["channel"] === channel ? frame["seq"] : []))
  pages[1]!.freeze(...passes)
  world.server.push("user:42", 1)
  world.server.push("room:7", 1)
  await world.pass(14_000)
  assert.deepEqual([acks("user:42"), acks("room:7")], [[1], []])
  await world.pass(2000)
  assert.deepEqual([acks("user:42"), acks("room:7")], [[1, 2], [1]])
  world.server.push("user:42", 2)
  world.server.push("room:7", 2)
  await world.pass(500)
  assert.deepEqual([acks("user:42"), acks("room:7")], [[1, 2, 3], [1, 2]])
  let finish = () => {}
  clients[1]!.on("message", (m) => m.data === 3 && new Promise<void>((done) => (finish = done)))
  pages[1]!.thaw("bus")
  await world.pass(2000)
  assert.deepEqual([seen[1], room], [[0, 1, 1, 2, 2], [1, 2]])
  world.server.push("user:42", 3)
  await world.pass(60_000)
  assert.deepEqual(acks("user:42"), [1, 2, 3], "a tab that is at work is waited for")
  finish()
  await world.pass(500)
  assert.deepEqual(acks("user:42"), [1, 2, 3, 4])
  assert.deepEqual(seen[0], [0, 1, 2, 3])
  for (const client of clients) client.close()
})

test("a leader with a slow handler keeps the lead", async (t) => {
  const world = new World(t)
  const { clients } = await tabs(world, 2)
  let finish = () => {}
  clients[0]!.on("message", () => new Promise<void>((done) => (finish = done)))
  const downs: unknown[] = []
  for (const client of clients) client.on("disconnect", (down) => downs.push(down))
  world.server.push("user:42", 1)
  await world.pass(120_000)
  assert.deepEqual(world.server.last.all("ack"), [])
  finish()
  await world.pass(500)
  assert.equal(world.server.last.all("ack").length, 1)
  assert.deepEqual(downs, [])
  for (const client of clients) client.close()
})

test("a silence is noticed by a tab that was not frozen", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] })
  t.after(() => mock.timers.reset())
  const log: string[] = []
  let answers = true
  const silence: Silence = new Silence(
    () => {
      log.push("ask")
      if (answers) silence.heard()
    },
    () => log.push("silent"),
  )
  silence.watch()
  mock.timers.tick(9_999)
  silence.watch()
  assert.deepEqual(log, [])
  mock.timers.tick(1)
  mock.timers.tick(15_000)
  assert.deepEqual(log, ["ask", "ask"])
  answers = false
  mock.timers.tick(4_999)
  silence.heard()
  mock.timers.tick(10_000)
  mock.timers.setTime(Date.now() + 60_000) // this tab was frozen
  mock.timers.tick(5_000)
  assert.deepEqual(log, ["ask", "ask", "ask", "ask"])
  mock.timers.tick(4_999)
  assert.equal(log.length, 4)
  mock.timers.tick(1)
  assert.deepEqual(log.slice(4), ["silent"])
  mock.timers.tick(60_000)
  assert.equal(log.length, 5)
})

test("foreign messages on the channel are ignored", async (t) => {
  const world = new World(t)
  const { clients, seen } = await tabs(world, 2)
  const foreign = new BroadcastChannel(world.locks.lead.slice(0, -" leader".length))
  for (const data of ["text", null, 7, {}, { from: 1 }, { from: "x" }, { from: "x", kind: "what" }, { term: "x" }]) foreign.postMessage(data)
  await world.pass(100)
  foreign.close()
  world.server.push("user:42", 1)
  await world.pass(500)
  assert.deepEqual(seen, [[1], [1]])
  assert.equal(world.server.last.all("ack").length, 1)
  for (const client of clients) client.close()
})
