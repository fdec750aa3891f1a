// The same program as CommonJS.
import wirepost = require("wirepost")
import more = require("wirepost/more")
import ws = require("ws")

interface Note {
  text: string
}

const [, , url = "", given] = process.argv
const client = wirepost.connect(url, { device: "node", ...(given === "ws" && { WebSocket: ws.WebSocket }) })

async function main(): Promise<void> {
  const shown = new Promise<Note>((resolve) => {
    more.follow<Note>(client, {
      history: async () => (await client.history<Note>(`user:${client.user}`)).messages.toReversed(),
      message: ({ data }) => resolve(data),
    })
  })
  console.log((await shown).text)

  const received = new Promise<string>((resolve) => void client.subscribe<Note>("room:7", (m) => resolve(`${m.from} ${m.data.text}`)))
  const note: Note = { text: "from Node.js" }
  const { duplicate } = await client.publish("room:7", note)
  console.log(await received, duplicate, client.transport)

  const refused: unknown = await client.subscribe("user:7", () => {}).catch((e: unknown) => e)
  console.log(refused instanceof wirepost.WirepostError && refused.code, wirepost.mayReconnect(1006))
  client.close()
}

void main()
