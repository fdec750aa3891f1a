import assert from "node:assert/strict"
import { test } from "node:test"
import { connect } from "../src/index.js"
import { World } from "./world.js"

// Sockets that deliver several frames without letting promises run in between.

const url = "wss://push.example.com/ws"

test("what follows the response to subscribe in the same task is delivered", async (t) => {
  const world = new World(t)
  world.server.together = true
  const client = connect(url)
  const seen: unknown[] = []
  client.on("message", (m) => seen.push(m.data))
  await world.pass()
  await client.subscribe("room:7", () => {})
  world.server.push("room:7", "a")
  world.server.push("user:42", 1)
  await world.pass(200)
  world.server.stop()
  world.server.push("room:7", "b")
  world.server.push("room:7", "c")
  world.server.push("user:42", 2)
  world.server.start()
  await world.pass(5000)
  world.server.push("room:7", "d")
  await world.pass(200)
  assert.deepEqual(seen.sort(), [1, 2, "a", "b", "c", "d"])
  assert.deepEqual(world.server.last.all("ack").map((a) => [a["channel"], a["seq"]]).at(-1), ["room:7", 4])
  client.close()
})

test("who joins in the same task as the list is on it", async (t) => {
  const world = new World(t)
  world.server.together = true
  world.server.presence.set("room:7", { count: 1, users: [{ user: "42", since: 1 }] })
  const client = connect(url)
  client.on("message", () => {})
  await world.pass()
  const session = world.server.last
  const take = session.take.bind(session)
  session.take = (frame) => {
    take(frame)
    if (frame["presence"]) session.send({ type: "presence", channel: "room:7", joined: [{ user: "b", since: 2 }], left: [], count: 2 })
  }
  const room = client.presence("room:7")
  await world.pass(1000)
  assert.deepEqual(room.users.map(({ user }) => user), ["42", "b"])
  assert.equal(room.count, 2)
  client.close()
})
