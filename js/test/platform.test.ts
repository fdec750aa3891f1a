import assert from "node:assert/strict"
import { test } from "node:test"
import { connect, WirepostError, type ClientStorage } from "../src/index.js"
import { define, World } from "./world.js"

// The parts of the client for platforms that are no browsers.

const url = "wss://push.example.com/ws"

test("without a WebSocket connect says what to do, and the fallbacks need none", (t) => {
  new World(t)
  define("WebSocket", undefined)
  assert.throws(() => connect(url), (e) => e instanceof WirepostError && e.code === "unsupported" && /Node\.js 22.*WebSocket.*package ws/.test(e.message))
  connect(url, { transports: ["sse"] }).close()
})

test("a given WebSocket is used, also for trials while a fallback is in use", async (t) => {
  const world = new World(t)
  define("WebSocket", undefined)
  world.server.socket = "refuse"
  const client = connect(url, { WebSocket: world.server.WebSocket as never })
  await world.pass(2000)
  assert.equal(client.transport, "sse")
  world.server.socket = "accept"
  await world.pass(60_000)
  assert.equal(client.transport, "websocket")
  client.close()
})

test("reconnect ends the wait for the next attempt, and probes a connection", async (t) => {
  const world = new World(t)
  const client = connect(url, { transports: ["websocket"] })
  await world.pass()
  client.reconnect()
  await world.pass()
  assert.equal(world.server.last.all("unsubscribe")[0]?.["ref"], "probe")
  world.random = 1
  world.server.stop()
  await world.pass(20_000)
  world.server.start()
  const attempts = world.server.attempts.length
  await world.pass(1100)
  assert.equal(world.server.attempts.length, attempts, "it waits")
  client.reconnect()
  await world.pass()
  assert.equal(client.state, "open")
  client.close()
})

/** A storage like AsyncStorage of React Native. */
class AsyncStorage implements ClientStorage {
  readonly items = new Map<string, string>()
  writes = 0
  async getItem(name: string): Promise<string | null> {
    await new Promise((resolve) => setTimeout(resolve, 10))
    return this.items.get(name) ?? null
  }
  async setItem(name: string, value: string): Promise<void> {
    this.writes++
    this.items.set(name, value)
  }
}

test("an application's storage keeps the device and positions", async (t) => {
  const world = new World(t, { storage: false })
  const storage = new AsyncStorage()
  const seen: unknown[] = []
  const open = async () => {
    const client = connect(url, { storage })
    assert.equal(client.device, "", "not read yet")
    void client.subscribe("room:7", (m) => seen.push(m.data))
    await world.pass(20)
    return client
  }
  const first = await open()
  const { device } = first
  assert.match(device, /^[0-9a-f]{32}$/)
  world.server.push("room:7", 1)
  await world.pass(200)
  first.close()
  const { writes } = storage
  world.server.push("room:7", 2)
  const second = await open()
  await world.pass(200)
  assert.equal(second.device, device)
  assert.equal(world.server.last.device, device)
  assert.deepEqual(seen, [1, 2])
  assert.ok(storage.writes > writes)
  const settled = storage.writes
  world.server.push("user:42", "has its position at the server")
  await world.pass(1000)
  assert.equal(storage.writes, settled, "nothing changed")
  assert.deepEqual([...storage.items.keys()], ["wirepost"])
  second.close()
})

test("a storage that fails or was written to by something else costs only what it kept", async (t) => {
  const world = new World(t, { storage: false })
  const failing = { getItem: () => Promise.reject(new Error("disk")), setItem: () => Promise.reject(new Error("disk")) }
  const spoiled = { getItem: () => "[nonsense", setItem: () => Promise.reject(new Error("full")) }
  for (const storage of [failing, spoiled]) {
    const errors: string[] = []
    const client = connect(url, { storage })
    client.on("error", (e) => errors.push(e.code))
    await world.pass(20)
    assert.equal(client.state, "open")
    assert.match(client.device, /^[0-9a-f]{32}$/)
    assert.deepEqual(errors, storage === failing ? ["unavailable"] : [])
    client.close()
  }
  assert.match(String(world.logged[0]?.[1]), /full/)
})

test("names are random without crypto", async (t) => {
  const world = new World(t, { storage: false })
  const { crypto } = globalThis
  t.after(() => define("crypto", crypto))
  define("crypto", undefined)
  t.mock.method(Math, "random", (() => { let n = 0; return () => (n++ % 10) / 10 })())
  const client = connect(url)
  await world.pass()
  assert.match(client.device, /^[0-9a-f]{32}$/)
  assert.ok(new Set(client.device).size > 5)
  client.close()
})

interface Note {
  readonly text: string
}

test("types of payloads are the application's", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const texts: string[] = []
  client.on<Note>("message", (m) => texts.push(m.data.text))
  client.on("message", (m) => void (m.data satisfies unknown))
  await client.subscribe<Note>("room:7", ({ data: { text } }) => texts.push(text))
  const note: Note = { text: "an interface is no Json" }
  await client.publish("room:7", note)
  await world.pass()
  assert.deepEqual(texts, [note.text, note.text])
  // @ts-expect-error: undefined is not JSON
  await assert.rejects(client.publish("room:7", undefined))
  const { messages } = await client.history<Note>("room:7")
  assert.ok(messages.every((m) => typeof m.data.text === "string"))
  client.close()
})
