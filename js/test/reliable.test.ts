import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { ReliableWebSocket } from "../src/index.js"
import { World } from "./world.js"

const url = "wss://push.example.com/echo"

class CloseEvent extends Event {
  declare readonly code: number
  declare readonly reason: string
  declare readonly wasClean: boolean
  constructor(type: string, { code = 0, reason = "", wasClean = false }: { code?: number; reason?: string; wasClean?: boolean }) {
    super(type)
    Object.assign(this, { code, reason, wasClean })
  }
}

function watch(socket: ReliableWebSocket): string[] {
  const events: string[] = []
  for (const type of ["open", "message", "error", "close", "reconnecting"]) {
    socket.addEventListener(type, (event) => {
      const more = event instanceof CloseEvent ? ` ${event.code} ${event.reason} ${event.wasClean}` : event instanceof MessageEvent ? ` ${event.data}` : ""
      events.push(`${type}${more} @${socket.readyState}`)
    })
  }
  return events
}

function world(t: TestContext): World {
  Object.assign(globalThis, { CloseEvent })
  return new World(t)
}

test("it reconnects until it is closed, and emits close once", async (t) => {
  const w = world(t)
  const socket = new ReliableWebSocket(url)
  const events = watch(socket)
  assert.equal(socket.readyState, socket.CONNECTING)
  assert.throws(() => socket.send("x"), { name: "InvalidStateError" })
  await w.pass()
  w.server.last.send({ type: "one" })
  await w.pass()
  w.server.stop(1012)
  await w.pass()
  assert.equal(socket.readyState, ReliableWebSocket.CONNECTING)
  assert.throws(() => socket.send("x"), { name: "InvalidStateError" })
  await w.pass(10_000)
  w.server.start()
  await w.pass(30_000)
  assert.equal(socket.readyState, socket.OPEN)
  socket.close(3001, "bye")
  assert.equal(socket.readyState, socket.CLOSING)
  await w.pass(100)
  socket.send("into nothing")
  socket.close()
  w.online()
  await w.pass(100_000)
  assert.deepEqual(events, ["open @1", 'message {"type":"one"} @1', "reconnecting @0", ...Array(4).fill("reconnecting @0"), "open @1", "close 3001 bye true @3"])
  assert.deepEqual(w.server.open, [])
})

test("a page that is left disconnects, and reconnects when it is shown again", async (t) => {
  const w = world(t)
  const socket = new ReliableWebSocket(url)
  await w.pass()
  const before = w.server.last
  w.leave()
  await w.pass(60_000)
  assert.notEqual(w.server.last, before)
  assert.deepEqual(w.server.open, [w.server.last])
  assert.equal(socket.readyState, socket.OPEN)
  socket.close()
})

test("it accepts the platform's arguments, and throws the same errors", (t) => {
  world(t)
  assert.throws(() => new ReliableWebSocket("ftp://x"), { name: "SyntaxError" })
  assert.throws(() => new ReliableWebSocket(url, "a b"), { name: "SyntaxError" })
  for (const bad of ["ftp://x", "http://", "wss://x/#a"]) {
    assert.throws(() => new ReliableWebSocket(bad, [], { token: () => "t" }), { name: "SyntaxError" }, bad)
  }
  const native = new ReliableWebSocket(url)
  assert.throws(() => native.close(1001), { name: "InvalidAccessError" })
  assert.equal(native.readyState, 0, "and goes on")
  for (const socket of [native, new ReliableWebSocket(url, [], { token: () => "t" })]) {
    assert.equal(socket.url, url)
    socket.binaryType = "arraybuffer"
    socket.binaryType = "nonsense" as BinaryType
    assert.equal(socket.binaryType, "arraybuffer")
    assert.equal(socket.bufferedAmount, 0)
    assert.equal(socket.protocol + socket.extensions, "")
    socket.close()
  }
})

test("closing during a pause looks like a failed connection", async (t) => {
  const w = world(t)
  const socket = new ReliableWebSocket(url)
  await w.pass()
  const events = watch(socket)
  w.server.stop()
  await w.pass()
  assert.throws(() => socket.close(1001), { name: "InvalidAccessError" })
  socket.close(1000)
  assert.equal(socket.readyState, 2)
  await w.pass(10_000)
  assert.deepEqual(events, ["reconnecting @0", "error @3", "close 1006  false @3"])
})

test("after a final code it stays closed", async (t) => {
  const w = world(t)
  const socket = new ReliableWebSocket(url)
  const events = watch(socket)
  await w.pass()
  w.server.last.end(4409, "disconnected")
  await w.pass(60_000)
  assert.deepEqual(events, ["open @1", "close 4409 disconnected true @3"])
})

