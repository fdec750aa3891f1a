import assert from "node:assert/strict"
import { test } from "node:test"
import { connect, type Message } from "../src/index.js"
import { follow } from "../src/wirepost-more.js"
import { World } from "./world.js"

const url = "wss://push.example.com/ws"

/** A message as in a backend's history. */
const old = (channel: string, seq: number, data: string): Message => ({ type: "message", channel, seq, prev: seq - 1, id: `m${seq}`, time: 0, data })

/** The items of a list on a page. */
class List {
  items: unknown[] = []
  message = (m: Message) => void this.items.push(m.data)
  reset = () => void (this.items = [])
}

for (const channel of ["room:7", undefined]) {
  const name = channel ?? "user:42"
  test(`${name}: the history comes first, and each message once`, async (t) => {
    const world = new World(t)
    world.server.push(name, "a")
    const client = connect(url)
    const list = new List()
    let answer: (messages: Message[]) => void = () => assert.fail("no request is pending")
    follow(client, { ...(channel && { channel }), history: () => new Promise<Message[]>((resolve) => (answer = resolve)), message: list.message })
    await world.pass()
    world.server.push(name, "b")
    world.server.push(name, "c")
    world.server.push("user:41", "another's")
    await world.pass(100)
    assert.deepEqual(list.items, [], "live messages wait for the history")
    answer([old(name, 1, "a"), old(name, 2, "b")])
    await world.pass()
    world.server.push(name, "d")
    await world.pass()
    assert.deepEqual(list.items, ["a", "b", "c", "d"])
    client.close()
  })

  test(`${name}: after a reset the history is fetched again, even if the previous fetch hangs`, async (t) => {
    const world = new World(t)
    const client = connect(url)
    const list = new List()
    const answers: ((messages: Message[]) => void)[] = []
    const { read } = follow(client, { ...(channel && { channel }), history: () => new Promise<Message[]>((resolve) => answers.push(resolve)), ...list })
    await world.pass()
    for (const data of ["a", "b", "c"]) world.server.push(name, data)
    await world.pass()
    answers[0]!([])
    await world.pass(100)
    assert.deepEqual(list.items, ["a", "b", "c"])
    const wipe = async (epoch: string) => {
      world.server.stop()
      world.server.epoch = epoch
      world.server.logs.clear()
      world.server.cursors.clear()
      world.server.push(name, `before ${epoch}`)
      world.server.start()
      await world.pass(2000)
    }
    await wipe("e2")
    await wipe("e3")
    assert.equal(answers.length, 3)
    assert.deepEqual(list.items, [])
    await read() // nothing is shown
    assert.deepEqual(world.server.last.all("read"), [])
    answers[1]!([old(name, 1, "before e2")])
    answers[2]!([old(name, 1, "before e3")])
    world.server.push(name, "live")
    await world.pass(100)
    assert.deepEqual(list.items, ["before e3", "live"])
    client.close()
  })
}

test("the log of a memory-only channel may restart without a reset", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const list = new List()
  let history: Message[] = []
  follow(client, { channel: "room:7", history: () => history, ...list })
  await world.pass()
  for (const data of ["a", "b", "c"]) world.server.push("room:7", data)
  await world.pass(100)
  world.server.stop()
  world.server.logs.delete("room:7")
  world.server.push("room:7", "new a")
  history = [old("room:7", 1, "new a")]
  world.server.start()
  await world.pass(2000)
  world.server.push("room:7", "new b")
  await world.pass(100)
  assert.deepEqual(list.items, ["new a", "new b"])
  client.close()
})

test("a history that fails is fetched again, and stop ends everything", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const list = new List()
  let asked = 0
  const history = () => (++asked < 3 ? Promise.reject(new Error("down")) : [old("room:7", 1, "a")])
  const { stop } = follow(client, { channel: "room:7", history, ...list })
  await world.pass(100)
  assert.equal(asked, 1)
  await world.pass(3000)
  assert.equal(asked, 3)
  assert.deepEqual([list.items, world.logged.length], [["a"], 2])
  stop()
  world.server.push("room:7", "b")
  await world.pass(100)
  assert.deepEqual(list.items, ["a"])
  assert.equal(world.server.last.all("unsubscribe").length, 1)
  client.close()
})

test("read has no effect for a message of an earlier store", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const seen: Message[] = []
  client.on("message", (m) => seen.push(m))
  await world.pass()
  world.server.push("user:42", "a")
  await world.pass(100)
  world.server.stop()
  const waiting = client.read(seen[0]!)
  world.server.epoch = "e2"
  world.server.logs.clear()
  world.server.cursors.clear()
  world.server.push("user:42", "new")
  world.server.start()
  await world.pass(2000)
  await waiting
  await client.read(seen[0]!)
  assert.deepEqual(world.server.last.all("read"), [])
  assert.equal(client.unread(), 1)
  const read = client.read(seen[1]!)
  await world.pass()
  await read
  assert.deepEqual(world.server.last.all("read").map((f) => f["seq"]), [1])
  assert.equal(client.unread(), 0)
  client.close()
})
