// Renders the hooks on a server.
import { renderToString } from "react-dom/server"
import { useChannel, useMessages, usePresence, useUnread, useWirepost, WirepostProvider } from "wirepost/react"

function Everything() {
  const { client, state } = useWirepost()
  const { messages, ready } = useMessages()
  const { count } = usePresence("room:7")
  const { error } = useChannel("room:7", () => {})
  return <p>{[String(client), state, useUnread(), messages.length, String(ready), count, String(error)].join(" ")}</p>
}

console.log(renderToString(<WirepostProvider url="/ws"><Everything /></WirepostProvider>))
try {
  renderToString(<Everything />)
} catch (thrown) {
  console.log((thrown as Error).message)
}