test("a token is fetched each time, also after 4401", async (t) => {
  const w = world(t)
  let n = 0
  const socket = new ReliableWebSocket(url, "chat", { token: () => (n++ === 1 ? Promise.reject(new Error("later")) : `t${n}`) })
  await w.pass()
  w.server.last.end(4401)
  await w.pass(10_000)
  assert.deepEqual(w.server.sessions.map((s) => s.protocols), [["chat", "wirepost.plain", "bearer.t1"], ["chat", "wirepost.plain", "bearer.t3"]])
  assert.equal(socket.protocol, "wirepost.plain")
  socket.close()
})

test("handlers set as attributes keep their order, and can be removed", async (t) => {
  const w = world(t)
  const socket = new ReliableWebSocket(url)
  const calls: string[] = []
  assert.equal(socket.onopen, null)
  socket.onopen = () => calls.push("first")
  socket.addEventListener("open", () => calls.push("second"))
  const replaced = function (this: ReliableWebSocket) {
    calls.push(this === socket ? "replaced" : "not bound")
  }
  socket.onopen = replaced
  assert.equal(socket.onopen, replaced)
  socket.onclose = () => calls.push("close")
  socket.onclose = null
  socket.onmessage = "nonsense" as never
  assert.equal(socket.onmessage, null)
  await w.pass()
  socket.close()
  await w.pass()
  assert.deepEqual(calls, ["replaced", "second"])
})

test("a function says where to connect to, at each attempt", async (t) => {
  const w = world(t)
  const urls: (() => string | URL | Promise<string | URL>)[] = [
    () => `${url}?n=1`,
    () => Promise.reject(new Error("not now")),
    () => "ftp://nowhere",
    async () => new URL(`${url}?n=4`),
  ]
  const socket = new ReliableWebSocket(() => urls.shift()!())
  assert.equal(socket.url, "")
  await w.pass()
  assert.equal(socket.url, `${url}?n=1`)
  w.server.last.end(1012)
  await w.pass(60_000)
  assert.equal(socket.url, `${url}?n=4`)
  assert.equal(socket.readyState, socket.OPEN)
  assert.deepEqual(w.server.sessions.map((s) => s.url.search), ["?n=1", "?n=4"])
  assert.deepEqual(w.logged.map(([, thrown]) => (thrown as Error).message), ["not now", "no WebSocket"])
  socket.close()
})

test("messages wait for a connection, in order and as they were, up to the limits", async (t) => {
  const w = world(t)
  const socket = new ReliableWebSocket(url, [], { maxBufferedMessages: 3, maxBufferedBytes: 20 })
  const sent: unknown[] = []
  t.mock.method(w.server.WebSocket.prototype, "send", (data: unknown) => void sent.push(data))
  const bytes = new Uint8Array([1, 2])
  socket.send("first")
  socket.send(bytes)
  bytes[0] = 9
  assert.throws(() => socket.send("x".repeat(14)), { name: "QuotaExceededError" })
  socket.send("ü")
  assert.equal(socket.bufferedAmount, 9)
  assert.throws(() => socket.send("a fourth"), { name: "QuotaExceededError" })
  await w.pass()
  assert.equal(socket.bufferedAmount, 0)
  assert.deepEqual([sent[0], sent[2]], ["first", "ü"])
  assert.deepEqual(new Uint8Array(await (sent[1] as Blob).arrayBuffer()), new Uint8Array([1, 2]))
  socket.send("now")
  assert.equal(sent[3], "now")
  assert.throws(() => socket.send("x".repeat(21)), { name: "QuotaExceededError" })
  w.server.stop()
  await w.pass()
  socket.send("lost")
  socket.close()
  await w.pass()
  assert.equal(socket.bufferedAmount, 4, "as the platform counts what was never sent")
})

test("options of a ReliableWebSocket are checked, and its waits are as they say", async (t) => {
  const w = world(t)
  assert.throws(() => new ReliableWebSocket(url, [], { maxBufferedBytes: -1 }), { code: "bad_request", message: "bad maxBufferedBytes" })
  assert.throws(() => new ReliableWebSocket(url, [], { maxBufferedMessages: NaN }), { code: "bad_request", message: "bad maxBufferedMessages" })
  assert.throws(() => new ReliableWebSocket(url, [], { backoff: { min: -1 } }), { code: "bad_request", message: "bad backoff.min" })
  w.server.stop()
  const socket = new ReliableWebSocket(url, [], { backoff: { min: 10, max: 10, jitter: 0 } })
  await w.pass(1000)
  assert.ok(w.server.attempts.length > 15, `${w.server.attempts.length} attempts`)
  socket.close()
})
