// The package in an environment with what React Native has, besides a URL as
// react-native-url-polyfill makes it: no crypto, EventTarget, storage, location or document.
const { readFileSync } = require("node:fs")
const vm = require("node:vm")
const { WebSocket: Socket } = require("ws")

const sockets = []
class WebSocket extends Socket {
  constructor(...args) {
    super(...args)
    sockets.push(this)
  }
}

const native = { WebSocket, URL, URLSearchParams, AbortController, fetch, setTimeout, clearTimeout, console, btoa, navigator: { product: "ReactNative" } }
native.global = native.window = native.self = native
const path = require.resolve("wirepost") // with the condition react-native
const load = vm.runInContext(`(function (module, exports, require) {${readFileSync(path)}\n})`, vm.createContext(native), { filename: path })
const wirepost = { exports: {} }
load(wirepost, wirepost.exports, (name) => { throw new Error(`require(${name})`) })
const { connect } = wirepost.exports

/** Like AsyncStorage of @react-native-async-storage/async-storage. */
const items = new Map()
const storage = {
  getItem: async (name) => items.get(name) ?? null,
  setItem: async (name, value) => void items.set(name, value),
}

const next = (client, event) => new Promise((resolve) => {
  const off = client.on(event, (value) => (off(), resolve(value)))
})

async function main() {
  const url = process.argv[2]
  const client = connect(url, { storage, backoff: { min: 3_600_000, max: 3_600_000, jitter: 0 } })
  console.log((await next(client, "message")).data.text)
  const { seq } = await client.publish("room:7", { text: "from the app" })
  console.log(seq)

  // The system ends connections of an app in the background.
  const disconnected = next(client, "disconnect")
  sockets.at(-1).terminate()
  await disconnected
  const open = next(client, "open")
  client.reconnect() // as in AppState.addEventListener("change", (state) => state === "active" && client.reconnect())
  await open
  console.log("open again")
  await client.subscribe("room:7", () => {})
  client.close()

  const later = connect(url, { storage })
  await next(later, "open")
  console.log(later.device === client.device)
  later.close()
}

void main()
