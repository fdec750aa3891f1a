import { useState, type FormEvent } from "react"
import { useWirepost, WirepostProvider } from "wirepost/react"
import { Bell } from "./Bell"
import { Room } from "./Room"

/** What a form with one field is submitted with. */
export function submitted(event: FormEvent<HTMLFormElement>): string {
  event.preventDefault()
  const form = event.currentTarget
  const text = String(new FormData(form).get("text")).trim()
  form.reset()
  return text
}

export function App() {
  const [user, setUser] = useState(new URLSearchParams(location.search).get("user") ?? "")
  if (!user) {
    return (
      <form onSubmit={(event) => setUser(submitted(event))}>
        <label>Your name <input name="text" autoFocus required /></label>
        <button>Enter</button>
      </form>
    )
  }
  // The key: another user has another connection.
  return (
    <WirepostProvider key={user} url={`/ws?user=${encodeURIComponent(user)}`}>
      <header>
        <State />
        <Bell />
      </header>
      <Room channel="room:lobby" />
    </WirepostProvider>
  )
}

function State() {
  const { state, user } = useWirepost()
  return <p id="state">{state === "open" ? `as ${user}` : state}</p>
}
