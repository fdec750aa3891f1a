import assert from "node:assert/strict"
import { test } from "node:test"
import { connect, WirepostError, type Logger, type StateChange } from "../src/index.js"
import { World } from "./world.js"

const url = "wss://push.example.com/ws"

test("ready waits for the connection, and for the handlers of what was there", async (t) => {
  const world = new World(t)
  world.server.stop()
  for (const data of ["a", "b"]) world.server.push("user:42", data)
  const client = connect(url)
  const finish: (() => void)[] = []
  client.on("message", () => new Promise<void>((done) => finish.push(done)))
  let ready = false
  const waiting = client.ready().then(() => (ready = true))
  await world.pass(100)
  world.server.start()
  await world.pass(5000)
  assert.equal(client.state, "open")
  assert.equal(ready, false, "no handler is done")
  finish.shift()?.()
  await world.pass(1000)
  assert.equal(ready, false, "one handler is done")
  finish.shift()?.()
  await world.pass(1000)
  await waiting
  await client.ready() // again, when nothing is missing
  client.close()
})

test("ready waits for subscriptions too, and not for a head that has expired", async (t) => {
  const world = new World(t)
  const client = connect(url)
  client.on("message", () => {})
  world.server.push("user:42", "expires")
  world.server.logs.get("user:42")!.length = 0 // and so its sequence is not sent
  await world.pass()
  await client.subscribe("room:7", () => {})
  let ready = false
  const waiting = client.ready().then(() => (ready = true))
  await world.pass(1000)
  assert.equal(ready, true)
  await waiting
  client.close()
})

test("ready without a handler resolves when it is connected, and rejects with the reason of the end", async (t) => {
  const world = new World(t)
  world.server.push("user:42", "a")
  const client = connect(url)
  const first = client.ready()
  await world.pass(1000)
  await first
  world.server.socket = "refuse"
  world.server.last.end(4409, "logged out")
  await world.pass(1000)
  await assert.rejects(client.ready(), new WirepostError("disconnected", "logged out"))
  const other = connect(url)
  const early = assert.rejects(other.ready(), { code: "closed" })
  other.close()
  await world.pass()
  await early
})

test("state events have the old and the new state, and the reason", async (t) => {
  const world = new World(t)
  const client = connect(url)
  const changes: StateChange[] = []
  const states: string[] = []
  client.on("state", (change) => {
    changes.push(change)
    states.push(client.state)
  })
  await world.pass()
  world.server.stop(1012)
  await world.pass()
  world.server.start()
  await world.pass(30_000)
  world.server.last.end(4409, "logged out")
  await world.pass()
  client.close()
  assert.deepEqual(changes.map(({ from, to }) => `${from} ${to}`), ["connecting open", "open connecting", "connecting open", "open closed"])
  assert.deepEqual(states, changes.map(({ to }) => to))
  const [first, down, , end] = changes.map(({ reason }) => reason)
  assert.equal(first, undefined)
  assert.ok(down && "retryIn" in down && down.code === 1012)
  assert.ok(end instanceof WirepostError && end.code === "disconnected")
})

test("backoff: a client waits as the options say", async (t) => {
  const world = new World(t)
  world.random = 1
  world.server.stop()
  const begin = Date.now()
  const client = connect(url, { transports: ["websocket"], backoff: { min: 100, max: 1000, factor: 3 } })
  await world.pass(3000)
  const times = world.server.attempts.map(({ at }) => at - begin)
  const waits = times.slice(1).map((at, i) => Math.round((at - times[i]!) / 100) * 100)
  assert.deepEqual(waits.slice(0, 4), [100, 300, 900, 1000])
  client.close()
})

test("backoff: without jitter the wait is exact, and bad values are refused by name", (t) => {
  new World(t)
  for (const [name, backoff] of [
    ["min", { min: 0 }],
    ["max", { min: 5000, max: 1000 }],
    ["factor", { factor: 0.5 }],
    ["jitter", { jitter: 2 }],
    ["min", { min: NaN }],
  ] as const) {
    assert.throws(() => connect(url, { backoff }), { code: "bad_request", message: `bad backoff.${name}` })
  }
})

test("the logger gets what happens, and nothing else is written anywhere", async (t) => {
  const world = new World(t)
  const lines: string[] = []
  const level = (name: string) => (...args: unknown[]) => void lines.push(`${name} ${args[0]}`)
  const logger: Logger = { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") }
  const client = connect(url, { logger, token: "secret" })
  client.on("message", () => Promise.reject(new Error("mine")))
  await world.pass()
  world.server.push("user:42", "private")
  await world.pass(100)
  world.server.last.send({ type: "error", code: "internal", message: "oops" })
  await world.pass()
  client.close()
  assert.deepEqual(lines, [
    "info wirepost: state", "info wirepost: transport", "debug wirepost: open", "debug wirepost: unread",
    "error wirepost:", "warn wirepost: error", "info wirepost: state", "debug wirepost: close",
  ])
  assert.deepEqual(world.logged, [])
})

test("after a gap the state is fetched until that succeeds, and delivered before later messages", async (t) => {
  const world = new World(t)
  const asked: number[] = []
  const seen: unknown[] = []
  const errors: string[] = []
  const client = connect(url, {
    async getState({ channel, after }) {
      assert.equal(channel, "user:42")
      asked.push(after)
      if (asked.length < 3) throw new Error("not now")
      return { data: "state of 8", seq: 8 }
    },
  })
  client.on("message", (m) => seen.push(m.data))
  client.on("gap", () => seen.push("gap"))
  client.on("restored", async ({ data, gap }) => {
    await new Promise((done) => setTimeout(done, 10))
    seen.push(`${data} after ${gap.after}`)
  })
  client.on("error", (e) => errors.push(`${e.code} ${e.message}`))
  await world.pass()
  const send = (seq: number) => world.server.last.send({ type: "message", channel: "user:42", seq, prev: 0, id: `m${seq}`, time: 1, data: seq })
  send(1)
  world.server.last.send({ type: "gap", channel: "user:42", after: 1, resumed_at: 7 })
  for (const seq of [7, 8, 9]) send(seq)
  await world.pass(100)
  assert.deepEqual(seen, [1, "gap"])
  await world.pass(10_000)
  assert.deepEqual(seen, [1, "gap", "state of 8 after 1", 9])
  assert.deepEqual(asked, [1, 1, 1])
  assert.deepEqual(errors, Array(2).fill("unavailable getState: not now"))
  await world.pass(100)
  assert.equal(world.server.last.all("ack").at(-1)?.["seq"], 9)
  client.close()
})
