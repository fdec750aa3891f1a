import react from "@vitejs/plugin-react"
import { defineConfig } from "vite"

// The Go program: with these rules the page and the server have one origin, as in production.
const server = "http://127.0.0.1:8080"

export default defineConfig({
  plugins: [react()],
  server: { proxy: { "/ws": { target: server, ws: true }, "/sse": server, "/poll": server, "/remind": server } },
})
