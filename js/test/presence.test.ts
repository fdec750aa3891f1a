import assert from "node:assert/strict"
import { test } from "node:test"
import { connect, type Presence } from "../src/index.js"
import { World } from "./world.js"

const url = "wss://push.example.com/ws"
const present = (...users: string[]) => ({ count: users.length, users: users.map((user) => ({ user, since: 1 })) })
const shown = (room: Presence) => `${room.count}: ${room.users.map(({ user }) => user)}`

test("a list of who is present stays up to date, also across connections", async (t) => {
  const world = new World(t)
  world.server.presence.set("room:7", present("a", "42"))
  const client = connect(url)
  const room = client.presence("room:7")
  let events = 0
  room.addEventListener("presence", () => events++)
  assert.equal(shown(room), "0: ")
  await world.pass(1000)
  assert.equal(shown(room), "2: a,42")
  const send = (change: object) => world.server.last.send({ type: "presence", channel: "room:7", ...change })
  send({ joined: [{ user: "b", since: 2 }], left: ["a"], count: 2 })
  send({ joined: [{ user: "b", since: 2, info: { name: "Bo" } }], left: [], count: 2 })
  world.server.last.send({ type: "presence", channel: "room:8", joined: [{ user: "x", since: 2 }], left: [], count: 1 })
  await world.pass()
  assert.equal(shown(room), "2: 42,b")
  assert.deepEqual(room.users[1], { user: "b", since: 2, info: { name: "Bo" } })
  send({ users: [{ user: "c", since: 3 }], count: 1 })
  await world.pass()
  assert.equal(shown(room), "1: c")
  assert.equal(events, 4)
  world.server.presence.set("room:7", present("d"))
  world.server.last.end(1006)
  await world.pass()
  assert.equal(shown(room), "1: c", "while there is no connection")
  await world.pass(5000)
  assert.equal(shown(room), "1: d")
  room.close()
  await world.pass()
  assert.equal(world.server.last.all("unsubscribe").length, 1)
  send({ joined: [{ user: "e", since: 2 }], left: [], count: 2 })
  await world.pass()
  assert.equal(shown(room), "1: d", "closed")
  client.close()
})

test("the server may refuse", async (t) => {
  const world = new World(t)
  world.server.forbidden = ["room:7"]
  const client = connect(url)
  const room = client.presence("room:7")
  await world.pass(1000)
  assert.equal(room.error?.code, "forbidden")
  client.presence("room:8").close() // before it has begun
  await world.pass(1000)
  assert.deepEqual(world.server.last.got.filter((f) => f["channel"] === "room:8"), [])
  client.close()
})

test("tabs that share a connection each have the list", async (t) => {
  const world = new World(t)
  world.server.presence.set("room:7", present("a"))
  const one = connect(url, { shared: true })
  const first = one.presence("room:7")
  await world.pass(1000)
  world.server.presence.set("room:7", present("a", "b"))
  const two = connect(url, { shared: true })
  const second = two.presence("room:7")
  await world.pass(1000)
  assert.equal(world.server.open.length, 1)
  assert.equal(shown(second), "2: a,b")
  world.server.last.send({ type: "presence", channel: "room:7", joined: [], left: ["a"], count: 1 })
  await world.pass()
  assert.equal(shown(second), "1: b")
  assert.equal(first.count, 1)
  first.close()
  await world.pass()
  world.server.last.send({ type: "presence", channel: "room:7", joined: [{ user: "c", since: 1 }], left: [], count: 2 })
  await world.pass()
  assert.equal(shown(second), "2: b,c", "the other tab still has it")
  one.close()
  two.close()
})

test("history reads backwards, and waits for a connection", async (t) => {
  const world = new World(t)
  for (let i = 0; i < 5; i++) world.server.push("user:42", i)
  world.server.reads.set("user:42", 2)
  const client = connect(url)
  const page = client.history("user:42", { before: 5, limit: 2 })
  await world.pass()
  const { messages, next, read } = await page
  assert.deepEqual([messages.map(({ seq }) => seq), next, read], [[4, 3], 3, 2])
  await assert.rejects(client.history("user:42", { signal: AbortSignal.abort() }), { code: "aborted" })
  client.close()
})
