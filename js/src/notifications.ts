import type { Client, EnableOptions, NotificationState } from "./client.js"
import { wording, type ErrorCode, type WirepostError } from "./errors.js"
import type { Hello, Request, Result } from "./frames.js"
import { enabledKey, keep, recall } from "./storage.js"
import { within } from "./within.js"
import type { About, Shown } from "./worker.js"

/** What is kept of enabled notifications, in localStorage: for all tabs, as the browser's subscription is. */
interface Enabled {
  readonly user: string
  readonly scope: string
  /** The worker's script; undefined if the page registered the worker. */
  readonly script?: string | undefined
  /** What the server was sent last: its store and key, and the endpoint. */
  readonly sent: string
  /** When that was. */
  readonly at: number
}

/** A worker, and whose notifications it shows. */
type Chosen = Pick<Enabled, "user" | "script" | "scope">

/** The server is sent what it has once a day, in case that it has lost it. */
const longest = 86_400_000

/** What notifications need of a client. */
export interface Notifying {
  readonly client: Client
  /** The URLs of the WebSocket endpoint. */
  readonly nodes: readonly URL[]
  /** The last `hello`. */
  hello(): Hello | undefined
  /** The read mark of a channel. */
  mark(channel: string): number
  request(request: Request): Promise<Result>
  error(code: ErrorCode, message: string): Error
  /** Reports what failed without a caller. */
  failed(code: ErrorCode, message: string): void
}

/** Subscribes and unsubscribes this browser. */
export interface Notifications {
  enable(permission: NotificationPermission | undefined, options?: EnableOptions): Promise<void>
  disable(): Promise<void>
  state(): Promise<NotificationState>
}

/**
 * Opens what subscribes this browser to Web Push and keeps it subscribed: with each
 * connection, the browser's subscription is compared with the server's key and with what
 * the server has been sent.
 */
