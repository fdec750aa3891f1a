// The Socket.IO server that the benchmark compares with, tuned as
// https://socket.io/docs/v4/performance-tuning/ says: the bufferutil add-on is
// installed, and the HTTP request of a session is let go. Run it with --expose-gc.
"use strict"
const http = require("node:http")
const { Server } = require("socket.io")

const server = http.createServer()
const io = new Server(server, { serveClient: false })
io.engine.on("connection", (socket) => { socket.request = null })

const message = (size) => "~" + "x".repeat(Math.max(0, size - 3))

const routes = {
  "/debug/publish": (query) => {
    const data = message(Number(query.get("size")))
    for (let i = Number(query.get("times")); i > 0; i--) io.emit("m", data)
    return ""
  },
  "/debug/mem": () => {
    global.gc()
    const { heapUsed, external } = process.memoryUsage()
    return JSON.stringify({ heap: heapUsed + external, stacks: 0, goroutines: 0 })
  },
  "/debug/online": () => String(io.engine.clientsCount),
}

const control = http.createServer((request, response) => {
  const url = new URL(request.url, "http://localhost")
  const route = routes[url.pathname]
  response.statusCode = route ? 200 : 404
  response.end(route ? route(url.searchParams) : "")
})

const at = (s) => `127.0.0.1:${s.address().port}`
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  control.listen(0, "127.0.0.1", () => console.log(`listening ${at(server)} ${at(control)}`))
})
