import { connect, type Client } from "../src/index.js"
import { Page } from "./page.js"
import type { World } from "./world.js"

export const url = "wss://push.example.com/ws"

/** Opens tabs that share a connection, and collects the messages of each. */
export async function tabs(world: World, count: number, options = {}): Promise<{ clients: Client[]; pages: Page[]; seen: unknown[][] }> {
  const clients: Client[] = []
  const pages: Page[] = []
  const seen: unknown[][] = []
  for (let i = 0; i < count; i++) {
    const page = new Page()
    const client = page.run(() => connect(url, { shared: true, ...options }))
    const mine: unknown[] = []
    client.on("message", (m) => mine.push(m.data))
    clients.push(client)
    pages.push(page)
    seen.push(mine)
    await world.pass()
  }
  return { clients, pages, seen }
}