export function openNotifications({ client, nodes, hello, mark, request, error, failed }: Notifying): Notifications {
  const marks = new Map<string, number>() // up to where notifications were closed
  const workers = globalThis.navigator?.serviceWorker as ServiceWorkerContainer | undefined
  const supported = !!(workers && globalThis.PushManager && globalThis.Notification)

  async function enable(permission: NotificationPermission | undefined, { serviceWorker, ...defaults }: EnableOptions = {}): Promise<void> {
    if (!supported) throw error("unsupported", unsupported())
    if (permission !== "granted") throw error("denied", permission === "denied" ? "the user, or the browser, has blocked notifications" : "the user did not decide")
    const current = await greeted()
    if (!current.vapid) throw error("disabled", "Web Push is off at this server: see webpush.subject")
    if ((enabled()?.user ?? current.user) !== current.user) await disable()
    const worker = { ...which(serviceWorker, defaults), user: current.user }
    const registration = await platform(registered(worker))
    if (!registration) throw error("bad_request", `no service worker is registered for ${worker.scope}`)
    await send(worker, registration, current)
  }

  /** Chooses a worker: the page's own, or the server's, which is told in its URL what notifications show by default. */
  function which(own: EnableOptions["serviceWorker"], defaults: object): Omit<Chosen, "user"> {
    if (own instanceof ServiceWorkerRegistration) return { scope: own.scope }
    const here = location.origin
    const url = own ? new URL(own, location.href) : new URL("wirepost-sw.js", nodes.find((at) => at.origin.replace(/^ws/, "http") === here) ?? nodes[0])
    url.protocol = url.protocol.replace("ws", "http")
    if (url.origin !== here) throw error("bad_request", `a service worker at ${url.origin} cannot be one of ${here}: see serviceWorker`)
    // A scope that has no pages: it leaves them to the page's own worker, if there is one.
    const scope = url.pathname.replace(/(\.js)?$/, "/")
    for (const [name, value] of Object.entries(defaults)) if (value) url.searchParams.set(name, String(value))
    return { scope, script: url.href }
  }

  /** Returns the registration of a worker, active, or undefined if the page's own is gone. */
  async function registered({ script, scope }: Omit<Chosen, "user">): Promise<ServiceWorkerRegistration | undefined> {
    if (!script) return workers!.getRegistration(scope)
    const registration = await workers!.register(script, { scope })
    for (let worker: ServiceWorker | null; !registration.active && (worker = registration.installing ?? registration.waiting); ) {
      const coming = worker
      await new Promise((changed) => coming.addEventListener("statechange", changed, { once: true }))
    }
    return registration
  }

  /** Sends the browser's subscription, with the server's key, to the server, unless it was sent before. */
  async function send(worker: Chosen, registration: ServiceWorkerRegistration, { vapid = "", epoch }: Hello, before?: Enabled): Promise<void> {
    const subscription = await platform(subscribed(registration, vapid))
    const sent = `${epoch} ${vapid} ${subscription.endpoint}`
    if (sent === before?.sent && Date.now() < before.at + longest) return
    await request({ type: "webpush", subscription: subscription.toJSON() })
    keep("localStorage", enabledKey, { ...worker, sent, at: Date.now() })
  }

  async function subscribed({ pushManager }: ServiceWorkerRegistration, vapid: string): Promise<PushSubscription> {
    const there = await pushManager.getSubscription()
    if (there && key(there) === vapid) return there
    await there?.unsubscribe() // a worker has one
    return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: vapid })
  }

  /** Gives the platform's errors codes. */
  function platform<T>(work: Promise<T>): Promise<T> {
    return work.catch((thrown: unknown) => {
      throw error((thrown as Error).name === "NotAllowedError" ? "denied" : "unavailable", wording(thrown))
    })
  }

  async function disable(): Promise<void> {
    const entry = enabled()
    keep("localStorage", enabledKey, null)
    const registration = await of(entry)
    const subscription = await registration?.pushManager.getSubscription()
    await subscription?.unsubscribe()
    await close(registration, () => true)
    // Otherwise the server hears of it from the push service, when it sends to it.
    const reachable = client.state === "open" && client.transport === "websocket" && entry?.user === hello()?.user
    if (subscription && reachable) await within(5000, request({ type: "webpush", endpoint: subscription.endpoint })).catch(() => {})
  }

  async function state(): Promise<NotificationState> {
    if (!supported) return "unsupported"
    if (Notification.permission === "denied") return "denied"
    const { vapid, user } = await greeted()
    if (!vapid) return "disabled"
    const entry = enabled()
    const registration = await of(entry)
    return entry?.user === user && (await registration?.pushManager.getSubscription()) ? "on" : "off"
  }

  /** Compares what the browser and the server have. */
  async function renew(): Promise<void> {
    const entry = enabled()
    const current = hello()
    if (!entry || !current || !supported) return
    // What comes for one user is not shown to another one of the same browser.
    if (entry.user !== current.user) return disable()
    if (current.vapid && Notification.permission === "granted" && client.transport === "websocket") {
      const registration = await registered(entry)
      if (registration) await send({ user: entry.user, script: entry.script, scope: entry.scope }, registration, current, entry)
    }
    await close(await of(entry), ({ channel, seq }) => seq <= mark(channel))
  }

  /** Closes notifications of messages. */
  async function close(registration: ServiceWorkerRegistration | undefined, condition: (about: About) => boolean): Promise<void> {
    for (const notification of (await registration?.getNotifications()) ?? []) {
      const { wirepost } = Object(notification.data) as Partial<Shown>
      if (wirepost && condition(wirepost)) notification.close()
    }
  }

  /** Closes them in the background, if there are any. */
  function sweep(condition: (about: About) => boolean): void {
    const entry = enabled()
    if (entry && supported) void of(entry).then((registration) => close(registration, condition)).catch(() => {}) // it is gone
  }

  async function of(entry: Enabled | undefined): Promise<ServiceWorkerRegistration | undefined> {
    return entry && supported ? workers!.getRegistration(entry.scope) : undefined
  }

  /** Waits for the first `hello`. */
  async function greeted(): Promise<Hello> {
    const off: (() => void)[] = []
    await new Promise<void>((resolve, reject) => {
      if (hello()) return resolve()
      off.push(client.on("open", () => resolve()), client.on("close", (thrown) => reject(thrown ?? error("closed", "closed"))))
    }).finally(() => off.forEach((end) => end()))
    return hello()!
  }

  const again = () => void renew().catch((thrown: unknown) => failed((thrown as WirepostError).code ?? "unavailable", `notifications: ${wording(thrown)}`))
  const heard = ({ data }: MessageEvent<unknown>) => data === "wirepost:subscription" && again()
  workers?.addEventListener("message", heard)
  client.on("close", () => workers?.removeEventListener("message", heard))
  client.on("open", again)
  client.on("unread", ({ channel }) => {
    const read = mark(channel)
    if (read === (marks.get(channel) ?? 0)) return
    marks.set(channel, read)
    sweep((m) => m.channel === channel && m.seq <= read)
  })
  client.on("revoke", ({ channel, revoked }) => sweep((m) => m.channel === channel && m.seq === revoked))
  if (client.state === "open") again()
  return { enable, disable, state }
}

const enabled = () => (recall("localStorage", enabledKey) ?? undefined) as Enabled | undefined

/** The key of a subscription, as the server has it: base64url. */
function key({ options }: PushSubscription): string {
  const bytes = new Uint8Array(options.applicationServerKey ?? new ArrayBuffer(0))
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "")
}

const unsupported = () => (isSecureContext ? "this browser has no Web Push, or only in pages that are on the home screen" : "notifications need a page with https")
