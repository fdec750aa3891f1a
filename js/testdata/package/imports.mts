// A program in Node.js, as an ES module.
import { connect, mayReconnect, WirepostError, type Message, type Options } from "wirepost"
import { follow, type FollowOptions } from "wirepost/more"
import WebSocket from "ws"

interface Note {
  text: string
}

const [, , url = "", given] = process.argv
const options: Options = { device: "node", ...(given === "ws" && { WebSocket }) }
const client = connect(url, options)
const shown = new Promise<Message<Note>>((resolve) => {
  const list: FollowOptions<Note> = {
    history: async () => (await client.history<Note>(`user:${client.user}`)).messages.toReversed(),
    message: resolve,
  }
  follow(client, list)
})
console.log((await shown).data.text)

const received = new Promise<string>((resolve) => void client.subscribe<Note>("room:7", (m) => resolve(`${m.from} ${m.data.text}`)))
const note: Note = { text: "from Node.js" }
const { duplicate } = await client.publish("room:7", note)
console.log(await received, duplicate, client.transport)

const refused: unknown = await client.subscribe("user:7", () => {}).catch((e: unknown) => e)
console.log(refused instanceof WirepostError && refused.code, mayReconnect(1006))
client.close()
